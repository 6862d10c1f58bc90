/**
 * Measures how busy the page is with a large fleet, and how much memory it uses.
 *
 *     PROGRAMS=../../target/release node large.mjs [UNICORNS] [MINUTES] [RATE]
 *
 * Prints the memory of page and worker after each minute. Then prints the time on the main thread,
 * in milliseconds, of an update (a batch of readings), a tick and a chart, and its tasks longer
 * than 50 ms.
 */

import { endAll, fly, open, pause, startBrowser, startCloud, until } from './world.mjs';

const [unicorns = 10_000, minutes = 5, rate = 1] = process.argv.slice(2).map(Number);

try {
  const shards = Math.ceil((unicorns * rate) / 800);
  const cloud = await startCloud('--shards', String(shards));
  const browser = await startBrowser();
  const page = await open(browser, 'about:blank');
  await page.addInitScript(() => {
    const durations = { update: [], tick: [], chart: [], longtask: [] };
    new PerformanceObserver((list) => {
      for (const { name, entryType, duration } of list.getEntries()) {
        (entryType === 'longtask' ? durations.longtask : durations[name])?.push(duration);
      }
    }).observe({ entryTypes: ['measure', 'longtask'] });
    globalThis.durations = durations;
  });
  await page.goto(cloud.map);
  const fleet = fly(cloud, '--unicorns', String(unicorns), '--rate', String(rate), '--seed', '1');
  const expected = `${unicorns.toLocaleString('en')} flying`;
  await until(expected, async () => (await page.locator('#fleet-count').textContent()).startsWith(expected));
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
  const measured = await page.evaluate(() => globalThis.durations);
  for (const [name, durations] of Object.entries(measured)) {
    const sorted = durations.sort((a, b) => a - b);
    const quantile = (share) => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
    console.log(`${name}: ${sorted.length}, median ${quantile(0.5)} ms, 95% ${quantile(0.95)} ms, 99% ${quantile(0.99)} ms, longest ${quantile(1)} ms`);
  }
  console.log(`problems: ${JSON.stringify(page.problems)}`);
  await fleet.end();
} finally {
  await endAll();
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
