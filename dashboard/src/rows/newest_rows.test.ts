import { describe, expect, test } from 'vitest';

import { parseOutputRow } from '../wire/output_rows.ts';
import { MAX_ROWS, NewestRows } from './newest_rows.ts';

const NOW = Date.UTC(2026, 10, 20, 9, 17);

/** Adds a row whose record arrived `ago` milliseconds before now. */
function add(rows: NewestRows, fields: object, ago = 0): boolean {
  const line = JSON.stringify(fields);
  const row = parseOutputRow(line, true);
  if (row === undefined) throw new Error(`not a row: ${line}`);
  return rows.add(row, line, NOW - ago, NOW);
}

const values = (rows: NewestRows, first = 0, count = 10_000) => rows.part(['V'], first, count).cells.map(([text]) => text);

test('the newest rows are first, by their arrival', () => {
  const rows = new NewestRows();
  add(rows, { V: 'b', RowId: 'b' }, 2_000);
  add(rows, { V: 'c', RowId: 'c' }, 2_000);
  // The record of another shard, which is read later.
  add(rows, { V: 'a', RowId: 'a' }, 3_000);
  add(rows, { V: 'd', RowId: 'd' }, 1_000);
  expect(values(rows)).toEqual(['d', 'c', 'b', 'a']);
  expect(values(rows, 1, 2)).toEqual(['c', 'b']);
  expect(rows.size).toBe(4);
});

describe('a row that comes again', () => {
  test('replaces the one before in its place if its revision is higher', () => {
    const rows = new NewestRows();
    add(rows, { V: 1, RowId: 'a', Revision: 3 }, 3_000);
    add(rows, { V: 2, RowId: 'b', Revision: 3 }, 2_000);
    expect(add(rows, { V: 3, RowId: 'a', Revision: 6 }, 1_000)).toBe(true);
    expect(values(rows)).toEqual(['2', '3']);
    expect(add(rows, { V: 4, RowId: 'a', Revision: 6 })).toBe(false);
    expect(add(rows, { V: 5, RowId: 'a', Revision: 3 })).toBe(false);
    expect(values(rows)).toEqual(['2', '3']);
  });

  test('changes nothing without a revision', () => {
    const rows = new NewestRows();
    expect(add(rows, { V: 1, RowId: 's/0/1/0/0' })).toBe(true);
    expect(add(rows, { V: 1, RowId: 's/0/1/0/0' })).toBe(false);
    expect(values(rows)).toEqual(['1']);
  });

  test('is dropped if it was removed, and comes back with a higher revision only', () => {
    const rows = new NewestRows();
    add(rows, { V: 1, RowId: 'a', Revision: 3 }, 2_000);
    add(rows, { V: 2, RowId: 'b', Revision: 3 }, 1_000);
    add(rows, { RowId: 'a', Revision: 6, Removed: true });
    expect(values(rows)).toEqual(['2']);
    expect(rows.size).toBe(1);
    add(rows, { V: 1, RowId: 'a', Revision: 3 });
    expect(values(rows)).toEqual(['2']);
    add(rows, { V: 3, RowId: 'a', Revision: 10 });
    expect(values(rows)).toEqual(['2', '3']);
    // Its removal may come first.
    add(rows, { RowId: 'c', Revision: 6, Removed: true });
    add(rows, { V: 4, RowId: 'c', Revision: 3 });
    expect(values(rows)).toEqual(['2', '3']);
  });

  test('is the one with the highest revision, in any order', () => {
    const last = 2 ** 53;
    for (const order of [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]]) {
      const rows = new NewestRows();
      for (const place of order) {
        const line = `{"V":${place},"RowId":"a","Revision":${BigInt(last) + BigInt(place)}}`;
        const row = parseOutputRow(line, true);
        if (row !== undefined) rows.add(row, line, NOW, NOW);
      }
      expect(values(rows)).toEqual(['3']);
    }
  });
});

describe('memory is bounded', () => {
  test('by the number of rows', () => {
    const rows = new NewestRows();
    for (let number = 0; number < 10_000; number += 1) {
      // Every third is of a shard that lags behind.
      add(rows, { V: number, RowId: String(number) }, number % 3 === 0 ? 60_000 : 10_000 - number);
    }
    expect(rows.size).toBe(MAX_ROWS);
    expect(rows.isCut).toBe(true);
    const newest = Array.from({ length: 10_000 }, (_, number) => number).filter((number) => number % 3 !== 0);
    expect(values(rows)).toEqual(newest.reverse().slice(0, MAX_ROWS).map(String));
  });

  test('by the number of rows that were removed', () => {
    const rows = new NewestRows();
    for (let number = 0; number < 100_000; number += 1) add(rows, { RowId: String(number), Revision: 1, Removed: true });
    expect(rows.size).toBe(0);
    expect(rows.isCut).toBe(false);
    expect(rows.bytes).toBeLessThan(1_000_000);
  });

  test('by their bytes', () => {
    const rows = new NewestRows(1_000_000);
    for (let number = 0; number < 1_000; number += 1) {
      add(rows, { V: 'é'.repeat(5_000), RowId: String(number) }, 1_000 - number);
      // The same row grows.
      add(rows, { V: 'é'.repeat(20_000), RowId: 'one', Revision: number }, 0);
      expect(rows.bytes).toBeLessThanOrEqual(1_000_000);
    }
    expect(rows.size).toBeGreaterThan(50);
    // A row that does not fit alone is not kept.
    add(rows, { V: 'x'.repeat(2_000_000), RowId: 'large' });
    expect(rows.bytes).toBeLessThanOrEqual(1_000_000);
  });
});

test('rows are counted for a minute after their arrival', () => {
  const rows = new NewestRows();
  add(rows, { V: 1, RowId: 'old', Revision: 1 }, 61_000);
  add(rows, { V: 1, RowId: 'a', Revision: 1 }, 30_000);
  add(rows, { V: 2, RowId: 'a', Revision: 2 }, 1_000);
  add(rows, { V: 2, RowId: 'a', Revision: 2 }, 1_000);
  add(rows, { RowId: 'a', Revision: 3, Removed: true }, 1_000);
  // The page's clock is behind.
  add(rows, { V: 1, RowId: 'b', Revision: 1 }, -5_000);
  expect(rows.perMinute(NOW)).toBe(3);
  expect(rows.perMinute(NOW + 31_000)).toBe(2);
  expect(rows.perMinute(NOW + 61_000)).toBe(0);
});

test('a column has numbers if all of its values are', () => {
  const rows = new NewestRows();
  add(rows, { A: 1, B: 'x', C: null, D: 1, RowId: '1' });
  add(rows, { A: null, B: 'y', C: null, D: 'x', RowId: '2' });
  expect(rows.part(['A', 'B', 'C', 'D'], 0, 10).numbers).toEqual([true, false, false, false]);
});
