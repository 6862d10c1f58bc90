/** The maximum number of names. */
export const MAX_NAMES = 200_000;

/** Numbers names from 0, in order of first appearance. A number is never reused. */
export class Names {
  readonly #limit: number;
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];

  constructor(limit = MAX_NAMES) {
    this.#limit = limit;
  }

  /** How many names are numbered. */
  get size(): number {
    return this.#names.length;
  }

  /** The name's number, newly assigned if it has none; `undefined` if the limit is reached. */
  number(name: string): number | undefined {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length >= this.#limit) return undefined;
    const number = this.#names.length;
    this.#numbers.set(name, number);
    this.#names.push(name);
    return number;
  }

  /** The name's number, if it has one. */
  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /** The name with this number; empty if there is none. */
  name(number: number): string {
    return this.#names[number] ?? '';
  }

  /** The names numbered `first` and up. */
  from(first: number): string[] {
    return this.#names.slice(first);
  }
}
