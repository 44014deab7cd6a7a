// What somebody types stays text. Markup, formulas, SQL, marks of writing direction and control characters are put into every text
// field of every record type, at a village or in the town, whichever may enter it; then every place of the town's page that shows them
// is opened, and every file that takes them away is read. Nothing may run, and the text must be there as it was typed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { launch } from './browser.mjs';
import { idNumber, TIMEOUT_MS, Town } from './town.mjs';

const PASSWORD = 'second-Passw0rd';
// Each a whole attack that fits into the shortest free text (40 characters); shorter fields get its beginning.
const HOSTILE = [
  '<img src=x onerror=window.hit=1>',
  '"><script>window.hit=1</script>',
  "'; DROP TABLE r_person; --",
  '=HYPERLINK("http://evil.test","点")',
  '@SUM(1+1)*9',
  "+cmd|' /C calc'!A0",
  '＝1+1全角',
  '\u202e反转\u200b\ufeff', // turned over and never back, no width
  '\ufffe\uffff\u{1f600}{{7*7}}${7*7}%s%n', // in no XML
  'javascript:window.hit=1//&lt;b&gt;',
];
const MANY_LINES = '\t=1+1\n<b onclick=window.hit=1>x</b>'; // where a text may have several lines
const CONTROL = ['a\u0000b', 'a\u001bb', 'a\u007fb', 'a\u0085b'];
const WORDS = ['change_request.field', 'nil_report.record']; // a name of the catalogue: shown by its label
const STATION = '=1+1<img src=x onerror=window.hit=1>\uffff';
// Not typed by anybody: a file's name and kind come with the file; a summary is made by the program and edited on its own page (below);
// stations and their areas come with the registry (STATION).
const MADE = ['attachment', 'report_snapshot', 'station', 'area_unit'];

let town, url, browser, clerk, village, catalog, people;
const handler = '01932f00-1111-7222-8333-444444444444';
const typeOf = (name) => catalog.types.find((t) => t.name === name);
const ran = [];
const made = {}; // type → [{ id, fields }]

let serial = 0;
/** A UUIDv7, which the village's page makes for each new record. */
function uuid7() {
  const hex = Date.now().toString(16).padStart(12, '0') + (0x7000 + (++serial >> 12)).toString(16) + (0x8000 + (serial & 0xfff)).toString(16) + String(Math.floor(Math.random() * 1e12)).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A client of either program's API. */
async function client(address, body, first) {
  const call = async (method, path, send) => {
    const answer = await fetch(`${address}api/v1/${path}`, {
      method,
      headers: { ...(call.cookie ? { cookie: call.cookie } : {}), ...(send === undefined ? {} : { 'content-type': 'application/json' }) },
      body: send === undefined ? undefined : JSON.stringify(send),
    });
    const cookie = answer.headers.get('set-cookie');
    if (cookie) call.cookie = cookie.split(';')[0];
    const text = await answer.text();
    let json = null;
    if (text && answer.headers.get('content-type')?.includes('json')) json = JSON.parse(text);
    return { status: answer.status, text, json };
  };
  const answer = await call('POST', first, body);
  assert.ok([200, 201].includes(answer.status), answer.text);
  return call;
}

async function open(user) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'zh-CN', acceptDownloads: true });
  context.setDefaultTimeout(TIMEOUT_MS);
  await context.exposeBinding('lmRan', (_, what) => void ran.push(what));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => window.lmRan(`policy: ${e.violatedDirective} ${e.blockedURI} at ${location.hash}`));
    Object.defineProperty(window, 'hit', { set: () => window.lmRan(`ran at ${location.hash}`) });
  });
  const page = await context.newPage();
  page.on('dialog', (dialog) => (ran.push(`dialog ${dialog.message()}`), dialog.dismiss()));
  page.on('pageerror', (e) => ran.push(`error ${e.message}`));
  page.on('request', (request) => request.url().startsWith(url) || request.url().startsWith('blob:') || ran.push(`asked for ${request.url()}`));
  await page.goto(url);
  await page.fill('#user', user);
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('.menu');
  return page;
}

/** Once the page there is the new one: its title is another element. The old one still takes clicks until the hash is heard of. */
async function go(page, hash) {
  await page.evaluate((to) => {
    if (location.hash === to) return;
    window.oldTitle = document.querySelector('main h1');
    location.hash = to;
  }, `#/${hash}`);
  await page.waitForFunction(() => {
    const title = document.querySelector('main h1');
    return title && title !== window.oldTitle && !document.querySelector('main').innerText.includes('正在');
  });
}

/** What the page shows of a text: cells and values, as they are in the document. */
const shown = (page, selector) => page.$$eval(selector, (all) => all.map((e) => e.textContent));

const elements = (page) => page.$$eval('main img, main script, main iframe, main object, main b[onclick], main [onerror], main a[href^="javascript"], main a[href^="http"]', (all) => all.map((e) => e.outerHTML));

/** A text for a field: the attack as far as it fits. Named formats (names, phones, digits …) do not take one: checked apart. */
function textFor(field, attack, i) {
  if (field.format === 'name') return `-A1·测${String.fromCodePoint(0x4e00 + i)}`; // what a name may be, and a spreadsheet takes for a formula
  if (field.format === 'phone') return `+86 1380000000${i}`;
  if (field.format === 'digits') return `622${i}00001111`;
  if (field.format === 'month') return '2025-03';
  if (field.format === 'record_type') return 'visit';
  if (field.name === 'key') return null; // a setting's name: from a list
  return [...attack].slice(0, field.max_chars).join('');
}

function valueFor(field, attack, i) {
  if (field.items) return [valueFor({ ...field, items: undefined }, attack, i)];
  switch (field.type) {
    case 'text':
      return textFor(field, attack, i);
    case 'code':
      return catalog.lists[field.codes].find((c) => !c.retired).code;
    case 'date':
      return `2025-03-0${(i % 9) + 1}`;
    case 'datetime':
      return `2025-03-0${(i % 9) + 1}T01:00:00.000Z`;
    case 'int':
      return field.name.endsWith('year') ? 2000 + i : Math.max(field.min ?? 0, 1);
    case 'decimal':
      return 1;
    case 'bool':
      return false;
    case 'ref':
      return `person:${people[i]}`;
    case 'uuid':
      return field.ref === 'person' ? people[i] : field.ref ? made[field.ref]?.[0]?.id : handler;
    case 'file':
      return handler;
    case 'char':
      return field.format === 'division' ? town.code(1) : undefined;
    case 'map':
      return Object.fromEntries(field.members.filter((m) => m.type !== 'uuid').map((m) => [m.name, valueFor(m, attack, i)]));
    default:
      return undefined;
  }
}

/** The fields of a record of this type that this side may enter, all texts among them. */
function fieldsFor(type, attack, i) {
  const fields = {};
  for (const f of type.fields) {
    if (f.common || !f.entered || (!f.required && f.type !== 'text')) continue;
    const value = valueFor(f, f.type === 'text' && f.max_chars > 300 && i % 2 ? attack + MANY_LINES : attack, i);
    if (value !== undefined && value !== null) fields[f.name] = value;
  }
  const more = {
    person: { id_no: idNumber(`195${i}-01-02`, 301), id_status: 'valid', household_village: town.code(1), notice_at: '2025-01-05' },
    setting: { key: ['town_name', undefined, undefined][i] },
    media_report: { portrait_consent: true },
    nil_report: { month: `2025-${String(i + 1).padStart(2, '0')}` },
    petition: { petitioners: [{ name: fields.petitioners?.[0]?.name ?? '甲' }] },
    period_lock: { from_on: `19${80 + i}-01-01`, to_on: `19${80 + i}-01-31` },
    residency_event: { kind: 'transfer', from_village: town.code(9), to_village: town.code(1), person_id: undefined }, // a claim: it alone has all the texts
    org_group: { members: fields.members?.map(({ name, role, duty }) => ({ name, role, duty })) },
    rights_request: { kind: 'relative' },
    change_request: { target: `person:${people[i]}`, field: 'bank_name', old_value: made.person?.[i]?.fields.bank_name, new_value: [...HOSTILE[(i + 1) % HOSTILE.length]].slice(0, 60).join('') },
  };
  Object.assign(fields, more[type.name] ?? {});
  if (type.name === 'person') for (const name of ['sex', 'birth_on', 'household_outside', 'id_status_reason']) delete fields[name];
  return fields;
}

before(async () => {
  town = await Town.make(1);
  town.hub.run(['station', 'add', town.code(9), STATION]);
  for (const role of ['clerk', 'leader', 'auditor']) town.hub.run(['user', 'add', `${role}1`, '-', '--role', role], 'first-Passw0rd\n');
  url = `http://${(await town.restartHub()).http}/`;
  for (const role of ['clerk', 'leader', 'auditor']) {
    const call = await client(url, { user: `${role}1`, password: 'first-Passw0rd' }, 'session');
    assert.equal((await call('POST', 'session/password', { old: 'first-Passw0rd', password: PASSWORD })).status, 204);
    if (role === 'clerk') clerk = call;
  }
  village = await client(await town.serveNode(town.nodes[0]), { user: '王秘书', password: '135792' }, 'setup');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await town?.close();
});

/** The field's own texts, or those of its members. */
const hasText = (f) => !f.common && (f.type === 'text' || (f.type === 'map' && f.members.some((m) => m.type === 'text')));

test('hostile text is taken as text in every text field of every type, or refused in words', async () => {
  const [mine, theirs] = [(await village('GET', 'catalog')).json, (await clerk('GET', 'catalog')).json];
  catalog = theirs;
  people = [];
  const [station] = (await clerk('GET', 'types/station/records?limit=10')).json.records;
  const here = (name) => mine.types.find((t) => t.name === name && t.transitions.some((x) => x.from === null && x.village));
  const types = theirs.types.filter((t) => t.fields.some(hasText) && !MADE.includes(t.name));
  const filled = new Set();
  const faults = [];
  for (const { name } of [...types].sort((a, b) => Number(b.name === 'person') - Number(a.name === 'person'))) {
    const type = here(name) ?? typeOf(name);
    made[name] = [];
    for (let i = 0; i < HOSTILE.length; i++) {
      const fields = { ...fieldsFor(type, HOSTILE[i], i), ...(name === 'staff_post' && { station_id_post: station.id }) };
      if (name === 'setting' && !fields.key) {
        const refused = await clerk('POST', 'types/setting/records', { fields: { ...fields, key: ['staff_ratio', 'complete_days', 'file_fields', 'report_days', 'publicity_workdays', 'idle_minutes'][i % 6] } });
        if (refused.status !== 422) faults.push(`setting ${i}: ${refused.text.slice(0, 300)}`);
        continue;
      }
      const answer = await (here(name) ? village('POST', `types/${name}/records`, { id: uuid7(), fields }) : clerk('POST', `types/${name}/records`, { station: town.code(1), fields }));
      if (answer.status !== 201) faults.push(`${name} ${i}: ${answer.text.slice(0, 300)}`);
      else made[name].push({ id: answer.json.id, fields });
      if (name === 'person') people[i] = answer.json.id;
    }
    if (name === 'person') town.nodes[0].run(['sync']); // the town's own records name them
    // What may not stand in any text is refused, and the answer names the field.
    const field = type.fields.find((f) => f.type === 'text' && f.entered && !f.format && !f.common && f.name !== 'key');
    for (const text of field ? CONTROL : []) {
      const answer = await (here(name) ? village('POST', `types/${name}/records`, { id: uuid7(), fields: { ...made[name][0]?.fields, [field.name]: text } }) : clerk('POST', `types/${name}/records`, { fields: { [field.name]: text } }));
      if (![400, 422].includes(answer.status) || !(answer.json.error.field.includes(field.name) || (answer.json.issues ?? []).some((x) => x.field.includes(field.name)) || text.includes('\u0000'))) faults.push(`${name} ${JSON.stringify(text)}: ${answer.text.slice(0, 300)}`);
    }
  }
  assert.deepEqual(faults, []);
  for (const text of HOSTILE.slice(0, 6)) assert.equal((await village('POST', 'types/person/records', { id: uuid7(), fields: { ...made.person[0].fields, name: text } })).status, 422, `a name ${text}`);
  town.nodes[0].run(['sync']);
  // What only the town may enter is added to the village's records.
  for (const type of types) {
    for (const [i, record] of made[type.name].entries()) {
      const fields = {};
      for (const f of type.fields) if (f.type === 'text' && !f.common && f.entered && !(f.name in record.fields) && !(type.name === 'person' && ['household_outside', 'id_status_reason'].includes(f.name))) fields[f.name] = textFor(f, HOSTILE[i], i);
      if (Object.keys(fields).length) {
        const answer = await clerk('PATCH', `records/${record.id}`, { fields });
        if (answer.status !== 200) faults.push(`${type.name} ${i}: ${answer.text.slice(0, 300)}`);
        Object.assign(record.fields, fields);
      }
      for (const name of Object.keys(record.fields)) filled.add(`${type.name}.${name}`);
    }
  }
  assert.deepEqual(faults, []);
  const all = types.flatMap((t) => t.fields.filter((f) => hasText(f) && f.entered).map((f) => `${t.name}.${f.name}`));
  assert.deepEqual(all.filter((f) => !filled.has(f)), ['person.id_status_reason', 'person.household_outside'], 'a text field that nobody tried');
  // A person from outside, without a number: those two.
  const [fields] = [{ ...made.person[0].fields, household_village: null, household_outside: HOSTILE[0], id_status: 'missing', id_no: null, id_status_reason: HOSTILE[1], sex: '1', birth_on: '1950-01-02', bank_name: undefined, bank_account: undefined }];
  const answer = await village('POST', 'types/person/records', { id: uuid7(), fields });
  assert.equal(answer.status, 201, answer.text);
  made.person.push({ id: answer.json.id, fields });
  town.nodes[0].run(['sync']);
  // All of it arrived as it was typed.
  for (const [name, records] of Object.entries(made)) {
    const there = Object.fromEntries(town.hub.rows(['records', name]).map((r) => [r.id, r.fields]));
    for (const r of records) for (const f of typeOf(name).fields.filter((x) => x.type === 'text' && r.fields[x.name])) assert.equal(there[r.id]?.[f.name], r.fields[f.name], `${name}.${f.name}`);
  }
  town.hub.run(['verify']);
});

test('what the other tests look for is seen when it happens', async () => {
  const page = await open('clerk1');
  await go(page, 'inbox');
  await page.evaluate(() => document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=x onerror=window.hit=1>'));
  await page.evaluate(() => (window.hit = 1));
  await page.waitForFunction(() => document.querySelector('main img'));
  assert.equal((await elements(page)).length, 1);
  await page.waitForTimeout(300);
  assert.ok(ran.some((what) => what.startsWith('policy: script-src')), ran.join());
  assert.ok(ran.some((what) => what.startsWith('ran at')), ran.join());
  ran.length = 0;
  await page.context().close();
});

test('a clerk opens every register, every card, its history and what is covered', async () => {
  let page = await open('clerk1');
  for (const [i, [name, records]] of Object.entries(made).entries()) {
    if (i % 4 === 0) { // no page may take away more than 10 files in a second: Chromium drops the next without a word
      page = await page.context().newPage();
      await page.goto(url);
      await page.waitForSelector('.menu');
    }
    const type = typeOf(name);
    await go(page, `list/${name}`);
    await page.waitForSelector('table.records');
    const cells = await shown(page, 'table.records td');
    for (const column of type.list_columns.map((c) => type.fields.find((f) => f.name === c)).filter((f) => f?.type === 'text' && f.sensitivity < 2 && !WORDS.includes(`${name}.${f.name}`))) {
      for (const r of records) if (r.fields[column.name]) assert.ok(cells.includes(r.fields[column.name]), `${name}.${column.name}: ${r.fields[column.name]}`);
    }
    assert.deepEqual(await elements(page), [], `list ${name}`);
    const covered = type.fields.some((f) => f.sensitivity >= 2 && f.type === 'text' && records[0].fields[f.name]);
    for (const [i, r] of records.entries()) {
      if (i % 5 > 1 && !covered) continue; // two attacks of each five here; each of them in some type
      await go(page, `record/${r.id}`);
      await page.waitForSelector('ol.history li');
      const texts = type.fields.filter((f) => f.type === 'text' && !f.common && r.fields[f.name] && !WORDS.includes(`${name}.${f.name}`));
      let values = await shown(page, 'dl.values dd');
      for (const f of texts.filter((x) => x.sensitivity < 2)) assert.ok(values.includes(r.fields[f.name]), `${name}.${f.name}: ${r.fields[f.name]}`);
      const past = (await shown(page, 'ol.history')).join();
      for (const f of texts.filter((x) => x.sensitivity === 0)) assert.ok(past.includes(r.fields[f.name]), `history of ${name}.${f.name}`);
      if (covered && i % 3 === 0) {
        await page.click('text=查看完整内容');
        await page.fill('#ask', HOSTILE[i]); // the reason is a text too
        await page.locator('.dialog button[type=submit]').click();
        await page.waitForSelector('.dialog', { state: 'detached' });
        values = await shown(page, 'dl.values dd');
        for (const f of texts) assert.ok(values.join('\n').includes(r.fields[f.name]), `${name}.${f.name} in full: ${r.fields[f.name]}`);
      }
      assert.deepEqual(await elements(page), [], `record of ${name}`);
    }
  }
  for (const to of ['inbox', 'verify/honor', 'verify/person', 'quality', 'stations', 'months?type=visit', 'review/duplicates', 'review/returned', 'review/conflicts', `change/${made.honor[0].id}`, `enter/visit?station=${town.code(9)}`]) {
    await go(page, to);
    assert.deepEqual(await elements(page), [], to);
  }
  assert.deepEqual(ran, []);
  await page.context().close();
});

test('text that turns the writing direction turns nothing but itself', async () => {
  const page = await open('clerk1');
  await go(page, `record/${made.honor[7].id}`);
  await page.waitForSelector('ol.history li');
  // The label and what follows it stand in one line: the first character of what follows is left of its second.
  const turned = await page.evaluate(() => {
    const out = [];
    for (const element of document.querySelectorAll('main h1, main p, main li, main li div, main td, main dd')) {
      const walk = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const at = node.data.search(/[\u4e00-\u9fff]{2}/);
        if (at < 0 || /[\u202a-\u202e\u2066-\u2069]/.test(node.data)) continue;
        const x = (i) => {
          const range = document.createRange();
          range.setStart(node, at + i);
          range.setEnd(node, at + i + 1);
          return range.getBoundingClientRect();
        };
        if (x(0).top === x(1).top && x(0).left > x(1).left) out.push(`${element.tagName}: ${node.data}`);
      }
    }
    return out;
  });
  assert.deepEqual(turned, []);
  await page.context().close();
});

/** The parts of a zip (APPNOTE.TXT 4.3): names and contents. */
function unzip(bytes) {
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const parts = {};
  let at = bytes.readUInt32LE(end + 16);
  for (let n = bytes.readUInt16LE(end + 10); n > 0; n--) {
    const [method, size, name, extra, comment, local] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20), bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30), bytes.readUInt16LE(at + 32), bytes.readUInt32LE(at + 42)];
    const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const data = bytes.subarray(from, from + size);
    parts[bytes.toString('utf8', at + 46, at + 46 + name)] = (method === 0 ? data : inflateRawSync(data)).toString('utf8');
    at += 46 + name + extra + comment;
  }
  return parts;
}

/** The texts of all cells of a workbook, read by a strict parser; formulas, links and macros are named. */
async function readBook(page, bytes) {
  const parts = unzip(bytes);
  return page.evaluate((all) => {
    const out = { texts: [], bad: [] };
    for (const [name, text] of Object.entries(all)) {
      if (!/\.(xml|rels)$/.test(name)) out.bad.push(`part ${name}`);
      const doc = new DOMParser().parseFromString(text, 'application/xml');
      if (doc.querySelector('parsererror')) out.bad.push(`${name}: ${doc.querySelector('parsererror').textContent.slice(0, 200)}`);
      for (const e of doc.querySelectorAll('f, hyperlink, [TargetMode]')) out.bad.push(`${name}: ${e.outerHTML}`);
      if (/worksheets|sharedStrings/.test(name)) for (const e of doc.querySelectorAll('si, is')) out.texts.push(e.textContent);
    }
    return out;
  }, parts);
}

async function takeAway(page, button, name) {
  const file = page.waitForEvent('download').catch(() => null);
  await page.click(`text=${button}`);
  return (await file) ?? assert.fail(`${button} of ${name}: ${await page.locator('.toast').allInnerTexts()} ${ran}`);
}

/** RFC 4180. */
function readCsv(text) {
  const rows = [[]];
  for (const [, quoted, plain, mark] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (mark === '\r\n') rows.push([]);
  }
  return rows.filter((r) => r.some(Boolean));
}

/** What no XML may hold (XML 1.0, 2.2) is left out: a workbook with it in is called damaged as a whole. */
const inXml = (text) => text.replace(/[\ufffe\uffff]/g, '');

const FORMULA = /^[=+\-@＝＋－＠\t\r\n]/;
const neutral = (cell) => !FORMULA.test(cell) || /^[+-]?\d+(\.\d+)?$/.test(cell);

test('files that take it away hold no formula, and the text as it was', async () => {
  let page = await open('clerk1');
  for (const [i, [name, records]] of Object.entries(made).entries()) {
    if (i % 4 === 0) { // no page may take away more than 10 files in a second: Chromium drops the next without a word
      page = await page.context().newPage();
      await page.goto(url);
      await page.waitForSelector('.menu');
    }
    const type = typeOf(name);
    await go(page, `list/${name}`);
    await page.waitForSelector('table.records');
    const file = await takeAway(page, '存成 Excel', name);
    const book = await readBook(page, readFileSync(await file.path()));
    assert.deepEqual(book.bad, [], name);
    const list = await takeAway(page, '存成 CSV', name);
    const text = readFileSync(await list.path(), 'utf8');
    assert.ok(text.startsWith('\ufeff'));
    const cells = readCsv(text.slice(1)).flat();
    assert.deepEqual(cells.filter((c) => !neutral(c)), [], name);
    for (const f of type.fields.filter((x) => x.type === 'text' && !x.common && x.sensitivity < 2 && !WORDS.includes(`${name}.${x.name}`))) {
      for (const r of records.filter((x) => x.fields[f.name])) {
        const kept = inXml(r.fields[f.name]);
        assert.ok(book.texts.includes(kept), `${name}.${f.name} in XLSX: ${JSON.stringify(kept)}`);
        assert.ok(cells.includes(neutral(r.fields[f.name]) ? r.fields[f.name] : `'${r.fields[f.name]}`), `${name}.${f.name} in CSV: ${JSON.stringify(r.fields[f.name])}`);
      }
    }
  }
  assert.deepEqual(ran, []);
  await page.context().close();
});

test("a leader opens every figure's rows: nothing runs, no personal text in full", async () => {
  const page = await open('leader1');
  const secrets = Object.entries(made).flatMap(([name, records]) => typeOf(name).fields.filter((f) => f.type === 'text' && f.sensitivity >= 1 && !f.common).flatMap((f) => records.map((r) => r.fields[f.name]).filter((t) => t && f.format !== 'record_type')));
  let rows = 0;
  for (const indicator of catalog.indicators) {
    await go(page, `figure/${indicator.id}?p=all`);
    rows += await page.locator('table.records tbody tr').count();
    const cells = await shown(page, 'main td');
    const open = Object.values(made).flat().flatMap((r) => Object.entries(r.fields)); // the same attack stands in open fields too
    for (const cell of cells) if (secrets.includes(cell)) assert.ok(open.some(([, v]) => v === cell), `${indicator.id}: ${cell}`);
    assert.deepEqual(await elements(page), [], indicator.id);
  }
  assert.ok(rows > 50, `${rows} rows`);
  await go(page, '');
  await page.waitForSelector('.figure');
  assert.ok((await shown(page, '.tile')).join().includes(STATION));
  await go(page, 'stations');
  assert.deepEqual(await elements(page), []);
  assert.deepEqual(ran, []);
  await page.context().close();
});

test('the address for spreadsheets, the audit log and the summary', async () => {
  const { token } = JSON.parse(town.hub.run(['token', 'add', HOSTILE[0], '--json']));
  const page = await open('clerk1');
  const text = await (await fetch(`${url}api/v1/tables/${token}/counts.csv?by=village`)).text();
  const cells = readCsv(text.replace('\ufeff', '')).flat();
  assert.deepEqual(cells.filter((c) => !neutral(c)), []);
  assert.ok(cells.includes(`'${STATION}`));
  const sheet = await readBook(page, Buffer.from(await (await fetch(`${url}api/v1/tables/${token}/counts.xlsx?by=village`)).arrayBuffer()));
  assert.deepEqual(sheet.bad, []);
  assert.ok(sheet.texts.includes(inXml(STATION)));

  const summary = await clerk('POST', 'summaries', { year: 2025 });
  const doc = (await clerk('GET', `summaries/${summary.json.id}`)).json;
  const lines = HOSTILE.filter((t) => !t.includes('{'));
  const put = await clerk('PATCH', `summaries/${summary.json.id}`, { rev: doc.rev, text: doc.text + lines.map((line) => `\n= ${line}`).join('') });
  assert.equal(put.status, 200, put.text);
  await go(page, `summary/${summary.json.id}`);
  const paper = (await shown(page, '.paper')).join();
  for (const line of lines) assert.ok(paper.includes(line), line);
  assert.deepEqual(await elements(page), []);
  const other = await page.context().newPage(); // the file for Word, opened as a page: what it says itself must be harmless too
  const answer = await page.request.get(`${url}api/v1/summaries/${summary.json.id}?format=html`);
  await other.setContent(await answer.text());
  assert.equal(await other.$$eval('img, script, iframe, [onerror]', (all) => all.length), 0);
  assert.ok((await other.textContent('body')).includes(HOSTILE[0]));
  assert.deepEqual(ran, []);
  await page.context().close();

  const auditor = await open('auditor1');
  await auditor.waitForSelector('main td'); // an auditor's first page is the log
  assert.ok((await shown(auditor, 'main td')).some((cell) => cell.includes(HOSTILE[0])));
  assert.deepEqual(await elements(auditor), []);
  const taken = await auditor.request.get(`${url}api/v1/audit/export`);
  const log = readCsv((await taken.text()).replace('\ufeff', '')).flat();
  assert.deepEqual(log.filter((c) => !neutral(c)), []);
  assert.ok(log.includes(HOSTILE[0]));
  assert.deepEqual(ran, []);
  await auditor.context().close();
});
