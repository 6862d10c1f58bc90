/**
 * The messages between the page and its worker.
 *
 * The worker reads, decodes and merges both streams; the page draws. Readings are sent as columns
 * in buffers that are transferred, not copied, so that the page need not parse ten thousand of
 * them.
 */

import type { Config } from './config.ts';

/** From the page to the worker. */
export type Request =
  | { readonly kind: 'start'; readonly config: Config }
  /** Whose windows to send from now on: one unicorn's, or with `null` the whole fleet's. */
  | { readonly kind: 'chart'; readonly name: string | null }
  /** The network is back: make the next attempt now. */
  | { readonly kind: 'retry' };

/** From the worker to the page. */
export type Report =
  | Readings
  | Chart
  | { readonly kind: 'health'; readonly stream: 'readings' | 'rows'; readonly health: Health }
  /** A permanent error: the stream does not exist, or access is denied. No more data will come. */
  | { readonly kind: 'failed'; readonly stream: 'readings' | 'rows'; readonly problem: string; readonly advice: string };

/** Readings in the order they were read. All arrays have the same length. */
export interface Readings {
  readonly kind: 'readings';
  /** Names that appear for the first time, numbered from `firstNew`. */
  readonly newNames: readonly string[];
  readonly firstNew: number;
  /** The unicorn's number. */
  readonly unicorn: Uint32Array<ArrayBuffer>;
  /** StatusTime, in milliseconds since the epoch. */
  readonly time: Float64Array<ArrayBuffer>;
  /** When Kinesis received the reading, in milliseconds since the epoch. */
  readonly arrival: Float64Array<ArrayBuffer>;
  /** Degrees; NaN if the reading has no location. */
  readonly latitude: Float64Array<ArrayBuffer>;
  readonly longitude: Float64Array<ArrayBuffer>;
  /** Metres since the previous reading. */
  readonly distance: Float64Array<ArrayBuffer>;
  readonly health: Int32Array<ArrayBuffer>;
  readonly magic: Int32Array<ArrayBuffer>;
}

/** The merged windows of the last hour, oldest first. All arrays have the same length. */
export interface Chart {
  readonly kind: 'chart';
  readonly name: string | null;
  /** Length of a window in seconds. */
  readonly windowSeconds: number;
  /** Starts of the windows, in seconds since the epoch. */
  readonly start: readonly number[];
  /** Metres in the window. */
  readonly distance: readonly number[];
  readonly minMagic: readonly number[];
  readonly maxMagic: readonly number[];
  readonly minHealth: readonly number[];
  readonly maxHealth: readonly number[];
  readonly readings: readonly number[];
  /** How many unicorns have readings in the window. */
  readonly unicorns: readonly number[];
  /** Whether the rows prove that some readings of the window are missing. */
  readonly gap: readonly boolean[];
}

/** The health of a stream's reading, reported at least once per second. */
export interface Health {
  readonly state: State;
  /** How many shards are being read. */
  readonly shards: number;
  /** Average over the last ten seconds. */
  readonly recordsPerSecond: number;
  /** Readings (or rows) per second, average over the last ten seconds. */
  readonly linesPerSecond: number;
  /** The lag of the slowest shard, in milliseconds, as reported by Kinesis. */
  readonly lagMillis: number;
  /** Lines rejected since the start. */
  readonly rejected: number;
  /** Calls retried since the start. */
  readonly retries: number;
}

export type State =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** Kinesis throttles reads: a shard allows five per second to all its readers together. */
  | { readonly kind: 'throttled'; readonly shards: number; readonly pauseMillis: number }
  /** Kinesis does not respond; `retryAt` is in milliseconds since the epoch. */
  | { readonly kind: 'disconnected'; readonly problem: string; readonly retryAt: number };
