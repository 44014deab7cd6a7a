// The clerk's yearly assessment of the villages (五有), set for many in one go, and the files for the national systems.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { clean, firstLogin, launch, open } from './browser.mjs';
import { person, TIMEOUT_MS, Town } from './town.mjs';

const libraries = resolve('common/web/node_modules');
const { unzipSync } = await import(pathToFileURL(join(libraries, 'fflate/esm/index.mjs')));
const FIRST = 'first-Passw0rd';
const SECOND = 'second-Passw0rd';
let town, url, browser, page, people;
const problems = [];
const shot = async (name) => process.env.LASTMILE_SHOTS && page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}.png`, fullPage: true });
async function saved(click) {
  const waits = page.waitForEvent('download');
  await click();
  const file = unzipSync(readFileSync(await (await waits).path()));
  return new TextDecoder().decode(Object.entries(file).find(([name]) => name.endsWith('sheet1.xml'))[1]) + new TextDecoder().decode(file['xl/sharedStrings.xml'] ?? new Uint8Array());
}
const cell = (village, item) => page.locator(`[aria-label^="示例村${village}，${item}"]`);

before(async () => {
  town = await Town.make(3);
  const node = town.nodes[0];
  people = node.add([person({ name: '张建国' }), person({ name: '李和平' })]);
  node.add([{ type: 'person_identity', fields: { person_id: people[0], code: '02' } }]);
  node.run(['sync']);
  const paid = { type: 'one_off', situation: 's1', reason: '家庭困难', state: 'paid', county_doc_no: '批1', amount_approved_fen: 50000, amount_paid_fen: 50000, form: 'money' };
  const day = `${new Date().getFullYear()}-01-02`;
  town.hub.add(people.map((id) => ({ type: 'aid_case', fields: { ...paid, person_id: id, applied_on: day, paid_on: day } })));
  town.hub.run(['user', 'add', 'clerk1', '-', '--role', 'clerk'], `${FIRST}\n`);
  url = `http://${(await town.restartHub()).http}/`;
  browser = await launch();
  page = await open(browser, url, problems, { timeoutMs: TIMEOUT_MS * 2 });
  await firstLogin(page, 'clerk1', FIRST, SECOND);
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('five haves: all villages at once, one lacks something, saved, kept, taken away and printed', async () => {
  await page.locator('.menu a', { hasText: '五有评估' }).click();
  await page.waitForSelector('text=3 个村，已评估 0 个，五项齐全 0 个');
  await page.check('.five-bulk input');
  await page.click('text=选中的 3 个：五项都有');
  await cell(2, '有经费').click();
  await page.waitForSelector('text=3 个村，已评估 3 个，五项齐全 2 个');
  await clean(page);
  await shot('five-set');
  await page.click('text=保存 3 个村');
  await page.waitForSelector('.toast.shown:has-text("已保存 3 个村")');
  await page.waitForSelector('.five-save', { state: 'detached' });
  const rows = town.hub.rows(['records', 'station_assessment']);
  assert.deepEqual(rows.map((r) => [r.village_code, r.fields.has_org, r.fields.has_budget]).sort(), [
    [town.code(1), true, true],
    [town.code(2), true, false],
    [town.code(3), true, true],
  ]);
  await page.reload();
  await page.waitForSelector('text=3 个村，已评估 3 个，五项齐全 2 个');
  await page.selectOption('[name=only]', 'lacks');
  assert.equal(await page.locator('table.five tbody tr').count(), 1);
  await cell(2, '有经费').click();
  await page.selectOption('[name=only]', 'all');
  await page.click('text=保存 1 个村');
  await page.waitForSelector('text=五项齐全 3 个');
  assert.equal(town.hub.rows(['records', 'station_assessment']).filter((r) => r.fields.has_budget).length, 3);
  await page.waitForSelector('.five-save', { state: 'detached' });
  const book = await saved(() => page.click('text=存成 Excel'));
  assert.match(book, /示例村2[^]*有经费|有经费[^]*示例村2/);
  await shot('five-saved');
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('table.five .on-paper:visible').count(), 15); // what stands, without its buttons
  assert.equal(await page.locator('table.five .button:visible').count(), 0);
  await shot('five-print');
  await page.emulateMedia({ media: 'screen' });
  await page.setViewportSize({ width: 390, height: 844 });
  await clean(page);
  await shot('five-phone');
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('national files: what is ready with its numbers for a reason, what lacks something with a way there', async () => {
  await page.locator('.menu a', { hasText: '国家系统上报' }).click();
  await page.waitForSelector('text=可以上报 1 条');
  await page.waitForSelector('text=还不能上报 1 条');
  const number = town.hub.rows(['records', 'person']).find((r) => r.id === people[0]).fields.id_no;
  assert.equal((await page.locator('body').innerText()).includes(number), false);
  assert.equal(await page.locator('button', { hasText: '导出 1 条' }).isDisabled(), true);
  await page.fill('#reason', '每月上报');
  await clean(page);
  await shot('national');
  const book = await saved(() => page.click('text=导出 1 条'));
  assert.ok(book.includes(number) && book.includes('张建国') && !book.includes('李和平'));
  await page.locator('a', { hasText: '人员类别' }).click();
  await page.waitForSelector('h1:has-text("李和平")');
});
