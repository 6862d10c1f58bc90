/**
 * Finds gaps: records that some row counted, but that none of the rows that count covers. Mirrors
 * `windrow_core::merge`.
 *
 * How many records there are at each sequence number is unknown, but every row says how many there
 * are in its range. If even the lowest total that is consistent with every row is more than what
 * the chosen rows cover, records are missing. That total is the longest path through the bounds of
 * the ranges.
 */

import { compareSequenceNumbers, type Row } from '../wire/rows.ts';

/** The fields of a row that matter for gaps. */
export type CountedRow = Pick<Row, 'source' | 'readings' | 'duplicates'>;

/** How many records a row covers. */
export function recordsOf(row: CountedRow): number {
  return row.readings + row.duplicates;
}

/**
 * The lowest number of records that is consistent with every row of one unicorn, window and shard;
 * `undefined` if the rows contradict each other.
 */
export function lowestRecords(rows: readonly CountedRow[]): number | undefined {
  const points = new Points(rows);
  // lowest[n] is the lowest number of records before point n.
  const lowest = new Float64Array(points.count);
  for (let round = 0; round < points.count; round += 1) {
    let isStable = true;
    const raise = (point: number, records: number): void => {
      if (records <= (lowest[point] ?? 0)) return;
      lowest[point] = records;
      isStable = false;
    };
    for (let point = 1; point < points.count; point += 1) raise(point, lowest[point - 1] ?? 0);
    for (const row of rows) {
      const [before, after] = [points.before(row.source.from), points.after(row.source.to)];
      raise(after, (lowest[before] ?? 0) + recordsOf(row));
      raise(before, (lowest[after] ?? 0) - recordsOf(row));
    }
    if (isStable) return lowest[points.count - 1] ?? 0;
  }
  return rows.length === 0 ? 0 : undefined;
}

/** The points before the first and after the last record of each row, numbered in log order. */
class Points {
  readonly #before = new Map<string, number>();
  readonly #after = new Map<string, number>();
  readonly count: number;

  constructor(rows: readonly CountedRow[]) {
    for (const { source } of rows) {
      this.#before.set(source.from, 0);
      this.#after.set(source.to, 0);
    }
    const sequenceNumbers = new Set([...this.#before.keys(), ...this.#after.keys()]);
    let count = 0;
    for (const sequenceNumber of [...sequenceNumbers].sort(compareSequenceNumbers)) {
      for (const points of [this.#before, this.#after]) {
        if (!points.has(sequenceNumber)) continue;
        points.set(sequenceNumber, count);
        count += 1;
      }
    }
    this.count = count;
  }

  before(from: string): number {
    return this.#before.get(from) ?? 0;
  }

  after(to: string): number {
    return this.#after.get(to) ?? 0;
  }
}
