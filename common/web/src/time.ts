// Time as the town's clocks have it: UTC+8, whatever zone a PC is set to. What is stored are instants; a sheet printed before eight in the
// morning is of this day, not of yesterday.
const AHEAD_MS = 8 * 3600000;

/** The instant as a Date whose UTC parts are those of the town's clock. */
export const townClock = (at: string | number): Date => new Date((typeof at === 'number' ? at : Date.parse(at)) + AHEAD_MS);

/** "2026-11-30 01:30" of an instant; what is none stays as it is. */
export function timeHere(iso: string): string {
  const at = townClock(iso);
  return Number.isNaN(at.getTime()) ? iso : at.toISOString().slice(0, 16).replace('T', ' ');
}

/** "01:30:07": what the clock there says now. */
export const clockHere = (): string => townClock(Date.now()).toISOString().slice(11, 19);

/** "2026-11-30": the day there, of an instant or now. */
export function dayHere(at: string | number = Date.now()): string {
  const there = townClock(at);
  return Number.isNaN(there.getTime()) ? String(at) : there.toISOString().slice(0, 10);
}

/** "2026-10": the month before that of a day. */
export function monthBefore(day: string): string {
  const [year, month] = [Number(day.slice(0, 4)), Number(day.slice(5, 7))];
  return month === 1 ? `${year - 1}-12` : `${year}-${String(month - 1).padStart(2, '0')}`;
}

/** The instant of "2026-11-30T01:30" there, as a form has it; null when it is none. */
export function instantHere(text: string): string | null {
  const at = new Date(`${text}+08:00`);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}
