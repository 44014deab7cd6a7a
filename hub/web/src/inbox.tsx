// The clerk's list of what waits: to verify, changed on both sides, perhaps one person, held, returned.
import { useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeOf, valueText } from '@common/catalog';
import { label, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { query, type Rows, today, useModel } from './model';
import { w, type Word } from './messages';
import { Ask, RecordTable, StationChoice } from './records';
import { PAGE, Pager } from './figure';
import { OpenNotices } from './receipts';

const LISTS: [string, Word][] = [['conflicts', 'conflicts'], ['duplicates', 'duplicates'], ['held', 'held'], ['returned', 'returned'], ['salvaged', 'salvaged'], ['recovered', 'recovered']];
const AID_STATES = ['village_checked', 'town_reviewed', 'publicity', 'reported', 'approved'];
const PETITION_STATES = ['registered', 'accepted', 'handling', 'extended'];
const DUE_DAYS = 7;

/** Aid cases by the step that they wait for. */
function AidSteps() {
  const { catalog } = useModel();
  const type = typeOf(catalog, 'aid_case');
  const found = useData(() => Promise.all(AID_STATES.map((s) => get<Rows>(`types/aid_case/records?f.state=${s}&limit=1`).then((page): [string, number] => [s, page.total]))), []);
  if (!type || !found.data) return <Waiting error={found.error} reload={found.reload} />;
  const some = found.data.filter(([, n]) => n > 0);
  return (
    <section class="card">
      <h2>{w('aidSteps')}</h2>
      {some.length === 0 && <p class="quiet">{w('nothing')}</p>}
      <ul class="todo">
        {some.map(([state, n]) => (
          <li key={state}>
            <a href={`#/list/aid_case?state=${state}`}>
              {stateText(catalog, type, state)} {w('items', n)}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Petitions whose next limit (acceptance, else the answer) comes within a week, the most urgent first. */
function Petitions() {
  const { stations } = useModel();
  const found = useData(() => Promise.all(PETITION_STATES.map((s) => get<Rows>(`types/petition/records?f.state=${s}&limit=500`))), []);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const until = new Date(Date.parse(today()) + DUE_DAYS * 86400000).toISOString().slice(0, 10);
  const due = found.data
    .flatMap((page) => page.records)
    .map((r) => ({ r, on: String((r.state === 'registered' ? r.fields.accept_due : r.fields.finish_due) ?? '') }))
    .filter(({ on }) => on && on <= until)
    .sort((a, b) => (a.on < b.on ? -1 : 1));
  return (
    <section class="card">
      <h2>{w('petitionsDue')}</h2>
      {due.length === 0 && <p class="quiet">{w('nothing')}</p>}
      <ul class="todo">
        {due.map(({ r, on }) => (
          <li key={r.id} class={on < today() ? 'urgent' : undefined}>
            <a href={`#/record/${r.id}`}>{String(r.fields.reg_no ?? r.label)}</a> {stations.find((s) => s.code === r.village_code)?.name ?? ''} {w('dueOn', on)}{' '}
            {on < today() && <span class="tag bad">{w('overdue')}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Moves between villages: both sides on a page of their own. */
function Transfers() {
  const found = useData(() => get<{ rows: unknown[] }>('review/transfers'), []);
  if (!found.data?.rows.length) return null;
  return (
    <li>
      <a href="#/transfers">
        {w('transfers')} {w('items', found.data.rows.length)}
      </a>
    </li>
  );
}

export function InboxPage() {
  const { catalog, status } = useModel();
  const approvable = catalog.types.filter((t) => t.transitions.some((x) => x.from === 'submitted' && (x.to === 'verified' || x.to === 'active') && x.town));
  const waiting = useData(
    () => Promise.all(approvable.map((t) => get<Rows>(`types/${t.name}/records?f.state=submitted&limit=1`).then((page): [string, number] => [t.name, page.total]))),
    [],
  );
  if (!waiting.data || !status) return <Waiting error={waiting.error} reload={waiting.reload} />;
  const some = waiting.data.filter(([, n]) => n > 0);
  const lists = LISTS.filter(([name]) => status[name as 'held'] > 0);
  return (
    <>
      <h1>{w('inbox')}</h1>
      <div class="cards">
        <section class="card">
          <h2>{w('waitVerify')}</h2>
          {some.length === 0 && <p class="quiet">{w('nothing')}</p>}
          <ul class="todo">
            <Transfers />
            {some.map(([name, n]) => (
              <li key={name}>
                <a href={`#/verify/${name}`}>
                  {label(typeOf(catalog, name))} {w('items', n)}
                </a>
              </li>
            ))}
          </ul>
        </section>
        <section class="card">
          <h2>{w('inbox')}</h2>
          {lists.length === 0 && <p class="quiet">{w('nothing')}</p>}
          <ul class="todo">
            {lists.map(([name, word]) => (
              <li key={name}>
                <a href={`#/review/${name}`}>
                  {w(word)} {w('items', status[name as 'held'])}
                </a>
              </li>
            ))}
          </ul>
        </section>
        <AidSteps />
        <Petitions />
        <OpenNotices />
      </div>
    </>
  );
}

interface Left {
  id: string;
  text: string;
}

export function VerifyPage(props: { type: string }) {
  const { catalog, refresh } = useModel();
  const type = typeOf(catalog, props.type);
  const [station, setStation] = useState('');
  const [offset, setOffset] = useState(0);
  const [chosen, setChosen] = useState(new Set<string>());
  const [left, setLeft] = useState<Left[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [back, setBack] = useState<string | null>(null);
  const list = useData(() => get<Rows>(`types/${props.type}/records?${query({ station, 'f.state': 'submitted', limit: PAGE, offset })}`), [props.type, station, offset]);
  if (!type || !list.data) return <Waiting error={list.error} reload={list.reload} />;
  const rows = list.data.records;
  const name = (id: string) => rows.find((r) => r.id === id)?.label ?? id;
  const choose = (id: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  const approve = async () => {
    setBusy(true);
    setError('');
    try {
      const done = await api<{ approved: number; left: Left[] }>('POST', 'review/approve', { type: props.type, ids: [...chosen] });
      setLeft(done.left.map((l) => ({ ...l, id: name(l.id) })));
      toast(w('approved', done.approved));
      setChosen(new Set());
      list.reload();
      refresh();
    } catch (why) {
      setError((why as Error).message);
    } finally {
      setBusy(false);
    }
  };
  const only = chosen.size === 1 ? [...chosen][0]! : null;
  const moves = props.type === 'residency_event';
  return (
    <>
      <h1>
        {w('waitVerify')} · {label(type)} <small>{w('items', list.data.total)}</small>
      </h1>
      <div class="filters">
        <StationChoice
          value={station}
          onChange={(v) => {
            setStation(v);
            setOffset(0);
            setChosen(new Set());
          }}
        />
        <label class="choice">
          <input type="checkbox" checked={rows.length > 0 && rows.every((r) => chosen.has(r.id))} onChange={(e) => setChosen((e.target as HTMLInputElement).checked ? new Set(rows.map((r) => r.id)) : new Set())} />
          {w('chooseAll')}
        </label>
        <Button kind="main" disabled={busy || chosen.size === 0} onClick={approve}>
          {w('approveChosen', chosen.size)}
        </Button>
        <Button disabled={!only} onClick={() => setBack(only)}>
          {w('sendBack')}
        </Button>
      </div>
      {moves && (
        <p>
          <a href="#/transfers">{w('transfers')}</a> <span class="quiet">{w('transfersHelp')}</span>
        </p>
      )}
      {error && <Note kind="bad">{error}</Note>}
      {left.length > 0 && (
        <Note kind="bad">
          <p>{w('leftAlone', left.length)}</p>
          <ul>
            {left.slice(0, 50).map((l) => (
              <li key={l.id}>
                <bdi>{l.id}</bdi>：{l.text}
              </li>
            ))}
          </ul>
        </Note>
      )}
      <RecordTable type={props.type} rows={rows} labels={list.data.labels ?? {}} chosen={chosen} onChoose={choose} />
      <Pager total={list.data.total} offset={offset} onMove={setOffset} />
      {back && (
        <Ask
          title={`${w('sendBackTitle')}：${name(back)}`}
          text={w('sendBackNote')}
          go={w('sendBack')}
          onClose={() => setBack(null)}
          onDone={async (note) => {
            await api('POST', `records/${back}/return`, { note });
            toast(w('sentBack'));
            setChosen(new Set());
            list.reload();
            refresh();
          }}
        />
      )}
    </>
  );
}

interface ReviewRow {
  id: string;
  record?: string;
  type: string;
  group?: string;
  at?: string;
  label?: string;
  text?: string;
  user?: string;
  station?: string;
  village_code?: string;
  waits_for?: string;
  position?: number;
  siblings?: { n: number; value: Record<string, unknown>; user: string; station: string; at: string; stands: boolean }[];
  records?: { id: string; village_code: string; state: string; name: string }[];
}

function Conflict(props: { row: ReviewRow; done: () => void }) {
  const { catalog, stations } = useModel();
  const type = typeOf(catalog, props.row.type);
  const keep = (n: number) =>
    api('POST', `review/conflicts/${encodeURIComponent(props.row.id)}/resolve`, { keep: n }).then(
      () => {
        toast(w('kept'));
        props.done();
      },
      (e: Error) => toast(e.message),
    );
  return (
    <section class="card">
      <h2>
        <a href={`#/record/${props.row.record}`}>{props.row.label ?? label(type)}</a> <small class="quiet">{label(type)}</small>
      </h2>
      <div class="sides">
        {props.row.siblings?.map((s) => (
          <div class={s.stands ? 'side on' : 'side'} key={s.n}>
            {s.stands && <span class="tag good">{w('stands')}</span>}
            <dl class="values">
              {Object.entries(s.value).map(([name, value]) => {
                const field = type && fieldOf(type, name);
                return (
                  <div key={name}>
                    <dt>{field ? fieldLabel(field) : name}</dt>
                    <dd>{(field ? valueText(catalog, field, value) : String(value)) || '—'}</dd>
                  </div>
                );
              })}
            </dl>
            <p class="quiet">
              {stations.find((x) => x.code === s.station)?.name ?? ''} {s.user} {s.at && timeText(s.at)}
            </p>
            <Button kind={s.stands ? 'main' : 'plain'} onClick={() => keep(s.n)}>
              {w('keepThis')}
            </Button>
          </div>
        ))}
      </div>
    </section>
  );
}

function File(props: { id: string }) {
  const { catalog } = useModel();
  const found = useData(() => get<RecordRow & { labels: Record<string, string> }>(`records/${props.id}`), [props.id]);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const type = typeOf(catalog, found.data.type);
  return (
    <dl class="values">
      {type?.fields
        .filter((f) => !f.common && f.name in found.data!.fields && f.name !== 'dup_key')
        .slice(0, 12)
        .map((f) => (
          <div key={f.name}>
            <dt>{fieldLabel(f)}</dt>
            <dd>{valueText(catalog, f, found.data!.fields[f.name], found.data!.labels)}</dd>
          </div>
        ))}
    </dl>
  );
}

function Pair(props: { row: ReviewRow; done: () => void }) {
  const { stations } = useModel();
  const files = props.row.records ?? [];
  const [merged, setMerged] = useState<string | null>(null);
  const act = (path: string, body: object, said: Word, after: () => void) =>
    api('POST', `review/duplicates/${path}`, body).then(
      () => {
        toast(w(said));
        after();
      },
      (e: Error) => toast(e.message),
    );
  const [a, b] = files;
  if (!a || !b) return null;
  if (merged)
    return (
      <section class="card">
        <Note kind="good">{w('merged')}</Note>
        <Button onClick={() => act('unmerge', { id: merged }, 'unmerged', () => setMerged(null))}>{w('undoMerge')}</Button>
      </section>
    );
  return (
    <section class="card">
      <div class="sides">
        {[a, b].map((f, i) => (
          <div class="side" key={f.id}>
            <h2>
              <a href={`#/record/${f.id}`}>{f.name}</a> <small class="quiet">{stations.find((s) => s.code === f.village_code)?.name}</small>
            </h2>
            <File id={f.id} />
            <Button onClick={() => act('merge', { id: i === 0 ? b.id : a.id, into: f.id }, 'merged', () => setMerged(i === 0 ? b.id : a.id))}>{w('mergeInto')}</Button>
          </div>
        ))}
      </div>
      <div class="actions">
        <Button onClick={() => act('dismiss', { id: a.id, other: b.id }, 'dismissed', props.done)}>{w('different')}</Button>
      </div>
    </section>
  );
}

/** What waits: judged although something is missing, or refused with a reason that its author reads. */
function Held(props: { row: ReviewRow; done: () => void }) {
  const [refusing, setRefusing] = useState(false);
  const path = `review/held/${props.row.position}`;
  const release = () =>
    api('POST', `${path}/release`).then(
      () => {
        toast(w('released'));
        props.done();
      },
      (e: Error) => toast(e.message),
    );
  return (
    <>
      <Button onClick={release}>{w('release')}</Button> <Button onClick={() => setRefusing(true)}>{w('refuse')}</Button>
      {refusing && (
        <Ask
          title={w('refuseTitle')}
          text={w('refuseNote')}
          go={w('refuse')}
          onClose={() => setRefusing(false)}
          onDone={async (note) => {
            await api('POST', `${path}/refuse`, { note });
            toast(w('refused'));
            props.done();
          }}
        />
      )}
    </>
  );
}

export function ReviewPage(props: { kind: string }) {
  const { catalog, stations, refresh } = useModel();
  const list = useData(() => get<{ rows: ReviewRow[] }>(`review/${props.kind}`), [props.kind]);
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const done = () => {
    list.reload();
    refresh();
  };
  const title = LISTS.find(([name]) => name === props.kind)?.[1] ?? 'inbox';
  const rows = list.data.rows;
  const decidable = props.kind === 'recovered' || props.kind === 'salvaged';
  const decide = (id: number, accept: boolean) =>
    api<{ done: number }>('POST', `review/${props.kind}/decide`, { id, accept }).then(
      (d) => {
        toast(w('decided', d.done));
        done();
      },
      (e: Error) => toast(e.message),
    );
  return (
    <>
      <h1>
        {w(title)} <small>{w('items', rows.length)}</small>
      </h1>
      {rows.length === 0 && <p class="quiet">{w('nothing')}</p>}
      {decidable && rows.length > 0 && (
        <div class="actions">
          <Button kind="main" onClick={() => decide(0, true)}>
            {w('acceptAll')}
          </Button>
        </div>
      )}
      {props.kind === 'conflicts' && rows.map((row) => <Conflict key={row.id} row={row} done={done} />)}
      {props.kind === 'duplicates' && rows.map((row) => <Pair key={row.records?.map((f) => f.id).join()} row={row} done={done} />)}
      {props.kind !== 'conflicts' && props.kind !== 'duplicates' && rows.length > 0 && (
        <ul class="plain-list">
          {rows.map((row, i) => (
            <li key={`${row.id}.${i}`}>
              <b>{row.label && typeOf(catalog, row.type) ? <a href={`#/record/${row.record ?? row.id}`}>{row.label}</a> : row.label || label(typeOf(catalog, row.type), row.type === 'station_account' ? w('accountName') : '')}</b> {stations.find((s) => s.code === (row.village_code ?? row.station))?.name ?? ''} {row.user ?? ''}{' '}
              {row.at && <span class="quiet">{timeText(row.at)}</span>}
              {row.text && <div>{row.text}</div>}
              {row.waits_for && <div class="quiet">{w('waitsFor', row.waits_for)}</div>}
              {decidable && (
                <>
                  <Button onClick={() => decide(Number(row.id), true)}>{w('accept')}</Button> <Button onClick={() => decide(Number(row.id), false)}>{w('dismiss')}</Button>
                </>
              )}
              {props.kind === 'held' && <Held row={row} done={done} />}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
