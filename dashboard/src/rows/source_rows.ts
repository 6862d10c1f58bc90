import { grown } from '../wire/columns.ts';
import type { Names } from '../wire/names.ts';
import { hashRow, type Measures, type Row, type SourceRange } from '../wire/rows.ts';

const FIRST_CAPACITY = 16;
const GROWTH = 1.5;

/** Approximate memory per source besides its columns and strings, in bytes. */
const OVERHEAD = 2_000;

/** The longest distance that a double holds exactly, in micrometres: nine million kilometres. */
const LONGEST_DOUBLE = BigInt(Number.MAX_SAFE_INTEGER);

const NO_ROWS: readonly number[] = [];

/** Approximate memory per entry of a map, in bytes. */
const ENTRY = 50;

/**
 * The rows of one window and source range, as columns.
 *
 * A unicorn mostly has one row. It can have several that differ, because a retry may have had
 * another dedup cache. A hash table finds a unicorn's first row: open addressing, at most half full.
 * Its further rows form a chain.
 */
export class SourceRows {
  readonly source: SourceRange;
  readonly #names: Names;
  readonly #start: number;
  readonly #windowSeconds: number;
  #length = 0;
  #unicorn = new Uint32Array(FIRST_CAPACITY);
  #readings = new Float64Array(FIRST_CAPACITY);
  /** Allocated with the first row that has duplicates; most sources have none. */
  #duplicates: Float64Array<ArrayBuffer> | undefined;
  /** In micrometres, if it is an integer that a double holds exactly. */
  #distance = new Float64Array(FIRST_CAPACITY);
  /** The distances that a double cannot hold, by row. */
  readonly #longDistances = new Map<number, bigint>();
  #minMagic = new Int32Array(FIRST_CAPACITY);
  #maxMagic = new Int32Array(FIRST_CAPACITY);
  #minHealth = new Int32Array(FIRST_CAPACITY);
  #maxHealth = new Int32Array(FIRST_CAPACITY);
  /** The hash table: the index of a row plus one, or 0. */
  #table = new Uint32Array(FIRST_CAPACITY * 2);
  /** The next row of the same unicorn, by row. */
  readonly #next = new Map<number, number>();

  /** Starts without rows. `names` number the unicorns; `start` and `windowSeconds` are the window. */
  constructor(source: SourceRange, names: Names, start: number, windowSeconds: number) {
    this.source = source;
    this.#names = names;
    this.#start = start;
    this.#windowSeconds = windowSeconds;
  }

  /** How many rows it holds. */
  get length(): number {
    return this.#length;
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    const { stream, shard, from, to, dedupFrom } = this.source;
    const texts = stream.length + shard.length + from.length + to.length + dedupFrom.length;
    const columns = this.#unicorn.length * (4 + 8 + 8 + 4 * 4) + (this.#duplicates?.byteLength ?? 0);
    const entries = ENTRY * (this.#longDistances.size + this.#next.size);
    return OVERHEAD + 2 * texts + columns + this.#table.byteLength + entries;
  }

  /** Whether each unicorn has at most one row. */
  get isUnique(): boolean {
    return this.#next.size === 0;
  }

  /** Adds a row of this source; `false` if it is known. */
  add(unicorn: number, row: Row): boolean {
    const known = this.find(unicorn);
    if (known.some((index) => this.#isEqual(index, row))) return false;
    if (this.#length === this.#unicorn.length) this.#grow();
    const index = this.#length;
    this.#length += 1;
    const lastKnown = known.at(-1);
    if (lastKnown === undefined) this.#table[this.#slot(unicorn)] = index + 1;
    else this.#next.set(lastKnown, index);
    this.#unicorn[index] = unicorn;
    this.#readings[index] = row.readings;
    if (row.duplicates > 0) {
      this.#duplicates ??= new Float64Array(this.#unicorn.length);
      this.#duplicates[index] = row.duplicates;
    }
    if (row.measures !== undefined) {
      this.#distance[index] = Number(row.measures.distance);
      if (row.measures.distance > LONGEST_DOUBLE) this.#longDistances.set(index, row.measures.distance);
      this.#minMagic[index] = row.measures.minMagic;
      this.#maxMagic[index] = row.measures.maxMagic;
      this.#minHealth[index] = row.measures.minHealth;
      this.#maxHealth[index] = row.measures.maxHealth;
    }
    return true;
  }

  /** The indices of the unicorn's rows. */
  find(unicorn: number): readonly number[] {
    const entry = this.#table[this.#slot(unicorn)] ?? 0;
    if (entry === 0) return NO_ROWS;
    const found = [entry - 1];
    for (let next = this.#next.get(entry - 1); next !== undefined; next = this.#next.get(next)) found.push(next);
    return found;
  }

  /** The unicorn of the row at `index`. */
  unicornAt(index: number): number {
    return this.#unicorn[index] ?? 0;
  }

  readingsAt(index: number): number {
    return this.#readings[index] ?? 0;
  }

  duplicatesAt(index: number): number {
    return this.#duplicates?.[index] ?? 0;
  }

  /** The {@link hashRow} of the row at `index`. */
  hashAt(index: number): string {
    return hashRow({
      name: this.#names.name(this.unicornAt(index)),
      start: this.#start,
      windowSeconds: this.#windowSeconds,
      readings: this.readingsAt(index),
      duplicates: this.duplicatesAt(index),
      measures: this.#measuresAt(index),
      source: this.source,
    });
  }

  /** Adds the row at `index` to `totals`; a row without readings changes nothing. */
  addTo(totals: Totals, index: number): void {
    const measures = this.#measuresAt(index);
    if (measures === undefined) return;
    totals.readings += this.readingsAt(index);
    totals.distance += measures.distance;
    totals.minMagic = Math.min(totals.minMagic, measures.minMagic);
    totals.maxMagic = Math.max(totals.maxMagic, measures.maxMagic);
    totals.minHealth = Math.min(totals.minHealth, measures.minHealth);
    totals.maxHealth = Math.max(totals.maxHealth, measures.maxHealth);
  }

  /** Whether the row at `index` has the fields of `row`. */
  #isEqual(index: number, row: Row): boolean {
    if (this.readingsAt(index) !== row.readings || this.duplicatesAt(index) !== row.duplicates) return false;
    const measures = this.#measuresAt(index);
    return (
      measures?.distance === row.measures?.distance &&
      measures?.minMagic === row.measures?.minMagic &&
      measures?.maxMagic === row.measures?.maxMagic &&
      measures?.minHealth === row.measures?.minHealth &&
      measures?.maxHealth === row.measures?.maxHealth
    );
  }

  #measuresAt(index: number): Measures | undefined {
    if (this.readingsAt(index) === 0) return undefined;
    return {
      distance: this.#longDistances.get(index) ?? BigInt(this.#distance[index] ?? 0),
      minMagic: this.#minMagic[index] ?? 0,
      maxMagic: this.#maxMagic[index] ?? 0,
      minHealth: this.#minHealth[index] ?? 0,
      maxHealth: this.#maxHealth[index] ?? 0,
    };
  }

  /** The slot of the unicorn in the table, or the empty slot where it belongs. */
  #slot(unicorn: number): number {
    const mask = this.#table.length - 1;
    // Fibonacci hashing: the multiplier is the golden ratio in 32 bits.
    let slot = (Math.imul(unicorn, 0x9e3779b1) >>> 8) & mask;
    for (;;) {
      const entry = this.#table[slot] ?? 0;
      if (entry === 0 || this.#unicorn[entry - 1] === unicorn) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const capacity = Math.ceil(this.#unicorn.length * GROWTH);
    this.#unicorn = grown(this.#unicorn, new Uint32Array(capacity));
    this.#readings = grown(this.#readings, new Float64Array(capacity));
    if (this.#duplicates !== undefined) this.#duplicates = grown(this.#duplicates, new Float64Array(capacity));
    this.#distance = grown(this.#distance, new Float64Array(capacity));
    this.#minMagic = grown(this.#minMagic, new Int32Array(capacity));
    this.#maxMagic = grown(this.#maxMagic, new Int32Array(capacity));
    this.#minHealth = grown(this.#minHealth, new Int32Array(capacity));
    this.#maxHealth = grown(this.#maxHealth, new Int32Array(capacity));
    if (capacity * 2 <= this.#table.length) return;
    this.#table = new Uint32Array(this.#table.length * 2);
    for (let index = 0; index < this.#length; index += 1) {
      const slot = this.#slot(this.unicornAt(index));
      // The first row of a unicorn comes before its further rows.
      if (this.#table[slot] === 0) this.#table[slot] = index + 1;
    }
  }
}

/** The sum of rows. */
export interface Totals {
  readings: number;
  /** In micrometres. */
  distance: bigint;
  minMagic: number;
  maxMagic: number;
  minHealth: number;
  maxHealth: number;
  /** How many unicorns have a reading. */
  unicorns: number;
  /** Whether the rows prove that some readings are missing. */
  gap: boolean;
}

/** The totals of no rows. */
export function noTotals(): Totals {
  return {
    readings: 0,
    distance: 0n,
    minMagic: Infinity,
    maxMagic: -Infinity,
    minHealth: Infinity,
    maxHealth: -Infinity,
    unicorns: 0,
    gap: false,
  };
}
