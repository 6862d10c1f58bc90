/** The most names that are kept. */
export const MOST_NAMES = 200_000;

/** Gives names numbers from 0 on, in the order in which they appear. None is ever taken back. */
export class Names {
  readonly #most: number;
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];

  constructor(most = MOST_NAMES) {
    this.#most = most;
  }

  /** How many names have a number. */
  get size(): number {
    return this.#names.length;
  }

  /** The name's number, a new one if it has none; none where there are as many names as may be. */
  number(name: string): number | undefined {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length >= this.#most) return undefined;
    const number = this.#names.length;
    this.#numbers.set(name, number);
    this.#names.push(name);
    return number;
  }

  /** The name's number, if it has one. */
  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /** The names with the number `first` and later ones. */
  from(first: number): string[] {
    return this.#names.slice(first);
  }
}
