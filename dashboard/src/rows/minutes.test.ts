import { describe, expect, test } from 'vitest';

import { seeded } from '../stream/virtual.testing.ts';
import { Names } from '../wire/names.ts';
import type { Row } from '../wire/rows.ts';
import { merge } from './merge.ts';
import { Minutes } from './minutes.ts';

const START = Date.UTC(2026, 10, 20, 9, 0);
const MINUTE = 60_000;

function row(change: Partial<Row> = {}, part: Partial<Row['part']> = {}): Row {
  return {
    name: 'Shadowfax',
    start: START,
    windowSeconds: 60,
    readings: 60,
    repeats: 0,
    figures: { distance: 1_800_000_000n, minMagic: 108, maxMagic: 112, minHealth: 148, maxHealth: 151 },
    part: { stream: 'wildrydes', shard: 'shardId-000000000000', from: '1', to: '9', since: '1', ...part },
    ...change,
  };
}

function withRows(rows: readonly Row[], arrival = START + MINUTE): Minutes {
  const minutes = new Minutes();
  minutes.advance(arrival);
  for (const one of rows) minutes.add(one);
  return minutes;
}

describe('charts', () => {
  test('of nothing are empty', () => {
    expect(new Minutes().chart(null)).toMatchObject({ windowSeconds: 60, start: [], unicorns: [] });
    expect(withRows([row()]).chart('Franky')).toMatchObject({ name: 'Franky', start: [] });
  });

  test('of one unicorn, and of the fleet', () => {
    const figures = { distance: 1n, minMagic: 90, maxMagic: 109, minHealth: 150, maxHealth: 160 };
    const minutes = withRows([
      row({ start: START + 2 * MINUTE }),
      row(),
      row({ name: 'Franky', readings: 1, figures }),
    ]);
    expect(minutes.chart('Shadowfax')).toEqual({
      kind: 'chart',
      name: 'Shadowfax',
      windowSeconds: 60,
      start: [START / 1000, START / 1000 + 120],
      distance: [1800, 1800],
      minMagic: [108, 108],
      maxMagic: [112, 112],
      minHealth: [148, 148],
      maxHealth: [151, 151],
      readings: [60, 60],
      unicorns: [1, 1],
    });
    expect(minutes.chart(null)).toMatchObject({
      name: null,
      distance: [1800.000001, 1800],
      minMagic: [90, 108],
      maxMagic: [112, 112],
      minHealth: [148, 148],
      maxHealth: [160, 151],
      readings: [61, 60],
      unicorns: [2, 1],
    });
  });

  test('change with the rows', () => {
    const minutes = withRows([row({}, { to: '5' })]);
    expect(minutes.chart(null).readings).toEqual([60]);
    expect(minutes.chart('Shadowfax').readings).toEqual([60]);
    expect(minutes.add(row({ readings: 10 }, { from: '6' }))).toBe('added');
    expect(minutes.chart(null)).toMatchObject({ readings: [70], unicorns: [1] });
    expect(minutes.chart('Shadowfax').readings).toEqual([70]);
  });

  test('do not count what came again or failed', () => {
    const minutes = withRows([row(), row({ readings: 30 }, { to: '5' }), row()]);
    expect(minutes.add(row())).toBe('known');
    expect(minutes.chart(null)).toMatchObject({ readings: [60], distance: [1800] });
  });

  test('find each of many unicorns', () => {
    const names = Array.from({ length: 3_000 }, (_, place) => `unicorn ${place}`);
    const minutes = withRows([]);
    for (const [place, name] of names.entries()) {
      minutes.add(row({ name, readings: place + 1 }));
      if (minutes.add(row({ name, readings: place + 1 })) !== 'known') expect.fail(name);
    }
    const found = names.filter((name, place) => minutes.chart(name).readings[0] === place + 1);
    expect(found).toEqual(names);
    expect(minutes.chart(null).unicorns).toEqual([3_000]);
  });

  test.each([
    ['since', { since: '0' }],
    ['stream', { stream: 'other' }],
    ['shard', { shard: 'other' }],
    ['from', { from: '2' }],
    ['to', { to: '10' }],
  ])('tell parts apart by %s', (_, part) => {
    expect(withRows([row()]).add(row({}, part))).toBe('added');
  });

  test('leave windows of repeats alone out', () => {
    const alone = row({ readings: 0, repeats: 1, figures: undefined }, { from: '6', since: '1' });
    expect(withRows([alone]).chart(null).start).toEqual([]);
    expect(withRows([alone]).chart('Shadowfax').start).toEqual([]);
    expect(withRows([alone, row({}, { to: '5' })]).chart(null)).toMatchObject({ readings: [60], minMagic: [108] });
  });

  test('have windows as long as the newest', () => {
    const minutes = withRows([row(), row({ windowSeconds: 5, start: START + 5_000 })]);
    expect(minutes.chart(null)).toMatchObject({ windowSeconds: 5, start: [START / 1000 + 5] });
    minutes.add(row({ start: START + MINUTE }));
    expect(minutes.chart(null)).toMatchObject({ windowSeconds: 60, start: [START / 1000, START / 1000 + 60] });
  });
});

describe('bounds', () => {
  test('an hour is kept, by the arrival of the newest record', () => {
    const minutes = withRows([row()]);
    minutes.advance(START + MINUTE + 60 * MINUTE - 1);
    expect(minutes.chart(null).start.length).toBe(1);
    minutes.advance(START + MINUTE + 60 * MINUTE);
    expect(minutes.chart(null).start.length).toBe(0);
    expect(minutes.bytes).toBe(0);
    expect(minutes.add(row())).toBe('old');
    // A record of another shard may be older.
    minutes.advance(START);
    expect(minutes.add(row())).toBe('old');
  });

  test('a window far ahead is rejected', () => {
    const minutes = withRows([], START);
    expect(minutes.add(row({ start: START + 10 * MINUTE }))).toBe('added');
    expect(minutes.add(row({ start: START + 10 * MINUTE + 1 }))).toBe('rejected');
  });

  test('names beyond what may be kept are rejected', () => {
    const minutes = new Minutes(new Names(1));
    minutes.advance(START);
    expect(minutes.add(row())).toBe('added');
    expect(minutes.add(row({ name: 'Franky' }))).toBe('rejected');
  });

  test('beyond the memory the oldest windows are dropped', () => {
    const minutes = new Minutes(new Names(), 1_000_000);
    minutes.advance(START + 30 * MINUTE);
    for (let window = 0; window < 30; window += 1) {
      for (let unicorn = 0; unicorn < 1_000; unicorn += 1) {
        minutes.add(row({ name: String(unicorn), start: START + window * MINUTE }));
      }
      expect(minutes.bytes).toBeLessThanOrEqual(1_000_000);
    }
    const { start, unicorns } = minutes.chart(null);
    expect(start.length).toBeGreaterThan(8);
    expect(start.length).toBeLessThan(25);
    expect(start.at(-1)).toBe(START / 1000 + 29 * 60);
    expect(unicorns.every((count) => count === 1_000)).toBe(true);
  });

  test('even the only one, which then starts anew', () => {
    const minutes = new Minutes(new Names(), 100_000);
    minutes.advance(START);
    for (let unicorn = 0; unicorn < 5_000; unicorn += 1) minutes.add(row({ name: String(unicorn) }));
    expect(minutes.bytes).toBeLessThanOrEqual(100_000);
    expect(minutes.chart('4999').readings).toEqual([60]);
  });

  test('even a flood of parts and windows', () => {
    const minutes = new Minutes(new Names(), 1_000_000);
    minutes.advance(START + 1_000_000);
    for (let number = 0; number < 5_000; number += 1) {
      const part = { stream: 'x'.repeat(100), from: '0', since: '0', to: String(number) };
      minutes.add(row({ start: START + number }, part));
      if (number % 100 === 0) expect(minutes.bytes).toBeLessThanOrEqual(1_000_000);
    }
  });
});

test('charts are what the merge of all rows is', () => {
  for (let seed = 0; seed < 25; seed += 1) {
    const random = seeded(seed);
    const below = (end: number): number => Math.floor(random() * end);
    const names = Array.from({ length: 40 }, (_, place) => `unicorn ${place}`);
    const rows = new Map<string, Row>();
    const minutes = withRows([]);
    for (let step = 0; step < 400; step += 1) {
      const from = 1 + below(20);
      const to = from + below(10);
      const since = Math.max(0, from - below(2) * below(9));
      const readings = below(5);
      const magic = below(100);
      const figures = {
        distance: BigInt(below(1e9)),
        minMagic: magic,
        maxMagic: magic + below(9),
        minHealth: -below(50),
        maxHealth: below(50),
      };
      const made = row(
        {
          name: names[below(names.length)] ?? '',
          start: START + below(3) * MINUTE,
          readings,
          repeats: below(2) + (readings === 0 ? 1 : 0),
          figures: readings === 0 ? undefined : figures,
        },
        { shard: String(below(2)), from: String(from), to: String(to), since: String(since) },
      );
      // A row never changes: of one key there is one.
      const key = JSON.stringify([made.name, made.start, made.part]);
      const known = rows.get(key) ?? made;
      rows.set(key, known);
      minutes.add(known);
      if (below(50) > 0) continue;

      const merged = merge(rows.values());
      const name = names[below(names.length)] ?? '';
      const own = merged.filter((minute) => minute.name === name);
      expect(minutes.chart(name)).toMatchObject({
        start: own.map((minute) => minute.start / 1000),
        distance: own.map((minute) => Number(minute.distance) / 1e6),
        minMagic: own.map((minute) => minute.minMagic),
        maxHealth: own.map((minute) => minute.maxHealth),
        readings: own.map((minute) => minute.readings),
      });
      const starts = [...new Set(merged.map((minute) => minute.start))];
      const ofWindow = (start: number) => merged.filter((minute) => minute.start === start);
      expect(minutes.chart(null)).toMatchObject({
        start: starts.map((start) => start / 1000),
        distance: starts.map((start) => Number(ofWindow(start).reduce((sum, one) => sum + one.distance, 0n)) / 1e6),
        maxMagic: starts.map((start) => Math.max(...ofWindow(start).map((minute) => minute.maxMagic))),
        minHealth: starts.map((start) => Math.min(...ofWindow(start).map((minute) => minute.minHealth))),
        readings: starts.map((start) => ofWindow(start).reduce((sum, minute) => sum + minute.readings, 0)),
        unicorns: starts.map((start) => ofWindow(start).length),
      });
    }
  }
});
