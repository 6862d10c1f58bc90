import { expect, test } from 'vitest';

import { backoff } from './backoff.ts';
import { Pace } from './pace.ts';
import { Rate } from './rate.ts';
import { seeded } from './virtual.testing.ts';

test('waits grow from one second to fifteen, with all of that for jitter', () => {
  expect([1, 2, 3, 4, 99, 5_000].map((failures) => backoff(failures, 0))).toEqual(Array(6).fill(1_000));
  const longest = [1, 2, 3, 4, 99, 5_000].map((failures) => backoff(failures, 1));
  expect(longest).toEqual([2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
});

/** How long the pauses are after answers, on average. */
function usualPause(pace: Pace, hasMore = false): number {
  const pauses = Array.from({ length: 400 }, () => pace.answered(hasMore));
  return pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length;
}

test('a shard is read once a second, and five times where there is more', () => {
  const pace = new Pace(seeded(1));
  expect(Math.abs(usualPause(pace) - 1_000)).toBeLessThan(40);
  expect(Math.abs(usualPause(pace, true) - 200)).toBeLessThan(10);
  expect(pace.slowed).toBeUndefined();
});

test('throttling makes a shard slower at once, and time makes it quicker bit by bit', () => {
  const pace = new Pace(() => 0.5);
  expect(pace.throttled()).toBe(2_500);
  expect(pace.throttled()).toBe(2_500);
  expect(pace.slowed).toBe(2_500);
  // 0.7 of 0.7 reads a second, and a hundredth for each of the last 2.5 seconds.
  expect(pace.answered(false)).toBe(Math.round(1_000 / 0.515));
  expect(pace.slowed).toBeUndefined();
  usualPause(pace);
  expect(pace.answered(false)).toBe(1_000);
  for (let failure = 0; failure < 50; failure += 1) expect(pace.throttled()).toBeLessThanOrEqual(15_000);
  expect(pace.slowed).toBe(10_000);
});

/** Viewers that come one after the other to a shard with a quota of reads a second; their longest waits, in seconds. */
function share(viewers: number, quota: number): { longest: number[]; reads: number; rejected: number } {
  const paces = Array.from({ length: viewers }, (_, seed) => new Pace(seeded(seed + 1)));
  const next = paces.map((_, place) => place * 700);
  const answered = paces.map(() => 0);
  const longest = paces.map(() => 0);
  let recent: number[] = [];
  let [reads, rejected] = [0, 0];
  for (;;) {
    const now = Math.min(...next);
    if (now > 900_000) return { longest: longest.map((millis) => millis / 1_000), reads: reads / 900, rejected: rejected / 900 };
    const viewer = next.indexOf(now);
    recent = recent.filter((time) => time > now - 1_000);
    const pace = paces[viewer] as Pace;
    if (recent.length < quota) {
      recent.push(now);
      reads += 1;
      if (now > 60_000) longest[viewer] = Math.max(longest[viewer] ?? 0, now - (answered[viewer] ?? 0));
      answered[viewer] = now;
      next[viewer] = now + pace.answered(false);
    } else {
      rejected += 1;
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
])('%i viewers who come one by one share %i reads a second, and none is left out', (viewers, quota) => {
  const { longest, reads, rejected } = share(viewers, quota);
  // After 30 s without readings unicorns would fade.
  expect(Math.max(...longest)).toBeLessThan(30);
  expect(reads / Math.min(viewers, quota)).toBeGreaterThan(0.5);
  expect(rejected).toBeLessThan(reads / 2);
});

test('a rate is that of the last ten seconds', () => {
  const rate = new Rate(5_500);
  rate.add(30, 5_500);
  expect(rate.perSecond(5_600)).toBe(30);
  expect(rate.perSecond(8_000)).toBe(10);
  rate.add(20, 14_999);
  expect(rate.perSecond(14_999)).toBeCloseTo(50 / 9);
  expect(rate.perSecond(15_000)).toBe(2);
  expect(rate.perSecond(24_000)).toBe(0);
  rate.add(10, 1_000_000);
  expect(rate.perSecond(1_000_000)).toBe(1);
  // A clock that was set back counts in the newest second.
  rate.add(10, 900_000);
  expect(rate.perSecond(900_000)).toBe(2);
});
