// What people write in a table's cells, as the catalogue's values.
import { isMoney, type Catalog, type Field } from './catalog';
import { areas } from './catalog';
import { fold, halfWidth } from './fold';
import { namesStaff, staffNow } from './staff';
import { t } from './i18n';

export class CellError extends Error {}

const YES = ['是', '有', '√', '✓', '对', 'y', 'yes', 'true', '1'];
const NO = ['否', '无', '×', '✗', 'x', 'n', 'no', 'false', '0'];

/** Days since 1899-12-30, as Excel shows a date whose cell has no format: 1927 to 2099. What has fewer digits may be a year. */
const SERIAL_MIN = 10000;
const SERIAL_MAX = 73050;
const serialDate = (days: number) => new Date(Date.UTC(1899, 11, 30 + days)).toISOString().slice(0, 10);

/** "2025-1-2", "2025/1/2", "2025.1.2", "2025年1月2日", "20250102", "45659" → "2025-01-02". */
export function dateOf(text: string): string | null {
  if (/^\d{5}(\.\d+)?$/.test(text)) return Number(text) >= SERIAL_MIN && Number(text) < SERIAL_MAX ? serialDate(Math.floor(Number(text))) : null;
  const m = /^(\d{4})[-/.年]\s*(\d{1,2})[-/.月]\s*(\d{1,2})日?$/.exec(text) ?? /^(\d{4})(\d{2})(\d{2})$/.exec(text);
  if (!m) return null;
  const [y, mo, d] = [Number(m[1]), Number(m[2]), Number(m[3])];
  const at = new Date(Date.UTC(y, mo - 1, d));
  return at.getUTCFullYear() === y && at.getUTCMonth() === mo - 1 && at.getUTCDate() === d ? at.toISOString().slice(0, 10) : null;
}

/** A cell that names a record: a number without what stands between its digits, else a name. */
const asNamed = (text: string): string => {
  const number = fold({ name: '', type: 'text', format: 'idno' }, text);
  return /^[\dX]{15,18}$/.test(number) ? number : fold({ name: '', type: 'text', format: 'name' }, text).trim();
};

/** Finds the record that a cell names; the caller asks the program. */
export type Find = (type: string, text: string) => Promise<string>;

/** "1,234" as Excel shows a number; commas elsewhere stay and are refused. */
const ungrouped = (text: string) => (/^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(text) ? text.replace(/,/g, '') : text);

async function one(catalog: Catalog, field: Field, text: string, find: Find): Promise<unknown> {
  if (field.type === 'code') {
    const codes = field.codes ? (catalog.lists[field.codes] ?? []) : [];
    const same = (x: string) => halfWidth(x).replace(/\s/g, '').toLowerCase();
    const found = codes.find((c) => !c.retired && [c.zh, c.code, c.en].some((x) => same(x) === same(text)));
    if (!found) throw new CellError(t('cellCode', text, codes.filter((c) => !c.retired).slice(0, 12).map((c) => c.zh).join('、')));
    return found.code;
  }
  if (field.type === 'bool') {
    const low = halfWidth(text).trim().toLowerCase();
    if (YES.includes(low)) return true;
    if (NO.includes(low)) return false;
    throw new CellError(t('cellBool', text));
  }
  if (field.type === 'date') {
    const date = dateOf(fold(field, halfWidth(text).replace(/[ T]\d{1,2}:\d{2}(:\d{2})?$/, ''))); // a spreadsheet's cell may have a time
    if (!date) throw new CellError(t('cellDate', text));
    return date;
  }
  if (isMoney(field)) {
    const money = /^(\d{1,12})(?:\.(\d{1,2}))?元?$/.exec(fold(field, text).replace(/,/g, '').replace(/^[¥￥]/, ''));
    if (!money) throw new CellError(t('cellMoney', text));
    return Number(money[1]) * 100 + Number((money[2] ?? '').padEnd(2, '0'));
  }
  if (field.type === 'int') {
    const number = ungrouped(fold(field, text));
    if (!/^[+-]?\d{1,15}$/.test(number)) throw new CellError(t('cellInt', text));
    return Number(number);
  }
  if (field.type === 'decimal') {
    const number = ungrouped(fold(field, text));
    if (!/^[+-]?\d{1,15}(\.\d+)?$/.test(number)) throw new CellError(t('cellInt', text));
    return number;
  }
  if (field.format === 'division') {
    const place = fold(field, text);
    const codes = /^\d{12}$/.test(place) ? [place] : Object.keys(areas).filter((code) => areas[code] === place);
    if (codes.length !== 1) throw new CellError(t('cellArea', text));
    return codes[0];
  }
  if (namesStaff(field)) {
    const named = staffNow().find((s) => s.name === text);
    if (!named) throw new CellError(t('cellStaff', text, staffNow().slice(0, 12).map((s) => s.name).join('、')));
    return named.id;
  }
  if (field.type === 'uuid' && field.ref) return find(field.ref, asNamed(text));
  if (field.type === 'datetime') {
    const when = fold(field, text);
    const date = dateOf(when.split(/[ T]/)[0]!);
    const clock = /(\d{1,2}):(\d{2})/.exec(when);
    if (!date) throw new CellError(t('cellDate', text));
    return new Date(`${date}T${(clock?.[1] ?? '12').padStart(2, '0')}:${clock?.[2] ?? '00'}:00+08:00`).toISOString();
  }
  return fold(field, text);
}

/** Whether a table can fill it. staff: also with those who work here, by name. */
export function importable(field: Field, staff = false): boolean {
  return field.entered && !field.common && !['map', 'file', 'hex', 'ref'].includes(field.type) && (field.type !== 'uuid' || (staff && namesStaff(field)) || field.ref === 'person' || field.ref === 'matter' || field.ref === 'org_group');
}

export async function valueOf(catalog: Catalog, field: Field, text: string, find: Find): Promise<unknown> {
  if (!field.items) return one(catalog, field, text, find);
  const parts = text.split(/[、,，;；/\n]/).map((p) => p.trim()).filter(Boolean);
  return Promise.all(parts.map((p) => one(catalog, field, p, find)));
}
