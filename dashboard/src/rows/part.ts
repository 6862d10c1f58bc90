import { grown } from '../wire/columns.ts';
import type { Part, Row } from '../wire/rows.ts';

const FIRST_CAPACITY = 16;
const GROWTH = 1.5;

/** About what a part takes in memory besides its columns and texts. */
const OVERHEAD = 2_000;

/**
 * The rows of one window and part, as columns: one for each unicorn at most, since rows of one part and
 * window never differ.
 *
 * A table of places by unicorn finds them: open addressing, at most half full.
 */
export class PartRows {
  readonly part: Part;
  #length = 0;
  #unicorn = new Uint32Array(FIRST_CAPACITY);
  #readings = new Float64Array(FIRST_CAPACITY);
  /** Nearly always all zero, and then not there. */
  #repeats: Float64Array<ArrayBuffer> | undefined;
  #distance = new Float64Array(FIRST_CAPACITY);
  #minMagic = new Int32Array(FIRST_CAPACITY);
  #maxMagic = new Int32Array(FIRST_CAPACITY);
  #minHealth = new Int32Array(FIRST_CAPACITY);
  #maxHealth = new Int32Array(FIRST_CAPACITY);
  /** A row's place plus one, or 0. */
  #places = new Uint32Array(FIRST_CAPACITY * 2);

  constructor(part: Part) {
    this.part = part;
  }

  /** How many rows there are. */
  get length(): number {
    return this.#length;
  }

  /** About how many bytes of memory it takes. */
  get bytes(): number {
    const { stream, shard, from, to, since } = this.part;
    const texts = stream.length + shard.length + from.length + to.length + since.length;
    const columns = this.#unicorn.length * (4 + 8 + 8 + 4 * 4) + (this.#repeats?.byteLength ?? 0);
    return OVERHEAD + 2 * texts + columns + this.#places.byteLength;
  }

  /** Adds a row of this part; `false` if there is one of the unicorn already. */
  add(unicorn: number, row: Row): boolean {
    let slot = this.#slot(unicorn);
    if (this.#places[slot] !== 0) return false;
    if (this.#length === this.#unicorn.length) {
      this.#grow();
      slot = this.#slot(unicorn);
    }
    const place = this.#length;
    this.#length += 1;
    this.#places[slot] = place + 1;
    this.#unicorn[place] = unicorn;
    this.#readings[place] = row.readings;
    if (row.repeats > 0) {
      this.#repeats ??= new Float64Array(this.#unicorn.length);
      this.#repeats[place] = row.repeats;
    }
    if (row.figures !== undefined) {
      this.#distance[place] = Number(row.figures.distance);
      this.#minMagic[place] = row.figures.minMagic;
      this.#maxMagic[place] = row.figures.maxMagic;
      this.#minHealth[place] = row.figures.minHealth;
      this.#maxHealth[place] = row.figures.maxHealth;
    }
    return true;
  }

  /** The place of the unicorn's row, if it has one. */
  find(unicorn: number): number | undefined {
    const place = this.#places[this.#slot(unicorn)] ?? 0;
    return place === 0 ? undefined : place - 1;
  }

  /** Whose row stands at `place`. */
  unicornAt(place: number): number {
    return this.#unicorn[place] ?? 0;
  }

  readingsAt(place: number): number {
    return this.#readings[place] ?? 0;
  }

  repeatsAt(place: number): number {
    return this.#repeats?.[place] ?? 0;
  }

  /** Adds the row at `place` to `totals`; a row without readings changes nothing. */
  addTo(totals: Totals, place: number): void {
    const readings = this.#readings[place] ?? 0;
    if (readings === 0) return;
    totals.readings += readings;
    totals.distance += this.#distance[place] ?? 0;
    totals.minMagic = Math.min(totals.minMagic, this.#minMagic[place] ?? Infinity);
    totals.maxMagic = Math.max(totals.maxMagic, this.#maxMagic[place] ?? -Infinity);
    totals.minHealth = Math.min(totals.minHealth, this.#minHealth[place] ?? Infinity);
    totals.maxHealth = Math.max(totals.maxHealth, this.#maxHealth[place] ?? -Infinity);
  }

  /** The slot that has the unicorn's place, or the empty one where it belongs. */
  #slot(unicorn: number): number {
    const mask = this.#places.length - 1;
    // Numbers of neighbours are spread by the golden ratio's 32 bits.
    let slot = (Math.imul(unicorn, 0x9e3779b1) >>> 8) & mask;
    for (;;) {
      const place = this.#places[slot] ?? 0;
      if (place === 0 || this.#unicorn[place - 1] === unicorn) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const capacity = Math.ceil(this.#unicorn.length * GROWTH);
    this.#unicorn = grown(this.#unicorn, new Uint32Array(capacity));
    this.#readings = grown(this.#readings, new Float64Array(capacity));
    if (this.#repeats !== undefined) this.#repeats = grown(this.#repeats, new Float64Array(capacity));
    this.#distance = grown(this.#distance, new Float64Array(capacity));
    this.#minMagic = grown(this.#minMagic, new Int32Array(capacity));
    this.#maxMagic = grown(this.#maxMagic, new Int32Array(capacity));
    this.#minHealth = grown(this.#minHealth, new Int32Array(capacity));
    this.#maxHealth = grown(this.#maxHealth, new Int32Array(capacity));
    if (capacity * 2 <= this.#places.length) return;
    this.#places = new Uint32Array(this.#places.length * 2);
    for (let place = 0; place < this.#length; place += 1) {
      this.#places[this.#slot(this.unicornAt(place))] = place + 1;
    }
  }
}

/** What rows hold together. */
export interface Totals {
  readings: number;
  /** In micrometres; exact to 2^53 of them, nine million kilometres. */
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
