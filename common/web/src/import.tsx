// Import from XLSX and CSV. Tables are read in the browser; their rows go to the program some at a time, which judges and saves each as a
// form's would be: the page stays at hand, says how far it is, and can be stopped. Both programs' pages use it (ImportPage's props).
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, issueText, uuid7, type Issue } from './api';
import { deletable, fieldLabel, fieldOf, typeOf, type Catalog, type Field, type RecordType } from './catalog';
import { CellError, type Find, importable, valueOf } from './convert';
import { HEAD_ROWS, headRow, headsAt, mapHeads } from './heads';
import { label, t } from './i18n';
import { namesStaff } from './staff';
import { rowId, said } from './rows';
import { readTable, save, SheetError, xlsx } from './sheet';
import type { Table } from './table';
import { dayHere } from './time';
import { Button, Dialog, Note, toast, useData, Waiting } from './ui';

const AT_ONCE = 100; // lines of a request: one transaction of the program
const AT_ONCE_CHARS = 128 * 1024; // of a request, which may have 1 MiB
const FILE_CHARS = 200; // of a name that is kept
const SHOWN = 20; // rows of the preview at a time
const STAYS_SHOWN = 50; // of what cannot be undone
const UNDONE_MAX = 50; // times that one row was imported and undone

interface Row {
  line: number; // of the file, the head is 1
  cells: string[];
  id: string;
  fields: Record<string, unknown>;
  problems: string[];
  doubts: string[]; // why it may be there already, under another id
  before: boolean; // it is there: this or another table brought it
}
export interface Batch {
  id: string;
  type: string;
  file: string;
  at: string;
  source: string; // by which the same table is known, whatever its file is called
  rows: number; // that it brought
  user?: string;
}
export interface Made {
  id: string;
  rev: string;
}
/** Of what an import brought: what a deletion with its rev undoes, and what stays. */
export interface Undoable {
  undoable: Made[];
  stays: { id: string; label: string; why: 'changed' | 'deleted' | 'gone'; state?: string }[];
}
/** Where it is known what was imported, so that a whole batch can be undone: at the program, or of this browser (kept-imports.ts). */
export interface Imports {
  list: () => Promise<Batch[]>; // those not undone, the newest first
  /** The code of the refusal of a row whose record an undo deleted: that row is new again. "": nothing of this type was undone. */
  undoneCode: (type: string) => string;
  /** What goes along with each request of an import's lines. */
  along: (batch: Batch) => object;
  /** After each of them. */
  noted: (batch: Batch, made: Made[]) => void;
  open: (batch: Batch) => Promise<Undoable>;
  undone: (batch: Batch) => Promise<void>;
}

interface Answer {
  good: boolean;
  id?: string;
  rev?: string;
  repeated?: boolean;
  error?: { code: string; field: string; text: string; text_en?: string };
  issues: Issue[];
}
type Told = [words: string, done: number, all: number];

/** Sends lines, as many at a time as one request takes, and tells how far it is. `stop` is asked between two requests; true: all were sent. */
async function sendLines<T>(items: T[], keep: boolean, line: (item: T) => object | null, heard: (item: T, answer: Answer) => void, tell: (done: number) => void, stop: () => boolean, along: object = {}): Promise<boolean> {
  tell(0);
  for (let next = 0; next < items.length; ) {
    if (stop()) return false;
    const sent: T[] = [];
    const lines: object[] = [];
    const from = next;
    for (let chars = 0; next < items.length && next - from < AT_ONCE && chars < AT_ONCE_CHARS; next++) {
      const one = line(items[next]!);
      if (!one) continue;
      lines.push(one);
      sent.push(items[next]!);
      chars += JSON.stringify(one).length;
    }
    if (lines.length > 0) {
      const { lines: answers } = await api<{ lines: Answer[] }>('POST', 'lines', { keep, lines, ...along });
      sent.forEach((item, i) => heard(item, answers[i]!));
    }
    tell(next);
  }
  return true;
}

function Progress(props: { told: Told; onStop?: () => void }) {
  const [words, done, all] = props.told;
  return (
    <div class="progress">
      <p role="status">
        {words} {all > 0 && t('doneOf', done, all)}
      </p>
      {all > 0 && <progress max={all} value={done} aria-label={words} />}
      {props.onStop && <Button onClick={props.onStop}>{t('stopIt')}</Button>}
    </div>
  );
}

function Template(props: { type: RecordType; fields: Field[]; catalog: Catalog }) {
  const make = async () => {
    const { fields } = props;
    const rules = fields.map((f) => {
      const codes = f.codes ? (props.catalog.lists[f.codes] ?? []).filter((c) => !c.retired).map((c) => c.zh) : [];
      const kind = f.type === 'date' ? '2025-01-31' : f.type === 'bool' ? '是、否' : namesStaff(f) ? t('cellStaffHint') : f.type === 'uuid' ? t('cellPersonHint') : codes.join('、');
      return [fieldLabel(f), f.required ? t('mustFill') : '', kind, f.items ? t('severalHint') : ''];
    });
    save(
      await xlsx([
        { name: label(props.type).slice(0, 28), rows: [fields.map((f) => (f.required ? `*${fieldLabel(f)}` : fieldLabel(f)))], open: true },
        { name: t('templateRules'), rows: [[t('column'), t('mustFill'), t('canBe'), ''], ...rules] },
      ]),
      `${label(props.type)}-${t('template')}.xlsx`,
    );
  };
  return <Button onClick={() => make().catch((e: Error) => toast(e.message))}>{t('templateGet')}</Button>;
}

/** Why a record of an import stays, in words. */
function whyStays(type: RecordType | undefined, stay: Undoable['stays'][number]): string {
  if (stay.why === 'gone') return t('stayGone');
  if (stay.why === 'deleted') return t('stayDeleted');
  return type && !deletable(type, stay.state) ? t('stayTaken') : t('stayChanged');
}

function Undo(props: { batch: Batch; imports: Imports; catalog: Catalog; onDone: () => void }) {
  const { batch, imports } = props;
  const [told, setTold] = useState<Told | null>(null);
  const [now, setNow] = useState<Undoable | null>(null); // what an undo would do, looked at before it is asked for
  const type = typeOf(props.catalog, batch.type);
  const look = () => imports.open(batch).then(setNow, (why: Error) => toast(why.message, undefined, true));
  /** Of what is left nothing can be undone: without this the batch would stand here for ever, and the file be refused as deleted. */
  const close = async () => {
    setNow(null);
    try {
      await imports.undone(batch);
    } catch (why) {
      toast((why as Error).message, undefined, true);
      return;
    }
    toast(t('batchClosed'));
    props.onDone();
  };
  const undo = async () => {
    const { undoable, stays } = now!;
    setNow(null);
    let left = stays.length;
    let done = 0;
    try {
      await sendLines(
        undoable,
        true,
        ({ id, rev }) => ({ id, delete: true, reason: t('undoReason'), rev }), // what somebody worked on since stays
        (_, answer) => void (answer.good ? done++ : left++),
        (sent) => setTold([t('undoing'), sent, undoable.length]),
        () => false,
      );
      await imports.undone(batch);
    } catch (why) {
      setTold(null);
      toast((why as Error).message, undefined, true); // the batch is still there, to be undone again
      return;
    }
    setTold(null);
    toast(left ? t('undoneBut', done, left) : t('undone', done));
    props.onDone();
  };
  return (
    <>
      {told ? (
        <Progress told={told} />
      ) : (
        <Button kind="danger" onClick={look}>
          {t('undoBatch')}
        </Button>
      )}
      {now && (
        <Dialog title={t('undoBatch')} onClose={() => setNow(null)}>
          {now.undoable.length > 0 ? <p>{t('undoSure', now.undoable.length)}</p> : <p>{t('undoNothing')}</p>}
          {now.stays.length > 0 && (
            <>
              <p>
                <b>{t('undoStays', now.stays.length)}</b>
              </p>
              <ul class="plain-list">
                {now.stays.slice(0, STAYS_SHOWN).map((s) => (
                  <li key={s.id}>
                    {s.label && <a href={`#/record/${s.id}`}>{s.label}</a>} {whyStays(type, s)}
                  </li>
                ))}
              </ul>
              {now.stays.length > STAYS_SHOWN && <p class="quiet">{t('shownOf', 1, STAYS_SHOWN, now.stays.length)}</p>}
            </>
          )}
          <div class="actions">
            {now.undoable.length > 0 ? (
              <Button kind="danger" onClick={undo}>
                {t('undoBatch')}
              </Button>
            ) : (
              <Button kind="main" onClick={close}>
                {t('batchClose')}
              </Button>
            )}
            <Button onClick={() => setNow(null)}>{t('cancel')}</Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** Rows of the file as they were judged, some at a time. */
function Preview(props: { head: string[]; good: Row[]; bad: Row[]; doubtful: Row[]; ticked: Set<Row>; onTick: (ticked: Set<Row>) => void }) {
  const { bad, doubtful, good, ticked } = props;
  const [which, setWhich] = useState<'bad' | 'doubtful' | 'good'>(bad.length > 0 ? 'bad' : doubtful.length > 0 ? 'doubtful' : 'good');
  const [page, setPage] = useState(0);
  const rows = { bad, doubtful, good }[which];
  const words = { bad: t('previewBad', bad.length), doubtful: t('previewDoubtful', doubtful.length), good: t('previewGood', good.length) };
  const tick = (some: Row[], on: boolean) => {
    const next = new Set(ticked);
    for (const row of some) on ? next.add(row) : next.delete(row);
    props.onTick(next);
  };
  const pages = Math.max(1, Math.ceil(rows.length / SHOWN));
  const at = Math.min(page, pages - 1);
  const columns = props.head.slice(0, which === 'good' ? 6 : 4);
  const choose = (to: 'bad' | 'doubtful' | 'good') => {
    setWhich(to);
    setPage(0);
  };
  return (
    <>
      <div class="choices" role="group" aria-label={t('previewOf')}>
        {(['bad', 'doubtful', 'good'] as const).filter((w) => w !== 'doubtful' || doubtful.length > 0).map((w) => (
          <label key={w} class={which === w ? 'choice on' : 'choice'}>
            <input type="radio" name="preview" checked={which === w} onChange={() => choose(w)} />
            {words[w]}
          </label>
        ))}
      </div>
      {which === 'doubtful' && (
        <label class="choice">
          <input type="checkbox" checked={doubtful.every((r) => ticked.has(r))} onChange={(e) => tick(doubtful, (e.target as HTMLInputElement).checked)} />
          {t('doubtfulAll')}
        </label>
      )}
      {rows.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table class="preview">
            <thead>
              <tr>
                <th scope="col">{t('line')}</th>
                {which === 'bad' && <th scope="col">{t('errorReason')}</th>}
                {which === 'doubtful' && <th scope="col">{t('doubtfulReason')}</th>}
                {columns.map((h, i) => (
                  <th scope="col" key={i}>
                    {h}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.slice(at * SHOWN, (at + 1) * SHOWN).map((r) => (
                <tr key={r.line}>
                  <th scope="row">{r.line}</th>
                  {which === 'bad' && <td>{r.problems.join('；')}</td>}
                  {which === 'doubtful' && (
                    <td>
                      <label>
                        <input type="checkbox" checked={ticked.has(r)} onChange={(e) => tick([r], (e.target as HTMLInputElement).checked)} /> {r.doubts.join('；')}
                      </label>
                    </td>
                  )}
                  {columns.map((_, i) => (
                    <td key={i}>{r.cells[i]}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {pages > 1 && (
        <div class="actions" role="group" aria-label={t('pageOf', at + 1, pages)}>
          <Button disabled={at === 0} onClick={() => setPage(at - 1)}>
            {t('pageBefore')}
          </Button>
          <span role="status">{t('pageOf', at + 1, pages)}</span>{' '}
          <Button disabled={at === pages - 1} onClick={() => setPage(at + 1)}>
            {t('pageNext')}
          </Button>
        </div>
      )}
    </>
  );
}

/** find: the record that a cell names. complete: fills in what no table says, with ids that are the same whenever the row is; what it
 * answers is wrong with the row. unique: the fields that no two records share. note: what to know before. inWords: that so many rows are in.
 * place: whose records they become; the same table elsewhere brings other records. filledIn: that a field comes of the others. */
export function ImportPage(props: {
  type: RecordType;
  catalog: Catalog;
  find: Find;
  complete: (fields: Record<string, unknown>, newId: (field: string) => string) => string[];
  unique?: string[];
  note?: string;
  place?: string;
  filledIn?: (field: string, map: string[]) => boolean;
  inWords: (n: number) => string;
  imports: Imports;
  staff?: boolean; // cells may name those who work here
  refresh: () => void;
}) {
  const { type, catalog, find, imports, refresh } = props;
  const [file, setFile] = useState<File | null>(null);
  const [table, setTable] = useState<Table | null>(null);
  const [headAt, setHeadAt] = useState(0); // which row names the columns
  const [map, setMap] = useState<string[]>([]);
  const [rows, setRows] = useState<Row[] | null>(null);
  const [ticked, setTicked] = useState(new Set<Row>()); // of the doubtful ones, those that are wanted all the same
  const [source, setSource] = useState(''); // of the batch that the checked rows are of
  const [busy, setBusy] = useState<Told | null>(null);
  const [stopped, setStopped] = useState('');
  const [error, setError] = useState('');
  const [saved, setSaved] = useState<Batch | null>(null);
  const [done, setDone] = useState(0); // rows that are in
  const before = useData(() => imports.list(), []);
  const stop = useRef(false);
  useEffect(() => () => void (stop.current = true), []); // who leaves the page stops it
  const told = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (error || stopped || saved) told.current?.scrollIntoView({ block: 'nearest' }); // the button that began it may be far below
  }, [error, stopped, saved]);
  const fields = type.fields.filter((f) => importable(f, props.staff));

  const takeHeads = (of: Table, at: number) => {
    setHeadAt(at);
    setMap(mapHeads(fields, headsAt(of.rows, at), of.rows[at + 1]));
    setRows(null);
  };
  const heads = table ? headsAt(table.rows, headAt) : [];
  const below = table?.rows.slice(headAt + 1) ?? [];
  const missing = fields.filter((f) => f.required && f.preset === undefined && !map.includes(f.name) && !props.filledIn?.(f.name, map));

  const choose = async (chosen: File | null) => {
    setTable(null);
    setRows(null);
    setSaved(null);
    setError('');
    setStopped('');
    setFile(chosen);
    if (!chosen) return;
    setBusy([t('readingFile'), 0, 0]);
    try {
      const read = await readTable(chosen);
      setTable(read);
      takeHeads(read, headRow(fields, read.rows));
    } catch (why) {
      setError(why instanceof SheetError ? why.message : t('sheetBad'));
    }
    setBusy(null);
  };

  /** Cells into values; what is wrong with a cell is the row's problem. */
  const convert = async (row: Row) => {
    for (let c = 0; c < map.length; c++) {
      const field = fieldOf(type, map[c] ?? '');
      const text = row.cells[c] ?? '';
      if (!field || text === '') continue;
      try {
        row.fields[field.name] = await valueOf(catalog, field, text, find);
      } catch (why) {
        if (!(why instanceof CellError)) throw why;
        row.problems.push(`${fieldLabel(field)}：${why.message}`);
      }
    }
  };
  /** Ids by what rows say, not by which file they stand in: a table that was renamed, or saved again with a line more, brings only what is
   * new. Equal rows of one table are as many records. again: how often what they brought was undone. */
  const name = (all: Row[], again = new Map<Row, number>()) => {
    const often = new Map<string, number>();
    for (const row of all) {
      const what = `${props.place ?? ''}\u0000${type.name}\u0000${said(row.fields)}`;
      const nth = (often.get(what) ?? 0) + 1;
      often.set(what, nth);
      row.id = rowId(`${what}\u0000${nth}\u0000${again.get(row) ?? 0}`);
    }
  };
  /** Each request's rows know of each other at the program; that two rows of the file are one person (one record) is seen here, whichever they are. */
  const findDoubles = (all: Row[]) => {
    const keys = fields.filter((f) => f.format === 'idno').map((f) => [f]);
    if (props.unique) keys.push(fields.filter((f) => props.unique!.includes(f.name)));
    for (const key of keys) {
      const lines = new Map<string, number>();
      for (const row of all) {
        const values = key.map((f) => row.fields[f.name]);
        if (values.some((v) => v === undefined)) continue;
        const same = JSON.stringify(values);
        if (lines.has(same)) row.problems.push(`${key.map((f) => fieldLabel(f)).join('、')}：${t('sameAsLine', lines.get(same)!)}`);
        else lines.set(same, row.line);
      }
    }
  };
  const asLine = (row: Row) => {
    if (row.problems.length > 0) return null;
    const fields = { ...row.fields };
    row.problems.push(...props.complete(fields, (field) => rowId(`${row.id}\u0000${field}`)));
    return row.problems.length > 0 ? null : { type: type.name, id: row.id, fields };
  };
  const blame = (row: Row, answer: Answer) => {
    const all = answer.issues.filter((i) => i.level === 'refuse');
    // What a field asks for while another has this value or that is not asked for while the other has none.
    const empty = all.filter((i) => i.code === 'required').map((i) => i.field);
    const refusals = all.filter((i) => i.code !== 'required' || !fieldOf(type, i.field)?.conditions?.some((c) => empty.some((name) => name !== i.field && fieldOf(type, name)?.required && new RegExp(`\\b${name}\\b`).test(c.when))));
    for (const issue of refusals.length > 0 ? refusals : [answer.error!]) {
      const field = fieldOf(type, issue.field);
      row.problems.push(`${field ? `${fieldLabel(field)}：` : ''}${issueText(issue)}`);
    }
  };

  const hear = (row: Row, answer: Answer) => {
    row.before = answer.repeated ?? false;
    row.doubts = row.before ? [] : answer.issues.filter((i) => i.code === 'near_duplicate').map(issueText);
  };

  const check = async () => {
    setSource(`${type.name}|${rowId(table!.rows.map((r) => r.join('\u0001')).join('\u0000'))}`);
    const all: Row[] = below.map((cells, i) => ({ line: table!.lines[headAt + 1 + i]!, cells, id: '', fields: {}, problems: [], doubts: [], before: false }));
    setTicked(new Set());
    setError('');
    setStopped('');
    stop.current = false;
    try {
      setBusy([t('checking'), 0, all.length]);
      for (let i = 0; i < all.length && !stop.current; i += AT_ONCE) await Promise.all(all.slice(i, i + AT_ONCE).map(convert));
      findDoubles(all);
      const undone = imports.undoneCode(type.name);
      const again = new Map<Row, number>();
      let whole = true;
      for (let ask = all; whole && ask.length > 0; ) {
        const next: Row[] = [];
        name(all, again);
        whole = await sendLines(
          ask,
          false,
          asLine,
          (row, answer) => {
            const n = again.get(row) ?? 0;
            if (answer.good) hear(row, answer);
            else if (answer.error?.code !== undone || n >= UNDONE_MAX) blame(row, answer);
            else {
              again.set(row, n + 1);
              next.push(row);
            }
          },
          (n) => setBusy([t('checking'), n, ask.length]),
          () => stop.current,
        );
        ask = next;
      }
      if (whole) setRows(all);
      else setStopped(t('stoppedNothing'));
    } catch (why) {
      setError((why as Error).message);
    }
    setBusy(null);
  };

  const bad = rows?.filter((r) => r.problems.length > 0) ?? [];
  const doubtful = rows?.filter((r) => r.problems.length === 0 && r.doubts.length > 0) ?? [];
  const good = rows?.filter((r) => r.problems.length === 0 && r.doubts.length === 0) ?? [];
  const goes = rows?.filter((r) => r.problems.length === 0 && (r.doubts.length === 0 || ticked.has(r))) ?? [];
  const there = good.filter((r) => r.before).length;

  const run = async () => {
    // The same file again goes on with its batch: as it was saved first is how it is undone.
    const known = await imports.list().catch((why: Error) => (setError(why.message), null));
    if (known === null) return;
    const earlier = known.find((b) => b.type === type.name && b.source === source);
    const batch: Batch = earlier ?? { id: uuid7(), type: type.name, file: file!.name.slice(-FILE_CHARS), at: new Date().toISOString(), source, rows: 0 };
    const made: Made[] = [];
    let n = 0;
    setError('');
    setStopped('');
    stop.current = false;
    try {
      const whole = await sendLines(
        goes,
        true,
        asLine,
        (row, answer) => {
          if (!answer.good) return blame(row, answer);
          n++;
          made.push({ id: row.id, rev: answer.rev! });
        },
        (sent) => {
          imports.noted(batch, made); // also of an import that a power cut ends, so that it can be undone
          setBusy([t('importing'), sent, goes.length]);
        },
        () => stop.current,
        imports.along(batch),
      );
      if (!whole) setStopped(t('stoppedAt', n, goes.length - n));
    } catch (why) {
      setError(`${(why as Error).message} ${t('importAgain')}`);
    }
    setBusy(null);
    setDone(n);
    setSaved(batch);
    before.reload();
    refresh();
  };

  const badFile = async () => {
    const head = [...heads, t('errorReason')];
    save(await xlsx([{ name: label(type).slice(0, 28), rows: [head, ...bad.map((r) => [...head.slice(0, -1).map((_, i) => r.cells[i] ?? ''), r.problems.join('；')])], open: true }]), `${file!.name.replace(/\.\w+$/, '')}-${t('badRows')}.xlsx`);
  };

  return (
    <>
      <h1>
        {t('importTitle')} · {label(type)}
      </h1>
      {props.note && <Note kind="info">{props.note}</Note>}
      <section class="card">
        <p>{t('importHelp')}</p>
        <div class="actions">
          <Template type={type} fields={fields} catalog={catalog} />
          <label class="button main">
            {t('chooseFile')}
            <input class="hidden" id="file" type="file" accept=".xlsx,.csv,.txt" onChange={(e) => choose((e.target as HTMLInputElement).files?.[0] ?? null)} />
          </label>{' '}
          {file?.name}
        </div>
        <div ref={told}>
          {error && <Note kind="bad">{error}</Note>}
          {stopped && <Note kind="info">{stopped}</Note>}
          {saved && done > 0 && <Note kind="good">{props.inWords(done)}</Note>}
        </div>
      </section>
      {table && !saved && (
        <section class="card">
          <h2>{t('matchTitle', below.length)}</h2>
          <label>
            {t('headRow')}{' '}
            <select id="head-row" value={headAt} onChange={(e) => takeHeads(table, Number((e.target as HTMLSelectElement).value))}>
              {table.rows.slice(0, Math.min(HEAD_ROWS, table.rows.length - 1)).map((r, i) => (
                <option key={i} value={i}>
                  {t('headRowIs', table.lines[i]!, r.filter(Boolean).join(' ').slice(0, 30))}
                </option>
              ))}
            </select>
          </label>
          <div class="scroll" tabIndex={0}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{t('column')}</th>
                  <th scope="col">{t('meaning')}</th>
                  <th scope="col">{t('example')}</th>
                </tr>
              </thead>
              <tbody>
                {heads.map((head, c) => (
                  <tr key={c}>
                    <th scope="row">{head || `#${c + 1}`}</th>
                    <td>
                      <select aria-label={head || `#${c + 1}`} value={map[c]} onChange={(e) => (setMap(map.map((m, i) => (i === c ? (e.target as HTMLSelectElement).value : m))), setRows(null))}>
                        <option value="">{t('leaveOut')}</option>
                        {fields.map((f) => (
                          <option key={f.name} value={f.name} disabled={map.some((m, i) => m === f.name && i !== c)}>
                            {fieldLabel(f)}
                          </option>
                        ))}
                      </select>
                    </td>
                    <td>{below[0]?.[c] ?? ''}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <div class="actions">
            <Button kind={rows ? 'plain' : 'main'} disabled={busy !== null || !map.some(Boolean)} onClick={check}>
              {t('checkRows')}
            </Button>{' '}
            {!map.some(Boolean) ? <span>{t('matchNone')}</span> : missing.length > 0 && <span>{t('matchMissing', missing.map((f) => fieldLabel(f)).join('、'))}</span>}
          </div>
        </section>
      )}
      {rows && (
        <section class="card">
          {!saved && (
            <h2>
              {t('checked', good.length, bad.length)}
              {doubtful.length > 0 && t('checkedDoubtful', doubtful.length)}
            </h2>
          )}
          {!saved && there > 0 && <p>{t('checkedBefore', there)}</p>}
          {!saved && doubtful.length > 0 && <Note kind="info">{t('doubtfulHelp')}</Note>}
          <Preview key={saved ? 'after' : 'before'} head={heads} good={good} bad={bad} doubtful={saved ? [] : doubtful} ticked={ticked} onTick={setTicked} />
          <div class="actions">
            {!saved && (
              <Button kind="main" disabled={busy !== null || goes.length === 0} onClick={run}>
                {t('importDo', goes.length)}
              </Button>
            )}
            {bad.length > 0 && <Button onClick={() => badFile().catch((e: Error) => toast(e.message))}>{t('badRowsGet', bad.length)}</Button>}
            {saved && before.data?.some((b) => b.id === saved.id) && <Undo batch={saved} imports={imports} catalog={catalog} onDone={() => (before.reload(), void choose(null))} />}
          </div>
        </section>
      )}
      {before.error && <Waiting error={before.error} reload={before.reload} />}
      {!table && !!before.data?.length && (
        <section class="card">
          <h2>{t('importsBefore')}</h2>
          <ul class="plain-list">
            {before.data.map((b) => (
              <li key={b.id}>
                {dayHere(b.at)} {label(typeOf(catalog, b.type))} {b.file}：{t('total', b.rows)} {b.user && <span class="quiet">{b.user}</span>} <Undo batch={b} imports={imports} catalog={catalog} onDone={before.reload} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {busy && (
        <div class="card at-bottom">
          <Progress told={busy} onStop={busy[2] > 0 ? () => void (stop.current = true) : undefined} />
        </div>
      )}
    </>
  );
}
