/** Micrometres per metre. */
const METRE = 1_000_000n;

/**
 * Below this many metres, the product with a million is off by less than half a micrometre, so
 * rounding it is exact.
 */
const EXACT_METRES = 2 ** 31;

/**
 * Converts metres, finite and not negative, to whole micrometres.
 *
 * Exact for up to 15 digits, which is what a double holds: to the micrometre, up to a million
 * kilometres.
 */
export function toMicrometres(metres: number): bigint {
  if (metres < EXACT_METRES) return BigInt(Math.round(metres * 1e6));
  if (Number.isInteger(metres)) return BigInt(metres) * METRE;
  const [whole = '', fraction = ''] = String(metres).split('.');
  return BigInt(whole) * METRE + BigInt(Math.round(Number(`0.${fraction}`) * 1e6));
}

/** Formats a distance as the shortest decimal number of metres: `10362`, `1789.25`. */
export function formatMetres(micrometres: bigint): string {
  const metres = micrometres / METRE;
  const rest = micrometres % METRE;
  if (rest === 0n) return String(metres);
  const fraction = String(rest).padStart(6, '0').replace(/0+$/, '');
  return `${metres}.${fraction}`;
}
