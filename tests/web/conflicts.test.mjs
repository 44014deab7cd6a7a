// Two PCs of a station, and the town, changed one record without seeing each other: what the record's page says of it, and what its
// buttons do; at the village and at the town.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, node, second, url, browser, page;
const problems = [];
const missing = [];

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  second = town.another(1);
  url = await town.serveNode(node);
  browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS);
  page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  page.on('response', (r) => r.status() === 404 && missing.push(r.url()));
  await page.goto(url);
  await page.fill('#user', '王秘书');
  await page.fill('#password', '135792');
  await page.fill('#again', '135792');
  await page.click('button[type=submit]');
  await page.waitForSelector('.cards');
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

const consultation = () => ({ type: 'consultation', fields: { on: '2025-03-01', channel: 'phone', topic: 'policy', item_count: 1 } });
const conflicts = () => town.hub.rows(['conflicts']);
const shot = (name) => (process.env.LASTMILE_SHOTS ? page.screenshot({ path: join(process.env.LASTMILE_SHOTS, `${name}.png`), fullPage: true }) : undefined);

/** Both have the line; then each does something while the hub is away, and the hub hears of it in this order. */
async function apart(line, ...sides) {
  const [id] = node.add([line]);
  node.run(['sync']);
  second.run(['sync']);
  await node.stop(); // or it would tell the hub by itself, in an order of its own
  for (const [where, does] of sides) where.add([{ id, ...does }]);
  for (const [where] of sides) where.run(['sync']);
  for (const where of [node, second]) where.run(['sync']);
  await town.serveNode(node);
  await page.goto('about:blank');
  await page.goto(`${url}#/record/${id}`);
  if (await Promise.race([page.waitForSelector('#password').then(() => true), page.waitForSelector('.conflict').then(() => false)])) {
    await page.fill('#user', '王秘书');
    await page.fill('#password', '135792');
    await page.click('button[type=submit]');
    await page.waitForSelector('.conflict');
  }
  await page.waitForFunction((n) => document.querySelectorAll('.conflict .version button').length === n, 2 * conflicts().length);
  return id;
}

async function decided(id) {
  await waitFor(() => conflicts().length === 0, 'the decision at the hub');
  await page.waitForSelector('.conflict', { state: 'detached' });
  second.run(['sync']);
  return second.rows(['get', id])[0];
}

const EDIT = { fields: { item_count: 22 } };
const DELETION = { delete: true, reason: '录错了' };

test('deleted on one side, changed on the other: each is named, and either can be chosen, whichever stands', async () => {
  for (const [deletionStands, keep] of [[true, false], [true, true], [false, false], [false, true]]) {
    const sides = [[second, DELETION], [node, EDIT]];
    const id = await apart(consultation(), ...(deletionStands ? sides : sides.reverse()));
    const deletes = page.locator('.conflict .version', { hasText: '删掉这条记录' });
    const keeps = page.locator('.conflict .version', { hasText: '保留这条记录，改成下面这样' });
    assert.match(await deletes.innerText(), /测试员.*\n*[^]*删除原因[^]*录错了/);
    assert.match(await keeps.innerText(), /测试员[^]*22/);
    assert.doesNotMatch(await page.innerText('.conflict'), /未填/);
    assert.equal((await (deletionStands ? deletes : keeps).innerText()).includes('现在用的'), true);
    if (!keep) await shot(`conflict-deleted-${deletionStands}`);
    await (keep ? keeps.locator('button:has-text("保留")') : deletes.locator('button:has-text("删掉")')).click();
    await page.waitForSelector('.toast:has-text("已定")');
    const now = await decided(id);
    assert.deepEqual([now.fields.item_count, now.fields.deleted_at === undefined || now.fields.deleted_at === null, now.fields.delete_reason ?? ''], [22, keep, keep ? '' : '录错了']);
  }
});

test('two fields that both sides changed: one side’s first goes with the other’s second', async () => {
  const id = await apart(person({ phone: '13900000001' }), [node, { fields: { phone: '13900000002', residence_text: '东头' } }], [second, { fields: { phone: '13900000003', residence_text: '西头' } }]);
  const version = (text) => page.locator('.conflict .version', { hasText: text });
  assert.equal(await page.locator('.conflict .version').count(), 4);
  await shot('conflict-groups');
  await version('13900000002').locator('button').click();
  await page.waitForFunction(() => document.querySelectorAll('.conflict .version').length === 2);
  await version('西头').locator('button').click();
  const now = await decided(id);
  assert.deepEqual([now.fields.phone, now.fields.residence_text], ['13900000002', '西头']);
});

test('a choice made without the town is not asked for again', async () => {
  const id = await apart(consultation(), [node, EDIT], [second, DELETION]);
  await town.hub.stop();
  await page.locator('.conflict .version', { hasText: '删掉' }).locator('button').click();
  await page.waitForSelector('.conflict .note:has-text("已定，会报给镇里")');
  assert.equal(await page.locator('.conflict button').count(), 0);
  await town.serveHub();
  node.run(['sync']);
  assert.equal((await decided(id)).fields.delete_reason, '录错了');
});

test('a case that the town goes on with: what it was before, or nothing; ended it is ended', async () => {
  const [one] = node.add([person()]);
  const [aid] = node.add([{ type: 'aid_case', fields: { type: 'one_off', person_id: one, situation: 's1', reason: '房屋漏雨', applied_on: '2025-02-01' } }]);
  node.add([{ id: aid, fields: { state: 'village_checked', village_checked_on: '2025-02-03', village_opinion: '情况属实' } }]);
  node.run(['sync']);
  await page.goto(`${url}#/record/${aid}`);
  await page.waitForSelector('.history li li');
  assert.match(await page.innerText('.history'), /: 申请.* → 村核实/);
  await town.restartHub(() => {
    const steps = [{ state: 'town_reviewed', town_reviewed_on: '2025-02-05' }, { state: 'reported' }, { state: 'approved', county_doc_no: '县帮〔2025〕1号', amount_approved_fen: 50000 }, { state: 'paid', paid_on: '2025-02-10', amount_paid_fen: 50000 }];
    for (const fields of steps) town.hub.add([{ id: aid, fields }]);
  });
  node.run(['sync']);
  node.add([{ id: aid, fields: { state: 'closed', return_visit_on: '2025-02-20' } }]);
  node.run(['sync']);
  await page.waitForFunction(() => document.querySelector('.steps .now')?.textContent?.includes('办结'));
  assert.match(await page.innerText('.steps p'), /已经办到头/);
  await page.waitForFunction(() => /办结/.test(document.querySelector('.history')?.textContent ?? ''));
  const closing = await page.locator('.history > li').first().innerText();
  assert.doesNotMatch(closing, /村核实 →/); // what the town did in between is not known here
  await page.click('button:has-text("向镇里查全部经过")');
  await page.waitForFunction(() => /已发放.* → /.test(document.querySelector('.history > li')?.textContent ?? ''));
});

test('nothing is asked for that is not there', () => {
  assert.deepEqual(missing.filter((at) => at.includes('/records/')), []);
});
