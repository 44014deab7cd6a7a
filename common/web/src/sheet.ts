// Tables as files: XLSX and CSV, read and written in the browser. Loaded only by pages that need it.
// What comes from a file is bounded before it is unpacked as far as its directory says, and again when it is there.
import readSheet from 'read-excel-file/universal';
import writeSheet from 'write-excel-file/universal';
import { t } from './i18n';
import { repack, UnpackError } from './unpack';

export const FILE_BYTES_MAX = 10 * 1024 * 1024;
export const UNPACKED_BYTES_MAX = 200 * 1024 * 1024;
export const ROWS_MAX = 5000;
export const COLUMNS_MAX = 200;

export class SheetError extends Error {}

/** The sum of what a zip's directory says its files unpack to; a zip that does not say so plainly is refused. */
function unpackedBytes(bytes: DataView): number {
  const last = bytes.byteLength - 22;
  for (let at = last; at >= 0 && at > last - 65536; at--) {
    if (bytes.getUint32(at, true) !== 0x06054b50) continue;
    const files = bytes.getUint16(at + 10, true);
    let entry = bytes.getUint32(at + 16, true);
    let sum = 0;
    for (let i = 0; i < files; i++) {
      if (entry + 46 > bytes.byteLength || bytes.getUint32(entry, true) !== 0x02014b50) throw new SheetError(t('sheetBad'));
      sum += bytes.getUint32(entry + 24, true);
      entry += 46 + bytes.getUint16(entry + 28, true) + bytes.getUint16(entry + 30, true) + bytes.getUint16(entry + 32, true);
    }
    return sum;
  }
  throw new SheetError(t('sheetBad'));
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString().slice(0, 10);
  if (typeof value === 'boolean') return value ? '是' : '否';
  return String(value).trim();
}

/** RFC 4180, with comma, semicolon or tab: whichever the first line has most of. */
export function parseCsv(text: string): string[][] {
  const head = text.slice(0, text.search(/\r|\n|$/));
  const mark = [',', '\t', ';'].map((m): [string, number] => [m, head.split(m).length]).sort((a, b) => b[1] - a[1])[0]![0];
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === mark) {
      row.push(cell);
      cell = '';
    } else if (c === '\n' || c === '\r') {
      if (c === '\r' && text[i + 1] === '\n') i++;
      row.push(cell);
      rows.push(row);
      row = [];
      cell = '';
      if (rows.length > ROWS_MAX + 1) break;
    } else cell += c;
  }
  if (quoted) throw new SheetError(t('sheetQuote'));
  if (cell !== '' || row.length > 0) rows.push([...row, cell]);
  return rows.map((r) => r.map((x) => x.trim()));
}

function decode(bytes: ArrayBuffer): string {
  const head = new Uint8Array(bytes.slice(0, 3));
  if (head[0] === 0xff && head[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    try {
      return new TextDecoder('gb18030', { fatal: true }).decode(bytes);
    } catch {
      throw new SheetError(t('sheetEncoding'));
    }
  }
}

/** The rows of the first sheet, as text; the first is the head. Empty rows are left out. */
export async function readTable(file: Blob): Promise<string[][]> {
  if (file.size > FILE_BYTES_MAX) throw new SheetError(t('sheetLarge', FILE_BYTES_MAX / 1048576));
  const bytes = await file.arrayBuffer();
  const head = new Uint8Array(bytes.slice(0, 8));
  let rows: string[][];
  if (head[0] === 0x50 && head[1] === 0x4b) {
    if (unpackedBytes(new DataView(bytes)) > UNPACKED_BYTES_MAX) throw new SheetError(t('sheetLarge', FILE_BYTES_MAX / 1048576));
    let sheets: { data: unknown[][] }[];
    try {
      sheets = (await readSheet(repack(new Uint8Array(bytes)))) as unknown as { data: unknown[][] }[];
    } catch (why) {
      const fault = why instanceof UnpackError ? why.fault : 'bad';
      throw new SheetError(fault === 'rows' ? t('sheetRows', ROWS_MAX) : fault === 'columns' ? t('sheetColumns', COLUMNS_MAX) : t('sheetBad'));
    }
    rows = (sheets[0]?.data ?? (sheets as unknown as unknown[][])).map((r) => (r as unknown[]).map(cellText));
  } else if (head[0] === 0xd0 && head[1] === 0xcf) {
    throw new SheetError(t('sheetOld'));
  } else {
    rows = parseCsv(decode(bytes));
  }
  rows = rows.filter((r) => r.some((c) => c !== ''));
  if (rows.length < 2) throw new SheetError(t('sheetEmpty'));
  if (rows.length > ROWS_MAX + 1) throw new SheetError(t('sheetRows', ROWS_MAX));
  if (rows[0]!.length > COLUMNS_MAX) throw new SheetError(t('sheetColumns', COLUMNS_MAX));
  return rows;
}

export function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[\\/:*?"<>|]/g, '_'); // what Windows has no file of
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export interface OutSheet {
  name: string;
  rows: string[][];
}

/** What Excel takes for a sheet's name: 31 characters without \ / ? * [ ] : and no ' at either end. */
const sheetName = (text: string): string => text.replace(/[\\/?*[\]:]/g, ' ').slice(0, 31).replace(/^'|'$/g, ' ').trim() || '1';

/** All cells are texts: no spreadsheet takes one for a formula, and no ID number loses its end. */
export async function xlsx(sheets: OutSheet[]): Promise<Blob> {
  const width = (rows: string[][], column: number) => Math.min(60, 4 + Math.max(...rows.slice(0, 200).map((r) => [...(r[column] ?? '')].reduce((n, c) => n + (c > '\xff' ? 2 : 1), 0))));
  return writeSheet(
    sheets.map((s) => ({
      sheet: sheetName(s.name),
      data: s.rows.map((r, i) => r.map((value) => ({ value: value === '' ? undefined : value, type: String, format: '@', fontWeight: i === 0 ? ('bold' as const) : undefined }))),
      columns: (s.rows[0] ?? []).map((_, column) => ({ width: width(s.rows, column) })),
      stickyRowsCount: 1,
    })),
  ).toBlob();
}

/** UTF-8 with a mark, as Excel wants it. A text that a spreadsheet would take for a formula gets a quote in front; East Asian editions
 * take the full-width signs too. */
export function csv(rows: string[][]): Blob {
  const cell = (text: string) => {
    const safe = /^[=+\-@＝＋－＠\t\r\n]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };
  return new Blob(['\ufeff', rows.map((r) => r.map(cell).join(',')).join('\r\n'), '\r\n'], { type: 'text/csv;charset=utf-8' });
}
