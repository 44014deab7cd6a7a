// A new secretary takes over in the village page: the administrator hands the work over, the new one chooses a password before anything else,
// finds the old one's unfinished form, and the old one is out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { TIMEOUT_MS, Town, waitFor } from './town.mjs';

let town, node, url, browser, page;
const problems = [];
const shot = async (name) => process.env.LASTMILE_SHOTS && page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}.png`, fullPage: true });
async function login(user, password) {
  await page.fill('#user', user);
  await page.fill('#password', password);
  await page.click('button[type=submit]');
}
const logout = async () => {
  await page.click('text=退出登录');
  await page.waitForSelector('#user');
};

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  node.run(['user', 'add', '王秘书', '-'], '135792\n');
  node.run(['user', 'add', '管理员', '-', '--role', 'admin'], '246813\n');
  url = await town.serveNode(node);
  browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN' });
  context.setDefaultTimeout(TIMEOUT_MS * 3);
  page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('a double click makes one account, and says nothing else', async () => {
  await login('管理员', '246813');
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/settings`);
  await page.fill('#account', '新人');
  await page.fill('#account-password', '975310');
  let sent = 0;
  await page.route('**/api/v1/users*', async (route) => {
    if (route.request().method() === 'POST') sent++;
    await route.continue();
  });
  await page.locator('section:has(#account) button[type=submit]').dblclick();
  await page.waitForSelector('li:has-text("新人")');
  await page.waitForFunction(() => document.querySelector('#account').value === '');
  assert.equal(sent, 1);
  assert.equal(await page.locator('.note.bad').count(), 0);
  await page.unroute('**/api/v1/users*');
  await page.goto(`${url}#/`);
  await logout();
});

test('a new secretary takes over: her own password first, then the form that the old one left', async () => {
  await login('王秘书', '135792');
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/new/person`);
  await page.fill('[id$="name"]', '测试没填完');
  await waitFor(() => page.evaluate(async () => (await (await fetch('/api/v1/drafts')).json()).drafts.length === 1), 'the draft to be on the disk');
  await page.goto(`${url}#/`);
  await logout();

  await login('管理员', '246813');
  await page.waitForSelector('.cards');
  await page.goto(`${url}#/settings`);
  assert.equal(await page.textContent('label[for=role]'), '这个账号能做什么');
  await page.locator('li', { hasText: '王秘书' }).locator('button', { hasText: '换人接手' }).click();
  await page.fill('#successor', '李秘书');
  await page.fill('#successor-password', '864213');
  await shot('takeover');
  await page.press('#successor-password', 'Enter');
  await page.waitForSelector('li:has-text("李秘书"):has-text("还没换初始密码")');
  await page.waitForFunction(() => document.activeElement?.textContent === '账号管理'); // its button is gone with the account
  assert.match(await page.locator('li', { hasText: '王秘书' }).innerText(), /停用/);
  await shot('accounts');
  await logout();

  await login('王秘书', '135792');
  await page.waitForSelector('.note.bad');
  await login('李秘书', '864213');
  await page.waitForSelector('text=先设一个自己的密码');
  assert.equal(await page.locator('.menu').count(), 0);
  await shot('first-password');
  await page.reload(); // there is no way round it, and none is lost
  await page.waitForSelector('text=先设一个自己的密码');
  const choose = async (given, password, again) => {
    await page.fill('#given', given);
    await page.fill('#new', password);
    await page.fill('#again', again);
    await page.click('button[type=submit]');
  };
  await choose('864213', '975318', '975319');
  await page.waitForSelector('text=两次输入的密码不一样');
  await choose('864213', '864213', '864213');
  await page.waitForSelector('.note.bad:has-text("不能和别人给您的那个一样")');
  await choose('864213', '975318', '975318');
  await page.waitForSelector('.cards');
  await page.waitForSelector('text=测试没填完');
  await logout();
  await login('李秘书', '975318');
  await page.waitForSelector('.cards');
  assert.equal(await page.locator('text=先设一个自己的密码').count(), 0);
});
