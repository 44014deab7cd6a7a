// A secretary who looks after two villages on one PC, in a real browser: one bookmark, a window for each, which village it is can be seen on
// every page, and nothing of one is the other's, whatever happens to one of them.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { drawn, holdScript, launch } from './browser.mjs';
import { idNumber, TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, url, browser, context, front;
const pages = {}; // by village
const problems = [];
const PASSWORDS = { 1: '135792', 2: '246813' };
const shot = async (page, name) => process.env.LASTMILE_SHOTS && page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/villages-${name}.png`, fullPage: true });

async function open() {
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  return page;
}

/** Through the front page, as she does. */
async function goInto(page, village) {
  await page.goto(url);
  await page.click(`.village-card a:has-text("示例村${village}")`);
  await page.waitForSelector('.village');
}

/** The name and the colour that the page shows at its top, now. */
const shown = (page) =>
  page.evaluate(() => {
    const band = document.querySelector('.village');
    const at = band.getBoundingClientRect();
    return { name: band.querySelector('b').textContent, colour: getComputedStyle(band).backgroundColor, top: at.top, onTop: band.contains(document.elementFromPoint(at.left + 20, at.top + at.height / 2)) };
  });

/** Of the process that serves a village, by its command line. */
function pidOf(village) {
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let argv = [];
    try {
      argv = readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0');
    } catch {
      continue; // it has ended meanwhile
    }
    if (argv.includes('serve') && argv.includes(town.nodes[village - 1].dir)) return Number(id);
  }
  return null;
}

async function isClean(page, what) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(
    violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ').slice(0, 300)}`),
    [],
    what,
  );
}

before(async () => {
  town = await Town.make(2);
  url = await town.serveVillages();
  browser = await launch();
  context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS * 2);
  front = await open();
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('one address shows both villages, and leads into each', async () => {
  await front.goto(url);
  await front.waitForFunction(() => document.querySelectorAll('.village-card a').length === 2);
  assert.match(await front.textContent('.villages'), /示例村1[^]*全部已上报[^]*示例村2[^]*全部已上报/);
  await shot(front, 'front');
  for (const village of [1, 2]) {
    const page = (pages[village] = await open());
    await goInto(page, village);
    await page.waitForSelector('#again'); // the first account of each
    await shot(page, `door-${village}`);
    await page.fill('#user', '王秘书');
    await page.fill('#password', PASSWORDS[village]);
    await page.fill('#again', PASSWORDS[village]);
    await page.click('button[type=submit]');
    await page.waitForSelector('.cards');
    await page.click('.guide button:has-text("以后再说")');
  }
});

test('logging in to one logs nobody in or out at the other', async () => {
  for (const village of [1, 2, 1, 2]) {
    await pages[village].reload();
    await pages[village].waitForSelector('.cards');
  }
  await pages[1].click('text=退出登录');
  await pages[1].waitForSelector('#user');
  await pages[2].reload();
  await pages[2].waitForSelector('.cards');
  await pages[1].fill('#user', '王秘书');
  await pages[1].fill('#password', PASSWORDS[2]); // the other's password is none here
  await pages[1].click('button[type=submit]');
  await pages[1].waitForSelector('.note.bad');
  await pages[1].fill('#password', PASSWORDS[1]);
  await pages[1].click('button[type=submit]');
  await pages[1].waitForSelector('.cards');
  await pages[2].click('text=锁屏');
  await pages[2].waitForSelector('#unlock');
  await pages[1].reload();
  await pages[1].waitForSelector('.cards');
  assert.equal((await shown(pages[2])).onTop, true); // whose lock it is
  await shot(pages[2], 'locked');
  await pages[2].fill('#unlock', PASSWORDS[2]);
  await pages[2].click('[role=dialog] button[type=submit]');
  await pages[2].waitForSelector('#unlock', { state: 'detached' });
});

test('which village it is can be seen on every page, wherever it is scrolled to', async () => {
  const seen = {};
  for (const village of [1, 2]) {
    const page = pages[village];
    for (const at of ['', 'list/person', 'new/person', 'settings', 'usb', 'help', 'print/person']) {
      await page.goto(`${new URL(page.url()).origin}/#/${at}`);
      await page.waitForSelector('main h1');
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
      const now = await shown(page);
      seen[village] ??= now.colour;
      assert.deepEqual(now, { name: `示例村${village}`, colour: seen[village], top: 0, onTop: true }, at);
    }
    assert.equal(await page.title(), `示例村${village} · 退役军人服务台账`);
    const icon = decodeURIComponent(await page.getAttribute('link[rel=icon]', 'href'));
    assert.ok(icon.includes(seen[village]) && icon.includes('>示<'), icon);
  }
  assert.notEqual(seen[1], seen[2]);
});

test('whose page it is is there before the script of the page, which changes nothing of it', async () => {
  const page = pages[1];
  await page.goto(page.url().replace(/#.*/, '#/'));
  const release = await holdScript(page);
  await page.reload({ waitUntil: 'commit' });
  await page.waitForSelector('#search');
  const early = await drawn(page, ['.village', 'header.top']);
  assert.match(early[0], /示例村1/);
  await page.evaluate(() => (window.box = document.querySelector('#search')));
  await release('.cards');
  assert.equal(await page.evaluate(() => window.box === document.querySelector('#search') && document.activeElement === window.box), true);
  assert.deepEqual(await drawn(page, ['.village', 'header.top']), early);
});

test('who is entered in one is not in the other', async () => {
  const page = pages[1];
  await page.goto(`${new URL(page.url()).origin}/#/new/person`);
  await page.fill('#f-name', '测试只在一村');
  await page.locator('[data-field="id_status"] label.choice', { hasText: /^有效$/ }).click();
  await page.fill('#f-id_no', idNumber('1950-01-02', 101));
  await page.waitForFunction(() => document.querySelector('#f-birth_on')?.value !== '');
  await page.locator('[data-field="is_resident"] label.choice', { hasText: /^是$/ }).click();
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  await shot(page, 'record');
  const other = pages[2];
  await other.goto(`${new URL(other.url()).origin}/#/`);
  await other.fill('#search', '只在一村');
  await other.waitForFunction(() => document.querySelector('.search')?.textContent?.includes('没有找到'));
  assert.deepEqual([0, 1].map((i) => town.nodes[i].rows(['list', 'person']).length), [1, 0]);
  await waitFor(() => town.hub.rows(['records', 'person']).length === 1, 'the person at the hub');
  assert.equal(town.hub.rows(['records', 'person'])[0].village_code, town.code(1));
});

test('how she likes it is the same everywhere', async () => {
  await pages[1].goto(`${new URL(pages[1].url()).origin}/#/settings`);
  await pages[1].click('label.choice:has-text("特大")');
  for (const page of [pages[2], front]) {
    await page.reload();
    await page.waitForSelector('h1');
    assert.equal(await page.evaluate(() => document.documentElement.style.fontSize), '24px');
  }
  await shot(front, 'front-huge');
  await pages[1].click('label.choice:has-text("标准")');
});

test('the front says what waits and what came back', async () => {
  await town.hub.stop();
  town.nodes[1].add([{ type: 'consultation', fields: { on: '2025-03-01', channel: 'phone', topic: 'policy', item_count: 5 } }]);
  await front.reload();
  await front.waitForSelector('.village-card:has-text("示例村2"):has-text("1 条待上报")');
  await front.waitForSelector('.village-card:has-text("示例村1"):has-text("全部已上报")');
  await shot(front, 'front-offline');
  await town.serveHub();
  const [row] = town.nodes[1].rows(['list', 'consultation']);
  town.nodes[1].run(['sync']);
  town.hub.run(['send-back', row.id, '--note', '请核对件数']);
  await front.waitForSelector('.village-card:has-text("示例村2") .alarm:has-text("1 条被退回")');
  assert.equal(await front.locator('.village-card:has-text("示例村1") .alarm').count(), 0);
});

test('one is killed and cannot start: the other works on, the front says so and why, and it comes back by itself', async () => {
  const { dir } = town.nodes[0];
  const pid = pidOf(1);
  const aside = join(town.work, 'aside');
  mkdirSync(aside);
  process.kill(pid, 'SIGSTOP');
  const files = ['node.db', 'node.db-wal', 'node.db-shm'].filter((name) => readdirSync(dir).includes(name));
  for (const name of files) renameSync(join(dir, name), join(aside, name));
  writeFileSync(join(dir, 'node.db'), 'noise'.repeat(4000));
  process.kill(pid, 'SIGKILL');
  await front.waitForSelector('.village-card.off:has-text("示例村1"):has-text("没有运行")');
  await front.waitForSelector('.village-card.off:has-text("数据库文件已损坏")');
  assert.equal(await front.locator('.village-card.off a').count(), 0); // there is nothing to go into
  await isClean(front, 'one is down');
  await shot(front, 'front-down');
  const other = pages[2];
  await other.reload();
  await other.waitForSelector('.cards');
  await other.goto(`${new URL(other.url()).origin}/#/new/consultation`);
  await other.fill('#f-item_count', '7');
  await other.locator('[data-field="channel"] label.choice', { hasText: /^电话$/ }).click();
  await other.locator('#f-topic').selectOption({ index: 1 });
  await other.click('button[type=submit]');
  await other.waitForSelector('.values');
  await pages[1].waitForSelector('.note.bad:has-text("本机程序没有运行")');
  for (const name of files) renameSync(join(aside, name), join(dir, name));
  await front.waitForSelector('.village-card a:has-text("示例村1")', { timeout: TIMEOUT_MS * 6 });
  await goInto(pages[1], 1);
  await pages[1].fill('#user', '王秘书'); // sessions are in memory
  await pages[1].fill('#password', PASSWORDS[1]);
  await pages[1].click('button[type=submit]');
  await pages[1].waitForSelector('.cards');
  await pages[1].fill('#search', '只在一村');
  await pages[1].waitForSelector('.hits li');
});

test('free of what axe-core finds, at three sizes; by keyboard from one village to the other', async () => {
  for (const [width, height] of [
    [1024, 768],
    [1440, 900],
    [390, 844],
  ]) {
    for (const page of [front, pages[1], pages[2]]) await page.setViewportSize({ width, height });
    await front.waitForFunction(() => document.querySelectorAll('.village-card a').length === 2);
    await isClean(front, `front at ${width}`);
    await shot(front, `front-${width}`);
    for (const at of ['', 'new/person', 'list/person']) {
      await pages[1].goto(`${new URL(pages[1].url()).origin}/#/${at}`);
      await pages[1].waitForSelector('main h1');
      await isClean(pages[1], `${at} at ${width}`);
      await shot(pages[1], `${width}-${at.replace('/', '_') || 'home'}`);
    }
  }
  await pages[1].setViewportSize({ width: 1024, height: 768 });
  await pages[1].goto(`${new URL(pages[1].url()).origin}/#/`);
  await pages[1].waitForSelector('.cards');
  await pages[1].focus('.village a');
  await pages[1].keyboard.press('Enter');
  await pages[1].waitForSelector('.village-card a');
  await pages[1].keyboard.press('Tab'); // the language
  await pages[1].keyboard.press('Tab'); // the first village
  await pages[1].keyboard.press('Tab');
  await pages[1].keyboard.press('Enter');
  await pages[1].waitForSelector('.cards');
  assert.equal((await shown(pages[1])).name, '示例村2');
});

test('a PC with one village sees no list: straight into it, without a band', async () => {
  renameSync(town.nodes[1].dir, join(town.work, 'gone'));
  await front.waitForURL((at) => at.port !== String(town.pc.port), { timeout: TIMEOUT_MS * 3 });
  await front.goto(url);
  await front.waitForURL((at) => at.port !== String(town.pc.port));
  await front.waitForSelector('.cards'); // her session there
  await waitFor(() => front.evaluate(async () => (await (await fetch('/api/v1/session')).json()).front === null), 'the door to be closed');
  await front.reload();
  await front.waitForSelector('.cards');
  assert.equal(await front.locator('.village').count(), 0);
  assert.match(await front.textContent('header'), /示例村1/);
});
