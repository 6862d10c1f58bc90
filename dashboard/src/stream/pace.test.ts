import { expect, test } from 'vitest';

import { backoff } from './backoff.ts';
import { Pace } from './pace.ts';
import { seeded } from './virtual.testing.ts';

test('waits grow from one to fifteen seconds, with full jitter', () => {
  expect([1, 2, 3, 4, 99, 5_000].map((failures) => backoff(failures, 0))).toEqual(Array(6).fill(1_000));
  const longest = [1, 2, 3, 4, 99, 5_000].map((failures) => backoff(failures, 1));
  expect(longest).toEqual([2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
});

/** The average pause after a successful read. */
function averagePause(pace: Pace, hasMore = false): number {
  const pauses = Array.from({ length: 400 }, () => pace.succeeded(hasMore));
  return pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length;
}

test('a shard is read once per second, and five times per second while there is more', () => {
  const pace = new Pace(seeded(1));
  expect(Math.abs(averagePause(pace) - 1_000)).toBeLessThan(40);
  expect(Math.abs(averagePause(pace, true) - 200)).toBeLessThan(10);
  expect(pace.throttledPause).toBeUndefined();
});

test('throttling lowers the rate at once, and it recovers slowly', () => {
  const pace = new Pace(() => 0.5);
  expect(pace.throttled()).toBe(2_500);
  expect(pace.throttled()).toBe(2_500);
  expect(pace.throttledPause).toBe(2_500);
  // 0.7 × 0.7 reads per second, plus 0.01 for each of the last 2.5 seconds.
  expect(pace.succeeded(false)).toBe(Math.round(1_000 / 0.515));
  expect(pace.throttledPause).toBeUndefined();
  averagePause(pace);
  expect(pace.succeeded(false)).toBe(1_000);
  for (let failure = 0; failure < 50; failure += 1) expect(pace.throttled()).toBeLessThanOrEqual(15_000);
  expect(pace.throttledPause).toBe(10_000);
});

/**
 * Simulates 900 s of viewers that start one after the other on a shard with a quota of reads per
 * second. Returns each viewer's longest wait in seconds, and the reads and throttled reads per
 * second.
 */
function simulate(viewers: number, quota: number): { longest: number[]; reads: number; throttled: number } {
  const paces = Array.from({ length: viewers }, (_, seed) => new Pace(seeded(seed + 1)));
  const next = paces.map((_, index) => index * 700);
  const lastRead = paces.map(() => 0);
  const longest = paces.map(() => 0);
  let recent: number[] = [];
  let [reads, throttled] = [0, 0];
  for (;;) {
    const now = Math.min(...next);
    if (now > 900_000) {
      return { longest: longest.map((millis) => millis / 1_000), reads: reads / 900, throttled: throttled / 900 };
    }
    const viewer = next.indexOf(now);
    recent = recent.filter((time) => time > now - 1_000);
    const pace = paces[viewer] as Pace;
    if (recent.length < quota) {
      recent.push(now);
      reads += 1;
      if (now > 60_000) longest[viewer] = Math.max(longest[viewer] ?? 0, now - (lastRead[viewer] ?? 0));
      lastRead[viewer] = now;
      next[viewer] = now + pace.succeeded(false);
    } else {
      throttled += 1;
      next[viewer] = now + pace.throttled();
    }
  }
}

test.each([
  [3, 5],
  [4, 3],
  [4, 2],
  [8, 3],
  [12, 5],
])('%i viewers share %i reads per second, and none starves', (viewers, quota) => {
  const { longest, reads, throttled } = simulate(viewers, quota);
  // Unicorns are dimmed after 30 s without readings.
  expect(Math.max(...longest)).toBeLessThan(30);
  expect(reads / Math.min(viewers, quota)).toBeGreaterThan(0.5);
  expect(throttled).toBeLessThan(reads / 2);
});
