// Fuzzes what reads tables in the page (common/web/src/table.ts: XLSX and CSV), led by the blocks of code that V8 says were run.
//
//   node tests/fuzz/sheet.mjs FILE|FOLDER…                              each input once (ctest)
//   node tests/fuzz/sheet.mjs --seconds N [--found FOLDER] FOLDER…     looks for more
//   node tests/fuzz/sheet.mjs --minimise FOLDER FILE|FOLDER…           those of them into FOLDER that reach all that they reach
//
// What must hold: a table within its bounds, all cells texts, or a fault that the page has words for (TableError); within seconds; memory bounded; and what the
// page writes as CSV or XLSX reads back the same. Prints the seed; --seed N runs it again.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const RUN_MS_MAX = 20_000; // sanitizers of other programs may share the machine
const HEAP_MAX = 900 * 1024 * 1024;
const web = resolve(import.meta.dirname, '../../common/web');
const library = (path) => import(pathToFileURL(join(web, 'node_modules', path)));

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string' }, found: { type: 'string' }, seed: { type: 'string' }, minimise: { type: 'string' } },
});
const work = mkdtempSync(join(tmpdir(), 'lm-sheet.'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const bundle = join(work, 'sheet.mjs');
const { build } = await library('esbuild/lib/main.js');
// What the page's worker runs (table.ts), and what writes (sheet.ts).
const contents = "export { tableOf, TableError, ROWS_MAX, COLUMNS_MAX } from './table'; export { csv, xlsx } from './sheet';";
await build({ stdin: { contents, resolveDir: join(web, 'src'), loader: 'ts' }, bundle: true, format: 'esm', platform: 'neutral', mainFields: ['module', 'main'], outfile: bundle, logLevel: 'error' });
const { tableOf, TableError, ROWS_MAX, COLUMNS_MAX, csv, xlsx } = await import(pathToFileURL(bundle));
const { unzipSync, zipSync } = await library('fflate/esm/index.mjs');

// ---- what must hold ----

/** The rows, or the fault. */
async function read(bytes) {
  const start = Date.now();
  let result;
  try {
    const table = await tableOf(new Blob([bytes]));
    assert.ok(table.lines.length === table.rows.length && table.lines.every((n, i) => n > (table.lines[i - 1] ?? 0)));
    result = table.rows;
  } catch (why) {
    if (!(why instanceof TableError)) throw why;
    result = why.fault;
  }
  assert.ok(Date.now() - start < RUN_MS_MAX, `took ${Date.now() - start} ms`);
  assert.ok(process.memoryUsage().heapUsed < HEAP_MAX, 'memory');
  return result;
}

async function judge(bytes) {
  const rows = await read(bytes);
  if (typeof rows === 'string') return;
  assert.ok(rows.length >= 2 && rows.length <= ROWS_MAX + 1 && rows[0].length <= COLUMNS_MAX);
  assert.ok(rows.every((r) => r.every((c) => typeof c === 'string' && c === c.trim())));
  if (rows.length > 60 || rows.flat().some((c) => /^'|_x[0-9a-f]{4}_/i.test(c) || /[\0-\x1f\x7f-\x9f\ufffd-\uffff]|[\ud800-\udfff]/u.test(c) || c.length > 2000)) return;
  const width = Math.max(...rows.map((r) => r.length));
  const square = rows.map((r) => [...r, ...Array(width - r.length).fill('')]);
  const back = await read(await csv(square).arrayBuffer());
  if (typeof back !== 'string' && square[0].filter((c) => c !== '').length > 1 && !square[0].some((c) => /[;\t,\r\n"]/.test(c))) {
    const plain = back.map((r) => r.map((c) => (/^'[=+\-@\t\r]/.test(c) ? c.slice(1) : c)));
    assert.deepEqual(plain, square);
  }
  const again = await read(await (await xlsx([{ name: '表', rows: square }])).arrayBuffer());
  if (typeof again !== 'string') {
    const cut = (list) => list.map((r) => r.join('\u0001').replace(/\u0001+$/, ''));
    assert.deepEqual(cut(again), cut(square));
  }
}

// ---- inputs ----

let state = BigInt(options.seed ?? Date.now());
const seed = state;
function random(n) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(n));
}
const pick = (list) => list[random(list.length)];
const WORDS = ['<c r="B2" t="s"><v>0</v></c>', '<row r="9">', '</row>', '<c/>', ' r="XFD1048576"', ' t="inlineStr"', ' t="b"', ' t="e"', ' t="d"', ' t="str"', ' s="1"', '<is><t>甲</t></is>', '<v>1e999</v>',
  '<v>45000</v>', '<f>1+1</f>', '<!DOCTYPE a [<!ENTITY b "c">]>', '&b;', '&#0;', '&#x110000;', '<![CDATA[', ']]>', '<!--', '\ufeff', '\0', '"', '""', ',', '\t', ';', '\r\n', '=1+1', '_x000D_', '-', '9999999', 'A1:XFD1048576',
  '<dimension ref="A1"/>', '<sheetData>', '<xf numFmtId="14"/>', '<si><t>x</t></si>', 'xl/sharedStrings.xml', '__proto__', 'x:', 'date1904="1"'];

function mutateText(bytes, others) {
  const text = Buffer.from(bytes);
  const at = random(text.length + 1);
  const n = 1 + random(Math.min(40, text.length + 1));
  switch (random(7)) {
    case 0: return Buffer.concat([text.subarray(0, at), Buffer.from(pick(WORDS)), text.subarray(at)]);
    case 1: return Buffer.concat([text.subarray(0, at), text.subarray(at + n)]);
    case 2: return Buffer.concat([text.subarray(0, at), text.subarray(at, at + n), text.subarray(at)]);
    case 3: { const out = Buffer.from(text); if (out.length > 0) out[random(out.length)] = random(256); return out; }
    case 4: { const other = Buffer.from(pick(others)); const from = random(other.length + 1); return Buffer.concat([text.subarray(0, at), other.subarray(from, from + n * 4), text.subarray(at)]); }
    case 5: return Buffer.from(text.toString('latin1').replace(/\d+/g, (d) => (random(6) === 0 ? String(pick([0, 1, 2, 14, 255, 16384, 1048576, 4294967296, 1e21])) : d)), 'latin1');
    default: return Buffer.concat([text.subarray(0, at), Buffer.from(pick(WORDS)), text.subarray(Math.min(text.length, at + n))]);
  }
}

/** A part of a zip changed and the whole packed anew; or any bytes. */
function mutate(input, corpus) {
  let parts = null;
  if (input[0] === 0x50 && random(8) !== 0) {
    try {
      parts = unzipSync(input);
    } catch {
      parts = null;
    }
  }
  if (!parts || Object.keys(parts).length === 0) return mutateText(input, corpus.map((c) => c.bytes));
  const names = Object.keys(parts);
  for (let i = 0; i <= random(3); i++) {
    const name = pick(names);
    if (random(20) === 0) delete parts[name];
    else if (parts[name]) parts[name] = new Uint8Array(mutateText(parts[name], Object.values(parts)));
  }
  return Buffer.from(zipSync(parts, { level: pick([0, 6]) }));
}

// ---- coverage ----

const session = new Session();
session.connect();
const post = (method, parameters) => new Promise((done, fail) => session.post(method, parameters, (error, answer) => (error ? fail(error) : done(answer))));
const seen = new Set();
/** Blocks that were run for the first time since the last call. */
async function news() {
  const { result } = await post('Profiler.takePreciseCoverage');
  let n = 0;
  for (const script of result) {
    if (!script.url.endsWith('/sheet.mjs') || !script.url.includes('lm-sheet.')) continue;
    for (const f of script.functions)
      for (const r of f.ranges) {
        const key = `${r.startOffset}-${r.endOffset}-${Math.min(3, Math.floor(Math.log10(r.count + 1)))}`;
        if (r.count > 0 && !seen.has(key)) {
          seen.add(key);
          n++;
        }
      }
  }
  return n;
}

function inputs(paths) {
  return paths.flatMap((path) => (statSync(path).isDirectory() ? inputs(readdirSync(path).sort().map((name) => join(path, name))) : [{ path, bytes: readFileSync(path) }]));
}

async function tryOne(bytes, where) {
  try {
    await judge(bytes);
  } catch (why) {
    const path = where ?? join(options.found ?? '.', `sheet-crash-${createHash('sha1').update(bytes).digest('hex')}`);
    if (!where) writeFileSync(path, bytes);
    console.error(`${path}: ${why.stack}\nseed ${seed}`);
    process.exit(1);
  }
}

const corpus = inputs(positionals);
if (options.found) {
  mkdirSync(options.found, { recursive: true });
  corpus.push(...inputs([options.found]));
}
assert.ok(corpus.length > 0, 'no inputs');
await post('Profiler.enable');
await post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
if (options.minimise) {
  mkdirSync(options.minimise, { recursive: true });
  for (const { bytes, path } of corpus.sort((a, b) => a.bytes.length - b.bytes.length)) {
    await tryOne(bytes, path);
    if ((await news()) > 0) writeFileSync(join(options.minimise, basename(path)), bytes);
  }
  process.exit(0);
}
for (const input of corpus) await tryOne(input.bytes, input.path);
await news();
// Rows are called by their places in the sheet, whatever empty ones lie between.
const gaps = [['', ''], ['姓名', '电话'], ['', ''], ['甲', '1'], ['', ''], ['', ''], ['乙', '2'], ['', '']];
for (const file of [csv(gaps), await xlsx([{ name: '表', rows: gaps }])]) assert.deepEqual((await tableOf(file)).lines, [2, 4, 7]);
if (!options.seconds) {
  console.log(`${corpus.length} inputs replayed, ${seen.size} blocks`);
} else {
  console.log(`seed ${seed}`);
  const end = Date.now() + Number(options.seconds) * 1000;
  let runs = 0;
  for (; Date.now() < end; runs++) {
    const bytes = mutate(pick(corpus).bytes, corpus);
    if (bytes.length > 20_000) continue;
    await tryOne(bytes);
    if ((await news()) > 0) {
      corpus.push({ bytes });
      if (options.found) writeFileSync(join(options.found, createHash('sha1').update(bytes).digest('hex')), bytes);
    }
  }
  console.log(`number_of_executed_units: ${runs}\ncov: ${seen.size}\n${corpus.length} inputs`);
}
