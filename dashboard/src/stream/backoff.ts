/** The shortest and the longest wait after a failure, in milliseconds. */
const SHORTEST = 1_000;
const LONGEST = 15_000;

/**
 * How long to wait after so many failures in a row, in milliseconds: anything from one second to a bound that
 * doubles each time, up to 15 seconds. `random` is at least 0 and below 1.
 */
export function backoff(failures: number, random: number): number {
  const bound = Math.min(SHORTEST * 2 ** failures, LONGEST);
  return Math.round(SHORTEST + random * (bound - SHORTEST));
}
