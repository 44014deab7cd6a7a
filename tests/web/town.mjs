// A real hub and real nodes for tests of the pages, on loopback ports of their own and in a temporary directory. Processes die with
// the test (PR_SET_PDEATHSIG through setpriv) and are stopped by their id. Nothing waits a fixed time.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { once } from 'node:events';

export const BIN = resolve(process.env.LASTMILE_BIN ?? '.build/release');
const SLOW = Number(process.env.LASTMILE_SLOW ?? 1);
const ENV = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0:quarantine_size_mb=8:malloc_context_size=8' }; // leaks of commands, and why 8: tests/e2e/harness.py
export const TIMEOUT_MS = 20000 * SLOW;

/** A port with `more` free ones behind it. */
async function freeBase(more) {
  for (;;) {
    const base = 12000 + Math.floor(Math.random() * 18000);
    const open = (port) => new Promise((done) => {
      const server = createServer();
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    const free = await Promise.all(Array.from({ length: more + 1 }, (_, i) => open(base + i)));
    if (free.every(Boolean)) return base;
  }
}

const freePort = () =>
  new Promise((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

export async function waitFor(condition, what, timeoutMs = TIMEOUT_MS) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((go) => setTimeout(go, 30));
  }
}

class Program {
  constructor(town, name, dir) {
    Object.assign(this, { town, bin: join(BIN, name), dir, log: `${dir}.log`, server: null });
  }

  run(args, input = '') {
    const done = spawnSync(this.bin, [...args, '--data', this.dir, '--user', '测试员'], { input, encoding: 'utf8', maxBuffer: 1 << 26, env: ENV });
    if (done.status !== 0) throw new Error(`${args.join(' ')}: exit ${done.status}\n${done.stdout}\n${done.stderr}`);
    return done.stdout;
  }

  rows(args) {
    return this.run(args)
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  add(lines) {
    const out = this.run(['add'], lines.map((l) => JSON.stringify(l)).join('\n') + '\n');
    return out
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).id);
  }

  async serve(args, command = 'serve') {
    const log = openSync(this.log, 'a');
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', this.bin, command, '--data', this.dir, ...args], { stdio: ['ignore', 'pipe', log] });
    this.server = child;
    let text = '';
    child.stdout.setEncoding('utf8');
    for await (const piece of child.stdout) {
      text += piece;
      if (text.includes('\n')) break;
    }
    if (!text.startsWith('ready ')) throw new Error(`not ready: ${text}\n${readFileSync(this.log, 'utf8').slice(-2000)}`);
    return Object.fromEntries(
      text
        .trim()
        .split(' ')
        .slice(1)
        .map((part) => part.split('=')),
    );
  }

  async end(signal) {
    const child = this.server;
    this.server = null;
    if (!child || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  stop() {
    return this.end('SIGTERM');
  }

  kill() {
    return this.end('SIGKILL');
  }
}

/** The data of 64 real nodes: what LASTMILE_TOWN names, or made here. end() deletes what was made. */
export function demonstration() {
  if (process.env.LASTMILE_TOWN) return { dir: process.env.LASTMILE_TOWN, end: () => undefined };
  const made = mkdtempSync(join(tmpdir(), 'lastmile-web-town.'));
  const dir = join(made, 'town');
  const done = spawnSync('deploy/demo.sh', ['--leave', dir], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stdout + done.stderr);
  return { dir, end: () => rmSync(made, { recursive: true, force: true }) };
}

export class Town {
  static async make(villages = 1) {
    const town = new Town();
    town.work = mkdtempSync(join(tmpdir(), 'lastmile-web.'));
    town.hub = new Program(town, 'lastmile-hub', join(town.work, 'hub'));
    town.hub.run(['init', '--town', '示例镇', '--code', '999999101000']);
    town.hub.port = await freePort();
    town.nodes = [];
    for (let v = 1; v <= villages; v++) town.hub.run(['station', 'add', town.code(v), `示例村${v}`, '--office', '第一办事处']);
    await town.serveHub();
    for (let v = 1; v <= villages; v++) {
      const node = new Program(town, 'lastmile-node', join(town.work, `node-${v}`));
      const kit = join(town.work, `kit-${v}`);
      town.hub.run(['enrol', town.code(v), '--out', kit, '--endpoint', `tcp://127.0.0.1:${town.hub.port}`]);
      node.run(['enrol', kit]);
      node.port = await freePort();
      town.nodes.push(node);
    }
    return town;
  }

  /** A hub and these villages with data of their own already: copies of what is in dir. */
  static async of(dir, villages = []) {
    const town = new Town();
    town.work = mkdtempSync(join(tmpdir(), 'lastmile-web.'));
    town.hub = new Program(town, 'lastmile-hub', join(town.work, 'hub'));
    cpSync(join(dir, 'hub'), town.hub.dir, { recursive: true });
    town.hub.port = await freePort();
    town.nodes = [];
    for (const code of villages) {
      const node = new Program(town, 'lastmile-node', join(town.work, `node-${code}`));
      cpSync(join(dir, `node-${code}`), node.dir, { recursive: true });
      node.port = await freePort();
      town.nodes.push(node);
    }
    return town;
  }

  code(v) {
    return `9999991012${String(v).padStart(2, '0')}`;
  }

  serveHub(http = 0) {
    return this.hub.serve(['--sync', `tcp://127.0.0.1:${this.hub.port}`, '--http', `127.0.0.1:${http}`, ...(this.backups ? ['--backups', this.backups] : [])]);
  }

  /** One more PC of a village, which is not served. */
  another(v) {
    const node = new Program(this, 'lastmile-node', join(this.work, 'another'));
    const kit = join(this.work, 'kit-another');
    this.hub.run(['enrol', this.code(v), '--out', kit, '--endpoint', `tcp://127.0.0.1:${this.hub.port}`]);
    node.run(['enrol', kit]);
    return node;
  }

  /** Ends the hub, does what needs it away, and starts it at the same address. */
  async restartHub(meanwhile = () => undefined) {
    await this.hub.stop();
    await meanwhile();
    this.hub.http ??= await freePort();
    return this.serveHub(this.hub.http);
  }

  /** The page's address. The port stays, so that an open page finds the program again. */
  async serveNode(node, more = []) {
    await node.serve(['--http', `127.0.0.1:${node.port}`, '--sticks', join(this.work, 'sticks'), ...more]);
    return `http://127.0.0.1:${node.port}/`;
  }

  /** All villages on one PC, in one folder. The front page's address. */
  async serveVillages() {
    if (!this.pc) {
      this.pc = new Program(this, 'lastmile-node', join(this.work, 'pc'));
      this.pc.port = await freeBase(8);
      mkdirSync(this.pc.dir);
      this.nodes.forEach((node, i) => {
        renameSync(node.dir, join(this.pc.dir, `村${i + 1}`));
        node.dir = join(this.pc.dir, `村${i + 1}`);
      });
    }
    await this.pc.serve(['--http', `127.0.0.1:${this.pc.port}`, '--sticks', join(this.work, 'sticks')], 'villages');
    return `http://127.0.0.1:${this.pc.port}/`;
  }

  /** Ends everything and says what a sanitizer said. */
  async close() {
    await this.pc?.stop();
    for (const node of this.nodes) await node.stop();
    await this.hub.stop();
    const logs = [this.hub, this.pc, ...this.nodes].filter(Boolean).map((p) => (existsSync(p.log) ? readFileSync(p.log, 'utf8') : '')).join('');
    rmSync(this.work, { recursive: true, force: true });
    const report = /(ERROR: \w*Sanitizer|runtime error:|check failed:)[^]{0,3000}/.exec(logs);
    if (report) throw new Error(report[0]);
  }
}

// ---- made-up people: places 999999, right check digits --------------------------------------------------------------------------

let serial = 0;

export function idNumber(birth, order) {
  const digits = `999999${birth.replaceAll('-', '')}${String(order).padStart(3, '0')}`;
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const sum = weights.reduce((total, weight, i) => total + weight * Number(digits[i]), 0);
  return digits + '10X98765432'[sum % 11];
}

export function person(changes = {}) {
  serial++;
  const birth = new Date(Date.UTC(1950, 0, 1 + (serial % 12000))).toISOString().slice(0, 10);
  return {
    type: 'person',
    fields: {
      name: `测试${serial}`,
      id_status: 'valid',
      id_no: idNumber(birth, 101),
      household_village: '999999101201',
      is_resident: true,
      household_no: `H${serial}`,
      difficulty: 'none',
      notice_at: '2025-01-05',
      ...changes,
    },
  };
}
