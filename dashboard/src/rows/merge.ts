/**
 * The merge rule: which of a window's rows count. Mirrors `windrow_core::merge` and
 * `windrow_core::row::merge`, and passes the same golden tests.
 *
 * Rows that do not overlap in the log cover different records, and the attempts that succeeded left
 * adjacent rows that together cover every record. So readers keep the non-overlapping rows that
 * cover the most readings, duplicates included. Among equally good choices, the one that counts the
 * fewest readings is right, because a duplicate counts as a reading only if the attempt that wrote
 * the row did not have the reading in its dedup cache. If that leaves several choices, every reader
 * takes the one whose rows have the smallest hashes, compared from the end of the log backwards.
 */

import type { Schema } from '../schema.ts';
import { finish, type Measure, mergeMeasures, type MergeScope } from '../wire/measures.ts';
import { hashRow, keyText, type Row } from '../wire/rows.ts';
import { compareSequenceNumbers, type SourceRange } from '../wire/source.ts';
import { compareValues, type Value } from '../wire/values.ts';
import { type CountedRow, coveredBy, isGapProven } from './gap.ts';

/** What the rule needs of a row. */
export interface LogRow extends CountedRow {
  /** The hash of the whole row. Called only if a tie needs it. */
  readonly hash: () => string;
}

/** The rows that count. */
export interface Selection {
  /** Indices of the rows, in log order. */
  readonly rows: readonly number[];
  /**
   * Whether the rows prove that records of the window are missing from those that count. `false` is
   * no proof of completeness.
   */
  readonly gap: boolean;
}

/** The totals of one key and window, merged over all sources. */
export interface MergedRow {
  readonly key: readonly Value[];
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly windowSeconds: number;
  readonly readings: number;
  /** The finished measures, one per column. */
  readonly measures: readonly Value[];
  /** Whether the rows prove that some readings are missing. */
  readonly gap: boolean;
}

/**
 * Merges rows by window and key. The result is sorted by start, key and window length.
 *
 * Rows may come in any order and more than once, but all rows of a window must be present.
 */
export function merge(schema: Schema, rows: Iterable<Row>): MergedRow[] {
  const windows = new Map<string, Row[]>();
  for (const row of rows) {
    const window = `${row.start} ${row.windowSeconds} ${keyText(schema, row.key)}`;
    const known = windows.get(window);
    if (known === undefined) windows.set(window, [row]);
    else known.push(row);
  }
  const merged = [...windows.values()].flatMap((window) => mergeWindow(schema, window) ?? []);
  return merged.sort((a, b) => a.start - b.start || compareKeys(a.key, b.key) || a.windowSeconds - b.windowSeconds);
}

/** Merges the rows of one key and window; `undefined` if no selected row has a reading. */
function mergeWindow(schema: Schema, rows: readonly Row[]): MergedRow | undefined {
  let readings = 0;
  let measures: readonly Measure[] | undefined;
  let gap = false;
  for (const log of byLog(rows)) {
    const selection = select(log.map((row) => ({ ...row, hash: () => hashRow(schema, row) })));
    gap ||= selection.gap;
    let ofShard: readonly Measure[] | undefined;
    for (const index of selection.rows) {
      readings += log[index]?.readings ?? 0;
      ofShard = mergeAll(schema, 'one shard', ofShard, log[index]?.measures);
    }
    measures = mergeAll(schema, 'several shards', measures, ofShard);
  }
  const first = rows[0];
  if (first === undefined || measures === undefined) return undefined;
  const { key, start, windowSeconds } = first;
  return { key, start, windowSeconds, readings, measures: finishAll(schema, measures), gap };
}

/** The measures of the readings of both. `undefined` are those of no readings. */
export function mergeAll(
  schema: Schema,
  scope: MergeScope,
  ones: readonly Measure[] | undefined,
  others: readonly Measure[] | undefined,
): readonly Measure[] | undefined {
  if (ones === undefined || others === undefined) return ones ?? others;
  return schema.measures.map((column, index) => mergeMeasures(column, scope, ones[index] ?? null, others[index] ?? null));
}

/** The finished values of all measures. */
export function finishAll(schema: Schema, measures: readonly Measure[]): readonly Value[] {
  return schema.measures.map((column, index) => finish(column, measures[index] ?? null));
}

/** Compares two keys, column by column: below 0 if `one` comes first. */
export function compareKeys(one: readonly Value[], other: readonly Value[]): number {
  for (const [index, value] of one.entries()) {
    const order = compareValues(value, other[index] ?? null);
    if (order !== 0) return order;
  }
  return 0;
}

/** Groups rows by stream, which is an ARN, and shard. */
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
 * Selects the rows that count among those of one key, window and shard.
 *
 * Rows may come in any order and more than once: the selected rows are the same.
 */
export function select(rows: readonly LogRow[]): Selection {
  const sorted = rows
    .map((row, index) => ({ row, index }))
    .sort((a, b) => compareSequenceNumbers(a.row.source.to, b.row.source.to));
  const hashOf = memoized((index: number) => rows[index]?.hash() ?? '');

  // Weighted interval scheduling. best[n] is the best choice among the first n rows of `sorted`.
  let last: Choice | undefined;
  const best: (Choice | undefined)[] = [last];
  for (const [position, { row, index }] of sorted.entries()) {
    const previous = best[countEndingBefore(sorted, row.source.from, position)];
    const withRow: Choice = {
      index,
      previous,
      covered: (previous?.covered ?? 0) + coveredBy(row),
      readings: (previous?.readings ?? 0) + row.readings,
    };
    if (isBetter(withRow, last, hashOf)) last = withRow;
    best.push(last);
  }

  const selected: number[] = [];
  for (let choice = last; choice !== undefined; choice = choice.previous) selected.push(choice.index);
  selected.reverse();
  return { rows: selected, gap: isGapProven(rows, last?.covered ?? 0) };
}

/** Non-overlapping rows: the last of them, and the choice before it. */
interface Choice {
  /** The index of the last row. */
  readonly index: number;
  readonly previous: Choice | undefined;
  /** The readings of all the rows, duplicates included. */
  readonly covered: number;
  /** The distinct readings of all the rows. */
  readonly readings: number;
}

/**
 * Whether `one` is better: it covers more readings, or as many with fewer distinct ones, or as many
 * of both and has the smaller hash at the first difference from the end of the log.
 */
function isBetter(one: Choice, other: Choice | undefined, hashOf: (index: number) => string): boolean {
  if (other === undefined || one.covered !== other.covered) return one.covered > (other?.covered ?? 0);
  if (one.readings !== other.readings) return one.readings < other.readings;
  let [a, b]: (Choice | undefined)[] = [one, other];
  while (a !== undefined && b !== undefined && a !== b) {
    if (a.index !== b.index && hashOf(a.index) !== hashOf(b.index)) return hashOf(a.index) < hashOf(b.index);
    a = a.previous;
    b = b.previous;
  }
  return false;
}

function memoized(compute: (index: number) => string): (index: number) => string {
  const known: string[] = [];
  return (index) => (known[index] ??= compute(index));
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
