// A secretary's day in a real browser against a real node and a real hub: the first account, entering, checking, drafts through
// kill -9, working without the town, correcting what came back, two windows on one record, the lock.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { drawn, holdScript, launch } from './browser.mjs';
import { idNumber, person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, node, url, browser, page;
const problems = [];

async function open() {
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS);
  const opened = await context.newPage();
  opened.on('pageerror', (e) => problems.push(e.message));
  return opened;
}

async function login(on = page) {
  await on.goto(url);
  await on.fill('#user', '王秘书');
  await on.fill('#password', '135792');
  await on.click('button[type=submit]');
  await on.waitForSelector('.cards');
}

const field = (name, on = page) => on.locator(`[data-field="${name}"]`);
const choose = (name, text, on = page) => field(name, on).locator('label.choice', { hasText: new RegExp(`^${text}$`) }).click();
const rows = (type) => node.rows(['list', type]);

/** Fills in what a new person needs and leaves the form open. */
async function fillPerson(name, number) {
  await page.goto(`${url}#/new/person`);
  await page.fill('#f-name', name);
  await choose('id_status', '有效');
  await page.fill('#f-id_no', number);
  await page.waitForFunction(() => document.querySelector('#f-birth_on')?.value !== '');
  await choose('is_resident', '是');
}

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  url = await town.serveNode(node);
  browser = await launch();
  page = await open();
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('the first account is made in the page', async () => {
  await page.goto(url);
  await page.fill('#user', '王秘书');
  await page.fill('#password', '123456');
  await page.fill('#again', '123456');
  await page.click('button[type=submit]');
  await page.waitForSelector('.note.bad');
  assert.match(await page.textContent('.note.bad'), /太简单/);
  await page.fill('#password', '135792');
  await page.fill('#again', '135792');
  await page.click('button[type=submit]');
  await page.waitForSelector('.cards');
  assert.match(await page.textContent('header'), /示例村1/);
});

test('the first steps: each over the page where it is done, left and opened again, over when they are over', async () => {
  const shot = async (n) => process.env.LASTMILE_SHOTS && page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/1024-guide-${n}.png` });
  const stands = (n, at) => page.waitForFunction(([step, hash]) => document.querySelector('.guide')?.textContent?.includes(step) && location.hash === hash, [`第 ${n} 步，共 6 步`, at]);
  await page.waitForSelector('.guide');
  await stands(1, new URL(page.url()).hash);
  await shot(1);
  for (const [n, at] of [[2, '#/settings'], [3, '#/settings'], [4, '#/import/person'], [5, '#/new/visit'], [6, '#/pending']]) {
    await page.click('.guide button.main');
    await stands(n, at);
    await page.waitForSelector('main h1');
    await shot(n);
    if (n === 3) {
      await page.click('label.choice:has-text("特大")'); // what it speaks of is on the very page
      assert.equal(await page.evaluate(() => document.documentElement.style.fontSize), '24px');
      await page.click('label.choice:has-text("标准")');
    }
  }
  await page.click('.guide button:has-text("上一步")');
  await stands(5, '#/new/visit');
  await page.reload(); // the power went: it goes on where it was
  await stands(5, '#/new/visit');
  await page.goto(`${url}#/settings`);
  await page.click('.guide button:has-text("回到这一步的页面")');
  await stands(5, '#/new/visit');
  await page.click('.guide button:has-text("以后再说")');
  await page.waitForSelector('.guide', { state: 'detached' });
  await page.reload();
  await page.waitForSelector('main h1');
  assert.equal(await page.locator('.guide').count(), 0);
  await page.goto(`${url}#/help`);
  await page.click('button:has-text("再看一遍上手引导")');
  await stands(1, '#/');
  for (let n = 1; n < 6; n++) await page.click('.guide button.main');
  await stands(6, '#/pending');
  await page.click('.guide button:has-text("完成")');
  await page.waitForSelector('.guide', { state: 'detached' });
});

test('a person is entered, checked while typing, saved, and reaches the town', async () => {
  await page.goto(`${url}#/new/person`);
  await page.fill('#f-id_no', '999999195001021010');
  await page.waitForSelector('[data-field="id_no"] .refuse');
  assert.match(await page.textContent('[data-field="id_no"] .refuse'), /校验码不对/);
  await fillPerson('测试张三', idNumber('1950-01-02', 101));
  assert.equal(await page.inputValue('#f-birth_on'), '1950-01-02');
  assert.ok(await field('sex').locator('label.choice.on', { hasText: '男' }).count());
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  assert.match(await page.textContent('h1'), /测试张三/);
  assert.equal(rows('person').length, 1);
  await waitFor(() => town.hub.rows(['records', 'person']).length === 1, 'the record at the hub');
  await page.waitForFunction(() => document.querySelector('header')?.textContent?.includes('全部已上报'));
});

test('the same ID number again is said at once', async () => {
  await page.goto(`${url}#/new/person`);
  await page.click('.note.info button, h1'); // away with an unfinished draft, if there is one
  await fillPerson('测试另一人', idNumber('1950-01-02', 101));
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-field="id_no"] .refuse');
  assert.equal(rows('person').length, 1);
});

test('search finds by name, initials and tail of the number', async () => {
  for (const text of ['张三', 'cszs', idNumber('1950-01-02', 101).slice(-4)]) {
    await page.goto(`${url}#/`);
    await page.fill('#search', text);
    await page.waitForSelector('.hits li');
    assert.match(await page.textContent('.hits'), /测试张三/, text);
  }
});

test('the search box is there before the script of the page, which takes it over as it is: what was typed, an input method at work, what was pressed', async () => {
  await page.goto('about:blank');
  let release = await holdScript(page);
  await page.goto(url, { waitUntil: 'commit' });
  await page.waitForFunction(() => document.activeElement?.id === 'search');
  await page.evaluate(() => {
    const box = (window.box = document.querySelector('#search'));
    window.heard = [];
    for (const what of ['blur', 'compositionstart', 'compositionend']) box.addEventListener(what, () => window.heard.push(what));
    new MutationObserver((all) => all.forEach((m) => m.removedNodes.forEach((n) => n.contains(box) && window.heard.push('taken out')))).observe(document, { childList: true, subtree: true });
  });
  await page.keyboard.type('张');
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Input.imeSetComposition', { text: 'ce', selectionStart: 2, selectionEnd: 2 });
  assert.equal(await page.inputValue('#search'), '张ce');
  const asked = page.waitForRequest((r) => r.url().endsWith(`search?q=${encodeURIComponent('张测')}`));
  await release('.cards');
  assert.equal(await page.inputValue('#search'), '张ce');
  await cdp.send('Input.insertText', { text: '测' });
  await asked;
  const now = await page.evaluate(() => ({ same: window.box === document.querySelector('#search'), at: document.activeElement?.id, value: window.box.value, heard: window.heard }));
  assert.deepEqual(now, { same: true, at: 'search', value: '张测', heard: ['compositionstart', 'compositionend'] });

  release = await holdScript(page);
  await page.reload({ waitUntil: 'commit' });
  await page.click('.search .button.main');
  assert.equal(new URL(page.url()).hash, '');
  await release('#f-name');
  release = await holdScript(page); // nothing of the first page where another one was asked for
  await page.reload({ waitUntil: 'commit' });
  await page.waitForFunction(() => document.readyState !== 'loading' && window.lastmileEarly);
  assert.equal(await page.locator('#search').count(), 0);
  await release('#f-name');
});

test('what is drawn before the script is what the script draws, in both languages', async () => {
  const parts = ['.skip', 'header.top', '.search', 'main h1'];
  for (const [language, word] of [['en', 'Log out'], ['zh', '退出登录']]) {
    await page.context().addCookies([{ name: 'lm_look_language', value: language, url }]);
    await page.goto('about:blank');
    const release = await holdScript(page);
    await page.goto(url, { waitUntil: 'commit' });
    await page.waitForSelector('#search');
    const early = await drawn(page, parts);
    assert.ok(early[1].includes(word), early[1]);
    await release('.cards');
    await page.goto(`${url}#/settings`);
    await page.reload(); // no search box here, so the script draws the first page from nothing
    await page.waitForSelector('main h1');
    await page.evaluate(() => (location.hash = '#/'));
    await page.waitForSelector('.cards');
    assert.deepEqual(await drawn(page, parts), early);
  }
});

test('a page whose code did not come says so in words, and opens the next time', async () => {
  await page.goto(`${url}#/`);
  await page.route('**/assets/settings-*.js', (route) => route.abort());
  await page.reload();
  await page.waitForSelector('.cards');
  await page.evaluate(() => (location.hash = '#/settings'));
  await page.waitForSelector('main .note.bad');
  assert.match(await page.textContent('main .note.bad'), /这一页没有打开/);
  await page.unroute('**/assets/settings-*.js');
  await page.evaluate(() => (location.hash = '#/'));
  await page.waitForSelector('.cards');
  await page.evaluate(() => (location.hash = '#/settings'));
  await page.waitForSelector('main h1:has-text("设置")');
});

test('what was typed survives kill -9 of the program', async () => {
  await page.goto(`${url}#/new/consultation`);
  await page.waitForSelector('#f-item_count');
  await page.fill('#f-item_count', '7');
  await page.waitForSelector('.sticky .quiet'); // "草稿已存好"
  await node.kill();
  await page.click('button[type=submit]');
  await page.waitForSelector('.note.bad');
  assert.equal(await page.inputValue('#f-item_count'), '7'); // nothing is cleared before it is saved
  await town.serveNode(node);
  await login();
  await page.goto(`${url}#/new/consultation`);
  await page.waitForFunction(() => document.querySelector('#f-item_count')?.value === '7');
  assert.match(await page.textContent('.note.info'), /接着上次/);
  await choose('channel', '电话');
  await page.locator('#f-topic').selectOption({ index: 1 });
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  assert.deepEqual(
    rows('consultation').map((r) => r.fields.item_count),
    [7],
  );
});

test('without the town all goes on, and the page says how it stands', async () => {
  node.run(['sync']); // what came before is there
  await town.hub.stop();
  await page.goto(`${url}#/new/facility`);
  await page.waitForSelector('#f-opened_on');
  const kind = field('kind').locator('select');
  if (await kind.count()) await kind.selectOption({ index: 1 });
  else await field('kind').locator('label.choice').first().click();
  await page.fill('#f-opened_on', '2020-01-01');
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  await page.waitForFunction(() => document.querySelector('header')?.textContent?.includes('1 条待上报'));
  await page.click('header .line');
  await page.waitForSelector('.plain-list li');
  assert.equal(await page.locator('.plain-list li').count(), 1);
  await town.serveHub();
  await page.goto(`${url}#/`);
  await page.click('text=现在上报');
  await page.waitForFunction(() => document.querySelector('header')?.textContent?.includes('全部已上报'));
});

test('what the town sends back is shown with its note, and corrected', async () => {
  const [consultation] = rows('consultation');
  town.hub.run(['send-back', consultation.id, '--note', '请核对件数']);
  await page.waitForFunction(() => document.querySelector('header .alarm'));
  await page.goto(`${url}#/returned`);
  await page.waitForSelector('text=请核对件数');
  await page.click('text=去更正');
  await page.waitForSelector('#f-item_count');
  await page.waitForSelector('main .note.bad:has-text("请核对件数")'); // she need not remember it
  await page.fill('#f-item_count', '3');
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  await waitFor(() => town.hub.rows(['records', 'consultation'])[0].fields.item_count === 3, 'the correction at the hub');
  await page.waitForFunction(() => !document.querySelector('header .alarm')); // handed in again, not only changed
});

test('what the town did to a record is fetched into its history', async () => {
  const before = await page.locator('.history li').count();
  await page.click('button:has-text("向镇里查全部经过")');
  await page.waitForFunction(() => /别人的修改截至/.test(document.body.textContent ?? ''));
  assert.ok((await page.locator('.history li').count()) > before, 'the town sent it back: a change of its own');
});

test('both sides changed it: who wrote what, and one is chosen', async () => {
  const [one] = rows('consultation');
  await town.restartHub(() => {
    town.hub.add([{ id: one.id, fields: { item_count: 30 } }]);
    node.add([{ id: one.id, fields: { item_count: 20 } }]);
  });
  node.run(['sync']);
  await page.goto(`${url}#/`);
  await page.click('text=1 条两边都改过');
  await page.click('.plain-list a');
  await page.waitForFunction(() => document.querySelectorAll('.conflict .version button').length === 2);
  const words = await page.textContent('.conflict');
  assert.ok(/20/.test(words) && /30/.test(words) && words.includes('现在用的'), words);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: join(process.env.LASTMILE_SHOTS, 'conflict.png'), fullPage: true });
  const other = await page.textContent('.conflict .version:not(.stands) dd');
  await page.click('.conflict button:has-text("改用这个")');
  await page.waitForFunction(() => !document.querySelector('.conflict'));
  assert.equal(String(rows('consultation')[0].fields.item_count), other.trim().replace(/[^0-9]/g, ''));
  await waitFor(() => town.hub.rows(['conflicts']).length === 0, 'the decision at the hub');
});

test('two windows on one record: nobody overwrites what he has not seen', async () => {
  const [first] = rows('person');
  const other = await open();
  await login(other);
  for (const p of [page, other]) {
    await p.goto(`${url}#/edit/${first.id}`);
    await p.waitForSelector('#f-phone');
  }
  await page.fill('#f-phone', '13900000001');
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  await other.fill('#f-phone', '13900000002');
  await other.click('button[type=submit]');
  await other.waitForSelector('[role=dialog]');
  const words = await other.textContent('[role=dialog]');
  assert.ok(words.includes('13900000001') && words.includes('13900000002'), words);
  await other.click('text=用我写的');
  await other.click('button[type=submit]');
  await other.waitForSelector('.values');
  assert.equal(rows('person')[0].fields.phone, '13900000002');
  await other.waitForSelector('.history li');
  const told = await other.textContent('.history'); // who, and from what to what
  assert.ok(told.includes('王秘书') && told.includes('（未填） → 13900000001') && told.includes('13900000001 → 13900000002'), told);
  await other.context().close();
});

test('a festival: people chosen by filter, one visit each, one save', async () => {
  const born = ['1940-01-01', '1942-02-02', '1990-03-03'];
  const ids = node.add(born.map((birth, i) => person({ name: `测试走访${i}`, id_no: idNumber(birth, 700 + i), household_no: 'H700', residence_text: '东头七号' })));
  await page.goto(`${url}#/batch/visit?occasion=spring`);
  await page.waitForSelector('.who li');
  await page.fill('#who', 'cszf'); // initials, as in the lists
  await page.waitForFunction(() => /^(测试走访[^]*){3}$/.test([...document.querySelectorAll('.who li')].map((li) => li.textContent).join('')) && document.querySelectorAll('.who li').length === 3);
  await page.fill('#who', '测试走访');
  await page.fill('#who-age', '60');
  await page.waitForFunction(() => document.querySelectorAll('.who li').length === 2);
  await page.click('text=选中下面 2 人');
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-field="visitors"] .refuse'); // what is missing is said once, beside its field
  assert.match(await page.textContent('.note.bad'), /一条也没有保存/);
  assert.equal(rows('visit').length, 0);
  await page.fill('#f-visitors', '书记甲');
  // The power goes while the save is under way: form, people and key are there, and the second save is the same one.
  let lost = true;
  await page.route('**/types/visit/batches', async (route) => {
    if (!lost) return route.continue();
    lost = false;
    await route.fetch(); // it is saved, and the answer never comes
    await node.kill();
    return route.abort();
  });
  await page.click('button[type=submit]');
  await page.waitForSelector('.note.bad');
  await page.unroute('**/types/visit/batches'); // while it stands, what a page sends as it is left may be held back until it ends
  await town.serveNode(node);
  assert.equal(rows('visit').length, 2);
  await login();
  await page.goto(`${url}#/batch/visit`);
  await page.waitForFunction(() => document.querySelector('#f-visitors')?.value === '书记甲');
  await page.click('button[type=submit]');
  await page.waitForFunction(() => location.hash === '#/list/visit');
  const visits = rows('visit');
  assert.deepEqual(visits.map((r) => r.fields.persons.length), [1, 1]);
  assert.deepEqual(visits.map((r) => r.fields.persons[0]).sort(), ids.slice(0, 2).sort());
  assert.equal((await page.request.get(`${url}api/v1/drafts/batch-visit`)).status(), 404); // what was saved is no draft any more
  await page.goto(`${url}#/batch/visit?occasion=spring`);
  await page.fill('#who', '测试走访');
  await page.waitForFunction(() => document.querySelectorAll('.who li').length === 1); // who was visited is not asked for again
  assert.match(await page.textContent('form'), /在册 \d+ 人，这次已走访 2 人，还有 \d+ 人没走访/);
});

test('a household is found, and seen on the card', async () => {
  await page.goto(`${url}#/`);
  await page.fill('#search', 'H700');
  await page.click('text=户 H700：3 人');
  await page.waitForFunction(() => document.querySelectorAll('.records tbody tr').length === 3);
  await page.click('.records tbody a');
  await page.waitForSelector('h3:has-text("同户的人")');
  await page.waitForFunction(() => [...document.querySelectorAll('h3')].find((h) => h.textContent.includes('同户的人'))?.nextElementSibling?.querySelectorAll('tbody tr').length === 2);
});

test('deleted and brought back', async () => {
  const [first] = rows('person');
  await page.goto(`${url}#/record/${first.id}`);
  await page.click('text=删除');
  await page.fill('[role=dialog] input', '重复录入');
  await page.click('[role=dialog] button[type=submit]');
  await page.goto(`${url}#/bin/person`);
  await page.waitForSelector('.plain-list li');
  assert.match(await page.textContent('.plain-list'), /重复录入/);
  await page.click('text=恢复');
  await waitFor(() => rows('person').some((r) => r.id === first.id), 'the person back');
});

/** The toast's button, by pointer or by the keyboard; what is said after it. */
async function undo(byKey = false) {
  await page.waitForSelector('.toast.shown [aria-keyshortcuts]');
  if (byKey) await page.keyboard.press('Control+z');
  else await page.click('.toast [aria-keyshortcuts]');
  await page.waitForFunction(() => document.querySelector('.toast.shown') && !document.querySelector('.toast [aria-keyshortcuts]'));
  return page.textContent('.toast span');
}

test('undo: an edit, a delete, a new record and many visits, without the town; nothing newer is undone', async () => {
  const kept = await page.locator('.toast').count();
  assert.equal(kept, 1);
  await town.hub.stop();
  const [id] = node.add([person({ name: '测试撤销', id_no: idNumber('1951-05-05', 811), phone: '13900000011' })]);
  const now = () => rows('person').find((r) => r.id === id);
  const editPhone = async (to) => {
    await page.goto(`${url}#/edit/${id}`);
    await page.waitForSelector('#f-phone');
    await page.fill('#f-phone', to);
    await page.click('button[type=submit]');
    await page.waitForSelector('.values');
  };
  await editPhone('13900000012');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/1024-undo.png` });
  assert.match(await undo(), /已撤销/);
  assert.equal(now().fields.phone, '13900000011');
  await page.waitForFunction(() => document.querySelector('.history')?.textContent?.includes('撤销上一次修改'));
  await page.waitForFunction(() => document.querySelector('.values')?.textContent?.includes('13900000011')); // the page shows it without being asked
  // By the keyboard, from the page; in a field Ctrl+Z stays the field's.
  await editPhone('13900000013');
  assert.match(await undo(true), /已撤销/);
  assert.equal(now().fields.phone, '13900000011');
  // Something newer stands on it: refused in words, and nothing is lost.
  await editPhone('13900000014');
  node.add([{ id, fields: { residence_text: '西头' } }]);
  assert.match(await undo(), /后来又改过/);
  assert.deepEqual([now().fields.phone, now().fields.residence_text], ['13900000014', '西头']);
  await page.click('.toast button[aria-label="关闭"]');
  // A delete is undeleted.
  await page.click('text=删除');
  await page.fill('[role=dialog] input', '点错了');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('.toast.shown [aria-keyshortcuts]');
  assert.equal(now(), undefined);
  await undo();
  assert.equal(now().fields.phone, '13900000014');
  // What was new is deleted, and stands in the recycle bin.
  await page.goto(`${url}#/new/consultation`);
  await page.waitForSelector('#f-item_count');
  await page.fill('#f-item_count', '9');
  await choose('channel', '电话');
  await page.locator('#f-topic').selectOption({ index: 1 });
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  assert.ok(rows('consultation').some((r) => r.fields.item_count === 9));
  await undo();
  assert.ok(!rows('consultation').some((r) => r.fields.item_count === 9));
  await page.waitForFunction(() => document.querySelector('h1')?.textContent?.includes('已删除'));
  // Many visits at once are undone at once.
  const before = rows('visit').length;
  await page.goto(`${url}#/batch/visit?occasion=army_day`);
  await page.waitForSelector('.who li');
  await page.fill('#who', '测试走访');
  await page.waitForFunction(() => document.querySelectorAll('.who li').length === 3);
  await page.click('text=选中下面 3 人');
  await page.fill('#f-visitors', '书记甲');
  await page.click('button[type=submit]');
  await page.waitForFunction(() => location.hash === '#/list/visit');
  assert.equal(rows('visit').length, before + 3);
  assert.match(await undo(), /已撤销 3 条/);
  assert.equal(rows('visit').length, before);
  // The lock takes the offer away: nobody undoes what another one did.
  await editPhone('13900000015');
  await page.waitForSelector('.toast.shown [aria-keyshortcuts]');
  await page.click('text=锁屏');
  await page.waitForSelector('#unlock');
  assert.equal(await page.locator('.toast.shown').count(), 0);
  await page.fill('#unlock', '135792');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('#unlock', { state: 'detached' });
  await town.serveHub();
  node.run(['sync']);
  assert.equal(town.hub.rows(['records', 'person']).find((r) => r.id === id).fields.phone, '13900000015');
});

test('the lock keeps the open form', async () => {
  await page.goto(`${url}#/new/consultation`);
  await page.waitForSelector('#f-item_count');
  await page.fill('#f-item_count', '5');
  await page.click('text=锁屏');
  await page.fill('#unlock', '999999');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('[role=dialog] .note.bad');
  await page.fill('#unlock', '135792');
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('#unlock', { state: 'detached' });
  assert.equal(await page.inputValue('#f-item_count'), '5');
});

test('Enter goes to the next field, but not while an input method is composing', async () => {
  const before = rows('person').length;
  await page.goto(`${url}#/new/person`);
  await page.waitForSelector('#f-name');
  await page.focus('#f-name');
  await page.evaluate(() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(await page.evaluate(() => document.activeElement.id), 'f-name');
  await page.keyboard.press('Enter');
  assert.notEqual(await page.evaluate(() => document.activeElement.id), 'f-name');
  assert.equal(rows('person').length, before); // nothing was submitted
});

test('the stick: to the town and back, a backup and going back to it', async () => {
  const stick = join(town.work, 'sticks', '书记的U盘');
  mkdirSync(stick, { recursive: true });
  await town.hub.stop();
  const [made] = node.add([{ type: 'consultation', fields: { on: '2025-03-01', channel: 'phone', topic: 'policy', item_count: 5 } }]);
  await page.goto(`${url}#/usb`);
  await page.click('button:has-text("写到U盘")');
  await page.waitForSelector('text=/已写到U盘/');
  const files = readdirSync(stick).filter((f) => f.endsWith('.lmb'));
  assert.equal(files.length, 1);
  town.hub.run(['bundle', 'import', join(stick, files[0]), '--reply', stick]);
  assert.equal(town.hub.rows(['records', 'consultation']).find((r) => r.id === made).fields.item_count, 5);
  await page.reload();
  await page.click('button:has-text("收下回复")');
  await page.waitForSelector('text=全部都到镇里了。');
  // The town's server goes back to a backup: what it did since is given back with the next stick, and the page says so.
  const trip = async () => {
    for (const f of readdirSync(stick)) if (f.endsWith('.lmb')) rmSync(join(stick, f));
    await page.reload();
    await page.click('button:has-text("写到U盘")');
    await page.waitForSelector('text=/已写到U盘/');
    town.hub.run(['bundle', 'import', join(stick, readdirSync(stick).find((f) => f.endsWith('.lmb'))), '--reply', stick]);
    await page.reload();
    await page.click('button:has-text("收下回复")');
    await page.waitForSelector('text=全部都到镇里了。');
  };
  const old = join(town.work, 'hub-before');
  town.hub.run(['backup', old]);
  town.hub.add([{ type: 'notice', fields: { title: '备份之后的通知', body: '请上报', published_on: '2025-01-01' } }]);
  await trip();
  assert.equal(await page.locator('text=交还').count(), 0);
  town.hub.run(['restore', old]);
  await trip();
  await page.waitForSelector('text=/镇里的服务器退回过旧备份.*交还/');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: join(process.env.LASTMILE_SHOTS, '1024-usb-gives-back.png'), fullPage: true });
  await trip();
  assert.equal(await page.locator('text=交还').count(), 0);
  assert.equal(town.hub.rows(['recovered', 'list']).length, 1);
  town.hub.run(['recovered', 'accept', '--all']);
  await trip();
  assert.ok(rows('notice').some((r) => r.fields.title === '备份之后的通知'));
  for (const f of readdirSync(stick)) if (f.endsWith('.lmb')) rmSync(join(stick, f));
  await page.click('button:has-text("备份到U盘")');
  await page.waitForSelector('text=/已备份并核对/');
  const [since] = node.add([{ type: 'consultation', fields: { on: '2025-03-02', channel: 'phone', topic: 'policy', item_count: 6 } }]);
  await page.locator('li', { hasText: 'lm-backup-' }).locator('button').click();
  await page.locator('.dialog button', { hasText: '恢复到这个备份' }).click();
  await page.waitForSelector('text=/备份之后录入的 1 条改动都在/');
  assert.deepEqual(
    rows('consultation')
      .map((r) => r.id)
      .filter((id) => id === made || id === since).length,
    2,
  );
  for (const body of [{ stick: '/etc', file: 'passwd' }, { stick, file: '../../node-1/node.db' }, { stick, file: 'lm-x-reply-1.lmb/../../x-reply-1.lmb' }, { stick, file: 5 }]) {
    const answer = await page.request.post(`${url}api/v1/usb/import`, { data: body });
    assert.ok([404, 422].includes(answer.status()), `${JSON.stringify(body)}: ${answer.status()}`);
  }
  writeFileSync(join(stick, 'lm-999999101201-reply-9.lmb'), 'noise');
  await page.reload();
  await page.click('button:has-text("收下回复")');
  await page.waitForSelector('.note.bad');
  await town.serveHub();
});

test('steps: where it stands, what comes next, and who does it', async () => {
  const [personId] = node.add([person({ name: '测试步骤', id_no: idNumber('1949-06-01', 821) })]);
  node.add([
    { type: 'person_identity', fields: { person_id: personId, code: '02' } },
    { type: 'service_history', fields: { person_id: personId, enlist_on: '1974-12-01', discharge_on: '1979-01-15', branch: 'army', resettlement: 'self' } },
  ]);
  const [aid] = node.add([{ type: 'aid_case', fields: { type: 'one_off', person_id: personId, situation: 's1', reason: '屋顶漏雨', applied_on: '2025-02-01' } }]);
  const line = () => page.$$eval('.steps li', (all) => all.map((li) => `${li.querySelector('b') ? '*' : ''}${(li.querySelector('b') ?? li.querySelector('span')).textContent}:${li.querySelector('small')?.textContent ?? ''}`));
  await page.goto(`${url}#/record/${personId}`);
  await page.waitForSelector('.steps li');
  assert.deepEqual(await line(), ['*待镇核:本站', '在册:镇里']);
  assert.match(await page.textContent('.steps'), /由?镇里办：在册，本站不用管/);
  await page.goto(`${url}#/record/${aid}`);
  await page.waitForFunction(() => document.querySelectorAll('.steps li').length === 8);
  assert.deepEqual(await line(), ['*申请:本站', '村核实:本站', '镇审核:镇里', '公示:镇里', '报县:镇里', '批准:镇里', '已发放:镇里', '回访办结:本站']);
  assert.match(await page.textContent('.steps'), /接下来由本站办：村核实/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/1024-steps.png` });
  await page.click('a:has-text("办理：村核实")');
  await page.waitForSelector('button:has-text("保存，并办到“村核实”")');
  await page.click('button[type=submit]'); // what this step needs is said beside its fields
  await page.waitForSelector('[data-field="village_checked_on"] .refuse');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/1024-step-form.png`, fullPage: true });
  await page.fill('#f-village_checked_on', '2025-02-03');
  if (await page.locator('#f-village_opinion').count()) await page.fill('#f-village_opinion', '情况属实');
  await page.click('button[type=submit]');
  await page.waitForFunction(() => document.querySelector('.steps .now')?.textContent?.includes('村核实'));
  assert.match((await line())[0], /^申请:✓/);
  assert.match(await page.textContent('.steps'), /镇里办：镇审核，本站不用管/);
  assert.equal(await page.locator('.toast [aria-keyshortcuts]').count(), 0); // a step is not taken back by one click
  assert.equal(rows('aid_case')[0].state, 'village_checked');
  // One that ends here: the form asks why, and nothing is said of a field that is not on it.
  const [ended] = node.add([{ type: 'aid_case', fields: { type: 'one_off', person_id: personId, situation: 's1', reason: '已由子女解决', applied_on: '2025-02-02' } }]);
  await page.goto(`${url}#/record/${ended}`);
  await page.click('.steps a:has-text("撤回")');
  await page.waitForSelector('#f-close_note');
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-field="close_note"] .refuse');
  await page.fill('#f-close_note', '本人不再申请');
  await page.click('button[type=submit]');
  await page.waitForFunction(() => document.querySelector('.steps .now')?.textContent?.includes('撤回'));
  assert.deepEqual(rows('aid_case').filter((r) => r.id === ended).map((r) => [r.state, r.fields.close_note]), [['withdrawn', '本人不再申请']]);
  await page.goto(`${url}#/record/${aid}`);
  await page.waitForFunction(() => document.querySelector('.steps .now')?.textContent?.includes('村核实'));
  // The town sends it back, and registers the person: both are seen here.
  node.run(['sync']);
  town.hub.run(['send-back', aid, '--note', '请补充照片']);
  const approved = town.hub.run(['approve', 'person']);
  assert.match(approved, /已核定 [1-9]/, approved);
  node.run(['sync']);
  await page.waitForFunction(() => document.querySelector('.steps')?.textContent?.includes('接下来由本站改好再交'));
  await page.goto(`${url}#/record/${personId}`);
  await page.waitForFunction(() => document.querySelector('.steps .now')?.textContent?.includes('在册'));
  assert.match(await page.textContent('.steps'), /已经办到头/);
  // What the town took up is not a village's to delete: said before she writes a reason.
  await page.click('button:has-text("删除")');
  await page.waitForSelector('.dialog:has-text("请联系镇服务站")');
  assert.equal(await page.locator('.dialog input').count(), 0);
  await page.click('.dialog button:has-text("关闭")');
  await page.waitForSelector('.dialog', { state: 'detached' });
});

test('training: entered from the menu, marked on each page and on paper, nothing of it is real, begun anew, left again', async () => {
  const real = { people: rows('person').length, consultations: rows('consultation').length };
  await page.goto(`${url}#/`);
  await page.click('.menu a[href="/training/"]');
  await page.waitForSelector('#user');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/1024-training-door.png` });
  assert.match(await page.title(), /练习模式/);
  await page.click('button:has-text("开始练习")');
  await page.waitForSelector('.cards');
  for (const at of ['', 'list/person', 'new/visit', 'returned', 'pending', 'print/person', 'help']) {
    await page.goto(`${url}training/#/${at}`);
    await page.waitForSelector('main h1');
    assert.ok(await page.isVisible('.training-mark b'), at);
    assert.match(await page.textContent('.training-mark'), /都是编的.*不会上报/, at);
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    assert.deepEqual(
      violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ').slice(0, 300)}`),
      [],
      at,
    );
    if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/1024-training-${at.replace(/\W/g, '_') || 'home'}.png` });
  }
  await page.emulateMedia({ media: 'print' });
  await page.goto(`${url}training/#/print/person`);
  await page.waitForSelector('.sheet td');
  assert.ok(await page.isVisible('.training-mark b')); // a list on paper says so, too
  await page.emulateMedia({ media: 'screen' });
  assert.equal(await page.locator('.menu a[href="#/usb"]').count(), 0);
  await page.goto(`${url}training/#/returned`);
  await page.click('text=去更正');
  await page.waitForSelector('#f-item_count');
  await page.fill('#f-item_count', '4');
  await page.click('button[type=submit]');
  await page.waitForSelector('.values');
  await page.goto(`${url}training/#/`);
  await page.fill('#search', 'zly');
  await page.waitForSelector('.hits li');
  assert.match(await page.textContent('.hits'), /张练一/);
  assert.deepEqual([rows('person').length, rows('consultation').length], [real.people, real.consultations]);
  await page.click('text=重新开始练习');
  await page.click('[role=dialog] button:has-text("重新开始练习")');
  await page.waitForSelector('.toast.shown:has-text("练习数据已还原")');
  await page.waitForFunction(() => document.querySelector('.todo')?.textContent?.includes('1 条被退回'));
  await page.click('text=回到正式数据');
  await page.waitForSelector('.cards'); // the session there goes on
  assert.equal(await page.locator('.training-mark').count(), 0);
  await page.fill('#search', 'zly');
  await page.waitForFunction(() => document.querySelector('.search')?.textContent?.includes('没有找到'));
});
