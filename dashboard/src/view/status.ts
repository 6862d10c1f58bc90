/** The health of the streams: a status line, and a notice if there is a problem. */

import type { Health, Report } from '../protocol.ts';
import { element, make, setText } from './dom.ts';
import { count, duration, number } from './words.ts';

/** A lag above this is shown. */
const LAG_MILLIS = 5_000;

type Stream = 'readings' | 'rows';
type Failure = Extract<Report, { kind: 'failed' }>;

/** The status line, the notice and the announcements for screen readers. */
export class Status {
  private readonly line = element('status', HTMLElement);
  private readonly notice = element('notice', HTMLElement);
  private readonly announcement = element('announcement', HTMLElement);
  private readonly onRetry: () => void;
  private readonly onSettings: () => void;
  private readonly health = new Map<Stream, Health>();
  private readonly failures = new Map<Stream, Failure>();
  private readonly problem = make('p');
  private readonly advice = make('p', { class: 'advice' });
  private readonly action = make('button');
  private onAction: () => void = () => undefined;

  constructor(onRetry: () => void, onSettings: () => void) {
    this.onRetry = onRetry;
    this.onSettings = onSettings;
    this.action.type = 'button';
    this.action.addEventListener('click', () => this.onAction());
    this.notice.append(this.problem, this.advice, this.action);
  }

  handle(report: Extract<Report, { kind: 'health' | 'failed' }>): void {
    if (report.kind === 'health') this.health.set(report.stream, report.health);
    else this.failures.set(report.stream, report);
  }

  /**
   * Redraws. `hasReadings`: whether there ever was a reading; `now`: milliseconds since the epoch.
   */
  update(hasReadings: boolean, now: number): void {
    const readings = this.health.get('readings');
    const rows = this.health.get('rows');
    const failure = this.failures.get('readings') ?? this.failures.get('rows');
    const state = failure === undefined ? (readings?.state.kind ?? 'connecting') : 'failed';
    this.line.dataset['state'] = state;
    setText(this.line, failure === undefined ? summary(readings, rows) : `${failure.stream}: stopped`);

    if (failure !== undefined) {
      this.showNotice(failure.problem, failure.advice, 'Choose streams', this.onSettings);
    } else if (readings === undefined || readings.state.kind === 'connecting') {
      this.showNotice('Connecting…', '', '', this.onRetry);
    } else if (readings.state.kind === 'disconnected') {
      const seconds = Math.max(0, Math.ceil((readings.state.retryAt - now) / 1000));
      const again = seconds > 0 ? `in ${seconds} s` : 'now';
      this.showNotice('Disconnected: Kinesis does not respond.', `${readings.state.problem}. Retrying ${again}.`, 'Try now', this.onRetry);
    } else if (readings.state.kind === 'throttled') {
      const pause = duration(readings.state.pauseMillis);
      this.showNotice(
        `Slowed down: Kinesis throttles reads of ${readings.state.shards} of ${count(readings.shards, 'shard')}.`,
        `A shard allows five reads per second, shared by functions, archive and every open map. This map now waits ${pause} between reads.`,
        '',
        this.onRetry,
      );
    } else if (!hasReadings) {
      this.showNotice('No readings yet.', 'Start a unicorn: cargo run -p producer -- --name Shadowfax', '', this.onRetry);
    } else {
      this.notice.hidden = true;
      this.announce(state);
    }
  }

  private showNotice(problem: string, advice: string, action: string, onAction: () => void): void {
    this.notice.hidden = false;
    setText(this.problem, problem);
    setText(this.advice, advice);
    this.advice.hidden = advice === '';
    setText(this.action, action);
    this.action.hidden = action === '';
    this.onAction = onAction;
    this.announce(problem);
  }

  /** Announces a change to screen readers. */
  private announce(message: string): void {
    setText(this.announcement, message === 'live' ? 'Live' : message);
  }
}

function summary(readings: Health | undefined, rows: Health | undefined): string {
  if (readings === undefined) return 'connecting';
  const labels = { connecting: 'connecting', live: 'live', throttled: 'slowed down', disconnected: 'disconnected' };
  const parts = [labels[readings.state.kind], count(readings.shards, 'shard')];
  parts.push(`${number(readings.linesPerSecond)} ${readings.linesPerSecond === 1 ? 'reading' : 'readings'}/s`);
  const lag = Math.max(readings.lagMillis, rows?.lagMillis ?? 0);
  parts.push(lag > LAG_MILLIS ? `${duration(lag)} lag` : 'no lag');
  const rejected = readings.rejected + (rows?.rejected ?? 0);
  if (rejected > 0) parts.push(`${count(rejected, 'rejected line')}`);
  const retries = readings.retries + (rows?.retries ?? 0);
  if (retries > 0) parts.push(count(retries, 'retry', 'retries'));
  if (rows !== undefined && rows.state.kind !== 'live') parts.push(`charts: ${labels[rows.state.kind]}`);
  return parts.join(' · ');
}
