import { describe, expect, test } from 'vitest';

import golden from '../../../tests/golden/merge.json';
import goldenOrdered from '../../../tests/golden/merge_ordered.json';
import goldenRooms from '../../../tests/golden/merge_rooms.json';
import { parseSchema, type Schema } from '../schema.ts';
import { seeded } from '../stream/virtual.testing.ts';
import { UNICORN } from '../unicorn.ts';
import { formatRow, hashRow, keyText, parseRow, type Row } from '../wire/rows.ts';
import { compareSequenceNumbers } from '../wire/source.ts';
import { formatTime } from '../wire/time.ts';
import { displayValue, formatValue } from '../wire/values.ts';
import { type LogRow, merge as mergeRows, type MergedRow, select } from './merge.ts';
import { RecentWindows } from './recent_windows.ts';
import { measuresOf } from './unicorn_rows.testing.ts';

/** A merged row as the golden files have it. */
function formatMerged(schema: Schema, row: MergedRow): string {
  const field = (name: string, value: string): string => `${JSON.stringify(name)}:${value}`;
  const key = schema.key.map(({ name, type }, index) => field(name, formatValue(type, row.key[index] ?? null)));
  const measures = schema.measures.map(({ name, type }, index) => field(name, formatValue(type, row.measures[index] ?? null)));
  const rest = [field('Readings', `${row.readings}`), field('WindowSeconds', `${row.windowSeconds}`), field('Gap', `${row.gap}`)];
  const all = [...key, field(schema.time, JSON.stringify(formatTime(row.start))), ...measures, ...rest];
  return `{${all.filter((text) => !text.endsWith(':null')).join()}}`;
}

function merge(rows: Iterable<Row>): MergedRow[] {
  return mergeRows(UNICORN, rows);
}

function hashOf(row: Row): string {
  return hashRow(UNICORN, row);
}

function lineOf(row: Row): string {
  return formatRow(UNICORN, row);
}

interface GoldenCase {
  readonly case: string;
  readonly rows: readonly string[];
  readonly merged: readonly string[];
}

function check(schema: Schema, { rows: lines, merged }: GoldenCase): void {
  const rows = lines.map((line) => {
    const row = parseRow(schema, line);
    if (row === undefined) throw new Error(line);
    return row;
  });
  const format = (row: MergedRow): string => formatMerged(schema, row);
  expect(mergeRows(schema, rows).map(format)).toEqual(merged);
  expect(mergeRows(schema, [...rows].reverse()).map(format)).toEqual(merged);
  expect(rows.map((row) => formatRow(schema, row))).toEqual(lines);
}

describe('golden vectors of unicorns', () => {
  test.each<GoldenCase>(golden)('$case', (one) => check(UNICORN, one));

  test('exist', () => {
    expect(golden.length).toBeGreaterThan(10);
  });
});

describe.each([
  ['rooms', goldenRooms],
  ['first and last values', goldenOrdered],
])('golden vectors of %s', (_, { schema: json, cases }) => {
  const schema = parseSchema(json);
  test.each<GoldenCase>(cases)('$case', (one) => check(schema, one));

  // The windows that the pages show hold rows in columns, and merge them in another place.
  test.each<GoldenCase>(cases)('$case: in windows', ({ rows: lines }) => {
    const rows = lines.flatMap((line) => parseRow(schema, line) ?? []);
    const windows = new RecentWindows(schema);
    windows.advance(rows[0]?.start ?? 0);
    for (const row of [...rows, ...rows]) windows.add(row);
    for (const { key, readings, measures, gap } of mergeRows(schema, rows)) {
      expect(windows.chart(keyText(schema, key))).toMatchObject({
        newest: schema.measures.map(({ type }, index) => displayValue(type, measures[index] ?? null)),
        readings: [readings],
        gap: [gap],
      });
    }
  });
});

/** A row of the records `from` to `to`. Rows that differ only in `distance` differ in their hash. */
function row(from: number, to: number, readings: number, duplicates = 0, dedupFrom = from, distance = 1n): Row {
  const source = { stream: 'a', shard: 'b', from: String(from), to: String(to), dedupFrom: String(dedupFrom) };
  const measures = measuresOf({ distance, minMagic: 1, maxMagic: 2, minHealth: 3, maxHealth: 4 });
  const some = { key: ['x'], start: 0, windowSeconds: 60, readings, duplicates, source };
  return { ...some, measures: readings > 0 ? measures : undefined };
}

function withHash(one: Row): LogRow {
  return { ...one, hash: () => hashOf(one) };
}

function overlap(one: Row, other: Row): boolean {
  return (
    compareSequenceNumbers(one.source.from, other.source.to) <= 0 &&
    compareSequenceNumbers(other.source.from, one.source.to) <= 0
  );
}

interface Choice {
  covered: number;
  readings: number;
  /** The rows in log order, in the canonical form. */
  lines: readonly string[];
  /** Their hashes from the end of the log backwards. */
  hashes: string;
}

function choiceOf(rows: readonly Row[]): Choice {
  const inOrder = [...rows].sort((a, b) => compareSequenceNumbers(a.source.from, b.source.from));
  const hashes = inOrder.map(hashOf).reverse().join(' ');
  const choice = { covered: 0, readings: 0, lines: inOrder.map(lineOf), hashes };
  for (const { readings, duplicates } of rows) {
    choice.covered += readings + duplicates;
    choice.readings += readings;
  }
  return choice;
}

/** Below 0 if `one` is better. */
function compareChoices(one: Choice, other: Choice): number {
  return other.covered - one.covered || one.readings - other.readings || (one.hashes < other.hashes ? -1 : 1);
}

/** Finds the best set of non-overlapping rows by trying all sets. */
function bruteForce(rows: readonly Row[]): Choice {
  let best = choiceOf([]);
  for (let set = 1; set < 1 << rows.length; set += 1) {
    const chosen = rows.filter((_, index) => (set & (1 << index)) !== 0);
    if (chosen.some((one, index) => chosen.slice(index + 1).some((other) => overlap(one, other)))) continue;
    const choice = choiceOf(chosen);
    if (compareChoices(choice, best) < 0) best = choice;
  }
  return best;
}

/** Small numbers, so that many choices are equally good. */
function randomRows(random: () => number): Row[] {
  const below = (end: number): number => Math.floor(random() * end);
  return Array.from({ length: below(9) }, () => {
    const from = 1 + below(12);
    const readings = below(3);
    const duplicates = below(2) + (readings === 0 ? 1 : 0);
    const dedupFrom = Math.max(0, from - below(2) * below(9));
    return row(from, from + below(6), readings, duplicates, dedupFrom, BigInt(below(3)));
  });
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

function selectedOf(rows: readonly Row[]): Row[] {
  return select(rows.map(withHash)).rows.flatMap((index) => rows[index] ?? []);
}

describe('ties', () => {
  test('the smaller hash wins, in any order', () => {
    const [one, other] = [row(1, 9, 10, 0, 1, 1n), row(1, 9, 10, 0, 1, 2n)];
    const smaller = hashOf(one) < hashOf(other) ? one : other;
    expect(selectedOf([one, other])).toEqual([smaller]);
    expect(selectedOf([other, one])).toEqual([smaller]);
  });

  test('the end of the log decides first', () => {
    const first = [row(1, 4, 1, 0, 1, 1n), row(1, 4, 1, 0, 1, 2n)];
    const last = [row(5, 9, 1, 0, 5, 1n), row(5, 9, 1, 0, 5, 2n)];
    const smallest = (rows: readonly Row[]) => [...rows].sort((a, b) => (hashOf(a) < hashOf(b) ? -1 : 1))[0];
    expect(selectedOf([...first, ...last])).toEqual([smallest(first), smallest(last)]);
    // One row against two: only the hashes of the last rows count.
    for (let distance = 1n; distance < 20n; distance += 1n) {
      const wide = row(1, 9, 2, 0, 1, distance);
      const [start, end] = [row(1, 4, 1), row(5, 9, 1)];
      const expected = hashOf(wide) < hashOf(end) ? [wide] : [start, end];
      expect(selectedOf([start, wide, end])).toEqual(expected);
    }
  });

  test('rows are hashed only if a tie needs it', () => {
    const hash = (): string => {
      throw new Error('hashed');
    };
    const rows = [row(1, 5, 2), row(6, 9, 2), row(4, 7, 3), row(1, 9, 4, 1)].map((one) => ({ ...one, hash }));
    expect(select(rows).rows).toEqual([3]);
  });
});

test('equal rows are one row', () => {
  const [one, other] = [row(1, 5, 2), row(6, 9, 3)];
  expect(merge([one, other, one, { ...other }])).toEqual(merge([one, other]));
  expect(selectedOf([one, other, one, { ...other }])).toEqual([one, other]);
});

test('streams are told apart by their ARNs', () => {
  const inRegion = (region: string): Row => {
    const one = row(1, 9, 2);
    const stream = `arn:aws:kinesis:${region}:000000000000:stream/wildrydes`;
    return { ...one, source: { ...one.source, stream } };
  };
  expect(merge([inRegion('us-east-1'), inRegion('us-west-2')])).toMatchObject([{ readings: 4, gap: false }]);
});

test('a gap in one shard is a gap of the window', () => {
  const rows = [row(1, 5, 30), row(4, 9, 31), row(4, 5, 10)];
  expect(merge(rows)).toMatchObject([{ readings: 31, gap: true }]);
  const one = row(1, 9, 2);
  const elsewhere = { ...one, source: { ...one.source, shard: 'c' } };
  expect(merge([elsewhere, ...rows])).toMatchObject([{ readings: 33, gap: true }]);
  expect(merge([elsewhere, ...rows.slice(0, 2)])).toMatchObject([{ readings: 33, gap: false }]);
});

test('distances are exact beyond 2^53 micrometres', () => {
  const far = 2n ** 53n;
  expect(merge([row(1, 4, 1, 0, 1, far), row(5, 9, 1, 0, 5, 1n)])).toMatchObject([{ measures: [far + 1n, 1, 2, 3, 4] }]);
});

describe('random rows', () => {
  test('the selection is the best of all sets', () => {
    const random = seeded(7);
    for (let round = 0; round < 2_000; round += 1) {
      const rows = randomRows(random);
      expect(choiceOf(selectedOf(rows))).toEqual(bruteForce(rows));
    }
  });

  test('order does not matter, nor do equal rows', () => {
    const random = seeded(8);
    for (let round = 0; round < 1_000; round += 1) {
      const rows = randomRows(random);
      const others = shuffled([...rows, ...rows.slice(0, 2)], random);
      expect(choiceOf(selectedOf(others))).toEqual(choiceOf(selectedOf(rows)));
      expect(select(others.map(withHash)).gap).toBe(select(rows.map(withHash)).gap);
      expect(merge(others)).toEqual(merge(rows));
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
      const measures = measuresOf({ distance, minMagic: 1, maxMagic: 2, minHealth: 3, maxHealth: 4 });
      const source = { stream: 'a', shard: 'b', from: String(from), to: String(to), dedupFrom: String(dedupFrom) };
      const readings = distinct.size;
      const all = { key: ['x'], start: 0, windowSeconds: 60, readings, duplicates, source };
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
      expect.objectContaining({ readings: whole.readings, measures: whole.measures, gap: false }),
    ]);
  }
});
