import { describe, expect, test } from 'vitest';

import golden from '../../../tests/golden/merge.json';
import { seeded } from '../stream/virtual.testing.ts';
import { formatMetres } from '../wire/distance.ts';
import { compareSequenceNumbers, parseRow, type Row } from '../wire/rows.ts';
import { type LogRow, merge, type MergedRow, select } from './merge.ts';

function toGolden(row: MergedRow): object {
  return {
    Name: row.name,
    StatusTime: new Date(row.start).toISOString().replace('T', ' ').replace('Z', ''),
    Distance: JSON.parse(formatMetres(row.distance)),
    MinMagicPoints: row.minMagic,
    MaxMagicPoints: row.maxMagic,
    MinHealthPoints: row.minHealth,
    MaxHealthPoints: row.maxHealth,
    Readings: row.readings,
    WindowSeconds: row.windowSeconds,
    Exact: row.exact,
  };
}

describe('golden vectors', () => {
  test.each(golden)('$case', ({ rows: lines, minutes: expected }) => {
    const rows = lines.map((line) => {
      const row = parseRow(JSON.stringify(line));
      if (row === undefined) throw new Error(JSON.stringify(line));
      return row;
    });
    expect(merge(rows).map(toGolden)).toEqual(expected);
    expect(merge([...rows].reverse()).map(toGolden)).toEqual(expected);
  });

  test('exist', () => {
    expect(golden.length).toBeGreaterThan(10);
  });
});

function row(from: number, to: number, readings: number, duplicates = 0, dedupFrom = from): LogRow {
  const source = { stream: 'a', shard: 'b', from: String(from), to: String(to), dedupFrom: String(dedupFrom) };
  return { source, readings, duplicates };
}

function overlap(one: LogRow, other: LogRow): boolean {
  return (
    compareSequenceNumbers(one.source.from, other.source.to) <= 0 &&
    compareSequenceNumbers(other.source.from, one.source.to) <= 0
  );
}

interface Sums {
  records: number;
  readings: number;
}

function sums(rows: readonly LogRow[]): Sums {
  const total = { records: 0, readings: 0 };
  for (const { readings, duplicates } of rows) {
    total.records += readings + duplicates;
    total.readings += readings;
  }
  return total;
}

/** Finds the best set of non-overlapping rows by trying all sets. */
function bruteForce(rows: readonly LogRow[]): Sums {
  let best: Sums = { records: 0, readings: 0 };
  for (let set = 0; set < 1 << rows.length; set += 1) {
    const chosen = rows.filter((_, index) => (set & (1 << index)) !== 0);
    if (chosen.some((one, index) => chosen.slice(index + 1).some((other) => overlap(one, other)))) continue;
    const total = sums(chosen);
    const isMore = total.records > best.records;
    if (isMore || (total.records === best.records && total.readings < best.readings)) best = total;
  }
  return best;
}

function randomRows(random: () => number): LogRow[] {
  const below = (end: number): number => Math.floor(random() * end);
  return Array.from({ length: below(9) }, () => {
    const from = 1 + below(30);
    return row(from, from + below(12), 1 + below(6), below(3), Math.max(0, from - below(2) * below(9)));
  });
}

test('the widest of equally good rows is selected, in any order', () => {
  const [narrow, wide] = [row(3, 5, 10), row(1, 9, 10)];
  expect(select([narrow, wide]).rows).toEqual([1]);
  expect(select([wide, narrow]).rows).toEqual([0]);
});

describe('random rows', () => {
  test('the selection does not overlap and is as good as the best set', () => {
    const random = seeded(7);
    for (let round = 0; round < 1_000; round += 1) {
      const rows = randomRows(random);
      const selected = select(rows).rows.flatMap((index) => rows[index] ?? []);
      for (const [index, one] of selected.entries()) {
        const next = selected[index + 1];
        if (next !== undefined && overlap(one, next)) expect.fail(JSON.stringify(rows));
      }
      expect(sums(selected)).toEqual(bruteForce(rows));
    }
  });

  test('order does not matter', () => {
    const random = seeded(8);
    for (let round = 0; round < 1_000; round += 1) {
      const rows = randomRows(random);
      const shuffled = rows
        .map((value) => ({ value, key: random() }))
        .sort((a, b) => a.key - b.key)
        .map(({ value }) => value);
      const selection = (candidates: readonly LogRow[]): unknown => {
        const { rows: indices, exact } = select(candidates);
        return { exact, rows: indices.map((index) => candidates[index]) };
      };
      expect(selection(shuffled)).toEqual(selection(rows));
    }
  });
});

/**
 * A log of records with one reading each, some of them duplicates. The attempts that succeeded cut
 * it into ranges anywhere. Any number of failed attempts left rows with ranges of their own.
 */
test('each distinct reading counts once, whatever failed attempts leave', () => {
  const random = seeded(9);
  const below = (end: number): number => Math.floor(random() * end);
  for (let round = 0; round < 1_000; round += 1) {
    const log = Array.from({ length: 1 + below(20) }, () => below(25));
    /**
     * The row of records `from` to `to`, with the readings from `dedupFrom` on in the dedup cache.
     */
    const fold = (from: number, to: number, dedupFrom: number): Row => {
      const cached = new Set(log.slice(dedupFrom, from));
      const distinct = new Set<number>();
      let duplicates = 0;
      for (const reading of log.slice(from, to + 1)) {
        if (cached.has(reading) || distinct.has(reading)) duplicates += 1;
        else distinct.add(reading);
      }
      const distance = [...distinct].reduce((sum, reading) => sum + 10n ** BigInt(reading % 20), 0n);
      const measures = { distance, minMagic: 1, maxMagic: 2, minHealth: 3, maxHealth: 4 };
      const source = { stream: 'a', shard: 'b', from: String(from), to: String(to), dedupFrom: String(dedupFrom) };
      const readings = distinct.size;
      const all = { name: 'x', start: 0, windowSeconds: 60, readings, duplicates, source };
      return { ...all, measures: readings > 0 ? measures : undefined };
    };
    const rows: Row[] = [];
    for (let failed = below(6); failed > 0; failed -= 1) {
      const [a, b] = [below(log.length), below(log.length)];
      rows.push(fold(Math.min(a, b), Math.max(a, b), Math.min(a, b)));
    }
    let from = 0;
    while (from < log.length) {
      const to = from + below(log.length - from);
      rows.push(fold(from, to, 0));
      from = to + 1;
    }
    const whole = fold(0, log.length - 1, 0);
    expect(merge(rows)).toEqual([
      expect.objectContaining({ readings: whole.readings, distance: whole.measures?.distance, exact: true }),
    ]);
  }
});
