import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Relative, so that the page may lie in any folder of a bucket.
  base: './',
  build: { target: 'es2023', chunkSizeWarningLimit: 1500 },
  worker: { format: 'es' },
  test: { include: ['src/**/*.test.ts'] },
});
