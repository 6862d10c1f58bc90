import { expect, test } from 'vitest';

import { Trails } from './trails.ts';

function birth(trails: Trails, index: number): number | undefined {
  return trails.data[index * Trails.STRIDE + 4];
}

test('the oldest pieces make room, and what changed is told once', () => {
  const trails = new Trails(3);
  for (let piece = 0; piece < 2; piece += 1) trails.add(piece, 0, 0, 1, 1, piece * 1000);
  expect(trails.takeDirty()).toEqual([[0, 2]]);
  expect(trails.takeDirty()).toEqual([]);

  for (let piece = 2; piece < 5; piece += 1) trails.add(piece, 0, 0, 1, 1, piece * 1000);
  expect(trails.size).toBe(3);
  expect(trails.takeDirty()).toEqual([
    [2, 3],
    [0, 2],
  ]);
  const whose = [0, 1, 2].map((index) => trails.data[index * Trails.STRIDE + 5]);
  expect(whose).toEqual([3, 4, 2]);
});

test('the newest pieces are told, over the ring’s end as well', () => {
  const trails = new Trails(4);
  expect(trails.newest(2)).toEqual([[0, 0]]);
  for (let piece = 0; piece < 3; piece += 1) trails.add(piece, 0, 0, 1, 1, piece);
  expect(trails.newest(2)).toEqual([[1, 3]]);
  expect(trails.newest(9)).toEqual([[0, 3]]);
  for (let piece = 3; piece < 5; piece += 1) trails.add(piece, 0, 0, 1, 1, piece);
  expect(trails.newest(3)).toEqual([
    [2, 4],
    [0, 1],
  ]);
});

test('ages stay precise on a page that is open for days', () => {
  const trails = new Trails(10);
  trails.add(0, 0, 0, 1, 1, 0);
  const later = 3 * 24 * 3_600_000;
  trails.add(1, 0, 0, 1, 1, later);
  trails.takeDirty();
  trails.add(2, 0, 0, 1, 1, later + 7);
  expect(trails.seconds(later + 7) - (birth(trails, 1) ?? 0)).toBeCloseTo(0.007, 5);
  expect(trails.seconds(later + 7) - (birth(trails, 0) ?? 0)).toBeCloseTo(3 * 24 * 3600, -1);
});
