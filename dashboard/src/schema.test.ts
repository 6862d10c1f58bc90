import { describe, expect, test } from 'vitest';

import { anyNumber, InvalidSchema, parseSchema } from './schema.ts';

const rooms = {
  key: [
    { name: 'Room', type: 'text', nullable: true },
    { name: 'Floor', type: 'number', scale: 0, lowest: '-5', highest: '200' },
  ],
  time: 'WindowStart',
  measures: [
    { name: 'Mean', kind: 'average', type: 'number', scale: 2, places: 3, nullable: true },
    { name: 'Lowest', kind: 'min', type: 'float' },
    { name: 'Label', kind: 'max', type: 'text' },
    { name: 'Energy', kind: 'sum', type: 'number', scale: 3, nullable: false },
    { name: 'Open', kind: 'max', type: 'boolean' },
    { name: 'Changed', kind: 'last', type: 'timestamp' },
  ],
};

test('a schema is parsed', () => {
  expect(parseSchema(rooms)).toEqual({
    key: [
      { name: 'Room', type: { kind: 'text' }, nullable: true },
      { name: 'Floor', type: { kind: 'number', scale: 0, lowest: -5n, highest: 200n }, nullable: false },
    ],
    time: 'WindowStart',
    measures: [
      { name: 'Mean', kind: 'average', of: anyNumber(2), type: anyNumber(3), nullable: true },
      { name: 'Lowest', kind: 'min', of: { kind: 'float' }, type: { kind: 'float' }, nullable: false },
      { name: 'Label', kind: 'max', of: { kind: 'text' }, type: { kind: 'text' }, nullable: false },
      { name: 'Energy', kind: 'sum', of: anyNumber(3), type: anyNumber(3), nullable: false },
      { name: 'Open', kind: 'max', of: { kind: 'boolean' }, type: { kind: 'boolean' }, nullable: false },
      { name: 'Changed', kind: 'last', of: { kind: 'timestamp' }, type: { kind: 'timestamp' }, nullable: false },
    ],
  });
  expect(parseSchema({ key: [], time: 'Minute', measures: [] })).toEqual({ key: [], time: 'Minute', measures: [] });
});

describe('an invalid schema is explained', () => {
  const key = (change: object) => ({ ...rooms, key: [{ name: 'Room', type: 'text', ...change }] });
  const measure = (change: object) => ({ ...rooms, measures: [{ name: 'Mean', kind: 'average', type: 'number', scale: 2, places: 3, ...change }] });
  test.each<[unknown, string]>([
    [null, 'the schema is not a JSON object'],
    [[rooms], 'the schema is not a JSON object'],
    [{ ...rooms, window: 60 }, 'the schema has the field "window", which is unknown to this page'],
    [{ ...rooms, key: undefined }, 'key is not a list'],
    [{ ...rooms, time: '' }, 'time is not a name'],
    [{ ...rooms, time: 'Source' }, 'a column cannot be called Source: every row has an attribute of that name'],
    [{ ...rooms, time: 'Room' }, 'two columns are called Room'],
    [{ ...rooms, measures: new Array(201).fill(rooms.measures[0]) }, 'measures has 201 columns, more than 200'],
    [key({ name: 7 }), 'key[0].name is not a name'],
    [key({ type: 'json' }), 'Room: the type "json" is unknown to this page; expected text, number, float, boolean or timestamp'],
    [key({ type: undefined }), 'Room: the type (none) is unknown'],
    [key({ scale: 2 }), 'Room: scale is only for numbers'],
    [key({ kind: 'min' }), 'key[0] has the field "kind"'],
    [key({ nullable: 'yes' }), 'Room: nullable is neither true nor false'],
    [key({ type: 'number' }), 'Room: scale is not a whole number from 0 to 18'],
    [key({ type: 'number', scale: 0, lowest: 0 }), 'Room: lowest is not a string of up to 39 digits'],
    [key({ type: 'number', scale: 0, highest: '9'.repeat(39) }), 'Room: highest exceeds 128 bits'],
    [key({ type: 'number', scale: 0, lowest: '2', highest: '1' }), 'Room: lowest is above highest'],
    [measure({ kind: 'median' }), 'Mean: the kind "median" is unknown to this page; expected sum, min, max, average, first, last'],
    [measure({ kind: 'sum' }), 'Mean: places is only for averages'],
    [measure({ places: 19 }), 'Mean: places is not a whole number from 0 to 18'],
    [measure({ type: 'float', scale: undefined }), 'Mean: the average must be of numbers, not of float values'],
    [measure({ unit: 'C' }), 'measures[0] has the field "unit"'],
  ])('%j', (value, problem) => {
    expect(() => parseSchema(value)).toThrow(InvalidSchema);
    expect(() => parseSchema(value)).toThrow(problem);
  });
});
