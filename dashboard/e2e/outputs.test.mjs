/** Tests the outputs of a Kinesis SQL application on the page: with a local cloud and a browser. */

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { AxeBuilder } from '@axe-core/playwright';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';

import { endAll, fly, open, pause, startBrowser, startCloud, temporaryFolder, until } from './world.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));
const HTML_NAME = '<img src=x onerror=alert(1)>';
/** Overrides the direction of the text after it; a control character; more than a double holds. */
const ODD_NAME = '\u202eabc\u0007';
const ODD_NAME_SHOWN = String.raw`\u202Eabc\u0007`;
const SERIAL = '9007199254740993';

const FILTER = `
CREATE STREAM "<b>HOT</b>" ("ROOM" VARCHAR(64), "<i>SERIAL</i>" BIGINT, "CELSIUS" DECIMAL(9,2), "AT" TIMESTAMP);
CREATE PUMP "HOT_PUMP" AS INSERT INTO "<b>HOT</b>"
SELECT STREAM "ROOM", "SERIAL", "CELSIUS", ROWTIME FROM "SOURCE_SQL_STREAM_001" WHERE "CELSIUS" > 30;
`;
const SECOND_FILTER = `
CREATE STREAM "COLD" ("ROOM" VARCHAR(64));
CREATE PUMP "COLD_PUMP" AS INSERT INTO "COLD" SELECT STREAM "ROOM" FROM "SOURCE_SQL_STREAM_001" WHERE "CELSIUS" < 0;
`;
const WINDOW = `
CREATE STREAM "ROOM_TOTALS" ("ROOM" VARCHAR(64), "READINGS" INTEGER, "HIGHEST" DECIMAL(9,2));
CREATE PUMP "TOTALS_PUMP" AS INSERT INTO "ROOM_TOTALS"
SELECT STREAM "ROOM", COUNT(*), MAX("CELSIUS") FROM "SOURCE_SQL_STREAM_001"
GROUP BY "ROOM", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '1' SECOND) HAVING COUNT(*) > 1;
`;
const SCHEMA = {
  RecordColumns: [
    { Name: 'ROOM', SqlType: 'VARCHAR(64)', Mapping: '$.room' },
    { Name: 'SERIAL', SqlType: 'BIGINT', Mapping: '$.serial' },
    { Name: 'CELSIUS', SqlType: 'DECIMAL(9,2)', Mapping: '$.celsius' },
  ],
  RecordFormat: { RecordFormatType: 'JSON', MappingParameters: { JSONMappingParameters: { RecordRowPath: '$' } } },
  RecordEncoding: 'UTF-8',
};

let browser;

/** Starts a local cloud that runs a Kinesis SQL text. */
async function startSql(text) {
  const folder = await temporaryFolder();
  const [sql, schema] = [join(folder, 'application.sql'), join(folder, 'schema.json')];
  await writeFile(sql, text);
  await writeFile(schema, JSON.stringify(SCHEMA));
  return startCloud('--sql', sql, '--schema', schema, '--window', '1s');
}

/** Puts lines, all in one record. */
async function put(cloud, stream, lines) {
  const data = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
  const records = [{ Data: Buffer.from(data), PartitionKey: 'x' }];
  const { FailedRecordCount } = await cloud.kinesis.send(new PutRecordsCommand({ StreamName: stream, Records: records }));
  assert.equal(FailedRecordCount, 0);
}

/** A reading, as text, since a serial number is longer than a double. */
function reading(room, celsius) {
  return `{"room":${JSON.stringify(room)},"serial":${SERIAL},"celsius":${celsius}}`;
}

/** What the tests look at in a page. */
function see(page) {
  return {
    status: () => page.locator('#status').textContent(),
    count: () => page.locator('#output-count').textContent(),
    buttons: () => page.locator('#views button').allTextContents(),
    pressed: () => page.locator('#views button[aria-pressed=true]').allTextContents(),
    choose: (name) => page.locator('#views').getByRole('button', { name, exact: true }).click(),
    titles: () => page.locator('#output [role=columnheader]').allTextContents(),
    async rows() {
      const lines = page.locator('#output .body .line:visible');
      return lines.evaluateAll((found) =>
        found
          .map((row) => [Number(row.getAttribute('aria-rowindex')), [...row.children].map((cell) => cell.textContent)])
          .sort(([one], [other]) => one - other)
          .map(([, cells]) => cells),
      );
    },
  };
}

before(async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  browser = await startBrowser();
});
after(endAll);

describe('the outputs of a text with a window and a filter', () => {
  let cloud;
  let page;
  let seen;
  /** The streams whose shards were listed. */
  const listed = [];

  before(async () => {
    cloud = await startSql(FILTER + WINDOW);
    page = await open(browser, 'about:blank');
    page.on('request', (request) => {
      if (request.headers()['x-amz-target']?.endsWith('ListShards')) listed.push(request.postDataJSON().StreamName);
    });
    await page.goto(cloud.map);
    seen = see(page);
  });

  test('are named beside the keys, which are shown first', async () => {
    await until('the buttons', async () => (await seen.buttons()).length > 0);
    assert.deepEqual(await seen.buttons(), ['Keys', '<b>HOT</b>', 'ROOM_TOTALS']);
    assert.deepEqual(await seen.pressed(), ['Keys']);
    assert.equal(await page.locator('#output-section').isVisible(), false);
  });

  test('have the rows of a filter, newest first, as text and with all digits', async () => {
    await seen.choose('<b>HOT</b>');
    await page.locator('#notice').getByText('No rows yet.').waitFor();
    assert.deepEqual(await seen.titles(), ['ROOM', '<i>SERIAL</i>', 'CELSIUS', 'AT']);
    await put(cloud, 'wildrydes', [reading('attic', 31.5), reading('cellar', 8)]);
    await put(cloud, 'wildrydes', [reading(HTML_NAME, 40.25), reading(ODD_NAME, 99)]);
    await until('three rows', async () => (await seen.count()).startsWith('3 rows · 3 per minute'));
    const rows = await seen.rows();
    assert.deepEqual(rows.map((row) => row.slice(0, 3)), [
      [ODD_NAME_SHOWN, SERIAL, '99'],
      [HTML_NAME, SERIAL, '40.25'],
      ['attic', SERIAL, '31.5'],
    ]);
    for (const [, , , at] of rows) assert.match(at, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
    assert.equal(await page.locator('main img, main b, main i').count(), 0);
    assert.equal(await page.locator('h1').textContent(), 'sql--b-HOT--b-');
    await page.locator('#notice').waitFor({ state: 'hidden' });
    assert.match(await seen.status(), /^live · 1 shard · no lag/);
  });

  test('have the finished rows of windows', async () => {
    await seen.choose('ROOM_TOTALS');
    assert.deepEqual(await seen.titles(), ['ROOM', 'READINGS', 'HIGHEST']);
    await put(cloud, 'wildrydes', [reading('hall', 1), reading('hall', 2.5), reading('shed', 3)]);
    await until('the total', async () => (await seen.rows()).some((row) => row.join() === 'hall,2,2.5'));
    // HAVING.
    assert.ok(!(await seen.rows()).some(([room]) => room === 'shed'));
    assert.deepEqual(await seen.pressed(), ['ROOM_TOTALS']);
  });

  test('replace a row by a higher revision, in its place, and drop a row that was removed', async () => {
    const row = (room, highest, revision) => ({ ROOM: room, READINGS: 2, HIGHEST: highest, RowId: `ROOM_TOTALS/${room}`, Revision: revision });
    await put(cloud, 'sql-ROOM_TOTALS', [row('one', 1.5, 3), row('two', 2.5, 3), row('three', 3.5, 3)]);
    const rooms = ['one', 'two', 'three'];
    const found = async () => (await seen.rows()).filter(([room]) => rooms.includes(room)).map((cells) => cells.join());
    await until('three rows', async () => (await found()).join(' ') === 'three,2,3.5 two,2,2.5 one,2,1.5');
    await put(cloud, 'sql-ROOM_TOTALS', [row('one', 9.5, 6), row('two', 8.5, 1), { RowId: 'ROOM_TOTALS/three', Revision: 6, Removed: true }]);
    await until('the revisions', async () => (await found()).join(' ') === 'two,2,2.5 one,2,9.5');
    await put(cloud, 'sql-ROOM_TOTALS', [row('three', 3.5, 3), 'nonsense', '{"ROOM":"four"}']);
    await until('two are rejected', async () => (await seen.status()).includes('2 rejected lines'));
    assert.deepEqual(await found(), ['two,2,2.5', 'one,2,9.5']);
  });

  test('are a bounded number of rows, of which the visible ones are in the page', async () => {
    await seen.choose('<b>HOT</b>');
    const rows = (first) => Array.from({ length: 1_500 }, (_, index) => ({ ROOM: `room ${first + index}`, RowId: `x/${first + index}` }));
    await put(cloud, 'sql--b-HOT--b-', rows(0));
    await put(cloud, 'sql--b-HOT--b-', rows(1_500));
    await until('the newest', async () => (await seen.rows())[0]?.[0] === 'room 2999');
    assert.match(await seen.count(), /^the newest 1,000 rows · 3,00\d per minute$/);
    assert.ok((await page.locator('#output .line').count()) < 100);
    await page.locator('#output').focus();
    await page.keyboard.press('End');
    await until('the last row', async () => (await seen.rows()).at(-1)?.[0] === 'room 2000');
    assert.deepEqual((await seen.rows()).at(-1), ['room 2000', '–', '–', '–']);
  });

  test('leave the keys as they were, whose watermarks are not rejected', async () => {
    await seen.choose('Keys');
    await page.locator('#table [data-key]').first().waitFor();
    await page.locator('#charts figure').first().waitFor();
    assert.equal(await page.locator('h1').textContent(), 'sql-summary');
    await until('live', async () => (await seen.status()).startsWith('live'));
    assert.ok(!(await seen.status()).includes('rejected'), await seen.status());
    assert.equal(await page.locator('#output-section').isVisible(), false);
    assert.deepEqual(page.problems, []);
  });

  test('are read only while they are shown', async () => {
    const streams = () => [...new Set(listed)].sort();
    assert.deepEqual(streams(), ['sql--b-HOT--b-', 'sql-ROOM_TOTALS', 'sql-summary']);
    listed.length = 0;
    // The shards of a stream that is read are listed every 30 s.
    await pause(32_000);
    assert.deepEqual(streams(), ['sql-summary']);
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [
      ['desktop', { width: 1280, height: 800 }],
      ['phone', { width: 390, height: 844 }],
    ]) {
      test(`have no serious accessibility finding: ${size}, ${colorScheme}`, async () => {
        const other = await open(browser, cloud.map, { viewport, colorScheme });
        await see(other).choose('ROOM_TOTALS');
        await until('rows', async () => (await see(other).rows()).length > 0);
        await pause(1000);
        const { violations } = await new AxeBuilder({ page: other }).analyze();
        const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
        await other.screenshot({ path: `${SCREENSHOTS}outputs-${size}-${colorScheme}.png`, fullPage: size === 'phone' });
        assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), []);
        const overflow = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
        assert.deepEqual(other.problems, []);
        await other.context().close();
      });
    }
  }
});

test('without windows, the page opens on the first output', async () => {
  const cloud = await startSql(FILTER + SECOND_FILTER);
  const page = await open(browser, cloud.map);
  const seen = see(page);
  await until('the buttons', async () => (await seen.buttons()).length > 0);
  assert.deepEqual(await seen.buttons(), ['<b>HOT</b>', 'COLD']);
  assert.deepEqual(await seen.pressed(), ['<b>HOT</b>']);
  assert.equal(await page.locator('#keys').isVisible(), false);
  await put(cloud, 'wildrydes', [reading('attic', 31.5), reading('cellar', -1)]);
  await until('a row', async () => (await seen.rows())[0]?.[0] === 'attic');
  await seen.choose('COLD');
  await until('a row', async () => (await seen.rows()).join() === 'cellar');
  assert.deepEqual(page.problems, []);
});

test('the finished rows of a sensor are an output as well', async () => {
  const cloud = await startCloud('--finished-rows', '--window', '2s');
  fly(cloud, '--unicorns', '3', '--seed', '7');
  const page = await open(browser, `${cloud.map}/table.html`);
  const seen = see(page);
  await seen.choose('windows');
  const columns = ['Name', 'StatusTime', 'Distance', 'MinMagicPoints', 'MaxMagicPoints', 'MinHealthPoints', 'MaxHealthPoints'];
  assert.deepEqual(await seen.titles(), columns);
  await until('the rows of three unicorns', async () => new Set((await seen.rows()).map(([name]) => name)).size === 3);
  for (const cells of await seen.rows()) assert.ok(cells.slice(2).every((text) => /^\d+(\.\d+)?$/.test(text)), cells.join());
  assert.deepEqual(page.problems, []);
});
