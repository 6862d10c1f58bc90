/** A virtual clock and an in-memory Kinesis for tests, which never wait in real time. */

import { compareSequenceNumbers } from '../wire/source.ts';
import type { Clock } from './clock.ts';
import { Failure, type Kinesis, type ReadResult, type ShardPage, type Start, type StreamRecord } from './kinesis.ts';

/** A generator of numbers in [0, 1), deterministic by seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Sleeper {
  readonly at: number;
  readonly resolve: () => void;
}

/** A clock that stands still until it is advanced. */
export class VirtualClock implements Clock {
  #now = Date.UTC(2026, 10, 20, 9, 17);
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#now;
  }

  sleep(millis: number, wake: AbortSignal): Promise<void> {
    if (wake.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#sleepers.delete(sleeper);
        wake.removeEventListener('abort', done);
        resolve();
      };
      const sleeper = { at: this.#now + Math.max(millis, 0), resolve: done };
      this.#sleepers.add(sleeper);
      wake.addEventListener('abort', done);
    });
  }

  /** Advances the time; every sleeper wakes on time. */
  async advance(millis: number): Promise<void> {
    const end = this.#now + millis;
    await settle();
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.#now = Math.max(this.#now, next.at);
      next.resolve();
      await settle();
    }
    this.#now = end;
  }

  /** Advances the time as if the machine slept: every sleeper wakes late. */
  async skip(millis: number): Promise<void> {
    this.#now += millis;
    await this.advance(0);
  }

  #next(): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (next === undefined || sleeper.at < next.at) next = sleeper;
    }
    return next;
  }
}

/** Runs everything that does not wait for the clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
}

interface MemoryShard {
  readonly parents: readonly string[];
  readonly records: StreamRecord[];
  isClosed: boolean;
}

/** A recorded call. */
export interface Call {
  readonly at: number;
  readonly kind: 'list' | 'iterator' | 'records';
  /** `undefined` for a listing. */
  readonly shard: string | undefined;
  readonly start: Start | undefined;
}

/** How long an iterator is valid, in milliseconds. */
const ITERATOR_LIFE = 300_000;

/** A stream in memory. */
export class MemoryKinesis implements Kinesis {
  readonly clock: VirtualClock;
  readonly shards = new Map<string, MemoryShard>();
  readonly calls: Call[] = [];
  /** Decides whether a call fails. */
  fault: (call: Call) => Failure | undefined = () => undefined;
  /** How long a call takes, in milliseconds. */
  latency = 10;
  /** The maximum number of records per read, and of shards per page. */
  pageSize = 10_000;
  /** The maximum number of successful reads per shard and second. */
  quota = Infinity;
  renewals = 0;
  maxConcurrent = 0;
  #concurrent = 0;
  #records = 0n;
  #created = 0;
  /** How often the stream was recreated. */
  #generation = 0;
  readonly #reads = new Map<string, number>();

  constructor(clock: VirtualClock, shards = 1) {
    this.clock = clock;
    for (let shard = 0; shard < shards; shard += 1) this.#create([]);
  }

  /** Puts a record that arrives now, or arrived `ago` milliseconds ago. */
  put(shard: string, text: string, ago = 0): void {
    this.#records += 1n;
    const sequenceNumber = String(10n ** 55n + this.#records);
    const record = { sequenceNumber, arrival: this.clock.now() - ago, data: new TextEncoder().encode(text) };
    this.#shard(shard).records.push(record);
  }

  split(shard: string): string[] {
    this.#shard(shard).isClosed = true;
    return [this.#create([shard]), this.#create([shard])];
  }

  merge(one: string, other: string): string {
    this.#shard(one).isClosed = true;
    this.#shard(other).isClosed = true;
    return this.#create([one, other]);
  }

  /** Deletes the stream and creates it again. */
  recreate(): void {
    const count = [...this.shards.values()].filter((shard) => shard.parents.length === 0).length;
    this.shards.clear();
    this.#created = 0;
    this.#generation += 1;
    for (let shard = 0; shard < count; shard += 1) this.#create([]);
  }

  async listShards(_stream: string, token: string | undefined, signal: AbortSignal): Promise<ShardPage> {
    return await this.#respond('list', undefined, undefined, signal, () => {
      const from = Number(token ?? 0);
      const all = [...this.shards].map(([id, { parents, isClosed }]) => ({ id, parents, isClosed }));
      const to = from + this.pageSize;
      return { shards: all.slice(from, to), token: to < all.length ? String(to) : undefined };
    });
  }

  async iterator(_stream: string, id: string, start: Start, signal: AbortSignal): Promise<string> {
    return await this.#respond('iterator', id, start, signal, () => {
      const { records } = this.#shard(id);
      return this.#iteratorAt(id, indexOf(records, start));
    });
  }

  async records(iterator: string, limit: number, signal: AbortSignal): Promise<ReadResult> {
    const [id = '', index, at, generation] = iterator.split(' ');
    return await this.#respond('records', id, undefined, signal, () => {
      if (this.clock.now() - Number(at) > ITERATOR_LIFE) throw new Failure('expired', 'ExpiredIteratorException');
      if (Number(generation) !== this.#generation) {
        throw new Failure('rejected', 'InvalidArgumentException: another stream');
      }
      const shard = this.#shard(id);
      const second = `${id} ${Math.floor(this.clock.now() / 1000)}`;
      const reads = (this.#reads.get(second) ?? 0) + 1;
      this.#reads.set(second, reads);
      if (reads > this.quota) throw new Failure('throttled', 'ProvisionedThroughputExceededException');
      const from = Number(index);
      const to = Math.min(from + Math.min(limit, this.pageSize), shard.records.length);
      const isEnd = shard.isClosed && to === shard.records.length;
      const first = shard.records[to];
      return {
        records: shard.records.slice(from, to),
        next: isEnd ? undefined : this.#iteratorAt(id, to),
        lagMillis: first === undefined ? 0 : this.clock.now() - first.arrival,
      };
    });
  }

  renew(): void {
    this.renewals += 1;
  }

  /** How many calls of a kind were made. */
  count(kind: Call['kind']): number {
    return this.calls.filter((call) => call.kind === kind).length;
  }

  async #respond<T>(
    kind: Call['kind'],
    shard: string | undefined,
    start: Start | undefined,
    signal: AbortSignal,
    work: () => T,
  ): Promise<T> {
    const call = { at: this.clock.now(), kind, shard, start };
    this.calls.push(call);
    this.#concurrent += 1;
    this.maxConcurrent = Math.max(this.maxConcurrent, this.#concurrent);
    const fault = this.fault(call);
    await this.clock.sleep(this.latency, signal);
    this.#concurrent -= 1;
    if (signal.aborted) throw new Failure('unreachable', 'aborted');
    if (fault !== undefined) throw fault;
    return work();
  }

  #create(parents: readonly string[]): string {
    const id = `shardId-${String(this.#created).padStart(12, '0')}`;
    this.#created += 1;
    this.shards.set(id, { parents, records: [], isClosed: false });
    return id;
  }

  #iteratorAt(id: string, index: number): string {
    return `${id} ${index} ${this.clock.now()} ${this.#generation}`;
  }

  #shard(id: string): MemoryShard {
    const shard = this.shards.get(id);
    if (shard === undefined) throw new Failure('missing', `Shard ${id} does not exist.`);
    return shard;
  }
}

/** The index of the record to start at. */
function indexOf(records: readonly StreamRecord[], start: Start): number {
  switch (start.kind) {
    case 'horizon':
      return 0;
    case 'latest':
      return records.length;
    case 'time': {
      const first = records.findIndex((record) => record.arrival >= start.millis);
      return first < 0 ? records.length : first;
    }
    case 'after': {
      const last = records.findIndex(
        (record) => compareSequenceNumbers(record.sequenceNumber, start.sequenceNumber) === 0,
      );
      if (last < 0) throw new Failure('rejected', 'InvalidArgumentException: not from this stream');
      return last + 1;
    }
  }
}
