// What the town does on its page is done to what was seen; what ends says why; what is covered can be changed once it was shown; what is
// locked is corrected; what is doubtful is asked about; and of two files it is seen which one counts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { launch } from './browser.mjs';
import { person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, url, browser, page, people, cases, locked, twin;
const problems = [];
const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
const VILLAGE = '999999101201';
const row = (type, id) => town.hub.rows(['records', type]).find((r) => r.id === id);
const shot = async (name) => process.env.LASTMILE_SHOTS && page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}.png`, fullPage: true });
const visit = (fields) => ({ type: 'visit', fields: { visit_on: '2025-02-01', occasion: 'spring', occasion_year: 2025, persons: [people[0]], visitors: '书记甲', visitor_level: 'village', gift_kind: ['money'], gift_fen: 50000, ...fields } });
const aid = () => ({ type: 'aid_case', fields: { type: 'one_off', person_id: people[0], situation: 's1', reason: '家庭困难', applied_on: '2025-02-01', state: 'village_checked', village_checked_on: '2025-02-03', village_opinion: '属实', amount_applied_fen: 50000 } });
async function readable() {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes[0].html}`), []);
}

before(async () => {
  town = await Town.make(2);
  const [one, two] = town.nodes;
  people = one.add([person({ name: '张建国', phone: '13800001111' }), person({ name: '李和平' })]);
  cases = one.add([aid(), aid(), aid()]);
  [locked] = one.add([visit({}), visit({ gift_fen: 60000 })]); // the second resembles the first, and its correction
  [twin] = two.add([person({ name: '张建国', household_village: '999999101202', id_no: one.rows(['get', people[0]])[0].fields.id_no })]);
  for (const node of town.nodes) node.run(['sync']);
  town.hub.add([
    { type: 'person_identity', fields: { person_id: people[0], code: '04', state: 'verified' } },
    { id: people[0], fields: { legal_basis: 'duty' } },
    { type: 'period_lock', fields: { from_on: '2025-01-01', to_on: '2025-02-28', locked_on: '2025-07-01', state: 'submitted' } },
  ]);
  for (const type of ['person', 'visit', 'period_lock']) town.hub.run(['approve', type]);
  assert.equal(row('visit', locked).state, 'locked');
  town.hub.run(['user', 'add', 'clerk1', '-', '--role', 'clerk'], `${FIRST}\n`);
  url = `http://${(await town.restartHub()).http}/`;
  browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS);
  page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  page.on('dialog', (d) => d.accept());
  await page.goto(url);
  await page.fill('#user', 'clerk1');
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

/** The village makes the case's 500 into 5,000. */
const changed = (id) => {
  town.nodes[0].add([{ id, fields: { amount_applied_fen: 500000 } }]);
  town.nodes[0].run(['sync']);
};

test('500 that was seen is not approved as 5,000: in bulk, on the record, sent back', async () => {
  await page.goto(`${url}#/steps/aid_case?state=village_checked`);
  await page.waitForSelector('h1:has-text("3 条")');
  changed(cases[0]);
  for (const box of await page.locator('tbody input[type=checkbox]').all()) await box.check();
  await page.click('button:has-text("镇审核")');
  await page.waitForSelector('.note.bad:has-text("又被改过")');
  await shot('guard-bulk');
  await readable();
  assert.equal(row('aid_case', cases[0]).state, 'village_checked');
  assert.equal(row('aid_case', cases[1]).state, 'town_reviewed');
  assert.match(String(row('aid_case', cases[1]).fields.town_reviewed_on), /^20\d\d-/);
  // On the record's page: it is told, and what it is now is shown.
  await page.goto(`${url}#/record/${cases[0]}`);
  await page.waitForSelector('dd:has-text("5000.00")');
  town.nodes[0].add([{ id: cases[0], fields: { amount_applied_fen: 600000 } }]);
  town.nodes[0].run(['sync']);
  await page.click('button:has-text("镇审核")');
  await page.waitForSelector('dd:has-text("6000.00")');
  assert.equal(row('aid_case', cases[0]).state, 'village_checked');
  changed(cases[0]);
  await page.click('.head button:has-text("退回")');
  await page.fill('#ask', '请核对金额');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('[role=dialog] .note.bad:has-text("又被改过")');
  await page.keyboard.press('Escape');
  assert.equal(row('aid_case', cases[0]).state, 'village_checked');
});

test('what ends is asked why', async () => {
  await page.goto(`${url}#/record/${cases[1]}`);
  await page.click('button:has-text("撤回")');
  await page.waitForSelector('[role=dialog]:has-text("终止原因")');
  await shot('guard-end');
  await readable();
  await page.fill('#ask', '本人不再申请');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('dd:has-text("本人不再申请")');
  assert.equal(row('aid_case', cases[1]).state, 'withdrawn');
  await page.goto(`${url}#/steps/aid_case?state=town_reviewed`);
  await page.waitForSelector('h1:has-text("1 条")');
  await page.check('tbody input[type=checkbox]');
  await page.click('button:has-text("撤回")');
  await page.fill('#ask', '重复申请');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('h1:has-text("0 条")');
  assert.equal(row('aid_case', cases[2]).fields.close_note, '重复申请');
});

test('after it was shown in full, an act shows what is there then', async () => {
  await page.goto(`${url}#/record/${cases[0]}`);
  await page.click('button:has-text("查看完整内容")').catch(() => {});
  if (await page.locator('#ask').count()) {
    await page.fill('#ask', '核对金额');
    await page.click('[role=dialog] button[type=submit]');
    await page.waitForFunction(() => !document.querySelector('[role=dialog]'));
  }
  await page.click('button:has-text("镇审核")');
  await page.waitForSelector('.tag:has-text("镇审核")');
});

test('what is covered is changed once it was shown', async () => {
  await page.goto(`${url}#/change/${people[0]}`);
  await page.waitForSelector('#f-household_no');
  const before = await page.locator('[data-field]').count();
  assert.equal(await page.locator('#f-id_no').count(), 0);
  await page.click('.note button:has-text("查看完整内容")');
  await page.fill('#ask', '身份号码登记有误');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('#f-id_no');
  assert.ok((await page.locator('[data-field]').count()) > before);
  assert.equal(await page.inputValue('#f-id_no'), row('person', people[0]).fields.id_no);
  await shot('guard-change');
  await readable();
  await page.fill('#f-phone', '13900002222');
  await page.click('form button[type=submit]');
  await waitFor(() => row('person', people[0]).fields.phone === '13900002222', 'the phone');
});

test('what is doubtful is asked about, and then saved all the same', async () => {
  await page.goto(`${url}#/enter/consultation?station=${VILLAGE}`);
  await page.waitForSelector('#f-on');
  const total = () => town.hub.rows(['records', 'visit']).length;
  await page.goto(`${url}#/record/${locked}`);
  await page.waitForSelector('a:has-text("更正")');
  await shot('guard-locked');
  const n = total();
  await page.click('a:has-text("更正")');
  await page.waitForSelector('h1:has-text("更正")');
  await page.waitForSelector('#f-visit_on');
  assert.equal(await page.inputValue('#f-visit_on'), '2025-02-01', 'it begins with what the locked one says');
  await page.click('form button[type=submit]');
  await page.waitForSelector('button:has-text("仍然保存")');
  assert.equal(total(), n);
  await shot('guard-warned');
  await readable();
  await page.click('button:has-text("仍然保存")');
  await page.waitForSelector('.head a:has-text("修改")');
  const made = town.hub.rows(['records', 'visit']).find((r) => r.fields.correction_of === locked);
  assert.equal(made.village_code, VILLAGE);
});

test('what is typed while the program is down stays in the form, and the password is asked for over it', async () => {
  await page.goto(`${url}#/enter/consultation?station=${VILLAGE}`);
  await page.waitForSelector('#f-item_count');
  await page.fill('#f-item_count', '41');
  await town.restartHub(() => page.fill('#f-item_count', '42'));
  await page.click('form button[type=submit]');
  await page.waitForSelector('#unlock');
  await shot('guard-signed-out');
  await readable();
  await page.fill('#unlock', SECOND);
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('#unlock', { state: 'detached' });
  assert.equal(await page.inputValue('#f-item_count'), '42');
});

test('of two files it is seen which one is on the register', async () => {
  await page.goto(`${url}#/review/duplicates`);
  await page.waitForSelector('.side .tag:has-text("在册")');
  await page.waitForSelector('.side .tag:has-text("待镇核")');
  await shot('guard-pair');
  await readable();
  await page.locator('.side', { has: page.locator('.tag:has-text("待镇核")') }).locator('button:has-text("合并到这一份")').click();
  await page.waitForSelector('text=还没有核定');
  assert.equal(row('person', people[0]).state, 'active');
  await page.locator('.side', { has: page.locator('.tag:has-text("在册")') }).locator('button:has-text("合并到这一份")').click();
  await page.waitForSelector('.note.good');
  assert.equal(row('person', twin).state, 'merged');
});
