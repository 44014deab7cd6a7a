// Somebody has moved to another village: the secretary there claims him, the clerk decides with both sides in view, and the file is
// at the new village. Two real villages, a real hub, a real browser.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { idNumber, person, TIMEOUT_MS, Town } from './town.mjs';

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
  browser = await chromium.launch({ executablePath: process.env.LASTMILE_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
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
});

test('the clerk sees both sides and moves the file', async () => {
  clerk = await page(hubAt, 'clerk1', 'town-Passw0rd');
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
