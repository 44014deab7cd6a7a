// What the town's staff see to besides the villages' records: opening balances from a table, entered by one and verified by another;
// settings, which others may only read; a card past its last day.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

const load = (name) => import(pathToFileURL(join(resolve('common/web/node_modules'), name, 'universal/index.js')));
const { default: writeSheet } = await load('write-excel-file');
const { readSheet } = await load('read-excel-file');
const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
let town, url, browser, clerk;
const problems = [];

async function looked(page, name) {
  for (const [width, height] of [[1280, 800], [1024, 768], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes[0].html}`), [], `${name} at ${width}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${name} at ${width}: wider than the screen`);
    if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}-${width}.png`, fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** Somebody who logs in for the first time. */
async function open(user) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'zh-CN', acceptDownloads: true });
  context.setDefaultTimeout(TIMEOUT_MS * 2);
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
  await page.fill('#user', user);
  await page.fill('#password', FIRST);
  await page.click('button[type=submit]');
  await page.waitForSelector('#old');
  await page.fill('#old', FIRST);
  await page.fill('#new', SECOND);
  await page.fill('#again', SECOND);
  await page.click('button[type=submit]');
  await page.waitForSelector('.menu');
  return page;
}

before(async () => {
  town = await Town.make(2);
  for (const [name, role] of [['clerk1', 'clerk'], ['clerk2', 'clerk'], ['auditor1', 'auditor'], ['leader1', 'leader'], ['admin1', 'admin']]) town.hub.run(['user', 'add', name, '-', '--role', role], `${FIRST}\n`);
  url = `http://${(await town.restartHub()).http}/`;
  browser = await chromium.launch({ executablePath: process.env.LASTMILE_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  clerk = await open('clerk1');
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('opening balances: the template filled in, bad rows back with their reason, the rest verified by another at once', async () => {
  await clerk.goto(`${url}#/list/opening_balance`);
  await clerk.click('a:has-text("从表格导入")');
  const [template] = await Promise.all([clerk.waitForEvent('download'), clerk.click('button:has-text("下载模板")')]);
  const [head] = await readSheet(new Blob([readFileSync(await template.path())]));
  assert.deepEqual(head, ['*指标', '*区划', '*截止日', '*数值', '*约数']);
  const rows = [
    head,
    ['走访人次', '示例镇', '2024-12-31', '300', '是'],
    ['解答咨询条数', '示例村1', '2024/12/31', '1,500', '否'],
    ['I12', '示例镇', '2024-12-31', '301', '否'], // the same as line 2
    ['镇级接待人次', '不存在村', '2024-12-31', '3', '否'],
    ['镇级接待人次', '999999109999', '2024-12-31', '3', '否'],
    ['义务演出场次', '示例村2', '2099-12-31', '3', '否'],
    ['荣誉数', '示例村2', '2024-12-31', '-3', '否'],
  ].map((r) => r.map((value) => ({ value, type: String })));
  const file = join(town.work, '期初.xlsx');
  writeFileSync(file, Buffer.from(await (await writeSheet([{ sheet: '表', data: rows }]).toBlob()).arrayBuffer()));
  await clerk.setInputFiles('#file', file);
  await clerk.click('text=/^检查$/');
  await clerk.waitForSelector('text=2 行没问题，5 行有问题');
  await looked(clerk, 'openings-preview');
  const [back] = await Promise.all([clerk.waitForEvent('download'), clerk.click('text=下载有问题的 5 行')]);
  const bad = await readSheet(new Blob([readFileSync(await back.path())]));
  assert.deepEqual([bad.length, bad[0].at(-1)], [6, '错误原因']);
  assert.match(bad.map((r) => r.at(-1)).join('\n'), /和第 2 行相同.*\n.*不存在村.*\n.*999999109999.*\n.*截止日.*\n.*数值/);
  assert.equal(town.hub.rows(['records', 'opening_balance']).length, 0);
  await clerk.click('text=导入这 2 行');
  await clerk.waitForSelector('text=已导入 2 行，等另一人核定。');
  await looked(clerk, 'openings-imported');

  // They count at once, and who reads the figures is told so.
  await clerk.goto(`${url}#/figure/I12?p=all`);
  await clerk.waitForSelector('text=含未经另一人核定的期初数：走访人次 300人次');
  await clerk.click('.bars button:has-text("期初")');
  await clerk.waitForSelector('table.records tbody tr:has-text("300")');
  await looked(clerk, 'openings-figure');
  await clerk.goto(`${url}#/import/opening_balance`);

  // Not by who imported them.
  await clerk.click('a:has-text("待核定的期初数")');
  await clerk.click('.choice:has-text("全选")');
  await clerk.click('button:has-text("核定所选 2 条")');
  await clerk.waitForSelector('text=录入的人不能自己核定');
  await looked(clerk, 'openings-own');
  const other = await open('clerk2');
  await other.goto(`${url}#/inbox`);
  await other.click('a:has-text("期初数")');
  await other.click('.choice:has-text("全选")');
  await looked(other, 'openings-verify');
  await other.click('button:has-text("核定所选 2 条")');
  await other.waitForSelector('.toast.shown:has-text("2")');
  assert.deepEqual(town.hub.rows(['records', 'opening_balance']).map((r) => r.state), ['verified', 'verified']);
  await other.context().close();
});

test('settings: what each changes, bounds in words, who changed it last, back to the default; an auditor only reads', async () => {
  await clerk.click('.menu a:has-text("设置")');
  const card = clerk.locator('form.card', { hasText: '月报几号（含）前算按时' });
  await card.locator('text=现在：5 日（原值）').waitFor();
  await card.locator('#report_days').fill('40');
  await card.locator('button[type=submit]').click();
  await card.locator('text=应为 1 到 28 的整数').waitFor();
  await card.locator('#report_days').fill('9');
  await card.locator('button[type=submit]').click();
  await card.locator('text=现在：9 日').waitFor();
  await card.locator('text=/最近一次改动：clerk1，今天/').waitFor();
  const file = clerk.locator('form.card', { hasText: '档案完整率看哪些项' });
  await file.locator('label', { hasText: '照片' }).click();
  await file.locator('button[type=submit]').click();
  await file.locator('text=/最近一次改动/').waitFor();
  assert.doesNotMatch(await file.locator('b').innerText(), /照片/);
  await looked(clerk, 'settings');
  clerk.once('dialog', (d) => d.accept());
  await card.locator('button:has-text("恢复原值")').click();
  await card.locator('text=现在：5 日（原值）').waitFor();
  const auditor = await open('auditor1');
  await auditor.click('.menu a:has-text("设置")');
  await auditor.waitForSelector('text=这里只能看');
  assert.equal(await auditor.locator('main input, main button').count(), 0);
  await looked(auditor, 'settings-read');
  await auditor.goto(`${url}#/audit`);
  await auditor.waitForSelector('td:has-text("改设置")');
  await auditor.context().close();
});

test('a locked period: a leader, who did not lock it, opens it with a reason on the settings page', async () => {
  const [lock] = town.hub.add([{ type: 'period_lock', fields: { from_on: '2025-01-01', to_on: '2025-03-31', locked_on: '2025-04-10', reason: '一季度已上报', state: 'verified' } }]);
  await clerk.goto(`${url}#/`);
  await clerk.goto(`${url}#/settings`);
  const shown = clerk.locator('section.card', { hasText: '锁定的报告期' });
  await shown.locator('text=2025-01-01 至 2025-03-31').waitFor();
  assert.equal(await shown.locator('button').count(), 0);
  const leader = await open('leader1');
  await leader.click('.menu a:has-text("设置")');
  const card = leader.locator('section.card', { hasText: '锁定的报告期' });
  await card.locator('button:has-text("解锁")').click();
  await leader.fill('#ask', '三月漏了两次走访');
  await looked(leader, 'lock-open');
  await leader.click('.dialog button[type=submit]');
  await leader.waitForSelector('.toast.shown:has-text("已解锁")');
  assert.equal(town.hub.rows(['records', 'period_lock']).find((r) => r.id === lock).state, 'returned');
  await leader.context().close();
});

test('a card past its last day: found by data quality, and said on the person\'s page in the village', async () => {
  const node = town.nodes[0];
  const [id] = node.add([person({ name: '张建国' })]);
  node.run(['sync']);
  const issued = { kind: 'vet', state: 'issued', issued_on: '2020-06-01', stage_dates: [{ stage: 'issued', on: '2020-06-01' }], valid_to: '2025-05-31', person_id: id };
  town.hub.add([{ type: 'pref_card', station: town.code(1), fields: issued }]);
  await clerk.goto(`${url}#/quality`);
  await clerk.click('a:has-text("优待证过了有效期")');
  await clerk.waitForSelector('.records th:has-text("有效期至")');
  assert.match(await clerk.locator('.records tbody').innerText(), /张建国.*2025-05-31/s);
  await looked(clerk, 'card-expired');
  node.run(['sync']);
  node.run(['user', 'add', '王秘书', '-'], '135792\n');
  const village = await town.serveNode(node);
  const page = await (await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' })).newPage();
  await page.goto(village);
  await page.fill('#user', '王秘书');
  await page.fill('#password', '135792');
  await page.click('button[type=submit]');
  await page.waitForSelector('.cards');
  await page.goto(`${village}#/record/${id}`);
  await page.waitForSelector('text=优待证有效期至 2025-05-31，已过期');
  await looked(page, 'village-card-expired');
  await page.context().close();
});

test('the administrator backs up from the page: without a folder it says what is missing, with one it is made, checked, logged and can be restored', async () => {
  const admin = await open('admin1');
  await admin.waitForSelector('.note:has-text("还没有备份过") a:has-text("现在备份")'); // on every page, with the way there
  await admin.goto(`${url}#/settings`);
  const card = admin.locator('#backups');
  await card.locator('text=还没有指定备份放在哪里').waitFor();
  assert.ok(await card.locator('button', { hasText: '现在备份' }).isDisabled());
  town.backups = join(town.work, '备份盘');
  mkdirSync(town.backups);
  await town.restartHub();
  await admin.reload();
  await admin.fill('#user', 'admin1');
  await admin.fill('#password', SECOND);
  await admin.click('button[type=submit]');
  await card.locator('code', { hasText: town.backups }).waitFor();
  await card.locator('text=/还没有备份过/').waitFor();
  await card.locator('button', { hasText: '现在备份' }).focus();
  await admin.keyboard.press('Enter');
  await card.locator('.note:has-text("备份做好了，已核对无误")').waitFor();
  const [file, ...others] = readdirSync(town.backups);
  assert.deepEqual(others, []);
  assert.match(await card.innerText(), new RegExp(`上次备份：.*admin1 做的.*已逐条核对[^]*${file}[^]*MB`));
  await admin.waitForSelector('.note:has-text("还没有备份过")', { state: 'detached' });
  await looked(admin, 'backups');
  // A folder that went away with its disk: said in words, and the next one is made when it is there again.
  rmSync(town.backups, { recursive: true });
  await card.locator('button', { hasText: '现在备份' }).click();
  await card.locator('.note.bad:has-text("备份文件夹打不开")').waitFor();
  mkdirSync(town.backups);
  await card.locator('button', { hasText: '现在备份' }).click();
  await card.locator('.note:has-text("备份做好了")').waitFor();
  const whole = () => readdirSync(town.backups).filter((name) => name.endsWith('.db'));
  await waitFor(() => whole().length === 1 && readdirSync(town.backups).length === 1, 'the second file');
  town.hub.run(['restore', join(town.backups, whole()[0])]);
  await admin.reload();
  await card.locator('p b').first().waitFor(); // what was restored is a backup of what is there now
  assert.equal(await card.locator('text=/还没有备份过/').count(), 0);
  const clerkSees = await clerk.request.post(`${url}api/v1/backups`, { data: {} });
  assert.ok([401, 403].includes(clerkSees.status()));
  await admin.context().close();
});
