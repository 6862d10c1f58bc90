import type { Schema } from '../schema.ts';
import type { Measure } from '../wire/measures.ts';
import type { Row } from '../wire/rows.ts';
import type { SourceRange } from '../wire/source.ts';
import type { Keys } from './keys.ts';
import { byLog, type LogRow, mergeAll, select } from './merge.ts';
import { SourceRows, type WindowRows } from './source_rows.ts';

/** Approximate memory per window besides its sources, in bytes. */
const OVERHEAD = 500;

/** The location of a row. */
interface Location {
  readonly rows: SourceRows;
  readonly index: number;
}

/** The sum of rows. */
export interface Totals {
  readings: number;
  /** `undefined` without readings. */
  measures: readonly Measure[] | undefined;
  /** How many keys have a reading. */
  keys: number;
  /** Whether the rows prove that some readings are missing. */
  gap: boolean;
}

/** The rows of one window. Computed totals are cached until a row is added. */
export class Window implements WindowRows {
  readonly schema: Schema;
  readonly keys: Keys;
  readonly start: number;
  readonly seconds: number;
  /** When its first and its last row arrived, in milliseconds since the epoch. */
  firstArrival = Infinity;
  lastArrival = -Infinity;
  readonly #sources = new Map<string, SourceRows>();
  #newest: SourceRows | undefined;
  #bytes = OVERHEAD;
  #all: Totals | undefined;
  #one: { readonly key: number; readonly totals: Totals } | undefined;

  /** Starts without rows. `start` is in milliseconds since the epoch. */
  constructor(schema: Schema, keys: Keys, start: number, seconds: number) {
    this.schema = schema;
    this.keys = keys;
    this.start = start;
    this.seconds = seconds;
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a row of this window, which arrived at `arrival`; `false` if it is known. */
  add(key: number, row: Row, arrival: number): boolean {
    const rows = this.#rowsOf(row.source);
    const before = rows.length === 0 ? 0 : rows.bytes;
    if (!rows.add(key, row)) return false;
    this.firstArrival = Math.min(this.firstArrival, arrival);
    this.lastArrival = Math.max(this.lastArrival, arrival);
    this.#bytes += rows.bytes - before;
    this.#all = undefined;
    this.#one = undefined;
    return true;
  }

  /** The totals over all keys. */
  all(): Totals {
    this.#all ??= this.#computeAll();
    return this.#all;
  }

  /** The totals of one key. */
  one(key: number): Totals {
    if (this.#one?.key !== key) this.#one = { key, totals: this.compute(key) };
    return this.#one.totals;
  }

  /** The totals of one key. They are not cached. */
  compute(key: number): Totals {
    const totals = noTotals();
    for (const log of byLog(this.#sources.values())) {
      const locations: Location[] = [];
      for (const rows of log) {
        for (const index of rows.find(key)) locations.push({ rows, index });
      }
      const ofShard = noTotals();
      this.#addSelected(ofShard, locations);
      this.#addShard(totals, ofShard);
    }
    totals.keys = totals.readings > 0 ? 1 : 0;
    return totals;
  }

  #rowsOf(source: SourceRange): SourceRows {
    // Consecutive rows usually have the same source.
    if (this.#newest !== undefined && isSameSource(this.#newest.source, source)) return this.#newest;
    const key = `${source.from} ${source.to} ${source.dedupFrom} ${source.shard}\n${source.stream}`;
    let rows = this.#sources.get(key);
    if (rows === undefined) {
      rows = new SourceRows(source, this);
      this.#sources.set(key, rows);
    }
    this.#newest = rows;
    return rows;
  }

  #computeAll(): Totals {
    const totals = noTotals();
    const keys = new NumberSet();
    for (const log of byLog(this.#sources.values())) {
      const [only] = log;
      const ofShard = noTotals();
      if (log.length === 1 && only?.isUnique) this.#addRows(ofShard, keys, only);
      else this.#addSelectedOfAll(ofShard, keys, log);
      this.#addShard(totals, ofShard);
    }
    totals.keys = keys.count;
    return totals;
  }

  /** Adds the rows of a log with a single source: they all count. */
  #addRows(totals: Totals, keys: NumberSet, rows: SourceRows): void {
    for (let index = 0; index < rows.length; index += 1) {
      this.#addRow(totals, rows, index);
      if (rows.readingsAt(index) > 0) keys.add(rows.keyAt(index));
    }
  }

  /** Adds the rows that count in a log with several sources. */
  #addSelectedOfAll(totals: Totals, keys: NumberSet, log: readonly SourceRows[]): void {
    for (const [key, locations] of locationsByKey(log)) {
      const before = totals.readings;
      this.#addSelected(totals, locations);
      if (totals.readings > before) keys.add(key);
    }
  }

  /** Adds the rows that count among those of one key, window and log. */
  #addSelected(totals: Totals, locations: readonly Location[]): void {
    const selection = select(locations.map(toLogRow));
    totals.gap ||= selection.gap;
    for (const selected of selection.rows) {
      const chosen = locations[selected];
      if (chosen !== undefined) this.#addRow(totals, chosen.rows, chosen.index);
    }
  }

  #addRow(totals: Totals, rows: SourceRows, index: number): void {
    totals.readings += rows.readingsAt(index);
    totals.measures = mergeAll(this.schema, 'one shard', totals.measures, rows.measuresAt(index));
  }

  #addShard(totals: Totals, ofShard: Totals): void {
    totals.readings += ofShard.readings;
    totals.measures = mergeAll(this.schema, 'several shards', totals.measures, ofShard.measures);
    totals.gap ||= ofShard.gap;
  }
}

function noTotals(): Totals {
  return { readings: 0, measures: undefined, keys: 0, gap: false };
}

function toLogRow({ rows, index }: Location): LogRow {
  return {
    source: rows.source,
    readings: rows.readingsAt(index),
    duplicates: rows.duplicatesAt(index),
    hash: () => rows.hashAt(index),
  };
}

function locationsByKey(log: readonly SourceRows[]): Map<number, Location[]> {
  const locations = new Map<number, Location[]>();
  for (const rows of log) {
    for (let index = 0; index < rows.length; index += 1) {
      const key = rows.keyAt(index);
      const known = locations.get(key);
      if (known === undefined) locations.set(key, [{ rows, index }]);
      else known.push({ rows, index });
    }
  }
  return locations;
}

function isSameSource(one: SourceRange, other: SourceRange): boolean {
  return (
    one.from === other.from &&
    one.to === other.to &&
    one.dedupFrom === other.dedupFrom &&
    one.shard === other.shard &&
    one.stream === other.stream
  );
}

/** A set of small integers that counts its members. */
class NumberSet {
  #marks = new Uint8Array(1024);
  count = 0;

  add(number: number): void {
    if (number >= this.#marks.length) {
      const larger = new Uint8Array(Math.max(number + 1, this.#marks.length * 2));
      larger.set(this.#marks);
      this.#marks = larger;
    }
    if (this.#marks[number] === 1) return;
    this.#marks[number] = 1;
    this.count += 1;
  }
}
