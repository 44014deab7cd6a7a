// Registers: lists of every type with filters, which stand in the address; filters that somebody keeps; the whole list as a file or on paper.
import { useEffect, useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { codeText, type Field, fieldLabel, fieldOf, type RecordType, stateText, typeOf, valueText } from '@common/catalog';
import { label, t } from '@common/i18n';
import { REQUEST } from '@common/request';
import { Paged } from '@common/paged';
import { alter, hashQuery } from '@common/route';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { all, ExportButton, note } from './export';
import { offsetOf, PAGE, Pager } from './figure';
import { go, ofRegistry, query, type Rows, today, type TownCatalog, useModel } from './model';
import { w } from './messages';
import { Choice } from './overview';
import { Ask, listColumns, RecordTable, StationChoice } from './records';

const PRINT_MOST = 2000; // some 60 sheets
const WIDE_FROM = 7; // columns that need the long side of A4

interface View {
  name: string;
  to: string;
}

/** What an older version of this page kept in the browser; whatever stands there, it is a list of filters or nothing. */
function oldViews(place: string): View[] {
  try {
    const found = JSON.parse(localStorage.getItem(place) ?? '[]') as unknown;
    return Array.isArray(found) ? found.filter((v: View) => typeof v?.name === 'string' && typeof v?.to === 'string' && v.to.startsWith('/list/')).map(({ name, to }) => ({ name, to })) : [];
  } catch {
    return [];
  }
}

/** Filters that somebody keeps for themselves, at the hub. */
function Views(props: { here: string }) {
  const { session } = useModel();
  const place = `views.${session.user}`;
  const [asking, setAsking] = useState(false);
  const found = useData(async () => {
    const kept = (await get<{ filters: View[] }>('filters')).filters;
    const old = oldViews(place).filter((v) => !kept.some((k) => k.name === v.name));
    if (old.length === 0) return kept;
    const both = [...kept, ...old].slice(0, 20);
    await api('PUT', 'filters', { filters: both });
    localStorage.removeItem(place);
    return both;
  }, [place]);
  const views = found.data ?? [];
  const put = async (next: View[]) => {
    await api('PUT', 'filters', { filters: next });
    found.reload();
  };
  return (
    <p class="no-print">
      {views.length > 0 && <span class="quiet">{w('views')}：</span>}
      {views.map((v) => (
        <span class="picked" key={v.name}>
          <a href={`#${v.to}`}>{v.name}</a>
          <button type="button" aria-label={`${w('dropView')} ${v.name}`} onClick={() => void put(views.filter((x) => x !== v)).catch((e: Error) => toast(e.message))}>
            ×
          </button>
        </span>
      ))}
      <Button onClick={() => setAsking(true)}>{w('keepView')}</Button>
      {found.error && <span class="quiet"> {found.error.message}</span>}
      {asking && <Ask title={w('keepView')} text={w('viewName')} go={w('keepView')} onClose={() => setAsking(false)} onDone={(name) => put([...views.filter((v) => v.name !== name), { name, to: props.here }])} />}
    </p>
  );
}

/** Fields that a list can be narrowed by: those with a list of codes, or yes and no; none that is covered. */
const choosable = (type: RecordType): Field[] => type.fields.filter((f) => (f.type === 'code' || f.type === 'bool') && !f.common && !f.retired && f.name !== 'state' && f.sensitivity < 2);

/** The filters of an address, as the API has them. */
function filtersOf(type: RecordType): Record<string, string> {
  const asked = hashQuery();
  const found: Record<string, string> = {};
  for (const name of ['station', 'month', 'from', 'to', 'q']) found[name] = asked.get(name) ?? '';
  found['f.state'] = asked.get('state') ?? '';
  for (const f of choosable(type)) found[`f.${f.name}`] = asked.get(`f.${f.name}`) ?? '';
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value));
}

function answers(catalog: TownCatalog, f: Field, now: string): [string, string][] {
  const codes: [string, string][] =
    f.type === 'bool'
      ? [['true', t('yes')], ['false', t('no')]]
      : (catalog.lists[f.codes ?? ''] ?? []).filter((c) => !c.retired || c.code === now).map((c): [string, string] => [c.code, label(c)]);
  return [['', w('any')], ...codes];
}

/** The filters in words, for paper. */
function said(catalog: TownCatalog, type: RecordType, filters: Record<string, string>, station: (code: string) => string): string {
  const parts = Object.entries(filters).map(([name, value]) => {
    if (name === 'station') return station(value);
    if (name === 'f.state') return stateText(catalog, type, value);
    if (name === 'from') return `${w('fromDay')} ${value}`;
    if (name === 'to') return `${w('toDay')} ${value}`;
    if (!name.startsWith('f.')) return name === 'q' ? `“${value}”` : value;
    const field = fieldOf(type, name.slice(2))!;
    return `${fieldLabel(field)}：${field.type === 'bool' ? t(value === 'true' ? 'yes' : 'no') : codeText(catalog, field.codes, value)}`;
  });
  return parts.join('；');
}

/** The whole list for A4, printed once it is there: hidden on the screen. */
function Paper(props: { type: RecordType; list: Rows; about: string }) {
  const { catalog, session, stations } = useModel();
  const columns = listColumns(props.type);
  const { records, total, labels } = props.list;
  const heads = [w('lineNo'), w('stations'), ...columns.map((f) => fieldLabel(f)), w('state')];
  const rows = records.map((r, n) => [
    String(n + 1),
    stations.find((s) => s.code === r.village_code)?.name ?? r.village_code ?? '',
    ...columns.map((f, i) => valueText(catalog, f, r.fields[f.name], labels) || (i === 0 ? r.label : '')),
    stateText(catalog, props.type, r.state),
  ]);
  return (
    <Paged
      title={label(props.type)}
      under={`${session.town} · ${props.about && `${props.about} · `}${w('items', total)} · ${today()} · ${session.user}`}
      heads={heads}
      rows={rows}
      wide={heads.length >= WIDE_FROM}
      unseen
      end={total > records.length && <p>{w('cutAt', records.length, total)}</p>}
      onCut={() => window.print()}
    />
  );
}

export function RegistersPage(props: { type: string }) {
  const { catalog, stations } = useModel();
  const type = typeOf(catalog, props.type) ?? typeOf(catalog, 'person')!;
  const filters = filtersOf(type);
  const offset = offsetOf(hashQuery().get('offset'));
  const address = `types/${type.name}/records?${query(filters)}`;
  const list = useData(() => get<Rows>(`${address}&limit=${PAGE}&offset=${offset}`), [address, offset]);
  const [typed, setTyped] = useState(filters.q ?? '');
  const [paper, setPaper] = useState<{ list: Rows; time: number } | null>(null);
  const [busy, setBusy] = useState('');
  useEffect(() => setTyped(filters.q ?? ''), [filters.q]);
  useEffect(() => setPaper(null), [address]);
  const set = (name: string) => (value: string) => alter({ [name]: value, offset: null });
  const day = (name: string) => (e: Event) => set(name)((e.target as HTMLInputElement).value);
  const more = choosable(type);
  const chosen = more.filter((f) => filters[`f.${f.name}`]);
  const { 'f.state': state, ...others } = filters;
  const here = query({ state, ...others });
  const about = said(catalog, type, filters, (code) => stations.find((s) => s.code === code)?.name ?? code);
  const date = fieldOf(type, type.reporting_date);
  const print = async () => {
    const whole = await all((from, n) => `${address}&limit=${n}&offset=${from}`, PRINT_MOST, (n, total) => setBusy(w('fetching', n, total)));
    await note('print', label(type), `${whole.records.length} ${about}`.slice(0, 200));
    if (whole.total > whole.records.length) toast(w('cutAt', whole.records.length, whole.total), undefined, true);
    setPaper((last) => ({ list: whole, time: (last?.time ?? 0) + 1 }));
  };
  return (
    <>
      <div class={paper ? 'no-print' : undefined}>
        <div class="head">
          <h1>{label(type)}</h1>
          {type.transitions.some((x) => x.from === null && x.town) && type.name !== 'report_snapshot' && type.name !== REQUEST && !ofRegistry(type.name) && (
            <a class="button main" href={`#/enter/${type.name}${filters.station ? `?station=${filters.station}` : ''}`}>
              {w('enter')}
            </a>
          )}
          {type.name === 'opening_balance' && (
            <a class="button plain" href="#/import">
              {t('importTitle')}
            </a>
          )}
        </div>
        <form
          class="filters"
          onSubmit={(e) => {
            e.preventDefault();
            set('q')(typed);
          }}
        >
          <Choice text={w('registers')} name="type" value={type.name} options={catalog.types.map((x): [string, string] => [x.name, label(x)])} onChange={(name) => go(`/list/${name}`)} />
          <StationChoice value={filters.station ?? ''} onChange={set('station')} />
          <Choice text={w('state')} name="state" value={state ?? ''} options={[['', w('allStates')], ...(catalog.lists[type.states] ?? []).map((c): [string, string] => [c.code, label(c)])]} onChange={set('state')} />
          <label class="pick">
            <span>
              {fieldLabel(date)} {w('fromDay')}
            </span>
            <input type="date" name="from" value={filters.from ?? ''} onChange={day('from')} />
          </label>
          <label class="pick">
            <span>{w('toDay')}</span>
            <input type="date" name="to" value={filters.to ?? ''} onChange={day('to')} />
          </label>
          <label class="pick">
            <span>{w('find')}</span>
            <input type="search" value={typed} onInput={(e) => setTyped((e.target as HTMLInputElement).value)} />
          </label>
          <Button type="submit">{w('find')}</Button>
          {Object.keys(filters).length > 0 && (
            <a class="button plain" href={`#/list/${type.name}`}>
              {w('clearFilters')}
            </a>
          )}
        </form>
        {more.length > 0 && (
          <details class="more-filters no-print" open={chosen.length > 0}>
            <summary>{chosen.length > 0 ? w('moreFiltersOn', chosen.length) : w('moreFilters')}</summary>
            <div class="filters">
              {more.map((f) => (
                <Choice key={f.name} text={fieldLabel(f)} name={`f.${f.name}`} value={filters[`f.${f.name}`] ?? ''} options={answers(catalog, f, filters[`f.${f.name}`] ?? '')} onChange={set(`f.${f.name}`)} />
              ))}
            </div>
          </details>
        )}
        <Views here={`/list/${type.name}?${here}`} />
        {list.data && list.error && <Note kind="bad">{list.error.message}</Note>}
        {!list.data ? (
          <Waiting error={list.error} reload={list.reload} />
        ) : (
          <>
            <p class="quiet">
              {filters.month && <span class="tag">{filters.month}</span>} {w('items', list.data.total)} <ExportButton type={type.name} name={label(type)} query={address} />
              <Button disabled={busy !== ''} onClick={() => void print().catch((e: Error) => toast(e.message)).then(() => setBusy(''))}>
                {busy || w('printAll')}
              </Button>
            </p>
            <RecordTable type={type.name} rows={list.data.records} labels={list.data.labels ?? {}} />
            <Pager total={list.data.total} offset={offset} onMove={(to) => alter({ offset: to })} />
          </>
        )}
      </div>
      {paper && <Paper key={paper.time} type={type} list={paper.list} about={about} />}
    </>
  );
}
