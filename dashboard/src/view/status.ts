/** How the reading of the streams goes: a line of figures, and a notice where something is to be done. */

import type { Health, Report } from '../protocol.ts';
import { element, make, setText } from './dom.ts';
import { count, duration, number } from './words.ts';

/** Behind by more than this is worth saying. */
const LAG_MILLIS = 5_000;

type Stream = 'readings' | 'rows';
type Failure = Extract<Report, { kind: 'failed' }>;

export class Status {
  private readonly line = element('status', HTMLElement);
  private readonly notice = element('notice', HTMLElement);
  private readonly announcement = element('announcement', HTMLElement);
  private readonly onRetry: () => void;
  private readonly onSettings: () => void;
  private readonly health = new Map<Stream, Health>();
  private readonly failures = new Map<Stream, Failure>();
  private readonly words = make('p');
  private readonly advice = make('p', { class: 'advice' });
  private readonly action = make('button');
  private acts: () => void = () => undefined;

  constructor(onRetry: () => void, onSettings: () => void) {
    this.onRetry = onRetry;
    this.onSettings = onSettings;
    this.action.type = 'button';
    this.action.addEventListener('click', () => this.acts());
    this.notice.append(this.words, this.advice, this.action);
  }

  take(report: Extract<Report, { kind: 'health' | 'failed' }>): void {
    if (report.kind === 'health') this.health.set(report.stream, report.health);
    else this.failures.set(report.stream, report);
  }

  /** Draws what is known; `heard` is whether any unicorn ever was, `now` milliseconds since the epoch. */
  update(heard: boolean, now: number): void {
    const readings = this.health.get('readings');
    const rows = this.health.get('rows');
    const failure = this.failures.get('readings') ?? this.failures.get('rows');
    const state = failure === undefined ? (readings?.state.kind ?? 'connecting') : 'failed';
    this.line.dataset['state'] = state;
    setText(this.line, failure === undefined ? figures(readings, rows) : `${failure.stream}: stopped`);

    if (failure !== undefined) {
      this.say(failure.problem, failure.advice, 'Choose streams', this.onSettings);
    } else if (readings === undefined || readings.state.kind === 'connecting') {
      this.say('Connecting…', '', '', this.onRetry);
    } else if (readings.state.kind === 'disconnected') {
      const seconds = Math.max(0, Math.ceil((readings.state.retryAt - now) / 1000));
      const again = seconds > 0 ? `in ${seconds} s` : 'now';
      this.say('Disconnected: nothing answers.', `${readings.state.problem}. It is tried again ${again}.`, 'Try now', this.onRetry);
    } else if (readings.state.kind === 'throttled') {
      const pause = duration(readings.state.pauseMillis);
      this.say(
        `Slowed down: ${count(readings.state.shards, 'shard')} of ${readings.shards} reject reads.`,
        `A shard gives five reads a second to all who read it: functions, archive and every open map. This map now waits ${pause} between reads.`,
        '',
        this.onRetry,
      );
    } else if (!heard) {
      this.say('No unicorn has been heard yet.', 'Start one: cargo run -p producer -- --name Shadowfax', '', this.onRetry);
    } else {
      this.notice.hidden = true;
      this.announce(state);
    }
  }

  private say(problem: string, advice: string, action: string, acts: () => void): void {
    this.notice.hidden = false;
    setText(this.words, problem);
    setText(this.advice, advice);
    this.advice.hidden = advice === '';
    setText(this.action, action);
    this.action.hidden = action === '';
    this.acts = acts;
    this.announce(problem);
  }

  /** Said aloud by a screen reader, once a change. */
  private announce(words: string): void {
    setText(this.announcement, words === 'live' ? 'Live' : words);
  }
}

function figures(readings: Health | undefined, rows: Health | undefined): string {
  if (readings === undefined) return 'connecting';
  const words = { connecting: 'connecting', live: 'live', throttled: 'slowed down', disconnected: 'disconnected' };
  const parts = [words[readings.state.kind], count(readings.shards, 'shard')];
  parts.push(`${number(readings.linesPerSecond)} ${readings.linesPerSecond === 1 ? 'reading' : 'readings'}/s`);
  const lag = Math.max(readings.lagMillis, rows?.lagMillis ?? 0);
  parts.push(lag > LAG_MILLIS ? `${duration(lag)} behind` : 'no lag');
  const rejected = readings.rejected + (rows?.rejected ?? 0);
  if (rejected > 0) parts.push(`${count(rejected, 'unreadable line')}`);
  const retries = readings.retries + (rows?.retries ?? 0);
  if (retries > 0) parts.push(count(retries, 'retry', 'retries'));
  if (rows !== undefined && rows.state.kind !== 'live') parts.push(`charts: ${words[rows.state.kind]}`);
  return parts.join(' · ');
}
