// What an XLSX or CSV file holds, as rows of text: no document, no words, so that a worker can do it.
// What comes from a file is bounded before it is unpacked as far as its directory says, and again when it is there.
import readSheet from 'read-excel-file/universal';
import { repack, UnpackError } from './unpack';

export const FILE_BYTES_MAX = 10 * 1024 * 1024;
export const UNPACKED_BYTES_MAX = 200 * 1024 * 1024;
export const ROWS_MAX = 5000;
export const COLUMNS_MAX = 200;

export type Fault = 'bad' | 'large' | 'rows' | 'columns' | 'old' | 'quote' | 'encoding' | 'empty' | 'slow';
export class TableError extends Error {
  constructor(readonly fault: Fault) {
    super(fault);
  }
}

/** The sum of what a zip's directory says its files unpack to; a zip that does not say so plainly is refused. */
function unpackedBytes(bytes: DataView): number {
  const last = bytes.byteLength - 22;
  for (let at = last; at >= 0 && at > last - 65536; at--) {
    if (bytes.getUint32(at, true) !== 0x06054b50) continue;
    const files = bytes.getUint16(at + 10, true);
    let entry = bytes.getUint32(at + 16, true);
    let sum = 0;
    for (let i = 0; i < files; i++) {
      if (entry + 46 > bytes.byteLength || bytes.getUint32(entry, true) !== 0x02014b50) throw new TableError('bad');
      sum += bytes.getUint32(entry + 24, true);
      entry += 46 + bytes.getUint16(entry + 28, true) + bytes.getUint16(entry + 30, true) + bytes.getUint16(entry + 32, true);
    }
    return sum;
  }
  throw new TableError('bad');
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString().slice(0, 16).replace('T', ' ').replace(' 00:00', '');
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
  if (quoted) throw new TableError('quote');
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
      throw new TableError('encoding');
    }
  }
}

/** Rows as text, the first of them the head, without those that are empty; lines: which row of the sheet each is, from 1, as Excel says. */
export interface Table {
  rows: string[][];
  lines: number[];
}

/** The first sheet of an XLSX file, or a CSV file. */
export async function tableOf(file: Blob): Promise<Table> {
  if (file.size > FILE_BYTES_MAX) throw new TableError('large');
  const bytes = await file.arrayBuffer();
  const head = new Uint8Array(bytes.slice(0, 8));
  let rows: string[][];
  if (head[0] === 0x50 && head[1] === 0x4b) {
    if (unpackedBytes(new DataView(bytes)) > UNPACKED_BYTES_MAX) throw new TableError('large');
    let sheets: { data: unknown[][] }[];
    try {
      sheets = (await readSheet(repack(new Uint8Array(bytes)))) as unknown as { data: unknown[][] }[];
    } catch (why) {
      throw new TableError(why instanceof UnpackError ? why.fault : 'bad');
    }
    rows = (sheets[0]?.data ?? (sheets as unknown as unknown[][])).map((r) => (r as unknown[]).map(cellText));
  } else if (head[0] === 0xd0 && head[1] === 0xcf) {
    throw new TableError('old');
  } else {
    rows = parseCsv(decode(bytes));
  }
  const filled = (r: string[]) => r.some((c) => c !== '');
  const lines = rows.flatMap((r, i) => (filled(r) ? [i + 1] : []));
  rows = rows.filter(filled);
  if (rows.length < 2) throw new TableError('empty');
  if (rows.length > ROWS_MAX + 1) throw new TableError('rows');
  if (rows[0]!.length > COLUMNS_MAX) throw new TableError('columns');
  return { rows, lines };
}
