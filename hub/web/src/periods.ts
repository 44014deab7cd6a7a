// Periods that a leader asks for, and what each is compared with.
import { today } from './model';
import { w, type Word } from './messages';

/** Or a calendar year, "2025"; or two days, "2025-03-01_2025-05-31". */
export type Period = 'year' | 'quarter' | 'month' | 'lastquarter' | 'lastmonth' | 'last' | 'all' | `${number}` | `${string}_${string}`;
export type Compare = 'same' | 'before' | 'none';
export const PERIODS: [Period, Word][] = [
  ['year', 'pYear'],
  ['quarter', 'pQuarter'],
  ['month', 'pMonth'],
  ['lastmonth', 'pLastMonth'],
  ['lastquarter', 'pLastQuarter'],
  ['last', 'pLast'],
  ['all', 'pAll'],
];
export const COMPARES: [Compare, Word][] = [['same', 'cSame'], ['before', 'cBefore'], ['none', 'cNone']];
export interface Range {
  from?: string;
  to?: string;
}

const DAY_MS = 86400000;
const pad = (n: number): string => String(n).padStart(2, '0');
const lastDay = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();
const parts = (day: string): [number, number, number] => day.split('-').map(Number) as [number, number, number];
const isLast = (day: string): boolean => lastDay(...(parts(day).slice(0, 2) as [number, number])) === parts(day)[2];
/** The same day `months` before, or that month's last; whole: the last of a month stays one. */
function back(day: string, months: number, whole = false): string {
  const [y, m, d] = parts(day);
  const at = y * 12 + m - 1 - months;
  const year = Math.floor(at / 12);
  const month = (at % 12) + 1;
  return `${year}-${pad(month)}-${pad(whole && isLast(day) ? lastDay(year, month) : Math.min(d, lastDay(year, month)))}`;
}
const daysBefore = (day: string, n: number): string => new Date(Date.parse(day) - n * DAY_MS).toISOString().slice(0, 10);

/** February has no 30th, whatever Date makes of one. */
const isDay = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(Date.parse(text)).toISOString().startsWith(text);
/** Two days that somebody chose; null: they are none, or the wrong way round. */
export function chosenDays(period: string): Required<Range> | null {
  const [from = '', to = '', more] = period.split('_');
  return more === undefined && isDay(from) && isDay(to) && from <= to ? { from, to } : null;
}

/** What an address says. A leader opens with this year: only a period has something to be compared with, and a year has targets. */
export function periodOf(asked: string | null): Period {
  const text = asked ?? '';
  return (/^\d{4}$/.test(text) || chosenDays(text) ? text : (PERIODS.find(([p]) => p === text)?.[0] ?? 'year')) as Period;
}

export function rangeOf(period: Period): Range {
  const now = today();
  const [y = '', m = ''] = now.split('-');
  const quarter = `${y}-${pad(Math.floor((Number(m) - 1) / 3) * 3 + 1)}-01`;
  // A period that still runs has no end: it goes to today, and is complete when every village was within 7 days.
  if (period === 'year') return { from: `${y}-01-01` };
  if (period === 'quarter') return { from: quarter };
  if (period === 'month') return { from: `${y}-${m}-01` };
  if (period === 'lastmonth') return { from: back(`${y}-${m}-01`, 1), to: daysBefore(`${y}-${m}-01`, 1) };
  if (period === 'lastquarter') return { from: back(quarter, 3), to: daysBefore(quarter, 1) };
  if (/^\d{4}$/.test(period)) return period === y ? { from: `${y}-01-01` } : { from: `${period}-01-01`, to: `${period}-12-31` };
  if (period === 'last') return { from: `${Number(y) - 1}-01-01`, to: `${Number(y) - 1}-12-31` };
  return chosenDays(period) ?? {};
}

/** The year whose targets it is held against: a target is a year's. */
export function yearOf(period: Period): string {
  const y = today().slice(0, 4);
  return period === 'year' ? y : period === 'last' ? String(Number(y) - 1) : /^\d{4}$/.test(period) ? period : '';
}

const MONTHS: Record<string, number> = { quarter: 3, lastquarter: 3, month: 1, lastmonth: 1 };

/** What it is compared with; null: nothing. */
export function before(period: Period, compare: Compare): Range | null {
  const range = rangeOf(period);
  if (compare === 'none' || !range.from) return null;
  if (compare === 'before' && chosenDays(period)) {
    const days = Math.round((Date.parse(range.to!) - Date.parse(range.from)) / DAY_MS) + 1;
    return { from: daysBefore(range.from, days), to: daysBefore(range.from, 1) };
  }
  const months = compare === 'same' ? 12 : (MONTHS[period] ?? 12);
  return { from: back(range.from, months), to: range.to ? back(range.to, months, true) : back(today(), months) };
}

/** The periods to choose from, with the calendar year that was asked for; two days of one's own are asked for beside the list. */
export function periodOptions(asked: Period): [string, string][] {
  const options = PERIODS.map(([p, word]): [string, string] => [p, w(word)]);
  if (/^\d{4}$/.test(asked)) options.push([asked, w('yearOf', asked)]);
  return [...options, [OWN, w('pOwn')]];
}
export const OWN = 'own';

export function rangeText(range: Range): string {
  return range.from ? w('fromTo', range.from, range.to ?? '') : w('pAll');
}
