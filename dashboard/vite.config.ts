import { defineConfig } from 'vitest/config';

import { licences } from './licences.mjs';
import { tableAlone } from './table_alone.mjs';

const { page, worker } = licences();

export default defineConfig(({ mode }) => ({
  // Relative, so that the page works in any folder of a bucket.
  base: './',
  plugins: mode === 'table' ? [page, tableAlone] : [page],
  publicDir: mode === 'table' ? false : 'public',
  build: {
    target: 'es2023',
    chunkSizeWarningLimit: 1500,
    // The map, and the table.
    rolldownOptions: { input: mode === 'table' ? ['table.html'] : ['index.html', 'table.html'] },
  },
  worker: { format: 'es', plugins: worker },
  // Tests do not depend on speed: the limit only ends those that hang.
  test: { include: ['src/**/*.test.ts'], testTimeout: 120_000 },
}));
