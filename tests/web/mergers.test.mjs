// Villages merged (撤并), by the administrator: numbers before, the village's own name typed to confirm, and how it shows afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clean, firstLogin, launch, open } from './browser.mjs';
import { person, TIMEOUT_MS, Town } from './town.mjs';

const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
let town, url, browser, page;
const problems = [];

async function looked(name) {
  for (const [width, height] of [[1280, 800], [1024, 768], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await clean(page, `${name} at ${width}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${name} at ${width}: wider than the screen`);
    if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}-${width}.png` });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

before(async () => {
  town = await Town.make(2);
  const [node] = town.nodes;
  const [who] = node.add([person({ name: '张建国', household_no: '12' }), person({ name: '李建军', household_no: '东头第一村民小组第十二户之二十一号' })]);
  node.add([{ type: 'visit', fields: { visit_on: '2025-02-01', occasion: 'spring', occasion_year: 2025, persons: [who], visitors: '书记甲', visitor_level: 'village', gift_kind: ['money'], gift_fen: 50000 } }]);
  node.run(['sync']);
  for (const role of ['admin', 'leader', 'clerk']) town.hub.run(['user', 'add', `${role}1`, '-', '--role', role], `${FIRST}\n`);
  url = `http://${(await town.restartHub()).http}/`;
  browser = await launch();
  page = await open(browser, url, problems, { timeoutMs: TIMEOUT_MS * 2 });
  await firstLogin(page, 'admin1', FIRST, SECOND);
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('a village is merged: what moves is shown first, its name confirms, and it is shown as merged', async () => {
  await page.goto(`${url}#/stations`);
  await page.locator('tr', { hasText: '示例村1' }).locator('button', { hasText: '撤并' }).click();
  const box = page.locator('.dialog');
  await box.locator('select').selectOption({ label: '示例村2' });
  await box.locator('#on').fill(new Date(Date.now() + 8 * 3600000 - 86400000).toISOString().slice(0, 10));
  await box.locator('#reason').fill('民发〔2026〕1号');
  await box.locator('button', { hasText: '先看会转走什么' }).click();
  await box.locator('dt', { hasText: '服务对象' }).waitFor();
  assert.match(await box.innerText(), /服务对象\s*2/);
  assert.match(await box.innerText(), /仍算示例村1的（已经发生的）：1 条/);
  assert.match(await box.innerText(), /户编号前加“201-”.*：1 条/);
  assert.match(await box.innerText(), /1 条的户编号太长[^]*东头第一村民小组第十二户之二十一号/);
  const go = box.locator('button', { hasText: '登记撤并' });
  await box.locator('#typed').fill('示例村2');
  assert.ok(await go.isDisabled());
  await looked('merge-form');
  await box.locator('#typed').fill('示例村1');
  await go.click();
  await page.waitForSelector('.toast.shown:has-text("已登记撤并")');
  const row = page.locator('tr', { hasText: '并入示例村2' });
  await row.waitFor();
  assert.match(await row.innerText(), /已撤并/);
  assert.equal(await row.locator('button', { hasText: /^撤并$/ }).count(), 0);
  assert.deepEqual(town.hub.rows(['records', 'person']).map((r) => [r.village_code, r.fields.household_no]), [[town.code(2), '201-12'], [town.code(2), '东头第一村民小组第十二户之二十一号']]);
  assert.equal(town.hub.rows(['records', 'visit'])[0].village_code, town.code(1));
  await looked('merge-board');
  // Its PC may hold more than it had told: waited for until it is heard of again.
  // The leader sees it on the first page: figures are not the administrator's.
  page = await open(browser, url, problems, { timeoutMs: TIMEOUT_MS * 2 });
  await firstLogin(page, 'leader1', FIRST, SECOND);
  await page.goto(`${url}#/`);
  await page.locator('.tile.wait', { hasText: '示例村1' }).waitFor();
  town.nodes[0].run(['sync']);
  await page.reload();
  await page.locator('.tile.past', { hasText: '示例村1' }).waitFor();
  assert.match(await page.locator('.coverage').innerText(), /0\/1 村已报全/);
  await looked('merge-tiles');
});

test("the merged village's own page says so, whatever page of it is open", async () => {
  const [node] = town.nodes;
  node.run(['user', 'add', '王秘书', '-'], '135792\n');
  const at = await town.serveNode(node);
  await page.goto(at);
  await page.fill('#user', '王秘书');
  await page.fill('#password', '135792');
  await page.click('button[type=submit]');
  const yesterday = new Date(Date.now() + 8 * 3600000 - 86400000).toISOString().slice(0, 10);
  await page.waitForSelector(`.note:has-text("本村已于 ${yesterday} 并入示例村2")`);
  await page.goto(`${at}#/list/visit`);
  await page.waitForSelector('.note:has-text("以后在示例村2登记")');
  await page.goto(at);
  await page.waitForSelector('.cards');
  await looked('merged-village');
  // The other village's page says nothing.
  town.nodes[1].run(['sync']);
  town.nodes[1].run(['user', 'add', '李秘书', '-'], '135792\n');
  await page.goto(await town.serveNode(town.nodes[1]));
  await page.fill('#user', '李秘书');
  await page.fill('#password', '135792');
  await Promise.all([page.waitForResponse((r) => r.ok() && r.url().includes('area_unit')), page.click('button[type=submit]')]);
  await page.waitForSelector('.cards');
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  assert.equal(await page.locator('.note:has-text("并入")').count(), 0);
});

test('nobody waits for the receipt of a village that is none any more', async () => {
  const fields = { title: '两村的安排', body: '请回执。', published_on: '2025-03-01', need_receipt: true, state: 'verified' };
  const [both] = town.hub.add([{ type: 'notice', fields: { ...fields, stations: [town.code(1), town.code(2)] } }]);
  const clerk = await open(browser, url, problems, { timeoutMs: TIMEOUT_MS * 2 });
  await firstLogin(clerk, 'clerk1', FIRST, SECOND);
  await clerk.goto(`${url}#/record/${both}`);
  await clerk.waitForSelector('small:has-text("1 村中 0 村已回执")');
  assert.deepEqual(await clerk.locator('table.receipts tbody th').allInnerTexts(), ['示例村2']);
  // It is offered no more, but may be taken away where it was chosen.
  await clerk.goto(`${url}#/enter/notice`);
  await clerk.waitForSelector('[data-field=stations] label.choice');
  assert.deepEqual(await clerk.locator('[data-field=stations] label.choice').allInnerTexts(), ['示例村2']);
  await clerk.goto(`${url}#/change/${both}`);
  await clerk.waitForSelector('[data-field=stations] label.choice.on');
  assert.equal(await clerk.locator('[data-field=stations] label.choice.on').count(), 2);
  await clerk.context().close();
});
