/** The time, and waiting for it to pass. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after so many milliseconds, or as soon as `wake` is aborted. It never rejects. */
  sleep(millis: number, wake: AbortSignal): Promise<void>;
}

/** The real one. */
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
