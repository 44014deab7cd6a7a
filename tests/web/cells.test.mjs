// What people write in tables and forms, as the program takes it (fold.ts, convert.ts, heads.ts, rows.ts, sheet.ts): the modules alone,
// without a browser.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';

const libraries = resolve('common/web/node_modules');
const { build } = await import(pathToFileURL(join(libraries, 'esbuild/lib/main.js')));
const { unzipSync, strFromU8 } = await import(pathToFileURL(join(libraries, 'fflate/esm/index.mjs')));
const work = mkdtempSync(join(tmpdir(), 'lastmile-cells.'));
let m;

before(async () => {
  const contents = ['fold', 'heads', 'rows', 'convert', 'sheet'].map((name) => `export * from './${name}';`).join('\n');
  const made = await build({ stdin: { contents, resolveDir: resolve('common/web/src'), loader: 'ts' }, bundle: true, format: 'esm', platform: 'node', write: false });
  writeFileSync(join(work, 'cells.mjs'), made.outputFiles[0].text);
  Object.assign(globalThis, { location: { pathname: '/', hash: '', search: '' }, window: globalThis, addEventListener: () => undefined, localStorage: { getItem: () => null, setItem: () => undefined } });
  m = await import(pathToFileURL(join(work, 'cells.mjs')));
});
after(() => rmSync(work, { recursive: true, force: true }));

const field = (name, zh, more = {}) => ({ name, zh, en: name, type: 'text', entered: true, sensitivity: 0, required: false, ...more });
const NAME = field('name', '姓名', { format: 'name', required: true });
const ID = field('id_no', '公民身份号码', { format: 'idno' });
const PHONE = field('phone', '联系电话', { format: 'phone' });
const BORN = field('birth_on', '出生日期', { type: 'date' });
const HOME = field('residence_text', '常住地址');
const STATUS = field('id_status', '证件状态', { type: 'code', codes: 'id_status' });
const PERSON = [NAME, STATUS, ID, BORN, PHONE, HOME];
const catalog = { number: 1, types: [], lists: { id_status: [{ code: 'valid', zh: '有效', en: 'valid', retired: false }] } };
const value = (f, text) => m.valueOf(catalog, f, text, (type, named) => Promise.resolve(named));

test('numbers, dates and names as they are pasted', async () => {
  for (const id of ['999999 19510305 7798', ' 999999195103057798', "'999999195103057798", '９９９９９９１９５１０３０５７７９８', '999999195103057798\u200b', '999999　19510305　7798']) assert.equal(await value(ID, id), '999999195103057798', id);
  assert.equal(await value(ID, '99999919510305779ｘ'), '99999919510305779X');
  for (const phone of ['138 0000 3333', '１３８００００３３３３', "'13800003333", '13800003333 ']) assert.equal(await value(PHONE, phone), '13800003333', phone);
  assert.equal(await value(PHONE, '0555－1234567'), '0555-1234567');
  for (const day of ['２０２５－０１－０５', '2025／1／5', '2025年 1月 5日', '2025.1.5', '20250105', '2025-01-05 00:00', "'2025/1/5", '45662']) assert.equal(await value(BORN, day), '2025-01-05', day);
  for (const none of ['1951', '2025-13-01', '99999', '一月五日']) await assert.rejects(value(BORN, none), none);
  for (const [name, is] of [['张　三', '张三'], ['李 四', '李四'], ['欧阳　小 明', '欧阳小明'], ['阿卜杜勒•买买提', '阿卜杜勒·买买提'], ['John Smith', 'John Smith']]) assert.equal(await value(NAME, name), is);
  assert.equal(await value(HOME, '一组　12 号（东）'), '一组　12 号（东）'); // a text is nobody's to change
  assert.equal(await value(STATUS, ' 有 效'), 'valid');
  assert.equal(await value(field('count', '人数', { type: 'int' }), '１，２００'), 1200);
  assert.equal(await value(field('gift_fen', '慰问金额(分)', { type: 'int' }), '￥２００．５'), 20050);
  const who = field('persons', '走访对象', { type: 'uuid', ref: 'person' });
  assert.equal(await value(who, '９９９９９９ 19510305 779x'), '99999919510305779X');
  assert.equal(await value(who, '张　三'), '张三');
});

test('the row of the heads, and what registers call a field', () => {
  const heads = ['序号', '姓　名', '证件状态', '身份证号', '出生年月', '电话', '家庭住址'];
  const row = ['1', '张三', '有效', '999999195103057798', '1951-03-05', '13800003333', '一组'];
  const means = ['', 'name', 'id_status', 'id_no', 'birth_on', 'phone', 'residence_text'];
  const titled = [['示例村退役军人花名册', '', '', '', '', '', ''], ['填表日期', '2025-01-01', '', '', '', '', ''], heads, row];
  assert.equal(m.headRow(PERSON, titled), 2);
  assert.deepEqual(m.mapHeads(PERSON, m.headsAt(titled, 2), row), means);
  assert.deepEqual(m.mapHeads(PERSON, heads, row.with(4, '1951.3')), means.with(4, '')); // a month is no date
  // Heads in two rows, those of one row merged.
  const two = [['花名册', '', '', '', ''], ['姓名', '证件', '', '联系', ''], ['', '证件状态', '身份证号码', '手机', '家庭住址'], ['张三', '有效', '999999195103057798', '13800003333', '一组']];
  assert.equal(m.headRow(PERSON, two), 2);
  assert.deepEqual(m.mapHeads(PERSON, m.headsAt(two, 2)), ['name', 'id_status', 'id_no', 'phone', 'residence_text']);
  // No two columns are one field, and the template's own heads are found.
  assert.deepEqual(m.mapHeads(PERSON, ['*姓名', '姓名', '公民身份号码', '身份证号']), ['name', '', 'id_no', '']);
  // Of heads that say nothing: the first row that is no title.
  assert.equal(m.headRow(PERSON, [['标题', '', ''], ['甲', '乙', '丙'], ['1', '2', '3']]), 1);
  assert.equal(m.headRow(PERSON, [['姓名', '电话'], ['张三', '1']]), 0);
});

test('a row has the same id wherever it stands, and another one where it says something else', () => {
  const said = m.said({ name: '张三', on: '2025-01-05' });
  assert.equal(m.said({ on: '2025-01-05', name: '张三' }), said);
  assert.match(m.rowId(said), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const ids = new Set();
  for (let i = 0; i < 20000; i++) ids.add(m.rowId(`${said}\u0000${i}`));
  assert.equal(ids.size, 20000);
});

test('what is typed under the heads of a template stays text', async () => {
  const parts = unzipSync(new Uint8Array(await (await m.xlsx([{ name: '人', rows: [['*姓名', '公民身份号码']], open: true }, { name: '说明', rows: [['列', '必填'], ['姓名', '是']] }])).arrayBuffer()));
  const sheet = (n) => strFromU8(parts[`xl/worksheets/sheet${n}.xml`]);
  const styles = strFromU8(parts['xl/styles.xml']);
  const format = /<numFmt\b[^>]*formatCode="@"[^>]*>/.exec(styles);
  const id = format ? /numFmtId="(\d+)"/.exec(format[0])[1] : '49';
  const xf = [...styles.match(/<cellXfs.*<\/cellXfs>/s)[0].matchAll(/<xf\b[^>]*>/g)].map(([x]) => x);
  const columns = [...sheet(1).matchAll(/<col [^>]*>/g)].map(([c]) => c);
  assert.equal(columns.length, 2);
  for (const column of columns) assert.ok(xf[Number(/style="(\d+)"/.exec(column)[1])].includes(`numFmtId="${id}"`), column);
  assert.doesNotMatch(sheet(2), /<col [^>]*style=/);
});
