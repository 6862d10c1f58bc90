import type { Schema } from '../schema.ts';
import { grown } from '../wire/columns.ts';
import { areSame, type Measure } from '../wire/measures.ts';
import { hashRow, type Row } from '../wire/rows.ts';
import type { SourceRange } from '../wire/source.ts';
import type { Keys } from './keys.ts';
import { MeasureColumns } from './measure_columns.ts';

const FIRST_CAPACITY = 16;
const GROWTH = 1.5;

/** Approximate memory per source besides its columns and strings, in bytes. */
const OVERHEAD = 2_000;

const NO_ROWS: readonly number[] = [];

/** Approximate memory per entry of a map, in bytes. */
const ENTRY = 50;

/** What the rows of a window share. */
export interface WindowRows {
  readonly schema: Schema;
  /** Numbers the keys. */
  readonly keys: Keys;
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly seconds: number;
}

/**
 * The rows of one window and source range, as columns.
 *
 * A key mostly has one row. It can have several that differ, because a retry may have had another
 * dedup cache. A hash table finds a key's first row: open addressing, at most half full. Its further
 * rows form a chain.
 */
export class SourceRows {
  readonly source: SourceRange;
  readonly #window: WindowRows;
  #length = 0;
  #key = new Uint32Array(FIRST_CAPACITY);
  #readings = new Float64Array(FIRST_CAPACITY);
  /** Allocated with the first row that has duplicates; most sources have none. */
  #duplicates: Float64Array<ArrayBuffer> | undefined;
  readonly #measures: MeasureColumns;
  /** The hash table: the index of a row plus one, or 0. */
  #table = new Uint32Array(FIRST_CAPACITY * 2);
  /** The next row of the same key, by row. */
  readonly #next = new Map<number, number>();

  /** Starts without rows. */
  constructor(source: SourceRange, window: WindowRows) {
    this.source = source;
    this.#window = window;
    this.#measures = new MeasureColumns(window.schema, FIRST_CAPACITY);
  }

  /** How many rows it holds. */
  get length(): number {
    return this.#length;
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    const { stream, shard, from, to, dedupFrom } = this.source;
    const texts = stream.length + shard.length + from.length + to.length + dedupFrom.length;
    const counts = this.#key.byteLength + this.#readings.byteLength + (this.#duplicates?.byteLength ?? 0);
    return OVERHEAD + 2 * texts + counts + this.#measures.bytes + this.#table.byteLength + ENTRY * this.#next.size;
  }

  /** Whether each key has at most one row. */
  get isUnique(): boolean {
    return this.#next.size === 0;
  }

  /** Adds a row of this source; `false` if it is known. */
  add(key: number, row: Row): boolean {
    const known = this.find(key);
    if (known.some((index) => this.#isEqual(index, row))) return false;
    if (this.#length === this.#key.length) this.#grow();
    const index = this.#length;
    this.#length += 1;
    const lastKnown = known.at(-1);
    if (lastKnown === undefined) this.#table[this.#slot(key)] = index + 1;
    else this.#next.set(lastKnown, index);
    this.#key[index] = key;
    this.#readings[index] = row.readings;
    if (row.duplicates > 0) {
      this.#duplicates ??= new Float64Array(this.#key.length);
      this.#duplicates[index] = row.duplicates;
    }
    if (row.measures !== undefined) this.#measures.set(index, row.measures);
    return true;
  }

  /** The indices of the key's rows. */
  find(key: number): readonly number[] {
    const entry = this.#table[this.#slot(key)] ?? 0;
    if (entry === 0) return NO_ROWS;
    const found = [entry - 1];
    for (let next = this.#next.get(entry - 1); next !== undefined; next = this.#next.get(next)) found.push(next);
    return found;
  }

  /** The number of the key of the row at `index`. */
  keyAt(index: number): number {
    return this.#key[index] ?? 0;
  }

  readingsAt(index: number): number {
    return this.#readings[index] ?? 0;
  }

  duplicatesAt(index: number): number {
    return this.#duplicates?.[index] ?? 0;
  }

  /** The measures of the row at `index`; `undefined` if it has no readings. */
  measuresAt(index: number): readonly Measure[] | undefined {
    return this.readingsAt(index) === 0 ? undefined : this.#measures.get(index);
  }

  /** The {@link hashRow} of the row at `index`. */
  hashAt(index: number): string {
    const { schema, keys, start, seconds } = this.#window;
    return hashRow(schema, {
      key: keys.values(this.keyAt(index)),
      start,
      windowSeconds: seconds,
      readings: this.readingsAt(index),
      duplicates: this.duplicatesAt(index),
      measures: this.measuresAt(index),
      source: this.source,
    });
  }

  /** Whether the row at `index` has the fields of `row`. */
  #isEqual(index: number, row: Row): boolean {
    if (this.readingsAt(index) !== row.readings || this.duplicatesAt(index) !== row.duplicates) return false;
    const measures = this.measuresAt(index);
    if (measures === undefined || row.measures === undefined) return measures === row.measures;
    return row.measures.every((measure, column) => areSame(measure, measures[column] ?? null));
  }

  /** The slot of the key in the table, or the empty slot where it belongs. */
  #slot(key: number): number {
    const mask = this.#table.length - 1;
    // Fibonacci hashing: the multiplier is the golden ratio in 32 bits.
    let slot = (Math.imul(key, 0x9e3779b1) >>> 8) & mask;
    for (;;) {
      const entry = this.#table[slot] ?? 0;
      if (entry === 0 || this.#key[entry - 1] === key) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const capacity = Math.ceil(this.#key.length * GROWTH);
    this.#key = grown(this.#key, new Uint32Array(capacity));
    this.#readings = grown(this.#readings, new Float64Array(capacity));
    if (this.#duplicates !== undefined) this.#duplicates = grown(this.#duplicates, new Float64Array(capacity));
    this.#measures.grow(capacity);
    if (capacity * 2 <= this.#table.length) return;
    this.#table = new Uint32Array(this.#table.length * 2);
    for (let index = 0; index < this.#length; index += 1) {
      const slot = this.#slot(this.keyAt(index));
      // The first row of a key comes before its further rows.
      if (this.#table[slot] === 0) this.#table[slot] = index + 1;
    }
  }
}
