import { readFileSync } from 'node:fs';

/**
 * A Vite plugin that builds the table without the map, as the page of any sensor's local cloud: without
 * the link to the map, and with the only file of `public` that the table needs.
 */
export const tableAlone = {
  name: 'table-alone',
  transformIndexHtml: (html) => html.replace(/^.*href="\.\/index\.html".*\n/m, ''),
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: 'icon.svg', source: readFileSync('public/icon.svg') });
  },
};
