// One figure: by village, office, month or category, and the records behind it.
import { get } from '@common/api';
import { label } from '@common/i18n';
import { useData, Waiting } from '@common/ui';
import { alter, hashQuery } from '@common/route';
import { type Counts, query, type Rows, shownOf, unitAfter, useModel } from './model';
import { w, type Word } from './messages';
import { Change, Choice, CoverageLine, PeriodPicker, UnverifiedLine, usePeriod } from './overview';
import { before, rangeOf, rangeText } from './periods';
import { ExportButton } from './export';
import { TakeGroups } from './take';
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

/** A number of an address, 0 when it is none. */
export const offsetOf = (text: string | null): number => (/^\d{1,7}$/.test(text ?? '') ? Number(text) : 0);

export function FigurePage(props: { id: string }) {
  const { catalog, stations } = useModel();
  const indicator = catalog.indicators.find((i) => i.id === props.id);
  const asked = hashQuery();
  const station = asked.get('station') ?? '';
  const village = stations.find((s) => s.code === station);
  const ways = WAYS.filter(([way]) => indicator?.by.includes(way) && !(station && (way === 'village' || way === 'office')));
  const { period, compare, set } = usePeriod();
  const by = ways.find(([way]) => way === asked.get('by'))?.[0] ?? ways[0]?.[0] ?? '';
  const key = asked.get('key');
  const offset = offsetOf(asked.get('offset'));
  const range = rangeOf(period);
  const past = before(period, compare);
  const months = by === 'month'; // no month is another's
  const counts = useData(() => get<Counts>(`counts?${query({ ...range, indicators: props.id, by, station })}`), [props.id, period, by, station]);
  const then = useData(() => (past ? get<Counts>(`counts?${query({ ...past, indicators: props.id, by: months ? '' : by, station })}`) : Promise.resolve(null)), [props.id, period, compare, by, station]);
  const rows = useData(
    () => get<Rows>(`counts/${props.id}/rows?${query({ ...range, by, key, station, limit: PAGE, offset })}`).catch((e) => (e.code === 'no_rows' ? null : Promise.reject(e))),
    [props.id, period, by, key, offset, station],
  );
  if (!indicator) return <p>{w('noFigure', props.id)}</p>;
  if (!counts.data) return <Waiting error={counts.error} reload={counts.reload} />;
  const figure = counts.data.indicators[props.id];
  const groups = [...(figure?.groups ?? [])].filter((g) => g.value !== null || g.reported === false).sort((a, b) => (by === 'month' ? (a.key < b.key ? -1 : 1) : (b.value ?? -1) - (a.value ?? -1)));
  const most = Math.max(1, ...groups.map((g) => g.value ?? 0));
  const shown = (value: number | null) => (indicator.unit === '元' ? `${((value ?? 0) / 100).toFixed(2)}` : indicator.unit === '%' ? `${Math.round(value ?? 0)}%` : String(value ?? ''));
  const old = then.data?.indicators[props.id];
  const was = (k: string) => old?.groups?.find((g) => g.key === k)?.value ?? null;
  const than = w(compare === 'same' ? 'cSame' : 'cBefore');
  const pick = (next: string | null) => alter({ key: next, by, offset: null }, true);
  const chosen = key === null ? null : (figure?.groups?.find((g) => g.key === key)?.label ?? key);
  return (
    <>
      <div class="head">
        <h1>
          {label(indicator)}{' '}
          <strong class="number">
            {figure?.reported ? shownOf(figure) : w('unreported')}
            {figure?.reported && indicator.unit !== '%' ? unitAfter(figure) : ''}
          </strong>{' '}
          <small>
            {village && `${village.name} · `}
            {rangeText({ from: range.from, to: counts.data.to })}
          </small>
        </h1>
        <div class="filters">
          <PeriodPicker period={period} compare={compare} set={set} />
          {ways.length > 0 && (
            <Choice
              text={w('by')}
              name="by"
              value={by}
              options={ways.map(([way, word]) => [way, w(word)])}
              onChange={(way) => alter({ by: way, key: null, offset: null })}
            />
          )}
          {figure && (
            <TakeGroups
              what={`${label(indicator)}${village ? ` ${village.name}` : ''}`}
              counts={counts.data}
              period={period}
              compare={compare}
              station={village}
              only={props.id}
              catalog={catalog}
              stations={stations}
              indicator={indicator}
              figure={figure}
              then={old}
              by={w(ways.find(([way]) => way === by)?.[1] ?? 'by')}
            />
          )}
        </div>
      </div>
      {figure && (old || figure.now) && (
        <p>
          <Change now={figure} then={old} compare={compare} />
        </p>
      )}
      <CoverageLine coverage={counts.data.coverage} stations={stations} station={village} />
      <UnverifiedLine counts={counts.data} only={props.id} />
      {groups.length > 0 && (
        <ul class="bars">
          {groups.map((g) => (
            <li key={g.key}>
              <button type="button" aria-pressed={key === g.key} onClick={() => pick(key === g.key ? null : g.key)}>
                <span class="name">{g.label}</span>
                <span class="bar" aria-hidden="true">
                  <span style={{ width: `${(100 * Math.max(0, g.value ?? 0)) / most}%` }} />
                </span>
                <span class="value">
                  {g.reported === false ? <span class="quiet">{w('unreported')}</span> : shown(g.value)}
                  {old && !figure?.now && !months && was(g.key) !== null && (
                    <small class="quiet">
                      {than} {shown(was(g.key))}
                    </small>
                  )}
                </span>
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
            {w('rowsBehind', rows.data.total)} {chosen !== null && <span class="tag">{chosen}</span>}{' '}
            {chosen !== null && (
              <button type="button" class="button plain" onClick={() => pick(null)}>
                {w('clearGroup')}
              </button>
            )}
          </h2>
          <p>
            <ExportButton type={rows.data.type ?? ''} name={label(indicator)} query={`counts/${props.id}/rows?${query({ ...range, by, key, station })}`} />
          </p>
          {rows.data.type === 'person' && indicator.unit === '人' && chosen === null && typeof figure?.value === 'number' && rows.data.total > figure.value && <p class="quiet">{w('rowsMore')}</p>}
          <RecordTable type={rows.data.type ?? ''} rows={rows.data.records} labels={rows.data.labels ?? {}} />
          {rows.data.total > PAGE && <p class="on-print">{w('rowsShown', offset + 1, Math.min(offset + PAGE, rows.data.total), rows.data.total)}</p>}
          <Pager total={rows.data.total} offset={offset} onMove={(to) => alter({ offset: to })} />
        </section>
      )}
    </>
  );
}
