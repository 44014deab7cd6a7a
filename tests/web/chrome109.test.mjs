// The oldest browser in use is Chrome 109 (the last for Windows 7). What both programs serve is read here, by a parser and against MDN's
// compatibility data: no syntax, no built-in, no interface of the browser and no CSS that came later. Chromium itself would never tell.
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { parse } from 'acorn';
import { full } from 'acorn-walk';
import postcss from 'postcss';
import { Town, waitFor } from './town.mjs';

const bcd = createRequire(import.meta.url)('@mdn/browser-compat-data');
const OLDEST = 109;

/** The first Chrome that has it: a number, Infinity (none), or undefined (not said). */
function since(compat) {
  const support = [compat?.__compat?.support?.chrome].flat().find((s) => s && !s.flags && !s.prefix && !s.alternative_name);
  if (!support) return undefined;
  if (support.version_added === false || support.version_added === 'preview') return Infinity;
  return parseInt(String(support.version_added).replace('≤', ''), 10);
}
const late = (compat) => (since(compat) ?? 0) > OLDEST;

// A name is late when nothing that bears it was there in time: .with() of arrays is, .name is not.
const names = new Map();
const globals = new Map();
for (const [home, group] of [...Object.entries(bcd.javascript.builtins), ...Object.entries(bcd.api)]) {
  globals.set(home, since(group) ?? 0);
  for (const [name, compat] of Object.entries(group)) {
    if (name === '__compat' || !/^\w+$/.test(name.replace('_static', ''))) continue;
    const plain = name.replace('_static', '');
    names.set(plain, Math.min(names.get(plain) ?? Infinity, since(compat) ?? 0));
  }
}
// Members of our own data and of the libraries' that something in a later browser happens to be called as well: a call of one is no data.
const OWN = new Set(['bytes', 'check', 'conditions', 'dimension', 'fontStyle', 'fontWeight', 'imageIndex', 'lines', 'margin', 'path', 'records', 'when']);

export function lateInScript(text) {
  const found = [];
  let tree;
  try {
    tree = parse(text, { ecmaVersion: 2022, sourceType: 'module' }); // all of ES2022 is in Chrome 109
  } catch (e) {
    return [e.message];
  }
  const called = new Set();
  full(tree, (node) => {
    if (node.type === 'CallExpression') called.add(node.callee);
  });
  full(tree, (node) => {
    if (node.type === 'MemberExpression' && !node.computed && node.property.type === 'Identifier') {
      const name = node.property.name;
      const home = node.object.type === 'Identifier' ? (bcd.javascript.builtins[node.object.name] ?? bcd.api[node.object.name]) : undefined;
      const own = home && (home[`${name}_static`] ?? home[name]);
      if (own ? late(own) : (names.get(name) ?? 0) > OLDEST && !(OWN.has(name) && !called.has(node))) found.push(`.${name}`);
    }
    if (node.type === 'NewExpression' && node.callee.type === 'Identifier' && (globals.get(node.callee.name) ?? 0) > OLDEST) found.push(`new ${node.callee.name}`);
    if (node.type === 'Literal' && node.regex?.flags.includes('v')) found.push('/v');
  });
  return [...new Set(found)];
}

// The first name of gap (Chrome 57), which every Chrome still takes; the data has the new one only.
const OLD_NAMES = new Set(['grid-gap']);

export function lateInStyle(text) {
  const found = [];
  const { properties, selectors, types } = bcd.css;
  postcss.parse(text).walk((node) => {
    if (node.type === 'atrule') {
      const rule = bcd.css['at-rules'][node.name.replace(/^-\w+-/, '')];
      if (!rule || late(rule)) found.push(`@${node.name}`);
    }
    if (node.type === 'rule') {
      if (node.parent.type === 'rule' || node.selector.includes('&')) found.push(`nesting: ${node.selector}`);
      for (const [, name] of node.selector.matchAll(/::?([\w-]+)/g)) {
        if (!name.startsWith('-') && (!selectors[name] || late(selectors[name]))) found.push(`:${name}`);
      }
    }
    if (node.type === 'decl' && !node.prop.startsWith('--') && !node.prop.startsWith('-webkit-')) {
      const property = properties[node.prop] ?? bcd.css['at-rules'][node.parent.name]?.[node.prop];
      const twin = node.parent.nodes.some((n) => n.prop === `-webkit-${node.prop}`); // that is what an older browser takes
      if (twin) return;
      if (property ? late(property) : !OLD_NAMES.has(node.prop)) found.push(node.prop);
      for (const word of node.value.split(/[\s,()]+/)) if (property?.[word] && late(property[word])) found.push(`${node.prop}: ${word}`);
      for (const [, name] of node.value.matchAll(/([\w-]+)\(/g)) {
        const type = Object.values(types).find((t) => t[name]?.__compat) ?? types;
        if (late(type[name]) && node.prop !== 'clip') // its rect() is older than the shape of that name
          found.push(`${name}()`);
      }
      if (/\d(cap|rcap|rex|rch|ric|rlh)\b/.test(node.value)) found.push(node.value);
    }
  });
  return [...new Set(found)];
}

let town;
let urls;
before(async () => {
  town = await Town.make(2);
  await town.hub.stop();
  const { http } = await town.serveHub();
  urls = { hub: `http://${http}/`, villages: await town.serveVillages() };
  urls.node = await waitFor(async () => {
    const { villages } = await (await fetch(`${urls.villages}api/v1/villages`)).json();
    return villages.length === 2 && villages[0].port && `http://127.0.0.1:${villages[0].port}/`;
  }, 'the villages');
});
after(() => town?.close());

/** Every script and style that a page loads, now or later. */
async function filesOf(url) {
  const files = new Map();
  const wanted = [''];
  while (wanted.length) {
    const at = wanted.pop();
    if (files.has(at)) continue;
    const reply = await fetch(url + at);
    assert.equal(reply.status, 200, at);
    const text = await reply.text();
    files.set(at, text);
    for (const [, name] of text.matchAll(/(?:["'`/(])([\w.-]+\.(?:js|css))(?=["'`)])/g)) if (/-[\w-]{8}\./.test(name)) wanted.push(`assets/${name}`);
  }
  files.delete('');
  return files;
}

test('what both programs serve runs in Chrome 109', async () => {
  for (const [page, url] of Object.entries(urls)) {
    const files = await filesOf(url);
    assert.ok([...files.keys()].filter((f) => f.endsWith('.js')).length >= (page === 'villages' ? 1 : 2) && [...files.keys()].some((f) => f.endsWith('.css')), [...files.keys()].join());
    for (const [name, text] of files) assert.deepEqual(name.endsWith('.css') ? lateInStyle(text) : lateInScript(text), [], name);
  }
});

test('the first page is below 60 KB, as it is sent', async () => {
  const bytes = (at) =>
    new Promise((done, failed) =>
      get(at, (reply) => {
        let n = 0;
        reply.on('data', (piece) => (n += piece.length)).on('end', () => done(n));
      }).on('error', failed),
    );
  for (const [name, url] of Object.entries(urls)) {
    const html = await (await fetch(url)).text();
    const first = [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((m) => url + m[1]);
    assert.ok(first.length >= 2, html);
    const sizes = await Promise.all([url, ...first].map(bytes));
    assert.ok(sizes.reduce((sum, n) => sum + n, 0) < 60 * 1024, `${name}: ${sizes.join(' + ')}`);
  }
});

test('what is too new is found', () => {
  for (const text of ['[1].toSorted()', 'Object.groupBy([], f)', 'Promise.withResolvers()', 'document.startViewTransition(f)', 'URL.canParse(x)', 'using x = f()', '/[\\p{L}--a]/v', 'new CloseWatcher()', 'Array.fromAsync(x)', '"x".isWellFormed()', 'reply.bytes()']) {
    assert.equal(lateInScript(text).length, 1, text);
  }
  for (const text of ['a { & b { color: red } }', 'a { b { color: red } }', 'a { text-wrap: balance }', 'a { print-color-adjust: exact }', '@scope (a) { b { color: red } }', 'a:user-valid { color: red }', 'a { color: light-dark(red, blue) }', 'a { field-sizing: content }', '@starting-style { a { opacity: 0 } }']) {
    assert.notEqual(lateInStyle(text).length, 0, text);
  }
  for (const text of ['file.bytes + page.records', '[1].at(-1); a?.b ?? c; class A { #x = 1; static { f() } }; structuredClone(x); new AbortController(); fetch("x").then((r) => r.json())']) assert.deepEqual(lateInScript(text), [], text);
  for (const text of ['a { -webkit-print-color-adjust: exact; print-color-adjust: exact }', 'a:focus-visible, b::before { display: grid; gap: 1rem; inset: 0 } @media print { a { color: red } } @page { size: A4 } @container (min-width: 1px) { a { color: red } }']) assert.deepEqual(lateInStyle(text), [], text);
});
