/** The bounds of a wait, in milliseconds. */
const MIN_WAIT = 1_000;
const MAX_WAIT = 15_000;

/**
 * The wait after `failures` consecutive failures, in milliseconds: random between one second and a
 * bound that doubles with each failure, up to 15 seconds. `random` is in [0, 1).
 */
export function backoff(failures: number, random: number): number {
  const bound = Math.min(MIN_WAIT * 2 ** failures, MAX_WAIT);
  return Math.round(MIN_WAIT + random * (bound - MIN_WAIT));
}
