// One figure: by village, office, month or category, and the records behind it.
import { useState } from 'preact/hooks';
import { get } from '@common/api';
import { label } from '@common/i18n';
import { useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { type Counts, query, type Rows, useModel } from './model';
import { w, type Word } from './messages';
import { Choice, CoverageLine, usePeriod } from './overview';
import { periodOptions, rangeOf, rangeText } from './periods';
import { ExportButton } from './export';
import { RecordTable } from './records';

const WAYS: [string, Word][] = [['village', 'byVillage'], ['office', 'byOffice'], ['month', 'byMonth'], ['category', 'byCategory']];
export const PAGE = 50;

export function Pager(props: { total: number; offset: number; onMove: (offset: number) => void }) {
  if (props.total <= PAGE) return null;
  return (
    <div class="actions">
      <button type="button" class="button plain" disabled={props.offset === 0} onClick={() => props.onMove(Math.max(0, props.offset - PAGE))}>
        {w('previous')}
      </button>
      <span>{w('rangeOf', props.offset + 1, Math.min(props.offset + PAGE, props.total), props.total)} </span>
      <button type="button" class="button plain" disabled={props.offset + PAGE >= props.total} onClick={() => props.onMove(props.offset + PAGE)}>
        {w('next')}
      </button>
    </div>
  );
}

export function FigurePage(props: { id: string }) {
  const { catalog, stations } = useModel();
  const indicator = catalog.indicators.find((i) => i.id === props.id);
  const ways = WAYS.filter(([way]) => indicator?.by.includes(way));
  const { period, compare, set } = usePeriod();
  const asked = hashQuery();
  const [by, setBy] = useState(asked.get('by') ?? ways[0]?.[0] ?? '');
  const [key, setKey] = useState<{ key: string; label: string } | null>(null);
  const [offset, setOffset] = useState(0);
  const range = rangeOf(period);
  const counts = useData(() => get<Counts>(`counts?${query({ ...range, indicators: props.id, by })}`), [props.id, period, by]);
  const rows = useData(
    () => get<Rows>(`counts/${props.id}/rows?${query({ ...range, by, key: key?.key, limit: PAGE, offset })}`).catch((e) => (e.code === 'no_rows' ? null : Promise.reject(e))),
    [props.id, period, by, key?.key, offset],
  );
  if (!indicator) return <p>{w('nothing')}</p>;
  if (!counts.data) return <Waiting error={counts.error} reload={counts.reload} />;
  const figure = counts.data.indicators[props.id];
  const groups = [...(figure?.groups ?? [])].filter((g) => g.value !== null).sort((a, b) => (by === 'month' ? (a.key < b.key ? -1 : 1) : (b.value ?? 0) - (a.value ?? 0)));
  const most = Math.max(1, ...groups.map((g) => g.value ?? 0));
  const shown = (value: number | null) => (indicator.unit === '元' ? `${((value ?? 0) / 100).toFixed(2)}` : indicator.unit === '%' ? `${Math.round(value ?? 0)}%` : String(value ?? ''));
  const pick = (g: { key: string; label: string } | null) => {
    setKey(g);
    setOffset(0);
  };
  return (
    <>
      <div class="head">
        <h1>
          {label(indicator)}{' '}
          <strong class="number">
            {figure?.reported ? figure.display : w('unreported')}
            {figure?.reported && indicator.unit !== '%' ? indicator.unit : ''}
          </strong>{' '}
          <small>{rangeText({ from: range.from, to: counts.data.to })}</small>
        </h1>
        <div class="filters">
          <Choice text={w('period')} name="period" value={period} options={periodOptions(period)} onChange={(p) => set(p, compare)} />
          {ways.length > 0 && (
            <Choice
              text={w('by')}
              name="by"
              value={by}
              options={ways.map(([way, word]) => [way, w(word)])}
              onChange={(way) => {
                setBy(way);
                pick(null);
              }}
            />
          )}
        </div>
      </div>
      <CoverageLine coverage={counts.data.coverage} stations={stations} />
      {groups.length > 0 && (
        <ul class="bars">
          {groups.map((g) => (
            <li key={g.key}>
              <button type="button" aria-pressed={key?.key === g.key} onClick={() => pick(key?.key === g.key ? null : { key: g.key, label: g.label })}>
                <span class="name">{g.label}</span>
                <span class="bar" aria-hidden="true">
                  <span style={{ width: `${(100 * Math.max(0, g.value ?? 0)) / most}%` }} />
                </span>
                <span class="value">{shown(g.value)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {rows.data === null ? (
        <p class="quiet">{w('noRows')}</p>
      ) : !rows.data ? (
        <Waiting error={rows.error} reload={rows.reload} />
      ) : (
        <section>
          <h2>
            {w('rowsBehind', rows.data.total)} {key && <span class="tag">{key.label}</span>}{' '}
            {key && (
              <button type="button" class="button plain" onClick={() => pick(null)}>
                {w('clearGroup')}
              </button>
            )}
          </h2>
          <p>
            <ExportButton type={rows.data.type ?? ''} name={label(indicator)} query={`counts/${props.id}/rows?${query({ ...range, by, key: key?.key })}`} />
          </p>
          <RecordTable type={rows.data.type ?? ''} rows={rows.data.records} labels={rows.data.labels ?? {}} />
          <Pager total={rows.data.total} offset={offset} onMove={setOffset} />
        </section>
      )}
    </>
  );
}
