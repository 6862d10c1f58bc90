import type { Config, Output } from '../config.ts';
import type { OutputView, Report } from '../protocol.ts';
import { NewestRows } from '../rows/newest_rows.ts';
import { splitLines } from '../wire/lines.ts';
import { parseOutputRow } from '../wire/output_rows.ts';
import { advise } from './advice.ts';
import type { Clock } from './clock.ts';
import { Follow, type ParseCounts } from './follow.ts';
import type { Gate } from './gate.ts';
import { Failure, type Kinesis, type StreamRecord } from './kinesis.ts';

/**
 * How far back rows start, in milliseconds: an hour for rows of windows. Rows that need no window may
 * be as many as the readings.
 */
const WINDOWS_BACK = 3_660_000;
const READINGS_BACK = 300_000;

/** The seconds to average rates over. Rows of windows come in bursts. */
const RATE_SECONDS = 60;

/** The minimum interval between tables that the page did not request, in milliseconds. */
const SEND_INTERVAL = 500;

/** The settings and dependencies of an {@link OutputWatch}. */
export interface OutputWatchOptions {
  readonly config: Config;
  readonly kinesis: Kinesis;
  readonly clock: Clock;
  /** Returns numbers in [0, 1). */
  readonly random: () => number;
  readonly gate: Gate;
  readonly post: (report: Report) => void;
}

/** The output that is read. */
interface Followed {
  readonly output: Output;
  readonly follow: Follow;
  readonly rows: NewestRows;
  readonly stop: AbortController;
  sentAt: number;
  sentPerMinute: number;
  isSendDue: boolean;
}

/** Reads the stream of the output that the page shows, and of no other. */
export class OutputWatch {
  readonly #options: OutputWatchOptions;
  #view: OutputView | null = null;
  #followed: Followed | undefined;

  constructor(options: OutputWatchOptions) {
    this.#options = options;
  }

  /**
   * Sends a part of an output's rows, now and whenever they change; with `null`, of none. Another
   * output than before is read from the start.
   */
  show(view: OutputView | null): void {
    this.#view = view;
    if (this.#followed?.output.name !== view?.output.name) {
      this.#stop();
      if (view !== null) void this.#start(view.output);
    }
    if (this.#followed !== undefined) this.#send(this.#followed);
  }

  /** During an outage, makes the next attempt now. */
  retry(): void {
    this.#followed?.follow.retry();
  }

  #stop(): void {
    this.#followed?.stop.abort();
    this.#followed?.follow.stop();
    this.#followed = undefined;
  }

  async #start(output: Output): Promise<void> {
    const { config, post, ...shared } = this.#options;
    const { name, stream, hasWindows } = output;
    const follow = new Follow({
      ...shared,
      stream,
      back: hasWindows ? WINDOWS_BACK : READINGS_BACK,
      rateSeconds: RATE_SECONDS,
      jumps: !hasWindows,
      onRecords: (records) => this.#handle(followed, records),
      onHealth: (health) => {
        if (this.#followed !== followed) return;
        post({ kind: 'health', stream: 'output', output: name, health });
        // It changes without rows, too.
        if (followed.rows.perMinute(shared.clock.now()) !== followed.sentPerMinute) void this.#sendSoon(followed);
      },
    });
    const rows = new NewestRows();
    const stop = new AbortController();
    const followed: Followed = { output, follow, rows, stop, sentAt: -Infinity, sentPerMinute: 0, isSendDue: false };
    this.#followed = followed;
    try {
      await follow.run();
    } catch (error) {
      if (this.#followed !== followed) return;
      const failure = error instanceof Failure ? error : new Failure('rejected', String(error));
      post({ kind: 'failed', stream: 'output', output: name, ...advise(failure, stream, config) });
    }
  }

  #handle(followed: Followed, records: readonly StreamRecord[]): ParseCounts {
    const { output, rows } = followed;
    const now = this.#options.clock.now();
    let lines = 0;
    let rejected = 0;
    let hasChanged = false;
    for (const record of records) {
      const split = splitLines(record.data);
      rejected += split.rejected;
      for (const line of split.lines) {
        const row = parseOutputRow(line, output.hasWindows);
        if (row === undefined) {
          rejected += 1;
          continue;
        }
        lines += 1;
        if (rows.add(row, line, record.arrival, now)) hasChanged = true;
      }
    }
    if (hasChanged) void this.#sendSoon(followed);
    return { lines, rejected };
  }

  async #sendSoon(followed: Followed): Promise<void> {
    if (followed.isSendDue) return;
    followed.isSendDue = true;
    const { clock } = this.#options;
    await clock.sleep(followed.sentAt + SEND_INTERVAL - clock.now(), followed.stop.signal);
    if (followed.isSendDue && this.#followed === followed) this.#send(followed);
  }

  #send(followed: Followed): void {
    const { output, rows } = followed;
    if (this.#view === null) return;
    const { first, count } = this.#view;
    const now = this.#options.clock.now();
    const perMinute = rows.perMinute(now);
    const { size, isCut } = rows;
    this.#options.post({ kind: 'output', name: output.name, size, isCut, perMinute, first, ...rows.part(output.columns, first, count) });
    followed.isSendDue = false;
    followed.sentPerMinute = perMinute;
    followed.sentAt = now;
  }
}
