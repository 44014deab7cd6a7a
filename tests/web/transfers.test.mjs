// Somebody has moved to another village: the secretary there claims him, the clerk decides with both sides in view, and the file is
// at the new village. Two real villages, a real hub, a real browser.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { launch } from './browser.mjs';
import { idNumber, person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, browser, secretary, clerk, hubAt, nodeAt, who;
const problems = [];
const NUMBER = idNumber('1953-08-01', 77);

async function page(at, user, password) {
  const opened = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'zh-CN' })).newPage();
  opened.setDefaultTimeout(TIMEOUT_MS);
  opened.on('pageerror', (e) => problems.push(e.message));
  await opened.goto(at);
  await opened.fill('#user', user);
  await opened.fill('#password', password);
  await opened.click('button[type=submit]');
  await opened.waitForSelector('.menu, #old');
  if (await opened.locator('#old').count()) {
    // a clerk's first password is changed first
    await opened.fill('#old', password);
    await opened.fill('#new', `${password}2`);
    await opened.fill('#again', `${password}2`);
    await opened.click('button[type=submit]');
    await opened.waitForSelector('.menu');
  }
  return opened;
}

const shot = async (on, name) => process.env.LASTMILE_SHOTS && on.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}.png`, fullPage: true });
async function readable(on) {
  await on.evaluate(axe.source);
  const found = await on.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes[0].html}`), []);
}

before(async () => {
  town = await Town.make(2);
  const [one, two] = town.nodes;
  [who] = one.add([person({ name: '周大山', id_no: NUMBER, birth_on: '1953-08-01' })]);
  one.run(['sync']);
  town.hub.add([
    { type: 'person_identity', fields: { person_id: who, code: '02', state: 'verified' } },
    { type: 'service_history', fields: { person_id: who, enlist_on: '1975-12-01', discharge_on: '1979-12-01', state: 'verified' } },
    { id: who, fields: { household_no: 'H7', notice_at: '2025-01-02', legal_basis: 'duty' } },
  ]);
  town.hub.run(['approve', 'person']);
  assert.equal(town.hub.rows(['records', 'person'])[0].state, 'active');
  town.hub.run(['user', 'add', 'clerk1', '-', '--role', 'clerk'], 'town-Passw0rd\n');
  two.run(['user', 'add', '王秘书', '-'], '135792\n');
  hubAt = `http://${(await town.restartHub()).http}/`;
  nodeAt = await town.serveNode(two);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('the secretary claims somebody whom she does not have', async () => {
  secretary = await page(nodeAt, '王秘书', '135792');
  await secretary.fill('#search', '周大山');
  await secretary.click('a:has-text("申请转入")');
  await secretary.waitForSelector('#f-claim_id_no');
  assert.equal(await secretary.inputValue('#f-claim_name'), '周大山', 'the name that she looked for');
  for (const name of ['person_id', 'to_village', 'outside_text', 'kind']) assert.equal(await secretary.locator(`[data-field="${name}"]`).count(), 0, name);
  // From another village: not from her own, an office or the town.
  await secretary.waitForFunction(() => document.querySelector('[data-field="from_village"]')?.innerText.includes('示例村1'));
  assert.doesNotMatch(await secretary.innerText('[data-field="from_village"]'), /示例村2|办事处|示例镇/);
  await secretary.fill('#f-claim_id_no', NUMBER);
  await shot(secretary, 'claim-form');
  await readable(secretary);
  await secretary.click('form button[type=submit]');
  await secretary.waitForSelector('.note:has-text("等镇里核对")');
  await shot(secretary, 'claim-waits');
  assert.equal(await secretary.locator('text=H7').count(), 0);
  town.nodes[1].run(['sync']);
});

test('another change of residence is not asked for the fields of a claim', async () => {
  await secretary.goto(`${nodeAt}#/new/residency_event`);
  await secretary.waitForSelector('[data-field="person_id"]');
  await secretary.locator('.fold').first().click();
  await secretary.waitForSelector('[data-field="to_village"]');
  assert.equal(await secretary.locator('[data-field="claim_name"]').count(), 0);
  const to = await secretary.innerText('[data-field="to_village"]');
  assert.match(to, /示例村1[^]*示例村2/);
  assert.doesNotMatch(to, /办事处|示例镇/);
});

test('the clerk sees both sides and moves the file', async () => {
  clerk = await page(hubAt, 'clerk1', 'town-Passw0rd');
  town.hub.run(['backup', join(town.work, 'before.db')]);
  await clerk.goto(`${hubAt}#/inbox`);
  await clerk.click('a:has-text("村间转移")');
  await clerk.waitForSelector('h2:has-text("周大山")');
  assert.match(await clerk.textContent('main'), /示例村2申请转入[^]*示例村1[^]*转移中[^]*身份号码相同/);
  assert.ok(!(await clerk.textContent('main')).includes(NUMBER), 'numbers stay covered');
  await shot(clerk, 'transfers');
  await readable(clerk);
  await clerk.click('button:has-text("核定转移")');
  await clerk.waitForSelector('[role=dialog]');
  assert.ok(await clerk.isDisabled('[role=dialog] button:has-text("确认转移")'), 'not before the paper was seen');
  await clerk.check('[role=dialog] input[type=checkbox]');
  await shot(clerk, 'transfers-confirm');
  await clerk.click('[role=dialog] button:has-text("确认转移")');
  await clerk.waitForSelector('text=示例村2');
  await clerk.waitForFunction(() => !document.querySelector('h2'));
  town.nodes[1].run(['sync']);
  await secretary.goto(`${nodeAt}#/record/${who}`);
  await secretary.waitForSelector('h1:has-text("周大山")');
  assert.match(await secretary.textContent('main'), /H7/);
  await shot(secretary, 'claim-there');
});

test('a claim that fits nobody comes back with the reason', async () => {
  await secretary.goto(`${nodeAt}#/new/residency_event?claim=1`);
  await secretary.fill('#f-claim_name', '吴无此人');
  await secretary.click('form button[type=submit]');
  await secretary.waitForSelector('.note:has-text("等镇里核对")');
  town.nodes[1].run(['sync']);
  await clerk.goto(`${hubAt}#/inbox`);
  await clerk.click('a:has-text("村间转移")');
  await clerk.waitForSelector('h2:has-text("吴无此人")');
  assert.match(await clerk.textContent('main'), /没有找到相符的档案/);
  await clerk.click('button:has-text("退回")');
  await clerk.fill('#ask', '查无此人，请核对姓名');
  await clerk.click('[role=dialog] button[type=submit]');
  await clerk.waitForFunction(() => !document.querySelector('h2'));
  town.nodes[1].run(['sync']);
  await secretary.goto(`${nodeAt}#/returned`);
  await secretary.waitForSelector('text=查无此人，请核对姓名');
  await shot(secretary, 'claim-returned');
});

test('after a restore to before the move, what the new village wrote waits for it', async () => {
  const [one, two] = town.nodes;
  two.add([{ id: who, fields: { phone: '13800000002' } }]);
  for (const node of [one, two]) node.run(['sync']); // both have the move: what one alone gives back moves nobody
  town.hub.run(['restore', join(town.work, 'before.db')]);
  await waitFor(() => {
    for (const node of [one, two]) node.run(['sync']);
    return town.hub.rows(['held']).length === 1 && town.hub.rows(['recovered', 'list']).length > 0;
  }, 'both villages have learnt of it');
  clerk = await page(hubAt, 'clerk1', 'town-Passw0rd2');
  await clerk.goto(`${hubAt}#/inbox`);
  await clerk.click('a:has-text("等着处理的改动")');
  await clerk.waitForSelector('text=示例村2的修改；记录现属示例村1');
  await shot(clerk, 'held-for-a-move');
  await readable(clerk);
  assert.equal(await clerk.locator('button:has-text("放行")').count(), 0, 'it is moved or refused, never let through');
  await clerk.goto(`${hubAt}#/inbox`);
  await clerk.click('a:has-text("恢复后各村交还的")');
  await clerk.click('button:has-text("全部采用")');
  await waitFor(() => town.hub.rows(['held']).length === 0, 'it is taken in with the move');
  assert.deepEqual([town.hub.rows(['records', 'person'])[0]].map((r) => [r.fields.village_code, r.fields.phone]), [[town.code(2), '13800000002']]);
});

test('a name is corrected: the secretary asks, the clerk agrees, the file says it and the secretary reads so', async () => {
  const two = town.nodes[1];
  for (let i = 0; i < 2; i++) two.run(['sync']);
  await secretary.goto(`${nodeAt}#/`);
  await secretary.goto(`${nodeAt}#/record/${who}`);
  await secretary.click('a:has-text("申请更正")');
  await secretary.waitForSelector('#ask-what');
  // By their labels; and not what the village changes itself.
  const fields = await secretary.innerText('#ask-what');
  assert.match(fields, /姓名/);
  assert.match(fields, /银行账号/);
  assert.doesNotMatch(fields, /联系电话|birth_on/);
  await secretary.selectOption('#ask-what', 'sex');
  await secretary.waitForSelector('[data-field="new_value"] [role=radiogroup]'); // that field's own input
  await secretary.selectOption('#ask-what', 'name');
  await secretary.waitForSelector('[data-field="new_value"] input[type=text]');
  assert.match(await secretary.textContent('main'), /档案里现在是\s*周大山/);
  await secretary.fill('#f-new_value', '周大山');
  await secretary.fill('#f-reason', '户口本上写错了');
  await secretary.waitForSelector('[data-field="new_value"] .refuse');
  await secretary.fill('#f-new_value', '周大川');
  await secretary.waitForFunction(() => !document.querySelector('[data-field="new_value"] .refuse'));
  await shot(secretary, 'request-form');
  await readable(secretary);
  await secretary.click('form button[type=submit]');
  await secretary.waitForSelector('.note:has-text("等镇里核对")');
  await shot(secretary, 'request-waits');
  two.run(['sync']);

  await clerk.goto(`${hubAt}#/inbox`);
  await clerk.click('a:has-text("变更申请")');
  await clerk.waitForSelector('h2:has-text("周大山 · 姓名")');
  assert.match(await clerk.textContent('main'), /周大山 → 周大川[^]*户口本上写错了/);
  await shot(clerk, 'requests');
  await readable(clerk);
  await clerk.click('button:has-text("同意，写入档案")');
  await clerk.waitForFunction(() => !document.querySelector('h2'));
  assert.equal(town.hub.rows(['records', 'person'])[0].fields.name, '周大川');

  two.run(['sync']);
  await secretary.waitForSelector('.note:has-text("镇里已同意，档案里的“姓名”已改为“周大川”")');
  await shot(secretary, 'request-agreed');
  await secretary.goto(`${nodeAt}#/`); // the answer comes to her
  await secretary.waitForSelector('.todo li:has-text("镇里同意：周大川 的“姓名”已改好")');
  await shot(secretary, 'request-answer');
  await secretary.click('.todo a:has-text("镇里同意")');
  await secretary.click('.values a');
  await secretary.waitForSelector('h1:has-text("周大川")');
  await secretary.waitForSelector('main:has-text("变更申请")'); // with what belongs to the file
});

test('where it was no move, all that a village waits with is sent back in one act', async () => {
  const [one, two] = town.nodes;
  two.add([{ id: who, fields: { phone: '13800000003' } }]);
  two.add([{ id: who, fields: { residence_text: '西头七号' } }]);
  for (const node of [one, two]) node.run(['sync']);
  town.hub.run(['restore', join(town.work, 'before.db')]);
  await waitFor(() => {
    for (const node of [one, two]) node.run(['sync']);
    return town.hub.rows(['held']).length >= 3;
  }, 'what it wrote waits again');
  const n = town.hub.rows(['held']).length;
  clerk = await page(hubAt, 'clerk1', 'town-Passw0rd2');
  await clerk.goto(`${hubAt}#/review/held`);
  await clerk.click('section:has-text("按村一次退回") button:has-text("全部退回")');
  await clerk.waitForSelector(`[role=dialog]:has-text("退回示例村2的 ${n} 条修改")`);
  assert.match(await clerk.textContent('[role=dialog]'), /等记录转到这个村[^]*村里在“退回”里看到每一条/);
  await clerk.fill('#ask', '没有转到你村，请核对');
  await shot(clerk, 'held-refuse-many');
  await readable(clerk);
  await clerk.click(`[role=dialog] button:has-text("退回这 ${n} 条")`);
  await clerk.waitForSelector(`text=已退回 ${n} 条`);
  assert.equal(town.hub.rows(['held']).length, 0);
  two.run(['sync']);
  await secretary.goto(`${nodeAt}#/returned`);
  await secretary.waitForSelector('text=没有转到你村，请核对');
  await shot(secretary, 'held-refused-many');
});
