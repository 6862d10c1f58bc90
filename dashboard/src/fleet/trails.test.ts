import { expect, test } from 'vitest';

import { Trails } from './trails.ts';

function timeOf(trails: Trails, index: number): number | undefined {
  return trails.data[index * Trails.STRIDE + 4];
}

test('new segments overwrite the oldest, and changes are reported once', () => {
  const trails = new Trails(3);
  for (let unicorn = 0; unicorn < 2; unicorn += 1) trails.add(unicorn, 0, 0, 1, 1, unicorn * 1000);
  expect(trails.takeDirty()).toEqual([[0, 2]]);
  expect(trails.takeDirty()).toEqual([]);

  for (let unicorn = 2; unicorn < 5; unicorn += 1) trails.add(unicorn, 0, 0, 1, 1, unicorn * 1000);
  expect(trails.size).toBe(3);
  expect(trails.takeDirty()).toEqual([
    [2, 3],
    [0, 2],
  ]);
  const unicorns = [0, 1, 2].map((index) => trails.data[index * Trails.STRIDE + 5]);
  expect(unicorns).toEqual([3, 4, 2]);
});

test('the newest segments may wrap around the ring’s end', () => {
  const trails = new Trails(4);
  expect(trails.newest(2)).toEqual([[0, 0]]);
  for (let unicorn = 0; unicorn < 3; unicorn += 1) trails.add(unicorn, 0, 0, 1, 1, unicorn);
  expect(trails.newest(2)).toEqual([[1, 3]]);
  expect(trails.newest(9)).toEqual([[0, 3]]);
  for (let unicorn = 3; unicorn < 5; unicorn += 1) trails.add(unicorn, 0, 0, 1, 1, unicorn);
  expect(trails.newest(3)).toEqual([
    [2, 4],
    [0, 1],
  ]);
});

test('times stay precise on a page that is open for days', () => {
  const trails = new Trails(10);
  trails.add(0, 0, 0, 1, 1, 0);
  const later = 3 * 24 * 3_600_000;
  trails.add(1, 0, 0, 1, 1, later);
  trails.takeDirty();
  trails.add(2, 0, 0, 1, 1, later + 7);
  expect(trails.seconds(later + 7) - (timeOf(trails, 1) ?? 0)).toBeCloseTo(0.007, 5);
  expect(trails.seconds(later + 7) - (timeOf(trails, 0) ?? 0)).toBeCloseTo(3 * 24 * 3600, -1);
});
