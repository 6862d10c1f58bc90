/**
 * Helpers for the tests and measurements of the live map: a local cloud, producers and a browser.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { chromium } from 'playwright-core';
import { PNG } from 'pngjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = process.env.PROGRAMS ?? join(root, 'target/debug');
const timeLimit = 180_000;

/** Clean-up functions; {@link endAll} runs them in reverse order. */
const ends = [];

export async function endAll() {
  for (const end of ends.reverse().splice(0)) await end();
}

/** Starts a program, and collects the lines of its standard error. */
export function run(name, ...flags) {
  const program = join(programs, name);
  if (!existsSync(program)) throw new Error(`${program} is missing: cargo build -p ${name}`);
  const child = spawn(program, flags, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, AWS_ENDPOINT_URL: '' } });
  const lines = [];
  const reader = createInterface({ input: child.stderr });
  reader.on('line', (line) => lines.push(line));
  const ended = once(child, 'exit');
  const running = {
    lines,
    /** Waits for a line that matches, and returns the match. */
    async waitForLine(pattern) {
      const limit = Date.now() + timeLimit;
      for (;;) {
        const match = lines.map((line) => line.match(pattern)).find((found) => found !== null);
        if (match) return match;
        if (Date.now() > limit || child.exitCode !== null) {
          throw new Error(`${name} printed no line that matches ${pattern}. Its output:\n${lines.join('\n')}`);
        }
        await pause(100);
      }
    },
    /** Stops it with SIGINT, and after ten seconds with SIGKILL. */
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGINT');
      await Promise.race([ended, pause(10_000)]);
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
  ends.push(() => running.end());
  return running;
}

/** A new folder, which is removed at the end. */
export async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'wildrydes-map-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a local cloud on free ports. */
export async function startCloud(...flags) {
  const folder = await temporaryFolder();
  const cloud = run('local', '--port', '0', '--dashboard-port', '0', '--data-dir', folder, ...flags);
  const [, endpoint] = await cloud.waitForLine(/answer at (http:\/\/127\.0\.0\.1:\d+)/);
  const [, map] = await cloud.waitForLine(/page is at (http:\/\/127\.0\.0\.1:\d+)/);
  const kinesis = new KinesisClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  ends.push(async () => kinesis.destroy());
  return { endpoint, map, kinesis };
}

/** Starts a producer, whose unicorns fly until it is ended. */
export function fly(cloud, ...flags) {
  return run('producer', '--endpoint-url', cloud.endpoint, ...flags);
}

/** All readings that one unicorn sent, by StatusTime. */
export async function sent(cloud, name) {
  const found = new Map();
  const { Shards: shards } = await cloud.kinesis.send(new ListShardsCommand({ StreamName: 'wildrydes' }));
  for (const { ShardId } of shards) {
    const start = { StreamName: 'wildrydes', ShardId, ShardIteratorType: 'TRIM_HORIZON' };
    let { ShardIterator } = await cloud.kinesis.send(new GetShardIteratorCommand(start));
    for (let empty = 0; ShardIterator && empty < 2; ) {
      const result = await cloud.kinesis.send(new GetRecordsCommand({ ShardIterator }));
      empty = result.Records.length === 0 ? empty + 1 : 0;
      for (const record of result.Records) {
        for (const line of Buffer.from(record.Data).toString().split('\n').filter(Boolean)) {
          const reading = JSON.parse(line);
          if (reading.Name === name) found.set(reading.StatusTime, reading);
        }
      }
      ShardIterator = result.NextShardIterator;
    }
  }
  return found;
}

export async function startBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-quic',
    ],
  });
  ends.push(() => browser.close());
  return browser;
}

/** Opens the map, and collects its errors and dialogs in `problems`. */
export async function open(browser, address, options = {}) {
  const view = { viewport: { width: 1280, height: 800 }, colorScheme: 'light', ...options };
  const context = await browser.newContext(view);
  const page = await context.newPage();
  page.setDefaultTimeout(timeLimit);
  page.problems = [];
  page.on('dialog', async (dialog) => {
    page.problems.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on('pageerror', (error) => page.problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(`console: ${message.text()}`);
  });
  await page.goto(address);
  return page;
}

export function pause(millis) {
  return new Promise((done) => setTimeout(done, millis));
}

/** Waits until `check` returns a truthy value, and returns it. */
export async function until(what, check, millis = timeLimit) {
  const limit = Date.now() + millis;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > limit) throw new Error(`timed out after ${millis / 1000} s waiting for: ${what}`);
    await pause(150);
  }
}

/**
 * The pixels of the map that are close to `colour` (red, green, blue): their count and their
 * centre.
 */
export async function pixels(page, colour, tolerance = 30) {
  const box = await page.locator('#map').boundingBox();
  const picture = PNG.sync.read(await page.screenshot({ clip: box }));
  let [count, sumX, sumY] = [0, 0, 0];
  for (let at = 0; at < picture.data.length; at += 4) {
    const differences = [0, 1, 2].map((channel) => Math.abs(picture.data[at + channel] - colour[channel]));
    if (Math.max(...differences) > tolerance) continue;
    count += 1;
    sumX += (at / 4) % picture.width;
    sumY += Math.floor(at / 4 / picture.width);
  }
  return { count, x: sumX / count, y: sumY / count, width: picture.width, height: picture.height };
}
