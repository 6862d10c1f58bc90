import { grown } from '../wire/columns.ts';
import type { Row, SourceRange } from '../wire/rows.ts';

const FIRST_CAPACITY = 16;
const GROWTH = 1.5;

/** Approximate memory per source besides its columns and strings, in bytes. */
const OVERHEAD = 2_000;

/**
 * The rows of one window and source range, as columns. Each unicorn has at most one, because the
 * row of a unicorn, window and source range never changes.
 *
 * A hash table finds rows by unicorn: open addressing, at most half full.
 */
export class SourceRows {
  readonly source: SourceRange;
  #length = 0;
  #unicorn = new Uint32Array(FIRST_CAPACITY);
  #readings = new Float64Array(FIRST_CAPACITY);
  /** Allocated with the first row that has duplicates; most sources have none. */
  #duplicates: Float64Array<ArrayBuffer> | undefined;
  #distance = new Float64Array(FIRST_CAPACITY);
  #minMagic = new Int32Array(FIRST_CAPACITY);
  #maxMagic = new Int32Array(FIRST_CAPACITY);
  #minHealth = new Int32Array(FIRST_CAPACITY);
  #maxHealth = new Int32Array(FIRST_CAPACITY);
  /** The hash table: the index of a row plus one, or 0. */
  #table = new Uint32Array(FIRST_CAPACITY * 2);

  constructor(source: SourceRange) {
    this.source = source;
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
    return OVERHEAD + 2 * texts + columns + this.#table.byteLength;
  }

  /** Adds a row of this source; `false` if the unicorn already has one. */
  add(unicorn: number, row: Row): boolean {
    let slot = this.#slot(unicorn);
    if (this.#table[slot] !== 0) return false;
    if (this.#length === this.#unicorn.length) {
      this.#grow();
      slot = this.#slot(unicorn);
    }
    const index = this.#length;
    this.#length += 1;
    this.#table[slot] = index + 1;
    this.#unicorn[index] = unicorn;
    this.#readings[index] = row.readings;
    if (row.duplicates > 0) {
      this.#duplicates ??= new Float64Array(this.#unicorn.length);
      this.#duplicates[index] = row.duplicates;
    }
    if (row.measures !== undefined) {
      this.#distance[index] = Number(row.measures.distance);
      this.#minMagic[index] = row.measures.minMagic;
      this.#maxMagic[index] = row.measures.maxMagic;
      this.#minHealth[index] = row.measures.minHealth;
      this.#maxHealth[index] = row.measures.maxHealth;
    }
    return true;
  }

  /** The index of the unicorn's row, if it has one. */
  find(unicorn: number): number | undefined {
    const entry = this.#table[this.#slot(unicorn)] ?? 0;
    return entry === 0 ? undefined : entry - 1;
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

  /** Adds the row at `index` to `totals`; a row without readings changes nothing. */
  addTo(totals: Totals, index: number): void {
    const readings = this.#readings[index] ?? 0;
    if (readings === 0) return;
    totals.readings += readings;
    totals.distance += this.#distance[index] ?? 0;
    totals.minMagic = Math.min(totals.minMagic, this.#minMagic[index] ?? Infinity);
    totals.maxMagic = Math.max(totals.maxMagic, this.#maxMagic[index] ?? -Infinity);
    totals.minHealth = Math.min(totals.minHealth, this.#minHealth[index] ?? Infinity);
    totals.maxHealth = Math.max(totals.maxHealth, this.#maxHealth[index] ?? -Infinity);
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
      this.#table[this.#slot(this.unicornAt(index))] = index + 1;
    }
  }
}

/** The sum of rows. */
export interface Totals {
  readings: number;
  /** In micrometres; exact up to 2^53, which is nine million kilometres. */
  distance: number;
  minMagic: number;
  maxMagic: number;
  minHealth: number;
  maxHealth: number;
  /** How many unicorns have a reading. */
  unicorns: number;
}

/** The totals of no rows. */
export function noTotals(): Totals {
  return {
    readings: 0,
    distance: 0,
    minMagic: Infinity,
    maxMagic: -Infinity,
    minHealth: Infinity,
    maxHealth: -Infinity,
    unicorns: 0,
  };
}
