import { describe, expect, test } from 'vitest';

import { seeded } from '../stream/virtual.testing.ts';
import { type CountedRow, coveredBy, lowestTotal } from './gap.ts';
import { type LogRow, select } from './merge.ts';

function row(from: number, to: number, readings: number, duplicates = 0): CountedRow {
  const source = { stream: 'a', shard: 'b', from: String(from), to: String(to), dedupFrom: String(from) };
  return { source, readings, duplicates };
}

function withHash(one: CountedRow, index: number): LogRow {
  return { ...one, hash: () => String(index) };
}

function hasGap(rows: readonly CountedRow[]): boolean {
  return select(rows.map(withHash)).gap;
}

describe('the lowest total', () => {
  test.each<[string, number | undefined, boolean, CountedRow[]]>([
    ['no rows', 0, false, []],
    ['one row', 30, false, [row(1, 5, 30)]],
    ['rows that do not overlap', 70, false, [row(1, 5, 30), row(6, 9, 40)]],
    ['a row within another', 30, false, [row(1, 5, 30), row(2, 3, 20)]],
    ['duplicates count', 30, false, [row(1, 5, 20, 10), row(1, 5, 30)]],
    ['an overlap that may hold all readings', 31, false, [row(1, 5, 30), row(4, 9, 31)]],
    ['an overlap that holds only ten', 51, true, [row(1, 5, 30), row(4, 9, 31), row(4, 5, 10)]],
    ['a reading outside the overlap, in a row that counts', 32, false, [row(1, 5, 30), row(4, 9, 31), row(1, 2, 1)]],
    ['a record that two rows share', 3, false, [row(1, 3, 2), row(3, 5, 1), row(4, 6, 1)]],
    ['adjacent ranges, and one over both', 61, false, [row(1, 5, 30), row(6, 9, 31), row(1, 9, 61)]],
    ['a range over two with a hole between them', 70, false, [row(1, 4, 30), row(6, 9, 31), row(1, 9, 70)]],
    ['adjacent ranges that fill an overlap', 51, true, [row(1, 6, 30), row(4, 9, 31), row(4, 5, 6), row(6, 6, 4)]],
    ['a range over two adjacent ones that hold less', undefined, false, [row(1, 5, 30), row(6, 9, 31), row(1, 9, 70)]],
    ['a range with more readings than a range around it', undefined, false, [row(1, 9, 5), row(2, 3, 6)]],
    ['equal ranges with unequal totals', undefined, false, [row(1, 9, 5), row(1, 9, 6)]],
  ])('%s', (_, lowest, gap, rows) => {
    expect(lowestTotal(rows)).toBe(lowest);
    expect(hasGap(rows)).toBe(gap);
  });
});

test('numbers that follow each other are adjacent past 128 bits', () => {
  const row = (from: bigint, to: bigint, readings: number): CountedRow => {
    const source = { stream: 'a', shard: 'b', from: String(from), to: String(to), dedupFrom: String(from) };
    return { source, readings, duplicates: 0 };
  };
  const nines = 10n ** 128n - 1n;
  const [first, second] = [row(1n, nines, 30), row(nines + 1n, nines + 5n, 31)];
  expect(lowestTotal([first, second, row(1n, nines + 5n, 61)])).toBe(61);
  expect(lowestTotal([first, second, row(1n, nines + 5n, 70)])).toBeUndefined();
});

/** The sequence numbers of records, from 0. */
const SLOTS = 7;

/**
 * Finds the lowest total by trying all numbers of readings of each record. `remaining` is how many
 * readings of each row are in records from `slot` on.
 */
function bruteForce(rows: readonly CountedRow[], remaining: readonly number[], slot = 0): number | undefined {
  if (remaining.some((readings) => readings < 0)) return undefined;
  if (slot === SLOTS) return remaining.every((readings) => readings === 0) ? 0 : undefined;
  const isIn = ({ source }: CountedRow): boolean => Number(source.from) <= slot && slot <= Number(source.to);
  if (rows.some(({ source }, index) => Number(source.to) < slot && remaining[index] !== 0)) return undefined;
  // Readings that no row covers only add to the total.
  const most = Math.min(...rows.flatMap((one, index) => (isIn(one) ? [remaining[index] ?? 0] : [])));
  let lowest: number | undefined;
  for (let readings = 0; readings <= (most === Infinity ? 0 : most); readings += 1) {
    const after = remaining.map((left, index) => (isIn(rows[index] ?? row(-1, -1, 0)) ? left - readings : left));
    const rest = bruteForce(rows, after, slot + 1);
    if (rest !== undefined) lowest = Math.min(lowest ?? Infinity, rest + readings);
  }
  return lowest;
}

/**
 * Random rows. If `log` is given, they cover its records, each of which holds that many readings;
 * otherwise they may contradict each other.
 */
function randomRows(random: () => number, log?: readonly number[]): CountedRow[] {
  const below = (end: number): number => Math.floor(random() * end);
  const rows = Array.from({ length: 1 + below(6) }, () => {
    const [a, b] = [below(SLOTS), below(SLOTS)];
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    const covered = log?.slice(from, to + 1).reduce((sum, count) => sum + count, 0) ?? 1 + below(4);
    const duplicates = below(covered);
    return row(from, to, covered - duplicates, duplicates);
  });
  return rows.filter((one) => coveredBy(one) > 0);
}

test('random rows: the lowest total is that of the best assignment', () => {
  const random = seeded(11);
  const seen = { gaps: 0, contradictions: 0, complete: 0 };
  for (let round = 0; round < 5_000; round += 1) {
    const log = Array.from({ length: SLOTS }, () => Math.max(0, Math.floor(random() * 5) - 2));
    const rows = randomRows(random, round % 3 === 0 ? undefined : log);
    const lowest = bruteForce(rows, rows.map(coveredBy));
    expect(lowestTotal(rows), JSON.stringify(rows)).toBe(lowest);

    const { rows: selected, gap } = select(rows.map(withHash));
    const counted = selected.reduce((sum, index) => sum + coveredBy(rows[index] ?? row(0, 0, 0)), 0);
    expect(gap).toBe(lowest !== undefined && lowest > counted);
    if (lowest === undefined) seen.contradictions += 1;
    else if (gap) seen.gaps += 1;
    else seen.complete += 1;
  }
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(50);
});
