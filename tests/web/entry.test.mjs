// A form as a person fills it in, by pointer and by keyboard alone: people, colleagues and records are chosen by name in every type that a
// secretary may enter; a draft belongs to whom it was begun for, and to one tab; nothing moves from under the pointer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clean, firstLogin, launch, open } from './browser.mjs';
import { idNumber, person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, node, url, browser, page, ids;
const problems = [];
const VILLAGE = '999999101201';

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  node.run(['user', 'add', '王秘书', '-', '--role', 'admin'], '135792\n');
  ids = node.add([person({ name: '测试张三', id_no: idNumber('1950-01-02', 101) }), person({ name: '测试李四', id_no: idNumber('1951-01-02', 103) })]);
  url = await town.serveNode(node);
  browser = await launch();
  page = await open(browser, url, problems, { viewport: { width: 1024, height: 768 } });
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

/** As the page calls it. */
const kindName = (type) => type.zh.replace(/\(多值\)$/, '');
/** The village may begin one. */
const begun = (type) => type.transitions.some((x) => x.from === null && x.village);
const rows = (type) => node.rows(['list', type]);
const field = (name, on = page) => on.locator(`[data-field="${name}"]`);
const radio = (name, text, on = page) => field(name, on).locator('label.choice', { hasText: new RegExp(`^${text}`) });
const shot = async (name) => {
  if (!process.env.LASTMILE_SHOTS) return;
  for (const [width, height] of [[1024, 768], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${width}-entry-${name}.png`, fullPage: true });
  }
  await page.setViewportSize({ width: 1024, height: 768 });
};

/** A new form, judged once: what it asks for is known. */
async function form(at, on = page) {
  const judged = on.waitForResponse((r) => r.url().endsWith('/check'));
  await on.goto(`${url}#/`);
  await on.waitForSelector('.cards');
  await on.goto(`${url}#/new/${at}`);
  await on.waitForSelector('main form [data-field]');
  await judged;
}

/** Chooses a record by what is typed of its name. */
async function pick(name, text, on = page) {
  await field(name, on).locator('[role=combobox]').fill(text);
  await field(name, on).locator('.options li').first().click();
}

async function save(on = page) {
  await on.click('main form button[type=submit]');
  await on.waitForSelector('.values');
}

const draftKept = (on = page) => on.waitForSelector('.sticky .quiet');

test('no type that a secretary may enter asks for a record by its id', async () => {
  // A change request has a page of its own, which begins with the person (transfers.test.mjs); a receipt is given on its notice's page.
  const catalog = await (await page.request.get(`${url}api/v1/catalog`)).json();
  const bare = [];
  for (const type of catalog.types.filter((t) => t.kept && begun(t) && !['change_request', 'attachment', 'notice_receipt'].includes(t.name))) {
    await page.goto(`${url}#/new/${type.name}`);
    await page.waitForFunction((zh) => document.querySelector('main h1')?.textContent?.includes(zh) && document.querySelector('main form [data-field]'), kindName(type));
    assert.doesNotMatch(await page.textContent('main h1'), /多值/);
    if (await page.locator('button.fold[aria-expanded=false]').count()) await page.click('button.fold');
    const asked = type.fields.filter((f) => f.entered && !f.common && (['uuid', 'ref'].includes(f.type) || ['record_type', 'month'].includes(f.format))).map((f) => f.name);
    bare.push(
      ...(await page.$$eval(
        '[data-field]',
        (all, [names, of]) =>
          all
            .filter((box) => names.includes(box.dataset.field) && (!box.querySelector('input, select') || box.querySelector('textarea, input[type=text]:not([role=combobox])')))
            .map((box) => `${of}.${box.dataset.field}`),
        [asked, type.name],
      )),
    );
  }
  assert.deepEqual(bare, []);
});

test('every page in the menu and every form has help of its own, over the form as it is', async () => {
  const catalog = await (await page.request.get(`${url}api/v1/catalog`)).json();
  await page.goto(`${url}#/`);
  await page.waitForSelector('.menu a[href="#/help"]');
  const menu = await page.$$eval('.menu a[href^="#/"]', (all) => all.map((a) => a.getAttribute('href')));
  // Every kind of record that may be on this PC is in the menu, once: what the village enters, and what is only looked at.
  const townsOwn = ['report_snapshot', 'opening_balance', 'rights_request', 'station_account'];
  assert.deepEqual(menu.filter((at) => at.startsWith('#/list/')).sort(), catalog.types.filter((t) => !townsOwn.includes(t.name)).map((t) => `#/list/${t.name}`).sort());
  const forms = catalog.types.filter((t) => t.kept).map((t) => `#/new/${t.name}`);
  const seen = new Map();
  for (const at of [...menu, ...forms, '#/batch/visit', '#/tally', '#/pending', '#/returned', '#/conflicts', '#/import/person', '#/print/person', `#/record/${ids[0]}`, `#/edit/${ids[0]}`]) {
    await page.evaluate((to) => (location.hash = to), at);
    await page.waitForFunction(() => !document.querySelector('.dialog'));
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))); // the address is heard of
    await page.keyboard.press('F1');
    await page.waitForSelector('.dialog .help');
    if (/record|edit/.test(at)) await page.waitForFunction(() => document.querySelectorAll('.dialog .help').length === 2);
    const [title, ...parts] = await page.$eval('.dialog .help', (box) => [box.querySelector('h3').textContent, box.querySelector('p').textContent, ...[...box.querySelectorAll('li')].map((li) => li.textContent), box.querySelector('p:last-child').textContent]);
    assert.ok(parts.length >= 6 && parts.every((text) => text.length >= 5), `${at}: ${parts.join('|')}`);
    const kind = /^#\/(?:list|new)\/(\w+)/.exec(at)?.[1];
    if (kind) assert.equal(title, catalog.types.find((t) => t.name === kind).zh, at);
    const other = seen.get(parts[0]);
    assert.ok(!other || other === title, `${at} says what ${other} says`);
    seen.set(parts[0], title);
    await page.keyboard.press('Escape');
  }
  await form('person');
  await page.fill('#f-name', '测试求助');
  await page.click('header button:has-text("帮助")');
  await page.waitForSelector('.dialog .help h3:has-text("服务对象")');
  await shot('help');
  await clean(page, 'help');
  await page.click('.dialog button:has-text("关闭")');
  assert.equal(await page.inputValue('#f-name'), '测试求助');
  await page.goto(`${url}#/help/list/visit`);
  await page.waitForSelector('.card .help h2:has-text("走访慰问")');
  await shot('help-page');
  await clean(page, 'the help page');
  // What only the town keeps is looked at, not entered.
  await page.goto(`${url}#/list/matter`);
  await page.waitForSelector('text=这里由镇里登记');
  assert.equal(await page.locator('main a.button.main').count(), 0);
  await page.click('.menu summary:has-text("本站情况")');
  await shot('menu');
});

test('a reception, a contact plan, an honour and nil reports are entered by hand', async () => {
  await form('reception');
  assert.match(await field('handler').locator('label.choice.on').textContent(), /王秘书（我自己）/); // no post is registered yet
  await page.fill('#f-at', '2025-03-05T10:30');
  await page.fill('#f-head_count', '1');
  await page.fill('#f-visitor_name', '甲某'); // asked for once there is one visitor
  await page.locator('#f-matter_kind').selectOption({ index: 1 });
  await page.fill('#f-appeal', '问待遇');
  await page.fill('#f-reply', '已说明');
  await radio('outcome', '当场').click();
  await page.waitForFunction(() => !document.querySelector('[data-field="visitor_name"] .refuse'));
  assert.ok(await page.isVisible('#f-visitor_name')); // what is filled in is not folded away
  await shot('reception');
  await clean(page, 'reception');
  await save();
  assert.match(await page.textContent('.values'), /接待人王秘书/);

  // The town registers who works here: they are offered by name, each once.
  const [station] = rows('station');
  const post = (holder_name, kind, more = {}) => ({ type: 'staff_post', station: VILLAGE, fields: { station_id_post: station.id, post: kind, holder_name, full_time: false, concurrent: true, is_veteran: false, from_on: '2021-01-01', ...more } });
  const [secretary] = town.hub.add([post('书记甲', 'branch_secretary'), post('书记甲', 'head'), post('前书记', 'head', { to_on: '2020-12-31', from_on: '2018-01-01' })]);
  node.run(['sync']);
  await form('contact_plan');
  await pick('person_id', '张三');
  await page.fill('#f-start_on', '2025-03-01');
  const offered = await field('owner').locator('label.choice').allTextContents();
  assert.equal(offered.length, 2, offered.join());
  assert.match(offered.join(), /书记甲.*王秘书（我自己）/);
  await radio('owner', '书记甲').click();
  await shot('contact-plan');
  await clean(page, 'contact plan');
  await save();
  assert.match(await page.textContent('.values'), /联系人书记甲/);
  assert.equal(rows('contact_plan')[0].fields.person_id, ids[0]);
  assert.ok(rows('staff_post').some((r) => r.id === rows('contact_plan')[0].fields.owner && r.fields.holder_name === '书记甲'), secretary);

  await form('honor');
  await radio('subject', '服务对象').click();
  await pick('subject', '李四');
  await page.waitForSelector('[data-field="subject"] .picked');
  await shot('honor');
  await clean(page, 'honour');
  await page.fill('#f-title', '优秀退役军人');
  await page.fill('#f-issuer', '示例镇');
  const level = field('level');
  if (await level.locator('select').count()) await level.locator('select').selectOption({ index: 1 });
  else await level.locator('label.choice').first().click();
  await page.fill('#f-awarded_on', '2025-03-01');
  await save();
  assert.equal(rows('honor')[0].fields.subject, `person:${ids[1]}`);
  assert.match(await page.textContent('.values'), /对象测试李四/);

  await form('nil_report');
  const [year, month] = new Date(Date.now() + 8 * 3600000).toISOString().split('-').map(Number);
  const last = new Date(Date.UTC(year, month - 2, 1)).toISOString().slice(0, 7);
  assert.equal(await page.inputValue('#f-month'), last); // the running one is not over
  await page.fill('#f-month', new Date(Date.UTC(year, month - 1, 1)).toISOString().slice(0, 7));
  await page.waitForSelector('[data-field=month] .warn:has-text("还没有过完")');
  await page.locator('#f-record').selectOption({ label: '来访接待' });
  await page.fill('#f-month', '2025-03'); // there was one
  await page.waitForSelector('[data-field=record] .warn:has-text("已经登记过“来访接待”")');
  assert.doesNotMatch(await page.textContent('#f-record'), /多值/);
  await page.locator('#f-record').selectOption({ label: '走访慰问' });
  await page.fill('#f-month', '2025-02');
  await save();
  assert.match(await page.textContent('.values'), /走访慰问/);
  await page.goto(`${url}#/list/nil_report`);
  assert.equal(await page.inputValue('.card input[type=month]'), last);
  await page.fill('.card input[type=month]', '2025-03');
  await page.waitForFunction(() => /有记录，不用零报告：[^✓]*来访接待/.test(document.querySelector('.nil')?.textContent ?? '')); // there was one in March
  await page.click('.nil button:has-text("3月没有走访慰问")');
  await page.waitForFunction(() => /✓ 已零报告：走访慰问/.test(document.querySelector('.nil')?.textContent ?? ''));
  await shot('nil');
  await clean(page, 'nil reports');
  assert.deepEqual(rows('nil_report').map((r) => [r.fields.month, r.fields.record]).sort(), [['2025-02', 'visit'], ['2025-03', 'visit']]);
});

test('materials are ticked by their names, and the first page says which are missing; the card says what happened and what is not there', async () => {
  const materials = [['居民身份证', false], ['退伍证', true], ['银行卡', true]].map(([name, late], i) => ({ no: i + 1, name, form: 'copy', count: 1, may_be_late: late }));
  town.hub.add([{ type: 'matter', fields: { name: '优待证申领', version: 1, materials, steps: '村站受理，报镇核对。' } }]);
  node.run(['sync']);
  const day = (n) => new Date(Date.now() + 8 * 3600000 + n * 86400000).toISOString().slice(0, 10);
  await form(`service_item?person_id=${ids[0]}`);
  if (await page.locator('button.fold[aria-expanded=false]').count()) await page.click('button.fold');
  await page.waitForSelector('[data-field="missing_materials"] >> text=先选上面的“事项”');
  await pick('matter_id', '优待证');
  const box = (name) => field('missing_materials').locator('label.choice', { hasText: name }).locator('input');
  await box('银行卡').check();
  await box('退伍证').check();
  assert.equal(await box('居民身份证').isDisabled(), true);
  await page.fill('#f-notice_given_at', `${day(-1)}T09:30`);
  await page.fill('#f-missing_due', day(3));
  await radio('mode', '容缺').click();
  await field('place').locator('label.choice').first().click();
  await page.fill('#f-trip_count', '1');
  await shot('materials');
  await clean(page, 'materials');
  await save();
  assert.match(await page.textContent('.values'), /容缺材料退伍证、银行卡/);
  const [item] = rows('service_item');
  assert.deepEqual(item.fields.missing_materials, [2, 3]);
  await page.goto(`${url}#/`);
  await page.waitForSelector('.todo li:has-text("测试张三 要补的材料"):has-text("退伍证、银行卡")');
  await page.waitForSelector('.todo li:has-text("该备份了")');
  await shot('home');
  await clean(page, 'home');
  await page.click('.todo a:has-text("换电脑怎么办")');
  await page.waitForSelector('#replace li');

  await page.goto(`${url}#/record/${ids[0]}`);
  await page.waitForSelector('#timeline li:has-text("办件")');
  assert.deepEqual((await page.locator('.part > h2').allTextContents()).slice(0, 8), ['身份', '服役', '家庭', '优待', '光荣牌', '优待证', '走访', '帮扶']);
  const events = await page.$$eval('#timeline li', (all) => all.map((li) => li.firstChild.textContent));
  assert.deepEqual(events, [...events].sort().reverse());
  await page.waitForSelector('#part-cardCard >> text=由镇里登记');
  await shot('card');
  await clean(page, 'card');
  await page.click('#part-cardService a:has-text("登记")');
  await page.waitForSelector('[data-field="person_id"] .picked:has-text("测试张三")');
});

test('the town enters for a village: who received the visitor is chosen from those of that village', async () => {
  const address = `http://${(await town.restartHub(() => town.hub.run(['user', 'add', 'clerk1', '-', '--role', 'clerk'], 'A-first-password-1\n'))).http}/`;
  const clerk = await open(browser, address, problems);
  await firstLogin(clerk, 'clerk1', 'A-first-password-1', 'Another-password-2');
  await clerk.goto(`${address}#/enter/reception?station=${VILLAGE}`);
  await clerk.waitForSelector('[data-field="handler"] label.choice');
  assert.equal(await clerk.locator('[data-field="handler"] .on').count(), 0); // the clerk was not there
  await clerk.fill('#f-at', '2025-04-05T10:30');
  await clerk.fill('#f-head_count', '1');
  await clerk.fill('#f-visitor_name', '乙某');
  await clerk.locator('#f-matter_kind').selectOption({ index: 1 });
  await clerk.fill('#f-appeal', '问待遇');
  await clerk.fill('#f-reply', '已说明');
  await radio('outcome', '当场', clerk).click();
  await radio('handler', '书记甲', clerk).click();
  await clean(clerk, 'on behalf');
  await clerk.click('main form button[type=submit]');
  await clerk.waitForSelector('dl.values');
  assert.match(await clerk.textContent('dl.values'), /接待人\s*书记甲/);
  await clerk.context().close();
});

test('a draft is of whom it was begun for', async () => {
  await form(`visit?persons=${ids[0]}`);
  await page.fill('#f-visitors', '书记甲');
  await draftKept();
  await form(`visit?persons=${ids[1]}`);
  assert.equal(await page.inputValue('#f-visitors'), '');
  assert.deepEqual(await page.$$eval('.picked', (all) => all.map((e) => e.firstChild.textContent)), ['测试李四']);
  await page.goto(`${url}#/`);
  await page.click('.todo a:has-text("测试张三")'); // the other one is there, by name
  await page.waitForFunction(() => document.querySelector('#f-visitors')?.value === '书记甲');
  assert.deepEqual(await page.$$eval('.picked', (all) => all.map((e) => e.firstChild.textContent)), ['测试张三']);
});

test('discarded: what is typed at once after it stays', async () => {
  await page.waitForSelector('.note.info button');
  await page.evaluate(() => {
    document.querySelector('.note.info button').click();
    const box = document.querySelector('#f-visitors');
    box.value = '书记乙';
    box.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await draftKept();
  assert.equal(await page.inputValue('#f-visitors'), '书记乙');
  await page.goto(`${url}#/`);
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/new/visit?persons=${ids[0]}`);
  await page.waitForFunction(() => document.querySelector('#f-visitors')?.value === '书记乙');
});

test('when a draft was kept is said by the clock of the town, whatever zone the PC is set to', async () => {
  const context = await browser.newContext({ locale: 'zh-CN', timezoneId: 'America/New_York' });
  context.setDefaultTimeout(TIMEOUT_MS);
  const away = await context.newPage();
  await away.clock.setFixedTime('2026-01-05T20:30:07Z');
  await away.goto(url);
  await away.fill('#user', '王秘书');
  await away.fill('#password', '135792');
  await away.click('button[type=submit]');
  await form('consultation', away);
  await away.fill('#f-item_count', '3');
  await away.waitForSelector('.sticky .quiet:has-text("04:30:07")');
  await context.close();
});

test('two tabs: each has its own draft, and both are saved', async () => {
  const other = await page.context().newPage();
  await other.goto(url);
  const fill = async (on, name, number) => {
    await on.fill('#f-name', name);
    await radio('id_status', '有效', on).click();
    await on.fill('#f-id_no', number);
    await on.waitForFunction(() => document.querySelector('#f-birth_on')?.value !== '');
    await radio('is_resident', '是', on).click();
  };
  await form('person');
  await fill(page, '测试甲标签', idNumber('1952-02-02', 201));
  await draftKept();
  await form('person', other);
  assert.equal(await other.inputValue('#f-name'), '');
  await fill(other, '测试乙标签', idNumber('1953-02-02', 203));
  await draftKept(other);
  await save();
  await save(other);
  assert.deepEqual(rows('person').map((r) => r.fields.name).filter((n) => n.endsWith('标签')).sort(), ['测试乙标签', '测试甲标签'].sort());
  await other.close();
});

test('a form whose id was used meanwhile says so, and is saved as another one', async () => {
  await form('consultation');
  await page.fill('#f-item_count', '7');
  await radio('channel', '电话').click();
  await page.locator('#f-topic').selectOption({ index: 1 });
  const body = await waitFor(async () => {
    const draft = await page.request.get(`${url}api/v1/drafts/new-consultation`);
    const kept = draft.ok() ? (await draft.json()).body : undefined;
    return kept?.fields.topic && kept.fields.channel ? kept : null;
  }, 'the draft');
  const first = await page.request.post(`${url}api/v1/types/consultation/records`, { data: { id: body.id, fields: { ...body.fields, item_count: 3 } } });
  assert.equal(first.status(), 201, await first.text());
  await page.click('main form button[type=submit]');
  await page.waitForSelector('.note.bad:has-text("再按一次")');
  await save();
  assert.deepEqual(rows('consultation').map((r) => r.fields.item_count).sort(), [3, 7]);
});

test('a click is not lost when the field that is left complains', async () => {
  await form('person');
  await page.focus('#f-name');
  const at = await radio('id_status', '有效').boundingBox();
  await page.mouse.move(at.x + at.width / 2, at.y + at.height / 2);
  await page.mouse.down();
  await page.waitForFunction(() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(() => shown(true))))); // drawn
  await page.mouse.up();
  await page.waitForFunction(() => document.querySelector('[data-field="id_status"] .choice.on')?.textContent === '有效', undefined, { timeout: TIMEOUT_MS / 4 });
  await page.waitForSelector('[data-field="name"] .refuse'); // and then it is said
});

test('a picker that finds nobody says so and offers a way on; what was typed is in the draft', async () => {
  const names = async () => (await (await page.request.get(`${url}api/v1/drafts`)).json()).drafts.filter((d) => d.key.startsWith('new-person')).map((d) => d.body.fields.name);
  await form('person');
  await page.fill('#f-name', '李没填完'); // stays as it is beside the one that is looked for below
  await waitFor(async () => (await names()).includes('李没填完'), 'the draft of another one');
  await form('aid_case');
  const box = field('person_id').locator('[role=combobox]');
  await box.fill('王不存在');
  await page.waitForSelector('[data-field="person_id"] .nobody:has-text("没有找到“王不存在”")');
  assert.deepEqual(await field('person_id').locator('.nobody a').allTextContents(), ['新增人员', '申请转入']);
  await shot('nobody');
  await clean(page, 'nobody');
  await page.click('main form button[type=submit]');
  await page.waitForSelector('[data-field="person_id"] .refuse:has-text("“王不存在”还没有从名单里选定")');
  assert.doesNotMatch(await page.innerText('main form'), /尚未在册/);
  await waitFor(async () => (await (await page.request.get(`${url}api/v1/drafts/new-aid_case`)).json()).body?.typed?.person_id === '王不存在', 'the draft');
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#f-person_id')?.value === '王不存在');
  await box.focus();
  await page.click('.nobody a:has-text("新增人员")');
  await page.waitForFunction(() => document.querySelector('#f-name')?.value === '王不存在');
  await page.fill('#f-id_no', '9999991');
  await waitFor(async () => (await names()).length === 2, 'a draft of its own');
  assert.deepEqual((await names()).sort(), ['李没填完', '王不存在']);
  await form('aid_case');
  await page.click('.note.info button');
  await page.waitForFunction(() => document.querySelector('#f-person_id')?.value === '');
  await page.evaluate(async () => {
    const { drafts } = await (await fetch('/api/v1/drafts')).json();
    for (const d of drafts) await fetch(`/api/v1/drafts/${encodeURIComponent(d.key)}`, { method: 'DELETE', headers: { 'Content-Type': 'application/json' }, body: '{}' });
  });
  assert.deepEqual(await names(), []);
});

test('what is said to be wrong can be mended on the form, and nothing is offered that ends in a refusal', async () => {
  await form('visit');
  await page.fill('#f-visitors', '');
  await page.click('main form button[type=submit]');
  await page.waitForSelector('.note.bad');
  assert.doesNotMatch(await page.innerText('main form'), /走访时类别/);
  const marked = await page.locator('.field.bad').count();
  assert.match(await page.locator('.note.bad').last().innerText(), new RegExp(`有 ${marked} 处要改`));
  const catalog = await (await page.request.get(`${url}api/v1/catalog`)).json();
  const ends = catalog.types.filter((t) => t.kept && !begun(t)).map((t) => t.name);
  assert.ok(ends.includes('station'), ends.join());
  for (const name of ends) {
    await page.goto(`${url}#/list/${name}`);
    await page.waitForSelector('main >> text=这里由镇里新增');
    assert.equal(await page.locator('main a[href^="#/new/"], main a[href^="#/import/"]').count(), 0, name);
    await page.goto(`${url}#/new/${name}`);
    await page.waitForSelector('main .note:has-text("这里由镇里新增")');
  }
});

test('what is too long is kept as it came, and said', async () => {
  await form('reception');
  await page.fill('#f-appeal', '问'.repeat(5000));
  await page.waitForSelector('[data-field="appeal"] .refuse:has-text("现有5000个")');
  assert.equal((await page.inputValue('#f-appeal')).length, 5000);
  await page.fill('#f-appeal', '问待遇');
  await page.waitForSelector('[data-field="appeal"] .refuse', { state: 'detached' });
});

test('an amount and a number are read as they are written, and what is none is said in the words of the page', async () => {
  await form('aid_case');
  if (await page.locator('button.fold[aria-expanded=false]').count()) await page.click('button.fold');
  const amount = (text) => page.fill('#f-amount_applied_fen', text);
  const kept = async () => (await (await page.request.get(`${url}api/v1/drafts/new-aid_case`)).json()).body?.fields?.amount_applied_fen;
  for (const [text, fen] of [['100元', 10000], ['￥1,200.50', 120050], ['３００', 30000], [' ¥ 7．5 ', 750]]) {
    await amount(text);
    await waitFor(async () => (await kept()) === fen, text);
  }
  for (const text of ['1.234', '一百']) {
    await amount(text);
    await page.waitForSelector('[data-field="amount_applied_fen"] .refuse:has-text("请写金额，如 200 或 200.50")');
    assert.match(await field('amount_applied_fen').locator('.refuse').innerText(), /申请金额\(元\)/);
  }
  assert.doesNotMatch(await page.innerText('main'), /加引号|\(分\)/);
  await amount('');
  await form('consultation');
  await page.fill('#f-item_count', '十');
  await page.waitForSelector('[data-field="item_count"] .refuse:has-text("请写整数")');
  await page.fill('#f-item_count', '１２');
  assert.equal(await page.inputValue('#f-item_count'), '12');
  await page.waitForSelector('[data-field="item_count"] .refuse', { state: 'detached' });
  await page.evaluate(async () => {
    for (const key of ['new-aid_case', 'new-consultation']) await fetch(`/api/v1/drafts/${key}`, { method: 'DELETE', headers: { 'Content-Type': 'application/json' }, body: '{}' });
  });
});

test('one that was chosen is taken back by keyboard', async () => {
  await form(`visit?persons=${ids[1]}`);
  await field('persons').locator('[role=combobox]').focus();
  await page.keyboard.press('Shift+Tab');
  assert.equal(await page.evaluate(() => document.activeElement.closest('.picked') !== null), true);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.picked', { state: 'detached' });
  await page.waitForFunction(() => document.activeElement?.id === 'f-persons');
});

/** Fills a form by keyboard alone, from the first field to the button that saves. */
async function byKeyboard(values) {
  const visited = [];
  for (let i = 0; i < 60; i++) {
    const now = await page.evaluate(() => {
      const el = document.activeElement;
      const box = el.closest('[data-field]');
      return { name: box?.dataset.field ?? '', kind: el.type === 'submit' ? 'save' : el.getAttribute('role') ?? el.type ?? el.tagName, options: box ? [...box.querySelectorAll(el.tagName === 'SELECT' ? 'option' : 'label.choice')].map((o) => o.textContent) : [] };
    });
    visited.push(`${now.name}:${now.kind}`);
    if (now.kind === 'save') {
      await page.keyboard.press('Enter');
      return visited;
    }
    const value = values[now.name];
    delete values[now.name];
    if (value !== undefined && now.kind === 'radio') {
      const n = now.options.findIndex((o) => o.startsWith(value));
      await page.keyboard.press('Space');
      for (let k = 0; k < n; k++) await page.keyboard.press('ArrowDown');
    } else if (value !== undefined && now.kind === 'select-one') {
      for (let k = 0; k < now.options.findIndex((o) => o.startsWith(value)); k++) await page.keyboard.press('ArrowDown');
    } else if (value !== undefined) {
      await page.keyboard.type(value);
    }
    if (now.name === 'id_status') await page.waitForSelector('#f-id_no');
    if (now.name === 'id_no') await page.waitForFunction(() => document.querySelector('#f-birth_on')?.value);
    await page.keyboard.press('Enter'); // chooses the person that was typed, at once
    if (value !== undefined && now.kind === 'combobox') await page.waitForSelector('.picked');
  }
  throw new Error(`never came to the button: ${visited.join(' ')}`);
}

test('a person and a visit, by keyboard alone', async () => {
  await form('person');
  await page.focus('#f-name');
  await byKeyboard({ name: '测试键盘', id_status: '有效', id_no: idNumber('1956-02-02', 211), is_resident: '是' });
  await page.waitForSelector('.values');
  const named = rows('person').map((r) => r.fields.name);
  assert.ok(named.includes('测试键盘'), named.join());
  await form('visit');
  await page.waitForFunction(() => document.querySelector('#f-visitors'));
  await page.evaluate(() => document.querySelector('main form').querySelector('input, select').focus());
  const visited = await byKeyboard({ persons: '李四', occasion: '春节', occasion_year: '2025', visitor_level: '村', visitors: '书记甲' });
  await page.waitForSelector('.values').catch(async (e) => {
    throw new Error(`${e.message} ${visited.join(' ')} ${(await page.locator('.issues').allTextContents()).join(' ')}`);
  });
  assert.deepEqual(rows('visit').map((r) => r.fields.persons), [[ids[1]]]);
  // Of one that is single: the next field has the keyboard, not the page.
  await form('aid_case');
  await page.focus('#f-person_id');
  await page.keyboard.type('李四');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.picked');
  const next = await page.evaluate(() => document.activeElement.closest('[data-field]')?.dataset.field ?? document.activeElement.tagName);
  assert.ok(next !== 'person_id' && next !== 'BODY', next);
  // Where no line break may stand, Enter writes none.
  await page.goto(`${url}#/edit/${ids[0]}`);
  await page.waitForSelector('#f-residence_text');
  assert.equal(await page.$eval('#f-residence_text', (el) => el.tagName), 'INPUT');
});
