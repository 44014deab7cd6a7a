// A browser as the tests of the pages use it: the system's Chromium; a page whose mistakes are collected; the first login to the town's
// page; and what axe finds.
import assert from 'node:assert/strict';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { TIMEOUT_MS } from './town.mjs';

export const launch = () => chromium.launch({ executablePath: process.env.LASTMILE_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

/** A page at url, in a context of its own; what it throws is pushed to problems. */
export async function open(browser, url, problems, { viewport = { width: 1280, height: 800 }, timeoutMs = TIMEOUT_MS } = {}) {
  const context = await browser.newContext({ viewport, locale: 'zh-CN' });
  context.setDefaultTimeout(timeoutMs);
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push(e.message));
  await page.goto(url);
  return page;
}

/** An account of the town at its first login: another password is chosen before anything else. */
export async function firstLogin(page, user, given, own) {
  await page.fill('#user', user);
  await page.fill('#password', given);
  await page.click('button[type=submit]');
  await page.waitForSelector('#old');
  await page.fill('#old', given);
  await page.fill('#new', own);
  await page.fill('#again', own);
  await page.click('button[type=submit]');
  await page.waitForSelector('.menu');
}

/** axe finds nothing on the page as it stands. */
export async function clean(page, where = '') {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map((v) => `${v.id}: ${v.nodes[0].html}`),
    [],
    where || undefined,
  );
}

/** Holds back the script of a page of the program, to see what is there before it. Gives what lets it go. */
export async function holdScript(page) {
  let release;
  const held = new Promise((go) => (release = go));
  await page.route('**/assets/index-*.js', async (route) => (await held, route.continue()));
  return async (shows) => {
    release();
    await page.waitForSelector(shows);
    await page.unroute('**/assets/index-*.js');
  };
}

/** Parts of a page as markup, with the attributes in order, but without the line that only the script draws. */
export const drawn = (page, parts) =>
  page.evaluate(
    (all) =>
      all.map((at) => {
        const copy = document.querySelector(at).cloneNode(true);
        copy.querySelectorAll('.line').forEach((line) => line.remove());
        for (const e of [copy, ...copy.querySelectorAll('*')]) for (const a of [...e.attributes].sort((x, y) => (x.name < y.name ? -1 : 1))) (e.removeAttribute(a.name), e.setAttribute(a.name, a.value));
        return copy.outerHTML;
      }),
    parts,
  );
