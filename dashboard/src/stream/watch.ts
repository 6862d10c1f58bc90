import type { Config } from '../config.ts';
import type { Health, Report, StreamKind, TableView } from '../protocol.ts';
import { RecentWindows } from '../rows/recent_windows.ts';
import type { Schema } from '../schema.ts';
import { Names } from '../wire/names.ts';
import { buffersOf, ReadingColumns } from '../wire/readings.ts';
import { parseRows } from '../wire/rows.ts';
import { advise } from './advice.ts';
import type { Clock } from './clock.ts';
import { Follow, type ParseCounts } from './follow.ts';
import type { Gate } from './gate.ts';
import { Failure, type Kinesis, type StreamRecord } from './kinesis.ts';

/** How far back readings start, in milliseconds: enough to fill the map. */
const READINGS_BACK = 30_000;

/**
 * How far back rows start, in milliseconds: an hour plus one window, so that the first window is
 * complete.
 */
const ROWS_BACK = 3_660_000;

/** The seconds to average rates over. Rows come in bursts, once per window. */
const READINGS_RATE_SECONDS = 10;
const ROWS_RATE_SECONDS = 60;

/**
 * The minimum interval between charts and tables that the page did not request, in milliseconds.
 */
const SEND_INTERVAL = 500;

/** The target number of readings per message, so that the page can draw in between. */
const BATCH_READINGS = 2_500;

/** The settings and dependencies of a {@link Watch}. */
export interface WatchOptions {
  readonly config: Config;
  /** The columns of the rows. */
  readonly schema: Schema;
  /** Whether to read both streams, or only that of the rows. */
  readonly reads: 'both' | 'rows';
  readonly kinesis: Kinesis;
  readonly clock: Clock;
  /** Returns numbers in [0, 1). */
  readonly random: () => number;
  readonly gate: Gate;
  /** Sends a report, and transfers the buffers. */
  readonly post: (report: Report, buffers: ArrayBuffer[]) => void;
}

/** Reads the streams, and reports to the page. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #names = new Names();
  readonly #windows: RecentWindows;
  readonly #readings: Follow;
  readonly #rows: Follow;
  readonly #stop = new AbortController();
  /** The streams that do not respond. */
  readonly #down = new Set<StreamKind>();
  #chartKey: string | null = null;
  /** `undefined` until the page requests a table. */
  #view: TableView | undefined;
  #sentAt = -Infinity;
  #isSendDue = false;

  constructor(options: WatchOptions) {
    const { config, kinesis, clock, random, gate } = options;
    const shared = { kinesis, clock, random, gate };
    this.#options = options;
    this.#windows = new RecentWindows(options.schema);
    this.#readings = new Follow({
      ...shared,
      stream: config.stream,
      back: READINGS_BACK,
      rateSeconds: READINGS_RATE_SECONDS,
      jumps: true,
      onRecords: (records) => this.#handleReadings(records),
      onHealth: (health) => this.#handleHealth('readings', health),
    });
    this.#rows = new Follow({
      ...shared,
      stream: config.summaryStream,
      back: ROWS_BACK,
      rateSeconds: ROWS_RATE_SECONDS,
      jumps: false,
      onRecords: (records) => this.#handleRows(records),
      onHealth: (health) => this.#handleHealth('rows', health),
    });
  }

  /**
   * Reads until it is stopped. If one stream cannot be read, that is reported and the other
   * continues.
   */
  async run(): Promise<void> {
    const { config, reads } = this.#options;
    await Promise.all([
      reads === 'both' ? this.#follow(this.#readings, 'readings', config.stream) : undefined,
      this.#follow(this.#rows, 'rows', config.summaryStream),
    ]);
  }

  /** Ends {@link run}. */
  stop(): void {
    this.#stop.abort();
    this.#readings.stop();
    this.#rows.stop();
  }

  /** Sends the windows of a key, or with `null` of all keys, now and whenever they change. */
  chart(key: string | null): void {
    this.#chartKey = key;
    this.#send();
  }

  /** Sends a part of the table, now and whenever it changes. */
  table(view: TableView): void {
    this.#view = view;
    this.#sendTable();
  }

  /** During an outage, makes the next attempt now. */
  retry(): void {
    this.#readings.retry();
    this.#rows.retry();
  }

  async #follow(follow: Follow, stream: 'readings' | 'rows', name: string): Promise<void> {
    const { config, post } = this.#options;
    try {
      await follow.run();
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('rejected', String(error));
      post({ kind: 'failed', stream, ...advise(failure, name, config) }, []);
    }
  }

  /** Once one stream responds again, the other need not wait any longer. */
  #handleHealth(stream: 'readings' | 'rows', health: Health): void {
    const isDown = health.state.kind === 'disconnected';
    if (this.#down.has(stream) && !isDown) {
      if (stream === 'readings') this.#rows.retry();
      else this.#readings.retry();
    }
    if (isDown) this.#down.add(stream);
    else this.#down.delete(stream);
    this.#options.post({ kind: 'health', stream, health }, []);
  }

  #handleReadings(records: readonly StreamRecord[]): ParseCounts {
    const columns = new ReadingColumns(this.#names);
    let lines = 0;
    let rejected = 0;
    const post = (): void => {
      if (columns.length === 0) return;
      lines += columns.length;
      const readings = columns.take();
      this.#options.post(readings, buffersOf(readings));
    };
    for (const record of records) {
      rejected += columns.add(record.data, record.arrival);
      if (columns.length >= BATCH_READINGS) post();
    }
    post();
    return { lines, rejected };
  }

  #handleRows(records: readonly StreamRecord[]): ParseCounts {
    let lines = 0;
    let rejected = 0;
    let hasChanged = false;
    for (const record of records) {
      const parsed = parseRows(this.#options.schema, record.data);
      rejected += parsed.rejected;
      this.#windows.advance(record.arrival);
      for (const row of parsed.rows) {
        const added = this.#windows.add(row, record.arrival);
        if (added === 'rejected') rejected += 1;
        else lines += 1;
        hasChanged ||= added === 'added';
      }
    }
    if (hasChanged) void this.#sendSoon();
    return { lines, rejected };
  }

  async #sendSoon(): Promise<void> {
    if (this.#isSendDue) return;
    this.#isSendDue = true;
    const { clock } = this.#options;
    await clock.sleep(this.#sentAt + SEND_INTERVAL - clock.now(), this.#stop.signal);
    if (this.#isSendDue && !this.#stop.signal.aborted) this.#send();
  }

  #send(): void {
    this.#isSendDue = false;
    this.#options.post(this.#windows.chart(this.#chartKey), []);
    this.#sendTable();
    // Afterwards: with very many keys, this takes time that reading needs as well.
    this.#sentAt = this.#options.clock.now();
  }

  #sendTable(): void {
    if (this.#view !== undefined) this.#options.post(this.#windows.table(this.#view), []);
  }
}
