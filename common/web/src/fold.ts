// What people type, paste, or keep in tables, as the programs take it. One for forms and imports.
import { isMoney, type Field } from './catalog';

/** Full-width signs and spaces as half-width ones. */
export const halfWidth = (text: string): string => text.replace(/[\uff01-\uff5e]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0)).replace(/[\u3000\u00a0]/g, ' ');

const UNSEEN = /[\u200b-\u200f\u202a-\u202e\u2060\ufeff]/g; // takes no room, and comes along with what is copied
const DIGITS = ['idno', 'phone', 'digits', 'division', 'area_code', 'month'];
const NAMES = ['name', 'person_or_name'];

/** Whether a box of a form keeps what is typed in another form than it was typed. */
export const folds = (field: Field): boolean => DIGITS.includes(field.format ?? '') || NAMES.includes(field.format ?? '');

/** A number, a date, a code of digits: without blanks, whatever stands between; with the ' in front that keeps a number text in Excel away.
 * A name: without the blanks that fill it up to others' length. Other texts: as they are, but for what nobody sees. */
export function fold(field: Pick<Field, 'name' | 'type' | 'format'>, text: string): string {
  const seen = text.replace(UNSEEN, '');
  if (DIGITS.includes(field.format ?? '') || ['int', 'decimal', 'date'].includes(field.type) || isMoney(field as Field)) {
    const tight = halfWidth(seen)
      .replace(/\s/g, '')
      .replace(/^['‘’`]+/, '')
      .replace(/[‐-―−]/g, '-');
    return field.format === 'idno' ? tight.toUpperCase() : tight;
  }
  if (field.type === 'datetime') return halfWidth(seen).replace(/\s+/g, ' ').trim();
  if (NAMES.includes(field.format ?? '')) {
    return halfWidth(seen)
      .replace(/[•‧・･]/g, '·')
      .replace(/\s+/g, ' ')
      .replace(/(?<=\p{Script=Han}) (?=\p{Script=Han})/gu, '');
  }
  return seen;
}
