// Accounts of the villages: the town's page makes, resets, hands over and disables them; the village logs in with no hub there, and chooses
// a password of its own before anything else.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clean, firstLogin, launch, open } from './browser.mjs';
import { TIMEOUT_MS, Town } from './town.mjs';

const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
const OWN = '864213';
const OTHER = '975318';
let town, node, browser, admin, village;
const problems = [];
const shot = async (page, name) => process.env.LASTMILE_SHOTS && page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}.png`, fullPage: true });
const at = (url) => open(browser, url, problems, { viewport: { width: 1024, height: 768 }, timeoutMs: TIMEOUT_MS * 3 });
async function login(page, user, password) {
  await page.waitForSelector('#user');
  await page.fill('#user', user);
  await page.fill('#password', password);
  await page.click('button[type=submit]');
}
async function change(page, given, password) {
  if (given) await page.fill('#given', given);
  await page.fill('#new', password);
  await page.fill('#again', password);
  await page.click('button[type=submit]');
}
const leave = async () => {
  await village.click('text=退出登录');
  await village.waitForSelector('#user');
};
const row = (name) => admin.locator('tr', { has: admin.locator(`th:text-is("${name}")`) });
/** What the page shows once; noted, and closed. */
async function told(name) {
  await admin.waitForSelector('.dialog .secret');
  await shot(admin, name);
  const password = await admin.locator('.dialog .secret').innerText();
  assert.match(password, /^\d{8}$/);
  await admin.locator('.dialog button', { hasText: '抄好了' }).click();
  await admin.waitForSelector('.dialog', { state: 'detached' });
  assert.equal((await admin.locator('body').innerText()).includes(password), false); // nowhere any more
  return password;
}

before(async () => {
  town = await Town.make(2);
  node = town.nodes[0];
  town.hub.run(['user', 'add', '管理员', '-', '--role', 'security'], `${FIRST}\n`);
  const hubUrl = `http://${(await town.restartHub()).http}/`;
  browser = await launch();
  admin = await at(hubUrl);
  await firstLogin(admin, '管理员', FIRST, SECOND);
  await admin.goto(`${hubUrl}#/accounts`);
  village = await at(await town.serveNode(node));
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('made at the town, told once, there after one exchange, used with no hub', async () => {
  await village.waitForSelector('#again'); // nobody has an account: the first visit would make one
  await admin.waitForSelector('text=还没有给各村开账号');
  await admin.selectOption('[name=account-station]', town.code(1));
  await admin.fill('#account-shown', '李小明');
  await clean(admin);
  await shot(admin, 'accounts-new');
  await admin.locator('section.card', { hasText: '自动生成' }).locator('button[type=submit]').click();
  const first = await told('accounts-told');
  await row('李小明').waitFor();
  assert.match(await row('李小明').innerText(), /示例村1[^]*村级人员[^]*正常[^]*还没到村里/);
  node.run(['sync']);
  await town.hub.stop();
  await village.reload();
  await login(village, '李小明', first);
  await village.waitForSelector('text=先设一个自己的密码');
  await clean(village);
  await shot(village, 'accounts-village-first');
  await change(village, '', OWN);
  await village.waitForSelector('.cards');
  assert.match(await village.locator('header.top').innerText(), /李小明/);
  await village.reload();
  await village.waitForSelector('.cards');
  await town.restartHub();
});

test('a new password, and another secretary: the one before is out, with what was chosen', async () => {
  await admin.reload(); // the hub was away: who is logged in was in its memory
  await login(admin, '管理员', SECOND);
  await row('李小明').locator('button', { hasText: '重设密码' }).click();
  await admin.locator('.dialog button', { hasText: '重设密码' }).click();
  const again = await told('accounts-reset');
  node.run(['sync']);
  await village.reload();
  await login(village, '李小明', OWN);
  await village.waitForSelector('.note.bad');
  await login(village, '李小明', again);
  await village.waitForSelector('text=先设一个自己的密码');
  await change(village, '', OTHER);
  await village.waitForSelector('.cards');

  await row('李小明').locator('button', { hasText: '换人接手' }).click();
  await admin.fill('#hand-shown', '赵小红');
  await admin.fill('#hand-user', '赵秘书');
  await clean(admin);
  await shot(admin, 'accounts-hand-over');
  await admin.click('.dialog button[type=submit]');
  const next = await told('accounts-handed');
  assert.match(await row('李小明').innerText(), /已停用/);
  assert.match(await row('赵秘书').innerText(), /赵小红[^]*接替李小明/);
  node.run(['sync']);
  await village.reload();
  await login(village, '李小明', OTHER);
  await village.waitForSelector('.note.bad');
  await login(village, '赵秘书', next);
  await village.waitForSelector('text=赵小红，您好');
  await change(village, '', OWN);
  await village.waitForSelector('.cards');
  await leave();
});

test('disabled, and opened again; the PC shows whose it is', async () => {
  await row('赵秘书').locator('button', { hasText: '停用' }).click();
  await shot(admin, 'accounts-disable');
  await admin.locator('.dialog button', { hasText: '停用' }).click();
  await row('赵秘书').locator('text=已停用').waitFor();
  await shot(admin, 'accounts-list');
  await admin.setViewportSize({ width: 390, height: 844 });
  await clean(admin);
  await shot(admin, 'accounts-phone');
  await admin.setViewportSize({ width: 1024, height: 768 });
  node.run(['sync']);
  await login(village, '赵秘书', OWN);
  await village.waitForSelector('.note.bad');
  node.run(['user', 'add', '装机员', '-', '--role', 'admin'], '246813\n');
  await login(village, '装机员', '246813');
  await village.waitForSelector('.cards');
  await village.goto(`${village.url().split('#')[0]}#/settings`);
  const of = (name) => village.locator('li', { hasText: name });
  await of('赵秘书').waitFor();
  assert.match(await of('赵秘书').innerText(), /赵小红[^]*已停用[^]*镇里管理/);
  assert.equal(await of('赵秘书').locator('button').count(), 0);
  await clean(village);
  await shot(village, 'accounts-village-settings');
  await leave();
  await row('赵秘书').locator('button', { hasText: '恢复' }).click();
  await row('赵秘书').locator('text=正常').waitFor();
  node.run(['sync']);
  await login(village, '赵秘书', OWN);
  await village.waitForSelector('header.top:has-text("赵小红")');
});
