// Builds one page: vite build --mode node|hub|node/villages. The page is in ../../<mode>/web; what both share is here in src/.
// LASTMILE_WEB_OUT is where the files go.
import { resolve } from 'node:path';
import { defineConfig } from 'vite';

export default defineConfig(({ mode }) => ({
  root: resolve(__dirname, '../..', mode, 'web'),
  base: './',
  publicDir: false,
  cacheDir: resolve(__dirname, 'node_modules/.vite'),
  resolve: {
    alias: {
      preact: resolve(__dirname, 'node_modules/preact'),
      '@common': resolve(__dirname, 'src'),
    },
  },
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
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
