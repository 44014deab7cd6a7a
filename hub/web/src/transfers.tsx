// Moves between villages that wait: what one village says, the file that is or may be meant, and the clerk's decision. The claiming
// village sees nothing of the file before that.
import { useState } from 'preact/hooks';
import { api, get, uuid7 } from '@common/api';
import { stateText, typeOf } from '@common/catalog';
import { Button, Dialog, Note, toast, useData, Waiting } from '@common/ui';
import { useModel } from './model';
import { w } from './messages';
import { Ask } from './records';

interface Side {
  id: string;
  name: string;
  village_code: string;
  state: string;
  same_number: boolean;
  same_name: boolean;
}
interface Transfer {
  id: string;
  claim: boolean;
  state: string;
  rev: string;
  fields: Record<string, string | undefined>;
  records: Side[];
}

/** The paper that proves the move stays in the office until it is scanned: who confirms says that it was seen. */
function Confirm(props: { move: Transfer; side: Side; onClose: () => void; onDone: () => void }) {
  const { stations } = useModel();
  const [seen, setSeen] = useState(!!props.move.fields.proof);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const village = (code?: string) => stations.find((s) => s.code === code)?.name ?? code ?? '';
  const confirm = async () => {
    setBusy(true);
    setError('');
    const fields: Record<string, string> = { state: 'verified' };
    if (props.move.claim) fields.person_id = props.side.id;
    if (!props.move.fields.proof) fields.proof = uuid7();
    try {
      await api('PATCH', `records/${props.move.id}`, { fields, rev: props.move.rev, was: { state: props.move.state } });
      toast(w('moved', props.side.name, village(props.move.fields.to_village)));
      props.onDone();
      props.onClose();
    } catch (e) {
      setError((e as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={w('moveTitle')} onClose={props.onClose}>
      <p>
        <b>{props.side.name}</b>：{village(props.side.village_code)} → {village(props.move.fields.to_village)}
      </p>
      <p>{w('moveMeans')}</p>
      <label class="choice">
        <input type="checkbox" checked={seen} onChange={(e) => setSeen((e.target as HTMLInputElement).checked)} /> {w('proofSeen')}
      </label>
      {error && <Note kind="bad">{error}</Note>}
      <div class="actions">
        <Button kind="main" disabled={!seen || busy} onClick={confirm}>
          {w('moveConfirm')}
        </Button>
        <Button onClick={props.onClose}>{w('notNow')}</Button>
      </div>
    </Dialog>
  );
}

function Move(props: { move: Transfer; done: () => void }) {
  const { catalog, stations } = useModel();
  const [side, setSide] = useState<Side | null>(null);
  const [back, setBack] = useState(false);
  const m = props.move;
  const person = typeOf(catalog, 'person');
  const village = (code?: string) => (code ? (stations.find((s) => s.code === code)?.name ?? code) : '');
  const who = m.claim ? m.fields.claim_name : m.records[0]?.name;
  return (
    <section class="card">
      <h2>
        <a href={`#/record/${m.id}`}>{who ?? w('moveTitle')}</a> <small class="quiet">{w(m.claim ? 'claimBy' : 'releaseBy', village(m.claim ? m.fields.to_village : m.fields.from_village))}</small>
      </h2>
      <p>
        {village(m.fields.from_village) || w('fromUnknown')} → {village(m.fields.to_village)} <span class="quiet">{m.fields.event_on}</span>{' '}
        {m.claim && <span class="quiet">{w('numberGiven', m.fields.claim_id_no ?? w('none'))}</span>}
      </p>
      {m.records.length === 0 && <Note kind="info">{w('noFileFits')}</Note>}
      <ul class="plain-list">
        {m.records.map((f) => (
          <li key={f.id}>
            <a href={`#/record/${f.id}`}>{f.name}</a> {village(f.village_code)} <span class="tag">{person ? stateText(catalog, person, f.state) : f.state}</span>{' '}
            {m.claim && f.same_number && <span class="tag good">{w('sameNumber')}</span>} {m.claim && !f.same_number && <span class="tag wait">{w('otherNumber')}</span>}{' '}
            {m.claim && !f.same_name && <span class="tag bad">{w('otherName')}</span>}{' '}
            <Button kind={!m.claim || (f.same_number && f.same_name) ? 'main' : 'plain'} onClick={() => setSide(f)}>
              {w('moveThis')}
            </Button>
          </li>
        ))}
      </ul>
      <div class="actions">
        <Button onClick={() => setBack(true)}>{w('sendBack')}</Button>
      </div>
      {side && <Confirm move={m} side={side} onClose={() => setSide(null)} onDone={props.done} />}
      {back && (
        <Ask
          title={`${w('sendBackTitle')}：${who ?? ''}`}
          text={w('sendBackNote')}
          go={w('sendBack')}
          onClose={() => setBack(false)}
          onDone={async (note) => {
            await api('POST', `records/${m.id}/return`, { note, rev: m.rev });
            toast(w('sentBack'));
            props.done();
          }}
        />
      )}
    </section>
  );
}

export function TransfersPage() {
  const { refresh } = useModel();
  const list = useData(() => get<{ rows: Transfer[] }>('review/transfers'), []);
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const done = () => {
    list.reload();
    refresh();
  };
  return (
    <>
      <h1>
        {w('transfers')} <small>{w('items', list.data.rows.length)}</small>
      </h1>
      <p class="quiet">{w('transfersHelp')}</p>
      {list.data.rows.length === 0 && <p class="quiet">{w('nothing')}</p>}
      {list.data.rows.map((m) => (
        <Move key={m.id} move={m} done={done} />
      ))}
    </>
  );
}
