/** Tests the live map end to end: with a local cloud, a fleet of fifty and a browser. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { AxeBuilder } from '@axe-core/playwright';
import { SplitShardCommand, ListShardsCommand } from '@aws-sdk/client-kinesis';

import { endAll, fly, open, pause, pixels, sent, startBrowser, startCloud, until } from './world.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));
const MARKER = [92, 64, 184];
const SELECTED_RIM = [255, 217, 51];
const HTML_NAME = '<img src=x onerror=alert(1)>';
const WINDOW_SECONDS = 5;

let browser;
let cloud;
let page;

const status = () => page.locator('#status').textContent();
const count = () => page.locator('#fleet-count').textContent();
const rows = () => page.locator('#fleet-list [role=option]:visible');
const notice = () => page.locator('#notice');
const card = () => page.locator('#card');

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
    page = await open(browser, cloud.map);
    await notice().getByText('No readings yet.').waitFor();
    await notice().getByText('cargo run -p producer').waitFor();
  });

  test('shows fifty unicorns in the list and on the map', async () => {
    fly(cloud, '--unicorns', '50', '--seed', '7');
    await until('fifty unicorns in the list', async () => (await count()).startsWith('50 flying'));
    await until('live', async () => /^live · 1 shard · [\d.]+ readings\/s · no lag/.test(await status()));
    const { count: painted, height } = await pixels(page, MARKER);
    assert.ok(height > 300, `the map is ${height} pixels high`);
    assert.ok(painted > 100, `${painted} pixels look like markers`);
    await until('readings arrive at the expected rate', async () => {
      const [, rate] = (await status()).match(/([\d.]+) readings\/s/);
      return Math.abs(Number(rate) - 50) < 8;
    });
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
    await page.getByText(new RegExp(`^[\\d,]+ m in the last ${WINDOW_SECONDS} s, 50 unicorns`)).waitFor();
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

  test('keeps reading through a split', async () => {
    const { Shards: shards } = await cloud.kinesis.send(new ListShardsCommand({ StreamName: 'wildrydes' }));
    const [{ ShardId, HashKeyRange }] = shards;
    const middle = (BigInt(HashKeyRange.StartingHashKey) + BigInt(HashKeyRange.EndingHashKey)) / 2n;
    await cloud.kinesis.send(
      new SplitShardCommand({ StreamName: 'wildrydes', ShardToSplit: ShardId, NewStartingHashKey: String(middle) }),
    );
    await until('two shards are read', async () => (await status()).includes('2 shards'));
    await pause(12_000);
    await until('readings arrive at the expected rate', async () => {
      const [, rate] = (await status()).match(/([\d.]+) readings\/s/);
      return Math.abs(Number(rate) - 50) < 8;
    });
    for (const name of ['Shadowfax', 'Bucephalus', 'Rocinante', 'Franky']) {
      await select(name);
      await until(`${name} sends readings`, async () => /Last seen\s*(now|[2-3] s ago)/.test(await card().innerText()), 10_000);
      await closeCard();
    }
  });

  test('fades silent unicorns after 30 s, and shows them again', async () => {
    const solo = fly(cloud, '--name', 'Solo');
    await until('Solo is in the list', async () => {
      await search('Solo');
      return (await count()).includes('1 flying');
    });
    await select('Solo');
    await until('Solo is drawn', async () => (await pixels(page, SELECTED_RIM)).count > 20);
    await solo.end();
    const stopped = Date.now();
    await search('Solo');
    await until('Solo is silent', async () => (await count()).includes('1 silent'));
    const waited = (Date.now() - stopped) / 1000;
    assert.ok(waited > 25 && waited < 40, `silent after ${waited} s`);
    await until('Solo is not drawn', async () => (await pixels(page, SELECTED_RIM)).count === 0);

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
    assert.match(await status(), /disconnected/);
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
  const live = viewers.map((viewer) =>
    until('ten send readings', async () => (await viewer.locator('#fleet-count').textContent()).startsWith('10 flying')),
  );
  await Promise.all([...slowed, ...live]);
  for (let sample = 0; sample < 20; sample += 1) {
    await pause(1_000);
    for (const viewer of viewers) {
      assert.match(await viewer.locator('#fleet-count').textContent(), /^10 flying/);
      assert.doesNotMatch(await viewer.locator('#status').textContent(), /stopped|disconnected/);
    }
  }
});
