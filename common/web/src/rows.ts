// Rows of a table that is imported: which id each gets. No document and no words, so that tests can ask it alone.

/** A UUIDv7 that is the same for the same text: what is saved twice under it is one save (P3). at_ms: its time, 1 to 2^48 - 1. */
export function rowId(text: string, atMs = 1): string {
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
  const time = Math.max(1, Math.min(atMs || 1, 2 ** 48 - 1)).toString(16).padStart(12, '0');
  const bits = hex(a) + hex(b) + hex(c) + hex(d);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(0, 3)}-${((parseInt(bits[3]!, 16) & 3) | 8).toString(16)}${bits.slice(4, 7)}-${bits.slice(7, 19)}`;
}
