import type { Config } from '../config.ts';
import type { Report } from '../protocol.ts';
import { Minutes } from '../rows/minutes.ts';
import { Names } from '../wire/names.ts';
import { buffersOf, ReadingColumns } from '../wire/readings.ts';
import { parseRows } from '../wire/rows.ts';
import { advise } from './advice.ts';
import type { Clock } from './clock.ts';
import { Follow, type Taken } from './follow.ts';
import { Gate } from './gate.ts';
import { Failure, type Kinesis, type StreamRecord } from './kinesis.ts';

/** How far back the readings start, in milliseconds: so much fills the map. */
const READINGS_BACK = 30_000;

/** How far back the rows start, in milliseconds: an hour, and a window, so that the first one is whole. */
const ROWS_BACK = 3_660_000;

/** The shortest time between two charts that nobody asked for, in milliseconds. */
const CHART_EVERY = 500;

/** So many readings are handed over at once, so that the page can draw in between. */
const MOST_READINGS = 2_500;

/** The most calls at once: the connections that a browser makes to one place. */
const MOST_CALLS = 6;

export interface WatchParts {
  readonly config: Config;
  readonly kinesis: Kinesis;
  readonly clock: Clock;
  /** Numbers from 0 on and below 1. */
  readonly random: () => number;
  /** Sends a report, and hands over the buffers. */
  readonly post: (report: Report, buffers: ArrayBuffer[]) => void;
}

/** Follows both streams and reports what the page is to know. */
export class Watch {
  readonly #parts: WatchParts;
  readonly #names = new Names();
  readonly #minutes = new Minutes();
  readonly #readings: Follow;
  readonly #rows: Follow;
  readonly #stop = new AbortController();
  #chartName: string | null = null;
  #chartedAt = -Infinity;
  #isChartDue = false;

  constructor(parts: WatchParts) {
    const { config, kinesis, clock, random, post } = parts;
    const shared = { kinesis, clock, random, gate: new Gate(MOST_CALLS) };
    this.#parts = parts;
    this.#readings = new Follow({
      ...shared,
      stream: config.stream,
      back: READINGS_BACK,
      jumps: true,
      take: (records) => this.#takeReadings(records),
      onHealth: (health) => post({ kind: 'health', stream: 'readings', health }, []),
    });
    this.#rows = new Follow({
      ...shared,
      stream: config.summaryStream,
      back: ROWS_BACK,
      jumps: false,
      take: (records) => this.#takeRows(records),
      onHealth: (health) => post({ kind: 'health', stream: 'rows', health }, []),
    });
  }

  /** Follows until it is stopped. A stream that cannot be read is reported and does not stop the other. */
  async run(): Promise<void> {
    const { config } = this.#parts;
    await Promise.all([
      this.#follow(this.#readings, 'readings', config.stream),
      this.#follow(this.#rows, 'rows', config.summaryStream),
    ]);
  }

  /** Ends {@link run}. */
  stop(): void {
    this.#stop.abort();
    this.#readings.stop();
    this.#rows.stop();
  }

  /** Sends the minutes of a unicorn, or with `null` of the fleet, now and whenever they change. */
  chart(name: string | null): void {
    this.#chartName = name;
    this.#sendChart();
  }

  /** Calls at once where nothing answered and it waits to try again. */
  retry(): void {
    this.#readings.retry();
    this.#rows.retry();
  }

  async #follow(follow: Follow, stream: 'readings' | 'rows', name: string): Promise<void> {
    const { config, post } = this.#parts;
    try {
      await follow.run();
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('rejected', String(error));
      post({ kind: 'failed', stream, ...advise(failure, name, config) }, []);
    }
  }

  #takeReadings(records: readonly StreamRecord[]): Taken {
    const columns = new ReadingColumns(this.#names);
    let lines = 0;
    let rejected = 0;
    const post = (): void => {
      if (columns.length === 0) return;
      lines += columns.length;
      const readings = columns.take();
      this.#parts.post(readings, buffersOf(readings));
    };
    for (const record of records) {
      rejected += columns.add(record.data, record.arrival);
      if (columns.length >= MOST_READINGS) post();
    }
    post();
    return { lines, rejected };
  }

  #takeRows(records: readonly StreamRecord[]): Taken {
    let lines = 0;
    let rejected = 0;
    let hasChanged = false;
    for (const record of records) {
      const parsed = parseRows(record.data);
      rejected += parsed.rejected;
      this.#minutes.advance(record.arrival);
      for (const row of parsed.rows) {
        const added = this.#minutes.add(row);
        if (added === 'rejected') rejected += 1;
        else lines += 1;
        hasChanged ||= added === 'added';
      }
    }
    if (hasChanged) void this.#sendChartSoon();
    return { lines, rejected };
  }

  async #sendChartSoon(): Promise<void> {
    if (this.#isChartDue) return;
    this.#isChartDue = true;
    const { clock } = this.#parts;
    await clock.sleep(this.#chartedAt + CHART_EVERY - clock.now(), this.#stop.signal);
    if (this.#isChartDue && !this.#stop.signal.aborted) this.#sendChart();
  }

  #sendChart(): void {
    this.#isChartDue = false;
    this.#chartedAt = this.#parts.clock.now();
    this.#parts.post(this.#minutes.chart(this.#chartName), []);
  }
}
