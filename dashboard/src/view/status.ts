/** The health of the streams: a status line, and a notice if there is a problem. */

import type { FailureReport, Health, HealthReport, StreamKind } from '../protocol.ts';
import { element, make, setText } from './dom.ts';
import { statusLine } from './status_line.ts';
import { count, duration, timeOfDay } from './words.ts';

/** What a page shows. */
export interface StatusSubject {
  /** The stream that the page cannot do without. */
  readonly primary: StreamKind;
  /** What to say while the stream has been empty. */
  readonly hint: Hint;
}

/** A problem, and what to do about it. */
export interface Hint {
  readonly problem: string;
  readonly advice: string;
  /** A command that helps, to be pasted into a shell. */
  readonly command?: string;
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
  private readonly command = make('code', { class: 'command' });
  private readonly action = make('button');
  private onAction: () => void = () => undefined;

  constructor(options: StatusOptions) {
    this.options = options;
    this.subject = options;
    this.action.type = 'button';
    this.action.addEventListener('click', () => this.onAction());
    this.notice.append(this.problem, this.advice, this.command, this.action);
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
    setText(this.line, failure === undefined ? statusLine(primary, this.streams, this.health) : `${failure.stream}: stopped`);

    if (failure !== undefined) {
      this.showNotice(failure, 'Choose streams', onSettings);
    } else if (health === undefined || health.state.kind === 'connecting') {
      this.showNotice({ problem: 'Connecting…', advice: '' });
    } else if (health.state.kind === 'disconnected') {
      const { problem, since, retryAt } = health.state;
      const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000));
      const again = seconds > 0 ? `in ${seconds} s` : 'now';
      const frozen = since === null ? '' : ` The page shows what was known at ${timeOfDay(since)} UTC.`;
      const advice = `${problem}.${frozen} Retrying ${again}.`;
      this.showNotice({ problem: 'Disconnected: Kinesis does not respond.', advice }, 'Try now', onRetry);
    } else if (health.state.kind === 'throttled') {
      const pause = duration(health.state.pauseMillis);
      this.showNotice({
        problem: `Slowed down: Kinesis throttles reads of ${health.state.shards} of ${count(health.shards, 'shard')}.`,
        advice: `A shard allows five reads per second, shared by functions, archive and every open page. This page now waits ${pause} between reads.`,
      });
    } else if (!hasData) {
      this.showNotice(hint);
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

  private showNotice({ problem, advice, command = '' }: Hint, action = '', onAction = (): void => undefined): void {
    this.notice.hidden = false;
    setText(this.problem, problem);
    setText(this.advice, advice);
    this.advice.hidden = advice === '';
    setText(this.command, command);
    this.command.hidden = command === '';
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
