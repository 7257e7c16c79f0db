// Bundles GraphiQL for the browser into web/dist: `npm run build`. Nothing is loaded from elsewhere.

import { copyFile, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, '..', 'dist');

const shared = {
  absWorkingDir: here,
  outdir: dist,
  bundle: true,
  minify: true,
  legalComments: 'linked',
  target: ['chrome120', 'firefox121', 'safari17'],
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.ttf': 'file', '.woff': 'file', '.woff2': 'file' },
  logLevel: 'warning',
};

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

await build({
  ...shared,
  entryPoints: { main: 'main.jsx' },
  format: 'esm',
  splitting: true,
  jsx: 'automatic',
});

// Monaco checks what is typed in workers; each is a script of its own.
await build({
  ...shared,
  entryPoints: {
    'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
    'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
    'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
  },
  format: 'iife',
});

for (const file of ['index.html', 'favicon.svg']) await copyFile(join(here, file), join(dist, file));
