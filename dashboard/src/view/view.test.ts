import { describe, expect, test } from 'vitest';

import type { Health, Table } from '../protocol.ts';
import { hasMoved, timeRange, tipText, windowAge, withBreaks } from './plot_data.ts';
import { moveTo, visibleRows } from './scroll.ts';
import { lagRange, summaryLines } from './summary.ts';
import { clockTime, exact } from './words.ts';

describe('plots', () => {
  test('break where there are no windows', () => {
    const columns = [[1, 2, 3], [null, 5, 6]];
    expect(withBreaks([0, 60, 300], 60, columns)).toEqual({
      times: [0, 60, 120, 300],
      columns: [[1, 2, null, 3], [null, 5, null, 6]],
    });
    expect(withBreaks([], 60, [[]])).toEqual({ times: [], columns: [[]] });
  });

  test('show the last hour, or at least ten windows', () => {
    expect(timeRange([0, 60], 60, 130)).toEqual({ min: -470, max: 130 });
    expect(timeRange([0, 1_200], 60, 1_300)).toEqual({ min: 0, max: 1_300 });
    expect(timeRange([0, 7_200], 60, 7_300)).toEqual({ min: 3_700, max: 7_300 });
    // The page's clock may be behind.
    expect(timeRange([0, 1_200], 60, 0)).toEqual({ min: 0, max: 1_260 });
  });

  test('move on with the clock, though no window comes', () => {
    expect(timeRange([0, 60], 60, 3_000)).toEqual({ min: 0, max: 3_000 });
    expect(timeRange([0, 60], 60, 9_000)).toEqual({ min: 5_400, max: 9_000 });
    const shown = timeRange([0], 5, 100);
    expect(hasMoved(undefined, shown, 400)).toBe(true);
    expect(hasMoved(shown, timeRange([0], 5, 100.2), 400)).toBe(false);
    expect(hasMoved(shown, timeRange([0], 5, 100.3), 400)).toBe(true);
    expect(hasMoved(shown, timeRange([0], 5, 160), 0)).toBe(false);
  });

  test('say when the last window ended', () => {
    expect(windowAge([0, 5, 10], 5, 60)).toBe('last window ended 45 s ago · windows of 5 s · times in UTC');
    expect(windowAge([0], 300, 600)).toBe('last window ended 5 min ago · windows of 5 min · times in UTC');
    // The page's clock may be behind.
    expect(windowAge([0], 60, 0)).toBe('last window ended now · windows of 1 min · times in UTC');
    expect(windowAge([], 60, 600)).toBe('');
  });

  test('say what is under the pointer, in UTC', () => {
    const start = Date.UTC(2026, 10, 20, 17, 58) / 1000;
    expect(tipText(start, 60, '1,503 m')).toBe('17:58 to 17:59 UTC: 1,503 m');
    expect(tipText(start, 5, '108 to 112 points')).toBe('17:58 to 17:58:05 UTC: 108 to 112 points');
    expect(tipText(start - 5, 5, null)).toBe('17:57:55 to 17:58 UTC: no readings');
    expect(clockTime(Number.NaN)).toBe('–');
    expect(exact(1_503.123456)).toBe('1,503.123456');
  });
});

describe('scrolling', () => {
  test.each([
    [0, 320, 1_000, { first: 0, last: 14 }],
    [3_200, 320, 1_000, { first: 98, last: 112 }],
    [31_680, 320, 1_000, { first: 988, last: 1_000 }],
    [50_000, 320, 1_000, { first: 1_000, last: 1_000 }],
    [0, 320, 3, { first: 0, last: 3 }],
    [0, 0, 0, { first: 0, last: 0 }],
  ])('at %s pixels of %s, of %s rows', (top, height, count, visible) => {
    expect(visibleRows(top, height, 32, count, 2)).toEqual(visible);
  });

  test.each([
    ['ArrowDown', -1, 0],
    ['ArrowDown', 99, 99],
    ['ArrowUp', 5, 4],
    ['ArrowUp', -1, 0],
    ['PageDown', -1, 10],
    ['PageDown', 95, 99],
    ['PageUp', 5, 0],
    ['Home', 50, 0],
    ['End', -1, 99],
    ['Enter', 5, undefined],
  ])('%s at row %s', (key, index, to) => {
    expect(moveTo(key, index, 10, 100)).toBe(to);
    expect(moveTo(key, index, 10, 0)).toBeUndefined();
  });
});

describe('the summary', () => {
  const health: Health = {
    state: { kind: 'live' }, shards: 1, recordsPerSecond: 1, linesPerSecond: 12.34, lagMillis: 250, rejected: 0, retries: 0,
  };
  const table: Table = {
    kind: 'table', search: '', keys: 5, matches: 5, first: 0, windows: 61, gaps: 2, isCut: false, windowSeconds: 60, rows: [],
    newest: { start: Date.UTC(2026, 10, 20, 9, 17) / 1000, readings: 90, keys: 5, firstLag: 1.2, lastLag: 3 },
  };

  test('has rates and lag', () => {
    expect(summaryLines(table, health).map(([, text]) => text)).toEqual([
      '2026-11-20 09:17:00 UTC', '1.5', '12.3', '1.2 s to 3 s', '250 ms', '2 of 61',
    ]);
  });

  test('says what is not known yet', () => {
    const unknown = ['–', '–', '–', '–', '–', '–'];
    expect(summaryLines(undefined, undefined).map(([, text]) => text)).toEqual(unknown);
    expect(summaryLines({ ...table, newest: null, windows: 0, gaps: 0 }, health).map(([, text]) => text)).toEqual([
      '–', '–', '12.3', '–', '250 ms', '0 of 0',
    ]);
  });

  test.each([
    [2, 2, '2 s'],
    [0.25, 61.04, '250 ms to 61 s'],
    [-30, 1, '30 s before the end to 1 s'],
    [undefined, undefined, '–'],
  ])('the lag from %s to %s', (first, last, text) => {
    expect(lagRange(first, last)).toBe(text);
  });
});
