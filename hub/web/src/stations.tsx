// The stations: how each stands with the town, and what needs somebody's eye.
import { useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { timeText } from '@common/i18n';
import { Button, Dialog, Later, Note, toast, useData, Waiting } from '@common/ui';
import { Bundles } from './bundles';
import { type Coverage, isStaff, isVillage, keepsDesk, type Station, useModel } from './model';
import { w, type Word } from './messages';
import { CoverageLine, tileOf } from './overview';

const ALARMS: Record<string, Word> = { clone: 'aClone', twin: 'aTwin', went_back: 'aBack' };

function Act(props: { station: Station; all: Station[]; done: () => void }) {
  const [found, setFound] = useState('');
  const [open, setOpen] = useState<'' | 'settle' | 'revoke' | 'merge'>('');
  const [error, setError] = useState('');
  const pcs = props.station.replicas.filter((r) => !r.revoked);
  const run = (work: () => Promise<unknown>, said: Word) =>
    work().then(
      () => {
        setOpen('');
        toast(w(said));
        props.done();
      },
      (e: Error) => setError(e.message),
    );
  return (
    <>
      <a class="button plain" href={`#/kit/${props.station.code}`}>
        {w('kit')}
      </a>
      {(props.station.alarms.length > 0 || props.station.replicas.some((r) => r.in_doubt || r.possible_gap)) && <Button onClick={() => (setError(''), setFound(''), setOpen('settle'))}>{w('settle')}</Button>}
      {pcs.length > 0 && (
        <Button kind="danger" onClick={() => (setError(''), setOpen('revoke'))}>
          {w('revoke')}
        </Button>
      )}
      {isVillage(props.station) && !props.station.merged && (
        <Button kind="danger" onClick={() => setOpen('merge')}>
          {w('mergeVillage')}
        </Button>
      )}
      {open === 'merge' && <Later load={() => import('./merger').then((m) => m.MergerForm)} given={{ station: props.station, all: props.all, onClose: () => setOpen(''), done: props.done }} />}
      {open === 'settle' && (
        <Dialog title={`${w('settle')}：${props.station.name}`} onClose={() => setOpen('')}>
          <p>{w('settleText')}</p>
          <label for="found">{w('settleFound')}</label>
          <input id="found" type="text" maxLength={120} value={found} onInput={(e) => setFound((e.target as HTMLInputElement).value)} />
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" disabled={!found.trim()} onClick={() => run(() => api('POST', `stations/${props.station.code}/settle`, { note: found.trim() }), 'settled')}>
              {w('settle')}
            </Button>
          </div>
        </Dialog>
      )}
      {open === 'revoke' && (
        <Dialog title={`${w('revoke')}：${props.station.name}`} onClose={() => setOpen('')}>
          <p>{w('revokeText')}</p>
          {error && <Note kind="bad">{error}</Note>}
          <ul class="plain-list">
            {pcs.map((r) => (
              <li key={r.replica}>
                {r.program} {r.last_contact ? timeText(r.last_contact) : ''}{' '}
                <Button kind="danger" onClick={() => run(() => api('POST', `stations/${props.station.code}/revoke`, { replica: r.replica }), 'revoked')}>
                  {w('revoke')}
                </Button>
              </li>
            ))}
          </ul>
        </Dialog>
      )}
    </>
  );
}

function Add(props: { done: () => void }) {
  const [code, setCode] = useState('');
  const [name, setName] = useState('');
  const [office, setOffice] = useState('');
  const [error, setError] = useState('');
  const text = (set: (v: string) => void) => (e: Event) => set((e.target as HTMLInputElement).value);
  const submit = (e: Event) => {
    e.preventDefault();
    setError('');
    api('POST', 'stations', { code, name, ...(office ? { office } : {}) }).then(
      () => {
        setCode('');
        setName('');
        toast(w('stationMade'));
        props.done();
      },
      (why: Error) => setError(why.message),
    );
  };
  return (
    <section class="card no-print">
      <h2>{w('stationNew')}</h2>
      <form class="form" onSubmit={submit}>
        <div class="field">
          <label for="code">{w('stationCode')}</label>
          <input id="code" type="text" inputMode="numeric" value={code} onInput={text(setCode)} />
        </div>
        <div class="field">
          <label for="name">{w('stationName')}</label>
          <input id="name" type="text" value={name} onInput={text(setName)} />
        </div>
        <div class="field">
          <label for="office">{w('stationOffice')}</label>
          <input id="office" type="text" value={office} onInput={text(setOffice)} />
        </div>
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={!code || !name}>
            {w('make')}
          </Button>
        </div>
      </form>
    </section>
  );
}

function clockText(ms: number | null): string {
  if (ms === null || Math.abs(ms) < 60000) return '';
  const minutes = Math.round(Math.abs(ms) / 60000);
  const sign = ms > 0 ? '-' : '+'; // the hub's clock minus the PC's
  return minutes < 120 ? `${sign}${minutes}′` : minutes < 2880 ? `${sign}${Math.round(minutes / 60)}h` : `${sign}${Math.round(minutes / 1440)}d`;
}

export function StationsPage(props: { only?: string }) {
  const { stations: known, session, refresh, reload } = useModel();
  const board = useData(() => get<{ stations: Station[]; coverage: Coverage }>('stations'), []);
  if (!board.data) return <Waiting error={board.error} reload={board.reload} />;
  const { coverage } = board.data;
  const shown = board.data.stations.filter((s) => !props.only || s.code === props.only);
  return (
    <>
      <h1>{props.only ? (shown[0]?.name ?? props.only) : w('stations')}</h1>
      {!props.only && <CoverageLine coverage={coverage} stations={known} />}
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {(['stations', 'completeThrough', 'lastContact', 'lag', 'clock', 'program', 'returnedN', 'alarms'] as Word[]).map((word) => (
                <th scope="col" key={word}>
                  {w(word)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((s) => {
              const [kind, mark, text] = tileOf(s, coverage);
              const pcs = s.replicas.length ? s.replicas : [null];
              return pcs.map((r, i) => (
                <tr key={`${s.code}.${r?.replica ?? ''}`}>
                  {i === 0 && (
                    <th scope="row" rowSpan={pcs.length}>
                      {s.name} {s.level === 'village' && <span class={`tag ${kind}`}>{`${mark} ${text}`}</span>}
                      <br />
                      <small class="quiet">
                        {s.code} {s.office_name}
                        {s.merged && (
                          <>
                            <br />
                            {w('mergedInto', board.data!.stations.find((other) => other.code === s.merged!.into)?.name ?? s.merged.into, s.merged.on)}
                          </>
                        )}
                      </small>
                    </th>
                  )}
                  {r ? (
                    <>
                      <td>
                        {r.complete_through ? timeText(r.complete_through) : '—'} {r.by_station_clock && <small class="quiet">{w('byStick')}</small>}
                      </td>
                      <td>{r.last_contact ? timeText(r.last_contact) : '—'}</td>
                      <td>{r.lag > 0 ? r.lag : ''}</td>
                      <td>{clockText(r.clock_offset_ms)}</td>
                      <td>
                        {r.program} {r.revoked && <span class="tag bad">{w('revoked')}</span>} {r.in_doubt && <span class="tag wait">{w('tGap')}</span>}
                      </td>
                    </>
                  ) : (
                    <td colSpan={5} class="quiet">
                      {w('noPc')}
                    </td>
                  )}
                  {i === 0 && <td rowSpan={pcs.length}>{s.returned > 0 ? isStaff(session) ? <a href="#/review/returned">{s.returned}</a> : s.returned : ''}</td>}
                  {i === 0 && (
                    <td rowSpan={pcs.length}>
                      {session.role === 'admin' && <Act station={s} all={board.data!.stations} done={() => (board.reload(), reload(), refresh())} />}
                      {s.alarms.map((a) => (
                        <div key={a.at}>
                          <span class="tag bad">! {w(ALARMS[a.kind] ?? 'tGap')}</span> {timeText(a.at)}
                        </div>
                      ))}
                    </td>
                  )}
                </tr>
              ));
            })}
          </tbody>
        </table>
      </div>
      {keepsDesk(session) && !props.only && <Bundles done={board.reload} />}
      {session.role === 'admin' && !props.only && <Add done={board.reload} />}
      {shown.length === 0 && <Note kind="info">{w('nothing')}</Note>}
    </>
  );
}
