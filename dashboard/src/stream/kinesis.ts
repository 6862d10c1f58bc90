/** What is asked of Kinesis, and what it answers; and what it means when it does not. */

/** A shard, as listed. */
export interface Shard {
  readonly id: string;
  /**
   * The shards it goes on from: none for those the stream began with, one after a split, two after a
   * merge. They may no longer be listed: Kinesis drops a shard whose records have expired.
   */
  readonly parents: readonly string[];
  /** Whether it takes no more records. */
  readonly isClosed: boolean;
}

/** Where in a shard to start. */
export type Place =
  /** The oldest record that is kept. */
  | { readonly kind: 'horizon' }
  /** The first record that arrives from now on. */
  | { readonly kind: 'latest' }
  /** The first record that arrived at this time or later, in milliseconds since the epoch. */
  | { readonly kind: 'time'; readonly millis: number }
  /** The record after the one with this sequence number. */
  | { readonly kind: 'after'; readonly sequence: string };

export interface StreamRecord {
  /** Its place in its shard. */
  readonly sequence: string;
  /** When Kinesis took it, in milliseconds since the epoch. */
  readonly arrival: number;
  readonly data: Uint8Array;
}

/** What one read gave. */
export interface Answer {
  /** The records, in order; often none. */
  readonly records: readonly StreamRecord[];
  /** The iterator for the next read; none where the shard is closed and read to its end. */
  readonly next: string | undefined;
  /** How far behind the end of the shard this is, in milliseconds. */
  readonly behindMillis: number;
}

/** The calls. Each makes one try, gives it up when told to, and fails with a {@link Failure} only. */
export interface Kinesis {
  /** A page of the shards; `token` is the one that the page before gave. */
  listShards(stream: string, token: string | undefined, signal: AbortSignal): Promise<Listing>;
  iterator(stream: string, shard: string, place: Place, signal: AbortSignal): Promise<string>;
  records(iterator: string, limit: number, signal: AbortSignal): Promise<Answer>;
  /** Throws away the credentials: the next call gets new ones. */
  renew(): void;
}

export interface Listing {
  readonly shards: readonly Shard[];
  readonly token: string | undefined;
}

/** Why a call failed, by what can be done about it. */
export type Cause =
  /** Too many calls: later. */
  | 'throttled'
  /** The iterator or the paging token is too old: a new one is needed. */
  | 'expired'
  /** No answer, or none of use: later. */
  | 'unreachable'
  /** The credentials, or the signature's time, are too old: new ones are needed. */
  | 'stale'
  /** There is no such stream, or it no longer has the shard. */
  | 'missing'
  /** Nobody is let in. */
  | 'denied'
  /** Kinesis will never take this. */
  | 'rejected';

/** A call that failed. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly why: Cause;

  constructor(why: Cause, problem: string) {
    super(problem);
    this.why = why;
  }
}
