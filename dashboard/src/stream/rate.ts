interface Span {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** A rate of less time than this is of this time, in milliseconds. */
const SHORTEST = 1_000;

/**
 * Counts the events of a shard per second, averaged over the last seconds that were read.
 *
 * Each read has what arrived since the read before, so its events are spread over that time. What
 * was there before the first read is no part of the rate, and a long gap between two reads does not
 * raise it.
 */
export class Rate {
  readonly #millis: number;
  #started: number | undefined;
  #until = -Infinity;
  #spans: Span[] = [];

  /** Averages over `seconds`. */
  constructor(seconds: number) {
    this.#millis = seconds * 1_000;
  }

  /** Drops what was counted: the next read starts. */
  reset(): void {
    this.#started = undefined;
    this.#until = -Infinity;
    this.#spans = [];
  }

  /** A read got everything up to `until`, in milliseconds; nothing is known of the time before. */
  start(until: number): void {
    this.#started = until;
    this.#until = until;
    this.#spans = [];
  }

  /**
   * A read got `count` events, which are all that arrived from the read before to `until`. Their
   * arrival times are up to `spread` milliseconds apart: more than the time between two reads if the
   * response to the one before was slow.
   */
  add(count: number, until: number, spread: number): void {
    if (this.#started === undefined) {
      this.start(until);
      return;
    }
    // The page's clock may have been set back.
    if (until < this.#started) this.start(until);
    if (until <= this.#until) return;
    const from = Math.min(this.#until, until - spread);
    this.#started = Math.min(this.#started ?? from, from);
    if (count > 0) this.#spans.push({ from, to: until, count });
    this.#until = until;
    const oldest = until - this.#millis;
    this.#spans = this.#spans.filter(({ to }) => to > oldest);
  }

  /** The rate up to the last read; `undefined` before there were two. */
  get perSecond(): number | undefined {
    const first = Math.max(this.#started ?? Infinity, this.#until - this.#millis);
    if (!(this.#until > first)) return undefined;
    let counted = 0;
    for (const { from, to, count } of this.#spans) counted += (count * (to - Math.max(from, first))) / (to - from);
    return (1_000 * counted) / Math.max(SHORTEST, this.#until - first);
  }
}
