// One table in two villages, and the same table more than once: what each brings is the village's own, what is there is not doubled, what
// may be there is asked about, and what was undone comes again. A register with a title above its heads.
import assert from 'node:assert/strict';
import { copyFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { launch, open } from './browser.mjs';
import { idNumber, Town, waitFor } from './town.mjs';

const { default: writeSheet } = await import(pathToFileURL(join(resolve('common/web/node_modules'), 'write-excel-file', 'universal/index.js')));

let town, browser;
const pages = [];
const problems = [];

const xlsx = async (name, rows) => {
  const path = join(town.work, name);
  writeFileSync(path, Buffer.from(await (await writeSheet([{ sheet: '表', data: rows.map((r) => r.map((value) => ({ value, type: String }))) }]).toBlob()).arrayBuffer()));
  return path;
};
const rowsOf = (village, type) => town.nodes[village].rows(['list', type]);
async function check(page, type, path, says) {
  await page.goto(`${page.home}#/list/${type}`);
  await page.waitForSelector('#file', { state: 'detached' });
  await page.goto(`${page.home}#/import/${type}`);
  await page.waitForSelector('#file', { state: 'attached' });
  await page.setInputFiles('#file', path);
  await page.click('text=/^检查$/');
  await page.waitForSelector(`text=${says}`);
}
async function bring(page, n) {
  await page.click(`text=导入这 ${n} 行`);
  await page.waitForSelector(`text=已导入 ${n} 行`);
}

before(async () => {
  town = await Town.make(2);
  browser = await launch();
  for (const node of town.nodes) {
    node.run(['user', 'add', '王秘书', '-'], '135792\n');
    const url = await town.serveNode(node);
    const page = await open(browser, url, problems);
    page.home = url;
    await page.fill('#user', '王秘书');
    await page.fill('#password', '135792');
    await page.click('button[type=submit]');
    await page.waitForSelector('.cards');
    pages.push(page);
  }
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

const HEAD = ['日期', '类别', '场次', '义务', '地点'];
const lines = (from, n) => Array.from({ length: n }, (_, i) => [`2025-03-0${from + i}`, '义务演出', '1', '是', '广场']);
const table = async (name, rows) => {
  const kinds = await pages[0].evaluate(async () => {
    const catalog = await (await fetch('/api/v1/catalog')).json();
    const type = catalog.types.find((t) => t.name === 'activity');
    return { code: catalog.lists[type.fields.find((f) => f.name === 'kind').codes].find((c) => c.code !== 'performance').zh };
  });
  return xlsx(name, [HEAD, ...rows.map((r) => r.with(1, kinds.code))]);
};

test('one table in two villages: each has its own records, and the town has both', async () => {
  const path = await table('活动.xlsx', lines(1, 4));
  for (const page of pages) {
    await check(page, 'activity', path, '4 行没问题，0 行有问题');
    await bring(page, 4);
  }
  const at = (v) => rowsOf(v, 'activity').map((r) => r.id);
  await waitFor(() => town.hub.rows(['records', 'activity']).length === 8, 'both at the town');
  assert.equal(new Set([...at(0), ...at(1)]).size, 8);
});

test('the same table renamed, touched, with a line more: only what is new comes in', async () => {
  const [page] = pages;
  const copy = join(town.work, '活动 副本.xlsx');
  copyFileSync(join(town.work, '活动.xlsx'), copy);
  utimesSync(copy, 1e9, 1e9);
  await check(page, 'activity', copy, '其中 4 行先前导入过');
  await bring(page, 4);
  assert.equal(rowsOf(0, 'activity').length, 4);
  await check(page, 'activity', await table('更多.xlsx', lines(1, 5)), '其中 4 行先前导入过');
  await bring(page, 5);
  assert.equal(rowsOf(0, 'activity').length, 5);
});

test('what was undone comes again, corrected or not', async () => {
  const [, page] = pages;
  await page.goto(`${page.home}#/list/activity`);
  await page.waitForSelector('#file', { state: 'detached' });
  await page.goto(`${page.home}#/import/activity`);
  await page.locator('li', { hasText: '活动.xlsx' }).locator('button').last().click();
  await page.locator('.dialog button', { hasText: '撤销这次导入' }).click();
  await page.waitForSelector('.toast.shown:has-text("已撤销 4 条")');
  assert.equal(rowsOf(1, 'activity').length, 0);
  await check(page, 'activity', await table('改过.xlsx', lines(1, 5)), '5 行没问题，0 行有问题');
  await bring(page, 5);
  await check(page, 'activity', join(town.work, '改过.xlsx'), '其中 5 行先前导入过');
  assert.equal(rowsOf(1, 'activity').length, 5);
});

test('a register with a title above its heads, in its own words', async () => {
  const [page] = pages;
  const path = await xlsx('花名册.xlsx', [
    ['示例村退役军人花名册', '', '', '', '', '', ''],
    ['姓　名', '证件状态', '身份证号', '人户一致', '户号', '困难程度', '告知日期'],
    ['张　三', '有效', ` ${idNumber('1951-03-05', 779).replace(/^(.{6})(.{8})/, '$1 $2 ')}`, '是', 'H1', '无', '45662'],
  ]);
  await check(page, 'person', path, '1 行没问题，0 行有问题');
  await bring(page, 1);
  const [made] = rowsOf(0, 'person');
  assert.deepEqual([made.fields.name, made.fields.id_no, made.fields.notice_at], ['张三', idNumber('1951-03-05', 779), '2025-01-05']);
  await page.goto(`${page.home}#/list/person`);
  await page.waitForSelector('#file', { state: 'detached' });
  await page.goto(`${page.home}#/import/person`);
  await page.setInputFiles('#file', await xlsx('无名.xlsx', [['甲', '乙'], ['1', '2']]));
  await page.waitForSelector('text=一列也没有对上');
});

test('what may be there already is left out unless it is ticked', async () => {
  const [page] = pages;
  const [occasion, level] = await page.evaluate(async () => {
    const catalog = await (await fetch('/api/v1/catalog')).json();
    const fields = catalog.types.find((t) => t.name === 'visit').fields;
    return ['occasion', 'visitor_level'].map((name) => catalog.lists[fields.find((f) => f.name === name).codes][0].zh);
  });
  const head = ['走访日期', '走访时机', '节点年度', '身份证号', '走访人员', '走访层级'];
  const visit = (day, by) => [day, occasion, '2025', idNumber('1951-03-05', 779), by, level];
  await check(page, 'visit', await xlsx('走访.xlsx', [head, visit('2025-01-05', '王秘书')]), '1 行没问题，0 行有问题');
  await bring(page, 1);
  const path = await xlsx('走访 2.xlsx', [head, visit('2025-01-05', '王秘书、李主任'), visit('2025-01-06', '王秘书')]);
  await check(page, 'visit', path, '1 行没问题，0 行有问题，1 行可能重复');
  assert.match(await page.locator('.preview').innerText(), /请核对是否重复/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/import-doubtful.png`, fullPage: true });
  await bring(page, 1);
  assert.equal(rowsOf(0, 'visit').length, 2);
  await check(page, 'visit', path, '1 行可能重复');
  await page.check('.preview input[type=checkbox]');
  await bring(page, 2);
  assert.equal(rowsOf(0, 'visit').length, 3);
});
