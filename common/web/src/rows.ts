// Rows of a table that is imported: which id each gets. No document and no words, so that tests can ask it alone.

/** What a row says, whatever the order of its columns. */
export const said = (fields: Record<string, unknown>): string => JSON.stringify(Object.entries(fields).sort(([x], [y]) => (x < y ? -1 : 1)));

/** A UUIDv7 that is the same for the same text: what is saved twice under it is one save (P3). Its time says nothing. */
export function rowId(text: string): string {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef];
  for (let i = 0; i < text.length; i++) {
    const k = text.charCodeAt(i);
    a = b ^ Math.imul(a ^ k, 597399067);
    b = c ^ Math.imul(b ^ k, 2869860233);
    c = d ^ Math.imul(c ^ k, 951274213);
    d = a ^ Math.imul(d ^ k, 2716044179);
  }
  a = Math.imul(c ^ (a >>> 18), 597399067);
  b = Math.imul(d ^ (b >>> 22), 2869860233);
  c = Math.imul(a ^ (c >>> 17), 951274213);
  d = Math.imul(b ^ (d >>> 19), 2716044179);
  const hex = (n: number) => (n >>> 0).toString(16).padStart(8, '0');
  const time = '000000000001';
  const bits = hex(a) + hex(b) + hex(c) + hex(d);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(0, 3)}-${((parseInt(bits[3]!, 16) & 3) | 8).toString(16)}${bits.slice(4, 7)}-${bits.slice(7, 19)}`;
}
