import { describe, expect, test } from 'vitest';

import { seeded } from '../stream/virtual.testing.ts';
import { UNICORN, unicornKey } from '../unicorn.ts';
import type { Measure } from '../wire/measures.ts';
import { formatRow, hashRow, type Row } from '../wire/rows.ts';
import { toDouble, type Value } from '../wire/values.ts';
import { merge, mergeAll } from './merge.ts';
import { type Limits, RecentWindows } from './recent_windows.ts';
import { measuresOf } from './unicorn_rows.testing.ts';

const START = Date.UTC(2026, 10, 20, 9, 0);
const MINUTE = 60_000;

const ARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes';

function row(change: Partial<Row> = {}, source: Partial<Row['source']> = {}): Row {
  return {
    key: ['Shadowfax'],
    start: START,
    windowSeconds: 60,
    readings: 60,
    duplicates: 0,
    measures: [1_800_000_000, 108, 112, 148, 151],
    source: { stream: ARN, shard: 'shardId-000000000000', from: '1', to: '9', dedupFrom: '1', ...source },
    ...change,
  };
}

function empty(limits: Limits = {}): RecentWindows {
  return new RecentWindows(UNICORN, limits);
}

function withRows(rows: readonly Row[], arrival = START + MINUTE): RecentWindows {
  const windows = empty();
  windows.advance(arrival);
  for (const one of rows) windows.add(one);
  return windows;
}

describe('charts', () => {
  test('are empty without rows', () => {
    expect(empty().chart(null)).toMatchObject({ windowSeconds: 60, start: [], keys: [] });
    expect(withRows([row()]).chart(unicornKey('Franky'))).toMatchObject({ key: unicornKey('Franky'), start: [] });
  });

  test('show one unicorn or the fleet', () => {
    const measures = measuresOf({ distance: 1n, minMagic: 90, maxMagic: 109, minHealth: 150, maxHealth: 160 });
    const windows = withRows([
      row({ start: START + 2 * MINUTE }),
      row(),
      row({ key: ['Franky'], readings: 1, measures }),
    ]);
    expect(windows.chart(unicornKey('Shadowfax'))).toEqual({
      kind: 'chart',
      key: '["Shadowfax"]',
      windowSeconds: 60,
      start: [START / 1000, START / 1000 + 120],
      measures: [[1800, 1800], [108, 108], [112, 112], [148, 148], [151, 151]],
      newest: ['1800', '108', '112', '148', '151'],
      readings: [60, 60],
      keys: [1, 1],
      gap: [false, false],
      firstLag: [0, -120],
      lastLag: [0, -120],
    });
    expect(windows.chart(null)).toMatchObject({
      key: null,
      measures: [[1800.000001, 1800], [90, 108], [112, 112], [148, 148], [160, 151]],
      readings: [61, 60],
      keys: [2, 1],
    });
  });

  test('change when a row is added', () => {
    const windows = withRows([row({}, { to: '5' })]);
    expect(windows.chart(null).readings).toEqual([60]);
    expect(windows.chart(unicornKey('Shadowfax')).readings).toEqual([60]);
    expect(windows.add(row({ readings: 10 }, { from: '6' }))).toBe('added');
    expect(windows.chart(null)).toMatchObject({ readings: [70], keys: [1] });
    expect(windows.chart(unicornKey('Shadowfax')).readings).toEqual([70]);
  });

  test('leave out duplicate rows and rows of failed attempts', () => {
    const windows = withRows([row(), row({ readings: 30 }, { to: '5' }), row()]);
    expect(windows.add(row())).toBe('known');
    expect(windows.chart(null)).toMatchObject({ readings: [60], newest: ['1800', '108', '112', '148', '151'] });
  });

  test('show a gap', () => {
    const overlapping = [row({ readings: 30 }, { to: '5' }), row({ readings: 31 }, { from: '4' })];
    expect(withRows(overlapping).chart(null)).toMatchObject({ readings: [31], gap: [false] });
    const windows = withRows([...overlapping, row({ readings: 10 }, { from: '4', to: '5' }), row({ key: ['Franky'] })]);
    expect(windows.chart(null)).toMatchObject({ readings: [91], gap: [true] });
    expect(windows.chart(unicornKey('Shadowfax')).gap).toEqual([true]);
    expect(windows.chart(unicornKey('Franky')).gap).toEqual([false]);
  });

  test('select by hash among rows that differ only in their measures', () => {
    const measures = measuresOf({ distance: 1n, minMagic: 1, maxMagic: 2, minHealth: 3, maxHealth: 4 });
    const [one, other] = [row(), row({ measures })];
    const smaller = hashRow(UNICORN, one) < hashRow(UNICORN, other) ? one : other;
    for (const rows of [[one, other], [other, one]]) {
      const windows = withRows(rows);
      expect(windows.add(one)).toBe('known');
      expect(windows.add(other)).toBe('known');
      expect(windows.chart(null).measures[1]).toEqual([smaller.measures?.[1]]);
      expect(windows.chart(unicornKey('Shadowfax')).measures[1]).toEqual([smaller.measures?.[1]]);
    }
  });

  test('keep distances that a double does not hold', () => {
    const measures = measuresOf({ distance: 2n ** 53n + 1n, minMagic: 1, maxMagic: 2, minHealth: 3, maxHealth: 4 });
    const far = row({ measures }, { to: '5' });
    const windows = withRows([far, row({ measures: [1, 1, 2, 3, 4] }, { from: '6' })]);
    expect(windows.add(far)).toBe('known');
    // The sum ends in .740994, and without the last micrometres in .740992.
    expect(windows.chart(null).measures[0]).toEqual([9_007_199_254.740994]);
    expect(windows.chart(null).newest[0]).toBe('9007199254.740994');
  });

  test('find each of 3,000 unicorns', () => {
    const names = Array.from({ length: 3_000 }, (_, index) => `unicorn ${index}`);
    const windows = withRows([]);
    for (const [index, name] of names.entries()) {
      windows.add(row({ key: [name], readings: index + 1 }));
      if (windows.add(row({ key: [name], readings: index + 1 })) !== 'known') expect.fail(name);
    }
    const found = names.filter((name, index) => windows.chart(unicornKey(name)).readings[0] === index + 1);
    expect(found).toEqual(names);
    expect(windows.chart(null).keys).toEqual([3_000]);
  });

  test.each([
    ['dedupFrom', { dedupFrom: '0' }],
    ['stream', { stream: 'other' }],
    ['shard', { shard: 'other' }],
    ['from', { from: '2' }],
    ['to', { to: '10' }],
  ])('distinguish sources by %s', (_, source) => {
    expect(withRows([row()]).add(row({}, source))).toBe('added');
  });

  test('omit windows that hold duplicates only', () => {
    const alone = row({ readings: 0, duplicates: 1, measures: undefined }, { from: '6', dedupFrom: '1' });
    expect(withRows([alone]).chart(null).start).toEqual([]);
    expect(withRows([alone]).chart(unicornKey('Shadowfax')).start).toEqual([]);
    expect(withRows([alone, row({}, { to: '5' })]).chart(null)).toMatchObject({ readings: [60], newest: ['1800', '108', '112', '148', '151'] });
  });

  test('show only windows as long as the newest', () => {
    const windows = withRows([row(), row({ windowSeconds: 5, start: START + 5_000 })]);
    expect(windows.chart(null)).toMatchObject({ windowSeconds: 5, start: [START / 1000 + 5] });
    windows.add(row({ start: START + MINUTE }));
    expect(windows.chart(null)).toMatchObject({ windowSeconds: 60, start: [START / 1000, START / 1000 + 60] });
  });
});

describe('bounds', () => {
  test('windows are kept for an hour before the newest arrival', () => {
    const windows = withRows([row()]);
    windows.advance(START + MINUTE + 60 * MINUTE - 1);
    expect(windows.chart(null).start.length).toBe(1);
    windows.advance(START + MINUTE + 60 * MINUTE);
    expect(windows.chart(null).start.length).toBe(0);
    expect(windows.bytes).toBe(0);
    expect(windows.add(row())).toBe('old');
    // A record of another shard may be older. It does not turn the clock back.
    windows.advance(START);
    expect(windows.add(row())).toBe('old');
  });

  test('a window more than ten windows ahead is rejected', () => {
    const windows = withRows([], START);
    expect(windows.add(row({ start: START + 10 * MINUTE }))).toBe('added');
    expect(windows.add(row({ start: START + 10 * MINUTE + 1 }))).toBe('rejected');
  });

  test('names beyond the limit are rejected', () => {
    const windows = empty({ keys: 1 });
    windows.advance(START);
    expect(windows.add(row())).toBe('added');
    expect(windows.add(row({ key: ['Franky'] }))).toBe('rejected');
  });

  test('the oldest windows are dropped beyond the memory limit', () => {
    const windows = empty({ bytes: 1_300_000 });
    windows.advance(START + 30 * MINUTE);
    for (let window = 0; window < 30; window += 1) {
      for (let unicorn = 0; unicorn < 1_000; unicorn += 1) {
        windows.add(row({ key: [String(unicorn)], start: START + window * MINUTE }));
      }
      expect(windows.bytes).toBeLessThanOrEqual(1_300_000);
    }
    const { start, keys } = windows.chart(null);
    expect(start.length).toBeGreaterThan(8);
    expect(start.length).toBeLessThan(25);
    expect(start.at(-1)).toBe(START / 1000 + 29 * 60);
    expect(keys.every((count) => count === 1_000)).toBe(true);
  });

  test('even the only window is dropped, and starts empty', () => {
    const windows = empty({ bytes: 100_000 });
    windows.advance(START);
    for (let unicorn = 0; unicorn < 5_000; unicorn += 1) windows.add(row({ key: [String(unicorn)] }));
    expect(windows.bytes).toBeLessThanOrEqual(100_000);
    expect(windows.chart(unicornKey('4999')).readings).toEqual([60]);
  });

  test('many sources and windows stay within the memory limit', () => {
    const windows = empty({ bytes: 1_000_000 });
    windows.advance(START + 1_000_000);
    for (let number = 0; number < 5_000; number += 1) {
      const source = { stream: 'x'.repeat(100), from: '0', dedupFrom: '0', to: String(number) };
      windows.add(row({ start: START + number }, source));
      if (number % 100 === 0) expect(windows.bytes).toBeLessThanOrEqual(1_000_000);
    }
  });
});

test('charts equal the merge of all rows', () => {
  for (let seed = 0; seed < 25; seed += 1) {
    const random = seeded(seed);
    const below = (end: number): number => Math.floor(random() * end);
    const far = BigInt(seed % 2) * 2n ** 60n;
    const names = Array.from({ length: 40 }, (_, index) => `unicorn ${index}`);
    const rows = new Map<string, Row>();
    const windows = withRows([]);
    for (let step = 0; step < 400; step += 1) {
      const from = 1 + below(20);
      const to = from + below(10);
      const dedupFrom = Math.max(0, from - below(2) * below(9));
      const readings = below(5);
      const magic = below(100);
      const measures = measuresOf({
        distance: BigInt(below(1e9)) + far,
        minMagic: magic,
        maxMagic: magic + below(9),
        minHealth: -below(50),
        maxHealth: below(50),
      });
      const made: Row = row(
        {
          key: [names[below(names.length)] ?? ''],
          start: START + below(3) * MINUTE,
          readings,
          duplicates: below(2) + (readings === 0 ? 1 : 0),
          measures: readings === 0 ? undefined : measures,
        },
        { shard: String(below(2)), from: String(from), to: String(to), dedupFrom: String(dedupFrom) },
      );
      rows.set(formatRow(UNICORN, made), made);
      windows.add(made);
      if (below(50) > 0) continue;

      const merged = merge(UNICORN, rows.values());
      const name = names[below(names.length)] ?? '';
      const own = merged.filter((one) => one.key[0] === name);
      const doubles = (column: number, values: readonly (readonly Value[])[]) =>
        values.map((one) => toDouble(UNICORN.measures[column]?.type ?? { kind: 'text' }, one[column] ?? null));
      expect(windows.chart(unicornKey(name))).toMatchObject({
        start: own.map((one) => one.start / 1000),
        measures: UNICORN.measures.map((_, column) => doubles(column, own.map((one) => one.measures))),
        gap: own.map((one) => one.gap),
        readings: own.map((one) => one.readings),
      });
      const starts = [...new Set(merged.map((one) => one.start))];
      const ofWindow = (start: number) => merged.filter((one) => one.start === start);
      const sums = starts.map((start) =>
        ofWindow(start).reduce<readonly Measure[] | undefined>((sum, one) => mergeAll(UNICORN, 'several shards', sum, one.measures), undefined),
      );
      expect(windows.chart(null)).toMatchObject({
        start: starts.map((start) => start / 1000),
        measures: UNICORN.measures.map((_, column) => doubles(column, sums.map((sum) => (sum ?? []) as readonly Value[]))),
        gap: starts.map((start) => ofWindow(start).some((one) => one.gap)),
        readings: starts.map((start) => ofWindow(start).reduce((sum, one) => sum + one.readings, 0)),
        keys: starts.map((start) => ofWindow(start).length),
      });
    }
  }
});
