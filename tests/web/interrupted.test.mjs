// Interruptions while a form is open: nobody sits there any more, the program is started anew, and the power goes in the midst of a save, again
// and again. What was typed is there afterwards, and a save is a whole one or none.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { TIMEOUT_MS, Town, waitFor } from './town.mjs';

const ROUNDS = Number(process.env.LASTMILE_KILL_SAVES ?? 8);
const IDLE_S = 8 * Number(process.env.LASTMILE_SLOW ?? 1);
const SEED = Number(process.env.LASTMILE_SEED ?? 1);

let town, node, url, browser, page;
const problems = [];
const saved = () => node.rows(['list', 'consultation']).map((r) => r.fields.item_count);
const choose = (name, text) => page.locator(`[data-field="${name}"] label.choice`, { hasText: new RegExp(`^${text}$`) }).click();

async function login() {
  await page.goto(url);
  await page.reload(); // the page of before may still stand there
  await page.waitForSelector('#user, .cards');
  if (await page.locator('.cards').count()) return;
  await page.fill('#user', '王秘书');
  await page.fill('#password', '135792');
  await page.click('button[type=submit]');
  await page.waitForSelector('.cards');
}

async function unlock() {
  await page.fill('#unlock', '135792');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('#unlock', { state: 'detached' });
}

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  node.run(['user', 'add', '王秘书', '-', '--role', 'admin'], '135792\n');
  node.run(['user', 'add', '李录入', '-', '--role', 'secretary'], '246813\n');
  url = await town.serveNode(node, ['--idle', String(IDLE_S)]);
  browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS);
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

const draft = async () => (await (await page.request.get(`${url}api/v1/drafts/new-consultation`)).json()).body?.fields;

test('what is typed is on the disk while she goes on typing, and when she leaves at once', async () => {
  await page.goto(`${url}#/new/consultation`);
  await page.waitForSelector('#f-item_count');
  let seen; // she never pauses: each value is younger than a pause would be
  for (let n = 1; n < 200 && !seen; n++) {
    await page.fill('#f-item_count', String(1 + (n % 90)));
    if (n % 10 === 0) seen = (await draft())?.item_count;
    await page.waitForTimeout(100);
  }
  assert.ok(seen > 0, String(seen));
  await page.fill('#f-item_count', '91');
  await page.evaluate(() => (location.hash = '#/'));
  await page.waitForSelector('.cards');
  await waitFor(async () => (await draft())?.item_count === 91, 'the last value on disk');
  await page.goto(`${url}#/new/consultation`);
  await page.waitForFunction(() => document.querySelector('#f-item_count')?.value === '91');
  await page.fill('#f-item_count', '92');
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#f-item_count')?.value === '92');
});

test('while somebody types nothing locks; when nobody does, the screen is covered by itself and the form kept', async () => {
  await page.goto(`${url}#/new/consultation`);
  await page.waitForSelector('#f-item_count');
  let began = Date.now();
  for (let n = 1, last = began, stalls = 0; Date.now() - began < IDLE_S * 1500; n++, last = Date.now()) {
    await page.waitForTimeout(300); // a person's pace
    if (Date.now() - last > IDLE_S * 250 && stalls++ < 5) {
      began = Date.now(); // this machine stood still, so nobody typed: from the start
      if (await page.locator('#unlock').count()) await unlock();
    }
    assert.equal(await page.locator('#unlock').count(), 0);
    await page.fill('#f-item_count', String(n % 90));
  }
  await page.fill('#f-item_count', '37');
  await page.waitForSelector('#unlock'); // nobody asked for anything
  const covered = await page.evaluate(() => {
    const box = document.querySelector('#f-item_count').getBoundingClientRect();
    return !!document.elementFromPoint(box.x + 5, box.y + 5)?.closest('.curtain');
  });
  assert.ok(covered);
  const answer = await page.request.get(`${url}api/v1/types/person/records`);
  assert.equal(answer.status(), 423); // the program keeps the door, not the page alone
  await unlock();
  assert.equal(await page.inputValue('#f-item_count'), '37');
  await choose('channel', '电话');
  await page.locator('#f-topic').selectOption({ index: 1 });
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  assert.deepEqual(saved(), [37]);
});

/** Types, and goes within less than a pause. */
async function typeAndGo(count, button) {
  await page.goto(`${url}#/`);
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/new/consultation`);
  await page.waitForSelector('#f-item_count');
  await page.waitForFunction(() => document.querySelector('.sticky'));
  await page.fill('#f-item_count', String(count));
  await page.click(`header button:has-text("${button}")`);
}

test('who logs out, or locks and comes back to another page, finds what she typed last', async () => {
  await typeAndGo(71, '退出登录');
  await page.waitForSelector('#user');
  await login();
  await waitFor(async () => (await draft())?.item_count === 71, 'what was typed before logging out', TIMEOUT_MS / 4);
  await typeAndGo(72, '锁屏');
  await page.waitForSelector('#unlock');
  await page.reload();
  await unlock();
  assert.equal((await draft())?.item_count, 72);
});

test('a draft that could not be written while the screen was locked is written when it opens', async () => {
  await page.goto(`${url}#/`);
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/new/consultation`);
  await page.waitForFunction(() => document.querySelector('#f-item_count')?.value === '72');
  await page.request.post(`${url}api/v1/session/lock`, { data: {} }); // in another tab
  await page.fill('#f-item_count', '73');
  await page.waitForSelector('#unlock');
  await unlock();
  await waitFor(async () => (await draft())?.item_count === 73, 'the draft of before the lock', TIMEOUT_MS / 4);
  assert.equal(await page.inputValue('#f-item_count'), '73');
});

test('a page that was opened while the screen was locked is there after the password', async () => {
  await page.goto(`${url}#/`);
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/list/consultation`);
  await page.waitForSelector('.filters');
  await page.click('header button:has-text("锁屏")');
  await page.waitForSelector('#unlock');
  await page.reload();
  await unlock();
  await page.waitForSelector('.filters');
  assert.equal(await page.locator('.note.bad').count(), 0);
  // Another tab, whose list was asked for after this one had locked.
  await page.goto(`${url}#/`);
  await page.waitForSelector('.cards');
  await page.request.post(`${url}api/v1/session/lock`, { data: {} });
  await page.goto(`${url}#/new/consultation`);
  await unlock();
  await page.waitForFunction(() => document.querySelector('#f-item_count')?.value === '73'); // and her draft
  await page.goto(`${url}#/list/person`);
  await page.waitForSelector('.filters');
  await page.request.post(`${url}api/v1/session/lock`, { data: {} });
  await page.goto(`${url}#/list/consultation`);
  await unlock();
  await page.waitForFunction(() => document.querySelector('table.records, main > p.quiet') && !document.querySelector('.note.bad'));
});

/** Typed into an open form before and while the program is down; then it is there again. */
async function typeThroughOutage(box, place) {
  const kept = page.waitForResponse((r) => r.url().endsWith(`drafts/${place}`) && r.request().method() === 'PUT' && r.status() === 204);
  await page.fill(box, '停机之前');
  await kept;
  await page.waitForSelector('.sticky:has-text("草稿已存好")');
  await node.kill();
  await page.fill(box, '停机之中打的字');
  await page.waitForSelector('.sticky:has-text("还没有存下")');
  assert.equal(await page.locator('.sticky:has-text("草稿已存好")').count(), 0);
  await town.serveNode(node);
  await page.waitForSelector('#unlock'); // over the form, when the draft is sent again
  assert.equal(await page.inputValue(box), '停机之中打的字');
  return async () => (await (await page.request.get(`${url}api/v1/drafts/${place}`)).json()).body?.fields;
}

for (const [type, name] of [['activity', 'place_text'], ['aid_case', 'reason']])
  test(`what is typed into ${type} while the program is down is there when it is up again, on the screen and on the disk`, async () => {
    await login();
    await page.goto(`${url}#/new/${type}`);
    await page.waitForSelector('main form [data-field]');
    if (!(await page.locator(`#f-${name}`).count())) await page.click('button.fold');
    const disk = await typeThroughOutage(`#f-${name}`, `new-${type}`);
    await page.fill('#unlock', '000000');
    await page.click('[role=dialog] button[type=submit]');
    await page.waitForSelector('[role=dialog] .note.bad');
    await unlock();
    assert.equal(await page.inputValue(`#f-${name}`), '停机之中打的字');
    await waitFor(async () => (await disk())?.[name] === '停机之中打的字', 'the draft');
    await page.waitForSelector('.sticky:has-text("草稿已存好")');
    await page.fill(`#f-${name}`, '后来又打的字');
    await waitFor(async () => (await disk())?.[name] === '后来又打的字', 'the next draft');
  });

test('who logs in after an outage instead of her neither sees nor keeps what she had typed', async () => {
  await page.goto(`${url}#/`);
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/new/aid_case`);
  await page.waitForFunction(() => document.querySelector('#f-reason')?.value === '后来又打的字');
  await typeThroughOutage('#f-reason', 'new-aid_case');
  const sent = [];
  page.on('request', (r) => r.method() === 'PUT' && sent.push(r.url()));
  await page.click('[role=dialog] button:has-text("换人登录")');
  await page.fill('#user', '李录入');
  await page.fill('#password', '246813');
  const asked = page.waitForResponse((r) => r.url().endsWith('drafts/new-aid_case'));
  await page.click('button[type=submit]');
  await asked;
  await page.waitForSelector('#f-reason');
  assert.equal(await page.inputValue('#f-reason'), '');
  assert.deepEqual((await (await page.request.get(`${url}api/v1/drafts`)).json()).drafts, []);
  assert.deepEqual(sent, []);
  await page.click('header button:has-text("退出登录")');
  await page.waitForSelector('#user');
  await login();
});

test(`kill -9 in the midst of one form's save, ${ROUNDS} times: saved once, or still in the form`, async () => {
  await node.kill();
  await town.serveNode(node);
  let state = SEED;
  const moment = () => ((state = (state * 1103515245 + 12345) % 2147483648), state / 2147483648) * 250; // the click, the check, the save and its answer take about so long
  const outcomes = { saved: 0, kept: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const n = 100 + round;
    await login();
    await page.goto(`${url}#/new/consultation`);
    await page.waitForSelector('#f-item_count');
    await page.fill('#f-item_count', String(n));
    await choose('channel', '电话');
    await page.locator('#f-topic').selectOption({ index: 1 });
    await waitFor(async () => (await (await page.request.get(`${url}api/v1/drafts/new-consultation`)).json()).body?.fields?.topic !== undefined, 'the draft on disk');
    const clicked = page.click('button[type=submit]');
    await new Promise((go) => setTimeout(go, moment()));
    await node.kill();
    await clicked;
    await town.serveNode(node);
    await login();
    // The form is left now: a browser sends a request again by itself when its connection was cut, and that one may come late.
    const there = saved().filter((c) => c === n).length;
    assert.ok(there <= 1, `round ${round}: ${there}`);
    outcomes[there ? 'saved' : 'kept']++;
    const draft = await (await page.request.get(`${url}api/v1/drafts/new-consultation`)).json();
    if (!there) assert.equal(draft.body.fields.item_count, n, `round ${round}`); // nothing is lost
    if (draft.body) {
      // Whether it was saved she cannot know: saving again is the same save.
      await page.goto(`${url}#/new/consultation`);
      await page.waitForFunction((value) => document.querySelector('#f-item_count')?.value === value, String(n));
      await page.click('button[type=submit]');
      await page.waitForSelector('.values');
    }
    assert.equal(saved().filter((c) => c === n).length, 1, `round ${round}`);
  }
  console.log(`# ${JSON.stringify(outcomes)}`);
  node.run(['sync']);
  const all = Array.from({ length: ROUNDS }, (_, i) => 100 + i);
  assert.deepEqual(town.hub.rows(['records', 'consultation']).map((r) => r.fields.item_count).filter((n) => n >= 100).sort((a, b) => a - b), all);
});
