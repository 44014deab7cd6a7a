// Figures taken away as Excel: what they are of, how complete they are, what they are compared with; the audit log is told first.
import { get } from '@common/api';
import { label } from '@common/i18n';
import { dayHere, timeHere } from '@common/time';
import { Button, toast } from '@common/ui';
import { give } from './export';
import type { Counts, Coverage, Figure, Indicator, Station, TownCatalog } from './model';
import { shownOf, today, unitOf } from './model';
import { w } from './messages';
import { coverageLines, tileOf, unverifiedText } from './overview';
import { before, type Compare, type Period, rangeOf, rangeText } from './periods';

type Cell = string | number;

/** Money in yuan, shares in percent; nothing where nothing is. */
const number = (value: number | null | undefined, unit: string): Cell => (value === null || value === undefined ? '' : unit === '元' ? value / 100 : value);
const difference = (now: Cell, then: Cell): Cell => (typeof now === 'number' && typeof then === 'number' ? Math.round((now - then) * 100) / 100 : '');

export interface Taken {
  what: string; // its title
  counts: Counts;
  period: Period;
  compare: Compare;
  station?: Station;
  only?: string;
}

/** What stands above the figures. */
function head(t: Taken, catalog: TownCatalog, stations: Station[]): Cell[][] {
  const then = before(t.period, t.compare);
  const lines = t.station ? [stationText(t.station, t.counts.coverage)] : coverageLines(t.counts.coverage, stations);
  return [
    [t.what],
    [`${w('period')}：${rangeText({ from: rangeOf(t.period).from, to: t.counts.to })}`],
    ...(then ? [[`${w('compare')}：${rangeText(then)}`]] : []),
    ...[...lines, unverifiedText(t.counts, catalog, t.only)].filter(Boolean).map((line) => [line]),
    [w('takenAt', timeHere(t.counts.as_of))],
    [],
  ];
}

/** A village's own state, in words. */
export function stationText(station: Station, coverage: Coverage): string {
  const [, mark, text] = tileOf(station, coverage);
  const newest = newestOf(station);
  return `${mark} ${text}${newest ? `，${w('completeTo', dayHere(newest))}` : ''}`;
}
export const newestOf = (s: Station): string => s.replicas.reduce<string>((at, r) => (r.complete_through && r.complete_through > at ? r.complete_through : at), '');

async function sheets(name: string, out: { name: string; rows: Cell[][]; above: number }[]): Promise<void> {
  const { xlsx } = await import('@common/sheet');
  await give(xlsx(out), `${name} ${today()}.xlsx`, name, `xlsx ${out[0]!.rows.length - out[0]!.above - 1}`);
}

const fail = (e: Error) => toast(e.message);

/** All figures of a period, and how the villages stand. */
export function TakeAll(props: Taken & { catalog: TownCatalog; stations: Station[]; targets: Record<string, number>; question: string }) {
  const { catalog, stations, counts, targets } = props;
  const run = async () => {
    const then = before(props.period, props.compare);
    const past = then ? await get<Counts>(`counts?from=${then.from}&to=${then.to}${props.question}`) : null;
    const above = head(props, catalog, stations);
    const heads = [w('figureNo'), w('figureName'), w('value'), w('unit'), w('asShown'), ...(past ? [rangeText(then!), w('difference')] : []), ...(Object.keys(targets).length ? [w('targetHead'), w('targetDone')] : [])];
    const rows = catalog.indicators
      .filter((i) => counts.indicators[i.id])
      .map((i): Cell[] => {
        const f = counts.indicators[i.id]!;
        const now = f.reported ? number(f.value, f.unit) : '';
        const p = past?.indicators[i.id];
        const was = p?.reported && !f.now ? number(p.value, f.unit) : '';
        const target = targets[i.id];
        const done = target && typeof now === 'number' && f.unit !== '%' ? `${Math.floor((100 * now) / target)}%` : '';
        return [i.id, f.now ? `${label(i)}（${w('standsNow')}）` : label(i), now, unitOf(f), f.reported ? shownOf(f) : w('unreported'), ...(past ? [was, difference(now, was)] : []), ...(Object.keys(targets).length ? [target ?? '', done] : [])];
      });
    const villages = stations.filter((s) => s.level === 'village').map((s): Cell[] => [s.code, s.name, tileOf(s, counts.coverage)[2], newestOf(s) && dayHere(newestOf(s))]);
    await sheets(props.what, [
      { name: w('allFigures'), rows: [...above, heads, ...rows], above: above.length },
      ...(props.station ? [] : [{ name: w('villages'), rows: [[w('stationCode'), w('stationName'), w('state'), w('completeThrough')], ...villages], above: 0 }]),
    ]);
  };
  return <Button onClick={() => void run().catch(fail)}>{w('toExcel')}</Button>;
}

/** One figure and its groups. */
export function TakeGroups(props: Taken & { catalog: TownCatalog; stations: Station[]; indicator: Indicator; figure: Figure; then?: Figure; by: string }) {
  const { indicator, figure } = props;
  const then = figure.now ? undefined : props.then;
  const run = async () => {
    const above = head(props, props.catalog, props.stations);
    const range = before(props.period, props.compare);
    const line = (name: string, now: number | null, was?: number | null, unreported?: boolean): Cell[] => {
      const a = number(now, indicator.unit);
      const b = number(was, indicator.unit);
      return [name, unreported ? w('unreported') : a, unitOf(figure), ...(then ? [b, difference(a, b)] : [])];
    };
    const rows = [
      line(w('wholeFigure'), figure.reported ? figure.value : null, then?.reported ? then.value : null, !figure.reported),
      ...(figure.groups ?? []).map((g) => line(g.label, g.value, then?.groups?.find((old) => old.key === g.key)?.value, g.reported === false)),
    ];
    await sheets(props.what, [{ name: label(indicator), rows: [...above, [props.by, w('value'), w('unit'), ...(then && range ? [rangeText(range), w('difference')] : [])], ...rows], above: above.length }]);
  };
  return <Button onClick={() => void run().catch(fail)}>{w('groupsToExcel')}</Button>;
}
