import { describe, expect, test } from 'vitest';

import golden from '../../../tests/golden/merge.json';
import { seeded } from '../stream/virtual.testing.ts';
import { formatMetres } from '../wire/distance.ts';
import { comparePositions, parseRow, type Row } from '../wire/rows.ts';
import { type LogRow, merge, type Minute, select } from './merge.ts';

function told(minute: Minute): object {
  return {
    Name: minute.name,
    StatusTime: new Date(minute.start).toISOString().replace('T', ' ').replace('Z', ''),
    Distance: JSON.parse(formatMetres(minute.distance)),
    MinMagicPoints: minute.minMagic,
    MaxMagicPoints: minute.maxMagic,
    MinHealthPoints: minute.minHealth,
    MaxHealthPoints: minute.maxHealth,
    Readings: minute.readings,
    WindowSeconds: minute.windowSeconds,
    Exact: minute.exact,
  };
}

describe('golden vectors', () => {
  test.each(golden)('$case', ({ rows: lines, minutes }) => {
    const rows = lines.map((line) => {
      const row = parseRow(JSON.stringify(line));
      if (row === undefined) throw new Error(JSON.stringify(line));
      return row;
    });
    expect(merge(rows).map(told)).toEqual(minutes);
    expect(merge([...rows].reverse()).map(told)).toEqual(minutes);
  });

  test('are there', () => {
    expect(golden.length).toBeGreaterThan(10);
  });
});

function row(from: number, to: number, readings: number, repeats = 0, since = from): LogRow {
  const part = { stream: 'a', shard: 'b', from: String(from), to: String(to), since: String(since) };
  return { part, readings, repeats };
}

function overlap(one: LogRow, other: LogRow): boolean {
  return comparePositions(one.part.from, other.part.to) <= 0 && comparePositions(other.part.from, one.part.to) <= 0;
}

interface Sums {
  records: number;
  readings: number;
}

function sums(rows: readonly LogRow[]): Sums {
  const total = { records: 0, readings: 0 };
  for (const { readings, repeats } of rows) {
    total.records += readings + repeats;
    total.readings += readings;
  }
  return total;
}

/** The best of all sets of rows that do not overlap. */
function exhaustive(rows: readonly LogRow[]): Sums {
  let best: Sums = { records: 0, readings: 0 };
  for (let set = 0; set < 1 << rows.length; set += 1) {
    const chosen = rows.filter((_, place) => (set & (1 << place)) !== 0);
    if (chosen.some((one, place) => chosen.slice(place + 1).some((other) => overlap(one, other)))) continue;
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

test('of rows that hold as much the widest is picked, in any order', () => {
  const [narrow, wide] = [row(3, 5, 10), row(1, 9, 10)];
  expect(select([narrow, wide]).rows).toEqual([1]);
  expect(select([wide, narrow]).rows).toEqual([0]);
});

describe('against all sets', () => {
  test('what is picked holds as much as the best set, and does not overlap', () => {
    const random = seeded(7);
    for (let round = 0; round < 1_000; round += 1) {
      const rows = randomRows(random);
      const picked = select(rows).rows.flatMap((place) => rows[place] ?? []);
      for (const [place, one] of picked.entries()) {
        const next = picked[place + 1];
        if (next !== undefined && overlap(one, next)) expect.fail(JSON.stringify(rows));
      }
      expect(sums(picked)).toEqual(exhaustive(rows));
    }
  });

  test('order does not matter', () => {
    const random = seeded(8);
    for (let round = 0; round < 1_000; round += 1) {
      const rows = randomRows(random);
      const shuffled = rows
        .map((value) => ({ value, place: random() }))
        .sort((a, b) => a.place - b.place)
        .map(({ value }) => value);
      const pick = (of: readonly LogRow[]): unknown => {
        const { rows: places, exact } = select(of);
        return { exact, rows: places.map((place) => of[place]) };
      };
      expect(pick(shuffled)).toEqual(pick(rows));
    }
  });
});

/**
 * A log of records with one reading each, of which some were sent before. One run of attempts went through, cut
 * anywhere; any number of failed attempts left rows of intervals of their own.
 */
test('whatever failed attempts leave, each distinct reading counts once', () => {
  const random = seeded(9);
  const below = (end: number): number => Math.floor(random() * end);
  for (let round = 0; round < 1_000; round += 1) {
    const log = Array.from({ length: 1 + below(20) }, () => below(25));
    /** The row of the records `from` to `to`, by a run that remembers from `since` on. */
    const fold = (from: number, to: number, since: number): Row => {
      const seen = new Set(log.slice(since, from));
      const distinct = new Set<number>();
      let repeats = 0;
      for (const reading of log.slice(from, to + 1)) {
        if (seen.has(reading) || distinct.has(reading)) repeats += 1;
        else distinct.add(reading);
      }
      const distance = [...distinct].reduce((sum, reading) => sum + 10n ** BigInt(reading % 20), 0n);
      const figures = { distance, minMagic: 1, maxMagic: 2, minHealth: 3, maxHealth: 4 };
      const part = { stream: 'a', shard: 'b', from: String(from), to: String(to), since: String(since) };
      const readings = distinct.size;
      const all = { name: 'x', start: 0, windowSeconds: 60, readings, repeats, part };
      return { ...all, figures: readings > 0 ? figures : undefined };
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
      expect.objectContaining({ readings: whole.readings, distance: whole.figures?.distance, exact: true }),
    ]);
  }
});
