// Steps of many cases at once, from the clerk's inbox: aid, cards and service items. One of them is changed by somebody else between the
// clerk's look and the step: the others go, that one is named and stays. All by keyboard once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clean, firstLogin, launch, open } from './browser.mjs';
import { person, Town, waitFor } from './town.mjs';

const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
const today = new Date(Date.now() + 8 * 3600000).toISOString().slice(0, 10);
let town, url, browser, page, people;
const problems = [];

const at = (type, fields) => ({ type, station: town.code(1), fields });
const rows = (type) => new Map(town.hub.rows(['records', type]).map((r) => [r.id, r]));
const states = (type, ids) => ids.map((id) => rows(type).get(id).state);

async function inbox(name) {
  await page.goto(`${url}#/inbox`);
  await page.locator('.todo a', { hasText: name }).click();
  await page.waitForSelector('table.records');
}

async function looked(name) {
  for (const [width, height] of [[1280, 800], [1024, 768], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await clean(page, `${name} at ${width}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${name} at ${width}: wider than the screen`);
    if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}-${width}.png`, fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

const choose = (label) => page.locator(`tr:has-text("${label}") input[type=checkbox]`).check();
const yes = () => page.once('dialog', (d) => d.accept());
const left = () => page.locator('.note.bad li').allInnerTexts();

before(async () => {
  town = await Town.make(1);
  for (const name of ['clerk1', 'clerk2']) town.hub.run(['user', 'add', name, '-', '--role', 'clerk'], `${FIRST}\n`);
  url = `http://${(await town.restartHub()).http}/`;
  people = town.hub.add(['张建国', '李和平', '王铁柱', '赵大海'].map((name) => at('person', { ...person({ name }).fields, state: 'active' })));
  town.nodes[0].run(['sync']);
  browser = await launch();
  page = await open(browser, url, problems);
  await firstLogin(page, 'clerk1', FIRST, SECOND);
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('cards, by keyboard alone: another clerk was quicker with one, the others go and that one is named', async () => {
  const cards = town.hub.add(people.slice(0, 3).map((id) => at('pref_card', { kind: 'vet', person_id: id, state: 'accepted', stage_dates: [{ stage: 'accepted', on: '2025-03-01' }] })));
  await inbox('优待证');
  town.hub.add([{ id: cards[2], fields: { state: 'review', stage_dates: [{ stage: 'accepted', on: '2025-03-01' }, { stage: 'review', on: '2025-03-04' }] } }]);
  await page.locator('label:has-text("全选本页") input').focus();
  await page.keyboard.press('Space');
  for (let i = 0; i < 4 && !(await page.evaluate(() => document.activeElement.tagName === 'BUTTON')); i++) await page.keyboard.press('Tab');
  const next = await page.evaluate(() => document.activeElement.innerText);
  assert.match(next, /审核/);
  let asked;
  page.once('dialog', (d) => ((asked = d.message()), d.accept()));
  await page.keyboard.press('Enter');
  await page.waitForSelector('.toast.shown:has-text("2 条已改为")');
  assert.match(asked, /^把所选 3 条改为“.*审核.*”吗？$/);
  const [why, ...others] = await left();
  assert.deepEqual(others, []);
  assert.match(why, /^王铁柱.*：.*又被改过/); // by name, and in words
  assert.match(await page.innerText('.note.bad'), /1 条没有办成/);
  await looked('bulk-left');
  assert.deepEqual(states('pref_card', cards), ['review', 'review', 'review']);
  assert.deepEqual(rows('pref_card').get(cards[0]).fields.stage_dates.map((s) => [s.stage, s.on]), [['accepted', '2025-03-01'], ['review', today]]);
  assert.equal(rows('pref_card').get(cards[2]).fields.stage_dates.length, 2); // not twice
  await waitFor(() => page.evaluate(() => document.querySelectorAll('table.records tbody tr').length === 0), 'an empty list');
});

test('aid: the village changed the amount of one since; after another look it goes too, and the day is today’s', async () => {
  const [node] = town.nodes;
  const cases = node.add(people.slice(0, 3).map((id, i) => ({ type: 'aid_case', fields: { type: 'one_off', person_id: id, situation: 's1', reason: '家庭困难', applied_on: '2025-02-01', amount_applied_fen: 50000 + i, village_checked_on: '2025-02-03', village_opinion: '情况属实', state: 'village_checked' } })));
  node.run(['sync']);
  await inbox('困难帮扶');
  node.add([{ id: cases[1], fields: { amount_applied_fen: 500000 } }]); // 500 became 5,000 under the clerk's eyes
  node.run(['sync']);
  await page.check('text=全选本页');
  yes();
  await page.locator('.filters button', { hasText: '镇' }).first().click();
  await page.waitForSelector('.toast.shown:has-text("2 条已改为")');
  assert.match((await left()).join('|'), /^李和平[^|]*又被改过[^|]*$/);
  assert.deepEqual(states('aid_case', cases), ['town_reviewed', 'village_checked', 'town_reviewed']);
  assert.equal(rows('aid_case').get(cases[0]).fields.town_reviewed_on, today);
  // The list shows it as it is now; chosen again, it goes.
  await waitFor(() => page.evaluate(() => document.querySelectorAll('table.records tbody tr').length === 1), 'the one that stayed');
  await choose('李和平');
  yes();
  await page.locator('.filters button', { hasText: '镇' }).first().click();
  await page.waitForSelector('.toast.shown:has-text("1 条已改为")');
  await page.waitForSelector('.note.bad', { state: 'detached' });
  assert.deepEqual(states('aid_case', cases), ['town_reviewed', 'town_reviewed', 'town_reviewed']);
});

test('aid sent back together with one note, which stays in the dialog when the hub does not answer', async () => {
  const cases = town.nodes[0].add(people.slice(0, 2).map((id) => ({ type: 'aid_case', fields: { type: 'other', person_id: id, situation: 's1', reason: '家庭困难', applied_on: '2025-02-01', amount_applied_fen: 40000, village_checked_on: '2025-02-03', village_opinion: '情况属实', state: 'village_checked' } })));
  town.nodes[0].run(['sync']);
  await inbox('村');
  await page.check('text=全选本页');
  await page.locator('.filters button', { hasText: '退回所选 2 条' }).click();
  await page.fill('#ask', '请附村民代表意见');
  await page.route('**/review/step', (route) => route.abort());
  await page.locator('.dialog button[type=submit]').click();
  await page.waitForSelector('.dialog .note.bad');
  assert.equal(await page.inputValue('#ask'), '请附村民代表意见');
  await page.unroute('**/review/step');
  await page.locator('.dialog button[type=submit]').click();
  await page.waitForSelector('.toast.shown:has-text("已退回 2 条")');
  await page.waitForSelector('.dialog', { state: 'detached' });
  assert.deepEqual(states('aid_case', cases), ['returned', 'returned']);
  town.nodes[0].run(['sync']);
  assert.deepEqual(town.nodes[0].rows(['list', 'aid_case', '--where', 'state=returned']).map((r) => r.fields.return_note), ['请附村民代表意见', '请附村民代表意见']);
});

test('service items: what lacks its result stays, with the reason; cancelled is nothing done', async () => {
  const [matter] = town.hub.add([{ type: 'matter', fields: { name: '优待证申领', version: 1, steps: '提交材料', materials: [{ no: 1, name: '身份证', form: 'both', count: 1, may_be_late: false }] } }]);
  town.nodes[0].run(['sync']);
  const items = town.nodes[0].add(people.slice(0, 3).map((id) => ({ type: 'service_item', fields: { matter_id: matter, person_id: id, notice_given_at: '2025-03-01T01:00:00.000Z', mode: 'onestop', place: 'village', trip_count: 1, state: 'accepted' } })));
  town.nodes[0].run(['sync']);
  await inbox('办件');
  assert.equal(await page.locator('.filters button', { hasText: '退回' }).count(), 0); // there is no such step
  await page.check('text=全选本页');
  page.once('dialog', (d) => d.dismiss());
  await page.locator('.filters button', { hasText: '办理' }).first().click();
  assert.deepEqual(states('service_item', items), ['accepted', 'accepted', 'accepted']);
  assert.equal(await page.locator('table.records tbody input:checked').count(), 3); // still chosen
  await page.locator('tr', { hasText: '王铁柱' }).locator('input').uncheck();
  yes();
  await page.locator('.filters button', { hasText: /办理|在办/ }).first().click();
  await page.waitForSelector('.toast.shown:has-text("2 条已改为")');
  assert.deepEqual(states('service_item', items), ['handling', 'handling', 'accepted']);
  await page.goto(`${url}#/steps/service_item?state=handling`);
  await page.waitForSelector('table.records');
  await page.check('text=全选本页');
  yes();
  await page.locator('.filters button', { hasText: '办结' }).click();
  await page.waitForSelector('.note.bad li');
  assert.match((await left()).join('|'), /结果/);
  assert.equal((await left()).length, 2);
  assert.equal(await page.locator('.toast.shown:has-text("办结")').count(), 0); // nothing was done, and nothing says so
  assert.deepEqual(states('service_item', items), ['handling', 'handling', 'accepted']);
});

test('chosen on one page of the list, verified from another: one that two clerks verify is verified once, and named', async () => {
  const ids = town.nodes[0].add(Array.from({ length: 52 }, (_, i) => ({ type: 'consultation', fields: { on: `2025-0${1 + (i % 9)}-1${i % 10}`, channel: 'phone', topic: 'policy', item_count: 1 } })));
  town.nodes[0].run(['sync']);
  await page.goto(`${url}#/verify/consultation`);
  await page.waitForSelector('table.records');
  const shown = await page.evaluate(async () => (await (await fetch('/api/v1/types/consultation/records?f.state=submitted&limit=50')).json()).records.map((r) => [r.id, r.label]));
  await page.locator('table.records tbody input').first().check();
  await page.click('button:has-text("下一页")');
  await page.waitForFunction(() => location.hash.includes('offset=50'));
  await waitFor(() => page.evaluate(() => document.querySelectorAll('table.records tbody tr').length === 2), 'the second page');
  await page.locator('table.records tbody input').first().check();
  const other = await open(browser, url, problems);
  await firstLogin(other, 'clerk2', FIRST, SECOND);
  const theirs = await other.evaluate(async (id) => {
    const { rev } = await (await fetch(`/api/v1/records/${id}`)).json();
    return (await fetch('/api/v1/review/approve', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ type: 'consultation', ids: [id], revs: { [id]: rev } }) })).json();
  }, shown[0][0]);
  assert.equal(theirs.approved, 1);
  await other.context().close();
  await page.locator('.filters button', { hasText: '核定所选 2 条' }).click();
  await page.waitForSelector('.toast.shown:has-text("已核定 1 条")');
  const named = await left();
  assert.equal(named.length, 1);
  assert.ok(named[0].startsWith(`${shown[0][1]}：`), named[0]);
  assert.equal(states('consultation', ids).filter((s) => s === 'verified').length, 2);
});
