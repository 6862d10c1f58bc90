import type { Health, State } from '../protocol.ts';
import { Caller, type CallerOptions, Stopped } from './caller.ts';
import { Failure, type Shard, type Start, type StreamRecord } from './kinesis.ts';
import { Lineage } from './lineage.ts';
import { Pace } from './pace.ts';
import { ShardReader } from './reader.ts';

/** The interval between listings of the shards, in milliseconds. */
const LIST_INTERVAL = 30_000;
/** The minimum interval, when a shard has ended; in milliseconds. */
const MIN_LIST_INTERVAL = 1_000;

/** The maximum interval between health reports, in milliseconds. */
const HEALTH_INTERVAL = 1_000;

/** The outcome of parsing records. */
export interface ParseCounts {
  /** How many lines were parsed. */
  readonly lines: number;
  /** How many lines were rejected. */
  readonly rejected: number;
}

/** The settings and dependencies of a {@link Follow}. */
export interface FollowOptions extends Omit<CallerOptions, 'stop'> {
  readonly stream: string;
  /** How far back to start reading, in milliseconds. */
  readonly back: number;
  /** The number of seconds to average rates over. */
  readonly rateSeconds: number;
  /**
   * After more than a minute without a response: whether to skip to `back` before now instead of
   * catching up.
   */
  readonly jumps: boolean;
  /**
   * Receives the records of one read. A shard's records come in order, after those of its parents.
   */
  readonly onRecords: (records: readonly StreamRecord[]) => ParseCounts;
  readonly onHealth: (health: Health) => void;
}

/**
 * Reads a whole stream, through every split and merge.
 *
 * Shards that exist at the start are read from `back` before now, later ones from their first
 * record. Parents are read before their children. It runs until it is stopped or fails with a
 * permanent error.
 */
export class Follow {
  readonly #options: FollowOptions;
  readonly #stop = new AbortController();
  readonly #caller: Caller;
  readonly #lineage = new Lineage();
  readonly #readers = new Map<string, ShardReader>();
  readonly #listPace: Pace;
  /** Where to start in the initial shards, in milliseconds since the epoch. */
  #startTime: number;
  /** The latest time that a reader jumped to. */
  #jumpedTo: number | undefined;
  /** The shards that existed at the start. */
  #initial: ReadonlySet<string> | undefined;
  #wakeLister = new AbortController();
  #hasResponse = false;
  #rejected = 0;
  #retries = 0;
  #reportedState: State['kind'] | undefined;
  #fault: { readonly error: unknown } | undefined;

  constructor(options: FollowOptions) {
    const { clock, random, back } = options;
    this.#options = options;
    this.#caller = new Caller({ ...options, stop: this.#stop.signal });
    this.#listPace = new Pace(random);
    this.#startTime = clock.now() - back;
  }

  /** Reads until it is stopped. Fails on a permanent error, usually a {@link Failure}. */
  async run(): Promise<void> {
    const reporting = this.#reportRegularly();
    try {
      await this.#listRegularly();
    } catch (error) {
      this.#end(error);
    }
    await reporting;
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  /** Ends {@link run}. */
  stop(): void {
    this.#stop.abort();
    this.#wakeLister.abort();
  }

  /** During an outage, makes the next attempt now. */
  retry(): void {
    this.#caller.retry();
  }

  #end(error: unknown): void {
    if (!(error instanceof Stopped)) this.#fault ??= { error };
    this.stop();
  }

  async #listRegularly(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#wakeLister = new AbortController();
      const pause = await this.#list();
      await clock.sleep(Math.min(pause, MIN_LIST_INTERVAL), this.#stop.signal);
      await clock.sleep(pause - MIN_LIST_INTERVAL, this.#wakeLister.signal);
    }
  }

  /**
   * Lists the shards and starts those that may be read. Returns how long to wait before the next
   * listing.
   */
  async #list(): Promise<number> {
    try {
      const shards = await this.#listPages();
      this.#listPace.succeeded(false);
      if (this.#initial === undefined) this.#begin(shards);
      this.#lineage.update(shards, this.#options.clock.now());
      this.#startReady();
      return LIST_INTERVAL;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const pause = this.#pauseAfterList(error);
      this.#countRetry();
      return pause;
    }
  }

  #begin(shards: readonly Shard[]): void {
    const { clock, back, jumps } = this.#options;
    this.#initial = new Set(shards.map((shard) => shard.id));
    // The first response may have taken long.
    if (jumps) this.#startTime = clock.now() - back;
  }

  async #listPages(): Promise<Shard[]> {
    const { stream } = this.#options;
    const shards: Shard[] = [];
    let token: string | undefined;
    do {
      const pageToken = token;
      const page = await this.#caller.call((kinesis, signal) => kinesis.listShards(stream, pageToken, signal));
      shards.push(...page.shards);
      token = page.token;
    } while (token !== undefined);
    return shards;
  }

  #pauseAfterList(failure: Failure): number {
    switch (failure.why) {
      case 'throttled':
      case 'expired':
        return this.#listPace.throttled();
      case 'unreachable':
      case 'stale':
        // `Caller` waits before the next attempt.
        return 0;
      case 'missing':
      case 'denied':
      case 'rejected':
        throw failure;
    }
  }

  #startReady(): void {
    for (const id of this.#lineage.ready()) void this.#read(id);
  }

  async #read(id: string): Promise<void> {
    const reader = new ShardReader(
      {
        ...this.#options,
        caller: this.#caller,
        stop: this.#stop.signal,
        jumpBack: this.#options.jumps ? this.#options.back : undefined,
        onRecords: (records) => this.#handleRecords(records),
        onResponse: () => this.#onResponse(),
        onJump: (millis) => {
          this.#jumpedTo = millis;
        },
        onRetry: () => this.#countRetry(),
      },
      id,
      this.#startOf(id),
    );
    this.#readers.set(id, reader);
    try {
      const end = await reader.run();
      if (end === 'finished') this.#lineage.finish(id, this.#options.clock.now());
      else this.#lineage.remove(id);
      this.#readers.delete(id);
      this.#startReady();
      this.#wakeLister.abort();
    } catch (error) {
      this.#end(error);
    }
  }

  #startOf(id: string): Start {
    if (this.#jumpedTo !== undefined) return { kind: 'time', millis: this.#jumpedTo };
    if (this.#initial?.has(id) === true) return { kind: 'time', millis: this.#startTime };
    return { kind: 'horizon' };
  }

  #handleRecords(records: readonly StreamRecord[]): number {
    const { lines, rejected } = this.#options.onRecords(records);
    this.#rejected += rejected;
    return lines;
  }

  #onResponse(): void {
    this.#hasResponse = true;
    this.#reportIfStateChanged();
  }

  #countRetry(): void {
    this.#retries += 1;
    this.#reportIfStateChanged();
  }

  async #reportRegularly(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#report();
      await this.#options.clock.sleep(HEALTH_INTERVAL, this.#stop.signal);
    }
  }

  #reportIfStateChanged(): void {
    if (this.#state().kind !== this.#reportedState) this.#report();
  }

  #report(): void {
    const state = this.#state();
    this.#reportedState = state.kind;
    const readers = [...this.#readers.values()];
    this.#options.onHealth({
      state,
      shards: readers.length,
      recordsPerSecond: sumOf(readers.map((reader) => reader.recordsPerSecond)),
      linesPerSecond: sumOf(readers.map((reader) => reader.linesPerSecond)),
      lagMillis: Math.max(0, ...readers.map((reader) => reader.lagMillis)),
      rejected: this.#rejected,
      retries: this.#retries,
    });
  }

  #state(): State {
    const outage = this.#caller.outage;
    if (outage !== undefined) return { kind: 'disconnected', ...outage };
    const pauses: number[] = [];
    for (const reader of this.#readers.values()) {
      if (reader.throttledPause !== undefined) pauses.push(reader.throttledPause);
    }
    if (pauses.length > 0) return { kind: 'throttled', shards: pauses.length, pauseMillis: Math.max(...pauses) };
    return { kind: this.#hasResponse ? 'live' : 'connecting' };
  }
}

/** The sum of the rates that are known; `null` if none is. */
function sumOf(rates: readonly (number | undefined)[]): number | null {
  const known = rates.filter((rate) => rate !== undefined);
  return known.length === 0 ? null : known.reduce((sum, rate) => sum + rate, 0);
}
