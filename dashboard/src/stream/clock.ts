/** Tells the time, and sleeps. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `millis` milliseconds, or as soon as `wake` is aborted. Never rejects. */
  sleep(millis: number, wake: AbortSignal): Promise<void>;
}

/** The system clock. */
export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (millis, wake) =>
    new Promise((resolve) => {
      if (wake.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        wake.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, millis);
      wake.addEventListener('abort', done);
    }),
};
