/** How many seconds a rate is the average of. */
const SECONDS = 10;

/** How many of something there are a second, over the last ten. */
export class Rate {
  readonly #started: number;
  /** How many there were in each second; the remainder of the second by ten is its place. */
  readonly #counts = new Array<number>(SECONDS).fill(0);
  #newest: number;

  /** Begins at `now`, in milliseconds since the epoch. */
  constructor(now: number) {
    this.#started = Math.floor(now / 1000);
    this.#newest = this.#started;
  }

  /** Counts `count` at `now`. */
  add(count: number, now: number): void {
    this.#advance(now);
    const place = this.#newest % SECONDS;
    this.#counts[place] = (this.#counts[place] ?? 0) + count;
  }

  /** The rate at `now`; of the whole seconds since the start where they are fewer than ten. */
  perSecond(now: number): number {
    this.#advance(now);
    const passed = Math.min(Math.max(this.#newest - this.#started, 1), SECONDS);
    return this.#counts.reduce((sum, count) => sum + count, 0) / passed;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    const first = Math.max(this.#newest + 1, second - SECONDS + 1);
    for (let passed = first; passed <= second; passed += 1) this.#counts[passed % SECONDS] = 0;
    this.#newest = Math.max(this.#newest, second);
  }
}
