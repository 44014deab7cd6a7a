// Builds one page: vite build --mode node|hub|node/villages. The page is in ../../<mode>/web; what both share is here in src/.
// LASTMILE_WEB_OUT is where the files go.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

/** What each page's first requests are; early.js sends them. A browser has six connections to a host: script and style take two. */
const EARLY: Record<string, string> = {
  node: 'session catalog status types/area_unit/records?limit=500',
  hub: 'session catalog status stations',
};

function early(mode: string): Plugin {
  const source = readFileSync(resolve(__dirname, 'early.js'), 'utf8');
  const file = `assets/early-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.js`;
  return {
    name: 'early',
    generateBundle() {
      if (EARLY[mode]) this.emitFile({ type: 'asset', fileName: file, source });
    },
    transformIndexHtml: () => (EARLY[mode] ? [{ tag: 'script', attrs: { async: true, src: `./${file}`, 'data-early': EARLY[mode] }, injectTo: 'head-prepend' }] : []),
  };
}

export default defineConfig(({ mode }) => ({
  root: resolve(__dirname, '../..', mode, 'web'),
  plugins: [early(mode)],
  base: './',
  publicDir: false,
  cacheDir: resolve(__dirname, 'node_modules/.vite'),
  resolve: {
    alias: {
      preact: resolve(__dirname, 'node_modules/preact'),
      '@common': resolve(__dirname, 'src'),
    },
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
