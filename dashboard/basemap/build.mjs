/**
 * Builds the dashboard's offline base map and its credits from open data on npm:
 * `npm ci && npm run build`. It takes about a minute. The same package versions produce the same
 * bytes.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { borders } from './borders.mjs';
import { credits } from './credits.mjs';
import { land } from './land.mjs';
import { places } from './places.mjs';

const folder = new URL('../public/basemap/', import.meta.url);

mkdirSync(folder, { recursive: true });
write('borders.json', JSON.stringify(await borders()));
write('places.json', JSON.stringify(await places()));
write('land.json', JSON.stringify(await land()));
write('CREDITS.md', credits());

function write(name, text) {
  writeFileSync(new URL(name, folder), text.endsWith('\n') ? text : `${text}\n`);
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(0)} kB`;
  console.log(`${name}: ${kilobytes(Buffer.byteLength(text))}, ${kilobytes(gzipSync(text).length)} gzip`);
}
