import { describe, expect, test } from 'vitest';

import { cellsOf, cellText, parseOutputRow } from './output_rows.ts';

const texts = (line: string, ...columns: string[]) => cellsOf(line, columns).map(cellText);

describe('rows of windows', () => {
  test.each([
    ['{"TRADES":2,"RowId":"A/1","Revision":11}', { id: 'A/1', revision: 11n, isRemoved: false }],
    ['{"RowId":"A/1","Revision":12,"Removed":true}', { id: 'A/1', revision: 12n, isRemoved: true }],
    // More than a double holds.
    ['{"RowId":"A/1","Revision":18446744073709551615}', { id: 'A/1', revision: 2n ** 64n - 1n, isRemoved: false }],
    ['{"RowId":"A/1","Revision":9007199254740993}', { id: 'A/1', revision: 2n ** 53n + 1n, isRemoved: false }],
    // An output may have rows without a window, too.
    ['{"RowId":"stream/shard/1/0/0"}', { id: 'stream/shard/1/0/0', revision: 0n, isRemoved: false }],
  ])('%s', (line, row) => {
    expect(parseOutputRow(line, true)).toEqual(row);
  });

  test.each([
    'nonsense',
    '[]',
    '{"TRADES":2}',
    '{"RowId":7,"Revision":1}',
    '{"RowId":"","Revision":1}',
    '{"RowId":"A","Revision":"1"}',
    '{"RowId":"A","Revision":1.5}',
    '{"RowId":"A","Revision":-1}',
    '{"RowId":"A","Revision":1e300}',
    '{"RowId":"A","Revision":null}',
  ])('%s is not one', (line) => {
    expect(parseOutputRow(line, true)).toBeUndefined();
  });
});

test('without windows, Revision and Removed are columns as any other', () => {
  const line = '{"Revision":"a","Removed":true,"RowId":"s/0/1/0/0"}';
  expect(parseOutputRow(line, false)).toEqual({ id: 's/0/1/0/0', revision: 0n, isRemoved: false });
  expect(texts(line, 'Removed', 'Revision')).toEqual(['true', 'a']);
});

describe('cells', () => {
  test('are in the order of the columns, and exact', () => {
    const line = '{"B":12345678901234567890.10,"A":"1","C":false,"D":null,"E":1e-7,"RowId":"x"}';
    expect(texts(line, 'A', 'B', 'C', 'D', 'E', 'F')).toEqual(['1', '12345678901234567890.10', 'false', '–', '1e-7', '–']);
    expect(cellsOf(line, ['A', 'B']).map((cell) => cell?.isNumber)).toEqual([false, true]);
  });

  test('belong to columns of any name', () => {
    const line = String.raw`{"a\"}":-1.50,"__proto__":2.0,"\u0062":"\"b\":3","c":{"d":[4,{"b":5.0}]},"d":[],"RowId":"x"}`;
    expect(texts(line, 'a"}', '__proto__', 'b', 'c', 'd', 'constructor')).toEqual([
      '-1.50', '2.0', '"b":3', '{"d":[4,{"b":5}]}', '[]', '–',
    ]);
  });

  test('of the last of two equal fields', () => {
    expect(texts('{"A":1.0,"A":2.0,"B":1,"B":"x"}', 'A', 'B')).toEqual(['2.0', 'x']);
  });

  test('that are long are cut', () => {
    const [cell = ''] = texts(JSON.stringify({ A: `${'x'.repeat(999)}\u{1f984}yz` }), 'A');
    expect(cell).toBe(`${'x'.repeat(999)}…`);
    expect(texts(JSON.stringify({ A: 'x'.repeat(1_000) }), 'A')).toEqual(['x'.repeat(1_000)]);
  });

  test('are text, whatever it looks like', () => {
    expect(texts(JSON.stringify({ A: '<b>\u202e\u0000' }), 'A')).toEqual(['<b>\u202e\u0000']);
  });
});
