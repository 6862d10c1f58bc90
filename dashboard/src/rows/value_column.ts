import type { ColumnType } from '../schema.ts';
import { grown } from '../wire/columns.ts';
import type { Value } from '../wire/values.ts';

/** Approximate memory per entry of a map, in bytes. */
const ENTRY = 50;

/** The bounds of 32-bit integers. */
const LOWEST_INT32 = -(2n ** 31n);
const HIGHEST_INT32 = 2n ** 31n - 1n;

/**
 * Values of one column, by row. They are doubles, or 32-bit integers if all values are. A map has
 * what neither can hold: text, and numbers beyond 2^53.
 */
export class ValueColumn {
  readonly #type: ColumnType;
  /** Doubles are NaN where there is no value, or where `#others` has it. */
  #numbers: Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
  readonly #others = new Map<number, string | bigint>();

  constructor(type: ColumnType, isNullable: boolean, capacity: number) {
    this.#type = type;
    const isInt32 = type.kind === 'number' && type.lowest >= LOWEST_INT32 && type.highest <= HIGHEST_INT32;
    this.#numbers = isInt32 && !isNullable ? new Int32Array(capacity) : new Float64Array(capacity);
  }

  /** Memory use in bytes, besides what {@link set} returned. */
  get bytes(): number {
    return this.#numbers.byteLength;
  }

  /** Sets the value at `index`, which has none yet. Returns how many more bytes that takes, about. */
  set(index: number, value: Value): number {
    if (typeof value === 'string' || typeof value === 'bigint') {
      this.#others.set(index, value);
      this.#numbers[index] = Number.NaN;
      return ENTRY + (typeof value === 'string' ? 2 * value.length : 0);
    }
    this.#numbers[index] = value === null ? Number.NaN : Number(value);
    return 0;
  }

  get(index: number): Value {
    const number = this.#numbers[index] ?? Number.NaN;
    if (Number.isNaN(number)) return this.#others.get(index) ?? null;
    return this.#type.kind === 'boolean' ? number === 1 : number;
  }

  grow(capacity: number): void {
    this.#numbers =
      this.#numbers instanceof Int32Array
        ? grown(this.#numbers, new Int32Array(capacity))
        : grown(this.#numbers, new Float64Array(capacity));
  }
}
