import { describe, expect, test } from 'vitest';

import { seeded } from '../stream/virtual.testing.ts';
import { type CountedRow, lowestRecords, recordsOf } from './gap.ts';
import { select } from './merge.ts';

function row(from: number, to: number, readings: number, duplicates = 0): CountedRow {
  const source = { stream: 'a', shard: 'b', from: String(from), to: String(to), dedupFrom: String(from) };
  return { source, readings, duplicates };
}

function hasGap(rows: readonly CountedRow[]): boolean {
  return select(rows.map((one, index) => ({ ...one, line: String(index) }))).gap;
}

describe('the lowest number of records', () => {
  test.each<[string, number | undefined, boolean, CountedRow[]]>([
    ['no rows', 0, false, []],
    ['one row', 30, false, [row(1, 5, 30)]],
    ['rows that do not overlap', 70, false, [row(1, 5, 30), row(6, 9, 40)]],
    ['a row within another', 30, false, [row(1, 5, 30), row(2, 3, 20)]],
    ['duplicates are records', 30, false, [row(1, 5, 20, 10), row(1, 5, 30)]],
    ['an overlap that may hold all records', 31, false, [row(1, 5, 30), row(4, 9, 31)]],
    ['an overlap that holds only ten', 51, true, [row(1, 5, 30), row(4, 9, 31), row(4, 5, 10)]],
    ['a record outside the overlap, in a row that counts', 32, false, [row(1, 5, 30), row(4, 9, 31), row(1, 2, 1)]],
    ['one record that two rows share', 3, false, [row(1, 3, 2), row(3, 5, 1), row(4, 6, 1)]],
    ['a range with more records than a range around it', undefined, false, [row(1, 9, 5), row(2, 3, 6)]],
    ['equal ranges with unequal records', undefined, false, [row(1, 9, 5), row(1, 9, 6)]],
  ])('%s', (_, lowest, gap, rows) => {
    expect(lowestRecords(rows)).toBe(lowest);
    expect(hasGap(rows)).toBe(gap);
  });
});

/** Records can be at this many sequence numbers, from 0. */
const SLOTS = 9;

/**
 * Finds the lowest number of records by trying all numbers of records at each sequence number.
 * `remaining` is how many records of each row are not placed yet.
 */
function bruteForce(rows: readonly CountedRow[], remaining: readonly number[], slot = 0): number | undefined {
  if (remaining.some((records) => records < 0)) return undefined;
  if (slot === SLOTS) return remaining.every((records) => records === 0) ? 0 : undefined;
  const isIn = ({ source }: CountedRow): boolean => Number(source.from) <= slot && slot <= Number(source.to);
  if (rows.some(({ source }, index) => Number(source.to) < slot && remaining[index] !== 0)) return undefined;
  // Records that no row covers only add to the total.
  const most = Math.min(...rows.flatMap((one, index) => (isIn(one) ? [remaining[index] ?? 0] : [])));
  let lowest: number | undefined;
  for (let records = 0; records <= (most === Infinity ? 0 : most); records += 1) {
    const after = remaining.map((left, index) => (isIn(rows[index] ?? row(-1, -1, 0)) ? left - records : left));
    const rest = bruteForce(rows, after, slot + 1);
    if (rest !== undefined) lowest = Math.min(lowest ?? Infinity, rest + records);
  }
  return lowest;
}

/**
 * Random rows. Their bounds are even, so that there is a sequence number between any two. If `log`
 * is given, they hold its records; otherwise they may contradict each other.
 */
function randomRows(random: () => number, log?: readonly number[]): CountedRow[] {
  const below = (end: number): number => Math.floor(random() * end);
  const rows = Array.from({ length: 1 + below(6) }, () => {
    const [a, b] = [2 * below(5), 2 * below(5)];
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    const records = log?.slice(from, to + 1).reduce((sum, count) => sum + count, 0) ?? 1 + below(4);
    const duplicates = below(records);
    return row(from, to, records - duplicates, duplicates);
  });
  return rows.filter((one) => recordsOf(one) > 0);
}

test('random rows: the lowest number of records is that of the best assignment', () => {
  const random = seeded(11);
  const seen = { gaps: 0, contradictions: 0, complete: 0 };
  for (let round = 0; round < 3_000; round += 1) {
    const log = Array.from({ length: SLOTS }, () => Math.max(0, Math.floor(random() * 5) - 2));
    const rows = randomRows(random, round % 3 === 0 ? undefined : log);
    const lowest = bruteForce(rows, rows.map(recordsOf));
    expect(lowestRecords(rows), JSON.stringify(rows)).toBe(lowest);

    const lines = rows.map((one, index) => ({ ...one, line: String(index) }));
    const { rows: selected, gap } = select(lines);
    const counted = selected.reduce((sum, index) => sum + recordsOf(lines[index] ?? row(0, 0, 0)), 0);
    expect(gap).toBe(lowest !== undefined && lowest > counted);
    if (lowest === undefined) seen.contradictions += 1;
    else if (gap) seen.gaps += 1;
    else seen.complete += 1;
  }
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(50);
});
