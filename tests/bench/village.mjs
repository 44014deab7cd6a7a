// The village's page on a CPU slowed 4 times: node village.mjs URL USER PASSWORD. One JSON document: milliseconds from the address to a
// search box that takes what is typed (`interactive_ms` with an empty cache, `interactive_again_ms` as on every later day), from typing to the
// hits, and to a list of people; `appears_ms` is the first of these by the page's own clock, without what the driver of this browser has to do
// on the same slow CPU before it can type; `blank_ms` is a page of this server that has nothing to do, in the same browser. Each the median of 5.
import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../web/package.json', import.meta.url))('playwright-core');
const [url, user, password] = process.argv.slice(2);
const SLOWED = 4;
const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];

const browser = await chromium.launch({ executablePath: process.env.LASTMILE_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const taken = { blank_ms: [], appears_ms: [], interactive_ms: [], interactive_again_ms: [], hits_ms: [], list_ms: [] };
let kept;
for (let i = 0; i < 5; i++) {
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'zh-CN', storageState: kept });
  const page = await context.newPage();
  if (!kept) {
    await page.goto(url);
    await page.fill('#user', user);
    await page.fill('#password', password);
    await page.click('button[type=submit]');
    await page.waitForSelector('#search');
    kept = await context.storageState();
    await page.close();
  }
  const slowly = async () => {
    const opened = await context.newPage();
    await (await context.newCDPSession(opened)).send('Emulation.setCPUThrottlingRate', { rate: SLOWED });
    await opened.addInitScript(() => {
      const watch = new MutationObserver(() => {
        if (!document.querySelector('#search')) return;
        watch.disconnect();
        window.searchAppeared = performance.now();
      });
      watch.observe(document, { childList: true, subtree: true });
    });
    return opened;
  };
  let slow = await slowly();
  const since = async (name, act) => {
    const begun = performance.now();
    await act();
    taken[name].push(performance.now() - begun);
  };
  await since('blank_ms', () => slow.goto(`${url}healthz`));
  await since('interactive_ms', async () => {
    await slow.goto(url, { waitUntil: 'commit' });
    await slow.fill('#search', '测');
  });
  taken.appears_ms.push(await slow.evaluate(() => window.searchAppeared));
  await slow.close();
  slow = await slowly();
  await since('interactive_again_ms', async () => {
    await slow.goto(url, { waitUntil: 'commit' });
    await slow.fill('#search', '测');
  });
  await since('hits_ms', async () => {
    await slow.fill('#search', '测甲');
    await slow.waitForSelector('.hits li:has-text("测甲")');
  });
  await since('list_ms', async () => {
    await slow.goto(`${url}#/list/person`);
    await slow.waitForFunction(() => document.querySelectorAll('.records tbody tr').length === 50);
  });
  await context.close();
}
await browser.close();
console.log(JSON.stringify({ slowed: SLOWED, ...Object.fromEntries(Object.entries(taken).map(([name, all]) => [name, Math.round(median(all))])) }));
