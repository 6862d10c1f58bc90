/** The Kinesis calls that the page makes, their results and their failures. */

/** A shard, as ListShards returns it. */
export interface Shard {
  readonly id: string;
  /**
   * The parent shards: none for the stream's first shards, one after a split, two after a merge.
   * They may no longer be listed: Kinesis drops a shard whose records have expired.
   */
  readonly parents: readonly string[];
  /** Whether it accepts no more records. */
  readonly isClosed: boolean;
}

/** Where in a shard to start reading. */
export type Start =
  /** The oldest record in the shard. */
  | { readonly kind: 'horizon' }
  /** The first record that arrives from now on. */
  | { readonly kind: 'latest' }
  /** The first record that arrived at or after this time, in milliseconds since the epoch. */
  | { readonly kind: 'time'; readonly millis: number }
  /** The record after the one with this sequence number. */
  | { readonly kind: 'after'; readonly sequenceNumber: string };

export interface StreamRecord {
  readonly sequenceNumber: string;
  /** When Kinesis received it, in milliseconds since the epoch. */
  readonly arrival: number;
  readonly data: Uint8Array;
}

/** The result of GetRecords. */
export interface ReadResult {
  /** The records, in order; often empty. */
  readonly records: readonly StreamRecord[];
  /** The iterator for the next read; `undefined` if the shard is closed and fully read. */
  readonly next: string | undefined;
  /** How far this read lags behind the end of the shard, in milliseconds. */
  readonly lagMillis: number;
}

/**
 * The calls. Each makes one attempt, stops when `signal` is aborted, and fails only with a {@link
 * Failure}.
 */
export interface Kinesis {
  /** Lists one page of shards; `token` is the token of the previous page. */
  listShards(stream: string, token: string | undefined, signal: AbortSignal): Promise<ShardPage>;
  iterator(stream: string, shard: string, start: Start, signal: AbortSignal): Promise<string>;
  records(iterator: string, limit: number, signal: AbortSignal): Promise<ReadResult>;
  /** Drops the credentials: the next call gets new ones. */
  renew(): void;
}

/** A page of ListShards. */
export interface ShardPage {
  readonly shards: readonly Shard[];
  /** The token for the next page; `undefined` on the last. */
  readonly token: string | undefined;
}

/** Why a call failed, by remedy. */
export type Cause =
  /** Too many calls: retry later. */
  | 'throttled'
  /** The iterator or paging token has expired: get a new one. */
  | 'expired'
  /** No response, or an invalid one: retry later. */
  | 'unreachable'
  /** The credentials or the signature have expired: get new credentials. */
  | 'stale'
  /** The stream or the shard does not exist. */
  | 'missing'
  /** Access is denied. */
  | 'denied'
  /** The request is invalid: a retry fails again. */
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
