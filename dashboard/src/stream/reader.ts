import { comparePositions } from '../wire/rows.ts';
import type { Caller } from './caller.ts';
import type { Clock } from './clock.ts';
import { type Answer, Failure, type Place, type StreamRecord } from './kinesis.ts';
import { Pace } from './pace.ts';

/** The most records in an answer (GetRecords, API reference). */
export const MOST_RECORDS = 10_000;

/** A shard that is so far behind has more to read at once, in milliseconds. */
const BEHIND = 1_000;

/** Where so many milliseconds went by without an answer, a reader that jumps does. */
const ASLEEP = 60_000;

export interface ReaderParts {
  readonly caller: Caller;
  readonly clock: Clock;
  readonly random: () => number;
  readonly stop: AbortSignal;
  readonly stream: string;
  /**
   * After more than a minute without an answer, so many milliseconds before the present are gone on from, and
   * what lies before is left out. Without it, nothing is left out.
   */
  readonly jumpBack: number | undefined;
  /** Is given the records of every answer that has any, in order. */
  readonly take: (records: readonly StreamRecord[]) => void;
  /** Is told of every answer. */
  readonly onAnswer: () => void;
  /** Is told of a jump, and to what time, in milliseconds since the epoch. */
  readonly onJump: (millis: number) => void;
  /** Is told of every call that failed and is made again. */
  readonly onRetry: () => void;
}

/** How the reading of a shard came to its end. */
export type End =
  /** It is closed and was read to its end. */
  | 'finished'
  /** Kinesis does not know it any more. */
  | 'gone';

/**
 * Reads one shard from a place on, for as long as there is something to read.
 *
 * No record is given twice, and none is left out but by a jump: an iterator that expired is replaced by one after the
 * last record. Throttling and outages are waited out, without an end.
 */
export class ShardReader {
  readonly #parts: ReaderParts;
  readonly #shard: string;
  readonly #pace: Pace;
  #start: Place;
  /** Where the next iterator is to point. */
  #place: Place;
  #iterator: string | undefined;
  /** The newest record that was read. */
  #last: string | undefined;
  /** Records that arrived before are left out, until the first one that did not. */
  #notBefore = -Infinity;
  #answeredAt: number;
  #behindMillis = 0;
  /** Whether the newest iterator takes the place of one that gave no answer. */
  #isSpare = false;

  constructor(parts: ReaderParts, shard: string, start: Place) {
    this.#parts = parts;
    this.#shard = shard;
    this.#pace = new Pace(parts.random);
    this.#answeredAt = parts.clock.now();
    this.#start = start;
    this.#place = start;
    this.#startAt(start);
  }

  /** How far behind the shard's end it was with the last answer, in milliseconds. */
  get behindMillis(): number {
    return this.#behindMillis;
  }

  /** How long it pauses, in milliseconds, as long as Kinesis rejects reads. */
  get slowed(): number | undefined {
    return this.#pace.slowed;
  }

  /**
   * Reads to the shard's end.
   *
   * Fails with a {@link Failure} that no try can mend, or with `Stopped`.
   */
  async run(): Promise<End> {
    const { clock, stop } = this.#parts;
    for (;;) {
      this.#jumpIfAsleep();
      let pause = 0;
      try {
        const answer = await this.#read();
        if (this.#give(answer) === 'finished') return 'finished';
        const hasMore = answer.records.length >= MOST_RECORDS || answer.behindMillis > BEHIND;
        pause = this.#pace.answered(hasMore);
        this.#parts.onAnswer();
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.why === 'missing') return 'gone';
        pause = this.#pauseAfter(error);
        this.#parts.onRetry();
      }
      if (pause > 0) await clock.sleep(pause, stop);
    }
  }

  async #read(): Promise<Answer> {
    const { caller, stream } = this.#parts;
    const place = this.#place;
    this.#iterator ??= await caller.call((kinesis, signal) => kinesis.iterator(stream, this.#shard, place, signal));
    const iterator = this.#iterator;
    return await caller.call((kinesis, signal) => kinesis.records(iterator, MOST_RECORDS, signal));
  }

  /** Gives away what an answer has, and moves on behind it. */
  #give(answer: Answer): 'finished' | 'open' {
    this.#isSpare = false;
    this.#answeredAt = this.#parts.clock.now();
    this.#behindMillis = answer.behindMillis;
    this.#iterator = answer.next;
    const records = answer.records.filter((record) => this.#isNew(record));
    if (records.length > 0) this.#parts.take(records);
    return answer.next === undefined ? 'finished' : 'open';
  }

  #isNew(record: StreamRecord): boolean {
    if (this.#last !== undefined && comparePositions(record.sequence, this.#last) <= 0) return false;
    this.#last = record.sequence;
    this.#place = { kind: 'after', sequence: record.sequence };
    if (record.arrival < this.#notBefore) return false;
    // Arrival times are approximate, so a later record may claim to be earlier than the start.
    this.#notBefore = -Infinity;
    return true;
  }

  /** How long to wait after a failure, in milliseconds; fails if no try can mend it. */
  #pauseAfter(failure: Failure): number {
    switch (failure.why) {
      case 'throttled':
        return this.#pace.throttled();
      case 'unreachable':
      case 'stale':
        // The caller waits.
        return 0;
      case 'expired':
        return this.#replaceIterator();
      case 'rejected':
        return this.#startAgain(failure);
      case 'missing':
      case 'denied':
        throw failure;
    }
  }

  /** Returns how long to wait before the new iterator is made: not at all, if the old one gave an answer. */
  #replaceIterator(): number {
    const pause = this.#isSpare ? this.#pace.throttled() : 0;
    this.#iterator = undefined;
    this.#isSpare = true;
    return pause;
  }

  /**
   * Makes the best of an iterator or a place that Kinesis does not take: they may be of a deleted stream of the same
   * name, or the time may lie ahead, by a clock that is fast.
   */
  #startAgain(failure: Failure): number {
    if (this.#iterator !== undefined) {
      if (this.#isSpare) throw failure;
      return this.#replaceIterator();
    }
    if (this.#place.kind === 'after') {
      this.#last = undefined;
      this.#startAt(this.#start);
    } else if (this.#place.kind === 'time') {
      this.#startAt({ kind: 'latest' });
    } else {
      throw failure;
    }
    return this.#pace.throttled();
  }

  #jumpIfAsleep(): void {
    const { clock, jumpBack } = this.#parts;
    const now = clock.now();
    if (jumpBack === undefined || now - this.#answeredAt <= ASLEEP) return;
    this.#answeredAt = now;
    this.#start = { kind: 'time', millis: now - jumpBack };
    // What was read is not given again even if the page's clock is slow: the last record stays known.
    this.#startAt(this.#start);
    this.#parts.onJump(now - jumpBack);
  }

  #startAt(place: Place): void {
    this.#place = place;
    this.#iterator = undefined;
    this.#notBefore = place.kind === 'time' ? place.millis : -Infinity;
  }
}
