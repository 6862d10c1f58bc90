/**
 * The merge rule: which of a window's rows count. Mirrors `windrow_core::merge` and
 * `unicorn::merge`, and passes the same golden tests.
 *
 * Rows that do not overlap in the log cover different records, and the attempts that succeeded left
 * adjacent rows that together cover every record. So readers keep the non-overlapping rows that
 * cover the most records, duplicates included. Among equally good choices, the one that counts the
 * fewest readings is right, because a duplicate counts as a reading only if the attempt that wrote
 * the row did not have the reading in its dedup cache.
 */

import { compareSequenceNumbers, type Row, type SourceRange } from '../wire/rows.ts';

/** The fields of a row that the rule needs. */
export type LogRow = Pick<Row, 'source' | 'readings' | 'duplicates'>;

/** The rows that count. */
export interface Selection {
  /** Indices of the rows, in log order. */
  readonly rows: readonly number[];
  /** Whether they are known to cover every reading that any row covers. */
  readonly exact: boolean;
}

/** The totals of one unicorn and window, merged over all sources. */
export interface MergedRow {
  readonly name: string;
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly windowSeconds: number;
  readonly readings: number;
  /** In micrometres. */
  readonly distance: bigint;
  readonly minMagic: number;
  readonly maxMagic: number;
  readonly minHealth: number;
  readonly maxHealth: number;
  readonly exact: boolean;
}

/**
 * Merges rows by window and name. The result is sorted by start, name and window length.
 *
 * Rows may come in any order and more than once, but all rows of a window must be present.
 */
export function merge(rows: Iterable<Row>): MergedRow[] {
  const windows = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.start} ${row.windowSeconds} ${row.name}`;
    const known = windows.get(key);
    if (known === undefined) windows.set(key, [row]);
    else known.push(row);
  }
  const merged: MergedRow[] = [];
  for (const window of windows.values()) {
    const row = mergeWindow(window);
    if (row !== undefined) merged.push(row);
  }
  return merged.sort(
    (a, b) => a.start - b.start || compareText(a.name, b.name) || a.windowSeconds - b.windowSeconds,
  );
}

/** Merges the rows of one unicorn and window; `undefined` if no selected row has a reading. */
function mergeWindow(rows: readonly Row[]): MergedRow | undefined {
  let readings = 0;
  let distance = 0n;
  let minMagic = Infinity;
  let maxMagic = -Infinity;
  let minHealth = Infinity;
  let maxHealth = -Infinity;
  let exact = true;
  for (const log of byLog(rows)) {
    const selection = select(log);
    exact &&= selection.exact;
    for (const index of selection.rows) {
      const measures = log[index]?.measures;
      readings += log[index]?.readings ?? 0;
      if (measures === undefined) continue;
      distance += measures.distance;
      minMagic = Math.min(minMagic, measures.minMagic);
      maxMagic = Math.max(maxMagic, measures.maxMagic);
      minHealth = Math.min(minHealth, measures.minHealth);
      maxHealth = Math.max(maxHealth, measures.maxHealth);
    }
  }
  const first = rows[0];
  if (first === undefined || minMagic === Infinity) return undefined;
  const { name, start, windowSeconds } = first;
  return { name, start, windowSeconds, readings, distance, minMagic, maxMagic, minHealth, maxHealth, exact };
}

/** Groups rows by stream and shard. */
export function byLog<R extends { readonly source: SourceRange }>(rows: Iterable<R>): Iterable<readonly R[]> {
  const logs = new Map<string, R[]>();
  for (const row of rows) {
    const key = `${row.source.shard}\n${row.source.stream}`;
    const log = logs.get(key);
    if (log === undefined) logs.set(key, [row]);
    else log.push(row);
  }
  return logs.values();
}

/**
 * Selects the rows that count among those of one unicorn, window and shard.
 *
 * Rows may come in any order and more than once. Among equally good choices the widest rows win,
 * regardless of their order.
 */
export function select(rows: readonly LogRow[]): Selection {
  if (rows.length < 2) return { rows: rows.map((_, index) => index), exact: true };
  const sorted = rows.map((row, index) => ({ row, index })).sort((a, b) => compareRows(a.row, b.row));

  // Weighted interval scheduling. best[n] is the best coverage by the first n rows of `sorted`. If
  // row n is part of that choice, precedingCounts[n] is the number of rows that end before it
  // starts.
  let last = NO_COVERAGE;
  const best = [last];
  const precedingCounts: (number | undefined)[] = [];
  for (const { row } of sorted) {
    const preceding = countEndingBefore(sorted, row.source.from, precedingCounts.length);
    const withRow = extended(best[preceding] ?? NO_COVERAGE, row);
    const isBetter = compareCoverage(withRow, last) >= 0;
    precedingCounts.push(isBetter ? preceding : undefined);
    last = isBetter ? withRow : last;
    best.push(last);
  }

  const selected: number[] = [];
  let remaining = sorted.length;
  while (remaining > 0) {
    remaining -= 1;
    const preceding = precedingCounts[remaining];
    const candidate = sorted[remaining];
    if (preceding === undefined || candidate === undefined) continue;
    selected.push(candidate.index);
    remaining = preceding;
  }
  selected.reverse();
  const chosen = new Set(selected);
  const counting = rows.filter((_, index) => chosen.has(index));
  return { rows: selected, exact: rows.every((row) => isCovered(row, counting)) };
}

/** What a set of non-overlapping rows covers. */
interface Coverage {
  readonly records: number;
  readonly readings: number;
}

const NO_COVERAGE: Coverage = { records: 0, readings: 0 };

function extended(before: Coverage, row: LogRow): Coverage {
  return { records: before.records + row.readings + row.duplicates, readings: before.readings + row.readings };
}

/** Above 0 if `one` is better: more records, or as many records and fewer readings. */
function compareCoverage(one: Coverage, other: Coverage): number {
  return one.records - other.records || other.readings - one.readings;
}

/** By range end. Of rows with equal ends the widest sorts last, because the last of equals wins. */
function compareRows(one: LogRow, other: LogRow): number {
  return (
    compareSequenceNumbers(one.source.to, other.source.to) ||
    compareSequenceNumbers(other.source.from, one.source.from) ||
    compareSequenceNumbers(other.source.dedupFrom, one.source.dedupFrom) ||
    other.readings - one.readings
  );
}

/** How many of the first `count` rows end before `from`. `sorted` is sorted by range end. */
function countEndingBefore(sorted: readonly { readonly row: LogRow }[], from: string, count: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const to = sorted[middle]?.row.source.to;
    if (to !== undefined && compareSequenceNumbers(to, from) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Whether the selected rows cover everything that `row` covers. They do if those within its range
 * hold as many records, or if each end of its range is between `dedupFrom` and `to` of a selected
 * row.
 */
function isCovered(row: LogRow, selected: readonly LogRow[]): boolean {
  const { from, to } = row.source;
  let within = NO_COVERAGE;
  for (const other of selected) {
    if (compareSequenceNumbers(from, other.source.from) <= 0 && compareSequenceNumbers(other.source.to, to) <= 0) {
      within = extended(within, other);
    }
  }
  if (within.records === row.readings + row.duplicates) return true;
  const wasRead = (sequenceNumber: string): boolean =>
    selected.some(
      ({ source }) =>
        compareSequenceNumbers(source.dedupFrom, sequenceNumber) <= 0 &&
        compareSequenceNumbers(sequenceNumber, source.to) <= 0,
    );
  return wasRead(from) && wasRead(to);
}

function compareText(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
