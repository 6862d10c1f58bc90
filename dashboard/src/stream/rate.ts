/** Counts events per second, averaged over the last seconds. */
export class Rate {
  readonly #started: number;
  /** The count of each second, in a ring: the index is the second modulo its length. */
  readonly #counts: number[];
  #newest: number;

  /** Starts at `now`, in milliseconds since the epoch. Averages over `seconds`. */
  constructor(now: number, seconds: number) {
    this.#started = Math.floor(now / 1000);
    this.#counts = new Array<number>(seconds).fill(0);
    this.#newest = this.#started;
  }

  /** Adds `count` events at `now`. */
  add(count: number, now: number): void {
    this.#advance(now);
    const index = this.#newest % this.#counts.length;
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
  }

  /** The rate at `now`. In the first seconds it is the average since the start. */
  perSecond(now: number): number {
    this.#advance(now);
    const passed = Math.min(Math.max(this.#newest - this.#started, 1), this.#counts.length);
    return this.#counts.reduce((sum, count) => sum + count, 0) / passed;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    const first = Math.max(this.#newest + 1, second - this.#counts.length + 1);
    for (let passed = first; passed <= second; passed += 1) this.#counts[passed % this.#counts.length] = 0;
    this.#newest = Math.max(this.#newest, second);
  }
}
