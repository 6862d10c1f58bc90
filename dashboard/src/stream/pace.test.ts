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

test('a shard is read once a second, and five times where there is more', () => {
  const pace = new Pace(seeded(1));
  expect(pace.answered(false)).toBe(1_000);
  expect(pace.answered(true)).toBe(200);
  expect(pace.slowed).toBeUndefined();
});

test('throttling makes a shard slower at once, and answers make it quicker bit by bit', () => {
  const pace = new Pace(seeded(1));
  pace.throttled();
  pace.throttled();
  expect(pace.slowed).toBeGreaterThanOrEqual(2_250);
  expect(pace.answered(false)).toBe(2_150);
  expect(pace.answered(true)).toBe(410);
  expect(pace.slowed).toBe(2_050);
  expect(pace.answered(false)).toBe(1_950);
  expect(pace.slowed).toBeUndefined();
  for (let answer = 0; answer < 20; answer += 1) pace.answered(false);
  expect(pace.answered(false)).toBe(1_000);
  for (let failure = 0; failure < 50; failure += 1) expect(pace.throttled()).toBeLessThanOrEqual(15_000);
  expect(pace.answered(false)).toBe(14_900);
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
