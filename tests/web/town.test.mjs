// The town's page in a real browser against a real hub with two real villages behind it: a clerk's morning, a leader's two minutes,
// who sees what, and how it looks and reads at three sizes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import jsQR from 'jsqr';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { clean, launch } from './browser.mjs';
import { person, TIMEOUT_MS, Town, waitFor } from './town.mjs';

const { readSheet } = await import(pathToFileURL(join(resolve('common/web/node_modules'), 'read-excel-file', 'universal/index.js')));
const rowsOf = async (download) => readSheet(new Blob([readFileSync(await download.path())]));
let town, url, browser, twin, people, notice;
const problems = [];
const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
const ACCOUNTS = [['clerk1', 'clerk'], ['clerk2', 'clerk'], ['leader1', 'leader'], ['auditor1', 'auditor'], ['security1', 'security'], ['admin1', 'admin']];

async function open(user, viewport = { width: 1280, height: 800 }) {
  const context = await browser.newContext({ viewport, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS);
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
  await page.fill('#user', user);
  await page.fill('#password', SECOND);
  await page.click('button[type=submit]');
  await page.waitForSelector('.menu');
  return page;
}

const row = (type, id) => town.hub.rows(['records', type]).find((r) => r.id === id);

before(async () => {
  town = await Town.make(2);
  const [one, two] = town.nodes;
  people = one.add([person({ name: '张建国' }), person({ name: '李和平' })]);
  one.add([
    { type: 'visit', fields: { visit_on: '2025-02-01', occasion: 'spring', occasion_year: 2025, persons: [people[0]], visitors: '书记甲', visitor_level: 'village', gift_kind: ['money'], gift_fen: 50000 } },
    { type: 'consultation', fields: { on: '2025-03-01', channel: 'phone', topic: 'policy', item_count: 1 } },
  ]);
  [twin] = two.add([person({ name: '张建国', household_village: '999999101202', id_no: one.rows(['get', people[0]])[0].fields.id_no })]);
  for (const node of town.nodes) node.run(['sync']);
  for (const [name, role] of ACCOUNTS) town.hub.run(['user', 'add', name, '-', '--role', role], `${FIRST}\n`);
  url = `http://${(await town.restartHub()).http}/`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('the first password is changed before anything else', async () => {
  for (const [name] of ACCOUNTS) {
    const page = await (await browser.newContext({ locale: 'zh-CN' })).newPage();
    await page.goto(url);
    await page.fill('#user', name);
    await page.fill('#password', FIRST);
    await page.click('button[type=submit]');
    await page.waitForSelector('#old');
    assert.equal(await page.locator('.menu').count(), 0);
    await page.fill('#old', FIRST);
    await page.fill('#new', '12345678');
    await page.fill('#again', '12345678');
    await page.click('button[type=submit]');
    await page.waitForSelector('.note.bad');
    await page.fill('#new', SECOND);
    await page.fill('#again', SECOND);
    await page.click('button[type=submit]');
    await page.waitForSelector('.menu');
    await page.context().close();
  }
});

test("a leader's two minutes: figures, coverage, a figure's villages and rows, names covered", async () => {
  const page = await open('leader1');
  await page.waitForSelector('.figure');
  assert.equal(await page.locator('.figures .figure').count(), 8);
  assert.match(await page.locator('.coverage').innerText(), /2 村已报全/);
  assert.equal(await page.locator('.tile.good').count(), 2);
  assert.equal(await page.getByText('待办').count(), 0);
  // First sight: this year, held against the last; since the beginning is one tap away.
  assert.equal(await page.inputValue('[name=period]'), 'year');
  assert.equal(await page.inputValue('[name=compare]'), 'same');
  await page.locator('.filters button', { hasText: '建站以来' }).click();
  await page.waitForSelector('.figure:has-text("走访人次"):has(.number:has-text("1"))');
  const [whole] = await Promise.all([page.waitForEvent('download'), page.locator('.filters button', { hasText: '存成 Excel' }).click()]);
  const sheet = await rowsOf(whole);
  assert.match(sheet.flat().join('|'), /建站以来.*2 村已报全.*I12\|走访人次\|1\|人次/);
  // Days of one's own, with what they are held against; Back comes to them again.
  await page.selectOption('[name=period]', 'own');
  await page.fill('[name=from]', '2025-01-01');
  await page.fill('[name=to]', '2025-06-30');
  await page.click('text=看这段时间');
  await page.waitForSelector('h1 small:has-text("2025-01-01 至 2025-06-30")');
  await page.selectOption('[name=compare]', 'before');
  await page.locator('.tile', { hasText: '示例村2' }).click();
  await page.waitForSelector('h1:has-text("示例村2")');
  await page.waitForSelector('.figure:has-text("走访人次"):has-text("未填报")');
  await page.waitForSelector('.filters a:has-text("上报和电脑情况")');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-village.png`, fullPage: true });
  await page.goBack();
  await page.waitForSelector('h1 small:has-text("2025-01-01 至 2025-06-30")');
  await page.locator('.figure', { hasText: '走访人次' }).click();
  await page.waitForSelector('p small:has-text("比上一期多 1人次")');
  const [groups] = await Promise.all([page.waitForEvent('download'), page.click('text=分组存成 Excel')]);
  assert.match((await rowsOf(groups)).flat().join('|'), /2024-07-04 至 2024-12-31.*按村\|数值\|单位\|2024-07-04 至 2024-12-31\|增减\|合计\|1\|人次\|0\|1\|示例村1\|1/);
  await page.locator('.bars button', { hasText: '示例村1' }).click();
  await page.waitForSelector('td:has-text("张＊＊")');
  assert.equal(await page.getByText('张建国').count(), 0);
  await page.locator('table.records a').first().click();
  await page.waitForSelector('dl.values');
  await page.goBack(); // to the group whose rows were open
  await page.waitForSelector('.bars button[aria-pressed=true]:has-text("示例村1")');
  await page.locator('table.records a').first().click();
  await page.waitForSelector('dl.values');
  assert.equal(await page.locator('button', { hasText: '查看完整内容' }).count(), 0);
  const response = await page.request.get(`${url}api/v1/records/${people[0]}/history`);
  assert.equal(response.status(), 403);
  await page.context().close();
});

test("a clerk's morning: verify in bulk, send back, one person twice, what is covered", async () => {
  const page = await open('clerk1');
  await page.goto(`${url}#/inbox`);
  await page.locator('a', { hasText: '走访慰问' }).click();
  await page.check('text=全选本页');
  await page.click('text=核定所选 1 条');
  await page.waitForSelector('.toast.shown:has-text("已核定 1 条")');
  assert.equal(town.hub.rows(['records', 'visit'])[0].state, 'verified');

  await page.goto(`${url}#/verify/person`);
  await page.waitForSelector('table.records');
  await page.check('text=全选本页');
  await page.click('text=/核定所选 3 条/');
  await page.waitForSelector('text=/3 条没有办成/'); // without identity and service nobody becomes active: each with its reason
  await page.check('[aria-label="李和平"]');
  await page.locator('.filters button', { hasText: '退回所选 1 条' }).click();
  await page.fill('#ask', '请补电话');
  await page.locator('.dialog button[type=submit]').click();
  await page.waitForSelector('.toast.shown:has-text("已退回")');
  assert.equal(row('person', people[1]).fields.return_note, '请补电话');

  await page.goto(`${url}#/review/duplicates`);
  await page.locator('.side', { hasText: '示例村1' }).locator('button').click();
  await page.waitForSelector('text=已合并');
  assert.equal(row('person', twin).fields.merged_into, people[0]);
  // The way back is on both files, whenever it is found that they are two people.
  await page.goto(`${url}#/record/${twin}`);
  await page.waitForSelector('.note:has-text("这份档案已并入") a:has-text("张建国")');
  await page.locator('.note a', { hasText: '张建国' }).click();
  await page.waitForSelector('.note:has-text("并入这份的档案（1 份）")');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-merged.png`, fullPage: true });
  page.once('dialog', (d) => d.accept());
  await page.locator('.note button', { hasText: '撤销合并' }).click();
  await page.waitForSelector('.toast.shown:has-text("已恢复")');
  assert.notEqual(row('person', twin).state, 'merged');
  assert.equal(await page.locator('.note:has-text("并入这份的档案")').count(), 0);

  const number = row('person', people[0]).fields.id_no;
  await page.goto(`${url}#/record/${people[0]}`);
  await page.waitForSelector('dl.values');
  assert.ok(!(await page.content()).includes(number));
  await page.click('text=查看完整内容');
  await page.fill('#ask', '核对身份证');
  await page.locator('.dialog button[type=submit]').click();
  await page.waitForSelector(`text=${number}`);
  await page.context().close();
  const auditor = await open('auditor1');
  await auditor.goto(`${url}#/audit`);
  await auditor.waitForSelector('td:has-text("核对身份证")');
  await auditor.click('text=校验日志');
  await auditor.waitForSelector('text=校验无误');
  await auditor.context().close();
});

test('a register is narrowed down; Back finds it so again; the filter is kept at the hub; all of it goes on paper', async () => {
  town.hub.run(['add'], Array.from({ length: 60 }, (_, i) => `${JSON.stringify({ type: 'consultation', station: '999999101202', fields: { on: `2024-0${1 + (i % 2)}-15`, channel: i % 3 ? 'phone' : 'window', topic: 'policy', item_count: 1 } })}\n`).join(''));
  const page = await open('clerk1');
  await page.evaluate(() => localStorage.setItem('views.clerk1', 'null')); // whatever stands there, the page opens
  await page.goto(`${url}#/list/consultation`);
  await page.selectOption('[name=station]', { label: '示例村2' });
  await page.fill('[name=from]', '2024-01-01');
  await page.fill('[name=to]', '2024-01-31');
  await page.waitForSelector('p:has-text("30 条")');
  await page.click('summary:has-text("更多筛选")');
  await page.selectOption('[name="f.channel"]', { label: '电话' });
  await page.waitForSelector('p:has-text("20 条")');
  await page.locator('table.records a').first().click();
  await page.waitForSelector('dl.values');
  await page.goBack();
  await page.waitForSelector('p:has-text("20 条")');
  assert.equal(await page.inputValue('[name="f.channel"]'), 'phone');
  await page.click('text=记住这个筛选');
  await page.fill('#ask', '一月电话');
  await page.locator('.dialog button[type=submit]').click();
  await page.waitForSelector('.picked:has-text("一月电话")');
  await page.click('text=全部不限');
  await page.waitForSelector('p:has-text("61 条")');
  await page.click('button:has-text("下一页")');
  await page.waitForFunction(() => location.hash.includes('offset=50'));
  await page.locator('table.records a').first().click();
  await page.waitForSelector('dl.values');
  await page.goBack();
  await page.waitForSelector('.actions span:has-text("51")');
  await page.evaluate(() => (window.print = () => (window.printed = true)));
  await page.click('text=打印全部');
  await page.waitForFunction(() => window.printed);
  assert.equal(await page.locator('.paged tbody tr').count(), 61);
  assert.match(await page.textContent('.one-page:last-child .foot'), /第 (\d+) 页，共 \1 页/);
  const pdf = await page.pdf({ preferCSSPageSize: true, path: process.env.LASTMILE_SHOTS ? `${process.env.LASTMILE_SHOTS}/town-register.pdf` : undefined });
  assert.ok(pdf.toString('latin1').match(/\/Type\s*\/Page[^s]/g).length >= 2);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-register.png`, fullPage: true });
  await page.context().close();
  const elsewhere = await open('clerk1'); // another browser
  await elsewhere.goto(`${url}#/list/consultation`);
  await elsewhere.click('.picked a:has-text("一月电话")');
  await elsewhere.waitForSelector('p:has-text("20 条")');
  await elsewhere.context().close();
  const auditor = await open('auditor1');
  const log = await (await auditor.request.get(`${url}api/v1/audit?what=print`)).json();
  assert.match(log.rows[0].detail, /^61/);
  await auditor.context().close();
});

test('a conflict is settled side by side', async () => {
  const [visit] = town.hub.rows(['records', 'visit']);
  const http = await town.restartHub(() => {
    town.nodes[0].add([{ id: visit.id, fields: { gift_fen: 60000 } }]);
    town.hub.run(['add'], `${JSON.stringify({ id: visit.id, fields: { gift_fen: 70000 } })}\n`);
  });
  assert.equal(`http://${http.http}/`, url);
  town.nodes[0].run(['sync']);
  const page = await open('clerk1');
  await page.goto(`${url}#/review/conflicts`);
  await page.locator('.side', { hasText: '600.00' }).locator('button').click();
  await page.waitForSelector('.toast.shown');
  assert.equal(row('visit', visit.id).fields.gift_fen, 60000);
  // Who chose what stays with the record, and may choose the other.
  await page.goto(`${url}#/record/${visit.id}`);
  const settled = page.locator('section.card', { hasText: '两边都改过、已选定的' });
  await settled.locator('text=/clerk1 于 .* 选定/').waitFor();
  assert.match(await settled.locator('.side.on').innerText(), /600\.00/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-settled.png`, fullPage: true });
  page.once('dialog', (d) => d.accept());
  await settled.locator('.side', { hasText: '700.00' }).locator('button').click();
  await settled.locator('.side.on', { hasText: '700.00' }).waitFor();
  assert.equal(row('visit', visit.id).fields.gift_fen, 70000);
  await page.context().close();
});

test('over a deletion each side says what it is, and who did it', async () => {
  const [node] = town.nodes;
  const [id] = node.add([{ type: 'consultation', fields: { on: '2025-03-02', channel: 'phone', topic: 'policy', item_count: 1 } }]);
  node.run(['sync']);
  await town.restartHub(() => {
    node.add([{ id, delete: true, reason: '录错了' }]);
    town.hub.add([{ id, fields: { item_count: 22 } }]);
  });
  node.run(['sync']);
  const page = await open('clerk1');
  await page.goto(`${url}#/review/conflicts`);
  const deletes = page.locator('.side', { hasText: '删掉这条记录' });
  assert.match(await deletes.innerText(), /删除原因\s*录错了/);
  assert.match(await page.locator('.side.on', { hasText: '保留这条记录，改成下面这样' }).innerText(), /条数\s*22/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-deletion.png`, fullPage: true });
  await deletes.locator('button').click();
  await page.waitForSelector('.toast.shown');
  assert.deepEqual([town.hub.rows(['conflicts']), row('consultation', id)], [[], undefined]);
  node.run(['sync']);
  assert.equal(node.rows(['get', id])[0].fields.delete_reason, '录错了');
  await page.context().close();
});

test('the hub goes away and comes back under an open page', async () => {
  const page = await open('clerk1');
  await page.goto(`${url}#/list/person`);
  await page.waitForSelector('table.records');
  await town.hub.kill();
  await page.goto(`${url}#/stations`).catch(() => undefined);
  await page.waitForSelector('.note.bad');
  await town.serveHub(new URL(url).port);
  await page.locator('.note.bad button').first().click();
  await page.fill('#unlock', SECOND); // sessions are in memory: the password again, over the page that is open
  await page.click('[role=dialog] button[type=submit]');
  await page.waitForSelector('#unlock', { state: 'detached' });
  await page.waitForSelector('.menu');
  assert.ok(page.url().endsWith('#/stations'));
  await page.context().close();
});

test('accounts are made, disabled and given new passwords', async () => {
  let page = await open('security1');
  await page.goto(`${url}#/accounts`);
  assert.deepEqual(await page.locator('.menu a').allInnerTexts(), ['账号', '修改密码']);
  await page.fill('#name', '新书记');
  await page.fill('#person', 'auditor1');
  await page.fill('#first', FIRST);
  await page.selectOption('[name=role]', 'admin');
  await page.locator('.card', { has: page.locator('#first') }).locator('button[type=submit]').click();
  await page.waitForSelector('.note.bad:has-text("auditor1已有审计员账号")');
  await page.selectOption('[name=role]', 'leader');
  await page.locator('.card', { has: page.locator('#first') }).locator('button[type=submit]').click();
  await page.waitForSelector('th:has-text("新书记")');
  await page.locator('tr', { hasText: '新书记' }).locator('button', { hasText: '停用' }).click();
  await page.waitForSelector('tr:has-text("新书记") .tag.bad');
  await page.context().close();
  page = await open('admin1');
  assert.deepEqual(await page.locator('.menu a').allInnerTexts(), ['村站', '设置', '修改密码']);
  await page.goto(`${url}#/stations`);
  await page.locator('tr', { hasText: '示例村1' }).locator('a', { hasText: '发入网文件' }).click();
  const [kit] = await Promise.all([page.waitForEvent('download'), page.click('button:has-text("下载")')]);
  assert.equal(kit.suggestedFilename(), '999999101201.kit');
  // The steps go along on paper: the hub's id in words and as a code that says the same, nothing of the kit's secret.
  const made = JSON.parse(readFileSync(await kit.path(), 'utf8'));
  const sheet = page.locator('.kit-sheet');
  await sheet.locator(`code:has-text("${made.hub_id.match(/.{4}/g).join(' ')}")`).waitFor();
  const picture = await sheet.locator('.qr').screenshot();
  const pixels = await page.evaluate(async (data) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]));
    const context = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height }).getContext('2d');
    context.drawImage(image, 0, 0);
    return { width: image.width, height: image.height, data: [...context.getImageData(0, 0, image.width, image.height).data] };
  }, picture.toString('base64'));
  assert.equal(jsQR(Uint8ClampedArray.from(pixels.data), pixels.width, pixels.height)?.data, made.hub_id);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-kit.png`, fullPage: true });
  assert.doesNotMatch(await sheet.innerText(), new RegExp(made.enrol_secret_key.slice(0, 12).replace(/[^\w]/g, '\\$&')));
  await page.context().close();
});

test('an address for Excel is made, told once, and revoked', async () => {
  const page = await open('admin1');
  await page.goto(`${url}#/settings`);
  await page.fill('#token-name', '镇办公室 月报表');
  await page.locator('.card', { has: page.locator('#token-name') }).locator('button[type=submit]').click();
  const address = await page.locator('#token-csv').inputValue();
  assert.match(address, /^http:\/\/[^/]+\/api\/v1\/tables\/[\w-]{43}\/counts\.csv\?by=village$/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-token.png` });
  const table = await fetch(address); // as Excel does: no cookie
  assert.match(await table.text(), /走访人次/);
  await page.click('button:has-text("复制好了")');
  const row = page.locator('tr', { hasText: '镇办公室 月报表' });
  await page.reload();
  await row.waitFor();
  assert.doesNotMatch(await page.locator('main').innerHTML(), /\/tables\//); // told once
  assert.doesNotMatch(await row.innerText(), /还没用过/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-tokens.png`, fullPage: true });
  await row.locator('button', { hasText: '作废' }).click();
  await page.locator('dialog, .dialog, [role=dialog]').locator('button', { hasText: '作废' }).click();
  await row.waitFor({ state: 'detached' });
  assert.equal((await fetch(address)).status, 404);
  await page.context().close();
});

test('a village brings a stick: taken in, nothing twice, and the answer goes back with it', async () => {
  const [one] = town.nodes;
  one.add([{ type: 'consultation', fields: { on: '2025-04-01', channel: 'phone', topic: 'policy', item_count: 2 } }]);
  const file = `${town.work}/stick.lmb`;
  one.run(['bundle', 'export', file]);
  const page = await open('clerk1');
  await page.goto(`${url}#/stations`);
  await page.setInputFiles('#bundle-files', file);
  await page.waitForSelector('.note.good:has-text("新收 1 条")');
  const [answer] = await Promise.all([page.waitForEvent('download'), page.click('text=下载回复文件')]);
  assert.match(answer.suggestedFilename(), /^lm-999999101201-reply-\d+\.lmb$/);
  const reply = `${town.work}/reply.lmb`;
  await answer.saveAs(reply);
  assert.equal(JSON.parse(one.run(['bundle', 'import', reply, '--json'])).pending, 0);
  await page.setInputFiles('#bundle-files', file);
  await page.waitForSelector('.note.good:has-text("新收 0 条")');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-bundle.png`, fullPage: true });
  await page.setInputFiles('#bundle-files', { name: '别的.lmb', mimeType: 'application/octet-stream', buffer: Buffer.from('PK no bundle') });
  await page.waitForSelector('.note.bad:has-text("别的.lmb 没有收")');
  await page.context().close();
});

test('who has reported this month, its rows, and a reminder to those who have not', async () => {
  const now = new Date(Date.now() + 8 * 3600000);
  const day = now.toISOString().slice(0, 10);
  town.hub.run(['add'], `${JSON.stringify({ type: 'consultation', station: '999999101201', fields: { on: day, channel: 'phone', topic: 'policy', item_count: 1 } })}\n`);
  town.nodes[1].add([{ type: 'nil_report', fields: { month: day.slice(0, 7), record: 'consultation', reported_on: day } }]);
  town.nodes[1].run(['sync']);
  const page = await open('clerk1');
  await page.goto(`${url}#/months?type=consultation`);
  await page.waitForSelector('tr:has-text("示例村2") td:nth-child(2):has-text("零报告")');
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('text=存成 Excel')]);
  assert.match(file.suggestedFilename(), /月报情况.*\.xlsx$/);
  // What is missing stands in a month that is due: the answer is given as if this one were.
  await page.route('**/api/v1/months?*', async (route) => {
    const answer = await route.fetch();
    const document = await answer.json();
    for (const v of document.villages) if (v.code.endsWith('02')) v.months[v.months.length - 1] = { status: 'missing', rows: 0 };
    await route.fulfill({ response: answer, json: document });
  });
  await page.goto(`${url}#/months?type=consultation&year=${day.slice(0, 4)}`);
  await page.waitForSelector('td.bad:has-text("未报")');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-months.png`, fullPage: true });
  await page.click('button:has-text("提醒未报的村")');
  assert.match(await page.inputValue('#remind-body'), /示例村2/);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-remind.png` });
  await page.click('.dialog button[type=submit]');
  await page.waitForSelector('.toast.shown:has-text("通知已发出")');
  assert.match(town.hub.rows(['records', 'notice']).at(-1).fields.body, /示例村2/);
  await page.locator('tr', { hasText: '示例村1' }).locator('td').first().locator('a').click();
  await page.waitForSelector('table.records');
  assert.equal(await page.locator('table.records tbody tr').count(), 1);
  await page.context().close();
});

test('a notice is confirmed in a village, and the clerk sees who has not and reminds them', async () => {
  const [one, two] = town.nodes;
  [notice] = town.hub.add([{ type: 'notice', fields: { title: '春节走访安排', body: '请于 2 月 10 日前完成走访。', published_on: '2025-01-02', need_receipt: true } }]);
  for (const node of town.nodes) node.run(['sync']);
  const village = await (await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' })).newPage();
  village.setDefaultTimeout(TIMEOUT_MS);
  village.on('pageerror', (e) => problems.push(e.message));
  const address = await town.serveNode(one);
  await village.goto(address);
  await village.fill('#user', '王秘书');
  await village.fill('#password', '135792');
  await village.fill('#again', '135792');
  await village.click('button[type=submit]');
  await village.waitForSelector('li.urgent:has-text("看通知并回执：春节走访安排")');
  await village.waitForSelector('.notices li:has-text("春节走访安排"):has-text("等回执")');
  if (await village.locator('.guide').count()) await village.click('.guide button:has-text("以后再说")');
  await village.goto(`${address}#/`);
  if (process.env.LASTMILE_SHOTS) await village.screenshot({ path: `${process.env.LASTMILE_SHOTS}/village-notices.png`, fullPage: true });
  await village.click('.notices a:has-text("春节走访安排")');
  await village.fill('#receipt-remark', '2月8日前走完');
  await waitFor(() => village.evaluate(async () => (await (await fetch('/api/v1/drafts')).json()).drafts.some((d) => d.body.remark === '2月8日前走完')), 'the draft on disk');
  await village.evaluate(() => (location.hash = '#/')); // called away
  await village.waitForSelector('.todo li:has-text("没写完"):has-text("春节走访安排")');
  await village.click('.todo li:has-text("没写完") a');
  await village.waitForFunction(() => document.querySelector('#receipt-remark')?.value === '2月8日前走完');
  if (process.env.LASTMILE_SHOTS) await village.screenshot({ path: `${process.env.LASTMILE_SHOTS}/village-receipt.png`, fullPage: true });
  await village.click('text=确认收到');
  await village.waitForSelector('.note.good:has-text("本村已于")');
  await village.goto(`${address}#/`);
  await village.waitForSelector('.notices a:has-text("春节走访安排")');
  assert.equal(await village.locator('li.urgent:has-text("春节走访安排")').count(), 0);
  await village.context().close();
  await one.stop();
  one.run(['sync']);
  assert.equal(town.hub.rows(['records', 'notice_receipt'])[0].village_code, town.code(1));
  assert.equal(two.rows(['list', 'notice_receipt']).length, 0); // a village's receipts are its own

  const page = await open('clerk1');
  await page.goto(`${url}#/inbox`);
  await page.locator('li:has-text("春节走访安排"):has-text("2 村中 1 村已回执") a').click();
  await page.waitForSelector('table.receipts');
  assert.deepEqual(await page.locator('table.receipts tbody tr').allInnerTexts().then((all) => all.map((row) => row.replace(/\s+/g, ' ').replace(/\d{4}-\d\d-\d\d/, 'DAY').trim())), ['示例村2 未回执', '示例村1 ✓ DAY 回执 2月8日前走完']);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-receipts.png`, fullPage: true });
  const [file] = await Promise.all([page.waitForEvent('download'), page.locator('section:has(table.receipts) button:has-text("存成 Excel")').click()]);
  assert.match(file.suggestedFilename(), /春节走访安排.*\.xlsx$/);
  await page.click('text=提醒未回执的村');
  const words = await page.inputValue('#remind-body');
  assert.ok(words.includes('示例村2') && !words.includes('示例村1'), words);
  await page.click('.dialog button[type=submit]');
  await page.waitForSelector('.toast.shown:has-text("通知已发出")');
  assert.equal(town.hub.rows(['records', 'notice']).find((n) => n.fields.title === '请回执：春节走访安排').state, 'verified'); // nobody's to verify
  two.run(['sync']);
  assert.ok(two.rows(['list', 'notice']).some((n) => n.fields.title === '请回执：春节走访安排' && n.fields.need_receipt === false));
  two.add([{ type: 'notice_receipt', fields: { notice_id: notice, received_on: '2025-01-03' } }]);
  two.run(['sync']);
  await page.reload();
  await page.waitForSelector('small:has-text("2 村中 2 村已回执")');
  assert.ok(await page.locator('button:has-text("提醒未回执的村")').isDisabled());
  await page.context().close();
});

test('a notice to some villages: the clerk chooses them, the others do not list it, and nobody waits for them', async () => {
  const page = await open('clerk1');
  await page.goto(`${url}#/enter/notice`);
  await page.fill('#f-title', '只给一村的安排');
  assert.equal(await page.locator('[name=station]').count(), 0); // the town's own: it names the villages itself
  await page.fill('#f-body', '请一村看完回执。');
  await page.locator('[data-field=need_receipt] label.choice', { hasText: '是' }).click();
  const villages = page.locator('[data-field=stations]');
  await villages.locator('[role=status]', { hasText: '没有选村：发给所有村' }).waitFor();
  for (const name of ['示例村1', '示例村2']) await villages.locator('label.choice', { hasText: name }).click();
  await villages.locator('[role=status]', { hasText: '只发给选中的 2 个村' }).waitFor();
  await villages.locator('label.choice', { hasText: '示例村2' }).click();
  await villages.locator('[role=status]', { hasText: '只发给选中的 1 个村' }).waitFor();
  await clean(page, 'the form of a notice');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-notice-form.png`, fullPage: true });
  await page.click('form.form button[type=submit]');
  await page.waitForSelector('small:has-text("1 村中 0 村已回执")');
  assert.deepEqual(await page.locator('table.receipts tbody tr').allInnerTexts().then((all) => all.map((row) => row.replace(/\s+/g, ' ').trim())), ['示例村1 未回执']);
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-notice-some.png`, fullPage: true });
  const made = town.hub.rows(['records', 'notice']).find((n) => n.fields.title === '只给一村的安排');
  assert.deepEqual(made.fields.stations, [town.code(1)]);
  await page.click('text=提醒未回执的村');
  await page.waitForSelector('.dialog label:has-text("发给这 1 个村")');
  await page.click('.dialog button[type=submit]');
  await page.waitForSelector('.toast.shown:has-text("通知已发出")');
  assert.deepEqual(town.hub.rows(['records', 'notice']).find((n) => n.fields.title === '请回执：只给一村的安排').fields.stations, [town.code(1)]);
  await page.goto(`${url}#/inbox`);
  await page.waitForSelector('li:has-text("只给一村的安排"):has-text("1 村中 0 村已回执")');
  await page.context().close();

  for (const [i, node] of town.nodes.entries()) {
    node.run(['sync']);
    assert.ok(node.rows(['list', 'notice']).some((n) => n.id === made.id), 'every station has it');
    const address = await town.serveNode(node);
    const village = await (await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' })).newPage();
    village.setDefaultTimeout(TIMEOUT_MS);
    village.on('pageerror', (e) => problems.push(e.message));
    await village.goto(address);
    await village.fill('#user', '王秘书');
    await village.fill('#password', '135792');
    if (i > 0) await village.fill('#again', '135792'); // its first account
    await village.click('button[type=submit]');
    await village.waitForSelector(i ? '.notices a:has-text("请回执：春节走访安排")' : 'li.urgent:has-text("看通知并回执：只给一村的安排")');
    assert.equal(await village.locator('.notices a:has-text("只给一村的安排")').count(), i ? 0 : 2);
    assert.equal(await village.locator('li.urgent:has-text("只给一村的安排")').count(), i ? 0 : 1);
    await village.goto(`${address}#/list/notice`);
    await village.waitForSelector('table.records');
    assert.equal(await village.locator('table.records tr:has-text("只给一村的安排")').count(), i ? 0 : 2);
    await village.goto(`${address}#/record/${made.id}`);
    await village.waitForSelector(i ? '.note.info:has-text("发给别的村")' : 'button:has-text("确认收到")');
    assert.equal(await village.locator('button:has-text("确认收到")').count(), i ? 0 : 1);
    if (process.env.LASTMILE_SHOTS) await village.screenshot({ path: `${process.env.LASTMILE_SHOTS}/village-notice-${i}.png`, fullPage: true });
    await village.context().close();
    await node.stop();
  }
});

test('a summary is drafted, its text edited around its figures, signed by another, and held against the next version', async () => {
  const page = await open('clerk1');
  await page.goto(`${url}#/summary?year=2025`);
  await page.click('text=做成初稿');
  await page.waitForSelector('.tag.wait:has-text("初稿")');
  const here = page.url();
  await page.click('text=改文字');
  const line = page.locator('.writing', { hasText: '走访慰问固定化' });
  assert.ok((await line.locator('.token').count()) > 0);
  await line.click();
  await page.keyboard.press('End');
  await page.keyboard.type('成效明显。');
  await page.keyboard.press('Enter');
  await page.keyboard.type('另起一段。');
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData('text/plain', '贴来的一段\n贴来的又一段');
    document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await page.keyboard.type('末尾');
  // Whoever leaves is warned, and finds the words again.
  page.once('dialog', (d) => d.dismiss());
  await page.locator('.menu a', { hasText: '待办' }).click();
  assert.equal(page.url(), here);
  await page.evaluate(() => (location.hash = '#/inbox'));
  await page.waitForSelector('.toast.shown:has-text("没保存的文字")');
  await page.goto(here);
  await page.click('button:has-text("接着写")');
  await page.waitForSelector('.writing:has-text("贴来的又一段末尾")');
  if (process.env.LASTMILE_SHOTS) await page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-writing.png`, fullPage: true });
  const second = await open('clerk2');
  await second.goto(here);
  await second.click('text=改文字');
  await second.locator('.writing', { hasText: '困难帮扶经常化' }).click();
  await second.keyboard.press('End');
  await second.keyboard.type('别人也在写。');
  await page.click('text=保存文字');
  await page.waitForSelector('.paper p:has-text("成效明显。") a');
  assert.deepEqual(await page.locator('.paper p').allInnerTexts().then((all) => all.map((p) => p.trim()).filter((p) => /^(另起|贴来)/.test(p))), ['另起一段。贴来的一段', '贴来的又一段末尾']);
  // Two who write at once: the second is told who saved, compares, and decides.
  await second.click('text=保存文字');
  await second.waitForSelector('.note.bad:has-text("clerk1 在"):has-text("保存过这一版")');
  await second.waitForSelector('.side:has-text("现在保存着的"):has-text("贴来的又一段末尾")');
  if (process.env.LASTMILE_SHOTS) await second.screenshot({ path: `${process.env.LASTMILE_SHOTS}/town-meanwhile.png`, fullPage: true });
  await second.click('text=按我的保存');
  await second.waitForSelector('.paper p:has-text("别人也在写。")');
  await second.context().close();
  const leader = await open('leader1');
  await leader.goto(here);
  await leader.click('button:has-text("签发")');
  await leader.waitForSelector('.tag.good:has-text("已签发")');
  assert.equal(await leader.locator('text=改文字').count(), 0);
  await leader.context().close();
  await page.goto(`${url}#/summary?year=2025`);
  await page.click('text=做成初稿');
  await page.waitForSelector('h1:has-text("第 2 版")');
  await page.selectOption('[name=other]', { label: '第 1 版' });
  await page.waitForSelector('h2:has-text("与第 1 版的不同")');
  await page.context().close();
});

test('a clerk enters for a village, sets a target and takes a step', async () => {
  const page = await open('clerk1');
  await page.goto(`${url}#/enter/target`);
  await page.selectOption('#f-indicator', 'I12');
  await page.locator('#f-area_code label', { hasText: '示例镇' }).click();
  await page.fill('#f-year', String(new Date().getFullYear()));
  await page.fill('#f-value', '500');
  await page.click('button[type=submit]');
  await page.waitForSelector('dl.values');
  await page.click('button:has-text("下一步：已核")');
  await page.waitForSelector('.tag:has-text("已核")');
  await page.goto(`${url}#/?p=year`);
  await page.waitForSelector('.figure:has-text("500")');
  await page.goto(`${url}#/enter/consultation?station=999999101202`);
  await page.click('button[type=submit]');
  await page.waitForSelector('.issues .refuse');
  await page.context().close();
});

test('each print is in the audit log, once, by the button and by Ctrl+P', async () => {
  const page = await open('leader1');
  const told = [];
  page.on('request', (r) => r.url().endsWith('/audit/note') && told.push(r.postDataJSON()));
  // A browser without a screen shows no dialog: what it tells the page stays the same.
  await page.evaluate(() => { window.print = () => window.dispatchEvent(new Event('beforeprint')); });
  const print = async (hash, ready) => {
    await page.evaluate((h) => { location.hash = h; }, hash);
    await page.waitForSelector(ready);
    const noted = page.waitForResponse((r) => r.url().endsWith('/audit/note'));
    await page.locator('.head button', { hasText: '打印' }).click();
    assert.equal((await noted).status(), 204);
  };
  await print('#/summary', '.paper');
  await print(`#/record/${people[0]}`, 'dl.values');
  const noted = page.waitForResponse((r) => r.url().endsWith('/audit/note'));
  await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
  assert.equal((await noted).status(), 204);
  assert.deepEqual(told, [
    { what: 'print', object: '工作总结', detail: '' },
    { what: 'print', object: people[0], detail: 'person' },
    { what: 'print', object: `/record/${people[0]}`, detail: '' },
  ]);
  await page.context().close();
});

test('the overview prints on one sheet of A4', async () => {
  const page = await open('leader1');
  await page.waitForSelector('.figure');
  const pdf = (await page.pdf({ preferCSSPageSize: true })).toString('latin1');
  assert.equal(pdf.match(/\/Type\s*\/Page[^s]/g).length, 1);
  await page.context().close();
});

test('a long list is a file too; the log tells of it when it is made, and of none that never was', async () => {
  const page = await open('clerk1');
  const told = [];
  page.on('request', (r) => r.url().endsWith('/audit/note') && told.push(r.postDataJSON()));
  const LONG = 2600; // the answer's own rows again and again: what is packed is beyond what small files are
  await page.route('**/api/v1/types/person/records?*', async (route) => {
    const asked = new URL(route.request().url()).searchParams;
    if (asked.get('limit') !== '500') return route.continue();
    const from = Number(asked.get('offset') ?? 0);
    const answer = await route.fetch({ url: route.request().url().replace(/offset=\d+/, 'offset=0') });
    const document = await answer.json();
    const [one] = document.records;
    const words = () => Array.from({ length: 8 }, () => Math.random().toString(36)).join('');
    const records = Array.from({ length: Math.min(500, LONG - from) }, (_, i) => ({ ...one, id: `${from + i}`, fields: { ...one.fields, remark: words() } }));
    await route.fulfill({ response: answer, json: { ...document, total: LONG, records } });
  });
  await page.goto(`${url}#/list/person`);
  await page.waitForSelector('table.records');
  await page.evaluate(() => { window.Blob = class extends Blob { constructor(...a) { super(...a); if (window.full && /sheet/.test(this.type)) throw new Error('full'); } }; window.full = true; });
  await page.click('text=存成 Excel');
  await page.waitForSelector('.toast.shown:has-text("full")');
  assert.deepEqual(told, []);
  await page.evaluate(() => { window.full = false; });
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('text=存成 Excel')]);
  assert.equal((await rowsOf(file)).length, LONG + 1);
  assert.deepEqual(told.map((n) => [n.what, n.detail]), [['export', `xlsx ${LONG}`]]);
  await page.context().close();
});

test('what can be added up is a number in the file, and a day there is the town\'s', async () => {
  const page = await open('clerk1');
  await page.goto(`${url}#/list/visit`);
  await page.waitForSelector('table.records');
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('text=存成 Excel')]);
  const [heads, ...rows] = await rowsOf(file);
  const money = heads.findIndex((h) => /\(元\)/.test(h));
  assert.ok(money > 0 && rows.some((r) => typeof r[money] === 'number'), JSON.stringify(rows));
  await page.goto(`${url}#/`);
  await page.waitForSelector('.figure');
  const [whole] = await Promise.all([page.waitForEvent('download'), page.locator('.filters button', { hasText: '存成 Excel' }).click()]);
  assert.match((await rowsOf(whole)).flat().join('|'), /取数时间：\d{4}-\d\d-\d\d \d\d:\d\d/);
  await page.context().close();
});

test('a figure of now says so, prints whole, and what is none is named; the kit has the port that is served', async () => {
  const page = await open('leader1');
  await page.waitForSelector('.figure:has-text("服务对象数") small:has-text("现在的数")');
  await page.goto(`${url}#/?p=2026-02-01_2026-02-30`);
  await page.waitForSelector('.figure');
  assert.equal(await page.inputValue('[name=period]'), 'year');
  await page.goto(`${url}#/figure/I99`);
  await page.waitForSelector('text=没有编号为 I99 的指标');
  await page.route('**/api/v1/counts/I10d/rows?*', async (route) => {
    const answer = await route.fetch();
    const document = await answer.json();
    await route.fulfill({ response: answer, json: { ...document, total: document.total + 93 } });
  });
  await page.goto(`${url}#/figure/I10d?p=all`);
  await page.waitForSelector('text=数里只算一次');
  await page.emulateMedia({ media: 'print' });
  await page.waitForSelector('.on-print:has-text("第 1 至 50 条")');
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.bars')).maxHeight), 'none');
  await page.context().close();
  const admin = await open('admin1');
  await admin.goto(`${url}#/kit/999999101202`);
  await waitFor(() => admin.evaluate((port) => [...document.querySelectorAll('input')].some((i) => i.value.endsWith(`:${port}`)), town.hub.port), 'the port in the kit form');
  await admin.context().close();
});

test('in English a number has its unit, its rounding and its heads in English', async () => {
  town.hub.add(['I12', 'I17'].map((indicator, i) => ({ type: 'opening_balance', fields: { indicator, area_code: '999999101000', as_of: '2024-12-31', value: 2345 + i, evidence: '01932f00-1111-7222-8333-444444444444', approved_by: '01932f00-1111-7222-8333-444444444444', is_approx: false } })));
  const page = await open('leader1');
  await page.context().addCookies([{ name: 'lm_look_language', value: 'en', url }]);
  await page.reload();
  await page.goto(`${url}#/?p=all`);
  await page.waitForSelector('text=no second person has verified');
  const said = await page.locator('main').innerText();
  const numbers = await page.locator('.figure .number, .figure small, main dd, p.quiet:has-text("no second person")').allInnerTexts();
  assert.ok(numbers.length > 10, said);
  for (const text of numbers) assert.doesNotMatch(text, /人|条|件|批|个|名|位|元|余|万|、/, text);
  assert.match(numbers.join('\n'), /\d\+? person-visits/);
  assert.match(numbers.find((n) => n.includes('no second person')), /2345 .*, .*2346 /);
  await page.goto(`${url}#/figure/I12?p=all`);
  await page.waitForSelector('h1 .number:has-text("person-visits")');
  await page.goto(`${url}#/summary`);
  await page.waitForSelector('table th');
  const heads = await page.locator('table thead th').allInnerTexts();
  assert.ok(heads.length > 3 && heads.every((h) => !/[\u4e00-\u9fff]/.test(h)), heads.join('|'));
  await page.context().close();
});
