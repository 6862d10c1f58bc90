/**
 * The messages between the page and its worker.
 *
 * The worker reads, decodes and merges the streams; the pages draw. Readings are sent as columns
 * in buffers that are transferred, not copied, so that the page need not parse ten thousand of
 * them.
 */

import type { Config, Output } from './config.ts';
import type { Schema } from './schema.ts';

/** From the page to the worker. */
export type Request =
  /**
   * Read the streams. The map needs both of them, the table only that of the rows. Without a schema,
   * neither is read.
   */
  | { readonly kind: 'start'; readonly config: Config; readonly schema: Schema | undefined; readonly reads: 'both' | 'rows' }
  /** Whose windows to send from now on: those of the key with this text, or with `null` of all keys. */
  | { readonly kind: 'chart'; readonly key: string | null }
  /** Which part of the table to send from now on. */
  | { readonly kind: 'table'; readonly view: TableView }
  /** Which output to read, and which part of its rows to send from now on; with `null`, none. */
  | { readonly kind: 'output'; readonly view: OutputView | null }
  /** The network is back: make the next attempt now. */
  | { readonly kind: 'retry' };

/** From the worker to the page. */
export type Report =
  | Readings
  | Chart
  | Table
  | OutputTable
  | HealthReport
  | FailureReport;

/** How the reading of a stream goes. */
export interface HealthReport {
  readonly kind: 'health';
  readonly stream: StreamKind;
  /** The name of the output, if the stream is that of one. */
  readonly output?: string;
  readonly health: Health;
}

/** A permanent error: the stream does not exist, or access is denied. No more data will come. */
export interface FailureReport {
  readonly kind: 'failed';
  readonly stream: StreamKind;
  /** The name of the output, if the stream is that of one. */
  readonly output?: string;
  readonly problem: string;
  readonly advice: string;
}

/** What a stream has. */
export type StreamKind = 'readings' | 'rows' | 'output';

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

/**
 * The merged windows of the last hour, oldest first. All arrays but `newest` have the same length.
 */
export interface Chart {
  readonly kind: 'chart';
  /** The text of the key; `null` for all keys. */
  readonly key: string | null;
  /** Length of a window in seconds. */
  readonly windowSeconds: number;
  /** Starts of the windows, in seconds since the epoch. */
  readonly start: readonly number[];
  /** By measure of the schema. `null` if a window has no value, or the value is no number. */
  readonly measures: readonly (readonly (number | null)[])[];
  /** The newest window's measures as text, exact. */
  readonly newest: readonly string[];
  readonly readings: readonly number[];
  /** How many keys have readings in the window. */
  readonly keys: readonly number[];
  /** Whether the rows prove that some readings of the window are missing. */
  readonly gap: readonly boolean[];
  /** From the end of the window to the arrival of its first row and of its last, in seconds. */
  readonly firstLag: readonly number[];
  readonly lastLag: readonly number[];
}

/** A part of the table. */
export interface TableView {
  /** Only keys that contain this text. */
  readonly search: string;
  /** The index of the first row. */
  readonly first: number;
  readonly count: number;
}

/** A part of the table of keys, in their order. */
export interface Table {
  readonly kind: 'table';
  readonly search: string;
  /** How many keys there are, and how many match the search. */
  readonly keys: number;
  readonly matches: number;
  /** The index of the first row that is sent. */
  readonly first: number;
  /** `null` if there is no window with readings. */
  readonly newest: WindowSummary | null;
  /** How many windows there are, and how many of them have a gap. */
  readonly windows: number;
  readonly gaps: number;
  /** Whether windows of the last hour were dropped to save memory. */
  readonly isCut: boolean;
  /** Length of a window in seconds. */
  readonly windowSeconds: number;
  readonly rows: readonly TableRow[];
}

/** The totals of a window over all keys. */
export interface WindowSummary {
  /** Start of the window, in seconds since the epoch. */
  readonly start: number;
  readonly readings: number;
  readonly keys: number;
  /** From the end of the window to the arrival of its first row and of its last, in seconds. */
  readonly firstLag: number;
  readonly lastLag: number;
}

/** A key and its newest window with readings. */
export interface TableRow {
  /** The text of the key. */
  readonly key: string;
  /** The values of the key's columns, for people. */
  readonly columns: readonly string[];
  /** Start of the window, in seconds since the epoch; `null` if all readings were duplicates. */
  readonly start: number | null;
  readonly readings: number;
  /** The measures, for people; empty without a window. */
  readonly values: readonly string[];
  readonly gap: boolean;
}

/** A part of an output's rows, newest first. */
export interface OutputView {
  readonly output: Output;
  /** The index of the first row. */
  readonly first: number;
  readonly count: number;
}

/** A part of an output's rows, newest first. */
export interface OutputTable {
  readonly kind: 'output';
  /** The output's name. */
  readonly name: string;
  /** How many rows there are. */
  readonly size: number;
  /** Whether older rows were dropped to save memory. */
  readonly isCut: boolean;
  /** How many rows arrived in the last minute. */
  readonly perMinute: number;
  /** The index of the first row that is sent. */
  readonly first: number;
  /** By row, the values of the output's columns, for people. */
  readonly cells: readonly (readonly string[])[];
  /** Which columns have numbers. */
  readonly numbers: readonly boolean[];
}

/** The health of a stream's reading, reported at least once per second. */
export interface Health {
  readonly state: State;
  /** How many shards are being read. */
  readonly shards: number;
  /**
   * Average over the last ten seconds, or of rows over the last minute, without what was there before.
   * `null` before it is known.
   */
  readonly recordsPerSecond: number | null;
  /** Readings (or rows) per second, averaged like records. */
  readonly linesPerSecond: number | null;
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
  /**
   * Kinesis does not respond. `since`: when it last did, `null` if it never did; `retryAt`: when the
   * next attempt is due. Both are in milliseconds since the epoch.
   */
  | { readonly kind: 'disconnected'; readonly problem: string; readonly since: number | null; readonly retryAt: number };
