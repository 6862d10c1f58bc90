import type { Schema } from '../schema.ts';
import { keyText } from '../wire/rows.ts';
import { displayValue, type Value } from '../wire/values.ts';
import { compareKeys } from './merge.ts';

/** The maximum number of keys. */
export const MAX_KEYS = 200_000;

/** Approximate memory per key besides its texts, in bytes. */
const OVERHEAD = 200;

/** A key and its number. */
export interface Key {
  readonly number: number;
  readonly values: readonly Value[];
  /** The {@link keyText}. */
  readonly text: string;
  /** Start of the newest window with a row of the key, in milliseconds since the epoch. */
  newest: number;
}

/** Numbers keys from 0. The number of a key that was dropped is used again. */
export class Keys {
  readonly #schema: Schema;
  readonly #limit: number;
  readonly #byText = new Map<string, Key>();
  readonly #byNumber: (Key | undefined)[] = [];
  readonly #free: number[] = [];
  #bytes = 0;
  #sorted: Key[] | undefined;
  #search: { readonly text: string; readonly found: readonly Key[] } | undefined;

  constructor(schema: Schema, limit = MAX_KEYS) {
    this.#schema = schema;
    this.#limit = limit;
  }

  /** How many keys there are. */
  get size(): number {
    return this.#byText.size;
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The key with these values, newly numbered if it is new; `undefined` if the limit is reached. */
  add(values: readonly Value[], start: number): Key | undefined {
    const text = keyText(this.#schema, values);
    const known = this.#byText.get(text);
    if (known !== undefined) {
      known.newest = Math.max(known.newest, start);
      return known;
    }
    if (this.size >= this.#limit) return undefined;
    const key = { number: this.#free.pop() ?? this.#byNumber.length, values, text, newest: start };
    this.#byText.set(text, key);
    this.#byNumber[key.number] = key;
    this.#bytes += bytesOf(key);
    this.#dropOrder();
    return key;
  }

  /** The key with this text, if it has a number. */
  find(text: string): Key | undefined {
    return this.#byText.get(text);
  }

  /** The values of the key with this number. */
  values(number: number): readonly Value[] {
    return this.#byNumber[number]?.values ?? [];
  }

  /** Drops the keys whose newest window starts before `start`. */
  dropBefore(start: number): void {
    for (const key of this.#byText.values()) {
      if (key.newest >= start) continue;
      this.#byText.delete(key.text);
      this.#byNumber[key.number] = undefined;
      this.#free.push(key.number);
      this.#bytes -= bytesOf(key);
      this.#dropOrder();
    }
  }

  /** The keys in order. With a search, those whose values contain it, whatever their case. */
  list(search = ''): readonly Key[] {
    this.#sorted ??= [...this.#byText.values()].sort((a, b) => compareKeys(a.values, b.values));
    const wanted = search.trim().toLowerCase();
    if (wanted === '') return this.#sorted;
    if (this.#search?.text !== wanted) {
      this.#search = { text: wanted, found: this.#sorted.filter((key) => this.#textOf(key).includes(wanted)) };
    }
    return this.#search.found;
  }

  #textOf({ values }: Key): string {
    const texts = this.#schema.key.map(({ type }, index) => displayValue(type, values[index] ?? null));
    return texts.join(' ').toLowerCase();
  }

  #dropOrder(): void {
    this.#sorted = undefined;
    this.#search = undefined;
  }
}

function bytesOf(key: Key): number {
  // The text is kept twice: whole, and in the values.
  return OVERHEAD + 4 * key.text.length;
}
