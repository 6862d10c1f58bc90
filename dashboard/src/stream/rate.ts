/** The number of seconds to average over. */
const SECONDS = 10;

/** Counts events per second, averaged over the last ten seconds. */
export class Rate {
  readonly #started: number;
  /** The count of each second, in a ring: the index is the second modulo ten. */
  readonly #counts = new Array<number>(SECONDS).fill(0);
  #newest: number;

  /** Starts at `now`, in milliseconds since the epoch. */
  constructor(now: number) {
    this.#started = Math.floor(now / 1000);
    this.#newest = this.#started;
  }

  /** Adds `count` events at `now`. */
  add(count: number, now: number): void {
    this.#advance(now);
    const index = this.#newest % SECONDS;
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
  }

  /** The rate at `now`. In the first ten seconds it is the average since the start. */
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
