// An XLSX as it may be given to the reader: unpacked here and packed again without compression, once its sheets have been looked through.
// A reader that fills the gaps between cells takes a file of 1 KB with one cell far away for billions of cells, and the page dies of it;
// and it unpacks large parts in a worker made from a blob, which the page's policy forbids.
import { unzipSync, zipSync } from 'fflate';

export type Fault = 'bad' | 'rows' | 'columns';
export class UnpackError extends Error {
  constructor(readonly fault: Fault) {
    super(fault);
  }
}

/** Rows with something in them, of any sheet. */
export const SHEET_ROWS_MAX = 20_000;
/** Cells that a reader would hold of all sheets, with those in the gaps. */
export const CELLS_MAX = 2_000_000;
/** What Excel has. */
const ROW_MAX = 1_048_576;
const COLUMN_MAX = 16_384;

const TAG = /<(?:[\w.-]+:)?(row|c)(?=[\s/>])/g;
const ATTRIBUTE = /\s*([\w:.-]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const END = /\s*(\/?)>/y;

function columnOf(letters: string): number {
  let n = 0;
  for (const c of letters.toUpperCase()) n = n * 26 + c.charCodeAt(0) - 64;
  return n;
}

/** How many cells a reader would hold of a sheet; the fault when it is too much or not to be understood. */
export function extent(xml: string): number {
  let row = 0;
  let column = 0;
  let held = 0;
  let rows = 0;
  let widest = 0;
  let last = 0;
  let full = 0; // the last row that has something in it
  TAG.lastIndex = 0;
  for (let tag = TAG.exec(xml); tag; tag = TAG.exec(xml)) {
    let at = '';
    ATTRIBUTE.lastIndex = TAG.lastIndex;
    END.lastIndex = TAG.lastIndex;
    for (let a = ATTRIBUTE.exec(xml); a; a = ATTRIBUTE.exec(xml)) {
      if (a[1] === 'r') at = a[2] ?? a[3] ?? '';
      END.lastIndex = ATTRIBUTE.lastIndex;
    }
    const end = END.exec(xml);
    if (!end) throw new UnpackError('bad');
    TAG.lastIndex = END.lastIndex;
    if (tag[1] === 'row') {
      if (at !== '' && !/^\d{1,7}$/.test(at)) throw new UnpackError('bad');
      row = at === '' ? row + 1 : Number(at);
      column = 0;
    } else {
      const place = /^([A-Za-z]{1,3})(\d{1,7})$/.exec(at);
      if (at !== '' && !place) throw new UnpackError('bad');
      const before = column;
      column = place ? columnOf(place[1]!) : column + 1;
      row = place ? Number(place[2]) : row;
      held += Math.max(1, column - before);
      if (end[1] !== '/') {
        widest = Math.max(widest, column);
        if (full !== row) rows++;
        full = row;
      }
    }
    last = Math.max(last, row);
    if (row > ROW_MAX || rows > SHEET_ROWS_MAX) throw new UnpackError('rows');
    if (column > COLUMN_MAX) throw new UnpackError('columns');
    if (held > CELLS_MAX) throw new UnpackError(widest > 1000 ? 'columns' : 'rows');
  }
  if (full * widest > CELLS_MAX) throw new UnpackError(widest > 1000 ? 'columns' : 'rows');
  return Math.max(held + last, full * widest);
}

/** The same file, its XML only, not compressed. */
export function repack(bytes: Uint8Array): ArrayBuffer {
  let parts: Record<string, Uint8Array>;
  try {
    parts = unzipSync(bytes, { filter: (file) => /\.xml(\.rels)?$/.test(file.name) });
  } catch {
    throw new UnpackError('bad');
  }
  let cells = 0;
  for (const part of Object.values(parts)) {
    const xml = new TextDecoder('latin1').decode(part); // digits and tags are ASCII whatever else it is
    if (xml.includes('sheetData')) cells += extent(xml);
    if (cells > 2 * CELLS_MAX) throw new UnpackError('rows');
  }
  const packed = zipSync(parts, { level: 0 });
  return packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.byteLength) as ArrayBuffer;
}
