// The town's page over the data of 64 real nodes: what the demonstration leaves (LASTMILE_TOWN names its directory; without it the
// demonstration is run here). What a leader, a clerk and the year's summary show is held against `count`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { demonstration, TIMEOUT_MS, Town } from './town.mjs';

let town, url, browser, demo, counts;
const problems = [];
const PASSWORD = 'second-Passw0rd';
const VILLAGES = 64;
const ID_NUMBER = /(?<!\d)\d{17}[\dX](?!\d)/;

before(async () => {
  demo = demonstration();
  town = await Town.of(demo.dir);
  counts = JSON.parse(town.hub.run(['count', '--json']));
  for (const role of ['clerk', 'leader']) town.hub.run(['user', 'add', `${role}1`, '-', '--role', role], 'first-Passw0rd\n');
  url = `http://${(await town.serveHub()).http}/`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await town?.close();
  demo?.end();
  assert.deepEqual(problems, []);
});

async function open(user, viewport = { width: 1280, height: 800 }) {
  const context = await browser.newContext({ viewport, locale: 'zh-CN', acceptDownloads: true });
  context.setDefaultTimeout(TIMEOUT_MS);
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
  await page.fill('#user', user);
  await page.fill('#password', 'first-Passw0rd');
  await page.click('button[type=submit]');
  await page.waitForSelector('#old');
  await page.fill('#old', 'first-Passw0rd');
  await page.fill('#new', PASSWORD);
  await page.fill('#again', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('.menu');
  return page;
}

async function shot(page, name) {
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/whole-town-${name}.png`, fullPage: true });
}

/** id and text of every figure that a selector's links show. */
const figures = (page, selector) => page.$$eval(selector, (all) => all.map((a) => [/figure\/(\w+)/.exec(a.getAttribute('href'))[1], (a.querySelector('.number') ?? a).textContent]));

test("a leader's two minutes: figures of 64 villages are those of `count`, down to masked rows, on one sheet of A4", async () => {
  const page = await open('leader1');
  await page.waitForSelector('.figure');
  await page.goto(`${url}#/?p=all`); // the first sight is this year; the demonstration's figures are those since the beginning
  await page.waitForFunction((display) => [...document.querySelectorAll('.figure .number')].some((e) => e.textContent.startsWith(display)), counts.indicators.I12.display);
  const coverage = await page.textContent('.coverage strong');
  assert.ok(coverage.includes(String(VILLAGES)), coverage);
  assert.equal(await page.locator('.tile').count(), VILLAGES);
  assert.equal(await page.locator('.tile.good').count(), VILLAGES);
  const large = await figures(page, '.figure');
  assert.equal(large.length, 8);
  for (const [id, text] of large) assert.ok(text.startsWith(counts.indicators[id].display), `${id}: ${text}, counted ${counts.indicators[id].display}`);
  await shot(page, 'leader');

  let added = 0;
  for (const id of ['I12', 'I14', 'I17', 'I19', 'I20', 'I25']) {
    await page.goto(`${url}#/figure/${id}?p=all`);
    await page.waitForFunction((of) => location.hash.includes(of) && document.querySelector('ul.bars, table.records'), id);
    if ((await page.locator('[name=by] option[value=village]').count()) === 0) continue;
    await page.waitForSelector('ul.bars');
    if ((await page.inputValue('[name=by]')) !== 'village') await Promise.all([page.waitForResponse((r) => r.url().includes('by=village')), page.selectOption('[name=by]', 'village')]);
    await page.waitForFunction(() => [...document.querySelectorAll('ul.bars .name')].some((e) => e.textContent.includes('村') || e.textContent.includes('镇')));
    const values = await page.$$eval('ul.bars .value', (all) => all.map((e) => Number(e.textContent.replace(/[^\d.-]/g, ''))));
    assert.equal(values.reduce((a, b) => a + b, 0), counts.indicators[id].value, `${id} by village`);
    added++;
  }
  assert.ok(added >= 3, `${added} figures by village`);
  await page.goto(`${url}#/figure/I09?p=all`);
  await page.waitForSelector('table.records tbody tr');
  const rows = await page.innerText('main');
  assert.ok(!ID_NUMBER.test(rows) && !/(?<!\d)1\d{10}(?!\d)/.test(rows), 'a number in full');
  await shot(page, 'leader-rows');

  await page.goto(`${url}#/`);
  await page.waitForSelector('.figure .number');
  const pdf = (await page.pdf({ preferCSSPageSize: true })).toString('latin1');
  assert.equal(pdf.match(/\/Type\s*\/Page[^s]/g).length, 1);
  await page.setViewportSize({ width: 390, height: 844 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than a phone');
  await shot(page, 'leader-phone');
  await page.context().close();
});

test('a clerk finds each of 64 stations and any of its people; the year in four chapters says what was counted', async () => {
  const page = await open('clerk1');
  const people = counts.indicators.I09.value;
  await page.goto(`${url}#/stations`);
  await page.waitForSelector('main table tbody tr');
  const board = await page.innerText('main table');
  const stations = (await (await page.request.get(`${url}api/v1/stations`)).json()).stations.filter((s) => s.level === 'village');
  assert.equal(stations.length, VILLAGES);
  for (const s of stations) assert.ok(board.includes(s.name), s.name);
  await shot(page, 'stations');

  await page.goto(`${url}#/list/person`);
  await page.waitForSelector('table.records tbody tr');
  assert.ok((await page.innerText('main')).includes(String(town.hub.rows(['records', 'person']).length)), `${people} people`);
  const last = stations.at(-1);
  await page.selectOption('[name=station]', last.code);
  await page.waitForFunction((n) => document.querySelector('main').innerText.includes(`${n} `), town.hub.rows(['records', 'person', '--station', last.code]).length);
  await shot(page, 'people');

  await page.goto(`${url}#/summary?year=2025`);
  await page.click('text=做成初稿');
  await page.waitForSelector('.tag.wait:has-text("初稿")');
  const year = JSON.parse(town.hub.run(['count', '--json', '--from', '2025-01-01', '--to', '2025-12-31']));
  const told = await figures(page, '.paper a');
  assert.ok(told.length > 20, `${told.length} figures`);
  const differ = told.filter(([id, text]) => text !== year.indicators[id]?.display);
  assert.deepEqual(differ, []);
  assert.ok((await page.locator('.paper h2').count()) >= 4);
  await shot(page, 'summary');
  await page.context().close();
});
