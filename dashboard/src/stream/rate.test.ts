import { expect, test } from 'vitest';

import { Rate } from './rate.ts';

test('a rate has what arrived since the first read, over the last ten seconds', () => {
  const rate = new Rate(10);
  expect(rate.perSecond).toBeUndefined();
  // What is there at first may have arrived at any time.
  rate.add(1_500, 5_000, 0);
  expect(rate.perSecond).toBeUndefined();
  rate.add(30, 6_000, 0);
  expect(rate.perSecond).toBe(30);
  rate.add(0, 8_000, 0);
  expect(rate.perSecond).toBe(10);
  rate.add(20, 15_000, 0);
  expect(rate.perSecond).toBe(5);
  rate.add(0, 30_000, 0);
  expect(rate.perSecond).toBe(0);
});

test('a long gap between two reads does not raise it', () => {
  const rate = new Rate(10);
  rate.add(0, 0, 0);
  for (let second = 1; second <= 20; second += 1) rate.add(50, second * 1_000, 0);
  expect(rate.perSecond).toBe(50);
  rate.add(50 * 40, 60_000, 0);
  expect(rate.perSecond).toBe(50);
  rate.add(50, 61_000, 0);
  expect(rate.perSecond).toBe(50);
});

test('a rate of less than a second is of a second', () => {
  const rate = new Rate(10);
  rate.add(0, 0, 0);
  rate.add(1, 100, 0);
  expect(rate.perSecond).toBe(1);
});

test('if the clock is set back, it starts over', () => {
  const rate = new Rate(10);
  rate.add(0, 100_000, 0);
  rate.add(10, 101_000, 0);
  rate.add(10, 50_000, 0);
  expect(rate.perSecond).toBeUndefined();
  rate.add(10, 51_000, 0);
  expect(rate.perSecond).toBe(10);
});

test('a slow response does not raise the rate of the next read', () => {
  const rate = new Rate(10);
  // The first read was served three seconds before.
  rate.add(0, 3_000, 0);
  rate.add(175, 3_500, 3_500);
  expect(rate.perSecond).toBe(50);
  rate.add(50, 4_500, 980);
  expect(rate.perSecond).toBe(50);
});
