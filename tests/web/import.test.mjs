// 5,000 people from a spreadsheet into the village page, with bad rows among them: how far it is in words all the time, the page at hand
// meanwhile, stopped without a trace, the preview in pages, the bad rows back, the whole of it undone. And the same many as CSV.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { idNumber, TIMEOUT_MS, Town } from './town.mjs';

const load = (name) => import(pathToFileURL(join(resolve('common/web/node_modules'), name, 'universal/index.js')));
const { default: writeSheet } = await load('write-excel-file');
const { readSheet } = await load('read-excel-file');

const ROWS = 5000;
const MANY_MS = TIMEOUT_MS * 6; // for 5,000 rows
const HELD_SHARE = 1 / 3; // of the whole time: no pause of the page's may be so long

let town, node, url, browser, page, head;
const problems = [];
const count = async () => (await page.evaluate(async () => (await fetch('/api/v1/types/person/records?limit=1')).json())).total;

const good = (i) => [`测试${i}`, '有效', idNumber(`19${50 + (i % 10)}-${String(1 + (i % 12)).padStart(2, '0')}-${String(1 + (i % 28)).padStart(2, '0')}`, (i % 998) + 1), '是', `H${i}`, '无', '2025/1/5'];
/** 40 bad rows of four kinds; two rows of one person are one of them. */
function table(from) {
  const rows = Array.from({ length: ROWS }, (_, i) => good(from + i));
  for (let i = 0; i < 10; i++) rows[i * 100 + 50][2] = '999999195001010000'; // check digit
  for (let i = 10; i < 20; i++) rows[i * 100 + 50][0] = '';
  for (let i = 20; i < 30; i++) rows[i * 100 + 50][5] = '很穷';
  for (let i = 30; i < 40; i++) rows[i * 100 + 50][2] = rows[3][2]; // far from each other
  return rows;
}

const shot = async (name) => process.env.LASTMILE_SHOTS && page.screenshot({ path: `${process.env.LASTMILE_SHOTS}/${name}.png`, fullPage: true });
async function open() {
  await page.goto(`${url}#/list/person`);
  await page.waitForSelector('#file', { state: 'detached' });
  await page.goto(`${url}#/import/person`);
  await page.waitForSelector('#file', { state: 'attached' });
}
/** Notes the longest pause of the page's own clock, and every progress in words. */
async function watch() {
  await page.evaluate(() => {
    window.seen = { said: [], held: 0 };
    let last = performance.now();
    const look = () => {
      const now = performance.now();
      window.seen.held = Math.max(window.seen.held, now - last);
      last = now;
      const words = document.querySelector('.progress [role=status]')?.textContent;
      if (words && window.seen.said.at(-1) !== words) window.seen.said.push(words);
      window.seen.timer = setTimeout(look, 10);
    };
    look();
  });
  return async () => page.evaluate(() => (clearTimeout(window.seen.timer), window.seen));
}
async function timed(t, name, act) {
  const end = await watch();
  const begun = performance.now();
  await act();
  const ms = Math.round(performance.now() - begun);
  const { said, held } = await end();
  t.diagnostic(`${name}: ${ms} ms, the page held ${Math.round(held)} ms at most, ${said.length} times said how far`);
  assert.ok(held < ms * HELD_SHARE, `${name}: the page did not answer for ${held} of ${ms} ms`);
  return said;
}

before(async () => {
  town = await Town.make(1);
  node = town.nodes[0];
  node.run(['user', 'add', '王秘书', '-'], '135792\n');
  url = await town.serveNode(node);
  browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN', acceptDownloads: true });
  context.setDefaultTimeout(MANY_MS);
  page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
  await page.fill('#user', '王秘书');
  await page.fill('#password', '135792');
  await page.click('button[type=submit]');
  await page.waitForSelector('.cards');
  const zh = Object.fromEntries(await page.evaluate(async () => (await (await fetch('/api/v1/catalog')).json()).types.find((t) => t.name === 'person').fields.map((f) => [f.name, f.zh])));
  head = [zh.name, zh.id_status, zh.id_no, zh.is_resident, zh.household_no, zh.difficulty, zh.notice_at];
  const rows = [head, ...table(0)].map((r) => r.map((value) => ({ value, type: String })));
  writeFileSync(join(town.work, 'many.xlsx'), Buffer.from(await (await writeSheet([{ sheet: '表', data: rows }]).toBlob()).arrayBuffer()));
});

after(async () => {
  await browser?.close();
  await town?.close();
  assert.deepEqual(problems, []);
});

test('stopped while it is checked: nothing is there', async () => {
  await open();
  // A worker reads, so that the page stays at hand; it ends with the file.
  const [worker] = await Promise.all([page.waitForEvent('worker'), page.setInputFiles('#file', join(town.work, 'many.xlsx'))]);
  const ended = new Promise((done) => worker.on('close', done));
  await page.waitForSelector(`text=核对列名（共 ${ROWS} 行）`);
  await ended;
  await page.click('text=/^检查$/');
  await page.click('.progress button:has-text("停下")');
  await page.waitForSelector('text=已停下，什么都没有存。');
  assert.equal(await page.locator('text=/行没问题/').count(), 0);
  assert.equal(await count(), 0);
});

test('5,000 rows of an XLSX: checked, looked through, saved, undone, with the progress in words', async (t) => {
  const fine = ROWS - 40;
  let said = await timed(t, 'check', async () => {
    await page.click('text=/^检查$/');
    await page.waitForSelector(`text=${fine} 行没问题，40 行有问题`);
  });
  assert.ok(said.length > 10 && said.some((s) => /^正在检查 \d+ 行，共 5000 行$/.test(s)), said.slice(0, 5).join(' | '));
  assert.equal(await count(), 0);
  // The preview, page by page.
  assert.equal(await page.locator('.preview tbody tr').count(), 20);
  assert.match(await page.locator('.preview').innerText(), /测试50\b|52/);
  await page.click('text=下一页');
  await page.waitForSelector('text=第 2 页，共 2 页');
  assert.match(await page.locator('.preview').innerText(), /和第 5 行相同/);
  await shot('import-preview');
  await page.click(`text=没问题的 ${fine} 行`);
  await page.waitForSelector(`text=第 1 页，共 ${fine / 20} 页`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=下载有问题的 40 行')]);
  const back = await readSheet(new Blob([readFileSync(await download.path())]));
  assert.deepEqual([back.length, back[0].at(-1), back.slice(1).every((r) => String(r.at(-1)).length > 3)], [41, '错误原因', true]);

  // Stopped in the midst of saving: what is in is in, and says so; again goes on.
  await page.click(`text=导入这 ${fine} 行`);
  await page.waitForFunction(() => document.querySelector('.progress progress')?.value >= 1000);
  await shot('import-progress');
  await page.click('.progress button:has-text("停下")');
  await page.waitForSelector('text=/已停下：\\d+ 行已经导入/');
  const some = await count();
  assert.ok(some >= 1000 && some < fine, String(some));
  await open();
  await page.setInputFiles('#file', join(town.work, 'many.xlsx'));
  await page.waitForSelector(`text=核对列名（共 ${ROWS} 行）`);
  await page.click('text=/^检查$/');
  await page.waitForSelector(`text=${fine} 行没问题，40 行有问题`);
  said = await timed(t, 'import', async () => {
    await page.click(`text=导入这 ${fine} 行`);
    await page.waitForSelector(`text=已导入 ${fine} 行`);
  });
  assert.ok(said.some((s) => /^正在导入 \d+ 行，共 4960 行$/.test(s)), said.slice(0, 5).join(' | '));
  assert.equal(await count(), fine);

  // Both halves are one batch, known after the page was closed.
  await page.goto('about:blank');
  await open();
  said = await timed(t, 'undo', async () => {
    await page.locator('li', { hasText: `${fine}` }).locator('button').click();
    await page.locator('.dialog button', { hasText: '撤销这次导入' }).click();
    await page.waitForSelector(`.toast.shown:has-text("已撤销 ${fine} 条")`);
  });
  assert.ok(said.some((s) => /^正在撤销 \d+ 行，共 4960 行$/.test(s)), said.slice(0, 5).join(' | '));
  assert.equal(await count(), 0);
});

test('5,000 rows of a CSV as Excel writes it here (GB18030)', async (t) => {
  const text = [head, ...table(0)].map((r) => r.join(',')).join('\r\n');
  writeFileSync(join(town.work, 'many.csv'), spawnSync('iconv', ['-f', 'UTF-8', '-t', 'GB18030'], { input: text, maxBuffer: 1 << 26 }).stdout);
  await open();
  await page.setInputFiles('#file', join(town.work, 'many.csv'));
  await page.waitForSelector(`text=核对列名（共 ${ROWS} 行）`);
  await page.click('text=/^检查$/');
  await page.waitForSelector('text=4960 行没问题，40 行有问题');
  await timed(t, 'import', async () => {
    await page.click('text=导入这 4960 行');
    await page.waitForSelector('text=已导入 4960 行');
  });
  assert.equal(await count(), 4960);
});
