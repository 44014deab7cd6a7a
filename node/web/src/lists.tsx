// Lists: records of a type, what waits, what came back, the recycle bin.
import { useEffect, useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeOf, valueText, type Catalog, type RecordType } from '@common/catalog';
import { shownValue } from '@common/fields';
import { label, t, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { CLAIM_AT } from './claims';
import { maskId } from './home';
import { go, useModel } from './model';
import { toldRestored } from './undo';

export interface Page {
  records: RecordRow[];
  labels: Record<string, string>;
  total: number;
}

export function Mark(props: { record: RecordRow }) {
  const r = props.record;
  if (r.deleted) return <span class="tag">{t('deletedMark')}</span>;
  if (r.refused || r.invalid || r.state === 'returned') return <span class="tag bad">! {t('refusedMark')}</span>;
  return r.pending ? <span class="tag wait">○ {t('pendingMark')}</span> : <span class="tag good">✓ {t('sentMark')}</span>;
}

export function cell(catalog: Catalog, type: RecordType, name: string, r: RecordRow, labels: Record<string, string>): string {
  const field = fieldOf(type, name);
  if (name === 'state') return stateText(catalog, type, r.state);
  if (!field) return '';
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

export function ListPage(props: { type: string }) {
  const { catalog, status } = useModel();
  const type = typeOf(catalog, props.type);
  const [q, setQ] = useState('');
  const [state, setState] = useState('');
  const [n, setN] = useState(PAGE);
  const [late, setLate] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setLate(q), 200);
    return () => clearTimeout(timer);
  }, [q]);
  const filter = [late.trim() ? `q=${encodeURIComponent(late.trim())}` : '', state ? `f.state=${state}` : ''].filter(Boolean).join('&');
  const query = `limit=${Math.min(n, 500)}${filter ? `&${filter}` : ''}`;
  const page = useData(() => get<Page>(`types/${props.type}/records?${query}`), [query, status?.cursor, status?.pending]);
  if (!type) return <p>{t('notFound')}</p>;
  return (
    <>
      <div class="head">
        <h1>{label(type)}</h1>
        <div>
          <a class="button main" href={`#/new/${type.name}`}>
            {t('add')}
          </a>
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
          <a class="button plain" href={`#/import/${type.name}`}>
            {t('importTitle')}
          </a>
          <a class="button plain" href={`#/print/${type.name}?${filter}`}>
            {t('exportPrint')}
          </a>
        </div>
      </div>
      <div class="filters">
        <label>
          {t('search')} <input type="search" value={q} onInput={(e) => setQ((e.target as HTMLInputElement).value)} />
        </label>
        <label>
          {label({ zh: '状态', en: 'State' })}{' '}
          <select value={state} onChange={(e) => setState((e.target as HTMLSelectElement).value)}>
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
      {page.data && page.data.total > page.data.records.length && n < 500 && <Button onClick={() => setN(n + 100)}>{t('more')}</Button>}
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
}

export function ReturnedPage() {
  const { catalog, status } = useModel();
  const rows = useData(() => get<{ records: Back[] }>('returned'), [status?.returned, status?.cursor]);
  return (
    <>
      <h1>{t('returnedTitle')}</h1>
      {!rows.data && <Waiting error={rows.error} reload={rows.reload} />}
      {rows.data?.records.length === 0 && <Note kind="good">{t('returnedNone')}</Note>}
      {rows.data?.records.map((r) => {
        const type = typeOf(catalog, r.type);
        const field = type && r.field ? fieldOf(type, r.field.split(/[.[]/)[0] ?? '') : undefined;
        return (
          <section class="card" key={r.id}>
            <h2>
              {label(type)} {r.label}
            </h2>
            <p>
              <b>{t('reason')}:</b> {field ? `${fieldLabel(field)}: ` : ''}
              {label({ zh: r.text, en: r.text_en || r.text })}
            </p>
            {r.note && (
              <p>
                <b>{t('townNote')}:</b> {r.note}
              </p>
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

export function BinPage(props: { type: string }) {
  const { catalog } = useModel();
  const page = useData(() => get<Page>(`types/${props.type}/records?deleted=1&limit=200`), [props.type]);
  const restore = (was: RecordRow) =>
    api<RecordRow>('POST', `records/${was.id}/undelete`).then(
      (now) => {
        toldRestored(now, String(was.fields['delete_reason'] ?? ''));
        page.reload();
      },
      (e: Error) => toast(e.message),
    );
  return (
    <>
      <h1>{t('bin')}</h1>
      <div class="filters">
        <select aria-label={t('bin')} value={props.type} onChange={(e) => go(`/bin/${(e.target as HTMLSelectElement).value}`)}>
          {catalog.types
            .filter((type) => type.kept)
            .map((type) => (
              <option key={type.name} value={type.name}>
                {label(type)}
              </option>
            ))}
        </select>
      </div>
      {!page.data && <Waiting error={page.error} reload={page.reload} />}
      {page.data?.records.length === 0 && <p class="quiet">{t('binNone')}</p>}
      <ul class="plain-list">
        {page.data?.records.map((r) => (
          <li key={r.id}>
            <a href={`#/record/${r.id}`}>{r.label}</a> <span class="quiet">{String(r.fields['delete_reason'] ?? '')}</span> <Button onClick={() => void restore(r)}>{t('restore')}</Button>
          </li>
        ))}
      </ul>
    </>
  );
}
