/** The health of the streams: a status line, and a notice if there is a problem. */

import type { FailureReport, Health, HealthReport, StreamKind } from '../protocol.ts';
import { element, make, setText } from './dom.ts';
import { count, duration, number } from './words.ts';

const LABELS = { connecting: 'connecting', live: 'live', throttled: 'slowed down', disconnected: 'disconnected' };

/** A lag above this is shown. */
const LAG_MILLIS = 5_000;

/** What a page shows. */
export interface StatusSubject {
  /** The stream that the page cannot do without. */
  readonly primary: StreamKind;
  /** What to say while the stream has been empty. */
  readonly hint: { readonly problem: string; readonly advice: string };
}

/** How a page shows its status. */
export interface StatusOptions extends StatusSubject {
  readonly onRetry: () => void;
  readonly onSettings: () => void;
}

/** The status line, the notice and the announcements for screen readers. */
export class Status {
  private readonly line = element('status', HTMLElement);
  private readonly notice = element('notice', HTMLElement);
  private readonly announcement = element('announcement', HTMLElement);
  private readonly options: StatusOptions;
  private readonly health = new Map<StreamKind, Health>();
  private readonly failures = new Map<StreamKind, FailureReport>();
  private subject: StatusSubject;
  private readonly problem = make('p');
  private readonly advice = make('p', { class: 'advice' });
  private readonly action = make('button');
  private onAction: () => void = () => undefined;

  constructor(options: StatusOptions) {
    this.options = options;
    this.subject = options;
    this.action.type = 'button';
    this.action.addEventListener('click', () => this.onAction());
    this.notice.append(this.problem, this.advice, this.action);
  }

  /** Shows the status of another subject. What is known of an output is dropped. */
  show(subject: StatusSubject): void {
    this.subject = subject;
    this.health.delete('output');
    if (this.failures.get('output')?.output !== undefined) this.failures.delete('output');
  }

  handle(report: HealthReport | FailureReport): void {
    if (report.kind === 'health') this.health.set(report.stream, report.health);
    else this.failures.set(report.stream, report);
  }

  /** Redraws. `hasData`: whether there ever was any; `now`: milliseconds since the epoch. */
  update(hasData: boolean, now: number): void {
    const { onRetry, onSettings } = this.options;
    const { primary, hint } = this.subject;
    const health = this.health.get(primary);
    const failure = this.streams.map((stream) => this.failures.get(stream)).find((found) => found !== undefined);
    const state = failure === undefined ? (health?.state.kind ?? 'connecting') : 'failed';
    this.line.dataset['state'] = state;
    setText(this.line, failure === undefined ? this.summary() : `${failure.stream}: stopped`);

    if (failure !== undefined) {
      this.showNotice(failure.problem, failure.advice, 'Choose streams', onSettings);
    } else if (health === undefined || health.state.kind === 'connecting') {
      this.showNotice('Connecting…', '', '', onRetry);
    } else if (health.state.kind === 'disconnected') {
      const seconds = Math.max(0, Math.ceil((health.state.retryAt - now) / 1000));
      const again = seconds > 0 ? `in ${seconds} s` : 'now';
      this.showNotice('Disconnected: Kinesis does not respond.', `${health.state.problem}. Retrying ${again}.`, 'Try now', onRetry);
    } else if (health.state.kind === 'throttled') {
      const pause = duration(health.state.pauseMillis);
      this.showNotice(
        `Slowed down: Kinesis throttles reads of ${health.state.shards} of ${count(health.shards, 'shard')}.`,
        `A shard allows five reads per second, shared by functions, archive and every open page. This page now waits ${pause} between reads.`,
        '',
        onRetry,
      );
    } else if (!hasData) {
      this.showNotice(hint.problem, hint.advice, '', onRetry);
    } else {
      this.notice.hidden = true;
      this.announce(state);
    }
  }

  /** The streams whose status is shown. */
  private get streams(): readonly StreamKind[] {
    const { primary } = this.subject;
    return primary === 'readings' ? ['readings', 'rows'] : [primary];
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

  private summary(): string {
    const { primary } = this.subject;
    const health = this.health.get(primary);
    const rows = this.health.get('rows');
    if (health === undefined) return 'connecting';
    const parts = [LABELS[health.state.kind], count(health.shards, 'shard')];
    const rate = health.linesPerSecond;
    // An output says itself how many rows arrive.
    if (rate !== null && primary !== 'output') parts.push(`${number(rate)} ${rate === 1 ? primary.slice(0, -1) : primary}/s`);
    const all = this.streams.flatMap((stream) => this.health.get(stream) ?? []);
    const lag = Math.max(...all.map(({ lagMillis }) => lagMillis));
    parts.push(lag > LAG_MILLIS ? `${duration(lag)} lag` : 'no lag');
    const rejected = all.reduce((sum, one) => sum + one.rejected, 0);
    if (rejected > 0) parts.push(`${count(rejected, 'rejected line')}`);
    const retries = all.reduce((sum, one) => sum + one.retries, 0);
    if (retries > 0) parts.push(count(retries, 'retry', 'retries'));
    if (primary === 'readings' && rows !== undefined && rows.state.kind !== 'live') parts.push(`charts: ${LABELS[rows.state.kind]}`);
    return parts.join(' · ');
  }
}
