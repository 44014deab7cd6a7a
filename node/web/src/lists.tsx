// Lists: records of a type, what waits, what came back, the recycle bin.
import { useEffect, useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeName, typeOf, valueText, type Catalog, type RecordType } from '@common/catalog';
import { shownValue } from '@common/fields';
import { label, t, timeText } from '@common/i18n';
import { askedOf, askedText, REQUEST } from '@common/request';
import { Button, Later, Note, toast, useData, Waiting } from '@common/ui';
import { CLAIM_AT } from './claims';
import { begun, enterable, kindName } from './menu';
import { go, maskId, useModel } from './model';
import { toldRestored } from './undo';

export interface Page {
  records: RecordRow[];
  labels: Record<string, string>;
  total: number;
}

/** Where it stands, and who entered it when that was not this village. */
export function Mark(props: { record: RecordRow }) {
  return (
    <>
      <Standing record={props.record} />
      {props.record.origin === 'town' && <span class="tag"> {t('townEntered')}</span>}
    </>
  );
}

function Standing(props: { record: RecordRow }) {
  const r = props.record;
  if (r.deleted) return <span class="tag">{t('deletedMark')}</span>;
  if (r.refused || r.invalid || r.state === 'returned') return <span class="tag bad">! {t('refusedMark')}</span>;
  return r.pending ? <span class="tag wait">○ {t('pendingMark')}</span> : <span class="tag good">✓ {t('sentMark')}</span>;
}

export function cell(catalog: Catalog, type: RecordType, name: string, r: RecordRow, labels: Record<string, string>): string {
  const field = fieldOf(type, name);
  if (name === 'state') return stateText(catalog, type, r.state);
  if (!field) return '';
  if (type.name === REQUEST && ['field', 'old_value', 'new_value'].includes(name)) {
    const asked = askedOf(catalog, r.fields)?.field;
    if (asked && name === 'field') return fieldLabel(asked);
    const said = askedText(catalog, asked, r.fields[name]);
    return asked?.format === 'idno' || asked?.name === 'bank_account' ? maskId(said) : said;
  }
  if (field.format === 'idno') return maskId(String(r.fields[name] ?? ''));
  return shownValue(catalog, field, r.fields[name]) || valueText(catalog, field, r.fields[name], labels);
}

export function RecordTable(props: { type: RecordType; page: Page }) {
  const { catalog } = useModel();
  const columns = props.type.list_columns.filter((c) => fieldOf(props.type, c) && c !== 'state').slice(0, 6);
  return (
    <div class="scroll" tabIndex={0}>
      <table class="records">
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c} scope="col">
                {fieldLabel(fieldOf(props.type, c))}
              </th>
            ))}
            <th scope="col">{label({ zh: '状态', en: 'State' })}</th>
            <th scope="col">{t('syncTitle')}</th>
          </tr>
        </thead>
        <tbody>
          {props.page.records.map((r) => (
            <tr key={r.id} onClick={() => go(`/record/${r.id}`)}>
              {columns.map((c, i) => (
                <td key={c}>{i === 0 ? <a href={`#/record/${r.id}`}>{cell(catalog, props.type, c, r, props.page.labels) || r.label}</a> : cell(catalog, props.type, c, r, props.page.labels)}</td>
              ))}
              <td>{stateText(catalog, props.type, r.state)}</td>
              <td>
                <Mark record={r} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** All records of a kind, for what is chosen from on the screen: at most 5,000. */
export async function everyRecord(type: string, query = ''): Promise<RecordRow[]> {
  const rows: RecordRow[] = [];
  for (let offset = 0; offset < 5000; offset += 500) {
    const page = await get<Page>(`types/${type}/records?limit=500&offset=${offset}${query}`);
    rows.push(...page.records);
    if (rows.length >= page.total || page.records.length === 0) break;
  }
  return rows;
}

const PAGE = 50;
const PAGE_MAX = 500; // of one answer; further ones by turning pages

export function ListPage(props: { type: string }) {
  const { catalog, status } = useModel();
  const type = typeOf(catalog, props.type);
  const [q, setQ] = useState('');
  const [state, setState] = useState('');
  const [n, setN] = useState(PAGE);
  const [from, setFrom] = useState(0);
  const [late, setLate] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => {
      setLate(q);
      setFrom(0);
    }, 200);
    return () => clearTimeout(timer);
  }, [q]);
  const filter = [late.trim() ? `q=${encodeURIComponent(late.trim())}` : '', state ? `f.state=${state}` : ''].filter(Boolean).join('&');
  const query = `limit=${from ? PAGE_MAX : n}${from ? `&offset=${from}` : ''}${filter ? `&${filter}` : ''}`;
  const page = useData(() => get<Page>(`types/${props.type}/records?${query}`), [query, status?.cursor, status?.pending]);
  if (!type) return <p>{t('notFound')}</p>;
  const turn = (to: number) => {
    setN(PAGE_MAX);
    setFrom(to);
    window.scrollTo(0, 0);
  };
  return (
    <>
      <div class="head">
        <h1>{kindName(type)}</h1>
        <div>
          {enterable(type) && (
            <a class="button main" href={`#/new/${type.name}`}>
              {t(type.name === REQUEST ? 'askChange' : 'add')}
            </a>
          )}
          {type.name === 'consultation' && (
            <a class="button plain" href="#/tally">
              {t('tally')} +1
            </a>
          )}
          {type.name === 'visit' && (
            <a class="button plain" href="#/batch/visit">
              {t('manyVisits')}
            </a>
          )}
          {(type.name === 'residency_event' || type.name === 'person') && (
            <a class="button plain" href={`#${CLAIM_AT}`}>
              {t('claim')}
            </a>
          )}
          {type.name !== REQUEST && enterable(type) && (
            <a class="button plain" href={`#/import/${type.name}`}>
              {t('importTitle')}
            </a>
          )}
          <a class="button plain" href={`#/print/${type.name}?${filter}`}>
            {t('exportPrint')}
          </a>
        </div>
      </div>
      {!type.kept && <p class="quiet">{t('townKeeps')}</p>}
      {type.kept && !begun(type) && <p class="quiet">{t('townBegins')}</p>}
      {type.name === 'notice_receipt' && <p class="quiet">{t('receiptWhere')}</p>}
      {type.name === 'attachment' && <p class="quiet">{t('attachmentNot')}</p>}
      {type.name === 'nil_report' && <Later load={() => import('./nil').then((m) => m.NilCard)} />}
      <div class="filters">
        <label>
          {t('search')} <input type="search" value={q} onInput={(e) => setQ((e.target as HTMLInputElement).value)} />
        </label>
        <label>
          {label({ zh: '状态', en: 'State' })}{' '}
          <select value={state} onChange={(e) => (setState((e.target as HTMLSelectElement).value), setFrom(0))}>
            <option value="">—</option>
            {(catalog.lists[type.states] ?? []).map((c) => (
              <option key={c.code} value={c.code}>
                {label(c)}
              </option>
            ))}
          </select>
        </label>
        {page.data && <span class="quiet">{t('total', page.data.total)}</span>}
      </div>
      {!page.data || page.error ? <Waiting error={page.error} reload={page.reload} /> : null}
      {page.data && page.data.records.length === 0 && <p class="quiet">{t('noRecords')}</p>}
      {page.data && page.data.records.length > 0 && <RecordTable type={type} page={page.data} />}
      {page.data && page.data.total > page.data.records.length && (
        <p>
          <span class="quiet" role="status">
            {t('shownOf', from + 1, from + page.data.records.length, page.data.total)}
          </span>{' '}
          {from === 0 && n < PAGE_MAX && <Button onClick={() => setN(Math.min(n + 100, PAGE_MAX))}>{t('more')}</Button>}
          {(from > 0 || n >= PAGE_MAX) && (
            <>
              {from > 0 && <Button onClick={() => turn(from - PAGE_MAX)}>{t('pageBefore')}</Button>}
              {from + page.data.records.length < page.data.total && <Button onClick={() => turn(from + PAGE_MAX)}>{t('pageNext')}</Button>}
              <span class="quiet">{t('pageOf', from / PAGE_MAX + 1, Math.ceil(page.data.total / PAGE_MAX))}</span>
            </>
          )}
        </p>
      )}
    </>
  );
}

interface Waits {
  id: string;
  type: string;
  label: string;
  changes: number;
  user: string;
  at: string;
}

export function PendingPage() {
  const { catalog, status } = useModel();
  const rows = useData(() => get<{ records: Waits[] }>('pending'), [status?.pending]);
  return (
    <>
      <h1>{t('pendingTitle')}</h1>
      <p>{t('savedHere')}</p>
      {!!status?.pending && <p>{t('pendingOf', status.pending_records, status.pending)}</p>}
      {!!status && rows.data && status.pending_records > rows.data.records.length && rows.data.records.length >= PAGE_MAX && <p class="quiet">{t('newestOf', rows.data.records.length, status.pending_records)}</p>}
      {!rows.data && <Waiting error={rows.error} reload={rows.reload} />}
      {rows.data?.records.length === 0 && <Note kind="good">{t('pendingNone')}</Note>}
      <ul class="plain-list">
        {rows.data?.records.map((r) => (
          <li key={r.id}>
            <a href={`#/record/${r.id}`}>
              <b>{label(typeOf(catalog, r.type))}</b> {r.label}
            </a>
            <span class="quiet">
              {' '}
              {t('changes', r.changes)} · {r.user} · {timeText(r.at)}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

interface Back {
  id: string;
  type: string;
  label: string;
  verdict: string;
  field: string;
  text: string;
  text_en?: string;
  note: string;
  at: string | null;
  user?: string;
  record?: RecordRow;
}

export function ReturnedPage() {
  const { catalog, status } = useModel();
  const rows = useData(() => get<{ records: Back[]; labels: Record<string, string> }>('returned'), [status?.returned, status?.cursor]);
  return (
    <>
      <h1>{t('returnedTitle')}</h1>
      {!rows.data && <Waiting error={rows.error} reload={rows.reload} />}
      {rows.data?.records.length === 0 && <Note kind="good">{t('returnedNone')}</Note>}
      {rows.data?.records.map((r) => {
        const type = typeOf(catalog, r.type);
        const labels = rows.data!.labels;
        const shown = type && r.record ? [...new Set([r.field.split(/[.[]/)[0] ?? '', ...type.list_columns])].filter((c) => fieldOf(type, c) && c !== 'state' && r.record!.fields[c] !== undefined) : [];
        const field = type && r.field ? fieldOf(type, r.field.split(/[.[]/)[0] ?? '') : undefined;
        return (
          <section class="card" key={r.id}>
            <h2>
              {typeName(type)} {r.label}
            </h2>
            <p class="quiet">
              {r.at && t(r.verdict === 'returned' ? 'returnedByTown' : 'returnedOurs', timeText(r.at))}
              {r.user && <> · {t('changedBy', r.user)}</>}
            </p>
            <p>
              <b>{t('reason')}:</b> {field ? `${fieldLabel(field)}: ` : ''}
              {label({ zh: r.text, en: r.text_en || r.text })}
            </p>
            {r.note && (
              <p>
                <b>{t('townNote')}:</b> {r.note}
              </p>
            )}
            {shown.length > 0 && (
              <dl class="values">
                {shown.map((c) => (
                  <div key={c}>
                    <dt>{fieldLabel(fieldOf(type!, c))}</dt>
                    <dd>{cell(catalog, type!, c, r.record!, labels)}</dd>
                  </div>
                ))}
              </dl>
            )}
            <a class="button main" href={`#/edit/${r.id}`}>
              {t('correct')}
            </a>
          </section>
        );
      })}
    </>
  );
}

interface Deleted {
  record: RecordRow;
  at: string;
  user: string;
  town: boolean;
}

const BIN_ROWS = 100; // of a page

/** Everything that was deleted, whatever it is; type: only that. */
export function BinPage(props: { type: string }) {
  const { catalog, status } = useModel();
  const [from, setFrom] = useState(0);
  useEffect(() => setFrom(0), [props.type]);
  const page = useData(
    () => get<{ records: Deleted[]; types: Record<string, number>; total: number }>(`bin?type=${props.type}&offset=${from}&limit=${BIN_ROWS}`),
    [status?.cursor, status?.pending, props.type, from],
  );
  const restore = (was: RecordRow) =>
    api<RecordRow>('POST', `records/${was.id}/undelete`).then(
      (now) => {
        toldRestored(now, String(was.fields['delete_reason'] ?? ''));
        page.reload();
      },
      (e: Error) => toast(e.message),
    );
  const rows = page.data?.records ?? [];
  const counts = page.data?.types ?? {};
  const kinds = [...new Set([...Object.keys(counts), ...(props.type ? [props.type] : [])])];
  const total = page.data?.total ?? 0;
  const turn = (to: number) => {
    setFrom(to);
    scrollTo(0, 0);
  };
  const who = (d: Deleted) => (d.town ? t('binByTown', timeText(d.at)) : d.user ? t('binBy', d.user, timeText(d.at)) : t('binOn', timeText(d.at)));
  return (
    <>
      <h1>{t('bin')}</h1>
      {kinds.length > 1 && (
        <div class="filters">
          <select aria-label={t('bin')} value={props.type} onChange={(e) => go(`/bin/${(e.target as HTMLSelectElement).value}`)}>
            <option value="">{t('binOf', t('binAll'), Object.values(counts).reduce((n, one) => n + one, 0))}</option>
            {kinds.map((name) => (
              <option key={name} value={name}>
                {t('binOf', label(typeOf(catalog, name)), counts[name] ?? 0)}
              </option>
            ))}
          </select>
        </div>
      )}
      {!page.data && <Waiting error={page.error} reload={page.reload} />}
      {page.data && rows.length === 0 && <p class="quiet">{t('binNone')}</p>}
      <ul class="plain-list">
        {rows.map((d) => (
          <li key={d.record.id}>
            <small>{label(typeOf(catalog, d.record.type))}</small> <a href={`#/record/${d.record.id}`}>{d.record.label}</a> <span>{String(d.record.fields['delete_reason'] ?? '')}</span> <span class="quiet">{who(d)}</span> <Button onClick={() => void restore(d.record)}>{t('restore')}</Button>
          </li>
        ))}
      </ul>
      {page.data && total > rows.length && (
        <p>
          <span class="quiet" role="status">
            {t('shownOf', from + 1, from + rows.length, total)}
          </span>{' '}
          {from > 0 && <Button onClick={() => turn(Math.max(0, from - BIN_ROWS))}>{t('pageBefore')}</Button>}
          {from + rows.length < total && <Button onClick={() => turn(from + BIN_ROWS)}>{t('pageNext')}</Button>} <span class="quiet">{t('pageOf', Math.floor(from / BIN_ROWS) + 1, Math.ceil(total / BIN_ROWS))}</span>
        </p>
      )}
    </>
  );
}
