// Import from XLSX and CSV, export, and lists for printing. In the browser; each row is saved by the program as a form's would be.
import { useMemo, useState } from 'preact/hooks';
import { ApiError, api, get, issueText, TRAINING, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, typeOf, type Catalog, type Field, type RecordType } from '@common/catalog';
import { CellError, importable, valueOf } from '@common/convert';
import { label, t } from '@common/i18n';
import { csv, readTable, save, SheetError, xlsx } from '@common/sheet';
import { Button, Dialog, Note, toast, useData, Waiting } from '@common/ui';
import { cell, type Page } from './lists';
import { useModel } from './model';

const AT_ONCE = 4;
const SHOWN = 50;
const BATCHES_KEPT = 5;
const BATCHES = TRAINING ? 'lastmile.training.imports' : 'lastmile.imports';
const UNDONE = TRAINING ? 'lastmile.training.undone' : 'lastmile.undone';

interface Row {
  line: number; // of the file, the head is 1
  cells: string[];
  id: string;
  fields: Record<string, unknown>;
  problems: string[];
  rev?: string; // when it was saved
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

/** Runs work over items, a few at a time, and tells how far it is. */
async function each<T>(items: T[], work: (item: T) => Promise<void>, tell: (n: number) => void): Promise<void> {
  let next = 0;
  let done = 0;
  const go = async () => {
    while (next < items.length) {
      await work(items[next++]!);
      done++;
      if (done % 10 === 0 || done === items.length) tell(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, go));
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
  const [busy, setBusy] = useState(0);
  const [sure, setSure] = useState(false);
  const undo = async () => {
    setSure(false);
    let left = 0;
    await each(
      props.batch.saved,
      async ({ id, rev }) => {
        try {
          await api('DELETE', `records/${id}`, { reason: t('undoReason'), rev }); // what somebody worked on since stays
        } catch {
          left++;
        }
      },
      setBusy,
    );
    setBusy(0);
    keepBatches(batches().filter((b) => b.at !== props.batch.at));
    noteUndone(props.batch.source);
    toast(left ? t('undoneBut', props.batch.saved.length - left, left) : t('undone', props.batch.saved.length));
    props.onDone();
  };
  return (
    <>
      <Button kind="danger" disabled={busy > 0} onClick={() => setSure(true)}>
        {busy > 0 ? `${busy}/${props.batch.saved.length}` : t('undoBatch')}
      </Button>
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

export function ImportPage(props: { type: string }) {
  const { catalog, session, refresh } = useModel();
  const type = typeOf(catalog, props.type);
  const find = usePersons();
  const [file, setFile] = useState<File | null>(null);
  const [table, setTable] = useState<string[][] | null>(null);
  const [map, setMap] = useState<string[]>([]);
  const [rows, setRows] = useState<Row[] | null>(null);
  const [busy, setBusy] = useState<[string, number, number] | null>(null);
  const [error, setError] = useState('');
  const [saved, setSaved] = useState<Batch | null>(null);
  const [, redraw] = useState(0);
  if (!type) return <p>{t('notFound')}</p>;
  const fields = type.fields.filter(importable);

  const choose = async (chosen: File | null) => {
    setTable(null);
    setRows(null);
    setSaved(null);
    setError('');
    setFile(chosen);
    if (!chosen) return;
    try {
      const read = await readTable(chosen);
      setTable(read);
      setMap(read[0]!.map((head) => guess(type, head)));
    } catch (why) {
      setError(why instanceof SheetError ? why.message : t('sheetBad'));
    }
  };

  const source = () => `${type.name}\u0000${file!.size}\u0000${file!.name}`;

  const check = async () => {
    const salt = `${source()}\u0000${undoneOf(source())}\u0000${table![0]!.join('\u0001')}`;
    const all: Row[] = table!.slice(1).map((cells, i) => ({ line: i + 2, cells, id: rowId(file!, `${salt}\u0000${cells.join('\u0001')}`, i + 2), fields: {}, problems: [] }));
    setError('');
    const judge = async (row: Row) => {
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
      if (row.problems.length > 0) return;
      // As in the form: who is entered here lives here, unless the table says otherwise.
      if (fieldOf(type, 'household_village') && !row.fields['household_outside']) row.fields['household_village'] ??= session.station;
      try {
        const answer = await api<{ issues: { field: string; text: string; text_en?: string; level: string }[]; derived: Record<string, unknown> }>('POST', `types/${type.name}/check`, { id: row.id, fields: row.fields });
        for (const [name, value] of Object.entries(answer.derived)) row.fields[name] ??= value;
        const again = answer.issues.filter((i) => i.level === 'refuse' && row.fields[i.field] === undefined ? answer.derived[i.field] === undefined : i.level === 'refuse');
        for (const issue of again) {
          const field = fieldOf(type, issue.field);
          row.problems.push(`${field ? `${fieldLabel(field)}：` : ''}${issueText(issue)}`);
        }
      } catch (why) {
        if (!(why instanceof ApiError) || why.status === 0 || why.status >= 500) throw why;
        row.problems.push(why.message);
      }
    };
    try {
      await each(all, judge, (n) => setBusy([t('checking'), n, all.length]));
      setRows(all);
    } catch (why) {
      setError((why as Error).message);
    }
    setBusy(null);
  };

  const good = rows?.filter((r) => r.problems.length === 0) ?? [];
  const bad = rows?.filter((r) => r.problems.length > 0) ?? [];

  const run = async () => {
    const batch: Batch = { type: type.name, file: file!.name, at: new Date().toISOString(), source: source(), saved: [] };
    const put = async (row: Row) => {
      try {
        const made = await api<RecordRow>('POST', `types/${type.name}/records`, { id: row.id, fields: row.fields });
        row.rev = made.rev;
        batch.saved.push({ id: row.id, rev: made.rev });
      } catch (why) {
        if (!(why instanceof ApiError) || why.status === 0 || why.status >= 500) throw why;
        row.problems.push([why.message, ...why.issues.map((i) => issueText(i))].join('；'));
      }
    };
    setError('');
    try {
      await each(good, put, (n) => setBusy([t('importing'), n, good.length]));
    } catch (why) {
      setError(`${(why as Error).message} ${t('importAgain')}`);
    }
    setBusy(null);
    if (batch.saved.length > 0) keepBatches([batch, ...batches()]);
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
        {error && <Note kind="bad">{error}</Note>}
        {busy && (
          <p role="status">
            {busy[0]} {busy[1]}/{busy[2]}
          </p>
        )}
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
          {saved && <Note kind="good">{t('imported', saved.saved.length)}</Note>}
          {bad.length > 0 && (
            <>
              <div class="scroll" tabIndex={0}>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{t('line')}</th>
                      <th scope="col">{t('errorReason')}</th>
                      {table![0]!.slice(0, 4).map((h, i) => (
                        <th scope="col" key={i}>
                          {h}
                        </th>
                      ))}
                    </tr>
                  </thead>
                  <tbody>
                    {bad.slice(0, SHOWN).map((r) => (
                      <tr key={r.line}>
                        <th scope="row">{r.line}</th>
                        <td>{r.problems.join('；')}</td>
                        {table![0]!.slice(0, 4).map((_, i) => (
                          <td key={i}>{r.cells[i]}</td>
                        ))}
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              {bad.length > SHOWN && <p class="quiet">{t('andOthers', bad.length - SHOWN)}</p>}
            </>
          )}
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
    </>
  );
}

// ---- a list on paper and in a file ------------------------------------------------------------------------------------------------

const PRINT_MAX = 5000;

async function allOf(type: string, query: string): Promise<Page> {
  const whole: Page = { records: [], labels: {}, total: 0 };
  for (let offset = 0; offset < PRINT_MAX; offset += 500) {
    const page = await get<Page>(`types/${type}/records?limit=500&offset=${offset}${query ? `&${query}` : ''}`);
    whole.records.push(...page.records);
    Object.assign(whole.labels, page.labels);
    whole.total = page.total;
    if (whole.records.length >= page.total || page.records.length === 0) break;
  }
  return whole;
}

/** #/print/person?f.state=active: the list of that filter, in columns one chooses, with a column to sign in when it is a 签领表. */
export function PrintPage(props: { type: string }) {
  const { catalog, session } = useModel();
  const type = typeOf(catalog, props.type);
  const query = location.hash.split('?')[1] ?? '';
  const list = useData(() => allOf(props.type, query), [props.type, query]);
  const [title, setTitle] = useState('');
  const [columns, setColumns] = useState<string[]>(type ? type.list_columns.filter((c) => c !== 'state' && c !== 'village_code') : []);
  const [sign, setSign] = useState(false);
  if (!type) return <p>{t('notFound')}</p>;
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const choices = type.fields.filter((f: Field) => !f.retired && (!f.common || f.name === 'state') && f.type !== 'map' && f.type !== 'file' && f.type !== 'hex' && f.sensitivity < 2) ;
  const shown = [...choices.filter((f) => columns.includes(f.name)), ...type.fields.filter((f) => f.format === 'idno' && columns.includes(f.name))];
  const heads = [t('number'), ...shown.map((f) => fieldLabel(f)), ...(sign ? [t('signature'), t('remark')] : [])];
  const rows = list.data.records.map((r, i) => [String(i + 1), ...shown.map((f) => cell(catalog, type, f.name, r, list.data!.labels)), ...(sign ? ['', ''] : [])]);
  // What is read as one word stays on one line, and there is room for a name in the column to sign in.
  const kinds = ['', ...shown.map((f) => (f.name === 'name' || f.type === 'date' || f.format === 'idno' || f.format === 'phone' ? 'one-line' : '')), ...(sign ? ['to-sign', ''] : [])];
  const name = title || (sign ? t('signSheet', label(type)) : label(type));
  return (
    <>
      <section class="card no-print">
        <div class="filters">
          <label>
            {t('sheetTitle')} <input type="text" value={title} placeholder={name} onInput={(e) => setTitle((e.target as HTMLInputElement).value)} />
          </label>
          <label class={sign ? 'choice on' : 'choice'}>
            <input type="checkbox" checked={sign} onChange={(e) => setSign((e.target as HTMLInputElement).checked)} />
            {t('withSignature')}
          </label>
        </div>
        <div class="choices" role="group" aria-label={t('columns')}>
          {[...choices, ...type.fields.filter((f) => f.format === 'idno')].map((f) => (
            <label key={f.name} class={columns.includes(f.name) ? 'choice on' : 'choice'}>
              <input type="checkbox" checked={columns.includes(f.name)} onChange={(e) => setColumns((e.target as HTMLInputElement).checked ? [...columns, f.name] : columns.filter((c) => c !== f.name))} />
              {fieldLabel(f)}
            </label>
          ))}
        </div>
        <div class="actions">
          <Button kind="main" onClick={() => window.print()}>
            {t('print')}
          </Button>
          <Button onClick={() => xlsx([{ name: label(type).slice(0, 28), rows: [heads, ...rows] }]).then((b) => save(b, `${name}.xlsx`), (e: Error) => toast(e.message))}>{t('toXlsx')}</Button>
          <Button onClick={() => save(csv([heads, ...rows]), `${name}.csv`)}>{t('toCsv')}</Button>
        </div>
        {list.data.total > list.data.records.length && <Note kind="bad">{t('cutAt', list.data.records.length, list.data.total)}</Note>}
      </section>
      <article class="sheet">
        <h1>{name}</h1>
        <p class="quiet">
          {session.station_name} · {t('total', rows.length)} · {new Date().toISOString().slice(0, 10)}
        </p>
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                {heads.map((h, i) => (
                  <th scope="col" key={i}>
                    {h}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((r, i) => (
                <tr key={i} class={sign ? 'signed' : undefined}>
                  {r.map((c, k) => (
                    <td key={k} class={kinds[k]}>
                      {c}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </article>
    </>
  );
}
