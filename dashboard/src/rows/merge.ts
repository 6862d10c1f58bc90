/**
 * The merge rule: which of a window's rows count. The twin of `windrow_core::merge` and `unicorn::merge`,
 * held to the same golden vectors.
 *
 * Two rows that do not overlap hold different records, and the run of attempts that went through
 * left rows that, side by side, hold every record. So those are taken that do not overlap and hold the most
 * readings, repeats included; of choices that hold equally many, the one that counts the fewest,
 * since a repeat counts only in a row whose run had not seen the reading before.
 */

import { comparePositions, type Part, type Row } from '../wire/rows.ts';

/** What the rule looks at in a row. */
export type LogRow = Pick<Row, 'part' | 'readings' | 'repeats'>;

/** The rows that count. */
export interface Selection {
  /** Their indices, in the order of the log. */
  readonly rows: readonly number[];
  /** Whether they are known to hold every reading that any row holds. */
  readonly exact: boolean;
}

/** A unicorn's window as a reader sees it. */
export interface Minute {
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
 * Merges rows into minutes, by start, name and length.
 *
 * The rows may come in any order and more than once, but must be all there are of their windows.
 */
export function merge(rows: Iterable<Row>): Minute[] {
  const windows = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.start} ${row.windowSeconds} ${row.name}`;
    const known = windows.get(key);
    if (known === undefined) windows.set(key, [row]);
    else known.push(row);
  }
  const minutes: Minute[] = [];
  for (const window of windows.values()) {
    const minute = mergeWindow(window);
    if (minute !== undefined) minutes.push(minute);
  }
  return minutes.sort(
    (a, b) => a.start - b.start || compareText(a.name, b.name) || a.windowSeconds - b.windowSeconds,
  );
}

/** Merges the rows of one unicorn and window; `undefined` if none that counts has a reading. */
function mergeWindow(rows: readonly Row[]): Minute | undefined {
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
      const figures = log[index]?.figures;
      readings += log[index]?.readings ?? 0;
      if (figures === undefined) continue;
      distance += figures.distance;
      minMagic = Math.min(minMagic, figures.minMagic);
      maxMagic = Math.max(maxMagic, figures.maxMagic);
      minHealth = Math.min(minHealth, figures.minHealth);
      maxHealth = Math.max(maxHealth, figures.maxHealth);
    }
  }
  const first = rows[0];
  if (first === undefined || minMagic === Infinity) return undefined;
  const { name, start, windowSeconds } = first;
  return { name, start, windowSeconds, readings, distance, minMagic, maxMagic, minHealth, maxHealth, exact };
}

/** The rows of each stream and shard. */
export function byLog<R extends { readonly part: Part }>(rows: Iterable<R>): Iterable<readonly R[]> {
  const logs = new Map<string, R[]>();
  for (const row of rows) {
    const key = `${row.part.shard}\n${row.part.stream}`;
    const log = logs.get(key);
    if (log === undefined) logs.set(key, [row]);
    else log.push(row);
  }
  return logs.values();
}

/**
 * Picks among rows of one unicorn, window and shard those that count.
 *
 * The rows may come in any order, and twice. Of choices that are equally good the widest is picked,
 * whatever their order.
 */
export function select(rows: readonly LogRow[]): Selection {
  if (rows.length < 2) return { rows: rows.map((_, index) => index), exact: true };
  const sorted = rows.map((row, index) => ({ row, index })).sort((a, b) => compareRows(a.row, b.row));

  // best[n] is the best that can be made of the first n rows of `sorted`; taken[n] is, if row n is in
  // what is best up to it, how many rows end before it starts.
  let last = NOTHING;
  const best = [last];
  const taken: (number | undefined)[] = [];
  for (const { row } of sorted) {
    const disjoint = countBefore(sorted, row.part.from, taken.length);
    const together = held(best[disjoint] ?? NOTHING, row);
    const better = compareHeld(together, last) >= 0;
    taken.push(better ? disjoint : undefined);
    last = better ? together : last;
    best.push(last);
  }

  const selected: number[] = [];
  let place = sorted.length;
  while (place > 0) {
    place -= 1;
    const disjoint = taken[place];
    const candidate = sorted[place];
    if (disjoint === undefined || candidate === undefined) continue;
    selected.push(candidate.index);
    place = disjoint;
  }
  selected.reverse();
  const chosen = new Set(selected);
  const counting = rows.filter((_, index) => chosen.has(index));
  return { rows: selected, exact: rows.every((row) => isCovered(row, counting)) };
}

/** What rows that do not overlap hold together. */
interface Held {
  readonly records: number;
  readonly readings: number;
}

const NOTHING: Held = { records: 0, readings: 0 };

function held(before: Held, row: LogRow): Held {
  return { records: before.records + row.readings + row.repeats, readings: before.readings + row.readings };
}

/** Above 0 if `one` is better: the more records the better; then the fewer readings. */
function compareHeld(one: Held, other: Held): number {
  return one.records - other.records || other.readings - one.readings;
}

/** By their ends; of rows that end together the wider ones last, since the last of equals is taken. */
function compareRows(one: LogRow, other: LogRow): number {
  return (
    comparePositions(one.part.to, other.part.to) ||
    comparePositions(other.part.from, one.part.from) ||
    comparePositions(other.part.since, one.part.since) ||
    other.readings - one.readings
  );
}

/** How many of the first `count` rows, which are sorted by their ends, end before `from`. */
function countBefore(sorted: readonly { readonly row: LogRow }[], from: string, count: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const to = sorted[middle]?.row.part.to;
    if (to !== undefined && comparePositions(to, from) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Whether the selected rows hold what a row holds: if it has no more than those of them that lie within it, or
 * if both its ends lie in what their runs went through.
 */
function isCovered(row: LogRow, selected: readonly LogRow[]): boolean {
  const { from, to } = row.part;
  let within = NOTHING;
  for (const other of selected) {
    if (comparePositions(from, other.part.from) <= 0 && comparePositions(other.part.to, to) <= 0) {
      within = held(within, other);
    }
  }
  if (within.records === row.readings + row.repeats) return true;
  const wentThrough = (position: string): boolean =>
    selected.some(
      ({ part }) => comparePositions(part.since, position) <= 0 && comparePositions(position, part.to) <= 0,
    );
  return wentThrough(from) && wentThrough(to);
}

function compareText(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
