// The leader's page: eight figures that say how complete they are, the villages, and every other figure.
// A village's own page is the same, of what that village has.
import { useState } from 'preact/hooks';
import { get } from '@common/api';
import { label } from '@common/i18n';
import { dayHere } from '@common/time';
import { Button, toast, useData, Waiting } from '@common/ui';
import { alter, hashQuery } from '@common/route';
import { type Counts, type Coverage, type Figure, type Indicator, listed, query, shownOf, type Station, type TownCatalog, unitAfter, useModel } from './model';
import { note } from './export';
import { w } from './messages';
import { before, chosenDays, COMPARES, type Compare, OWN, type Period, periodOf, periodOptions, rangeOf, rangeText, yearOf } from './periods';
import { newestOf, stationText, TakeAll } from './take';

export const EIGHT = ['I09', 'I10', 'I12', 'I14', 'I17', 'I19', 'I21', 'I30b'];

const NAMES_MAX = 10;

export function coverageText(c: Coverage): string {
  const through = c.complete_through && dayHere(c.complete_through);
  if (c.complete === c.stations && through) return w('coverageFull', c.stations, through);
  return through ? w('coverage', c.complete, c.stations, through) : w('coverageNone', c.complete, c.stations);
}

/** How complete the town's figures are, in sentences; most: as many names as are written out. */
export function coverageLines(c: Coverage, stations: Station[], most = Infinity): string[] {
  const names = (codes: string[]) => {
    const shown = listed(codes.slice(0, most).map((code) => stations.find((s) => s.code === code)?.name ?? code));
    return codes.length > most ? w('andMore', shown, codes.length) : shown;
  };
  return [
    coverageText(c),
    c.returned + c.held + c.conflicts > 0 ? w('coverageMore', c.returned, c.held, c.conflicts) : '',
    c.stale.length > 0 ? w('staleNames', names(c.stale)) : '',
    c.never.length > 0 ? w('neverNames', names(c.never)) : '',
    c.possible_gap.length > 0 ? w('gapNames', names(c.possible_gap)) : '',
  ].filter(Boolean);
}

/** station: of that one alone. */
export function CoverageLine(props: { coverage: Coverage; stations: Station[]; station?: Station }) {
  const [first, ...more] = props.station ? [stationText(props.station, props.coverage)] : coverageLines(props.coverage, props.stations, NAMES_MAX);
  return (
    <div class="coverage">
      <p>
        <strong>{first}</strong>
      </p>
      {more.map((line) => (
        <p class="quiet" key={line}>
          {line}
        </p>
      ))}
    </div>
  );
}

/** Openings count as soon as they are entered; a leader is told which figures hold some that no second person has verified. */
export function unverifiedText(counts: Counts, catalog: TownCatalog, only?: string): string {
  const found = Object.entries(counts.indicators).filter(([id, f]) => f.opening_unverified && (!only || id === only));
  const text = found.map(([id, f]) => {
    const indicator = catalog.indicators.find((i) => i.id === id);
    return `${indicator ? label(indicator) : id} ${f.unit === '元' ? (f.opening_unverified! / 100).toFixed(2) : f.opening_unverified}${unitAfter(f)}`;
  });
  return found.length ? w('openingUnverified', listed(text)) : '';
}
export function UnverifiedLine(props: { counts: Counts; only?: string }) {
  const text = unverifiedText(props.counts, useModel().catalog, props.only);
  return text ? <p class="quiet">{text}</p> : null;
}

export function Change(props: { now: Figure; then?: Figure; compare: Compare }) {
  if (props.now.now) return <small>{w('standsNow')}</small>;
  if (!props.then || !props.now.reported || !props.then.reported || props.now.value === null || props.then.value === null) return null;
  const than = w(props.compare === 'same' ? 'cSame' : 'cBefore');
  const money = props.now.unit === '元';
  const difference = props.now.value - props.then.value;
  const size = Math.abs(money ? difference / 100 : difference);
  const text = `${Number.isInteger(size) ? size : size.toFixed(1)}${unitAfter(props.now)}`;
  if (difference === 0) return <small>{w('same', than)}</small>;
  return (
    <small>
      <span aria-hidden="true">{difference > 0 ? '▲ ' : '▼ '}</span>
      {w(difference > 0 ? 'more' : 'less', than, text)}
    </small>
  );
}

function Share(props: { figure: Figure }) {
  const value = props.figure.value;
  if (props.figure.unit !== '%' || value === null) return null;
  return (
    <span class="bar" aria-hidden="true">
      <span style={{ width: `${Math.max(0, Math.min(100, value))}%` }} />
    </span>
  );
}

/** A bar against the year's target. Money is kept in fen, its target in yuan. */
function Target(props: { figure: Figure; target: number }) {
  const value = (props.figure.value ?? 0) / (props.figure.unit === '元' ? 100 : 1);
  const share = Math.floor((100 * value) / props.target);
  return (
    <>
      <span class="bar" aria-hidden="true">
        <span style={{ width: `${Math.max(0, Math.min(100, share))}%` }} />
      </span>
      <small>{props.figure.unit === '%' ? w('target', `${props.target}%`) : w('ofTarget', props.target, share)}</small>
    </>
  );
}

function Large(props: { indicator: Indicator; figure: Figure; then?: Figure; compare: Compare; to: string; target?: number }) {
  const f = props.figure;
  return (
    <a class="figure" href={`#/${props.to}`}>
      <span class="name">{label(props.indicator)}</span>
      <span class={f.reported ? 'number' : 'quiet'}>
        {f.reported ? shownOf(f) : w('unreported')}
        {f.reported && f.unit !== '%' && f.value !== null && <small>{unitAfter(f)}</small>}
      </span>
      {props.target && f.reported ? <Target figure={f} target={props.target} /> : <Share figure={f} />}
      <Change now={f} then={props.then} compare={props.compare} />
    </a>
  );
}

export function tileOf(station: Station, c: Coverage): ['good' | 'wait' | 'bad' | 'past', string, string] {
  if (station.merged && !c.possible_gap.includes(station.code)) {
    const waits = c.never.includes(station.code) || c.stale.includes(station.code);
    return waits ? ['wait', '○', w('tMergedWaits')] : ['past', '⊘', w('tMerged')];
  }
  if (c.never.includes(station.code)) return ['bad', '✕', w('tNever')];
  if (c.possible_gap.includes(station.code)) return ['bad', '!', w('tGap')];
  if (c.stale.includes(station.code)) return ['wait', '○', w('tStale')];
  return ['good', '✓', w('tComplete')];
}

function Tiles(props: { coverage: Coverage; asked: string }) {
  const { stations } = useModel();
  return (
    <section class="card">
      <h2>{w('villages')}</h2>
      <ul class="tiles">
        {stations
          .filter((s) => s.level === 'village')
          .map((s) => {
            const [kind, mark, text] = tileOf(s, props.coverage);
            const newest = kind === 'past' ? s.merged!.on : newestOf(s);
            return (
              <li key={s.code}>
                <a class={`tile ${kind}`} href={`#/village/${s.code}?${props.asked}`}>
                  <b>{s.name}</b>
                  <span>
                    <span aria-hidden="true">{mark} </span>
                    <span class="word">{text}</span>
                  </span>
                  {newest && <small>{dayHere(newest)}</small>}
                </a>
              </li>
            );
          })}
      </ul>
    </section>
  );
}

export function Choice<T extends string>(props: { text: string; name: string; value: T; options: [T, string][]; onChange: (v: T) => void }) {
  return (
    <label class="pick">
      <span>{props.text}</span>
      <select name={props.name} value={props.value} onChange={(e) => props.onChange((e.target as HTMLSelectElement).value as T)}>
        {props.options.map(([v, text]) => (
          <option key={v} value={v}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function usePeriod(): { period: Period; compare: Compare; set: (p: Period, c: Compare) => void } {
  const asked = hashQuery();
  const period = periodOf(asked.get('p'));
  const compare = (COMPARES.find(([c]) => c === asked.get('c'))?.[0] ?? 'same') as Compare;
  return { period, compare, set: (p, c) => alter({ p, c, key: null, offset: null }, p !== period) };
}

/** Two days of one's own. */
function OwnDays(props: { period: Period; onDone: (p: Period) => void; onClose: () => void }) {
  const now = chosenDays(props.period) ?? rangeOf(props.period);
  const [from, setFrom] = useState(now.from ?? '');
  const [to, setTo] = useState(now.to ?? '');
  const days = `${from}_${to}` as Period;
  const good = chosenDays(days) !== null;
  const text = (set: (v: string) => void) => (e: Event) => set((e.target as HTMLInputElement).value);
  return (
    <form class="filters own-days" onSubmit={(e) => (e.preventDefault(), good && props.onDone(days))}>
      <label class="pick">
        <span>{w('fromDay')}</span>
        <input type="date" name="from" value={from} onInput={text(setFrom)} />
      </label>
      <label class="pick">
        <span>{w('toDay')}</span>
        <input type="date" name="to" value={to} onInput={text(setTo)} />
      </label>
      <Button type="submit" kind="main" disabled={!good}>
        {w('showDays')}
      </Button>
      <Button onClick={props.onClose}>{w('notNow')}</Button>
      {from && to && !good && <span class="quiet">{w('daysWrong')}</span>}
    </form>
  );
}

/** Which time, and what it is held against. */
export function PeriodPicker(props: { period: Period; compare: Compare; set: (p: Period, c: Compare) => void }) {
  const { period, compare, set } = props;
  const [own, setOwn] = useState(false);
  const shown = own || chosenDays(period) ? OWN : period;
  return (
    <>
      <Choice text={w('period')} name="period" value={shown as string} options={periodOptions(period)} onChange={(p) => (p === OWN ? setOwn(true) : (setOwn(false), set(p as Period, compare)))} />
      {rangeOf(period).from && <Choice text={w('compare')} name="compare" value={compare} options={COMPARES.map(([c, key]) => [c, w(key)])} onChange={(c) => set(period, c)} />}
      {shown === OWN && (own ? <OwnDays period={period} onDone={(p) => (setOwn(false), set(p, compare))} onClose={() => setOwn(false)} /> : <Button onClick={() => setOwn(true)}>{w('otherDays')}</Button>)}
    </>
  );
}

/** station: that village's own page. */
export function Overview(props: { station?: string }) {
  const { catalog, session, stations } = useModel();
  const { period, compare, set } = usePeriod();
  const range = rangeOf(period);
  const past = before(period, compare);
  const village = stations.find((s) => s.code === props.station);
  const now = useData(() => get<Counts>(`counts?${query({ ...range, station: props.station })}`), [period]);
  const then = useData(() => (past ? get<Counts>(`counts?${query({ ...past, indicators: EIGHT.join(','), station: props.station })}`) : Promise.resolve(null)), [period, compare]);
  const year = props.station ? '' : yearOf(period); // a target is the town's, of a year: nothing else is held against it
  const targets = useData(() => (year ? get<{ targets: Record<string, number> }>(`targets?year=${year}`) : Promise.resolve({ targets: {} as Record<string, number> })), [year]);
  if (!now.data) return <Waiting error={now.error} reload={now.reload} />;
  const asked = query({ p: period, c: compare });
  const link = (id: string) => `figure/${id}?${query({ p: period, c: compare, station: props.station })}`;
  const others = catalog.indicators.filter((i) => !EIGHT.includes(i.id) && now.data?.indicators[i.id]);
  const name = props.station ? (village?.name ?? props.station) : session.town;
  const what = props.station ? `${name} ${w('overview')}` : w('overview');
  return (
    <>
      <div class="head">
        <h1>
          {name} <small>{rangeText({ from: range.from, to: now.data.to })}</small>
        </h1>
        <div class="filters">
          <PeriodPicker period={period} compare={compare} set={set} />
          <Button onClick={() => set(period === 'all' ? 'year' : 'all', compare)}>{w(period === 'all' ? 'pYear' : 'pAll')}</Button>
          <TakeAll what={what} counts={now.data} period={period} compare={compare} station={village} catalog={catalog} stations={stations} targets={targets.data?.targets ?? {}} question={props.station ? `&station=${props.station}` : ''} />
          <Button onClick={() => note('print', what, '').then(() => window.print(), (e: Error) => toast(e.message))}>{w('print')}</Button>
          {props.station && (
            <a class="button plain" href={`#/station/${props.station}`}>
              {w('itsStation')}
            </a>
          )}
        </div>
      </div>
      <CoverageLine coverage={now.data.coverage} stations={stations} station={village} />
      <UnverifiedLine counts={now.data} />
      <div class="figures">
        {EIGHT.map((id) => {
          const indicator = catalog.indicators.find((i) => i.id === id);
          const figure = now.data?.indicators[id];
          return indicator && figure ? <Large key={id} indicator={indicator} figure={figure} then={then.data?.indicators[id]} compare={compare} to={link(id)} target={targets.data?.targets[id]} /> : null;
        })}
      </div>
      {!props.station && <Tiles coverage={now.data.coverage} asked={asked} />}
      <section class="card no-print">
        <h2>{w('allFigures')}</h2>
        <dl class="small-figures">
          {others.map((i) => {
            const f = now.data!.indicators[i.id]!;
            return (
              <div key={i.id}>
                <dt>
                  <a href={`#/${link(i.id)}`}>{label(i)}</a>
                </dt>
                <dd>
                  {f.reported ? shownOf(f) : w('unreported')}
                  {f.reported && f.unit !== '%' && f.value !== null ? unitAfter(f) : ''}
                  {f.now && <small class="quiet"> {w('standsNow')}</small>}
                </dd>
              </div>
            );
          })}
        </dl>
      </section>
    </>
  );
}
