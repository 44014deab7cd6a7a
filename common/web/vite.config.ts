// Builds one page: vite build --mode node|hub|node/villages. The page is in ../../<mode>/web; what both share is here in src/.
// LASTMILE_WEB_OUT is where the files go.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const SHARED = resolve(__dirname, 'src');

/** What each page asks for first and is too large for its document; early.js sends it. */
const EARLY: Record<string, { ask: string; shell?: string }> = {
  node: { ask: 'catalog types/area_unit/records?limit=500', shell: 'home' },
  hub: { ask: 'catalog stations' },
};

/** `  key: ['中文', 'English'],` of a table of words, each with its text as it stands. */
function entries(source: string): { head: string; all: [string, string][]; tail: string } {
  const begin = source.search(/^  \w+: /m);
  const end = source.indexOf('\n} as const;', begin) + 1;
  const all = source
    .slice(begin, end)
    .split(/^(?=  \w+: )/m)
    .map((text): [string, string] => [/^  (\w+):/.exec(text)![1]!, text]);
  return { head: source.slice(0, begin), all, tail: source.slice(end) };
}

/** The script that runs first, with the words it needs, in front of the page's own, which it starts (early.js says when). */
function early(mode: string): Plugin {
  const asks = EARLY[mode];
  const plain = readFileSync(resolve(__dirname, 'early.js'), 'utf8');
  const said = new Set([...plain.matchAll(/say\('(\w+)'\)/g)].map((m) => m[1]!));
  const { all } = entries(readFileSync(resolve(SHARED, 'messages.ts'), 'utf8'));
  const words = all.filter(([key]) => said.has(key)).map(([, text]) => text.trim());
  const source = plain.replace('/*WORDS*/ {}', asks?.shell ? `{ ${words.join(' ')} }` : '{}');
  const file = `assets/early-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.js`;
  return {
    name: 'early',
    generateBundle() {
      if (asks) this.emitFile({ type: 'asset', fileName: file, source });
    },
    transformIndexHtml: {
      order: 'post',
      handler(html) {
        if (!asks) return html;
        let main = '';
        const without = html.replace(/<script type="module" crossorigin src="([^"]+)"><\/script>/, (_, src: string) => ((main = src), `<link rel="preload" as="script" crossorigin href="${src}">`));
        if (!main) throw new Error('early: which is the script of the page?');
        return without.replace('<!--first-->', `<!--first--><script src="./${file}" data-main="${main}" data-early="${asks.ask}" data-shell="${asks.shell ?? ''}"></script>`);
      },
    },
  };
}

/** Most words belong to pages that are fetched when they are opened. What the first script says stays in it, the rest is a part of its own that
 * those pages bring along. Words are found where their key is written between quotes, so a key may not be put together from pieces. */
function words(mode: string): Plugin {
  const root = resolve(__dirname, '../..', mode, 'web/src');
  const tables = [resolve(SHARED, 'messages.ts'), resolve(root, 'messages.ts')].filter((file) => existsSync(file));
  const first = new Set<string>();
  const quoted = new Set<string>();
  const follow = (file: string): void => {
    const found = ['', '.ts', '.tsx'].map((end) => file + end).find((path) => /\.tsx?$/.test(path) && existsSync(path));
    if (!found || first.has(found)) return;
    first.add(found);
    const source = readFileSync(found, 'utf8');
    if (!tables.includes(found)) for (const [, key] of source.matchAll(/['"](\w+)['"]/g)) quoted.add(key!);
    for (const [, from] of source.matchAll(/^(?:import|export) [^;]*?from '([^']+)';/gms)) {
      if (from!.startsWith('@common/')) follow(resolve(SHARED, from!.slice('@common/'.length)));
      if (from!.startsWith('.')) follow(resolve(dirname(found), from!));
    }
  };
  const REST = '\0words-rest:';
  return {
    name: 'words',
    enforce: 'pre',
    buildStart() {
      first.clear();
      quoted.clear();
      follow(resolve(root, 'main.tsx'));
    },
    resolveId: (id) => (id.startsWith('words-rest:') ? `${REST}${id.slice('words-rest:'.length)}` : null),
    load(id) {
      if (!id.startsWith(REST)) return null;
      const file = tables[Number(id.slice(REST.length))]!;
      const { head, all } = entries(readFileSync(file, 'utf8'));
      const table = /export const (\w+) = \{\s*$/.exec(head)![1]!;
      const rest = all.filter(([key]) => !quoted.has(key)).map(([, text]) => text);
      return `import { ${table} } from '${file}';\nObject.assign(${table}, {\n${rest.join('')}});\n`;
    },
    transform(source, id) {
      const file = id.split('?')[0]!;
      if (tables.includes(file)) {
        const { head, all, tail } = entries(source);
        return `${head}${all.filter(([key]) => quoted.has(key)).map(([, text]) => text).join('')}${tail}`;
      }
      if (!/\.tsx?$/.test(file) || first.has(file) || !(file.startsWith(root) || file.startsWith(SHARED))) return null;
      return `${tables.map((_, i) => `import 'words-rest:${i}';`).join('')}${source}`;
    },
  };
}

export default defineConfig(({ mode }) => ({
  root: resolve(__dirname, '../..', mode, 'web'),
  plugins: [early(mode), words(mode)],
  base: './',
  publicDir: false,
  cacheDir: resolve(__dirname, 'node_modules/.vite'),
  resolve: {
    alias: [
      { find: 'preact', replacement: resolve(__dirname, 'node_modules/preact') },
      { find: '@common', replacement: SHARED },
      { find: /^.*\/zipToArrayBuffer\.js$/, replacement: resolve(SHARED, 'zip.ts') },
    ],
  },
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none', charset: 'ascii' },
  build: {
    target: 'chrome80',
    cssTarget: 'chrome80',
    outDir: process.env.LASTMILE_WEB_OUT,
    emptyOutDir: true,
    assetsInlineLimit: 0, // the page's policy allows no data: scripts, and a file more costs nothing here
    modulePreload: false,
    reportCompressedSize: false,
  },
}));
