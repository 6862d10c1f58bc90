import { backoff } from './backoff.ts';

/**
 * How often a shard is read where nobody rejects, in reads a second. A shard gives five to all its readers together:
 * functions, deliveries and every viewer.
 */
const USUAL = 1;
const LEAST = 0.1;

/** What a rejected read leaves of the rate, and how much of it comes back in a second. */
const LEFT_OVER = 0.7;
const COMES_BACK = 0.01;

/**
 * So many tries come after one to four seconds, since a rejected one takes nothing from the others; then the waits grow.
 */
const PATIENT_TRIES = 5;

/** Where there is more to read at once the pause is so much shorter. */
const CATCH_UP = 5;

/** A shard that pauses so long is throttled, though its last read was answered; in milliseconds. */
const SLOW = 2_000;

/**
 * How often a shard is read.
 *
 * Viewers know nothing of one another, and yet are to share what a shard gives. So each takes a large part off its rate
 * when a read is rejected, and adds a little with time, as TCP does: whoever has more than the others loses more. Pauses
 * are random, since readers in step would take the same turn for ever, and leave none to who comes later.
 */
export class Pace {
  readonly #random: () => number;
  #rate = USUAL;
  #setbacks = 0;
  /** The last wait, in milliseconds. */
  #last = 1_000 / USUAL;

  /** `random` gives numbers from 0 on and below 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How long to wait after an answer, in milliseconds, where there may be more to read at once or not. */
  answered(hasMore: boolean): number {
    this.#setbacks = 0;
    this.#rate = Math.min(USUAL, this.#rate + (COMES_BACK * this.#last) / 1_000);
    const pause = (1_000 / this.#rate) * (0.5 + this.#random());
    return this.#wait(hasMore ? pause / CATCH_UP : pause);
  }

  /** How long to wait after a throttled call, in milliseconds. */
  throttled(): number {
    this.#setbacks += 1;
    this.#rate = Math.max(LEAST, this.#rate * LEFT_OVER);
    return this.#wait(backoff(Math.max(2, this.#setbacks - PATIENT_TRIES), this.#random()));
  }

  /** How long a shard pauses that is throttled, in milliseconds; `undefined` for one that is not. */
  get slowed(): number | undefined {
    const pause = Math.round(1_000 / this.#rate);
    return this.#setbacks > 0 || pause >= SLOW ? Math.max(this.#last, pause) : undefined;
  }

  #wait(millis: number): number {
    this.#last = Math.round(millis);
    return this.#last;
  }
}
