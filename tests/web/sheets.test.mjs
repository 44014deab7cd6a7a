// Tables in the village page: 300 people from a spreadsheet with 20 bad rows, what is wrong with each, the bad rows back in a file, once
// more without doubling, undone; other encodings and hostile files; lists exported and printed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { idNumber, person, TIMEOUT_MS, Town } from './town.mjs';

const libraries = resolve('common/web/node_modules');
const load = (name) => import(pathToFileURL(join(libraries, name, 'universal/index.js')));
const { default: writeSheet } = await load('write-excel-file');
const { readSheet } = await load('read-excel-file');
const { zipSync } = await import(pathToFileURL(join(libraries, 'fflate/esm/index.mjs')));

let town, node, url, browser, page;
const problems = [];

const xlsx = async (name, rows) => {
  const path = join(town.work, name);
  writeFileSync(path, Buffer.from(await (await writeSheet([{ sheet: '表', data: rows.map((r) => r.map((value) => ({ value, type: String }))) }]).toBlob()).arrayBuffer()));
  return path;
};
const people = () => node.rows(['list', 'person']);

async function openImport() {
  await page.goto(`${url}#/list/person`);
  await page.waitForSelector('#file', { state: 'detached' }); // two moves at once may be one for the page, which then stays as it is
  await page.goto(`${url}#/import/person`);
  await page.waitForSelector('#file', { state: 'attached' });
}

const heads = async () => {
  const labels = await page.evaluate(async () => (await (await fetch('/api/v1/catalog')).json()).types.find((t) => t.name === 'person').fields.map((f) => [f.name, f.zh]));
  const zh = Object.fromEntries(labels);
  return [zh.name, zh.id_status, zh.id_no, zh.is_resident, zh.household_no, zh.difficulty, '备注的列', zh.notice_at];
};

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  node.run(['user', 'add', '王秘书', '-'], '135792\n');
  url = await town.serveNode(node);
  browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN', acceptDownloads: true });
  context.setDefaultTimeout(TIMEOUT_MS * 3);
  page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
  await page.fill('#user', '王秘书');
  await page.fill('#password', '135792');
  await page.click('button[type=submit]');
  await page.waitForSelector('.cards');
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

const good = (i) => [`测试${i}`, '有效', idNumber('1950-01-02', (i % 998) + 1), '是', `H${i}`, '无', '随便', '2025/1/5'];

test('300 rows with 20 bad ones: the good are saved, each bad one says why and comes back in a file', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => good(i));
  for (let i = 0; i < 5; i++) rows[i * 10][2] = '999999195001010000'; // check digit
  for (let i = 5; i < 10; i++) rows[i * 10][0] = '';
  for (let i = 10; i < 15; i++) rows[i * 10][5] = '很穷';
  for (let i = 15; i < 20; i++) rows[i * 10][7] = '2025-13-40';
  await openImport();
  const file = await xlsx('people.xlsx', [await heads(), ...rows]);
  await page.setInputFiles('#file', file);
  await page.waitForSelector('text=核对列名（共 300 行）');
  assert.equal(await page.locator('select[aria-label="备注的列"]').inputValue(), '');
  await page.click('text=/^检查$/');
  await page.waitForSelector('text=280 行没问题，20 行有问题');
  assert.equal(people().length, 0);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=下载有问题的 20 行')]);
  const back = await readSheet(new Blob([readFileSync(await download.path())]));
  assert.equal(back.length, 21);
  assert.equal(back[0].at(-1), '错误原因');
  assert.ok(back.slice(1).every((r) => String(r.at(-1)).length > 3));
  assert.match(String(back.find((r) => r[5] === '很穷').at(-1)), /很穷/);
  await page.click('text=导入这 280 行');
  await page.waitForSelector('text=已导入 280 行');
  assert.equal(people().length, 280);
  assert.ok(people().every((p) => p.fields.birth_on === '1950-01-02' && p.fields.notice_at === '2025-01-05'));
});

test('the same file again is the same save', async () => {
  await openImport();
  await page.setInputFiles('#file', join(town.work, 'people.xlsx'));
  await page.click('text=/^检查$/');
  await page.waitForSelector('text=/行没问题/');
  const button = page.locator('button', { hasText: '导入这' });
  if (await button.isEnabled()) {
    await button.click();
    await page.waitForSelector('text=/已导入/');
  }
  assert.equal(people().length, 280);
});

test('an import is undone, but what was changed since stays', async () => {
  const [kept] = people();
  node.add([{ id: kept.id, fields: { household_no: '改过' } }]);
  await page.evaluate(() => localStorage.clear()); // as in another browser: the program knows
  await openImport();
  await page.locator('li', { hasText: '280' }).locator('button').last().click();
  await page.waitForSelector('.dialog:has-text("将删除这次导入的 279 条") li:has-text("导入以后有人改过")');
  await page.locator('.dialog button', { hasText: '撤销这次导入' }).click();
  await page.waitForSelector('.toast.shown:has-text("已撤销 279 条")');
  assert.deepEqual(people().map((p) => p.id), [kept.id]);
  await openImport(); // once more after that is a new import; who is there already stays one
  await page.setInputFiles('#file', join(town.work, 'people.xlsx'));
  await page.click('text=/^检查$/');
  await page.waitForSelector('text=/2(79|80) 行没问题/');
});

test('an import of which nothing is left is closed, and the file is a new import then', async () => {
  const before = people().length;
  writeFileSync(join(town.work, 'one.csv'), `\ufeff${[await heads(), good(600)].map((r) => r.join(',')).join('\r\n')}`);
  const bring = async (own) => {
    await openImport();
    await page.setInputFiles('#file', join(town.work, 'one.csv'));
    await page.click('text=/^检查$/');
    if (!own) return page.waitForSelector('text=1 行有问题');
    await page.click('text=导入这 1 行');
    await page.waitForSelector('text=已导入 1 行');
  };
  await bring(true);
  await bring(true); // twice is one save
  const [id] = people().filter((p) => p.fields.household_no === 'H600').map((p) => p.id);
  assert.equal(people().length, before + 1);
  node.add([{ id, delete: true, reason: '重复' }]); // by hand, or by an undo that a power cut ended
  await bring(false);
  await openImport();
  await page.locator('li', { hasText: 'one.csv' }).locator('button').last().click();
  await page.waitForSelector('.dialog:has-text("没有能撤销的了")');
  await page.locator('.dialog button', { hasText: '不再列出' }).click();
  await page.waitForSelector('li:has-text("one.csv")', { state: 'detached' });
  await bring(true);
  await bring(true);
  assert.equal(people().length, before + 1);
  assert.ok(!people().some((p) => p.id === id));
  node.add([{ id: people().find((p) => p.fields.household_no === 'H600').id, delete: true, reason: '重复' }]);
});

test('CSV as Excel writes it here: GB18030; and UTF-8 with a mark, other separators, quotes', async () => {
  // 姓名,证件状态 … as GB18030, made by the system's iconv
  const { spawnSync } = await import('node:child_process');
  const head = await heads();
  const text = (mark, rows) => [head, ...rows].map((r) => r.map((c) => (c.includes(mark) ? `"${c}"` : c)).join(mark)).join('\r\n');
  const gb = spawnSync('iconv', ['-f', 'UTF-8', '-t', 'GB18030'], { input: text(',', [good(500), good(501)]) }).stdout;
  writeFileSync(join(town.work, 'gb.csv'), gb);
  writeFileSync(join(town.work, 'utf8.csv'), `\ufeff${text('\t', [good(502)])}`);
  for (const [name, n] of [['gb.csv', 2], ['utf8.csv', 1]]) {
    await openImport();
    await page.setInputFiles('#file', join(town.work, name));
    await page.click('text=/^检查$/');
    await page.click(`text=导入这 ${n} 行`);
    await page.waitForSelector(`text=已导入 ${n} 行`);
  }
  assert.deepEqual(people().map((p) => p.fields.name).filter((name) => /^测试50\d$/.test(name)).sort(), ['测试500', '测试501', '测试502']);
});

test('5,000 rows of a spreadsheet are read, and at once', async () => {
  await openImport();
  const file = await xlsx('large.xlsx', [await heads(), ...Array.from({ length: 5000 }, (_, i) => good(i))]);
  await page.setInputFiles('#file', file);
  await page.waitForSelector('text=核对列名（共 5000 行）');
});

// A sheet as other programs may write it: rows of [cell address, text].
const rawXlsx = (name, cells) => {
  const part = (text) => new TextEncoder().encode(`<?xml version="1.0"?>${text}`);
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  const path = join(town.work, name);
  writeFileSync(path, zipSync({
    'xl/workbook.xml': part(`<workbook xmlns="${main}" xmlns:r="${office}"><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>`),
    'xl/_rels/workbook.xml.rels': part(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="${office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`),
    'xl/worksheets/sheet1.xml': part(`<worksheet xmlns="${main}"><sheetData>${cells.map(([at, text]) => `<row r="${/\d+/.exec(at)[0]}"><c r="${at}" t="inlineStr"><is><t>${text}</t></is></c></row>`).join('')}</sheetData></worksheet>`),
  }));
  return readFileSync(path);
};

test('files that are none, too much, or made to harm: said in words, nothing saved', async () => {
  const before = people().length;
  const head = await heads();
  const bomb = Buffer.from(readFileSync(await xlsx('bomb.xlsx', [head, good(1)])));
  const entry = bomb.lastIndexOf(Buffer.from('504b0102', 'hex'));
  bomb.writeUInt32LE(0xf0000000, entry + 24); // unpacks to 4 GB, says its directory
  const files = {
    'bomb.xlsx': [bomb, /太大/],
    'noise.xlsx': [Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(5000, 7)]), /损坏/],
    'old.xls': [Buffer.from('d0cf11e0a1b11ae1', 'hex'), /老式/],
    'many.csv': [Buffer.from(`${head.join(',')}\n${'a,b\n'.repeat(5001)}`), /行数太多/],
    'quote.csv': [Buffer.from(`${head.join(',')}\n"a,b\n`), /引号/],
    'empty.csv': [Buffer.from('姓名\n'), /没有数据/],
    'large.csv': [Buffer.alloc(11 * 1024 * 1024, 97), /太大/],
    'far.xlsx': [rawXlsx('far.xlsx', [['A1', '姓名'], ['XFD1048576', '测试']]), /列数太多/], // 17 billion cells, in 1 KB
    'deep.xlsx': [rawXlsx('deep.xlsx', [['A1', '姓名'], ['C1048576', '测试']]), /行数太多/],
    'beyond.xlsx': [rawXlsx('beyond.xlsx', [['A1', '姓名'], ['ZZZZZZ2', '测试']]), /损坏/],
    'million.xlsx': [rawXlsx('million.xlsx', Array.from({ length: 1_000_000 }, (_, i) => [`A${i + 1}`, '1'])), /行数太多/],
  };
  for (const [name, [bytes, words]] of Object.entries(files)) {
    writeFileSync(join(town.work, name), bytes);
    await openImport();
    await page.setInputFiles('#file', join(town.work, name));
    await page.waitForSelector('.note.bad');
    assert.match(await page.locator('.note.bad').innerText(), words, name);
  }
  const formula = [`=cmd|' /C calc'!A0`, '有效', idNumber('1951-01-02', 77), '是', 'H9', '无', '', '2025-01-05'];
  await openImport();
  await page.setInputFiles('#file', await xlsx('formula.xlsx', [head, formula]));
  await page.click('text=/^检查$/');
  await page.waitForSelector('text=/行没问题/');
  assert.equal(people().length, before);
});

/** What a printer gets of the open page, as text line by line without its spaces, page by page. */
async function printed(name) {
  const file = join(town.work, `${name}.pdf`);
  writeFileSync(file, await page.pdf({ preferCSSPageSize: true }));
  const done = spawnSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  if (process.env.LASTMILE_SHOTS) copyFileSync(file, `${process.env.LASTMILE_SHOTS}/${name}.pdf`);
  const pages = done.stdout.split('\f').map((p) => p.split('\n').map((line) => line.replace(/\s+/g, '')).filter(Boolean));
  return pages.filter((p) => p.length > 0);
}

test('the one-time notice of materials on one sheet of A4: its PDF says just what it should', async () => {
  const matter = town.hub.rows(['records', 'matter']);
  assert.equal(matter.length, 0);
  const materials = [
    { no: 1, name: '居民身份证', form: 'copy', count: 2, may_be_late: false },
    { no: 2, name: '退伍证', form: 'original', count: 1, may_be_late: true },
    { no: 3, name: '银行卡', form: 'copy', count: 1, may_be_late: true },
  ];
  const made = JSON.parse(town.hub.run(['add'], JSON.stringify({ type: 'matter', fields: { name: '优待证申领', version: 1, materials, steps: '村站受理，报镇核对，制证后送到村里。', limit_days: 20, legal_basis_text: '退役军人保障法' } }) + '\n'));
  node.run(['sync']);
  const [who] = node.add([{ type: 'person', fields: { name: '测试告知', id_status: 'valid', id_no: idNumber('1950-02-02', 831), household_village: '999999101201', is_resident: true, household_no: 'H831', difficulty: 'none', notice_at: '2025-01-05' } }]);
  const [item] = node.add([{ type: 'service_item', fields: { matter_id: made.id, person_id: who, notice_given_at: '2025-03-01T01:30:00.000Z', mode: 'tolerant', place: 'village', trip_count: 1, state: 'tolerant', missing_materials: [2, 3], missing_due: '2025-03-20' } }]);
  await page.goto(`${url}#/record/${item}`);
  await page.click('text=打印一次性告知单');
  await page.waitForSelector('.paper td');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/paper.png`, fullPage: true });
  const number = idNumber('1950-02-02', 831);
  assert.deepEqual(await printed('notice'), [
    [
      '一次性告知单',
      '示例村1·告知时间2025-03-0109:30',
      `申请人测试告知身份证号${number.slice(0, 6)}********${number.slice(14)}`,
      '办理事项优待证申领办理方式容缺式村站',
      '办结时限20个工作日政策依据退役军人保障法',
      '一、要带的材料',
      '序号材料名称形式份数说明',
      '1居民身份证复印件2',
      '2退伍证原件1还缺，待补',
      '3银行卡复印件1还缺，待补',
      '还缺：退伍证、银行卡。请在2025-03-20前补齐。',
      '二、办理步骤',
      '村站受理，报镇核对，制证后送到村里。',
      '以上内容已一次告知清楚，请保管好本单。',
      '告知人签名：申请人签名：日期：',
    ],
  ]);
});

test('the gift sheet (签领表): every name once and in order, the heads and the place to sign on every page', async () => {
  node.add(Array.from({ length: 120 }, (_, i) => person({ name: `测试签领${i}`, phone: '13900000000' })));
  await page.goto(`${url}#/print/person`);
  await page.waitForSelector('.sheet tbody tr');
  await page.check('text=加签名栏（签领表）');
  const shown = await page.$$eval('.sheet tbody tr', (trs) => trs.map((tr) => [...tr.cells].map((c) => c.textContent.replace(/\s+/g, ''))));
  const pages = await printed('gifts');
  assert.equal(shown.length, people().length);
  assert.ok(pages.length > 3, String(pages.length));
  const head = await page.$$eval('.one-page:first-child thead th', (ths) => ths.map((th) => th.textContent.replace(/\s+/g, '')).join(''));
  assert.ok(head.startsWith('序号') && head.endsWith('签名备注'), head);
  assert.equal(pages[0][0], '服务对象签领表');
  assert.deepEqual(pages.map((p) => p[p.length - 1]), pages.map((_, i) => `第${i + 1}页，共${pages.length}页`)); // and what the screen shows is what is printed
  assert.equal(await page.locator('.one-page').count(), pages.length);
  for (const [i, p] of pages.entries()) assert.ok(p.some((line) => line === head), `page ${i + 1}: ${p.slice(0, 4).join(' | ')}`);
  const names = pages.flat().filter((line) => /^\d+测试(签领|告知)?\d*[男女]/.test(line));
  const text = pages.flat().join('\n');
  assert.equal(names.length, shown.length);
  let from = 0;
  for (const row of shown) {
    const at = text.indexOf(`\n${row[0]}${row[1]}`, from);
    assert.ok(at >= from, `${row.slice(0, 3).join(' ')} is not printed in its place`);
    from = at + 1;
  }
});

test('a list goes to Excel, to CSV without formulas, and on paper with a column to sign', async () => {
  node.add([{ type: 'consultation', fields: { on: '2025-03-01', channel: 'phone', topic: 'policy', item_count: 1 } }]);
  await page.goto(`${url}#/list/person`);
  await page.click('text=打印、导出');
  await page.waitForSelector('.sheet tbody tr');
  await page.check('text=加签名栏（签领表）');
  const number = people()[0].fields.id_no;
  assert.ok(!(await page.locator('.sheet').innerText()).includes(number)); // covered on paper too
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=存成 Excel')]);
  const rows = await readSheet(new Blob([readFileSync(await download.path())]));
  assert.equal(rows.length, people().length + 1);
  assert.deepEqual(rows[0].slice(-2), ['签名', '备注']);
  const [plain] = await Promise.all([page.waitForEvent('download'), page.click('text=存成 CSV')]);
  const text = readFileSync(await plain.path(), 'utf8');
  assert.ok(text.startsWith('\ufeff序号,'));
  assert.ok(text.split('\r\n').every((line) => line.split(',').every((c) => !/^[=+@]/.test(c))));
  // More columns than a sheet has room for: written smaller, and none beyond its edge; or across.
  for (const choice of await page.locator('.choices input').all()) await choice.check();
  const within = () => page.$$eval('.one-page', (all) => all.every((one) => one.querySelector('table').getBoundingClientRect().right <= one.getBoundingClientRect().right));
  await page.waitForSelector('.paged table.tight.fixed');
  assert.ok(await within());
  await page.check('text=横向纸张');
  await page.waitForSelector('.paged.wide table.fixed');
  assert.ok(await within());
  assert.ok((await printed('wide')).every((p, i, all) => p[p.length - 1] === `第${i + 1}页，共${all.length}页`));
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('.menu').isVisible(), false);
  assert.equal(await page.locator('.card.no-print').isVisible(), false);
  assert.match(await page.locator('.sheet').innerText(), /签领表[^]*测试500/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/print.png`, fullPage: true });
  await page.emulateMedia({ media: 'screen' });
  if (process.env.LASTMILE_SHOTS) {
    await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/export.png`, fullPage: true });
    await openImport();
    await page.setInputFiles('#file', join(town.work, 'people.xlsx'));
    await page.click('text=/^检查$/');
    await page.waitForSelector('text=/行没问题/');
    await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/import.png`, fullPage: true });
  }
});
