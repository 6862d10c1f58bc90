/**
 * How busy the page is with a large fleet, and how much memory it takes.
 *
 *     PROGRAMS=../../target/release node large.mjs [UNICORNS] [MINUTES] [RATE]
 *
 * Prints the milliseconds that the main thread needs for an update (a batch of readings), a tick and a chart, the
 * pauses it makes of more than 50 ms, and the memory of page and worker after each minute.
 */

import { endAll, fly, open, pause, startBrowser, startCloud, until } from './world.mjs';

const [unicorns = 10_000, minutes = 5, rate = 1] = process.argv.slice(2).map(Number);

try {
  const shards = Math.ceil((unicorns * rate) / 800);
  const cloud = await startCloud('--shards', String(shards));
  const browser = await startBrowser();
  const page = await open(browser, 'about:blank');
  await page.addInitScript(() => {
    const seen = { update: [], tick: [], chart: [], longtask: [] };
    new PerformanceObserver((list) => {
      for (const { name, entryType, duration } of list.getEntries()) {
        (entryType === 'longtask' ? seen.longtask : seen[name])?.push(duration);
      }
    }).observe({ entryTypes: ['measure', 'longtask'] });
    globalThis.seen = seen;
  });
  await page.goto(cloud.map);
  const fleet = fly(cloud, '--unicorns', String(unicorns), '--rate', String(rate), '--seed', '1');
  const wanted = `${unicorns.toLocaleString('en')} flying`;
  await until(wanted, async () => (await page.locator('#fleet-count').textContent()).startsWith(wanted));
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.enable');
  for (let minute = 0; minute <= minutes; minute += 1) {
    if (minute > 0) await pause(60_000);
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    const [worker] = page.workers();
    const workerHeap = await worker.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
    const status = await page.locator('#status').textContent();
    const count = await page.locator('#fleet-count').textContent();
    console.log(`minute ${minute}: page ${megabytes(usedSize)}, worker ${megabytes(workerHeap)}; ${count}; ${status}`);
  }
  const seen = await page.evaluate(() => globalThis.seen);
  for (const [name, durations] of Object.entries(seen)) {
    const sorted = durations.sort((a, b) => a - b);
    const at = (part) => (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(1);
    console.log(`${name}: ${sorted.length}, median ${at(0.5)} ms, 95% ${at(0.95)} ms, 99% ${at(0.99)} ms, longest ${at(1)} ms`);
  }
  console.log(`problems: ${JSON.stringify(page.problems)}`);
  await fleet.end();
} finally {
  await endAll();
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
