/**
 * What the page and its worker say to each other.
 *
 * The worker reads both streams, decodes and merges; the page draws. Readings cross over as columns in buffers that
 * are handed over, not copied, so that ten thousand of them cost the page no parsing.
 */

import type { Config } from './config.ts';

/** From the page to the worker. */
export type Request =
  | { readonly kind: 'start'; readonly config: Config }
  /** Which minutes to send from now on: one unicorn's, or, with `null`, the whole fleet's. */
  | { readonly kind: 'chart'; readonly name: string | null }
  /** The browser says that the network is there again: what waits for a retry need not. */
  | { readonly kind: 'retry' };

/** From the worker to the page. */
export type Report =
  | Readings
  | Chart
  | { readonly kind: 'health'; readonly stream: 'readings' | 'rows'; readonly health: Health }
  /** Nothing more will come: the stream is not there, or nobody is let in. */
  | { readonly kind: 'failed'; readonly stream: 'readings' | 'rows'; readonly problem: string; readonly advice: string };

/** Readings in the order in which they were read; the arrays are equally long. */
export interface Readings {
  readonly kind: 'readings';
  /** Names that appear for the first time: the first has the number `firstNew`, the next one more. */
  readonly newNames: readonly string[];
  readonly firstNew: number;
  /** The unicorn's number. */
  readonly unicorn: Uint32Array<ArrayBuffer>;
  /** StatusTime, in milliseconds since the epoch. */
  readonly time: Float64Array<ArrayBuffer>;
  /** When Kinesis took it, in milliseconds since the epoch. */
  readonly arrival: Float64Array<ArrayBuffer>;
  /** Degrees; NaN where the reading has no position. */
  readonly latitude: Float64Array<ArrayBuffer>;
  readonly longitude: Float64Array<ArrayBuffer>;
  /** Metres since the reading before. */
  readonly distance: Float64Array<ArrayBuffer>;
  readonly health: Int32Array<ArrayBuffer>;
  readonly magic: Int32Array<ArrayBuffer>;
}

/** The merged minutes of the last hour, oldest first; the arrays are equally long. */
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
  /** How many unicorns the window has. */
  readonly unicorns: readonly number[];
}

/** How the reading of a stream goes, told at least once a second. */
export interface Health {
  readonly state: State;
  /** How many shards are being read. */
  readonly shards: number;
  /** Records a second, over the last ten. */
  readonly recordsPerSecond: number;
  /** Readings (or rows) a second, over the last ten. */
  readonly linesPerSecond: number;
  /** How far behind the stream's end the slowest shard is, in milliseconds, as Kinesis says. */
  readonly lagMillis: number;
  /** Lines that could not be read, since the start. */
  readonly rejected: number;
  /** Calls that failed and were made again, since the start. */
  readonly retries: number;
}

export type State =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** Kinesis rejects reads, since a shard gives five a second to all its readers together. */
  | { readonly kind: 'throttled'; readonly shards: number; readonly pauseMillis: number }
  /** Nothing answers; `retryAt` is in milliseconds since the epoch. */
  | { readonly kind: 'disconnected'; readonly problem: string; readonly retryAt: number };
