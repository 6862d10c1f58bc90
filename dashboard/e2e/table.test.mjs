/** Tests the live table end to end: with a local cloud, rows of a sensor, and a browser. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { AxeBuilder } from '@axe-core/playwright';
import { CreateStreamCommand, DescribeStreamSummaryCommand, PutRecordsCommand } from '@aws-sdk/client-kinesis';

import { endAll, fly, open, pause, startBrowser, startCloud, until } from './world.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));
const HTML_NAME = '<img src=x onerror=alert(1)>';
const STREAM = 'rooms-summary';
const MINUTE = 60_000;
/** The start of the newest window, whose rows come now. */
const NEWEST = Math.floor(Date.now() / MINUTE) * MINUTE - MINUTE;

const SCHEMA = {
  key: [
    { name: 'Building', type: 'text', nullable: true },
    { name: 'Floor', type: 'number', scale: 0 },
  ],
  time: 'WindowStart',
  measures: [
    { name: 'Mean', kind: 'average', type: 'number', scale: 2, places: 3 },
    { name: 'Energy', kind: 'sum', type: 'number', scale: 3 },
    { name: 'Coldest', kind: 'min', type: 'float', nullable: true },
    { name: 'Label', kind: 'max', type: 'text' },
    { name: 'Open', kind: 'max', type: 'boolean' },
  ],
};

let browser;
let cloud;
let page;

const status = () => page.locator('#status').textContent();
const count = () => page.locator('#keys-count').textContent();
const rows = () => page.locator('#table [role=rowgroup] [role=row][data-key]:visible');
const cells = (row) => row.locator('span').allTextContents();
const title = () => page.locator('#charts-title').textContent();

async function search(text) {
  await page.locator('#search').fill(text);
}

/** A row with the sum and count of its mean. `change` replaces fields, and `source` those of Source. */
function row(building, floor, [sum, readings], change = {}, source = {}) {
  const start = new Date(NEWEST).toISOString().replace('T', ' ').replace('Z', '');
  const mean = Number((sum / readings).toFixed(3));
  const fields = { Floor: floor, WindowStart: start, Mean: mean, Energy: 1.5, Coldest: 19.5, Label: 'b', Open: false, ...change };
  const range = { Stream: 'rooms', Shard: '0', From: '1', To: '9', Readings: readings, WindowSeconds: 60, ...source };
  const parts = { Mean: { Sum: sum, Count: readings } };
  return { ...(building === null ? {} : { Building: building }), ...fields, Source: { ...range, Parts: parts } };
}

/** A window that ended `minutes` before the newest. */
function ago(minutes) {
  return { WindowStart: new Date(NEWEST - minutes * MINUTE).toISOString().replace('T', ' ').replace('Z', '') };
}

async function put(stream, lines) {
  const records = [];
  for (let first = 0; first < lines.length; first += 100) {
    const data = lines.slice(first, first + 100).map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
    records.push({ Data: Buffer.from(data.join('')), PartitionKey: String(first) });
  }
  const { FailedRecordCount } = await cloud.kinesis.send(new PutRecordsCommand({ StreamName: stream, Records: records }));
  assert.equal(FailedRecordCount, 0);
}

/** Opens the table with the settings of the local cloud, and the stream and schema of the rooms. */
async function openTable(change = {}, options = {}) {
  const opened = await open(browser, 'about:blank', options);
  await opened.route('**/config.json', async (route) => {
    const config = await (await route.fetch()).json();
    await route.fulfill({ json: { ...config, summaryStream: STREAM, schema: SCHEMA, ...change } });
  });
  await opened.goto(`${cloud.map}/table.html`);
  return opened;
}

before(async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  browser = await startBrowser();
  cloud = await startCloud('--window', '5s');
  await cloud.kinesis.send(new CreateStreamCommand({ StreamName: STREAM, ShardCount: 2 }));
  await until('the stream is active', async () => {
    const { StreamDescriptionSummary: found } = await cloud.kinesis.send(new DescribeStreamSummaryCommand({ StreamName: STREAM }));
    return found.StreamStatus === 'ACTIVE';
  });
});
after(endAll);

describe('the table of rooms', () => {
  test('says what it waits for while there are no rows', async () => {
    page = await openTable();
    await page.locator('#notice').getByText('No rows yet.').waitFor();
    assert.equal(await page.locator('h1').textContent(), STREAM);
  });

  test('has a row per key, in the order of the keys, merged', async () => {
    await put(STREAM, [
      row('north', 10, [62, 3]),
      row('north', 9, [60, 3], ago(1)),
      row('north', 9, [61, 3], { Energy: 0.001, Coldest: -5.5, Label: '\u{1f984}' }),
      row('north', 9, [20, 1], { Energy: 'long', Label: '\ufb01', Open: true }, { Shard: '1' }),
      row('north', 9, [61, 2], {}, { To: '5' }),
      row(null, -1, [3, 2], { Coldest: null }),
      row(HTML_NAME, 0, [3, 2], ago(2)),
      row('south', 1, [30, 30], {}, { To: '5' }),
      row('south', 1, [31, 31], {}, { From: '4' }),
      row('south', 1, [10, 10], {}, { From: '4', To: '5' }),
    ].map((line) => JSON.stringify(line).replace('"long"', '9007199254740992.5')));
    await until('five keys', async () => (await count()).startsWith('5 keys, 4 in the newest window'));
    const found = [];
    for (const each of await rows().all()) found.push(await cells(each));
    const newest = new Date(NEWEST).toISOString().slice(0, 19).replace('T', ' ');
    assert.deepEqual(found, [
      ['–', '-1', newest, '2', '1.5', '1.5', '–', 'b', 'false'],
      [HTML_NAME, '0', ago(2).WindowStart.slice(0, 19), '2', '1.5', '1.5', '19.5', 'b', 'false'],
      ['north', '9', newest, '4', '20.25', '9007199254740992.501', '-5.5', '\u{1f984}', 'true'],
      ['north', '10', newest, '3', '20.667', '1.5', '19.5', 'b', 'false'],
      ['south', '1', `${newest} gap`, '31', '1', '1.5', '19.5', 'b', 'false'],
    ]);
    assert.equal(await page.locator('main img').count(), 0);
    assert.deepEqual(page.problems, []);
  });

  test('shows rates and lag', async () => {
    const said = async (label) => page.locator('#summary div', { hasText: label }).locator('dd').textContent();
    await until('readings per second', async () => (await said('Readings per second')) === '0.7');
    await until('rows per second', async () => Number(await said('Rows per second')) > 0);
    assert.match(await said('Rows come after'), /^[\d.]+ s$/);
    assert.match(await said('Behind the end'), /ms|s$/);
    assert.equal(await said('Windows with a gap'), '1 of 3');
  });

  test('draws a chart per measure, of all keys or of one', async () => {
    const titles = await page.locator('#charts figcaption strong').allTextContents();
    assert.deepEqual(titles, ['Readings', 'Mean', 'Energy', 'Coldest', 'Open', 'Lag of the rows']);
    await page.getByText('In the table only: Label.').waitFor();
    assert.equal(await title(), 'Last hour of all keys · 1 window with a gap');
    await rows().nth(2).click();
    await until('the charts of the key', async () => (await title()) === 'Last hour of north · 9');
    await page.getByText('average: 20.25 in the last window').waitFor();
    await page.getByText('sum: 9007199254740992.501 in the last window').waitFor();
    assert.equal(await page.locator('#charts figure').first().getAttribute('data-points'), '2');
    await page.getByRole('button', { name: 'Show all keys' }).click();
    await until('the charts of all keys', async () => (await title()).startsWith('Last hour of all keys'));
    await page.getByText('40 in the last window, 4 keys').waitFor();
    assert.match(await page.locator('#charts-age').textContent(), /^last window ended .+ ago · windows of 1 min · times in UTC$/);
  });

  test('says what is under the pointer of a chart', async () => {
    const plot = page.locator('#charts .u-over').first();
    const box = await plot.boundingBox();
    const texts = new Set();
    for (let x = 2; x < box.width; x += 8) {
      await page.mouse.move(box.x + x, box.y + 20);
      texts.add(await plot.locator('.tip').textContent());
    }
    const time = (millis) => new Date(millis).toISOString().slice(11, 16);
    assert.ok(texts.has(`${time(NEWEST)} to ${time(NEWEST + MINUTE)} UTC: 40 readings`), [...texts].join('; '));
  });

  test('shows the charts of the key that Enter chooses, and with Escape of all keys', async () => {
    await page.locator('#search').focus();
    await page.keyboard.type('south');
    await until('the match', async () => (await count()).startsWith('1 of 5 keys'));
    await page.keyboard.press('Enter');
    await until('the charts of the key', async () => (await title()).startsWith('Last hour of south · 1'));
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#search').inputValue(), '');
    await page.keyboard.press('Escape');
    await until('the charts of all keys', async () => (await title()).startsWith('Last hour of all keys'));
  });

  test('counts lines that are not rows of the schema', async () => {
    await put(STREAM, ['nonsense', JSON.stringify(row('north', 9.5, [1, 1]))]);
    await until('two are rejected', async () => (await status()).includes('2 rejected lines'));
  });

  test('has only the visible rows of thousands in the page', async () => {
    const lines = Array.from({ length: 5_000 }, (_, floor) => row('tower', floor, [20, 1]));
    await put(STREAM, lines);
    await until('all keys', async () => (await count()).startsWith('5,005 keys'));
    assert.ok((await page.locator('#table [data-key]').count()) < 100);
    await page.locator('#table').focus();
    await page.keyboard.press('End');
    await until('the last key is shown', async () => (await rows().last().innerText()).includes('4999'));
    await page.keyboard.press('Enter');
    await until('its charts', async () => (await title()) === 'Last hour of tower · 4999');
    const active = await page.locator('#table').getAttribute('aria-activedescendant');
    assert.equal(await page.locator(`#${active}`).getAttribute('aria-rowindex'), '5006');
    await search('Tower 123');
    await until('the matches', async () => (await count()).startsWith('11 of 5,005 keys'));
    assert.deepEqual((await cells(rows().first())).slice(0, 2), ['tower', '123']);
    await search('nowhere');
    await page.getByText('No matching keys.').waitFor();
    await search('');
  });

  test('reports a lost connection, and recovers', async () => {
    await page.context().setOffline(true);
    await page.locator('#notice').getByText('Disconnected: Kinesis does not respond.').waitFor();
    await page.context().setOffline(false);
    await page.getByRole('button', { name: 'Try now' }).click({ timeout: 2_000 }).catch(() => undefined);
    await until('live', async () => (await status()).startsWith('live'));
    assert.deepEqual(page.problems.filter((text) => !text.includes('ERR_INTERNET_DISCONNECTED')), []);
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [
      ['desktop', { width: 1280, height: 800 }],
      ['phone', { width: 390, height: 844 }],
    ]) {
      test(`has no serious accessibility finding: ${size}, ${colorScheme}`, async () => {
        const other = await openTable({}, { viewport, colorScheme });
        await other.locator('#table [data-key]').nth(2).click();
        await other.locator('#charts figure canvas').first().waitFor();
        await pause(1000);
        const { violations } = await new AxeBuilder({ page: other }).analyze();
        const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
        await other.screenshot({ path: `${SCREENSHOTS}table-${size}-${colorScheme}.png`, fullPage: size === 'phone' });
        assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), []);
        const overflow = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
        assert.deepEqual(other.problems, []);
        await other.context().close();
      });
    }
  }
});

describe('without a schema', () => {
  test('the page says what to do', async () => {
    const other = await openTable({ schema: undefined });
    await other.getByText(`The columns of the rows of ${STREAM} are unknown.`).waitFor();
    await other.getByRole('button', { name: 'Choose streams' }).last().click();
    const box = other.getByRole('textbox', { name: /Schema/ });
    await box.fill('{"key": []}');
    await other.getByRole('button', { name: 'Open the table' }).click();
    await other.getByText('the schema: time is not a name').waitFor();
    await box.fill(JSON.stringify(SCHEMA));
    await other.getByRole('button', { name: 'Open the table' }).click();
    await other.locator('#table [data-key]').first().waitFor();
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  test('an invalid one is explained', async () => {
    const other = await openTable({ schema: { ...SCHEMA, time: 7 } });
    await other.getByText('The schema is invalid: time is not a name.').waitFor();
    await other.context().close();
  });
});

test('shows the unicorns without any settings', async () => {
  fly(cloud, '--unicorns', '20', '--seed', '7');
  const other = await open(browser, cloud.map);
  await other.getByRole('link', { name: 'Table' }).click();
  await until('twenty unicorns', async () => (await other.locator('#keys-count').textContent()).startsWith('20 keys'));
  const first = other.locator('#table [data-key]').first();
  await until('exact distances', async () => /^\d+(\.\d+)?$/.test((await first.locator('span').allTextContents())[3]));
  await first.click();
  await other.getByText(/^sum: [\d.]+ in the last window/).waitFor();
  await other.getByRole('link', { name: 'Map' }).click();
  await other.locator('#fleet-list').waitFor();
  assert.deepEqual(other.problems, []);
});
