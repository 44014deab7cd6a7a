// A village's page on a CPU slowed 4 times: node village.mjs USER PASSWORD URL [URL …] (several: by turns, to compare builds while the
// machine is the same; each needs a host of its own, 127.0.0.1 and localhost, for the cookie). One JSON document; each figure is the median of ROUNDS, in milliseconds.
//
// The first group is by the page's own clock, from the moment it begins to load (performance.timeOrigin). A driver presses a key again and
// again from before that moment on, as somebody does who types without waiting; a key that the browser throws away because nothing can take it
// yet is lost.
//   blank        till the first key is handled on a page of this server that has nothing in it and nothing to do: what the browser, the driver
//                and this measuring cost on that CPU
//   appears      till the search box is in the document
//   interactive  till the first key is handled that has come into the search box
//   answered     till the people are listed who were found by it
//   settled      till the rest of the first page is drawn (what there is to do, the menu)
// "first" is with an empty cache, "again" as on every later day (what is kept on disk, compiled scripts too).
// The second group is by the driver's clock: from typing into the box to hits, and from an address to 50 rows.
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';

const { chromium } = createRequire(new URL('../web/package.json', import.meta.url))('playwright-core');
const [user, password, ...urls] = process.argv.slice(2);
const SLOWED = 4;
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const KEY = 'c'; // of 测, which is in every name
const KEY_EVERY_MS = 15;
const WARM = 3; // openings after which a browser keeps compiled scripts
const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];

/** Runs in the page before anything else. */
function watch() {
  const seen = (window.benchSeen = {});
  const note = (what) => {
    if (seen[what] !== undefined) return;
    seen[what] = performance.now();
    if (what === 'key' || what === 'interactive') window.benchHandled?.(what);
  };
  addEventListener('keydown', () => note('key'), true);
  addEventListener('input', (e) => e.target.id === 'search' && note('interactive'), true);
  const looked = { appears: '#search', answered: '.hits li', settled: '.cards .todo' };
  new MutationObserver(() => {
    for (const what in looked) if (seen[what] === undefined && document.querySelector(looked[what])) note(what);
  }).observe(document, { childList: true, subtree: true });
}

/** One opening; what the page saw. */
async function opened(context, url, cold, till) {
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Runtime.enable');
  await cdp.send('Runtime.addBinding', { name: 'benchHandled' });
  await page.addInitScript(watch);
  if (cold) await cdp.send('Network.clearBrowserCache');
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: SLOWED });
  let handled = false;
  cdp.on('Runtime.bindingCalled', (e) => (handled ||= e.payload === (till === 'key' ? 'key' : 'interactive')));
  const going = page.goto(url, { waitUntil: 'commit' });
  const deadline = Date.now() + 30000;
  while (!handled && Date.now() < deadline) {
    await cdp.send('Input.dispatchKeyEvent', { type: 'keyDown', key: KEY, code: 'KeyC', text: KEY, windowsVirtualKeyCode: 67 }).catch(() => undefined);
    await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', key: KEY, code: 'KeyC', windowsVirtualKeyCode: 67 }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, KEY_EVERY_MS));
  }
  await going;
  if (!handled) throw new Error(`${url}: no key was taken within 30 s`);
  if (till !== 'key') await page.waitForFunction(() => window.benchSeen.answered !== undefined && window.benchSeen.settled !== undefined, null, { polling: 100 });
  const seen = await page.evaluate(() => window.benchSeen);
  return { page, seen };
}

const kept = mkdtempSync(join(tmpdir(), 'lastmile-bench-browser.'));
const context = await chromium.launchPersistentContext(kept, { executablePath: process.env.LASTMILE_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'], viewport: { width: 1024, height: 768 }, locale: 'zh-CN' });
const taken = urls.map(() => ({}));
const load = [loadavg()[0]];
try {
  for (const url of urls) {
    const page = await context.newPage();
    await page.goto(url);
    await page.fill('#user', user);
    await page.fill('#password', password);
    await page.click('button[type=submit]');
    await page.waitForSelector('#search');
    await page.close();
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, url] of urls.entries()) {
      const add = (name, ms) => (taken[i][name] ??= []).push(ms);
      let { page, seen } = await opened(context, `${url}healthz`, false, 'key');
      add('blank', seen.key);
      await page.close();
      ({ page, seen } = await opened(context, url, true, 'input'));
      for (const what of ['appears', 'interactive', 'answered', 'settled']) add(`first_${what}`, seen[what]);
      await page.close();
      for (let n = 0; n < WARM; n++) {
        page = await context.newPage();
        await page.goto(url);
        await page.waitForSelector('.cards .todo', { state: 'attached' });
        await page.waitForTimeout(300);
        await page.close();
      }
      ({ page, seen } = await opened(context, url, false, 'input'));
      for (const what of ['appears', 'interactive', 'answered', 'settled']) add(`again_${what}`, seen[what]);
      const since = async (name, act) => {
        const begun = performance.now();
        await act();
        add(name, performance.now() - begun);
      };
      await page.waitForTimeout(500);
      await since('hits', async () => {
        await page.fill('#search', '测甲');
        await page.waitForSelector('.hits li:has-text("测甲")');
      });
      await since('list', async () => {
        await page.goto(`${url}#/list/person`);
        await page.waitForFunction(() => document.querySelectorAll('.records tbody tr').length === 50);
      });
      await page.close();
    }
  }
} finally {
  await context.close();
  rmSync(kept, { recursive: true, force: true });
}
load.push(loadavg()[0]);
const told = taken.map((all, i) => {
  const ms = Object.fromEntries(Object.entries(all).map(([name, values]) => [name, Math.round(median(values))]));
  const against = Object.fromEntries(['first_interactive', 'again_interactive', 'first_answered', 'again_answered'].map((name) => [name, Number((ms[name] / ms.blank).toFixed(1))]));
  return { ...(urls.length > 1 ? { url: urls[i] } : {}), ms, against_blank: against };
});
console.log(JSON.stringify({ slowed: SLOWED, rounds: ROUNDS, load, ...(told.length > 1 ? { pages: told } : told[0]) }, null, 1));
