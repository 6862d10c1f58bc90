import type { Chart, Table, TableRow, TableView, WindowSummary } from '../protocol.ts';
import type { Schema } from '../schema.ts';
import type { Row } from '../wire/rows.ts';
import { displayValue, toDouble } from '../wire/values.ts';
import { type Key, Keys } from './keys.ts';
import { finishAll } from './merge.ts';
import { type Totals, Window } from './window.ts';

/** The memory limit for rows and keys, in bytes. */
const MAX_BYTES = 60_000_000;

/**
 * Over the limit, windows are dropped down to this share of it, so that not every row drops one.
 */
const KEPT_SHARE = 0.9;

/** How long rows are kept, in milliseconds before the newest arrival. */
const HOUR = 3_600_000;

/** How far ahead of the newest arrival a window may start, in milliseconds. */
const MAX_AHEAD = 600_000;

/** The window length to report before the first row, in seconds. */
const DEFAULT_WINDOW = 60;

/** The outcome of adding a row. */
export type AddResult = 'added' | 'known' | 'old' | 'rejected';

/** The most rows of a table that are sent at once. */
const MAX_TABLE_ROWS = 500;

/** The limits of {@link RecentWindows}. */
export interface Limits {
  /** Of the rows and keys. */
  readonly bytes?: number;
  readonly keys?: number;
}

/**
 * The windows of the last hour, and charts and tables of them.
 *
 * Rows may come in any order and more than once. They use at most about 60 MB: beyond that the
 * oldest windows are dropped. Time is the arrival time of records, so the page's own clock may be
 * wrong.
 */
export class RecentWindows {
  readonly #schema: Schema;
  readonly #maxBytes: number;
  readonly #keys: Keys;
  readonly #windows = new Map<string, Window>();
  #bytes = 0;
  #arrival = -Infinity;
  #newest: Window | undefined;
  /** When windows were last dropped to save memory, in milliseconds since the epoch. */
  #cutAt = -Infinity;

  constructor(schema: Schema, limits: Limits = {}) {
    this.#schema = schema;
    this.#maxBytes = limits.bytes ?? MAX_BYTES;
    this.#keys = new Keys(schema, limits.keys);
  }

  /** Approximate memory use of the rows and keys in bytes. */
  get bytes(): number {
    return this.#bytes + this.#keys.bytes;
  }

  /**
   * Advances the clock to `arrival`, in milliseconds since the epoch. Call it for each record
   * before its rows are added. Drops windows that ended more than an hour before the newest record.
   */
  advance(arrival: number): void {
    if (arrival <= this.#arrival) return;
    this.#arrival = arrival;
    const old = [...this.#windows.values()].filter((window) => this.#isOld(window.start, window.seconds));
    this.#drop(old);
  }

  /**
   * Adds a row, which arrived at `arrival`.
   *
   * A row is `old` if its window ended more than an hour ago. It is `rejected` if its window starts
   * more than ten minutes ahead, or if its key exceeds the limit on keys.
   */
  add(row: Row, arrival = this.#arrival): AddResult {
    if (this.#isOld(row.start, row.windowSeconds)) return 'old';
    if (row.start > this.#arrival + MAX_AHEAD) return 'rejected';
    const key = this.#keys.add(row.key, row.start);
    if (key === undefined) return 'rejected';
    const window = this.#windowOf(row);
    const before = window.bytes;
    if (!window.add(key.number, row, arrival)) return 'known';
    this.#bytes += window.bytes - before;
    if (this.bytes > this.#maxBytes) this.#dropOldest();
    return 'added';
  }

  /**
   * The windows of one key, or with `null` of all keys, oldest first.
   *
   * If there are windows of several lengths, only those as long as the newest are included; of
   * windows that start at the same time, the longest is the newest. Windows without readings are
   * omitted.
   */
  chart(text: string | null): Chart {
    const windows = this.#windowsOfOneLength();
    const key = text === null ? null : this.#keys.find(text);
    const points: { readonly window: Window; readonly totals: Totals }[] = [];
    for (const window of windows) {
      if (key === undefined) break;
      const totals = key === null ? window.all() : window.one(key.number);
      if (totals.readings > 0) points.push({ window, totals });
    }
    const values = points.map(({ totals }) => finishAll(this.#schema, totals.measures ?? []));
    const columns = this.#schema.measures;
    return {
      kind: 'chart',
      key: text,
      windowSeconds: windows[0]?.seconds ?? DEFAULT_WINDOW,
      start: points.map(({ window }) => window.start / 1000),
      measures: columns.map(({ type }, column) => values.map((one) => toDouble(type, one[column] ?? null))),
      newest: columns.map(({ type }, column) => displayValue(type, values.at(-1)?.[column] ?? null)),
      readings: points.map(({ totals }) => totals.readings),
      keys: points.map(({ totals }) => totals.keys),
      gap: points.map(({ totals }) => totals.gap),
      firstLag: points.map(({ window }) => lagOf(window, window.firstArrival)),
      lastLag: points.map(({ window }) => lagOf(window, window.lastArrival)),
    };
  }

  /** The rows of a table of the keys, each with its newest window. */
  table(view: TableView): Table {
    const windows = this.#windowsOfOneLength().reverse();
    const withReadings = windows.filter((window) => window.all().readings > 0);
    const keys = this.#keys.list(view.search);
    const first = Math.min(Math.max(0, view.first), keys.length);
    const shown = keys.slice(first, first + Math.min(view.count, MAX_TABLE_ROWS));
    return {
      kind: 'table',
      search: view.search,
      keys: this.#keys.size,
      matches: keys.length,
      first,
      newest: withReadings[0] === undefined ? null : summaryOf(withReadings[0]),
      windows: withReadings.length,
      gaps: withReadings.filter((window) => window.all().gap).length,
      isCut: this.#arrival - this.#cutAt < HOUR,
      windowSeconds: windows[0]?.seconds ?? DEFAULT_WINDOW,
      rows: shown.map((key) => this.#tableRow(key, windows)),
    };
  }

  /** `windows`: the newest first. */
  #tableRow(key: Key, windows: readonly Window[]): TableRow {
    const columns = this.#schema.key.map(({ type }, column) => displayValue(type, key.values[column] ?? null));
    for (const window of windows) {
      if (window.start > key.newest) continue;
      const { readings, measures, gap } = window.compute(key.number);
      if (measures === undefined) continue;
      const finished = finishAll(this.#schema, measures);
      const values = this.#schema.measures.map(({ type }, column) => displayValue(type, finished[column] ?? null));
      return { key: key.text, columns, start: window.start / 1000, readings, values, gap };
    }
    return { key: key.text, columns, start: null, readings: 0, values: [], gap: false };
  }

  #windowsOfOneLength(): Window[] {
    const windows = [...this.#windows.values()].sort((a, b) => a.start - b.start || a.seconds - b.seconds);
    const seconds = windows.at(-1)?.seconds;
    return windows.filter((window) => window.seconds === seconds);
  }

  #isOld(start: number, seconds: number): boolean {
    return start + seconds * 1000 <= this.#arrival - HOUR;
  }

  #windowOf(row: Row): Window {
    const newest = this.#newest;
    if (newest?.start === row.start && newest.seconds === row.windowSeconds) return newest;
    const key = keyOf(row.start, row.windowSeconds);
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = new Window(this.#schema, this.#keys, row.start, row.windowSeconds);
      this.#windows.set(key, window);
      this.#bytes += window.bytes;
    }
    this.#newest = window;
    return window;
  }

  #dropOldest(): void {
    this.#cutAt = this.#arrival;
    const oldestFirst = [...this.#windows.values()].sort((a, b) => a.start - b.start);
    for (const window of oldestFirst) {
      if (this.bytes <= this.#maxBytes * KEPT_SHARE) return;
      this.#drop([window]);
    }
  }

  /** Drops windows, and the keys that only they had. */
  #drop(windows: readonly Window[]): void {
    if (windows.length === 0) return;
    for (const window of windows) {
      this.#windows.delete(keyOf(window.start, window.seconds));
      this.#bytes -= window.bytes;
      if (this.#newest === window) this.#newest = undefined;
    }
    this.#keys.dropBefore([...this.#windows.values()].reduce((start, window) => Math.min(start, window.start), Infinity));
  }
}

function keyOf(start: number, seconds: number): string {
  return `${start} ${seconds}`;
}

function summaryOf(window: Window): WindowSummary {
  const { readings, keys } = window.all();
  const [firstLag, lastLag] = [lagOf(window, window.firstArrival), lagOf(window, window.lastArrival)];
  return { start: window.start / 1000, readings, keys, firstLag, lastLag };
}

/** The time from the end of a window to the arrival of a row, in seconds. */
function lagOf(window: Window, arrival: number): number {
  return arrival / 1000 - (window.start / 1000 + window.seconds);
}
