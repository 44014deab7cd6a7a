// Periods that a leader asks for, and what each is compared with.
import { today } from './model';
import { w, type Word } from './messages';

/** Or a calendar year, "2025". */
export type Period = 'year' | 'quarter' | 'month' | 'last' | 'all' | `${number}`;
export type Compare = 'same' | 'before' | 'none';
export const PERIODS: [Period, Word][] = [['year', 'pYear'], ['quarter', 'pQuarter'], ['month', 'pMonth'], ['last', 'pLast'], ['all', 'pAll']];
export const COMPARES: [Compare, Word][] = [['same', 'cSame'], ['before', 'cBefore'], ['none', 'cNone']];
export interface Range {
  from?: string;
  to?: string;
}

const pad = (n: number): string => String(n).padStart(2, '0');
const lastDay = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();
/** The same day `months` before, or that month's last. */
function back(day: string, months: number): string {
  const [y = 0, m = 0, d = 0] = day.split('-').map(Number);
  const at = y * 12 + m - 1 - months;
  const year = Math.floor(at / 12);
  const month = (at % 12) + 1;
  return `${year}-${pad(month)}-${pad(Math.min(d, lastDay(year, month)))}`;
}

export function rangeOf(period: Period): Range {
  const now = today();
  const [y = '', m = ''] = now.split('-');
  // A period that still runs has no end: it goes to today, and is complete when every village was within 7 days.
  if (period === 'year') return { from: `${y}-01-01` };
  if (period === 'quarter') return { from: `${y}-${pad(Math.floor((Number(m) - 1) / 3) * 3 + 1)}-01` };
  if (period === 'month') return { from: `${y}-${m}-01` };
  if (/^\d{4}$/.test(period)) return period === y ? { from: `${y}-01-01` } : { from: `${period}-01-01`, to: `${period}-12-31` };
  if (period === 'last') return { from: `${Number(y) - 1}-01-01`, to: `${Number(y) - 1}-12-31` };
  return {};
}

/** What it is compared with; null: nothing. */
export function before(period: Period, compare: Compare): Range | null {
  const range = rangeOf(period);
  if (compare === 'none' || !range.from) return null;
  const months = compare === 'same' ? 12 : period === 'quarter' ? 3 : period === 'month' ? 1 : 12;
  return { from: back(range.from, months), to: back(range.to ?? today(), months) };
}

/** The periods to choose from, with the calendar year that was asked for. */
export function periodOptions(asked: Period): [Period, string][] {
  const options = PERIODS.map(([p, word]): [Period, string] => [p, w(word)]);
  return options.some(([p]) => p === asked) ? options : [...options, [asked, w('yearOf', asked)]];
}

export function rangeText(range: Range): string {
  return range.from ? w('fromTo', range.from, range.to ?? '') : w('pAll');
}
