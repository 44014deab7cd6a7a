// What a secretary relies on every day beside the forms: times as the village's clock has them, what the town entered for her, a stick with
// a damaged file, long lists to their end, consultations by one tap, the recycle bin, searching and printing.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { clean, launch } from './browser.mjs';
import { idNumber, person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, node, url, browser, page, zhang;
const problems = [];
const rows = (type) => node.rows(['list', type]);
const shot = async (name, on = page) => process.env.LASTMILE_SHOTS && on.screenshot({ path: join(process.env.LASTMILE_SHOTS, `daily-${name}.png`), fullPage: true });
const reception = (at) => ({ type: 'reception', fields: { at, head_count: 1, visitor_name: '来访人甲', matter_kind: 'policy', appeal: '询问政策', reply: '已说明', outcome: 'done', handler: '01932f00-1111-7222-8333-444444444444' } });

/** A page of somebody logged in, on a PC of that time zone. */
async function open(timezoneId) {
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN', timezoneId, acceptDownloads: true });
  context.setDefaultTimeout(TIMEOUT_MS);
  const opened = await context.newPage();
  opened.on('pageerror', (e) => problems.push(e.message));
  await opened.goto(url);
  await opened.fill('#user', '王秘书');
  await opened.fill('#password', '135792');
  await opened.click('button[type=submit]');
  await opened.waitForSelector('.cards');
  return opened;
}

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  node.run(['user', 'add', '王秘书', '-'], '135792\n');
  [zhang] = node.add([person({ name: '测试张三', id_no: idNumber('1950-01-02', 101) })]);
  url = await town.serveNode(node);
  browser = await launch();
  page = await open('Asia/Shanghai');
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('a time is the village’s on card, list, paper and file, whatever zone the PC is set to', async () => {
  const [id] = node.add([reception('2025-11-29T17:30:00.000Z')]);
  for (const zone of ['Asia/Shanghai', 'America/New_York']) {
    const there = zone === 'Asia/Shanghai' ? page : await open(zone);
    for (const at of [`record/${id}`, 'list/reception', 'print/reception']) {
      await there.goto(`${url}#/${at}`);
      await there.waitForSelector('text=2025-11-30 01:30');
      assert.equal(await there.locator('text=2025-11-29').count(), 0, `${at} in ${zone}`);
    }
    const [plain] = await Promise.all([there.waitForEvent('download'), there.click('text=存成 CSV')]);
    assert.match(readFileSync(await plain.path(), 'utf8'), /2025-11-30 01:30/);
    // The form says the same, and means it.
    await there.goto(`${url}#/edit/${id}`);
    const input = there.locator('input[type=datetime-local]').first();
    assert.equal(await input.inputValue(), '2025-11-30T01:30', zone);
    const minute = zone === 'Asia/Shanghai' ? 31 : 32;
    await input.fill(`2025-11-30T01:${minute}`);
    await there.click('form button[type=submit]');
    await waitFor(() => rows('reception').some((r) => r.id === id && r.fields.at === `2025-11-29T17:${minute}:00.000Z`), 'the time as it was typed');
    node.add([{ id, fields: { at: '2025-11-29T17:30:00.000Z' } }]);
    if (there !== page) await there.context().close();
  }
  // The sheet's own date before eight in the morning.
  const early = await open('Asia/Shanghai');
  await early.clock.setFixedTime(new Date('2026-12-01T23:00:00Z'));
  await early.goto(`${url}#/print/person`);
  await early.waitForSelector('.sheet .quiet');
  assert.match(await early.textContent('.sheet .quiet'), /2026-12-0[12]$/);
  const offset = (await (await early.request.get(`${url}api/v1/status`)).json()).clock_offset_ms ?? 0;
  assert.ok(Math.abs(offset) < 3600000);
  assert.match(await early.textContent('.sheet .quiet'), /2026-12-02$/);
  await early.context().close();
});

test('what the town entered for the village says so, in the list and on the card', async () => {
  const [id] = town.hub.add([{ type: 'consultation', station: town.code(1), fields: { on: '2025-03-01', channel: 'phone', topic: 'policy', item_count: 7 } }]);
  await waitFor(() => rows('consultation').some((r) => r.id === id), 'the record from the town');
  await page.goto(`${url}#/list/consultation`);
  await page.waitForSelector('.records tr:has-text("7") .tag:has-text("镇里代录")');
  await page.goto(`${url}#/record/${id}`);
  await page.waitForSelector('h1 .tag:has-text("镇里代录")');
  await page.waitForSelector('text=/这条由镇里 今天 .*代本村录入/');
  assert.equal(await page.locator('text=本机没有这条记录的修改').count(), 0);
  await shot('town-entered');
});

test('a damaged reply on the stick is named, and the good one behind it is taken', async () => {
  const stick = join(town.work, 'sticks', '书记的U盘');
  mkdirSync(stick, { recursive: true });
  await waitFor(() => JSON.parse(node.run(['status', '--json'])).pending === 0, 'all reported');
  await town.hub.stop();
  node.add([{ type: 'consultation', fields: { on: '2025-03-02', channel: 'phone', topic: 'policy', item_count: 5 } }]);
  await page.goto(`${url}#/usb`);
  await page.click('button:has-text("写到U盘")');
  await page.waitForSelector('text=/已写到U盘，没上报过的改动 1 处/'); // as 待上报 says
  await page.waitForSelector('text=/以前报过的 \\d+ 处也一起带着/');
  town.hub.run(['bundle', 'import', join(stick, readdirSync(stick).find((f) => f.endsWith('.lmb'))), '--reply', stick]);
  const good = readdirSync(stick).find((f) => f.includes('-reply-'));
  const damaged = good.replace(/-reply-.*/, '-reply-00.lmb');
  assert.ok(damaged < good);
  writeFileSync(join(stick, damaged), 'noise');
  await page.reload();
  await page.waitForSelector('text=U盘上有 2 个镇里的回复');
  await page.click('button:has-text("收下回复")');
  await page.waitForSelector('.note.bad');
  const said = await page.textContent('.note.bad');
  assert.ok(said.includes(`${damaged} 没有收下`) && said.includes(`${good} 已收下`) && said.includes('全部都到镇里了'), said);
  assert.match(await page.textContent('.cards'), /备份没有加密，里面有全部个人信息/);
  await shot('usb');
  await town.serveHub();
});

test('three changes of one record are one record that waits', async () => {
  await town.hub.stop();
  const [id] = node.add([{ type: 'consultation', fields: { on: '2025-03-03', channel: 'phone', topic: 'policy', item_count: 1 } }]);
  node.add([{ id, fields: { item_count: 2 } }]);
  node.add([{ id, fields: { item_count: 3 } }]);
  await page.waitForFunction(() => document.querySelector('header')?.textContent?.includes('1 条待上报'));
  await page.click('header a.line');
  await page.waitForSelector('text=共 1 条记录、3 处改动');
  assert.equal(await page.locator('.plain-list li').count(), 1);
  await town.serveHub();
});

test('consultations: one tap each, by the keyboard too, the channel kept, a wrong one undone, without the town', async () => {
  await town.hub.stop();
  const today = () => rows('consultation').filter((r) => r.fields.on > '2026');
  const had = today().length;
  await page.goto(`${url}#/`);
  await page.click('.quick a:has-text("咨询计数")');
  await page.waitForSelector('.tally button');
  await page.click('label.choice:has-text("入户")');
  assert.ok((await page.textContent('.tally button')).startsWith('政策'), 'what was asked about most comes first');
  for (let i = 0; i < 2; i++) await page.click('.tally button:has-text("医疗")');
  await page.focus('.tally button:has-text("待遇")');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=今天共 3 条');
  await page.waitForSelector('.tally button:has-text("医疗"):has-text("今天 2 条")');
  await clean(page, 'tally');
  await shot('tally');
  assert.deepEqual(
    today()
      .slice(had)
      .map((r) => [r.fields.channel, r.fields.item_count])
      .concat([today().map((r) => r.fields.topic).sort()]),
    [['home', 1], ['home', 1], ['home', 1], ['benefit', 'medical', 'medical']],
  );
  await page.click('.toast button:has-text("撤销")');
  await page.waitForSelector('text=今天共 2 条');
  assert.equal(today().length, 2);
  await page.reload();
  await page.waitForSelector('.tally button');
  assert.ok(await page.isChecked('label.choice:has-text("入户") input'), 'the channel stays');
  await town.serveHub();
});

test('the recycle bin shows whatever was deleted, who did it and why', async () => {
  await page.goto(`${url}#/record/${zhang}`);
  await page.click('button:has-text("删除")');
  await page.fill('[role=dialog] input', '重复录入');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('[role=dialog]', { state: 'detached' });
  await page.click('.menu a:has-text("回收站")');
  await page.waitForSelector('.plain-list li:has-text("测试张三")');
  assert.match(await page.textContent('.plain-list li:has-text("测试张三")'), /服务对象.*重复录入.*王秘书 今天 \d\d:\d\d 删除/);
  assert.equal(await page.locator('.plain-list li').count(), 2); // and the consultation that was undone
  await page.selectOption('.filters select', 'person');
  await page.waitForFunction(() => document.querySelectorAll('.plain-list li').length === 1);
  await clean(page, 'bin');
  await shot('bin');
  await page.click('.plain-list button:has-text("恢复")');
  await waitFor(() => rows('person').some((r) => r.id === zhang), 'the person back');
});

test('words of other records are found from the first page, and a list by who is in it', async () => {
  node.add([{ type: 'aid_case', fields: { type: 'one_off', person_id: zhang, situation: 's1', reason: '房屋漏雨', applied_on: '2025-02-01' } }]);
  await page.goto(`${url}#/`);
  await page.fill('#search', '漏雨');
  await page.waitForSelector('.hits.others a:has-text("测试张三")');
  await shot('search');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=房屋漏雨');
  await page.goto(`${url}#/list/aid_case`);
  await page.fill('.filters input[type=search]', 'cszs');
  await page.waitForSelector('.records tbody tr:has-text("测试张三")');
});

test('who is there already is named, with the way there', async () => {
  await page.goto(`${url}#/new/person`);
  await page.fill('#f-name', '测试另一人');
  await page.locator('[data-field="id_status"] label.choice', { hasText: /^有效$/ }).click();
  await page.fill('#f-id_no', idNumber('1950-01-02', 101));
  await page.click('form button[type=submit]');
  await page.waitForSelector('[data-field="id_no"] .refuse a');
  const said = await page.textContent('[data-field="id_no"] .refuse');
  assert.match(said, /（测试张三）.*打开“测试张三”/);
  assert.doesNotMatch(said, /[0-9a-f]{8}-/);
  await page.click('[data-field="id_no"] .refuse a');
  await page.waitForSelector('h1:has-text("测试张三")');
});

test('a card and a notice are printed without the history and the buttons', async () => {
  await page.goto(`${url}#/record/${zhang}`);
  await page.waitForSelector('.head button:has-text("打印")');
  await page.waitForSelector('.history li');
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('.history').isVisible(), false);
  assert.equal(await page.locator('.head button').first().isVisible(), false);
  await page.waitForSelector('#timeline', { state: 'attached' });
  assert.deepEqual(await page.$$eval('.part a', (all) => all.filter((a) => a.offsetParent && /登记/.test(a.textContent)).map((a) => a.textContent)), []);
  assert.doesNotMatch(await page.innerText('main'), /还没有“|修改时填上/);
  assert.equal(await page.$eval('.part h2', (h) => getComputedStyle(h).breakAfter), 'avoid');
  assert.match(await page.innerText('.print-only'), /示例村1 · \d{4}-\d\d-\d\d/);
  await shot('card-on-paper');
  await page.emulateMedia({ media: 'screen' });
});

test('on a phone with the largest type no page is wider than the screen', async () => {
  const [aid] = rows('aid_case').map((r) => r.id);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${url}#/`);
  await page.evaluate(() => (document.documentElement.style.fontSize = '24px'));
  const wide = [];
  for (const at of ['', 'usb', `record/${zhang}`, `record/${aid}`, 'batch/visit', 'new/service_item', 'new/aid_case', 'list/visit', 'returned', 'settings']) {
    await page.evaluate((to) => (location.hash = to), `#/${at}`);
    await page.waitForSelector('main h1, main h2');
    await page.waitForFunction(() => !/正在(读取|打开)/.test(document.querySelector('main').innerText));
    const more = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (more > 0) wide.push(`${at || 'home'} +${more}`);
    await shot(`phone-${at.replace(/\W.*/, '') || 'home'}`);
  }
  await page.evaluate(() => (document.documentElement.style.fontSize = ''));
  await page.setViewportSize({ width: 1024, height: 768 });
  assert.deepEqual(wide, []);
});

test('604 people: the list says how far it goes, and goes to the end', async () => {
  node.add(Array.from({ length: 603 }, () => person()));
  await page.goto(`${url}#/list/person`);
  await page.waitForSelector('text=现在列出第 1–50 条，共 604 条');
  for (let n = 150; n < 650; n += 100) {
    await page.click('button:has-text("再显示一些")');
    await page.waitForSelector(`text=现在列出第 1–${Math.min(n, 500)} 条`);
  }
  await page.click('button:has-text("下一页")');
  await page.waitForSelector('text=现在列出第 501–604 条，共 604 条');
  assert.equal(await page.locator('.records tbody tr').count(), 104);
  assert.match(await page.textContent('main'), /第 2 页，共 2 页/);
  await shot('list-end');
  await page.click('button:has-text("上一页")');
  await page.waitForSelector('text=现在列出第 1–500 条，共 604 条');
});
