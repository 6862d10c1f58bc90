import { grown } from '../wire/columns.ts';
import type { ColumnType } from '../schema.ts';
import type { Value } from '../wire/values.ts';

/** Approximate memory per entry of a map, in bytes. */
const ENTRY = 50;

/**
 * Values of one column, by row. They are doubles; a map has those that no double can hold: text, and
 * numbers beyond 2^53.
 */
export class ValueColumn {
  readonly #type: ColumnType;
  /** NaN where there is no value, or where `#others` has it. */
  #doubles: Float64Array<ArrayBuffer>;
  readonly #others = new Map<number, string | bigint>();
  #textLength = 0;

  constructor(type: ColumnType, capacity: number) {
    this.#type = type;
    this.#doubles = new Float64Array(capacity);
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    return this.#doubles.byteLength + ENTRY * this.#others.size + 2 * this.#textLength;
  }

  /** Sets the value at `index`, which has none yet. */
  set(index: number, value: Value): void {
    if (typeof value === 'string' || typeof value === 'bigint') {
      this.#others.set(index, value);
      this.#textLength += typeof value === 'string' ? value.length : 0;
      this.#doubles[index] = Number.NaN;
    } else {
      this.#doubles[index] = value === null ? Number.NaN : Number(value);
    }
  }

  get(index: number): Value {
    const double = this.#doubles[index] ?? Number.NaN;
    if (Number.isNaN(double)) return this.#others.get(index) ?? null;
    return this.#type.kind === 'boolean' ? double === 1 : double;
  }

  grow(capacity: number): void {
    this.#doubles = grown(this.#doubles, new Float64Array(capacity));
  }
}
