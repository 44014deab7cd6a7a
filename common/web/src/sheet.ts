// Tables as files: XLSX and CSV, read (by reader.ts, beside the page) and written in the browser. Loaded only by pages that need it.
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import writeSheet from 'write-excel-file/universal';
import { t } from './i18n';
import { COLUMNS_MAX, type Fault, FILE_BYTES_MAX, ROWS_MAX, type Table } from './table';

export class SheetError extends Error {}

/** A file that takes longer is not one that people fill in; the page says so instead of waiting on. */
const READING_MS_MAX = 120_000;

function words(fault: Fault): string {
  switch (fault) {
    case 'large':
      return t('sheetLarge', FILE_BYTES_MAX / 1048576);
    case 'rows':
      return t('sheetRows', ROWS_MAX);
    case 'columns':
      return t('sheetColumns', COLUMNS_MAX);
    case 'old':
      return t('sheetOld');
    case 'quote':
      return t('sheetQuote');
    case 'encoding':
      return t('sheetEncoding');
    case 'empty':
      return t('sheetEmpty');
    case 'slow':
      return t('sheetSlow');
    case 'bad':
      return t('sheetBad');
  }
}

/** A table's rows as text. A worker reads: 5,000 rows on an old PC are
 * seconds in which the page would answer nobody. */
export function readTable(file: Blob): Promise<Table> {
  return new Promise((resolve, reject) => {
    const reader = new Worker(new URL('./reader.ts', import.meta.url));
    const end = (act: () => void) => {
      clearTimeout(timer);
      reader.terminate();
      act();
    };
    const timer = setTimeout(() => end(() => reject(new SheetError(words('slow')))), READING_MS_MAX);
    reader.onmessage = (e: MessageEvent<{ table: Table } | { fault: Fault }>) => {
      const said = e.data;
      end(() => ('table' in said ? resolve(said.table) : reject(new SheetError(words(said.fault)))));
    };
    reader.onerror = (e) => {
      e.preventDefault();
      end(() => reject(new SheetError(t('sheetReader'))));
    };
    reader.postMessage(file);
  });
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
  rows: (string | number)[][];
  /** Rows above the column heads: what the table is about. */
  above?: number;
  /** To be filled in: what is typed below stays text too, an ID number with all its digits. */
  open?: boolean;
}

/** The style of cells that are text and nothing else; -1: no cell is. */
function textStyle(styles: string): number {
  const cells = /<cellXfs[^>]*>(.*?)<\/cellXfs>/s.exec(styles)?.[1] ?? '';
  const text = /<numFmt\b[^>]*formatCode="@"[^>]*\/>/.exec(styles)?.[0];
  const format = text ? /numFmtId="(\d+)"/.exec(text)?.[1] : '49';
  return [...cells.matchAll(/<xf\b[^>]*>/g)].findIndex(([xf]) => xf.includes(`numFmtId="${format}"`) && (!/fontId=/.test(xf) || xf.includes('fontId="0"')));
}

/** What the library has no word for: the style of whole columns. */
function columnsAsText(file: Uint8Array, open: boolean[]): Uint8Array {
  const parts = unzipSync(file);
  const style = textStyle(strFromU8(parts['xl/styles.xml']!));
  open.forEach((is, i) => {
    const at = `xl/worksheets/sheet${i + 1}.xml`;
    if (is && style >= 0 && parts[at]) parts[at] = strToU8(strFromU8(parts[at]).replace(/<col (?![^>]*style=)/g, `<col style="${style}" `));
  });
  return zipSync(parts);
}

/** What Excel takes for a sheet's name: 31 characters without \ / ? * [ ] : and no ' at either end. */
const sheetName = (text: string): string => text.replace(/[\\/?*[\]:]/g, ' ').slice(0, 31).replace(/^'|'$/g, ' ').trim() || '1';

/** What is given as text stays text: no spreadsheet takes it for a formula, and no ID number loses its end. Numbers can be added up. */
export async function xlsx(sheets: OutSheet[]): Promise<Blob> {
  const width = (rows: (string | number)[][], column: number) => Math.min(60, 4 + Math.max(...rows.slice(0, 200).map((r) => [...String(r[column] ?? '')].reduce((n, c) => n + (c > '\xff' ? 2 : 1), 0))));
  const made = await writeSheet(
    sheets.map((s) => {
      const head = s.above ?? 0;
      const bold = (i: number) => (i === 0 || i === head ? ('bold' as const) : undefined);
      return {
        sheet: sheetName(s.name),
        data: s.rows.map((r, i) =>
          r.map((value) => (typeof value === 'number' ? { value, type: Number, fontWeight: bold(i) } : { value: value === '' ? undefined : value, type: String, format: '@', fontWeight: bold(i) })),
        ),
        columns: (s.rows[head] ?? []).map((_, column) => ({ width: width(s.rows.slice(head), column) })),
        stickyRowsCount: head + 1,
      };
    }),
  ).toBlob();
  if (!sheets.some((s) => s.open)) return made;
  const file = columnsAsText(new Uint8Array(await made.arrayBuffer()), sheets.map((s) => !!s.open));
  return new Blob([file as BlobPart], { type: made.type });
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
