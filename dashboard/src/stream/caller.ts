import { backoff } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Gate } from './gate.ts';
import { Failure, type Kinesis } from './kinesis.ts';

/** The longest a call may take, in milliseconds. */
const LONGEST_CALL = 10_000;

/** How often in a row new credentials may be of no use. */
const MOST_RENEWALS = 5;

/** Why nothing is called just now. */
export interface Outage {
  readonly problem: string;
  /** When the next try is due, in milliseconds since the epoch. */
  readonly retryAt: number;
}

/** Thrown by what was under way when all was stopped. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

export interface CallerParts {
  readonly kinesis: Kinesis;
  readonly clock: Clock;
  /** Numbers from 0 on and below 1. */
  readonly random: () => number;
  /** Shared by all that call, so that they do not take more connections together than a browser has. */
  readonly gate: Gate;
  /** Ends everything. */
  readonly stop: AbortSignal;
}

/**
 * Makes the calls about one stream, each within ten seconds.
 *
 * Where nothing answers, none is made for a while: the wait grows, and then one call tries whether somebody
 * answers again before the others follow.
 */
export class Caller {
  readonly #parts: CallerParts;
  #failures = 0;
  /** How often the credentials were renewed since the last answer, and since the start. */
  #renewals = 0;
  #generation = 0;
  #outage: Outage | undefined;
  /** Ends the waits for the next try. */
  #wake = new AbortController();
  /** Resolves when the call that tries is done. */
  #trial: Promise<void> | undefined;

  constructor(parts: CallerParts) {
    this.#parts = parts;
    parts.stop.addEventListener('abort', () => this.#wake.abort());
  }

  /** Why nothing answers, as long as nothing does. */
  get outage(): Outage | undefined {
    return this.#outage;
  }

  /** Makes the next try now. */
  retry(): void {
    if (this.#outage !== undefined) this.#outage = { ...this.#outage, retryAt: this.#parts.clock.now() };
    this.#wake.abort();
  }

  /**
   * Makes a call, once it may be made.
   *
   * It fails with a {@link Failure} if the call does; if that is `unreachable` or `stale`, the same call may be made
   * again at once, and waits for its turn. It never resolves once all is stopped.
   */
  async call<T>(work: (kinesis: Kinesis, signal: AbortSignal) => Promise<T>): Promise<T> {
    while (this.#outage !== undefined) {
      if (this.#trial !== undefined) await this.#trial;
      else if (this.#outage.retryAt > this.#parts.clock.now()) await this.#waitForTurn(this.#outage.retryAt);
      else return await this.#try(work);
      if (this.#parts.stop.aborted) throw new Stopped();
    }
    return await this.#make(work);
  }

  async #waitForTurn(retryAt: number): Promise<void> {
    const { clock } = this.#parts;
    if (this.#wake.signal.aborted && !this.#parts.stop.aborted) this.#wake = new AbortController();
    await clock.sleep(retryAt - clock.now(), this.#wake.signal);
  }

  /** Makes a call while the others wait for what comes of it. */
  async #try<T>(work: (kinesis: Kinesis, signal: AbortSignal) => Promise<T>): Promise<T> {
    const result = this.#make(work);
    this.#trial = result.then(
      () => {},
      () => {},
    );
    try {
      return await result;
    } finally {
      this.#trial = undefined;
    }
  }

  async #make<T>(work: (kinesis: Kinesis, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { gate, kinesis, stop } = this.#parts;
    await gate.enter();
    const generation = this.#generation;
    try {
      if (stop.aborted) throw new Stopped();
      const result = await this.#limited((signal) => work(kinesis, signal));
      this.#renewals = 0;
      this.#isUp();
      return result;
    } catch (error) {
      if (stop.aborted) throw new Stopped();
      throw this.#note(asFailure(error), generation);
    } finally {
      gate.leave();
    }
  }

  /** Takes note of a failure of a call with credentials of a generation; returns what the caller is told. */
  #note(failure: Failure, generation: number): Failure {
    if (failure.why === 'stale') return this.#renew(failure, generation);
    if (failure.why === 'unreachable') this.#isDown(failure.message);
    else this.#isUp();
    return failure;
  }

  /** New credentials; the second time in a row after a wait, and not without an end. */
  #renew(failure: Failure, generation: number): Failure {
    if (generation !== this.#generation) return failure;
    if (this.#renewals >= MOST_RENEWALS) return new Failure('denied', failure.message);
    if (this.#renewals > 0) this.#isDown(failure.message);
    this.#renewals += 1;
    this.#generation += 1;
    this.#parts.kinesis.renew();
    return failure;
  }

  #isDown(problem: string): void {
    const { clock, random } = this.#parts;
    const now = clock.now();
    // Calls that were under way together fail together, and count once.
    if (this.#outage !== undefined && this.#outage.retryAt > now) return;
    this.#failures += 1;
    this.#outage = { problem, retryAt: now + backoff(this.#failures, random()) };
  }

  #isUp(): void {
    this.#failures = 0;
    this.#outage = undefined;
    this.#wake.abort();
  }

  /** Runs `work` for ten seconds at most, and no longer than until all is stopped. */
  #limited<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, stop } = this.#parts;
    const giveUp = new AbortController();
    const done = new AbortController();
    let onStop = (): void => {};
    return new Promise<T>((resolve, reject) => {
      onStop = () => {
        reject(new Stopped());
        giveUp.abort();
      };
      stop.addEventListener('abort', onStop);
      void clock.sleep(LONGEST_CALL, done.signal).then(() => {
        reject(new Failure('unreachable', `Nothing answered within ${LONGEST_CALL / 1000} seconds.`));
        giveUp.abort();
      });
      work(giveUp.signal).then(resolve, reject);
    }).finally(() => {
      done.abort();
      stop.removeEventListener('abort', onStop);
    });
  }
}

/** What is thrown that is no failure of a call is a fault of the page, and ends the reading. */
function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure('rejected', String(error));
}
