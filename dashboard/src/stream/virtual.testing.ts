/** A clock and a Kinesis for tests, of which nothing waits for real time. */

import { comparePositions } from '../wire/rows.ts';
import type { Clock } from './clock.ts';
import { type Answer, Failure, type Kinesis, type Listing, type Place, type StreamRecord } from './kinesis.ts';

/** Numbers from 0 on and below 1, the same for the same seed (mulberry32). */
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

  /** Lets time pass; everyone wakes up in time. */
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

  /** Lets time pass while the machine sleeps: everyone wakes up late. */
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

/** Lets everything run that need not wait. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
}

interface MemoryShard {
  readonly parents: readonly string[];
  readonly records: StreamRecord[];
  isClosed: boolean;
}

/** One call that came. */
export interface Call {
  readonly at: number;
  readonly kind: 'list' | 'iterator' | 'records';
  /** None for a listing. */
  readonly shard: string | undefined;
  readonly place: Place | undefined;
}

/** How long an iterator can be used, in milliseconds. */
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
  /** The most records of an answer, and shards of a listing. */
  most = 10_000;
  /** The most reads of a shard that are answered in a second. */
  quota = Infinity;
  renewals = 0;
  mostAtOnce = 0;
  #atOnce = 0;
  #sequence = 0n;
  #created = 0;
  /** How often the stream was made. */
  #made = 0;
  readonly #reads = new Map<string, number>();

  constructor(clock: VirtualClock, shards = 1) {
    this.clock = clock;
    for (let shard = 0; shard < shards; shard += 1) this.#create([]);
  }

  /** Puts text, by its arrival now or `ago` milliseconds ago. */
  put(shard: string, text: string, ago = 0): void {
    this.#sequence += 1n;
    const sequence = String(10n ** 55n + this.#sequence);
    const record = { sequence, arrival: this.clock.now() - ago, data: new TextEncoder().encode(text) };
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

  /** Deletes the stream and makes it again. */
  recreate(): void {
    const count = [...this.shards.values()].filter((shard) => shard.parents.length === 0).length;
    this.shards.clear();
    this.#created = 0;
    this.#made += 1;
    for (let shard = 0; shard < count; shard += 1) this.#create([]);
  }

  async listShards(_stream: string, token: string | undefined, signal: AbortSignal): Promise<Listing> {
    return await this.#answer('list', undefined, undefined, signal, () => {
      const from = Number(token ?? 0);
      const all = [...this.shards].map(([id, { parents, isClosed }]) => ({ id, parents, isClosed }));
      const to = from + this.most;
      return { shards: all.slice(from, to), token: to < all.length ? String(to) : undefined };
    });
  }

  async iterator(_stream: string, id: string, place: Place, signal: AbortSignal): Promise<string> {
    return await this.#answer('iterator', id, place, signal, () => {
      const { records } = this.#shard(id);
      return this.#iteratorAt(id, startOf(records, place));
    });
  }

  async records(iterator: string, limit: number, signal: AbortSignal): Promise<Answer> {
    const [id = '', index, at, made] = iterator.split(' ');
    return await this.#answer('records', id, undefined, signal, () => {
      if (this.clock.now() - Number(at) > ITERATOR_LIFE) throw new Failure('expired', 'ExpiredIteratorException');
      if (Number(made) !== this.#made) throw new Failure('rejected', 'InvalidArgumentException: another stream');
      const shard = this.#shard(id);
      const second = `${id} ${Math.floor(this.clock.now() / 1000)}`;
      const reads = (this.#reads.get(second) ?? 0) + 1;
      this.#reads.set(second, reads);
      if (reads > this.quota) throw new Failure('throttled', 'ProvisionedThroughputExceededException');
      const from = Number(index);
      const to = Math.min(from + Math.min(limit, this.most), shard.records.length);
      const isEnd = shard.isClosed && to === shard.records.length;
      const first = shard.records[to];
      return {
        records: shard.records.slice(from, to),
        next: isEnd ? undefined : this.#iteratorAt(id, to),
        behindMillis: first === undefined ? 0 : this.clock.now() - first.arrival,
      };
    });
  }

  renew(): void {
    this.renewals += 1;
  }

  /** How many calls of a kind came. */
  count(kind: Call['kind']): number {
    return this.calls.filter((call) => call.kind === kind).length;
  }

  async #answer<T>(
    kind: Call['kind'],
    shard: string | undefined,
    place: Place | undefined,
    signal: AbortSignal,
    work: () => T,
  ): Promise<T> {
    const call = { at: this.clock.now(), kind, shard, place };
    this.calls.push(call);
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    const fault = this.fault(call);
    await this.clock.sleep(this.latency, signal);
    this.#atOnce -= 1;
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
    return `${id} ${index} ${this.clock.now()} ${this.#made}`;
  }

  #shard(id: string): MemoryShard {
    const shard = this.shards.get(id);
    if (shard === undefined) throw new Failure('missing', `There is no shard ${id}.`);
    return shard;
  }
}

function startOf(records: readonly StreamRecord[], place: Place): number {
  switch (place.kind) {
    case 'horizon':
      return 0;
    case 'latest':
      return records.length;
    case 'time': {
      const first = records.findIndex((record) => record.arrival >= place.millis);
      return first < 0 ? records.length : first;
    }
    case 'after': {
      const last = records.findIndex((record) => comparePositions(record.sequence, place.sequence) === 0);
      if (last < 0) throw new Failure('rejected', 'InvalidArgumentException: it did not come from this stream');
      return last + 1;
    }
  }
}
