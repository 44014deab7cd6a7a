// What the help quotes is what the page says: a name between “ and ” is that of a button, a menu, a page, a field or a choice, word for word.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const CATALOG = 'proto/catalog/';

/** The Chinese of a table of messages or texts: the first of each pair. */
const chinese = (path) => [...read(path).matchAll(/\['((?:[^'\\]|\\.)*)',/g)].map((m) => m[1]);

function labels(value) {
  if (!value || typeof value !== 'object') return [];
  return [...(typeof value.zh === 'string' ? [value.zh] : []), ...Object.values(value).flatMap(labels)];
}

/** What is filled in stands as N or M in the help. */
const bare = (text) => text.replace(/\(多值\)$/, '').replace(/\{\d\}|[NM]/g, '#').replace(/[\s○✓!]|…+$/g, '');

test('every name that the help quotes is on the page', () => {
  const files = ['catalog.json', 'common.json', 'lists.json', ...readdirSync(new URL(`../../${CATALOG}types`, import.meta.url)).map((name) => `types/${name}`)];
  const known = [...chinese('common/web/src/messages.ts'), ...files.flatMap((file) => labels(JSON.parse(read(CATALOG + file))))].map(bare);
  const quoted = [...read('node/web/src/help-texts.ts').matchAll(/“([^”]+)”/g)].map((m) => m[1]);
  assert.ok(quoted.length > 50, String(quoted.length));
  assert.deepEqual(quoted.filter((name) => !known.some((said) => said.includes(bare(name)))), []);
});
