import { describe, expect, test } from 'vitest';

import { parseSchema } from '../schema.ts';
import { parseRow } from '../wire/rows.ts';
import type { Value } from '../wire/values.ts';
import { Keys } from './keys.ts';
import { RecentWindows } from './recent_windows.ts';

const SCHEMA = parseSchema({
  key: [
    { name: 'Room', type: 'text', nullable: true },
    { name: 'Floor', type: 'number', scale: 0 },
  ],
  time: 'WindowStart',
  measures: [
    { name: 'Mean', kind: 'average', type: 'number', scale: 2, places: 3, nullable: true },
    { name: 'Label', kind: 'max', type: 'text' },
  ],
});

const START = Date.UTC(2026, 10, 20, 9, 0);
const MINUTE = 60_000;

interface Given {
  readonly room?: string | null;
  readonly floor?: number;
  /** Minutes after the first window. */
  readonly minute?: number;
  readonly sum?: number;
  readonly count?: number;
  readonly label?: string;
  readonly source?: object;
}

function rowOf({ room = 'attic', floor = 1, minute = 0, sum = 62, count = 3, label = 'b', source = {} }: Given) {
  const mean = count === 0 ? null : Number((sum / count).toFixed(3));
  const WindowStart = new Date(START + minute * MINUTE).toISOString();
  const range = { Stream: 's', Shard: '0', From: '1', To: '9', Readings: Math.max(count, 1), WindowSeconds: 60 };
  const Source = { ...range, Parts: { Mean: { Sum: sum, Count: count } }, ...source };
  const row = parseRow(SCHEMA, JSON.stringify({ Room: room, Floor: floor, WindowStart, Mean: mean, Label: label, Source }));
  if (row === undefined) throw new Error('the row is invalid');
  return row;
}

function withRows(rows: readonly Given[]): RecentWindows {
  const windows = new RecentWindows(SCHEMA);
  windows.advance(START + 10 * MINUTE);
  for (const row of rows) windows.add(rowOf(row));
  return windows;
}

const ALL = { search: '', first: 0, count: 50 };

describe('the table', () => {
  test('is empty without rows', () => {
    expect(withRows([]).table(ALL)).toEqual({
      kind: 'table', search: '', keys: 0, matches: 0, first: 0, newest: null, windows: 0, gaps: 0, isCut: false, windowSeconds: 60, rows: [],
    });
  });

  test('has the newest window of each key, in the order of the keys', () => {
    const { rows } = withRows([
      { room: 'cellar', floor: 10 },
      { room: 'cellar', floor: 9, minute: 1 },
      { room: 'cellar', floor: 9, label: 'z' },
      { room: null, minute: 1, count: 0, sum: 0 },
      { room: 'cellar', floor: 9, minute: 1, sum: 20, count: 1, source: { Shard: '1' } },
    ]).table(ALL);
    const start = START / 1000;
    expect(rows).toEqual([
      { key: '[null,1]', columns: ['–', '1'], start: start + 60, readings: 1, values: ['–', 'b'], gap: false },
      { key: '["cellar",9]', columns: ['cellar', '9'], start: start + 60, readings: 4, values: ['20.5', 'b'], gap: false },
      { key: '["cellar",10]', columns: ['cellar', '10'], start, readings: 3, values: ['20.667', 'b'], gap: false },
    ]);
  });

  test('skips windows that have only duplicates', () => {
    const duplicates = { Readings: 0, Duplicates: 2 };
    const { rows } = withRows([{}, { minute: 1, source: duplicates }, { room: 'cellar', source: duplicates }]).table(ALL);
    expect(rows).toMatchObject([
      { key: '["attic",1]', start: START / 1000, readings: 3 },
      { key: '["cellar",1]', start: null, readings: 0, values: [] },
    ]);
  });

  test('says what the newest window has over all keys, and which windows have a gap', () => {
    const windows = withRows([{ minute: -1 }, {}, { floor: 2, count: 30, sum: 30, source: { To: '5' } }]);
    windows.add(rowOf({ floor: 2, count: 31, sum: 31, source: { From: '4' } }), START + MINUTE + 1_500);
    windows.add(rowOf({ floor: 2, count: 10, sum: 10, source: { From: '4', To: '5' } }), START + MINUTE + 2_500);
    expect(windows.table(ALL)).toMatchObject({
      newest: { start: START / 1000, readings: 34, keys: 2, firstLag: 1.5, lastLag: 9 * 60 },
      windows: 2,
      gaps: 1,
      rows: [{ gap: false }, { gap: true }],
    });
  });

  test('is sent in parts', () => {
    const windows = withRows(Array.from({ length: 1_000 }, (_, floor) => ({ floor })));
    const part = windows.table({ search: '', first: 990, count: 50 });
    expect(part).toMatchObject({ keys: 1_000, matches: 1_000, first: 990 });
    expect(part.rows.map(({ columns }) => columns[1])).toEqual(Array.from({ length: 10 }, (_, index) => String(990 + index)));
    expect(windows.table({ search: '', first: 5_000, count: 50 })).toMatchObject({ first: 1_000, rows: [] });
    expect(windows.table({ search: '', first: -5, count: 1e9 }).rows.length).toBe(500);
  });

  test('is searched by the values of the key', () => {
    const windows = withRows([{ room: 'Attic' }, { room: 'attic', floor: 2 }, { room: 'cellar', floor: 2 }]);
    const found = (search: string) => windows.table({ ...ALL, search }).rows.map(({ key }) => key);
    expect(found('ATTIC')).toEqual(['["Attic",1]', '["attic",2]']);
    expect(found(' attic 2')).toEqual(['["attic",2]']);
    expect(found('2')).toEqual(['["attic",2]', '["cellar",2]']);
    expect(found('north')).toEqual([]);
    windows.add(rowOf({ room: 'north' }));
    expect(found('north')).toEqual(['["north",1]']);
    expect(windows.table({ ...ALL, search: 'attic' })).toMatchObject({ search: 'attic', keys: 4, matches: 2 });
  });

  test('drops keys without windows, so that new ones fit', () => {
    const windows = new RecentWindows(SCHEMA, { keys: 2 });
    for (let minute = 0; minute < 200; minute += 1) {
      windows.advance(START + minute * 61 * MINUTE);
      expect(windows.add(rowOf({ floor: minute, minute: minute * 61 }))).toBe('added');
      expect(windows.chart(`["attic",${minute}]`).readings).toEqual([3]);
      expect(windows.table(ALL).keys).toBeLessThanOrEqual(2);
    }
  });

  test('memory includes the keys, and is given back', () => {
    const windows = new RecentWindows(SCHEMA, { bytes: 2_000_000 });
    windows.advance(START);
    for (let minute = 0; minute < 10; minute += 1) {
      for (let floor = 0; floor < 20; floor += 1) {
        windows.add(rowOf({ minute, floor, room: `${minute}`.repeat(10_000), label: 'x'.repeat(1_000) }));
        expect(windows.bytes).toBeLessThanOrEqual(2_000_000);
      }
    }
    expect(windows.table(ALL).keys).toBeLessThan(60);
    expect(windows.table(ALL).isCut).toBe(true);
    expect(windows.table(ALL).newest?.start).toBe(START / 1000 + 9 * 60);
    windows.advance(START + 60 * MINUTE);
    expect(windows.table(ALL).isCut).toBe(false);
  });
});

describe('charts', () => {
  test('of several keys merge averages by their parts', () => {
    const windows = withRows([{ sum: 30, count: 3 }, { floor: 2, sum: 20, count: 1 }, { floor: 3, sum: 0, count: 0 }]);
    expect(windows.chart(null)).toMatchObject({ measures: [[12.5], [null]], newest: ['12.5', 'b'], readings: [5], keys: [3] });
    expect(windows.chart('["attic",3]')).toMatchObject({ measures: [[null], [null]], newest: ['–', 'b'] });
  });

  test('tell the lag of the rows', () => {
    const windows = withRows([]);
    windows.add(rowOf({}), START + MINUTE + 2_000);
    windows.add(rowOf({ floor: 2 }), START + MINUTE - 500);
    windows.add(rowOf({ floor: 2 }), START + 5 * MINUTE);
    expect(windows.chart(null)).toMatchObject({ firstLag: [-0.5], lastLag: [2] });
  });
});

describe('keys', () => {
  const numbers = (keys: Keys): number[] => keys.list().map(({ number }) => number);

  test('are numbered once', () => {
    const keys = new Keys(SCHEMA);
    expect(keys.add(['attic', 2], START)?.number).toBe(0);
    expect(keys.add(['attic', 1], START)?.number).toBe(1);
    expect(keys.add(['attic', 2], START + 1)).toMatchObject({ number: 0, text: '["attic",2]', newest: START + 1 });
    expect(numbers(keys)).toEqual([1, 0]);
    expect(keys.values(1)).toEqual(['attic', 1]);
    expect(keys.find('["attic",1]')?.number).toBe(1);
    expect(keys.find('["attic",3]')).toBeUndefined();
  });

  test('are dropped, and their numbers used again', () => {
    const keys = new Keys(SCHEMA, 3);
    const add = (room: Value, start: number) => keys.add([room, 1], start)?.number;
    expect([add('a', 1), add('b', 2), add('c', 3), add('d', 4)]).toEqual([0, 1, 2, undefined]);
    keys.dropBefore(3);
    expect(numbers(keys)).toEqual([2]);
    expect(keys.values(0)).toEqual([]);
    expect([add('e', 4), add('f', 4), add('g', 4)].sort()).toEqual([0, 1, undefined]);
    keys.dropBefore(Infinity);
    expect([keys.size, keys.bytes]).toEqual([0, 0]);
  });
});
