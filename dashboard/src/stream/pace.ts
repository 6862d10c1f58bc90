import { backoff } from './backoff.ts';

/**
 * The usual pause between two reads of a shard, in milliseconds. A shard gives five reads a second to all its
 * readers together: functions, deliveries and every viewer.
 */
const USUAL = 1_000;
const LONGEST = 15_000;

/** By how much a throttled read makes the pause longer, and an answered one shorter. */
const SLOW_DOWN = 1.5;
const SPEED_UP = 100;

/** Where there is more to read at once the pause is so much shorter. */
const HURRY = 5;

/** A shard that pauses so long is throttled, though its last read was answered. */
const SLOW = 2_000;

/**
 * How often a shard is read.
 *
 * Every throttled read makes the pause longer by half, and every answered one a little shorter, down to a
 * second: so that several readers of a shard settle on what it gives them together.
 */
export class Pace {
  readonly #random: () => number;
  #pause = USUAL;
  #setbacks = 0;
  #last = USUAL;

  /** `random` gives numbers from 0 on and below 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How long to wait after an answer, in milliseconds, where there may be more to read at once or not. */
  answered(hasMore: boolean): number {
    this.#setbacks = 0;
    this.#pause = Math.max(USUAL, this.#pause - SPEED_UP);
    this.#last = hasMore ? this.#pause / HURRY : this.#pause;
    return this.#last;
  }

  /** How long to wait after a throttled call, in milliseconds. */
  throttled(): number {
    this.#setbacks += 1;
    this.#pause = Math.min(LONGEST, this.#pause * SLOW_DOWN);
    this.#last = backoff(this.#setbacks, this.#random());
    return this.#last;
  }

  /** How long a shard pauses that is throttled, in milliseconds; `undefined` for one that is not. */
  get slowed(): number | undefined {
    return this.#setbacks > 0 || this.#pause >= SLOW ? Math.max(this.#last, this.#pause) : undefined;
  }
}
