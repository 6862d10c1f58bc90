import { compareSequenceNumbers } from '../wire/source.ts';
import type { Caller } from './caller.ts';
import type { Clock } from './clock.ts';
import { Failure, type ReadResult, type Start, type StreamRecord } from './kinesis.ts';
import { Pace } from './pace.ts';
import { Rate } from './rate.ts';

/** The maximum number of records per read (GetRecords, API reference). */
export const MAX_RECORDS = 10_000;

/** A shard with more lag than this has more to read right away; in milliseconds. */
const CATCH_UP_LAG = 1_000;

/** A reader with `jumpBack` jumps after this long without a response; in milliseconds. */
const JUMP_AFTER = 60_000;

/** The settings and dependencies of a {@link ShardReader}. */
export interface ReaderOptions {
  readonly caller: Caller;
  readonly clock: Clock;
  readonly random: () => number;
  readonly stop: AbortSignal;
  readonly stream: string;
  /**
   * After more than a minute without a response, reading resumes this many milliseconds before now,
   * and older records are skipped. If `undefined`, nothing is skipped.
   */
  readonly jumpBack: number | undefined;
  /** The number of seconds to average rates over. */
  readonly rateSeconds: number;
  /** Receives the records of every non-empty read, in order. Returns how many lines they had. */
  readonly onRecords: (records: readonly StreamRecord[]) => number;
  /** Called after every successful read. */
  readonly onResponse: () => void;
  /** Called after a jump with its target time, in milliseconds since the epoch. */
  readonly onJump: (millis: number) => void;
  /** Called for every failed call that is retried. */
  readonly onRetry: () => void;
}

/** Why the reading of a shard ended. */
export type End =
  /** The shard is closed and was read to its end. */
  | 'finished'
  /** The shard no longer exists. */
  | 'gone';

/**
 * Reads one shard from a starting point to its end.
 *
 * Delivers no record twice, and skips none except in a jump: an expired iterator is replaced by one
 * after the last record. Waits out throttling and outages, however long they last.
 */
export class ShardReader {
  readonly #options: ReaderOptions;
  readonly #shard: string;
  readonly #pace: Pace;
  readonly #records: Rate;
  readonly #lines: Rate;
  #start: Start;
  /** Where the next iterator points to. */
  #checkpoint: Start;
  #iterator: string | undefined;
  /** The sequence number of the newest record read. */
  #last: string | undefined;
  /** Records that arrived before this time are skipped, up to the first one that did not. */
  #notBefore = -Infinity;
  #respondedAt: number;
  /** When the reading started, or jumped. */
  #startedAt: number;
  #lagMillis = 0;
  /** Whether the iterator replaces one that failed, and has not been read from yet. */
  #isReplacement = false;

  constructor(options: ReaderOptions, shard: string, start: Start) {
    this.#options = options;
    this.#shard = shard;
    this.#pace = new Pace(options.random);
    this.#records = new Rate(options.rateSeconds);
    this.#lines = new Rate(options.rateSeconds);
    this.#respondedAt = options.clock.now();
    this.#startedAt = this.#respondedAt;
    this.#start = start;
    this.#checkpoint = start;
    this.#startAt(start);
  }

  /** The lag behind the shard's end at the last read, in milliseconds. */
  get lagMillis(): number {
    return this.#lagMillis;
  }

  /**
   * Records that arrived per second, without those from before the first read; `undefined` before
   * the second read.
   */
  get recordsPerSecond(): number | undefined {
    return this.#records.perSecond;
  }

  /** Lines that arrived per second, like records. */
  get linesPerSecond(): number | undefined {
    return this.#lines.perSecond;
  }

  /** The pause between reads while Kinesis throttles, in milliseconds. */
  get throttledPause(): number | undefined {
    return this.#pace.throttledPause;
  }

  /**
   * Reads to the shard's end.
   *
   * Fails with a permanent {@link Failure}, or with `Stopped`.
   */
  async run(): Promise<End> {
    const { clock, stop } = this.#options;
    for (;;) {
      this.#jumpIfAsleep();
      let pause = 0;
      try {
        const result = await this.#read();
        if (this.#deliver(result) === 'finished') return 'finished';
        const hasMore = result.records.length >= MAX_RECORDS || result.lagMillis > CATCH_UP_LAG;
        pause = this.#pace.succeeded(hasMore);
        this.#options.onResponse();
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.why === 'missing') return 'gone';
        pause = this.#pauseAfter(error);
        this.#options.onRetry();
      }
      if (pause > 0) await clock.sleep(pause, stop);
    }
  }

  async #read(): Promise<ReadResult> {
    const { caller, stream } = this.#options;
    const start = this.#checkpoint;
    this.#iterator ??= await caller.call((kinesis, signal) => kinesis.iterator(stream, this.#shard, start, signal));
    const iterator = this.#iterator;
    return await caller.call((kinesis, signal) => kinesis.records(iterator, MAX_RECORDS, signal));
  }

  /** Delivers the records of a read, and advances past them. */
  #deliver(result: ReadResult): 'finished' | 'open' {
    this.#isReplacement = false;
    this.#respondedAt = this.#options.clock.now();
    this.#lagMillis = result.lagMillis;
    this.#iterator = result.next;
    const records = result.records.filter((record) => this.#isNew(record));
    const lines = records.length > 0 ? this.#options.onRecords(records) : 0;
    this.#count(records.length, lines, result);
    return result.next === undefined ? 'finished' : 'open';
  }

  /** Counts what a read had, unless it is older than the reader. */
  #count(records: number, lines: number, result: ReadResult): void {
    const until = this.#respondedAt - result.lagMillis;
    // Some servers report no lag. A full read without one may be anywhere in the shard.
    const isUnknown = result.records.length >= MAX_RECORDS && result.lagMillis <= CATCH_UP_LAG;
    const spread = Math.max(0, (result.records.at(-1)?.arrival ?? 0) - (result.records[0]?.arrival ?? 0));
    for (const [rate, count] of [[this.#records, records], [this.#lines, lines]] as const) {
      if (until < this.#startedAt || isUnknown) rate.start(until);
      else rate.add(count, until, spread);
    }
  }

  #isNew(record: StreamRecord): boolean {
    if (this.#last !== undefined && compareSequenceNumbers(record.sequenceNumber, this.#last) <= 0) return false;
    this.#last = record.sequenceNumber;
    this.#checkpoint = { kind: 'after', sequenceNumber: record.sequenceNumber };
    if (record.arrival < this.#notBefore) return false;
    // Arrival times are approximate, so a later record may claim to be earlier than the start.
    this.#notBefore = -Infinity;
    return true;
  }

  /** How long to wait after a failure, in milliseconds. Throws the failure if it is permanent. */
  #pauseAfter(failure: Failure): number {
    switch (failure.why) {
      case 'throttled':
        return this.#pace.throttled();
      case 'unreachable':
      case 'stale':
        // `Caller` waits before the next attempt.
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

  /**
   * Returns how long to wait before getting a new iterator: not at all if the old one had worked.
   */
  #replaceIterator(): number {
    const pause = this.#isReplacement ? this.#pace.throttled() : 0;
    this.#iterator = undefined;
    this.#isReplacement = true;
    return pause;
  }

  /**
   * Recovers from an iterator or a start that Kinesis rejects. They may belong to a deleted stream
   * of the same name, or the start time may be in the future because the page's clock is fast.
   */
  #startAgain(failure: Failure): number {
    if (this.#iterator !== undefined) {
      if (this.#isReplacement) throw failure;
      return this.#replaceIterator();
    }
    if (this.#checkpoint.kind === 'after') {
      this.#last = undefined;
      this.#startAt(this.#start);
    } else if (this.#checkpoint.kind === 'time') {
      this.#startAt({ kind: 'latest' });
    } else {
      throw failure;
    }
    return this.#pace.throttled();
  }

  #jumpIfAsleep(): void {
    const { clock, jumpBack } = this.#options;
    const now = clock.now();
    if (jumpBack === undefined || now - this.#respondedAt <= JUMP_AFTER) return;
    this.#respondedAt = now;
    this.#startedAt = now;
    this.#start = { kind: 'time', millis: now - jumpBack };
    // `#last` is kept, so that nothing is delivered twice even if the page's clock is slow.
    this.#startAt(this.#start);
    this.#options.onJump(now - jumpBack);
  }

  #startAt(start: Start): void {
    this.#checkpoint = start;
    this.#iterator = undefined;
    this.#notBefore = start.kind === 'time' ? start.millis : -Infinity;
    // The next read has what is there.
    this.#records.reset();
    this.#lines.reset();
  }
}
