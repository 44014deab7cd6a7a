// A village's PC is enrolled: the one-time kit, and the steps on a sheet of A4 that goes along with it. The sheet bears the hub's id in
// words and as a QR code: the village compares it with what its own program says, so that another hub's kit is noticed. The kit's secret is
// in the file alone, never on paper.
import { useState } from 'preact/hooks';
import { timeText } from '@common/i18n';
import { Qr } from '@common/qr';
import { Button, Note, toast } from '@common/ui';
import { note } from './export';
import { type Station, useModel } from './model';
import { w, type Word } from './messages';
import { Choice } from './overview';

interface Kit {
  hub_id: string;
  town: string;
  station: string;
  station_name: string;
  endpoint: string;
  expires: string;
}
type Why = 'first' | 'replace' | 'second';
const WHYS: [Why, Word][] = [
  ['first', 'kitFirst'],
  ['replace', 'kitReplace'],
  ['second', 'kitSecond'],
];
const STEPS: Record<Why, Word[]> = {
  first: ['kitStepBring', 'kitStepEnrol', 'kitStepCompare', 'kitStepAway', 'kitStepLogin'],
  replace: ['kitStepOld', 'kitStepBackup', 'kitStepBring', 'kitStepEnrol', 'kitStepCompare', 'kitStepRestore', 'kitStepAway', 'kitStepLogin', 'kitStepRevoke'],
  second: ['kitStepBring', 'kitStepEnrol', 'kitStepCompare', 'kitStepAway', 'kitStepLogin', 'kitStepBoth'],
};

async function download(code: string, endpoint: string): Promise<Kit> {
  const reply = await fetch(`/api/v1/stations/${code}/kit`, { method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ endpoint }) });
  if (!reply.ok) throw new Error(((await reply.json()) as { error: { text: string } }).error.text);
  const file = await reply.blob();
  const { hub_id, town, station, station_name, expires, endpoint: at } = JSON.parse(await file.text()) as Kit;
  const { save } = await import('@common/sheet');
  save(file, `${code}.kit`);
  return { hub_id, town, station, station_name, endpoint: at, expires };
}

function Sheet(props: { kit: Kit; why: Why }) {
  const { kit, why } = props;
  const id = (kit.hub_id.match(/.{4}/g) ?? []).join(' ');
  return (
    <section class="sheet card kit-sheet">
      <h2>{w('kitSheet', kit.station_name)}</h2>
      <p class="quiet">
        {kit.town} · {kit.station} · {w(WHYS.find(([v]) => v === why)![1])} · {w('kitUntil', timeText(kit.expires))}
      </p>
      <div class="kit-id">
        <Qr text={kit.hub_id} said={w('kitQr', id)} />
        <div>
          <p>{w('kitHubId')}</p>
          <p>
            <code>{id}</code>
          </p>
          <p>
            {w('kitAddress')}：<code>{kit.endpoint}</code>
          </p>
        </div>
      </div>
      <ol>
        {STEPS[why].map((step) => (
          <li key={step}>{w(step, kit.station)}</li>
        ))}
      </ol>
      <p>{w('kitDone')}</p>
      <div class="no-print actions">
        <Button kind="main" onClick={() => note('print', w('kitSheet', kit.station_name), '').then(() => window.print(), (e: Error) => toast(e.message))}>
          {w('print')}
        </Button>
      </div>
    </section>
  );
}

export function KitPage(props: { code: string }) {
  const { stations, status } = useModel();
  const station: Station | undefined = stations.find((s) => s.code === props.code);
  const pcs = (station?.replicas ?? []).filter((r) => !r.revoked).length;
  const [why, setWhy] = useState<Why>(pcs ? 'replace' : 'first');
  const [typed, setEndpoint] = useState<string | null>(null);
  const endpoint = typed ?? `tcp://${location.hostname}:${status?.sync_port ?? 5800}`;
  const [kit, setKit] = useState<Kit | null>(null);
  const [error, setError] = useState('');
  if (!station) return <p>{w('nothing')}</p>;
  const submit = (e: Event) => {
    e.preventDefault();
    setError('');
    download(props.code, endpoint).then(
      (made) => {
        setKit(made);
        toast(w('kitMade'));
      },
      (reason: Error) => setError(reason.message),
    );
  };
  return (
    <>
      <h1 class="no-print">
        {w('kit')}：{station.name}
      </h1>
      <section class="card no-print">
        <p>{w('kitText')}</p>
        <form class="form" onSubmit={submit}>
          <Choice text={w('kitWhy')} name="why" value={why} options={WHYS.filter(([v]) => (v === 'first') === (pcs === 0)).map(([v, word]) => [v, w(word)])} onChange={setWhy} />
          <div class="field">
            <label for="endpoint">{w('kitAddress')}</label>
            <input id="endpoint" type="text" value={endpoint} onInput={(e) => setEndpoint((e.target as HTMLInputElement).value)} />
          </div>
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit">
              {w('kitGet')}
            </Button>
            <a class="button plain" href="#/stations">
              {w('stations')}
            </a>
          </div>
        </form>
      </section>
      {kit && <Sheet kit={kit} why={why} />}
    </>
  );
}
