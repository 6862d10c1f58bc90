import { backoff } from './backoff.ts';

/**
 * The bounds of the read rate, in reads per second. A shard allows five reads per second to all its
 * readers together: functions, deliveries and every viewer.
 */
const MAX_RATE = 1;
const MIN_RATE = 0.1;

/** A throttled read multiplies the rate by this factor. */
const DECREASE = 0.7;
/** How much the rate recovers per second, in reads per second. */
const INCREASE = 0.01;

/**
 * The waits grow only after this many throttled reads in a row. Before that they are one to four
 * seconds, because a throttled read does not count against the shard's limit.
 */
const QUICK_RETRIES = 5;

/** The pause is shorter by this factor while there is more to read. */
const CATCH_UP = 5;

/** A shard with this pause counts as throttled even if its last read succeeded; in milliseconds. */
const THROTTLED_PAUSE = 2_000;

/**
 * Sets how often a shard is read.
 *
 * Viewers do not know of one another, yet must share a shard's limit. So each cuts its rate when a
 * read is throttled and raises it slowly over time, as TCP does: viewers with a higher rate lose
 * more. Pauses are random, because readers in lockstep would always take the same slots and starve
 * late arrivals.
 */
export class Pace {
  readonly #random: () => number;
  #rate = MAX_RATE;
  #throttledReads = 0;
  /** The previous wait, in milliseconds. */
  #lastWait = 1_000 / MAX_RATE;

  /** `random` returns numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How long to wait after a successful read, in milliseconds; less if there is more to read. */
  succeeded(hasMore: boolean): number {
    this.#throttledReads = 0;
    this.#rate = Math.min(MAX_RATE, this.#rate + (INCREASE * this.#lastWait) / 1_000);
    const pause = (1_000 / this.#rate) * (0.5 + this.#random());
    return this.#wait(hasMore ? pause / CATCH_UP : pause);
  }

  /** How long to wait after a throttled call, in milliseconds. */
  throttled(): number {
    this.#throttledReads += 1;
    this.#rate = Math.max(MIN_RATE, this.#rate * DECREASE);
    return this.#wait(backoff(Math.max(2, this.#throttledReads - QUICK_RETRIES), this.#random()));
  }

  /** The pause between reads while throttled, in milliseconds; `undefined` if not throttled. */
  get throttledPause(): number | undefined {
    const pause = Math.round(1_000 / this.#rate);
    return this.#throttledReads > 0 || pause >= THROTTLED_PAUSE ? Math.max(this.#lastWait, pause) : undefined;
  }

  #wait(millis: number): number {
    this.#lastWait = Math.round(millis);
    return this.#lastWait;
  }
}
