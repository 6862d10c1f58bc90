import type { Chart } from '../protocol.ts';
import { formatMetres } from '../wire/distance.ts';
import { Names } from '../wire/names.ts';
import type { Row } from '../wire/rows.ts';
import type { Totals } from './source_rows.ts';
import { Window } from './window.ts';

/** The memory limit for rows, in bytes. */
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

/**
 * The windows of the last hour, and charts of them.
 *
 * Rows may come in any order and more than once. They use at most about 60 MB: beyond that the
 * oldest windows are dropped. Time is the arrival time of records, so the page's own clock may be
 * wrong.
 */
export class RecentWindows {
  readonly #names: Names;
  readonly #maxBytes: number;
  readonly #windows = new Map<string, Window>();
  #bytes = 0;
  #arrival = -Infinity;
  #newest: Window | undefined;

  constructor(names = new Names(), maxBytes = MAX_BYTES) {
    this.#names = names;
    this.#maxBytes = maxBytes;
  }

  /** Approximate memory use of the rows in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Advances the clock to `arrival`, in milliseconds since the epoch. Call it for each record
   * before its rows are added. Drops windows that ended more than an hour before the newest record.
   */
  advance(arrival: number): void {
    if (arrival <= this.#arrival) return;
    this.#arrival = arrival;
    for (const [key, window] of this.#windows) {
      if (this.#isOld(window.start, window.seconds)) this.#drop(key, window);
    }
  }

  /**
   * Adds a row.
   *
   * A row is `old` if its window ended more than an hour ago. It is `rejected` if its window starts
   * more than ten minutes ahead, or if its name exceeds the limit on names.
   */
  add(row: Row): AddResult {
    if (this.#isOld(row.start, row.windowSeconds)) return 'old';
    if (row.start > this.#arrival + MAX_AHEAD) return 'rejected';
    const unicorn = this.#names.number(row.name);
    if (unicorn === undefined) return 'rejected';
    const window = this.#windowOf(row);
    const before = window.bytes;
    if (!window.add(unicorn, row)) return 'known';
    this.#bytes += window.bytes - before;
    if (this.#bytes > this.#maxBytes) this.#dropOldest();
    return 'added';
  }

  /**
   * The windows of one unicorn, or with `null` of the whole fleet, oldest first.
   *
   * If there are windows of several lengths, only those as long as the newest are included; of
   * windows that start at the same time, the longest is the newest. Windows without readings are
   * omitted.
   */
  chart(name: string | null): Chart {
    const windows = this.#windowsOfOneLength();
    const unicorn = name === null ? null : this.#names.find(name);
    const points: { readonly start: number; readonly totals: Totals }[] = [];
    for (const window of windows) {
      if (unicorn === undefined) break;
      const totals = unicorn === null ? window.fleet() : window.one(unicorn);
      if (totals.readings > 0) points.push({ start: window.start / 1000, totals });
    }
    return {
      kind: 'chart',
      name,
      windowSeconds: windows[0]?.seconds ?? DEFAULT_WINDOW,
      start: points.map(({ start }) => start),
      distance: points.map(({ totals }) => Number(formatMetres(totals.distance))),
      minMagic: points.map(({ totals }) => totals.minMagic),
      maxMagic: points.map(({ totals }) => totals.maxMagic),
      minHealth: points.map(({ totals }) => totals.minHealth),
      maxHealth: points.map(({ totals }) => totals.maxHealth),
      readings: points.map(({ totals }) => totals.readings),
      unicorns: points.map(({ totals }) => totals.unicorns),
      gap: points.map(({ totals }) => totals.gap),
    };
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
      window = new Window(row.start, row.windowSeconds, this.#names);
      this.#windows.set(key, window);
      this.#bytes += window.bytes;
    }
    this.#newest = window;
    return window;
  }

  #dropOldest(): void {
    const oldestFirst = [...this.#windows.values()].sort((a, b) => a.start - b.start);
    for (const window of oldestFirst) {
      if (this.#bytes <= this.#maxBytes * KEPT_SHARE) return;
      this.#drop(keyOf(window.start, window.seconds), window);
    }
  }

  #drop(key: string, window: Window): void {
    this.#windows.delete(key);
    this.#bytes -= window.bytes;
    if (this.#newest === window) this.#newest = undefined;
  }
}

function keyOf(start: number, seconds: number): string {
  return `${start} ${seconds}`;
}
