import type { Chart } from '../protocol.ts';
import { Names } from '../wire/names.ts';
import type { Row } from '../wire/rows.ts';
import type { Totals } from './part.ts';
import { Window } from './window.ts';

/** The most memory that rows may take, in bytes. */
const MOST_BYTES = 60_000_000;

/** When there is too much, so much is dropped that this part of it is left: not a window for each row. */
const KEPT = 0.9;

/** How long rows are kept, in milliseconds by the arrival of the newest. */
const HOUR = 3_600_000;

/** How far ahead of its record's arrival a window may start, in milliseconds. */
const AHEAD = 600_000;

/** Length of a window while there is none, in seconds. */
const USUAL_WINDOW = 60;

/** Micrometres in a metre. */
const METRE = 1e6;

/** What became of a row. */
export type Added = 'added' | 'known' | 'old' | 'rejected';

/**
 * The rows of the last hour, and the minutes that they make.
 *
 * Rows may come in any order, and again. Of what they hold together about 60 MB are kept: beyond that the
 * oldest windows are dropped. The clock is that of the records' arrival, so that the page's own need not be right.
 */
export class Minutes {
  readonly #names: Names;
  readonly #mostBytes: number;
  readonly #windows = new Map<string, Window>();
  #bytes = 0;
  #arrival = -Infinity;
  #newest: Window | undefined;

  constructor(names = new Names(), mostBytes = MOST_BYTES) {
    this.#names = names;
    this.#mostBytes = mostBytes;
  }

  /** About how many bytes of memory the rows take. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Says that a record arrived at `arrival`, in milliseconds since the epoch, before its rows are added. Drops
   * the windows that ended more than an hour before the newest record.
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
   * One of a window that ended more than an hour ago is left out as `old`; one that starts more than ten
   * minutes ahead, or whose name is beyond those that may be kept, is `rejected`.
   */
  add(row: Row): Added {
    if (this.#isOld(row.start, row.windowSeconds)) return 'old';
    if (row.start > this.#arrival + AHEAD) return 'rejected';
    const unicorn = this.#names.number(row.name);
    if (unicorn === undefined) return 'rejected';
    const window = this.#windowOf(row);
    const before = window.bytes;
    if (!window.add(unicorn, row)) return 'known';
    this.#bytes += window.bytes - before;
    if (this.#bytes > this.#mostBytes) this.#dropOldest();
    return 'added';
  }

  /**
   * The windows of one unicorn, or with `null` those of the whole fleet, oldest first. Where windows of
   * several lengths are there, those as long as the newest; of those that start together, the longest.
   *
   * A window that gave no rows, or none with readings, is left out.
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
      windowSeconds: windows[0]?.seconds ?? USUAL_WINDOW,
      start: points.map(({ start }) => start),
      distance: points.map(({ totals }) => totals.distance / METRE),
      minMagic: points.map(({ totals }) => totals.minMagic),
      maxMagic: points.map(({ totals }) => totals.maxMagic),
      minHealth: points.map(({ totals }) => totals.minHealth),
      maxHealth: points.map(({ totals }) => totals.maxHealth),
      readings: points.map(({ totals }) => totals.readings),
      unicorns: points.map(({ totals }) => totals.unicorns),
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
      window = new Window(row.start, row.windowSeconds);
      this.#windows.set(key, window);
      this.#bytes += window.bytes;
    }
    this.#newest = window;
    return window;
  }

  #dropOldest(): void {
    const oldestFirst = [...this.#windows.values()].sort((a, b) => a.start - b.start);
    for (const window of oldestFirst) {
      if (this.#bytes <= this.#mostBytes * KEPT) return;
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
