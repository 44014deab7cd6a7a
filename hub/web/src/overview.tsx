// The leader's page: eight figures that say how complete they are, the villages, and every other figure.
import { get } from '@common/api';
import { label } from '@common/i18n';
import { Button, toast, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { type Counts, type Coverage, type Figure, go, type Indicator, query, type Station, today, useModel } from './model';
import { note } from './export';
import { w } from './messages';
import { before, COMPARES, type Compare, type Period, periodOptions, PERIODS, rangeOf, rangeText } from './periods';

export const EIGHT = ['I09', 'I10', 'I12', 'I14', 'I17', 'I19', 'I21', 'I30b'];

const NAMES_MAX = 10;

export function coverageText(c: Coverage): string {
  const through = c.complete_through?.slice(0, 10);
  if (c.complete === c.stations && through) return w('coverageFull', c.stations, through);
  return through ? w('coverage', c.complete, c.stations, through) : w('coverageNone', c.complete, c.stations);
}

export function CoverageLine(props: { coverage: Coverage; stations: Station[] }) {
  const c = props.coverage;
  const names = (codes: string[]) => {
    const shown = codes.slice(0, NAMES_MAX).map((code) => props.stations.find((s) => s.code === code)?.name ?? code).join('、');
    return codes.length > NAMES_MAX ? w('andMore', shown, codes.length) : shown;
  };
  return (
    <div class="coverage">
      <p>
        <strong>{coverageText(c)}</strong>
      </p>
      {c.returned + c.held + c.conflicts > 0 && <p class="quiet">{w('coverageMore', c.returned, c.held, c.conflicts)}</p>}
      {c.stale.length > 0 && <p class="quiet">{w('staleNames', names(c.stale))}</p>}
      {c.never.length > 0 && <p class="quiet">{w('neverNames', names(c.never))}</p>}
      {c.possible_gap.length > 0 && <p class="quiet">{w('gapNames', names(c.possible_gap))}</p>}
    </div>
  );
}

function Change(props: { now: Figure; then?: Figure; compare: Compare }) {
  if (!props.then || !props.now.reported || !props.then.reported || props.now.value === null || props.then.value === null) return null;
  const than = w(props.compare === 'same' ? 'cSame' : 'cBefore');
  const money = props.now.unit === '元';
  const difference = props.now.value - props.then.value;
  const size = Math.abs(money ? difference / 100 : difference);
  const text = `${Number.isInteger(size) ? size : size.toFixed(1)}${props.now.unit}`;
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
        {f.reported ? f.display : w('unreported')}
        {f.reported && f.unit !== '%' && f.value !== null && <small>{f.unit}</small>}
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

function Tiles(props: { coverage: Coverage }) {
  const { stations } = useModel();
  return (
    <section class="card">
      <h2>{w('villages')}</h2>
      <ul class="tiles">
        {stations
          .filter((s) => s.level === 'village')
          .map((s) => {
            const [kind, mark, text] = tileOf(s, props.coverage);
            const newest = kind === 'past' ? s.merged!.on : s.replicas.reduce<string>((at, r) => (r.complete_through && r.complete_through > at ? r.complete_through : at), '');
            return (
              <li key={s.code}>
                <a class={`tile ${kind}`} href={`#/station/${s.code}`}>
                  <b>{s.name}</b>
                  <span>
                    <span aria-hidden="true">{mark} </span>
                    <span class="word">{text}</span>
                  </span>
                  {newest && <small>{newest.slice(0, 10)}</small>}
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
  const p0 = asked.get('p') ?? '';
  const period = (/^\d{4}$/.test(p0) ? p0 : (PERIODS.find(([p]) => p === p0)?.[0] ?? 'all')) as Period;
  const compare = (COMPARES.find(([c]) => c === asked.get('c'))?.[0] ?? 'same') as Compare;
  return { period, compare, set: (p, c) => go(`${location.hash.slice(1).split('?')[0]}?p=${p}&c=${c}`) };
}

export function Overview() {
  const { catalog, session, stations } = useModel();
  const { period, compare, set } = usePeriod();
  const range = rangeOf(period);
  const past = before(period, compare);
  const now = useData(() => get<Counts>(`counts?${query({ ...range })}`), [period]);
  const then = useData(() => (past ? get<Counts>(`counts?${query({ ...past, indicators: EIGHT.join(',') })}`) : Promise.resolve(null)), [period, compare]);
  // A target is a year's: no other period is held against it.
  const year = period === 'year' ? today().slice(0, 4) : period === 'last' ? String(Number(today().slice(0, 4)) - 1) : /^\d{4}$/.test(period) ? period : '';
  const targets = useData(() => (year ? get<{ targets: Record<string, number> }>(`targets?year=${year}`) : Promise.resolve({ targets: {} as Record<string, number> })), [year]);
  if (!now.data) return <Waiting error={now.error} reload={now.reload} />;
  const link = (id: string) => `figure/${id}?p=${period}`;
  const others = catalog.indicators.filter((i) => !EIGHT.includes(i.id) && now.data?.indicators[i.id]);
  return (
    <>
      <div class="head">
        <h1>
          {session.town} <small>{rangeText({ from: range.from, to: now.data.to })}</small>
        </h1>
        <div class="filters">
          <Choice text={w('period')} name="period" value={period} options={periodOptions(period)} onChange={(p) => set(p, compare)} />
          {range.from && <Choice text={w('compare')} name="compare" value={compare} options={COMPARES.map(([c, key]) => [c, w(key)])} onChange={(c) => set(period, c)} />}
          <Button onClick={() => note('print', w('overview'), '').then(() => window.print(), (e: Error) => toast(e.message))}>{w('print')}</Button>
        </div>
      </div>
      <CoverageLine coverage={now.data.coverage} stations={stations} />
      <div class="figures">
        {EIGHT.map((id) => {
          const indicator = catalog.indicators.find((i) => i.id === id);
          const figure = now.data?.indicators[id];
          return indicator && figure ? <Large key={id} indicator={indicator} figure={figure} then={then.data?.indicators[id]} compare={compare} to={link(id)} target={targets.data?.targets[id]} /> : null;
        })}
      </div>
      <Tiles coverage={now.data.coverage} />
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
                  {f.reported ? f.display : w('unreported')}
                  {f.reported && f.unit !== '%' && f.value !== null ? f.unit : ''}
                </dd>
              </div>
            );
          })}
        </dl>
      </section>
    </>
  );
}
