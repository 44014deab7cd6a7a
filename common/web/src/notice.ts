// Whom a notice of the town is for: every station has it, and those that it is not for leave it out.
import type { RecordRow } from './api';

/** The villages that it names; none: it is for all. */
export function audience(notice: RecordRow): string[] {
  const codes = notice.fields['stations'];
  return Array.isArray(codes) ? codes.map(String) : [];
}

export function isFor(notice: RecordRow, code: string): boolean {
  const codes = audience(notice);
  return codes.length === 0 || codes.includes(code);
}
