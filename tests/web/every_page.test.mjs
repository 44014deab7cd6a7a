// Every page of both programs over the demonstration town's data: none is wider than its screen, none has a fault that axe-core knows; and
// every type of the catalogue has a list, a form and a card that open. With LASTMILE_SHOTS=FOLDER a picture of each is left there, of every
// type's pages too, at three sizes; without it the largest is left out, and lists and cards of the types are not given to axe one by one. The addresses are held against the programs' sources: a page that is not here fails the test.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { firstLogin, launch, open } from './browser.mjs';
import { demonstration, TIMEOUT_MS, Town } from './town.mjs';

const SHOTS = process.env.LASTMILE_SHOTS;
const ONE = [[1024, 768]];
const SIZES = [...(SHOTS ? [[1280, 800]] : []), ...ONE, [390, 844]];
const VILLAGE = '999999101201';
const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
const problems = [];
let town, demo, browser;

/** What the switch of a program's frame knows. */
const known = (file) => [...readFileSync(file, 'utf8').matchAll(/^ {4}case '(\w*)':/gm)].map((m) => m[1]);
const pagesOf = (addresses) => new Set(addresses.map((at) => at.split(/[/?]/)[0]));

before(async () => {
  demo = demonstration();
  town = await Town.of(demo.dir, [VILLAGE]);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await town?.close();
  demo?.end();
  assert.deepEqual(problems, []);
});

async function look(page, who, addresses, sizes) {
  await page.evaluate(axe.source);
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    for (const at of addresses) {
      const where = `${who} #/${at} at ${width}`;
      await page.evaluate((hash) => (location.hash = hash), `#/${at}`);
      await page.waitForSelector('main h1, main h2').catch(() => assert.fail(`${where}: no heading`));
      await page.waitForFunction(() => !/正在(读取|打开)/.test(document.querySelector('main').innerText));
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where}: wider than the screen`);
      assert.equal(await page.locator('main > .note.bad, main > p:text-is("没有这个页面")').count(), 0, `${where}: ${await page.innerText('main')}`);
      if (sizes === ONE && !at.startsWith('new/')) continue;
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ').slice(0, 300)}`), [], where);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/every-${who}-${at.replace(/[^\w]+/g, '_').slice(0, 40) || 'home'}-${width}.png`, fullPage: true });
    }
  }
}

/** The first record of a type, or none. */
const first = async (page, url, type) => (await (await page.request.get(`${url}api/v1/types/${type}/records?limit=1`)).json()).records[0]?.id;

test('the village page: every page, every type one by one', async () => {
  const [node] = town.nodes;
  node.run(['user', 'add', '王秘书', '-'], '135792\n');
  const url = await town.serveNode(node);
  const page = await open(browser, url, problems, { timeoutMs: TIMEOUT_MS });
  await page.fill('#user', '王秘书');
  await page.fill('#password', '135792');
  await page.click('button[type=submit]');
  await page.waitForSelector('.cards');
  const { types } = await (await page.request.get(`${url}api/v1/catalog`)).json();
  const [person, item] = [await first(page, url, 'person'), await first(page, url, 'service_item')];
  const card = await (await page.request.get(`${url}api/v1/records/${person}`)).json();
  const pages = ['', 'list/person', 'list/visit', `record/${person}`, `edit/${person}`, 'new/person', 'new/visit', 'new/aid_case', 'batch/visit', 'tally', `household/${card.fields.household_no ?? 'H1'}`, 'pending', 'returned', 'conflicts', 'bin/person', 'usb', 'import/person', 'print/person', `paper/${item}`, 'settings', 'help'];
  assert.deepEqual(known('node/web/src/app.tsx').filter((name) => !pagesOf(pages).has(name)), [], 'pages that this test does not open');
  await look(page, 'village', pages, SIZES);

  const each = [];
  for (const { name } of types.filter((type) => type.kept)) {
    await page.evaluate((hash) => (location.hash = hash), `#/list/${name}`);
    await page.waitForFunction((href) => location.hash === href && document.querySelector('main h1') && !/正在读取/.test(document.querySelector('main').innerText), `#/list/${name}`);
    each.push(`list/${name}`);
    if (await page.locator(`a[href="#/new/${name}"]`).count()) each.push(`new/${name}`);
    const id = await first(page, url, name);
    if (id) each.push(`record/${id}`);
  }
  assert.ok(each.filter((at) => at.startsWith('new/')).length > 15, `few forms are offered: ${each}`);
  await look(page, 'village-type', each, SHOTS ? SIZES : ONE);
  await page.context().close();
});

test('the town page: every page of each role, every type one by one', async () => {
  for (const role of ['clerk', 'leader', 'admin', 'security', 'auditor']) town.hub.run(['user', 'add', `${role}1`, '-', '--role', role], `${FIRST}\n`);
  const url = `http://${(await town.serveHub()).http}/`;
  const roles = {};
  for (const role of ['clerk', 'leader', 'admin', 'security', 'auditor']) {
    roles[role] = await open(browser, url, problems, { timeoutMs: TIMEOUT_MS });
    await firstLogin(roles[role], `${role}1`, FIRST, SECOND);
  }
  const { clerk } = roles;
  const [person, notice] = [await first(clerk, url, 'person'), await first(clerk, url, 'notice')];
  const pages = {
    leader: ['', '?p=all', `village/${VILLAGE}`, 'figure/I12?p=all&by=village', 'figure/I10', 'summary', 'summary?year=2025', 'stations', `record/${person}`, 'password'],
    clerk: ['inbox', 'steps/aid_case?state=reported', 'list/person', `record/${person}`, ...(notice ? [`record/${notice}`] : []), `change/${person}`, 'enter/visit', 'import', 'months?type=visit', 'assessments', 'national', 'transfers', 'quality', 'quality/no_plaque?type=person', 'verify/person', 'verify/change_request', 'review/duplicates', 'review/conflicts', 'review/returned', 'list/report_snapshot', `station/${VILLAGE}`, 'settings'],
    admin: ['stations', `kit/${VILLAGE}`, 'settings'],
    security: ['accounts'],
    auditor: ['audit', 'settings'],
  };
  const opened = pagesOf(Object.values(pages).flat());
  assert.deepEqual(known('hub/web/src/app.tsx').filter((name) => !opened.has(name)), [], 'pages that this test does not open');
  for (const [role, list] of Object.entries(pages)) await look(roles[role], role, list, SIZES);

  const { types } = await (await clerk.request.get(`${url}api/v1/catalog`)).json();
  const each = [];
  for (const { name } of types) {
    each.push(`list/${name}`);
    const id = await first(clerk, url, name);
    if (id) each.push(`record/${id}`);
  }
  await look(clerk, 'clerk-type', each, SHOTS ? SIZES : ONE);
});
