// The clerk's list of what waits: to verify, changed on both sides, perhaps one person, held, returned.
import { useEffect, useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, saysWhy, stateText, typeOf, valueText } from '@common/catalog';
import { label, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { query, type Rows, today, useModel } from './model';
import { w, type Word } from './messages';
import { Conflict, type Sibling } from './conflicts';
import { type Bulk, BulkBar, BulkButton, type Chosen, useBulk } from './bulk';
import { Ask, RecordTable } from './records';
import { alter, hashQuery } from '@common/route';
import { offsetOf, PAGE, Pager } from './figure';
import { OpenNotices } from './receipts';

const LISTS: [string, Word][] = [['conflicts', 'conflicts'], ['duplicates', 'duplicates'], ['held', 'held'], ['returned', 'returned'], ['salvaged', 'salvaged'], ['recovered', 'recovered']];
/** Where a case waits for the town, in the order of its life. */
const STEPS: [string, string[]][] = [
  ['aid_case', ['village_checked', 'town_reviewed', 'publicity', 'reported', 'approved']],
  ['pref_card', ['accepted', 'review', 'making', 'received', 'reissue']],
  ['service_item', ['accepted', 'tolerant', 'handling']],
];
const PETITION_STATES = ['registered', 'accepted', 'handling', 'extended'];
const DUE_DAYS = 7;

/** Cases by the step that they wait for. */
function CaseSteps() {
  const { catalog } = useModel();
  const asked = STEPS.flatMap(([name, states]) => states.filter((s) => typeOf(catalog, name)?.transitions.some((x) => x.from === s && x.town)).map((s): [string, string] => [name, s]));
  const found = useData(() => Promise.all(asked.map(([name, s]) => get<Rows>(`types/${name}/records?f.state=${s}&limit=1`).then((page): [string, string, number] => [name, s, page.total]))), []);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const some = found.data.filter(([, , n]) => n > 0);
  return (
    <section class="card">
      <h2>{w('caseSteps')}</h2>
      {some.length === 0 && <p class="quiet">{w('nothing')}</p>}
      <ul class="todo">
        {some.map(([name, state, n]) => (
          <li key={`${name} ${state}`}>
            <a href={`#/steps/${name}?state=${state}`}>
              {label(typeOf(catalog, name))} · {stateText(catalog, typeOf(catalog, name)!, state)} {w('items', n)}
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
        <CaseSteps />
        <Petitions />
        <OpenNotices />
      </div>
    </>
  );
}

type Done = { left: { id: string; text: string }[] };

/** What was chosen is sent back, or ended, all with one note. */
function BackNote(props: { n: number; to?: string; said?: string; bulk: Bulk; type: string; from: string; done: () => void; onClose: () => void }) {
  return (
    <Ask
      title={props.said ? w('endTitle', props.said, w('items', props.n)) : `${w('sendBackTitle')}：${w('items', props.n)}`}
      text={w(props.said ? 'endNote' : 'sendBackNote')}
      go={props.said ? w('step', props.said) : w('sendBackMany', props.n)}
      onClose={props.onClose}
      onDone={async (note) => {
        const failed = await props.bulk.perform(async (chosen) => {
          const d = await api<Done & { done: number }>('POST', 'review/step', { type: props.type, ...chosen, from: props.from, to: props.to ?? 'returned', note });
          if (d.done) toast(props.said ? w('stepMany', d.done, props.said) : w('sentBackMany', d.done));
          props.done();
          return d;
        });
        if (failed) throw failed; // the dialog stays, with what was typed
      }}
    />
  );
}

export function VerifyPage(props: { type: string }) {
  const { catalog, refresh } = useModel();
  const type = typeOf(catalog, props.type);
  const station = hashQuery().get('station') ?? '';
  const offset = offsetOf(hashQuery().get('offset'));
  const [back, setBack] = useState(false);
  const list = useData(() => get<Rows>(`types/${props.type}/records?${query({ station, 'f.state': 'submitted', limit: PAGE, offset })}`), [props.type, station, offset]);
  const bulk = useBulk(list.data);
  if (!type || !list.data) return <Waiting error={list.error} reload={list.reload} />;
  const rows = list.data.records;
  const done = () => {
    list.reload();
    refresh();
  };
  const approve = async (chosen: Chosen) => {
    const d = await api<Done & { approved: number }>('POST', 'review/approve', { type: props.type, ...chosen });
    if (d.approved) toast(w('approved', d.approved));
    done();
    return d;
  };
  const returnable = type.transitions.some((x) => x.from === 'submitted' && x.to === 'returned' && x.town) && type.name !== 'period_lock';
  return (
    <>
      <h1>
        {w('waitVerify')} · {label(type)} <small>{w('items', list.data.total)}</small>
      </h1>
      <BulkBar bulk={bulk} ids={rows.map((r) => r.id)} station={station} onStation={(v) => alter({ station: v, offset: null })}>
        <BulkButton bulk={bulk} kind="main" text={w('approveChosen', bulk.chosen.size)} onClick={() => void bulk.perform(approve)} />
        {returnable && <BulkButton bulk={bulk} text={w('sendBackMany', bulk.chosen.size)} onClick={() => setBack(true)} />}
      </BulkBar>
      {props.type === 'residency_event' && (
        <p>
          <a href="#/transfers">{w('transfers')}</a> <span class="quiet">{w('transfersHelp')}</span>
        </p>
      )}
      <RecordTable type={props.type} rows={rows} labels={list.data.labels ?? {}} chosen={bulk.chosen} onChoose={bulk.choose} />
      <Pager total={list.data.total} offset={offset} onMove={(to) => alter({ offset: to })} />
      {back && <BackNote n={bulk.chosen.size} bulk={bulk} type={props.type} from="submitted" done={done} onClose={() => setBack(false)} />}
    </>
  );
}

/** Records of a type that wait for the same step: taken for many at once, or all sent back with one note. */
export function StepsPage(props: { type: string }) {
  const { catalog, refresh } = useModel();
  const type = typeOf(catalog, props.type);
  const state = hashQuery().get('state') ?? '';
  const station = hashQuery().get('station') ?? '';
  const offset = offsetOf(hashQuery().get('offset'));
  const [back, setBack] = useState(false);
  const [ending, setEnding] = useState('');
  const list = useData(() => get<Rows>(`types/${props.type}/records?${query({ station, 'f.state': state, limit: PAGE, offset })}`), [props.type, state, station, offset]);
  const bulk = useBulk(list.data);
  if (!type || !list.data) return <Waiting error={list.error} reload={list.reload} />;
  const rows = list.data.records;
  const steps = type.transitions.filter((x) => x.from === state && x.town);
  const done = () => {
    list.reload();
    refresh();
  };
  const take = (to: string) => {
    if (saysWhy(type, to)) return setEnding(to);
    const name = stateText(catalog, type, to);
    if (!window.confirm(w('stepManySure', bulk.chosen.size, name))) return;
    void bulk.perform(async (chosen) => {
      const d = await api<Done & { done: number }>('POST', 'review/step', { type: props.type, ...chosen, from: state, to });
      if (d.done) toast(w('stepMany', d.done, name));
      done();
      return d;
    });
  };
  return (
    <>
      <h1>
        {label(type)} · {stateText(catalog, type, state)} <small>{w('items', list.data.total)}</small>
      </h1>
      <p class="quiet">{w('stepsHelp')}</p>
      <BulkBar bulk={bulk} ids={rows.map((r) => r.id)} station={station} onStation={(v) => alter({ station: v, offset: null })}>
        {steps.filter((x) => x.to !== 'returned').map((x) => (
          <BulkButton key={x.to} bulk={bulk} text={w('step', stateText(catalog, type, x.to))} onClick={() => take(x.to)} />
        ))}
        {steps.some((x) => x.to === 'returned') && <BulkButton bulk={bulk} text={w('sendBackMany', bulk.chosen.size)} onClick={() => setBack(true)} />}
      </BulkBar>
      <RecordTable type={props.type} rows={rows} labels={list.data.labels ?? {}} chosen={bulk.chosen} onChoose={bulk.choose} />
      <Pager total={list.data.total} offset={offset} onMove={(to) => alter({ offset: to })} />
      {back && <BackNote n={bulk.chosen.size} bulk={bulk} type={props.type} from={state} done={done} onClose={() => setBack(false)} />}
      {ending && <BackNote n={bulk.chosen.size} to={ending} said={stateText(catalog, type, ending)} bulk={bulk} type={props.type} from={state} done={done} onClose={() => setEnding('')} />}
    </>
  );
}

interface ReviewRow {
  id: string;
  record?: string;
  rev?: string;
  type: string;
  group?: string;
  at?: string;
  label?: string;
  text?: string;
  why?: { zh: string; en: string };
  user?: string;
  station?: string;
  village_code?: string;
  waits_for?: string;
  code?: string;
  position?: number;
  siblings?: Sibling[];
  records?: { id: string; village_code: string; state: string; name: string }[];
}

function File(props: { id: string; onShown: (rev: string) => void }) {
  const { catalog } = useModel();
  const found = useData(() => get<RecordRow & { labels: Record<string, string> }>(`records/${props.id}`), [props.id]);
  useEffect(() => {
    if (found.data) props.onShown(found.data.rev);
  }, [found.data]);
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
  const { catalog, stations } = useModel();
  const files = props.row.records ?? [];
  const [revs, setRevs] = useState<Record<string, string>>({});
  const person = typeOf(catalog, props.row.type);
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
  const merge = (id: string, into: string) => act('merge', { id, rev: revs[id], into, into_rev: revs[into] }, 'merged', () => setMerged(id));
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
              <a href={`#/record/${f.id}`}>{f.name}</a> <small class="quiet">{stations.find((s) => s.code === f.village_code)?.name}</small> {person && <span class="tag">{stateText(catalog, person, f.state)}</span>}
            </h2>
            <File id={f.id} onShown={(rev) => setRevs((now) => ({ ...now, [f.id]: rev }))} />
            <Button disabled={!revs[a.id] || !revs[b.id]} onClick={() => merge(i === 0 ? b.id : a.id, f.id)}>
              {w('mergeInto')}
            </Button>
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
      {/* Another village's record is never written by letting a change through: it is moved, or the change refused. */}
      {props.row.code !== 'moved' && <Button onClick={release}>{w('release')}</Button>} <Button onClick={() => setRefusing(true)}>{w('refuse')}</Button>
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

interface HeldGroup {
  station: string;
  code: string;
  n: number;
  through: number;
  text: string;
  text_en: string;
}

/** What waits by village and cause: where it is many, all of it is refused in one act, a few hundred in each request. */
function HeldGroups(props: { done: () => void }) {
  const { stations } = useModel();
  const found = useData(() => get<{ rows: HeldGroup[] }>('review/held-groups'), []);
  const [chosen, choose] = useState<HeldGroup | null>(null);
  const [far, setFar] = useState(0);
  const many = found.data?.rows.filter((g) => g.n > 1) ?? [];
  if (found.error) return <Waiting error={found.error} reload={found.reload} />;
  if (many.length === 0) return null;
  const nameOf = (code: string) => stations.find((s) => s.code === code)?.name ?? code;
  const why = (g: HeldGroup) => (g.code === 'moved' ? w('heldMoved') : label({ zh: g.text, en: g.text_en }));
  const ended = () => {
    choose(null);
    setFar(0);
    found.reload();
    props.done();
  };
  const refuse = async (group: HeldGroup, note: string) => {
    let after = 0;
    let refused = 0;
    let kept = 0;
    let left = 0;
    do {
      const d = await api<{ refused: number; kept: number; left: number; next: number }>('POST', 'review/held/refuse', { station: group.station, code: group.code, note, through: group.through, after });
      after = d.next;
      refused += d.refused;
      kept += d.kept;
      left = d.left;
      setFar(refused);
    } while (after);
    toast((kept ? w('refusedManyKept', refused, kept) : w('refusedMany', refused)) + (left ? w('refusedManyLeft', left) : ''));
  };
  return (
    <section class="card">
      <h2>{w('heldByVillage')}</h2>
      <ul class="plain-list">
        {many.map((g) => (
          <li key={`${g.station}.${g.code}`}>
            <b>{nameOf(g.station)}</b> {w('items', g.n)} <span class="quiet">{why(g)}</span> <Button onClick={() => choose(g)}>{w('refuseAll')}</Button>
          </li>
        ))}
      </ul>
      {chosen && (
        <Ask title={w('refuseManyTitle', nameOf(chosen.station), chosen.n)} text={w('refuseNote')} go={w('refuseManyGo', chosen.n)} onClose={ended} onDone={(note) => refuse(chosen, note)}>
          <p>
            {w('heldWhy')}
            {why(chosen)}
          </p>
          <p>{w('refuseManyMeans')}</p>
          {far > 0 && (
            <p role="status">
              {w('refusedFar', far, chosen.n)}
            </p>
          )}
        </Ask>
      )}
    </section>
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
  const nameOf = (code?: string) => stations.find((s) => s.code === code)?.name ?? code ?? '';
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
      {props.kind === 'held' && rows.length > 1 && <HeldGroups done={done} />}
      {props.kind === 'conflicts' && rows.map((row) => <Conflict key={row.id} row={row} done={done} />)}
      {props.kind === 'duplicates' && rows.map((row) => <Pair key={row.records?.map((f) => f.id).join()} row={row} done={done} />)}
      {props.kind !== 'conflicts' && props.kind !== 'duplicates' && rows.length > 0 && (
        <ul class="plain-list">
          {rows.map((row, i) => (
            <li key={`${row.id}.${i}`}>
              <b>{row.label && typeOf(catalog, row.type) ? <a href={`#/record/${row.record ?? row.id}`}>{row.label}</a> : row.label || label(typeOf(catalog, row.type), row.type === 'station_account' ? w('accountName') : '')}</b> {stations.find((s) => s.code === (row.village_code ?? row.station))?.name ?? ''} {row.user ?? ''}{' '}
              {row.at && <span class="quiet">{timeText(row.at)}</span>}
              {row.text && <div>{row.text}</div>}
              {row.why && <div>{label(row.why)}</div>}
              {row.code === 'moved' && <div>{w('movedBy', nameOf(row.station), nameOf(row.village_code))}</div>}
              {row.waits_for && row.code !== 'moved' && row.code !== 'period_locked' && <div class="quiet">{w('waitsFor', row.waits_for)}</div>}
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
