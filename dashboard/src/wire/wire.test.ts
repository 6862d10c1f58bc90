import { describe, expect, test } from 'vitest';

import golden from '../../../tests/golden/times.json';
import { anyNumber, type ColumnType, parseSchema } from '../schema.ts';
import { UNICORN } from '../unicorn.ts';
import { divide, formatDecimal, parseDecimal, plus, toDecimal, type Unscaled } from './decimal.ts';
import { numberText } from './fields.ts';
import { splitLines } from './lines.ts';
import { Names } from './names.ts';
import { buffersOf, ReadingColumns } from './readings.ts';
import { formatRow, hashRow, parseRow, parseRows } from './rows.ts';
import { compareSequenceNumbers } from './source.ts';
import { formatTime, parseTime, parseTimeNumber } from './time.ts';
import { compareValues, displayValue, formatValue, parseValue, toDouble, type Value } from './values.ts';

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe('times', () => {
  test.each(golden)('$json', ({ json, time }) => {
    const value: unknown = JSON.parse(json);
    expect(parseValue({ kind: 'timestamp' }, value, () => json)).toBe(time ?? undefined);
    const millis = typeof value === 'number' ? parseTimeNumber(json) : typeof value === 'string' ? parseTime(value) : undefined;
    expect(millis === undefined ? null : formatTime(millis)).toBe(time === null ? null : time.slice(0, 23));
  });
});

describe('decimals', () => {
  test.each([
    ['0', 0, '0'],
    ['-0', 0, '0'],
    ['0.000001', 1, '0.000001'],
    ['-0.000001', -1, '-0.000001'],
    ['1e-06', 1, '0.000001'],
    ['175', 175_000_000, '175'],
    ['-175.5', -175_500_000, '-175.5'],
    ['1.5E+2', 150_000_000, '150'],
    ['29.9999990000000', 29_999_999, '29.999999'],
    ['1789.25', 1_789_250_000, '1789.25'],
    ['2147483647.123456', 2_147_483_647_123_456, '2147483647.123456'],
  ])('%s', (line, unscaled, text) => {
    expect(toDecimal(Number(line), 6, () => line)).toBe(unscaled);
    expect(parseDecimal(line, 6)).toBe(unscaled);
    expect(formatDecimal(unscaled, 6)).toBe(text);
  });

  test.each([
    ['9007199254.740993', 9_007_199_254_740_993n, '9007199254.740993'],
    ['-9007199254.740993', -9_007_199_254_740_993n, '-9007199254.740993'],
    ['9223372036854.775807', 9_223_372_036_854_775_807n, '9223372036854.775807'],
    ['12345678901234567890.123457', 12_345_678_901_234_567_890_123_457n, '12345678901234567890.123457'],
    ['1e24', 10n ** 30n, '1000000000000000000000000'],
    ['0.1e25', 10n ** 30n, '1000000000000000000000000'],
  ])('%s has more digits than a double', (line, unscaled, text) => {
    expect(toDecimal(Number(line), 6, () => line)).toBe(unscaled);
    expect(parseDecimal(line, 6)).toBe(unscaled);
    expect(formatDecimal(unscaled, 6)).toBe(text);
  });

  test('of more than 128 bits are rejected', () => {
    const longest = String(2n ** 127n - 1n);
    const [whole, rest] = [longest.slice(0, -6), longest.slice(-6)];
    expect(parseDecimal(`${whole}.${rest}`, 6)).toBe(2n ** 127n - 1n);
    expect(parseDecimal(`-${whole}.${Number(rest) + 1}`, 6)).toBe(-(2n ** 127n));
    for (const text of [`${whole}.${Number(rest) + 1}`, '1e33', '1e99999999999999999999', '9'.repeat(39)]) {
      expect(parseDecimal(text, 6)).toBeUndefined();
    }
    expect(parseDecimal('0e99999999999999999999', 6)).toBe(0);
    expect(parseDecimal('1e-99999999999999999999', 6)).toBeUndefined();
  });

  test.each(['0.0000005', '1e-7', '29.999999999999996', '1.0000001'])('with more digits than fit are rejected: %s', (text) => {
    expect(toDecimal(Number(text), 6, () => text)).toBeUndefined();
    expect(parseDecimal(text, 6)).toBeUndefined();
  });

  test('sums are exact, and wrap at 128 bits', () => {
    expect(plus(1, 2)).toBe(3);
    expect(plus(Number.MAX_SAFE_INTEGER, 1)).toBe(2n ** 53n);
    expect(plus(2n ** 53n, -1)).toBe(Number.MAX_SAFE_INTEGER);
    expect(plus(2n ** 127n - 1n, 1)).toBe(-(2n ** 127n));
  });

  // The same as in `windrow_core::decimal`.
  test.each<[Unscaled, number, number, number, string]>([
    [10, 0, 4, 1, '2.5'],
    [10, 0, 4, 0, '3'],
    [-10, 0, 4, 0, '-3'],
    [1, 0, 3, 4, '0.3333'],
    [2, 0, 3, 4, '0.6667'],
    [-2, 0, 3, 4, '-0.6667'],
    [12_345, 2, 1, 1, '123.5'],
    [12_344, 2, 1, 1, '123.4'],
    [25, 2, 5, 1, '0.1'],
    [24, 2, 5, 1, '0'],
    [-25, 2, 5, 1, '-0.1'],
    [2n ** 127n - 1n, 0, 1, 0, '170141183460469231731687303715884105727'],
  ])('%s at scale %s, divided by %s, with %s places, is %s', (unscaled, scale, count, places, text) => {
    expect(formatDecimal(divide(unscaled, scale, count, places) ?? 0, places)).toBe(text);
  });

  test('a quotient that does not exist is undefined', () => {
    expect(divide(1, 0, 0, 0)).toBeUndefined();
    expect(divide(2n ** 127n - 1n, 0, 1, 1)).toBeUndefined();
    expect(divide(68_056_473_384_187_692_692_674_921_486_353_642_291n, 0, 4, 1)).toBeUndefined();
  });
});

describe('values', () => {
  test.each<[string, Value]>([
    ['0.0', 0],
    ['62.0', 62],
    ['19.5', 19.5],
    ['-0.001', -0.001],
    ['0.00001234', 0.00001234],
    ['1e-6', 1e-6],
    ['1500000000000000.0', 1.5e15],
    ['1e+16', 1e16],
    ['1.2345678901234568e+17', 123_456_789_012_345_680],
    ['-1e+30', -1e30],
    ['1e-130', 1e-130],
    ['9.9e+125', 9.9e125],
  ])('floats are written as serde_json does: %s', (text, value) => {
    expect(formatValue({ kind: 'float' }, value)).toBe(text);
    expect(parseValue({ kind: 'float' }, Number(text), () => text)).toBe(value);
  });

  test.each<[ColumnType, unknown, Value | undefined]>([
    [{ kind: 'text' }, 'a', 'a'],
    [{ kind: 'text' }, '', undefined],
    [{ kind: 'text' }, 1, undefined],
    [{ kind: 'text' }, '\ud800', undefined],
    [{ kind: 'text' }, null, null],
    [{ kind: 'float' }, Infinity, undefined],
    [{ kind: 'float' }, 1e126, undefined],
    [{ kind: 'float' }, -1e-131, undefined],
    [{ kind: 'float' }, 0, 0],
    [{ kind: 'float' }, '1', undefined],
    [{ kind: 'boolean' }, false, false],
    [{ kind: 'boolean' }, 0, undefined],
    [{ kind: 'timestamp' }, '2026-11-20T10:17:00+01:00', '2026-11-20 09:17:00.000'],
    [{ kind: 'timestamp' }, '2026-11-20 09:17:00.1890000019', '2026-11-20 09:17:00.189000001'],
    [{ kind: 'timestamp' }, '2026-11-20 09:17:00.1890000009', '2026-11-20 09:17:00.189'],
    [{ kind: 'timestamp' }, '1969-12-31 23:59:59.9999', '1969-12-31 23:59:59.999900000'],
    [{ kind: 'timestamp' }, 'now', undefined],
    [{ kind: 'number', scale: 1, lowest: -5n, highest: 20n }, 2, 20],
    [{ kind: 'number', scale: 1, lowest: -5n, highest: 20n }, -0.5, -5],
    [{ kind: 'number', scale: 1, lowest: -5n, highest: 20n }, 2.1, undefined],
    [{ kind: 'number', scale: 1, lowest: -5n, highest: 20n }, -0.6, undefined],
    [{ kind: 'number', scale: 1, lowest: -5n, highest: 20n }, 0.05, undefined],
    [{ kind: 'number', scale: 1, lowest: -5n, highest: 20n }, true, undefined],
  ])('%o takes %j as %j', (type, field, value) => {
    expect(parseValue(type, field, () => String(field))).toBe(value);
  });

  test('there is one zero', () => {
    expect(Object.is(parseValue({ kind: 'float' }, -0, () => '-0'), 0)).toBe(true);
    expect(Object.is(toDecimal(-0, 2, () => '-0'), 0)).toBe(true);
  });

  test.each<[readonly Value[]]>([
    [[null, 'a', 'b', 'ba', '\ufb01', '\u{1f984}']],
    [[null, false, true]],
    [[null, '2026-11-20 09:17:00.189', '2026-11-20 09:17:00.189000001', '2026-11-20 09:17:00.190']],
    [[null, -(2n ** 60n), -1, 0, 1.5, 2, 2n ** 60n]],
  ])('are ordered: %o', (ascending) => {
    expect([...ascending].reverse().sort(compareValues)).toEqual(ascending);
  });

  test('are shown', () => {
    expect(displayValue({ kind: 'text' }, null)).toBe('–');
    expect(displayValue({ kind: 'boolean' }, true)).toBe('true');
    expect(displayValue({ kind: 'timestamp' }, '1970-01-01 00:00:00.000')).toBe('1970-01-01 00:00:00.000');
    expect(displayValue(anyNumber(2), -105)).toBe('-1.05');
    expect(toDouble(anyNumber(2), 2n ** 60n)).toBe(2 ** 60 / 100);
    expect(toDouble({ kind: 'boolean' }, true)).toBe(1);
    expect(toDouble({ kind: 'text' }, '1')).toBeNull();
    expect(toDouble({ kind: 'float' }, null)).toBeNull();
  });
});

describe('the text of a number', () => {
  test.each([
    ['{"a":1.50}', '1.50'],
    [' { "a" : -1e-06 , "b" : 2 } ', '-1e-06'],
    ['{"b":{"a":2},"c":[{"a":3},"a",4],"a":1,"d":"a"}', '1'],
    ['{"a":1,"a":2}', '2'],
    ['{"\\u0061":1}', '1'],
    ['{"b":"\\"a\\":2,","a":1}', '1'],
    ['{"b":"\\\\","a":1}', '1'],
    ['{"b":"a","c":2}', undefined],
    ['{}', undefined],
  ])('%s', (line, text) => {
    JSON.parse(line);
    expect(numberText(line, 'a')).toBe(text);
  });

  test.each([
    ['{"a":1,"b":{"a":2,"c":3}}', '2'],
    ['{"b":{"c":{"a":4},"a":2.0},"a":1}', '2.0'],
    ['{"b":[{"a":3}],"c":{"a":1}}', undefined],
    ['{"c":{"b":{"a":3}}}', undefined],
  ])('in an object: %s', (line, text) => {
    JSON.parse(line);
    expect(numberText(line, 'b', 'a')).toBe(text);
  });
});

describe('lines', () => {
  test('blank lines are skipped', () => {
    expect(splitLines(bytes('{}\n\n \r\n[]\n'))).toEqual({ lines: ['{}', '[]'], rejected: 0 });
  });

  test('a line that is not UTF-8 is rejected alone', () => {
    const data = new Uint8Array([...bytes('a\n'), 0xff, 0xfe, 0x0a, ...bytes('é\n\n')]);
    expect(splitLines(data)).toEqual({ lines: ['a', 'é'], rejected: 1 });
  });

  test('a record without lines counts as one rejected line', () => {
    for (const data of [bytes(''), bytes(' \n\n'), new Uint8Array([0xf3, 0x89, 0x9a, 0xc2, 0x0a, 0x0a])]) {
      expect(splitLines(data)).toEqual({ lines: [], rejected: 1 });
    }
  });

  test('a byte order mark is kept', () => {
    expect(splitLines(bytes('\ufeff{}')).lines).toEqual(['\ufeff{}']);
  });
});

const READING = {
  Name: 'Shadowfax',
  StatusTime: '2026-11-20 09:17:08.189',
  Latitude: 42.264444250051326,
  Longitude: -71.97582884770408,
  Distance: 175,
  MagicPoints: 110,
  HealthPoints: 150,
};

describe('readings', () => {
  function columns(names = new Names()): ReadingColumns {
    return new ReadingColumns(names);
  }

  function isAccepted(change: object): boolean {
    return columns().add(bytes(JSON.stringify({ ...READING, ...change })), 0) === 0;
  }

  test('become columns', () => {
    const read = columns();
    const lines = [
      JSON.stringify(READING),
      JSON.stringify({ ...READING, Name: 'Ro\u00e7inante', Latitude: null, Longitude: undefined, Distance: 1789.25 }),
      JSON.stringify({ ...READING, Distance: -1 }),
    ];
    expect(read.add(bytes(lines.join('\n')), 1_000)).toBe(1);
    expect(read.add(bytes(JSON.stringify(READING)), 2_000)).toBe(0);
    const readings = read.take();
    expect(readings.newNames).toEqual(['Shadowfax', 'Ro\u00e7inante']);
    expect(readings.firstNew).toBe(0);
    expect([...readings.unicorn]).toEqual([0, 1, 0]);
    expect(readings.time[0]).toBe(Date.UTC(2026, 10, 20, 9, 17, 8, 189));
    expect([...readings.arrival]).toEqual([1_000, 1_000, 2_000]);
    expect([...readings.latitude]).toEqual([READING.Latitude, Number.NaN, READING.Latitude]);
    expect([...readings.longitude]).toEqual([READING.Longitude, Number.NaN, READING.Longitude]);
    expect([...readings.distance]).toEqual([175, 1789.25, 175]);
    expect([...readings.magic]).toEqual([110, 110, 110]);
    expect([...readings.health]).toEqual([150, 150, 150]);
    expect(new Set(buffersOf(readings)).size).toBe(8);
  });

  test('a time may be a number', () => {
    const read = columns();
    for (const time of ['1795166228.189', '1795166228189', '1.795166228189e12']) {
      const line = JSON.stringify(READING).replace(`"${READING.StatusTime}"`, time);
      expect(read.add(bytes(line), 0)).toBe(0);
    }
    expect(new Set(read.take().time)).toEqual(new Set([Date.UTC(2026, 10, 20, 9, 17, 8, 189)]));
  });

  test('new names are reported once', () => {
    const names = new Names();
    columns(names).add(bytes(JSON.stringify(READING)), 0);
    const read = columns(names);
    for (const name of ['Shadowfax', 'Franky']) read.add(bytes(JSON.stringify({ ...READING, Name: name })), 0);
    expect(read.take()).toMatchObject({ newNames: ['Franky'], firstNew: 1, unicorn: new Uint32Array([0, 1]) });
    expect(read.take()).toMatchObject({ newNames: [], firstNew: 2, unicorn: new Uint32Array() });
  });

  test('columns grow', () => {
    const read = columns();
    const line = `${JSON.stringify(READING)}\n`;
    expect(read.add(bytes(line.repeat(5_000)), 7)).toBe(0);
    const readings = read.take();
    expect(readings.arrival).toEqual(new Float64Array(5_000).fill(7));
    expect(readings.magic).toEqual(new Int32Array(5_000).fill(110));
  });

  test('names beyond the limit are rejected', () => {
    const read = columns(new Names(1));
    expect(read.add(bytes(JSON.stringify(READING)), 0)).toBe(0);
    expect(read.add(bytes(JSON.stringify({ ...READING, Name: 'Franky' })), 0)).toBe(1);
    expect(read.add(bytes(JSON.stringify(READING)), 0)).toBe(0);
    expect(read.take().newNames).toEqual(['Shadowfax']);
  });

  test.each([
    { Name: '\u{1f984}'.repeat(256) },
    { Name: 'x' },
    { StatusTime: '2026-11-20T09:17:08Z' },
    { StatusTime: 1_795_166_228.189 },
    { Latitude: 90, Longitude: -180 },
    { Latitude: undefined },
    { Distance: 0 },
    { MagicPoints: 2_147_483_647, HealthPoints: -2_147_483_648 },
    { Unknown: [{}] },
  ])('accepted: %j', (change) => {
    expect(isAccepted(change)).toBe(true);
  });

  test.each([
    { Name: undefined },
    { Name: null },
    { Name: 7 },
    { Name: '' },
    { Name: 'x'.repeat(257) },
    { Name: '\u{1f984}'.repeat(257) },
    { Name: '\ud800' },
    { StatusTime: undefined },
    { StatusTime: '1795166228' },
    { StatusTime: 1e15 },
    { StatusTime: true },
    { StatusTime: '2026-02-30 00:00:00.000' },
    { Latitude: 90.1 },
    { Latitude: '42' },
    { Longitude: -180.1 },
    { Distance: undefined },
    { Distance: null },
    { Distance: '175' },
    { Distance: -0.1 },
    { Distance: 1e13 },
    { MagicPoints: undefined },
    { MagicPoints: 150.5 },
    { MagicPoints: 2_147_483_648 },
    { HealthPoints: null },
    { HealthPoints: -2_147_483_649 },
  ])('rejected: %j', (change) => {
    expect(isAccepted(change)).toBe(false);
  });

  test.each(['', 'x', 'null', '7', '[]', '{', '"Name"', '{}', `[${JSON.stringify(READING)}]`, '\ufeff{}'])(
    'not an object: %j',
    (line) => {
      expect(columns().add(bytes(line), 0)).toBe(1);
    },
  );
});

const SOURCE = {
  Stream: 'arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes',
  Shard: 'shardId-000000000000',
  From: '1',
  To: '9',
  Readings: 60,
  WindowSeconds: 60,
};

const ROW = {
  Name: 'Shadowfax',
  StatusTime: '2026-11-20 09:17:00.000',
  Distance: 1789.25,
  MinMagicPoints: 108,
  MaxMagicPoints: 112,
  MinHealthPoints: 148,
  MaxHealthPoints: 151,
  Source: SOURCE,
};

/** A row with all fields in the canonical form. */
const CANONICAL =
  '{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Distance":1800.25,"MinMagicPoints":108,' +
  '"MaxMagicPoints":112,"MinHealthPoints":148,"MaxHealthPoints":151,"Source":{"Stream":' +
  '"arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes","Shard":"shardId-000000000000","From":"1","To":"9",' +
  '"DedupFrom":"0","Readings":60,"Duplicates":3,"WindowSeconds":60}}';

describe('rows', () => {
  test('are read', () => {
    const line = JSON.stringify(ROW);
    expect(parseRow(UNICORN, ` ${line}\r`)).toEqual({
      key: ['Shadowfax'],
      start: Date.UTC(2026, 10, 20, 9, 17),
      windowSeconds: 60,
      readings: 60,
      duplicates: 0,
      measures: [1_789_250_000, 108, 112, 148, 151],
      source: { stream: SOURCE.Stream, shard: SOURCE.Shard, from: '1', to: '9', dedupFrom: '1' },
    });
  });

  test('of duplicates alone have no measures', () => {
    const { Name, StatusTime } = ROW;
    const source = { ...SOURCE, From: '6', DedupFrom: '1', Readings: 0, Duplicates: 1 };
    const row = parseRow(UNICORN, JSON.stringify({ Name, StatusTime, Source: source }));
    expect(row).toMatchObject({ readings: 0, duplicates: 1, measures: undefined, source: { dedupFrom: '1' } });
    expect(row && formatRow(UNICORN, row)).toBe(
      '{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Source":{"Stream":' +
        '"arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes","Shard":"shardId-000000000000","From":"6","To":"9",' +
        '"DedupFrom":"1","Readings":0,"Duplicates":1,"WindowSeconds":60}}',
    );
  });

  test.each([
    CANONICAL,
    JSON.stringify(ROW),
    JSON.stringify({ ...ROW, Name: 'Ro\u00e7inante \u{1f984} "\\\u0001\n\u007f\u2028' }),
    CANONICAL.replace('1800.25', '9007199254.740993'),
    CANONICAL.replace('1800.25', '0.000001').replace('108', '-2147483648'),
  ])('are formatted in the canonical form: %s', (line) => {
    const row = parseRow(UNICORN, line);
    expect(row && formatRow(UNICORN, row)).toBe(line);
  });

  test('are hashed', () => {
    // printf %s LINE | sha256sum | head -c 16
    const hash = (line: string): string | undefined => {
      const row = parseRow(UNICORN, line);
      return row && hashRow(UNICORN, row);
    };
    expect(hash(CANONICAL)).toBe('963290212ed74c2b');
    expect(hash(CANONICAL.replace('Shadowfax', 'Ro\u00e7inante'))).toBe('4cc35daa07a5500a');
    expect(hash(` ${CANONICAL.replace('1800.25', '1.80025e3').replaceAll(',', ', ')}`)).toBe('963290212ed74c2b');
  });

  test('may be in another form', () => {
    const source = { ...SOURCE, Duplicates: null, DedupFrom: null };
    const line = JSON.stringify({ Unknown: { Distance: 1 }, ...ROW, Distance: 1e10, Source: source });
    expect(parseRow(UNICORN, line)).toMatchObject({ duplicates: 0, measures: [10n ** 16n, 108, 112, 148, 151] });
  });

  test('a record may hold many, and invalid ones are counted', () => {
    const line = JSON.stringify(ROW);
    const { rows, rejected } = parseRows(UNICORN, bytes(`${line}\n{}\n${line}\n`));
    expect(rows.length).toBe(2);
    expect(rejected).toBe(1);
  });

  test('watermarks are neither rows nor rejected', () => {
    const watermark = { Stream: SOURCE.Stream, Shard: SOURCE.Shard, Through: '2026-11-20 09:18:00.000' };
    const parse = (...lines: unknown[]) => parseRows(UNICORN, bytes(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
    expect(parse({ Watermark: watermark })).toEqual({ rows: [], rejected: 0 });
    expect(parse({ Watermark: watermark }, ROW)).toMatchObject({ rows: [{ readings: SOURCE.Readings }], rejected: 0 });
    for (const invalid of [
      { ...watermark, Stream: undefined },
      { ...watermark, Shard: 7 },
      { ...watermark, Through: 'now' },
      [watermark],
      'x',
    ]) {
      expect(parse({ Watermark: invalid })).toEqual({ rows: [], rejected: 1 });
    }
  });

  test.each([
    { Name: '' },
    { StatusTime: 'now' },
    { Distance: -1 },
    { Distance: undefined },
    { MinMagicPoints: 1.5 },
    { MaxMagicPoints: undefined },
    { MinHealthPoints: '1' },
    { MaxHealthPoints: null },
    { Distance: 1e33 },
    { Distance: 0.0000005 },
    { Source: undefined },
    { Source: [] },
    { Source: 'x' },
    { Source: { ...SOURCE, Readings: -1 } },
    { Source: { ...SOURCE, Readings: undefined }, Readings: 60 },
    { Source: { ...SOURCE, Readings: 0 } },
    { Source: { ...SOURCE, Readings: 1.5 } },
    { Source: { ...SOURCE, Duplicates: -1 } },
    { Source: { ...SOURCE, WindowSeconds: 0 } },
    { Source: { ...SOURCE, WindowSeconds: undefined }, WindowSeconds: 60 },
    { Source: { ...SOURCE, WindowSeconds: 4_294_967_296 } },
    { Source: { ...SOURCE, Stream: 7 } },
    { Source: { ...SOURCE, Shard: undefined } },
    { Source: { ...SOURCE, From: 1 } },
    { Source: { ...SOURCE, From: '01' } },
    { Source: { ...SOURCE, From: '10' } },
    { Source: { ...SOURCE, To: '1'.repeat(130) } },
    { Source: { ...SOURCE, DedupFrom: '1' } },
    { Source: { ...SOURCE, DedupFrom: '2' } },
    { Source: { ...SOURCE, DedupFrom: 'x' } },
  ])('rejected: %j', (change) => {
    expect(parseRow(UNICORN, JSON.stringify({ ...ROW, ...change }))).toBeUndefined();
  });

  describe('with parts', () => {
    const schema = parseSchema({
      key: [],
      time: 'Minute',
      measures: [
        { name: 'Mean', kind: 'average', type: 'number', scale: 2, places: 3, nullable: true },
        { name: 'Last', kind: 'last', type: 'text', nullable: true },
      ],
    });
    const mean = { Sum: 62, Count: 3 };
    const last = { SequenceNumber: '7', Index: 0, Time: '2026-11-20 09:17:08.189000001' };
    const line = (change: object = {}, parts: unknown = { Mean: mean, Last: last }): string =>
      JSON.stringify({ Minute: '2026-11-20 09:17:00.000', Mean: 20.667, Last: 'a', ...change, Source: { ...SOURCE, Parts: parts } });

    test('are read and written', () => {
      const row = parseRow(schema, line());
      expect(row?.measures).toEqual([
        { sum: 6_200, count: 3 },
        { value: 'a', sequenceNumber: '7', index: 0, time: '2026-11-20 09:17:08.189000001' },
      ]);
      expect(row && formatRow(schema, row)).toBe(line());
      const exact = line().replace('62', '9007199254740993.01').replace('20.667', '3002399751580331.003');
      expect(parseRow(schema, exact)?.measures?.[0]).toEqual({ sum: 900_719_925_474_099_301n, count: 3 });
    });

    test('may be of no values', () => {
      const none = line({ Mean: null, Last: null }, { Mean: { Sum: 0, Count: 0 } });
      expect(parseRow(schema, none)?.measures).toEqual([{ sum: 0, count: 0 }, null]);
    });

    test.each([
      [{ Mean: 20.666 }, undefined],
      [{ Mean: null }, undefined],
      [{}, null],
      [{}, 7],
      [{}, { Last: last }],
      [{}, { Mean: mean }],
      [{}, { Mean: { Sum: 62.001, Count: 3 }, Last: last }],
      [{}, { Mean: { Sum: 62, Count: -3 }, Last: last }],
      [{}, { Mean: { Sum: 62 }, Last: last }],
      [{}, { Mean: mean, Last: { ...last, SequenceNumber: '07' } }],
      [{}, { Mean: mean, Last: { ...last, Index: 0.5 } }],
      [{}, { Mean: mean, Last: { ...last, Time: 'now' } }],
    ])('rejected: %j %j', (change, parts) => {
      expect(parseRow(schema, line())).toBeDefined();
      expect(parseRow(schema, line(change, parts))).toBeUndefined();
    });
  });

  test('sequence numbers compare as numbers', () => {
    const ascending = [
      '0',
      '9',
      '10',
      '340282366920938463463374607431768211456',
      '49590338271490256608559692538361571095921575989136588898',
      '49590338271490256608559692538361571095921575989136588899',
      '149590338271490256608559692538361571095921575989136588898',
    ];
    expect([...ascending].reverse().sort(compareSequenceNumbers)).toEqual(ascending);
    expect(compareSequenceNumbers('7', '7')).toBe(0);
  });
});
