// Villages merged (撤并), by the administrator: numbers before, the village's own name typed to confirm, and how it shows afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { person, TIMEOUT_MS, Town } from './town.mjs';

const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
let town, url, browser, page;
const problems = [];

async function looked(name) {
  for (const [width, height] of [[1280, 800], [1024, 768], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes[0].html}`), [], `${name} at ${width}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${name} at ${width}: wider than the screen`);
    if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}-${width}.png` });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

before(async () => {
  town = await Town.make(2);
  const [node] = town.nodes;
  const [who] = node.add([person({ name: '张建国', household_no: '12' })]);
  node.add([{ type: 'visit', fields: { visit_on: '2025-02-01', occasion: 'spring', occasion_year: 2025, persons: [who], visitors: '书记甲', visitor_level: 'village', gift_kind: ['money'], gift_fen: 50000 } }]);
  node.run(['sync']);
  town.hub.run(['user', 'add', 'admin1', '-', '--role', 'admin'], `${FIRST}\n`);
  url = `http://${(await town.restartHub()).http}/`;
  browser = await chromium.launch({ executablePath: process.env.LASTMILE_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS * 2);
  page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
  await page.fill('#user', 'admin1');
  await page.fill('#password', FIRST);
  await page.click('button[type=submit]');
  await page.waitForSelector('#old');
  await page.fill('#old', FIRST);
  await page.fill('#new', SECOND);
  await page.fill('#again', SECOND);
  await page.click('button[type=submit]');
  await page.waitForSelector('.menu');
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
  assert.match(await box.innerText(), /服务对象\s*1/);
  assert.match(await box.innerText(), /仍算示例村1的（已经发生的）：1 条/);
  assert.match(await box.innerText(), /户编号前加“201-”.*：1 条/);
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
  assert.equal(town.hub.rows(['records', 'person'])[0].village_code, town.code(2));
  assert.equal(town.hub.rows(['records', 'visit'])[0].village_code, town.code(1));
  await looked('merge-board');
  // Its PC may hold more than it had told: waited for until it is heard of again.
  await page.goto(`${url}#/`);
  await page.locator('.tile.wait', { hasText: '示例村1' }).waitFor();
  town.nodes[0].run(['sync']);
  await page.reload();
  await page.locator('.tile.past', { hasText: '示例村1' }).waitFor();
  assert.match(await page.locator('.coverage').innerText(), /0\/1 村已报全/);
  await looked('merge-tiles');
});
