// Import from XLSX and CSV. Tables are read in the browser; their rows go to the program some at a time, which judges and saves each as a
// form's would be: the page stays at hand, says how far it is, and can be stopped.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, get, issueText, TRAINING, type Issue } from '@common/api';
import { fieldLabel, fieldOf, typeOf, type Catalog, type RecordType } from '@common/catalog';
import { CellError, importable, valueOf } from '@common/convert';
import { label, t } from '@common/i18n';
import { readTable, save, SheetError, xlsx } from '@common/sheet';
import { Button, Dialog, Note, toast } from '@common/ui';
import type { Page } from './lists';
import { useModel } from './model';

const AT_ONCE = 100; // lines of a request: one transaction of the program
const AT_ONCE_CHARS = 128 * 1024; // of a request, which may have 1 MiB
const SHOWN = 20; // rows of the preview at a time
const BATCHES_KEPT = 5;
const BATCHES = TRAINING ? 'lastmile.training.imports' : 'lastmile.imports';
const UNDONE = TRAINING ? 'lastmile.training.undone' : 'lastmile.undone';

interface Row {
  line: number; // of the file, the head is 1
  cells: string[];
  id: string;
  fields: Record<string, unknown>;
  problems: string[];
}
interface Batch {
  type: string;
  file: string;
  at: string;
  source: string; // which file it was
  saved: { id: string; rev: string }[];
}

function batches(): Batch[] {
  try {
    return JSON.parse(localStorage.getItem(BATCHES) ?? '[]') as Batch[];
  } catch {
    return [];
  }
}
function keepBatches(list: Batch[]): void {
  try {
    localStorage.setItem(BATCHES, JSON.stringify(list.slice(0, BATCHES_KEPT)));
  } catch {
    /* then it can be undone only while this page is open */
  }
}

/** How often imports of this file were undone: once more is a new import, not the deleted records. */
function undoneOf(source: string): number {
  try {
    return (JSON.parse(localStorage.getItem(UNDONE) ?? '{}') as Record<string, number>)[source] ?? 0;
  } catch {
    return 0;
  }
}
function noteUndone(source: string): void {
  try {
    localStorage.setItem(UNDONE, JSON.stringify({ ...(JSON.parse(localStorage.getItem(UNDONE) ?? '{}') as object), [source]: undoneOf(source) + 1 }));
  } catch {
    /* then the program says that the records were deleted */
  }
}

/** An id that is the same for the same row of the same file: imported twice, it is one save. */
function rowId(file: File, salt: string, line: number): string {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef];
  const text = `${salt}\u0000${line}`;
  for (let i = 0; i < text.length; i++) {
    const k = text.charCodeAt(i);
    a = Math.imul(a ^ k, 597399067);
    b = Math.imul(b ^ k, 2869860233) ^ (a >>> 13);
    c = Math.imul(c ^ k, 951274213) ^ (b >>> 11);
    d = Math.imul(d ^ k, 2716044179) ^ (c >>> 15);
  }
  const hex = (n: number) => (n >>> 0).toString(16).padStart(8, '0');
  const time = Math.max(1, Math.min(file.lastModified || 1, 2 ** 48 - 1)).toString(16).padStart(12, '0');
  const bits = hex(a) + hex(b) + hex(c) + hex(d);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(0, 3)}-${((parseInt(bits[3]!, 16) & 3) | 8).toString(16)}${bits.slice(4, 7)}-${bits.slice(7, 19)}`;
}

const bare = (text: string) => text.replace(/[*＊\s()（）元分]/g, '').toLowerCase();
function guess(type: RecordType, head: string): string {
  const found = type.fields.find((f) => importable(f) && [f.zh, f.en, f.name, fieldLabel(f)].some((x) => bare(x) === bare(head)));
  return found?.name ?? '';
}

interface Answer {
  good: boolean;
  id?: string;
  rev?: string;
  error?: { field: string; text: string; text_en?: string };
  issues: Issue[];
}
type Told = [words: string, done: number, all: number];

/** Sends lines, as many at a time as one request takes, and tells how far it is. `stop` is asked between two requests; true: all were sent. */
async function sendLines<T>(items: T[], keep: boolean, line: (item: T) => object | null, heard: (item: T, answer: Answer) => void, tell: (done: number) => void, stop: () => boolean): Promise<boolean> {
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
      const { lines: answers } = await api<{ lines: Answer[] }>('POST', 'lines', { keep, lines });
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

function Template(props: { type: RecordType; catalog: Catalog }) {
  const make = async () => {
    const fields = props.type.fields.filter(importable);
    const rules = fields.map((f) => {
      const codes = f.codes ? (props.catalog.lists[f.codes] ?? []).filter((c) => !c.retired).map((c) => c.zh) : [];
      const kind = f.type === 'date' ? '2025-01-31' : f.type === 'bool' ? '是、否' : f.type === 'uuid' ? t('cellPersonHint') : codes.join('、');
      return [fieldLabel(f), f.required ? t('mustFill') : '', kind, f.items ? t('severalHint') : ''];
    });
    save(
      await xlsx([
        { name: label(props.type).slice(0, 28), rows: [fields.map((f) => (f.required ? `*${fieldLabel(f)}` : fieldLabel(f)))] },
        { name: t('templateRules'), rows: [[t('column'), t('mustFill'), t('canBe'), ''], ...rules] },
      ]),
      `${label(props.type)}-${t('template')}.xlsx`,
    );
  };
  return <Button onClick={() => make().catch((e: Error) => toast(e.message))}>{t('templateGet')}</Button>;
}

function usePersons(): (type: string, text: string) => Promise<string> {
  return useMemo(() => {
    const known = new Map<string, Promise<string>>();
    return (type: string, text: string) => {
      const key = `${type}\u0000${text}`;
      if (!known.has(key)) {
        const name = type === 'person' && /^[\dXx]{15,18}$/.test(text) ? 'id_no' : 'name';
        known.set(
          key,
          get<Page>(`types/${type}/records?f.${name}=${encodeURIComponent(text)}&limit=2`).then((page) => {
            if (page.records.length === 1) return page.records[0]!.id;
            throw new CellError(page.records.length ? t('cellMany', text) : t('cellNone', text));
          }),
        );
      }
      return known.get(key)!;
    };
  }, []);
}

function Undo(props: { batch: Batch; onDone: () => void }) {
  const [told, setTold] = useState<Told | null>(null);
  const [sure, setSure] = useState(false);
  const undo = async () => {
    setSure(false);
    const all = props.batch.saved;
    let left = 0;
    try {
      await sendLines(
        all,
        true,
        ({ id, rev }) => ({ id, delete: true, reason: t('undoReason'), rev }), // what somebody worked on since stays
        (_, answer) => void (answer.good || left++),
        (done) => setTold([t('undoing'), done, all.length]),
        () => false,
      );
    } catch (why) {
      setTold(null);
      toast((why as Error).message, undefined, true); // the batch is still there, to be undone again
      return;
    }
    setTold(null);
    keepBatches(batches().filter((b) => b.at !== props.batch.at));
    noteUndone(props.batch.source);
    toast(left ? t('undoneBut', all.length - left, left) : t('undone', all.length));
    props.onDone();
  };
  return (
    <>
      {told ? (
        <Progress told={told} />
      ) : (
        <Button kind="danger" onClick={() => setSure(true)}>
          {t('undoBatch')}
        </Button>
      )}
      {sure && (
        <Dialog title={t('undoBatch')} onClose={() => setSure(false)}>
          <p>{t('undoSure', props.batch.saved.length)}</p>
          <div class="actions">
            <Button kind="danger" onClick={undo}>
              {t('undoBatch')}
            </Button>
            <Button onClick={() => setSure(false)}>{t('cancel')}</Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** Rows of the file as they were judged, some at a time. */
function Preview(props: { head: string[]; good: Row[]; bad: Row[] }) {
  const [which, setWhich] = useState<'bad' | 'good'>(props.bad.length > 0 ? 'bad' : 'good');
  const [page, setPage] = useState(0);
  const rows = which === 'bad' ? props.bad : props.good;
  const pages = Math.max(1, Math.ceil(rows.length / SHOWN));
  const at = Math.min(page, pages - 1);
  const columns = props.head.slice(0, which === 'bad' ? 4 : 6);
  const choose = (to: 'bad' | 'good') => {
    setWhich(to);
    setPage(0);
  };
  return (
    <>
      <div class="choices" role="group" aria-label={t('previewOf')}>
        {(['bad', 'good'] as const).map((w) => (
          <label key={w} class={which === w ? 'choice on' : 'choice'}>
            <input type="radio" name="preview" checked={which === w} onChange={() => choose(w)} />
            {w === 'bad' ? t('previewBad', props.bad.length) : t('previewGood', props.good.length)}
          </label>
        ))}
      </div>
      {rows.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table class="preview">
            <thead>
              <tr>
                <th scope="col">{t('line')}</th>
                {which === 'bad' && <th scope="col">{t('errorReason')}</th>}
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

export function ImportPage(props: { type: string }) {
  const { catalog, session, refresh } = useModel();
  const type = typeOf(catalog, props.type);
  const find = usePersons();
  const [file, setFile] = useState<File | null>(null);
  const [table, setTable] = useState<string[][] | null>(null);
  const [map, setMap] = useState<string[]>([]);
  const [rows, setRows] = useState<Row[] | null>(null);
  const [busy, setBusy] = useState<Told | null>(null);
  const [stopped, setStopped] = useState('');
  const [error, setError] = useState('');
  const [saved, setSaved] = useState<Batch | null>(null);
  const [done, setDone] = useState(0); // rows that are in
  const [, redraw] = useState(0);
  const stop = useRef(false);
  useEffect(() => () => void (stop.current = true), []); // who leaves the page stops it
  const told = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (error || stopped || saved) told.current?.scrollIntoView({ block: 'nearest' }); // the button that began it may be far below
  }, [error, stopped, saved]);
  if (!type) return <p>{t('notFound')}</p>;
  const fields = type.fields.filter(importable);

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
      setMap(read[0]!.map((head) => guess(type, head)));
    } catch (why) {
      setError(why instanceof SheetError ? why.message : t('sheetBad'));
    }
    setBusy(null);
  };

  const source = () => `${type.name}\u0000${file!.size}\u0000${file!.name}`;

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
    // As in the form: who is entered here lives here, unless the table says otherwise.
    if (fieldOf(type, 'household_village') && !row.fields['household_outside']) row.fields['household_village'] ??= session.station;
  };
  /** Each request's rows know of each other at the program; that two rows of the file are one person is seen here, whichever they are. */
  const findDoubles = (all: Row[]) => {
    for (const field of fields.filter((f) => f.format === 'idno')) {
      const lines = new Map<unknown, number>();
      for (const row of all) {
        const value = row.fields[field.name];
        if (value === undefined) continue;
        if (lines.has(value)) row.problems.push(`${fieldLabel(field)}：${t('sameAsLine', lines.get(value)!)}`);
        else lines.set(value, row.line);
      }
    }
  };
  const asLine = (row: Row) => (row.problems.length > 0 ? null : { type: type.name, id: row.id, fields: row.fields });
  const blame = (row: Row, answer: Answer) => {
    const refusals = answer.issues.filter((i) => i.level === 'refuse');
    for (const issue of refusals.length > 0 ? refusals : [answer.error!]) {
      const field = fieldOf(type, issue.field);
      row.problems.push(`${field ? `${fieldLabel(field)}：` : ''}${issueText(issue)}`);
    }
  };

  const check = async () => {
    const salt = `${source()}\u0000${undoneOf(source())}\u0000${table![0]!.join('\u0001')}`;
    const all: Row[] = table!.slice(1).map((cells, i) => ({ line: i + 2, cells, id: rowId(file!, `${salt}\u0000${cells.join('\u0001')}`, i + 2), fields: {}, problems: [] }));
    setError('');
    setStopped('');
    stop.current = false;
    try {
      setBusy([t('checking'), 0, all.length]);
      for (let i = 0; i < all.length && !stop.current; i += AT_ONCE) await Promise.all(all.slice(i, i + AT_ONCE).map(convert));
      findDoubles(all);
      const whole = await sendLines(
        all,
        false,
        asLine,
        (row, answer) => void (answer.good || blame(row, answer)),
        (n) => setBusy([t('checking'), n, all.length]),
        () => stop.current,
      );
      if (whole) setRows(all);
      else setStopped(t('stoppedNothing'));
    } catch (why) {
      setError((why as Error).message);
    }
    setBusy(null);
  };

  const good = rows?.filter((r) => r.problems.length === 0) ?? [];
  const bad = rows?.filter((r) => r.problems.length > 0) ?? [];

  const run = async () => {
    // The same file again goes on with its batch: as it was saved first is how it is undone.
    const earlier = batches().find((b) => b.type === type.name && b.source === source());
    const batch: Batch = { type: type.name, file: file!.name, at: earlier?.at ?? new Date().toISOString(), source: source(), saved: [...(earlier?.saved ?? [])] };
    const known = new Set(batch.saved.map((s) => s.id));
    const others = batches().filter((b) => b !== earlier && b.at !== batch.at);
    let n = 0;
    setError('');
    setStopped('');
    stop.current = false;
    try {
      const whole = await sendLines(
        good,
        true,
        asLine,
        (row, answer) => {
          if (!answer.good) return blame(row, answer);
          n++;
          if (!known.has(row.id)) batch.saved.push({ id: row.id, rev: answer.rev! });
        },
        (sent) => {
          if (batch.saved.length > 0) keepBatches([batch, ...others]); // also of an import that a power cut ends, so that it can be undone
          setBusy([t('importing'), sent, good.length]);
        },
        () => stop.current,
      );
      if (!whole) setStopped(t('stoppedAt', n, good.length - n));
    } catch (why) {
      setError(`${(why as Error).message} ${t('importAgain')}`);
    }
    setBusy(null);
    setDone(n);
    setSaved(batch);
    refresh();
  };

  const badFile = async () => {
    const head = [...table![0]!, t('errorReason')];
    save(await xlsx([{ name: label(type).slice(0, 28), rows: [head, ...bad.map((r) => [...head.slice(0, -1).map((_, i) => r.cells[i] ?? ''), r.problems.join('；')])] }]), `${file!.name.replace(/\.\w+$/, '')}-${t('badRows')}.xlsx`);
  };

  return (
    <>
      <h1>
        {t('importTitle')} · {label(type)}
      </h1>
      <section class="card">
        <p>{t('importHelp')}</p>
        <div class="actions">
          <Template type={type} catalog={catalog} />
          <label class="button main">
            {t('chooseFile')}
            <input class="hidden" id="file" type="file" accept=".xlsx,.csv,.txt" onChange={(e) => choose((e.target as HTMLInputElement).files?.[0] ?? null)} />
          </label>{' '}
          {file?.name}
        </div>
        <div ref={told}>
          {error && <Note kind="bad">{error}</Note>}
          {stopped && <Note kind="info">{stopped}</Note>}
          {saved && done > 0 && <Note kind="good">{t('imported', done)}</Note>}
        </div>
      </section>
      {table && !saved && (
        <section class="card">
          <h2>{t('matchTitle', table.length - 1)}</h2>
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
                {table[0]!.map((head, c) => (
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
                    <td>{table[1]?.[c] ?? ''}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <div class="actions">
            <Button kind={rows ? 'plain' : 'main'} disabled={busy !== null || !map.some(Boolean)} onClick={check}>
              {t('checkRows')}
            </Button>
          </div>
        </section>
      )}
      {rows && (
        <section class="card">
          {!saved && <h2>{t('checked', good.length, bad.length)}</h2>}
          <Preview key={saved ? 'after' : 'before'} head={table![0]!} good={good} bad={bad} />
          <div class="actions">
            {!saved && (
              <Button kind="main" disabled={busy !== null || good.length === 0} onClick={run}>
                {t('importDo', good.length)}
              </Button>
            )}
            {bad.length > 0 && <Button onClick={() => badFile().catch((e: Error) => toast(e.message))}>{t('badRowsGet', bad.length)}</Button>}
            {saved && saved.saved.length > 0 && <Undo batch={saved} onDone={() => choose(null)} />}
          </div>
        </section>
      )}
      {!table && batches().length > 0 && (
        <section class="card">
          <h2>{t('importsBefore')}</h2>
          <ul class="plain-list">
            {batches().map((b) => (
              <li key={b.at}>
                {b.at.slice(0, 10)} {label(typeOf(catalog, b.type))} {b.file}：{t('total', b.saved.length)} <Undo batch={b} onDone={() => redraw((n) => n + 1)} />
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
