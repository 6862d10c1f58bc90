import { backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Gate } from './gate.ts';
import { Failure, type Kinesis } from './kinesis.ts';

/** The time limit of a call, in milliseconds. */
const CALL_TIMEOUT = 10_000;

/** How many times in a row new credentials may fail. */
const MAX_RENEWALS = 5;

/** Why calls are on hold. */
export interface Outage {
  readonly problem: string;
  /** When the service last responded, in milliseconds since the epoch; `null` if it never did. */
  readonly since: number | null;
  /** When the next attempt is due, in milliseconds since the epoch. */
  readonly retryAt: number;
}

/** Thrown by calls that were in flight or waiting when everything was stopped. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** The dependencies of a {@link Caller}. */
export interface CallerOptions {
  readonly kinesis: Kinesis;
  readonly clock: Clock;
  /** Returns numbers in [0, 1). */
  readonly random: () => number;
  /** Shared by all callers, so that together they do not exceed a browser's connection limit. */
  readonly gate: Gate;
  /** Stops everything. */
  readonly stop: AbortSignal;
}

/**
 * Makes the calls for one stream, each with a ten-second timeout.
 *
 * After a call without a response, all calls wait. The wait grows with each failure. When it ends,
 * a single call probes the service before the others follow.
 */
export class Caller {
  readonly #options: CallerOptions;
  #failures = 0;
  /** How often the credentials were renewed since the last success. */
  #renewals = 0;
  /** How often the credentials were renewed since the start. */
  #generation = 0;
  #outage: Outage | undefined;
  #respondedAt: number | null = null;
  /** Ends the waits for the next attempt. */
  #wake = new AbortController();
  /** Resolves when the probing call is done. */
  #probe: Promise<void> | undefined;

  constructor(options: CallerOptions) {
    this.#options = options;
    options.stop.addEventListener('abort', () => this.#wake.abort());
  }

  /** The current outage, if any. */
  get outage(): Outage | undefined {
    return this.#outage;
  }

  /** Makes the next attempt now. */
  retry(): void {
    if (this.#outage !== undefined) this.#outage = { ...this.#outage, retryAt: this.#options.clock.now() };
    this.#wake.abort();
  }

  /**
   * Makes a call, after waiting out any outage.
   *
   * Fails with the {@link Failure} of the call. After `unreachable` or `stale` the caller may call
   * again at once: the wait happens here. Fails with {@link Stopped} once everything is stopped.
   */
  async call<T>(work: (kinesis: Kinesis, signal: AbortSignal) => Promise<T>): Promise<T> {
    while (this.#outage !== undefined) {
      if (this.#probe !== undefined) await this.#probe;
      else if (this.#outage.retryAt > this.#options.clock.now()) await this.#waitForRetry(this.#outage.retryAt);
      else return await this.#makeProbe(work);
      if (this.#options.stop.aborted) throw new Stopped();
    }
    return await this.#makeCall(work);
  }

  async #waitForRetry(retryAt: number): Promise<void> {
    const { clock } = this.#options;
    if (this.#wake.signal.aborted && !this.#options.stop.aborted) this.#wake = new AbortController();
    await clock.sleep(retryAt - clock.now(), this.#wake.signal);
  }

  /** Makes a call while the others wait for its result. */
  async #makeProbe<T>(work: (kinesis: Kinesis, signal: AbortSignal) => Promise<T>): Promise<T> {
    const result = this.#makeCall(work);
    this.#probe = result.then(
      () => {},
      () => {},
    );
    try {
      return await result;
    } finally {
      this.#probe = undefined;
    }
  }

  async #makeCall<T>(work: (kinesis: Kinesis, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { gate, kinesis, stop } = this.#options;
    await gate.enter();
    const generation = this.#generation;
    try {
      if (stop.aborted) throw new Stopped();
      const result = await this.#withTimeout((signal) => work(kinesis, signal));
      this.#renewals = 0;
      this.#markUp();
      return result;
    } catch (error) {
      if (stop.aborted) throw new Stopped();
      throw this.#handle(asFailure(error), generation);
    } finally {
      gate.leave();
    }
  }

  /**
   * Handles the failure of a call made with credentials of `generation`; returns the failure to
   * report.
   */
  #handle(failure: Failure, generation: number): Failure {
    if (failure.why === 'stale') return this.#renew(failure, generation);
    if (failure.why === 'unreachable') this.#markDown(failure.message);
    else this.#markUp();
    return failure;
  }

  /** Renews the credentials: at once the first time, then after waits, up to a limit. */
  #renew(failure: Failure, generation: number): Failure {
    if (generation !== this.#generation) return failure;
    if (this.#renewals >= MAX_RENEWALS) return new Failure('denied', failure.message);
    if (this.#renewals > 0) this.#markDown(failure.message);
    this.#renewals += 1;
    this.#generation += 1;
    this.#options.kinesis.renew();
    return failure;
  }

  #markDown(problem: string): void {
    const { clock, random } = this.#options;
    const now = clock.now();
    // Calls that were in flight together fail together, and count once.
    if (this.#outage !== undefined && this.#outage.retryAt > now) return;
    this.#failures += 1;
    this.#outage = { problem, since: this.#respondedAt, retryAt: now + backoff(this.#failures, random()) };
  }

  #markUp(): void {
    this.#respondedAt = this.#options.clock.now();
    this.#failures = 0;
    this.#outage = undefined;
    this.#wake.abort();
  }

  /** Runs `work` until it is done, ten seconds have passed or everything is stopped. */
  #withTimeout<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, stop } = this.#options;
    const cancel = new AbortController();
    const done = new AbortController();
    let onStop = (): void => {};
    return new Promise<T>((resolve, reject) => {
      onStop = () => {
        reject(new Stopped());
        cancel.abort();
      };
      stop.addEventListener('abort', onStop);
      void clock.sleep(CALL_TIMEOUT, done.signal).then(() => {
        reject(new Failure('unreachable', `No response within ${CALL_TIMEOUT / 1000} seconds`));
        cancel.abort();
      });
      work(cancel.signal).then(resolve, reject);
    }).finally(() => {
      done.abort();
      stop.removeEventListener('abort', onStop);
    });
  }
}

/** Any other error is a bug in the page. It is permanent, so it stops the reading. */
function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure('rejected', String(error));
}
