/** Tests the live map end to end: with a local cloud, a fleet of fifty and a browser. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { AxeBuilder } from '@axe-core/playwright';
import { ListShardsCommand, PutRecordCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';

import { endAll, fly, open, pause, pixels, run, sent, startBrowser, startCloud, until } from './world.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));
const MARKER = [92, 64, 184];
const SELECTED_RIM = [255, 217, 51];
const HTML_NAME = '<img src=x onerror=alert(1)>';
/** Overrides the direction of the text after it, breaks the line, and colours a terminal. */
const ODD_NAME = '\u202egnp.\nexe\u001b[31m';
const WINDOW_SECONDS = 5;
/** A time zone that is not UTC, and not whole hours from it. */
const timezoneId = 'Asia/Kolkata';

let browser;
let cloud;
let page;
let fleet;

const status = () => page.locator('#status').textContent();
const count = () => page.locator('#fleet-count').textContent();
const rows = () => page.locator('#fleet-list [role=option]:visible');
const notice = () => page.locator('#notice');
const card = () => page.locator('#card');
const age = () => page.locator('#charts-age').textContent();
const hash = () => decodeURIComponent(new URL(page.url()).hash);
const rateOf = (text) => Number(text.match(/([\d.]+) readings?\/s/)?.[1] ?? NaN);

async function search(text) {
  await page.locator('#search').fill(text);
}

async function select(name) {
  await search(name);
  await rows().filter({ hasText: name }).first().click();
  await card().waitFor();
  await search('');
}

async function closeCard() {
  await page.getByRole('button', { name: 'Close the card' }).click();
}

before(async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  browser = await startBrowser();
  cloud = await startCloud('--window', `${WINDOW_SECONDS}s`);
});
after(endAll);

describe('the live map', () => {
  test('explains how to start a unicorn while there is none', async () => {
    page = await open(browser, cloud.map, { timezoneId });
    await notice().getByText('No readings yet.').waitFor();
    const command = await notice().locator('code').textContent();
    const words = command.split(' ');
    assert.equal(words.slice(0, 5).join(' '), 'cargo run -p producer --');
    const unicorn = run('producer', ...words.slice(5));
    await until('the unicorn is in the list', async () => (await count()).startsWith('1 flying'));
    assert.equal(await rows().first().locator('.name').textContent(), 'Shadowfax');
    await unicorn.end();
  });

  test('shows fifty unicorns in the list and on the map', async () => {
    fleet = fly(cloud, '--unicorns', '50', '--seed', '7');
    await until('fifty unicorns in the list', async () => (await count()).startsWith('50 flying'));
    await until('live', async () => /^live · 1 shard · [\d.]+ readings\/s · no lag/.test(await status()));
    const { count: painted, height } = await pixels(page, MARKER);
    assert.ok(height > 300, `the map is ${height} pixels high`);
    assert.ok(painted > 100, `${painted} pixels look like markers`);
    await until('readings arrive at the expected rate', async () => Math.abs(rateOf(await status()) - 50) < 8);
  });

  test('shows no rate that has the readings from before it was opened', async () => {
    await pause(10_000);
    const other = await open(browser, cloud.map);
    const rates = [];
    await until('some rates', async () => {
      const text = await other.locator('#status').textContent();
      if (/readings?\/s/.test(text)) rates.push(rateOf(text));
      return rates.length > 20;
    });
    assert.ok(Math.max(...rates) < 120, `the rates ${[...new Set(rates)].join(', ')}`);
    await other.context().close();
  });

  test('shows the latest values on a card, and markers that glide', async () => {
    await select('Rocinante');
    await page.getByRole('button', { name: 'Follow' }).click();
    for (let zoom = 0; zoom < 3; zoom += 1) {
      await page.getByRole('button', { name: 'Zoom in' }).click();
      await pause(600);
    }
    // The followed unicorn stays in the centre of the map.
    await until('the unicorn is in the centre', async () => {
      const { count: painted, x, y, width, height } = await pixels(page, SELECTED_RIM);
      return painted > 20 && Math.hypot(x - width / 2, y - height / 2) < 60;
    });
    await page.getByRole('button', { name: 'Follow' }).click();
    const positions = [];
    for (let sample = 0; sample < 6; sample += 1) {
      const { x, y } = await pixels(page, SELECTED_RIM);
      positions.push([x, y]);
      await pause(200);
    }
    const steps = positions.slice(1).map(([x, y], index) => Math.hypot(x - positions[index][0], y - positions[index][1]));
    assert.ok(steps.filter((step) => step > 0.2).length >= 4, `it moved by ${steps.map((step) => step.toFixed(1))} pixels`);

    // Zoomed out, a marker moves slowly enough to be clicked even on a slow machine.
    for (let zoom = 0; zoom < 3; zoom += 1) {
      await page.getByRole('button', { name: 'Zoom out' }).click();
      await pause(600);
    }
    const box = await page.locator('#map').boundingBox();
    await until('a click on the marker opens its card', async () => {
      await select('Rocinante');
      await pause(1000);
      const { x, y } = await pixels(page, SELECTED_RIM);
      await closeCard();
      await page.mouse.click(box.x + x, box.y + y);
      await pause(200);
      return card().isVisible();
    });
    // Unicorns that started together are close, so the click selects the one on top.
    const name = await page.locator('#card-name').textContent();

    await until('the card shows the reading with its time', async () => {
      const text = await card().innerText();
      const [, time] = text.match(/\((\S+ \S+) UTC\)/);
      const readings = [...(await sent(cloud, name)).values()];
      const reading = readings.find(({ StatusTime }) => StatusTime.startsWith(time));
      assert.ok(reading, `nothing was sent at ${time}`);
      const metres = reading.Distance;
      return (
        text.includes(String(reading.HealthPoints)) &&
        text.includes(String(reading.MagicPoints)) &&
        Math.abs(Number(text.match(/(\d+) mph/)[1]) - metres * 2.23694) < 4 &&
        Math.abs(Number(text.match(/(\d+) km\/h/)[1]) - metres * 3.6) < 6
      );
    });
    assert.equal(await page.locator('#charts-title').textContent(), `Last hour of ${name}`);
    await closeCard();
    await page.getByRole('button', { name: 'Show the whole fleet' }).click();
  });

  test('adds a point to the charts when a window ends', async () => {
    const points = async () => Number(await page.locator('#charts figure').first().getAttribute('data-points'));
    const first = await until('a first point', points);
    await until('another point', async () => (await points()) > first, 4 * WINDOW_SECONDS * 1000 + 20_000);
    await page.getByText(/^[\d,]+ m in the last window, 50 unicorns/).waitFor();
    assert.match(await age(), /^last window ended (now|\d+ s ago) · windows of 5 s · times in UTC$/);
  });

  test('says what is under the pointer of a chart, in UTC', async () => {
    const plots = page.locator('#charts .u-over');
    for (const [index, value] of [/: [\d,.]+ m$/, /: \d+ to \d+ points$/, /: \d+ to \d+ points$/].entries()) {
      const box = await plots.nth(index).boundingBox();
      await page.mouse.move(box.x + box.width - 20, box.y + box.height / 2);
      const text = await plots.nth(index).locator('.tip:visible').textContent();
      assert.match(text, value);
      const [, start] = text.match(/^(\d\d:\d\d)(?::\d\d)? to \d\d:\d\d(?::\d\d)? UTC/);
      const minutes = (time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
      const passed = (minutes(new Date().toISOString().slice(11, 16)) - minutes(start) + 1_440) % 1_440;
      assert.ok(passed < 60, `${text} at ${new Date().toISOString()}`);
    }
    await page.mouse.move(0, 0);
    await until('no tip', async () => (await page.locator('#charts .tip:visible').count()) === 0);
  });

  test('shows names as text, not as HTML', async () => {
    const named = fly(cloud, '--name', HTML_NAME);
    await until('the unicorn is in the list', async () => (await count()).startsWith('51 flying'));
    await select(HTML_NAME);
    assert.equal(await page.locator('#card-name').textContent(), HTML_NAME);
    assert.equal(await page.locator('main img').count(), 0);
    assert.match(await page.locator('#charts-title').textContent(), /<img src=x/);
    await pause(1000);
    assert.deepEqual(page.problems, []);
    await closeCard();
    await named.end();
  });

  test('shows control characters of names as escapes', async () => {
    const shown = String.raw`\u202Egnp.\u000Aexe\u001B[31m`;
    const StatusTime = new Date().toISOString().replace('T', ' ').replace('Z', '');
    const reading = { Name: ODD_NAME, StatusTime, Latitude: 40.8, Longitude: -74, Distance: 1, MagicPoints: 90, HealthPoints: 99 };
    await cloud.kinesis.send(
      new PutRecordCommand({ StreamName: 'wildrydes', PartitionKey: 'odd', Data: Buffer.from(JSON.stringify(reading)) }),
    );
    await search('exe');
    await until('it is in the list', async () => (await rows().count()) === 1);
    assert.equal(await rows().first().locator('.name').textContent(), shown);
    await rows().first().click();
    assert.equal(await page.locator('#card-name').textContent(), shown);
    assert.equal(await page.locator('#charts-title').textContent(), `Last hour of ${shown}`);
    assert.match(hash(), new RegExp('unicorn=\u202egnp'));
    await page.screenshot({ path: `${SCREENSHOTS}odd-name.png` });
    await page.keyboard.press('Escape');
    await search('');
  });

  test('keeps the view and the choice in the address', async () => {
    const whole = page.getByRole('button', { name: 'Show the whole fleet' });
    await until('nothing in the address', async () => {
      if (await whole.isVisible()) await whole.click();
      return new URL(page.url()).hash === '';
    });
    await select('Bucephalus');
    // Others have names that begin like this.
    const name = await page.locator('#card-name').textContent();
    await until('both are in the address', async () => /^#map=[\d.]+\/[\d.]+\/-[\d.]+&unicorn=/.test(hash()) && hash().endsWith(`=${name}`));
    const before = hash();
    await page.reload();
    await card().waitFor();
    assert.equal(await page.locator('#card-name').textContent(), name);
    await until('its readings', async () => /Last heard\s*(now|[2-3] s ago)/.test(await card().innerText()));
    assert.equal(hash(), before);
    assert.equal(await page.locator('#charts-title').textContent(), `Last hour of ${name}`);

    // A link, and the way back.
    await page.evaluate(() => (location.hash = 'map=9/41/-74.5&unicorn=Nobody%20at%20all'));
    await until('the other name', async () => (await page.locator('#card-name').textContent()) === 'Nobody at all');
    await card().getByText('not since this page is open').waitFor();
    await page.goBack();
    await until('the name before', async () => (await page.locator('#card-name').textContent()) === name);
    assert.equal(hash(), before);
    await page.keyboard.press('Escape');
    await until('no choice', async () => !hash().includes('unicorn'));
    await whole.click();
    await until('no view', async () => new URL(page.url()).hash === '');
    assert.deepEqual(page.problems, []);
  });

  test('keeps reading through a split', async () => {
    const { Shards: shards } = await cloud.kinesis.send(new ListShardsCommand({ StreamName: 'wildrydes' }));
    const [{ ShardId, HashKeyRange }] = shards;
    const middle = (BigInt(HashKeyRange.StartingHashKey) + BigInt(HashKeyRange.EndingHashKey)) / 2n;
    await cloud.kinesis.send(
      new SplitShardCommand({ StreamName: 'wildrydes', ShardToSplit: ShardId, NewStartingHashKey: String(middle) }),
    );
    await until('two shards are read', async () => (await status()).includes('2 shards'));
    await pause(12_000);
    await until('readings arrive at the expected rate', async () => Math.abs(rateOf(await status()) - 50) < 8);
    for (const name of ['Shadowfax', 'Bucephalus', 'Rocinante', 'Franky']) {
      await select(name);
      await until(`${name} sends readings`, async () => /Last heard\s*(now|[2-3] s ago)/.test(await card().innerText()));
      await closeCard();
    }
  });

  test('dims silent unicorns after 30 s, and shows them again', async () => {
    const solo = fly(cloud, '--name', 'Solo');
    await until('Solo is in the list', async () => {
      await search('Solo');
      return (await count()).includes('1 flying');
    });
    await select('Solo');
    await until('Solo is drawn', async () => (await pixels(page, SELECTED_RIM)).count > 20);
    await solo.end();
    const stopped = Date.now();
    // It glides to where its last reading was, which is then in the centre, beside the card.
    await pause(5_000);
    await select('Solo');
    await search('Solo');
    await pause(1_000);
    const { x, y } = await pixels(page, SELECTED_RIM);
    const box = await page.locator('#map').boundingBox();
    await until('Solo is silent', async () => (await count()).includes('1 silent'));
    const waited = (Date.now() - stopped) / 1000;
    assert.ok(waited > 25 && waited < 40, `silent after ${waited} s`);
    await until('Solo is dimmed', async () => (await pixels(page, SELECTED_RIM)).count === 0);
    assert.match(await rows().first().locator('.vitals').textContent(), /^last heard (\d+ s|\d+ min) ago$/);
    assert.match(await card().innerText(), /Last heard\s*\d+ (s|min) ago/);
    await page.mouse.move(box.x + x, box.y + y);
    await page.locator('#map .tip', { hasText: /^Solo, last heard \d+ (s|min) ago$/ }).waitFor();
    await page.screenshot({ path: `${SCREENSHOTS}silent.png` });
    await closeCard();
    await page.mouse.click(box.x + x, box.y + y);
    await until('a click opens its card', async () => (await page.locator('#card-name:visible').textContent()) === 'Solo');

    const again = fly(cloud, '--name', 'Solo');
    await until('Solo sends readings', async () => (await count()).includes('1 flying'));
    // It restarts at the common start, not where it was.
    await rows().first().click();
    await until('Solo is drawn again', async () => (await pixels(page, SELECTED_RIM)).count > 20);
    await again.end();
    await closeCard();
    await search('');
  });

  test('reports a lost connection, and recovers', async () => {
    await page.context().setOffline(true);
    await notice().getByText('Disconnected: Kinesis does not respond.').waitFor();
    await page.getByRole('button', { name: 'Try now' }).waitFor();
    assert.match(await status(), /^disconnected · frozen since \d\d:\d\d:\d\d UTC$/);
    const [since] = (await status()).match(/\d\d:\d\d:\d\d/);
    const passed = Date.now() - Date.parse(`${new Date().toISOString().slice(0, 10)}T${since}Z`);
    assert.ok(passed > 0 && passed < 60_000, `frozen since ${since} at ${new Date().toISOString()}`);
    await notice().getByText(`The page shows what was known at ${since} UTC.`).waitFor();
    // Nobody is taken for silent, since nobody can be heard.
    const known = await count();
    await pause(35_000);
    assert.equal(await count(), known);
    assert.match(await status(), new RegExp(`frozen since ${since}`));
    await page.screenshot({ path: `${SCREENSHOTS}frozen.png` });
    await page.context().setOffline(false);
    await notice().getByText('Disconnected: Kinesis does not respond.').waitFor({ state: 'hidden' });
    await until('live', async () => (await status()).startsWith('live'));
    await until('fifty send readings', async () => (await count()).startsWith('50 flying'));
  });

  test('can be used with the keyboard', async () => {
    await search('');
    await page.locator('#search').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await card().waitFor();
    const active = await page.locator('#fleet-list').getAttribute('aria-activedescendant');
    assert.equal(
      await page.locator('#card-name').textContent(),
      await page.locator(`#${active} .name`).textContent(),
    );
    await page.keyboard.press('Escape');
    await card().waitFor({ state: 'hidden' });
    await page.keyboard.press('Enter');
    await card().waitFor();
    // From the card, Escape returns to the list.
    await page.getByRole('button', { name: 'Close the card' }).focus();
    await page.keyboard.press('Escape');
    await card().waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement.id), 'fleet-list');
    // In the search, Enter chooses the first match, and Escape first empties it.
    await page.locator('#search').focus();
    await page.keyboard.type('rocin');
    await page.keyboard.press('Enter');
    await until('the match', async () => (await page.locator('#card-name:visible').textContent()).startsWith('Rocinante'));
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#search').inputValue(), '');
    assert.ok(await card().isVisible());
    await page.keyboard.press('Escape');
    await card().waitFor({ state: 'hidden' });
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'fleet-list');
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [
      ['desktop', { width: 1280, height: 800 }],
      ['phone', { width: 390, height: 844 }],
    ]) {
      test(`has no serious accessibility finding: ${size}, ${colorScheme}`, async () => {
        const other = await open(browser, cloud.map, { viewport, colorScheme });
        const listed = other.locator('#fleet-list [role=option]:visible').first();
        await listed.waitFor();
        await listed.click();
        await other.locator('#charts figure canvas').first().waitFor();
        await pause(3000);
        const { violations } = await new AxeBuilder({ page: other }).analyze();
        const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
        await other.screenshot({ path: `${SCREENSHOTS}${size}-${colorScheme}.png`, fullPage: size === 'phone' });
        assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), []);
        const overflow = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
        assert.deepEqual(other.problems, []);
        await other.context().close();
      });
    }
  }

  test('moves the charts on with the clock while no readings come', async () => {
    await fleet.end();
    const ended = async () => {
      const [, number, unit] = (await age()).match(/ended (\d+) (s|min) ago/) ?? [, 0, 's'];
      return number * (unit === 'min' ? 60 : 1);
    };
    await until('windows end no longer', async () => (await ended()) > 3 * WINDOW_SECONDS);
    const plot = page.locator('#charts figure').first();
    const points = await plot.getAttribute('data-points');
    const before = await plot.screenshot();
    const first = await ended();
    await until('time passes', async () => (await ended()) > first + 10);
    assert.equal(await plot.getAttribute('data-points'), points);
    assert.ok(!before.equals(await plot.screenshot()), 'the chart stands still');
  });

  test('logs no errors except for the lost connection', () => {
    assert.deepEqual(page.problems.filter((text) => !text.includes('ERR_INTERNET_DISCONNECTED')), []);
  });
});

test('viewers that share a shard all slow down, and none stops', async () => {
  await page?.context().close();
  const narrow = await startCloud('--window', '5s', '--reads-per-second', '2');
  fly(narrow, '--unicorns', '10', '--seed', '1');
  const viewers = [];
  for (let viewer = 0; viewer < 4; viewer += 1) viewers.push(await open(browser, narrow.map));
  const slowed = viewers.map((viewer) =>
    until('the viewer slows down', async () => (await viewer.locator('#status').textContent()).startsWith('slowed down'), 120_000),
  );
  const live = () =>
    viewers.map((viewer) =>
      until('ten send readings', async () => (await viewer.locator('#fleet-count').textContent()).startsWith('10 flying')),
    );
  await Promise.all([...slowed, ...live()]);
  for (let sample = 0; sample < 20; sample += 1) {
    await pause(1_000);
    for (const viewer of viewers) {
      assert.doesNotMatch(await viewer.locator('#status').textContent(), /stopped|disconnected/);
    }
  }
  // On a busy machine, a viewer may be behind for a while.
  await Promise.all(live());
});
