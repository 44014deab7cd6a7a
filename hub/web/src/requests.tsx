// What villages ask to be corrected (变更申请): whose file, which field, from what to what and why, and the clerk's word. To agree writes
// the new value at once.
import { useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeOf } from '@common/catalog';
import { askedText, REQUEST } from '@common/request';
import { label } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { PAGE, Pager } from './figure';
import { query, useModel } from './model';
import { w } from './messages';
import { BulkBar, BulkButton, type Chosen, useBulk } from './bulk';
import { Ask } from './records';

export interface RequestRow extends RecordRow {
  masked?: boolean;
  request?: { type: string; id: string; label: string; field: string; old: string | null; new: string | null; now?: string | null; stands?: boolean };
}

/** What it asks for, under the cover of the field that it is for; shown for a reason, which the audit log has. */
export function RequestValues(props: { row: RequestRow }) {
  const { catalog } = useModel();
  const r = props.row;
  const q = r.request;
  const type = typeOf(catalog, q?.type ?? '');
  const field = type && fieldOf(type, q?.field ?? '');
  const words = (value: unknown) => (String(value ?? '').includes('＊') || String(value ?? '').includes('*') ? String(value) : askedText(catalog, field, value)) || w('none');
  return (
    <>
      {r.invalid && <Note kind="bad">{label({ zh: r.invalid.zh, en: r.invalid.en })}</Note>}
      <dl class="values">
        <div>
          <dt>{w('askAbout')}</dt>
          <dd>
            {q ? (
              <a href={`#/record/${q.id}`}>
                {q.label || label(type)} {q.type !== 'person' && <small class="quiet">{label(type)}</small>}
              </a>
            ) : (
              w('askUnknown')
            )}
          </dd>
        </div>
        <div>
          <dt>{w('askWhat')}</dt>
          <dd>{field ? fieldLabel(field) : String(r.fields.field ?? '')}</dd>
        </div>
        {q && (
          <div>
            <dt>{w('askChange')}</dt>
            <dd>
              {words(q.old)} → <b>{words(q.new)}</b>
            </dd>
          </div>
        )}
        <div>
          <dt>{w('askWhy')}</dt>
          <dd>{String(r.fields.reason ?? '')}</dd>
        </div>
        {r.state === 'verified' && (
          <div>
            <dt>{w('askDone')}</dt>
            <dd>{r.fields.decision === 'approved' ? w('askAgreed') : w('askRefused', String(r.fields.return_note ?? ''))}</dd>
          </div>
        )}
      </dl>
      {r.state === 'submitted' && q && q.stands === false && <Note kind="bad">{w('askStale', words(q.now))}</Note>}
    </>
  );
}

/** Agree, not agree, send back to be mended. */
export function Decide(props: { row: RequestRow; done: () => void }) {
  const [asking, setAsking] = useState<'refused' | 'back' | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const id = props.row.id;
  const agree = async () => {
    setBusy(true);
    setError('');
    try {
      await api('PATCH', `records/${id}`, { fields: { state: 'verified', decision: 'approved' }, rev: props.row.rev, was: { state: 'submitted' } });
      toast(w('askAgreedNow', props.row.label));
      props.done();
    } catch (why) {
      setError((why as Error).message);
    } finally {
      setBusy(false);
    }
  };
  if (props.row.state !== 'submitted') return null;
  return (
    <>
      {error && <Note kind="bad">{error}</Note>}
      <div class="actions">
        <Button kind="main" disabled={busy} onClick={agree}>
          {w('askAgree')}
        </Button>
        <Button disabled={busy} onClick={() => setAsking('refused')}>
          {w('askRefuse')}
        </Button>
        <Button disabled={busy} onClick={() => setAsking('back')}>
          {w('sendBack')}
        </Button>
      </div>
      {asking && (
        <Ask
          title={`${w(asking === 'back' ? 'sendBackTitle' : 'askRefuse')}：${props.row.label}`}
          text={w(asking === 'back' ? 'sendBackNote' : 'askRefuseNote')}
          go={w(asking === 'back' ? 'sendBack' : 'askRefuse')}
          onClose={() => setAsking(null)}
          onDone={async (note) => {
            if (asking === 'back') await api('POST', `records/${id}/return`, { note, rev: props.row.rev });
            else await api('PATCH', `records/${id}`, { fields: { state: 'verified', decision: 'refused', return_note: note }, rev: props.row.rev, was: { state: 'submitted' } });
            toast(w(asking === 'back' ? 'sentBack' : 'askRefusedNow'));
            props.done();
          }}
        />
      )}
    </>
  );
}

function Card(props: { row: RequestRow; chosen: boolean; onChoose: (on: boolean) => void; done: () => void }) {
  const { catalog, stations } = useModel();
  const [full, setFull] = useState<RequestRow | null>(null);
  const [asking, setAsking] = useState(false);
  const row = full ?? props.row;
  const type = typeOf(catalog, REQUEST);
  const q = props.row.request;
  const covered = [q?.old, q?.new].some((v) => /[＊*]/.test(String(v ?? '')));
  return (
    <section class="card">
      <h2>
        <label class="choice">
          <input type="checkbox" aria-label={props.row.label} checked={props.chosen} onChange={(e) => props.onChoose((e.target as HTMLInputElement).checked)} />
        </label>{' '}
        <a href={`#/record/${row.id}`}>{row.label}</a> <small class="quiet">{stations.find((s) => s.code === row.village_code)?.name ?? ''}</small>{' '}
        {type && row.state !== 'submitted' && <span class="tag">{stateText(catalog, type, row.state)}</span>}
      </h2>
      <RequestValues row={row} />
      {covered && !full && <Button onClick={() => setAsking(true)}>{w('reveal')}</Button>}
      <Decide row={row} done={props.done} />
      {asking && (
        <Ask title={w('revealTitle')} text={w('revealReason')} go={w('reveal')} onClose={() => setAsking(false)} onDone={async (reason) => setFull(await api('POST', `records/${row.id}/reveal`, { reason }))} />
      )}
    </section>
  );
}

export function RequestsPage() {
  const { refresh } = useModel();
  const [station, setStation] = useState('');
  const [offset, setOffset] = useState(0);
  const list = useData(() => get<{ total: number; records: RequestRow[] }>(`types/${REQUEST}/records?${query({ station, 'f.state': 'submitted', limit: PAGE, offset })}`), [station, offset]);
  const bulk = useBulk(list.data);
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const rows = list.data.records;
  const done = () => {
    list.reload();
    refresh();
  };
  const agree = async (chosen: Chosen) => {
    const result = await api<{ approved: number; left: { id: string; text: string }[] }>('POST', 'review/approve', { type: REQUEST, ...chosen });
    if (result.approved) toast(w('askAgreedMany', result.approved));
    done();
    return result;
  };
  return (
    <>
      <h1>
        {w('waitVerify')} · {w('askTitle')} <small>{w('items', list.data.total)}</small>
      </h1>
      <p class="quiet">{w('askHelp')}</p>
      <BulkBar
        bulk={bulk}
        ids={rows.map((r) => r.id)}
        station={station}
        onStation={(v) => {
          setStation(v);
          setOffset(0);
        }}
      >
        <BulkButton bulk={bulk} kind="main" text={w('askAgreeMany', bulk.chosen.size)} onClick={() => void bulk.perform(agree)} />
      </BulkBar>
      {rows.length === 0 && <p class="quiet">{w('nothing')}</p>}
      {rows.map((r) => (
        <Card key={r.id} row={r} chosen={bulk.chosen.has(r.id)} onChoose={(on) => bulk.choose(r.id, on)} done={done} />
      ))}
      <Pager total={list.data.total} offset={offset} onMove={setOffset} />
    </>
  );
}
