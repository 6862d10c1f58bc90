import type { Health, State } from '../protocol.ts';
import { Caller, type CallerParts, Stopped } from './caller.ts';
import { Failure, type Place, type Shard, type StreamRecord } from './kinesis.ts';
import { Lineage } from './lineage.ts';
import { Pace } from './pace.ts';
import { Rate } from './rate.ts';
import { ShardReader } from './reader.ts';

/** The pause between two listings of the shards, and the shortest there is where one is wanted, in milliseconds. */
const LIST_EVERY = 30_000;
const LIST_AT_MOST_EVERY = 1_000;

/** How often the health is told at least, in milliseconds. */
const HEALTH_EVERY = 1_000;

/** What came of records. */
export interface Taken {
  /** How many lines were read. */
  readonly lines: number;
  /** How many could not be. */
  readonly rejected: number;
}

export interface FollowParts extends Omit<CallerParts, 'stop'> {
  readonly stream: string;
  /** How far back to start, in milliseconds. */
  readonly back: number;
  /** After more than a minute without an answer, whether to start so far back once more, rather than to catch up. */
  readonly jumps: boolean;
  /** Takes the records of one answer, in their shard's order and after those of its parents. */
  readonly take: (records: readonly StreamRecord[]) => Taken;
  readonly onHealth: (health: Health) => void;
}

/**
 * Follows all of a stream through every split and merge.
 *
 * The shards that are there at the start are read from the time that is so far back, parents before their children, and
 * those that appear later from their first record on. It never gives up by itself, but where no try can help.
 */
export class Follow {
  readonly #parts: FollowParts;
  readonly #stop = new AbortController();
  readonly #caller: Caller;
  readonly #lineage = new Lineage();
  readonly #readers = new Map<string, ShardReader>();
  readonly #listPace: Pace;
  readonly #records: Rate;
  readonly #lines: Rate;
  /** Where the shards begin that are there at the start, in milliseconds since the epoch. */
  #startTime: number;
  /** The newest time that a reader jumped to. */
  #jumpedTo: number | undefined;
  /** The shards that were there at the start. */
  #initial: ReadonlySet<string> | undefined;
  #wakeLister = new AbortController();
  #hasAnswered = false;
  #rejected = 0;
  #retries = 0;
  #toldState: State['kind'] | undefined;
  #fault: { readonly error: unknown } | undefined;

  constructor(parts: FollowParts) {
    const { clock, random, back } = parts;
    const now = clock.now();
    this.#parts = parts;
    this.#caller = new Caller({ ...parts, stop: this.#stop.signal });
    this.#listPace = new Pace(random);
    this.#records = new Rate(now);
    this.#lines = new Rate(now);
    this.#startTime = now - back;
  }

  /** Follows until it is stopped. Fails, with a {@link Failure} as a rule, where no try can help. */
  async run(): Promise<void> {
    const telling = this.#keepTelling();
    try {
      await this.#keepListing();
    } catch (error) {
      this.#end(error);
    }
    await telling;
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  /** Ends {@link run}. */
  stop(): void {
    this.#stop.abort();
    this.#wakeLister.abort();
  }

  /** Calls at once where nothing answered and it waits to try again. */
  retry(): void {
    this.#caller.retry();
  }

  #end(error: unknown): void {
    if (!(error instanceof Stopped)) this.#fault ??= { error };
    this.stop();
  }

  async #keepListing(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#stop.signal.aborted) {
      this.#wakeLister = new AbortController();
      const pause = await this.#list();
      await clock.sleep(Math.min(pause, LIST_AT_MOST_EVERY), this.#stop.signal);
      await clock.sleep(pause - LIST_AT_MOST_EVERY, this.#wakeLister.signal);
    }
  }

  /** Lists the shards and starts those that may be read. Returns how long to wait for the next time. */
  async #list(): Promise<number> {
    try {
      const shards = await this.#listPages();
      this.#listPace.answered(false);
      if (this.#initial === undefined) this.#begin(shards);
      this.#lineage.update(shards, this.#parts.clock.now());
      this.#startReady();
      return LIST_EVERY;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const pause = this.#pauseAfterList(error);
      this.#noteRetry();
      return pause;
    }
  }

  #begin(shards: readonly Shard[]): void {
    const { clock, back, jumps } = this.#parts;
    this.#initial = new Set(shards.map((shard) => shard.id));
    // The first answer may have been long in coming.
    if (jumps) this.#startTime = clock.now() - back;
  }

  async #listPages(): Promise<Shard[]> {
    const { stream } = this.#parts;
    const shards: Shard[] = [];
    let token: string | undefined;
    do {
      const asked = token;
      const page = await this.#caller.call((kinesis, signal) => kinesis.listShards(stream, asked, signal));
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
        // The caller waits.
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
        ...this.#parts,
        caller: this.#caller,
        stop: this.#stop.signal,
        jumpBack: this.#parts.jumps ? this.#parts.back : undefined,
        take: (records) => this.#take(records),
        onAnswer: () => this.#noteAnswer(),
        onJump: (millis) => {
          this.#jumpedTo = millis;
        },
        onRetry: () => this.#noteRetry(),
      },
      id,
      this.#placeFor(id),
    );
    this.#readers.set(id, reader);
    try {
      const end = await reader.run();
      if (end === 'finished') this.#lineage.finish(id, this.#parts.clock.now());
      else this.#lineage.forget(id);
      this.#readers.delete(id);
      this.#startReady();
      this.#wakeLister.abort();
    } catch (error) {
      this.#end(error);
    }
  }

  #placeFor(id: string): Place {
    if (this.#jumpedTo !== undefined) return { kind: 'time', millis: this.#jumpedTo };
    if (this.#initial?.has(id) === true) return { kind: 'time', millis: this.#startTime };
    return { kind: 'horizon' };
  }

  #take(records: readonly StreamRecord[]): void {
    const now = this.#parts.clock.now();
    const { lines, rejected } = this.#parts.take(records);
    this.#records.add(records.length, now);
    this.#lines.add(lines, now);
    this.#rejected += rejected;
  }

  #noteAnswer(): void {
    this.#hasAnswered = true;
    this.#tellIfChanged();
  }

  #noteRetry(): void {
    this.#retries += 1;
    this.#tellIfChanged();
  }

  async #keepTelling(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#tell();
      await this.#parts.clock.sleep(HEALTH_EVERY, this.#stop.signal);
    }
  }

  #tellIfChanged(): void {
    if (this.#state().kind !== this.#toldState) this.#tell();
  }

  #tell(): void {
    const now = this.#parts.clock.now();
    const state = this.#state();
    this.#toldState = state.kind;
    const readers = [...this.#readers.values()];
    this.#parts.onHealth({
      state,
      shards: readers.length,
      recordsPerSecond: this.#records.perSecond(now),
      linesPerSecond: this.#lines.perSecond(now),
      lagMillis: Math.max(0, ...readers.map((reader) => reader.behindMillis)),
      rejected: this.#rejected,
      retries: this.#retries,
    });
  }

  #state(): State {
    const outage = this.#caller.outage;
    if (outage !== undefined) return { kind: 'disconnected', ...outage };
    const pauses: number[] = [];
    for (const reader of this.#readers.values()) {
      if (reader.slowed !== undefined) pauses.push(reader.slowed);
    }
    if (pauses.length > 0) return { kind: 'throttled', shards: pauses.length, pauseMillis: Math.max(...pauses) };
    return { kind: this.#hasAnswered ? 'live' : 'connecting' };
  }
}
