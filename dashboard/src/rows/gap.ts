/**
 * Whether rows prove that records are missing from a selection. Mirrors `windrow_core::merge`.
 *
 * How many readings each record of the log holds is unknown, but every row fixes the number in its
 * range. The lowest total that fits all rows is a longest path: between two places in the log lie
 * at least zero readings, and between the ends of a row exactly as many as it covers, so at most
 * as many backwards.
 */

import type { Row } from '../wire/rows.ts';

/** The fields of a row that matter for gaps. */
export type CountedRow = Pick<Row, 'source' | 'readings' | 'duplicates'>;

/** The number of readings in a row's range, duplicates included. */
export function coveredBy(row: CountedRow): number {
  return row.readings + row.duplicates;
}

/**
 * Whether the ranges of one key, window and shard hold more readings than `selected`,
 * duplicates included. `false` if the rows contradict each other, as rows of different data do.
 */
export function isGapProven(rows: readonly CountedRow[], selected: number): boolean {
  const all = rows.reduce((sum, row) => sum + coveredBy(row), 0);
  if (all === selected) return false;
  const lowest = lowestTotal(rows);
  return lowest !== undefined && lowest > selected;
}

/**
 * The lowest number of readings, duplicates included, that fits every row; `undefined` if the rows
 * contradict each other.
 */
export function lowestTotal(rows: readonly CountedRow[]): number | undefined {
  const { ranges, count } = numberPlaces(rows);
  // lowest[n] is the lowest number of readings in front of place n.
  const lowest = new Float64Array(count);
  // Without a contradiction, no path needs to visit a place twice.
  for (let round = 0; round <= count; round += 1) {
    let hasChanged = false;
    const raise = (place: number, readings: number): void => {
      if (readings <= (lowest[place] ?? 0)) return;
      lowest[place] = readings;
      hasChanged = true;
    };
    for (let place = 1; place < count; place += 1) raise(place, lowest[place - 1] ?? 0);
    for (const { from, to, covered } of ranges) {
      raise(to, (lowest[from] ?? 0) + covered);
      raise(from, (lowest[to] ?? 0) - covered);
    }
    if (!hasChanged) return lowest[count - 1] ?? 0;
  }
  return undefined;
}

/** What a row covers, from one place to another. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly covered: number;
}

/**
 * The ranges of rows between places, and how many places there are. A place is in front of a
 * record, so ranges that follow each other without a hole share one. Places are numbered in the
 * order of the log.
 */
function numberPlaces(rows: readonly CountedRow[]): { readonly ranges: readonly Range[]; readonly count: number } {
  // Sequence numbers can exceed 128 bits.
  const ends = rows.map((row) => ({
    from: BigInt(row.source.from),
    to: BigInt(row.source.to) + 1n,
    covered: coveredBy(row),
  }));
  const places = [...new Set(ends.flatMap(({ from, to }) => [from, to]))];
  places.sort((a, b) => (a < b ? -1 : 1));
  const numbers = new Map(places.map((place, number) => [place, number]));
  const numberOf = (place: bigint): number => numbers.get(place) ?? 0;
  const ranges = ends.map(({ from, to, covered }) => ({ from: numberOf(from), to: numberOf(to), covered }));
  return { ranges, count: places.length };
}
