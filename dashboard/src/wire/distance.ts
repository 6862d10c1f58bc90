/** Micrometres per metre. */
const METRE = 1_000_000n;

/** Decimal places of a micrometre in metres. */
const PLACES = 6;

/** The longest distance that readers of rows accept, in micrometres: the limit of 128 bits. */
const LONGEST = 2n ** 127n - 1n;

/** More digits before the decimal point than {@link LONGEST} has. */
const MAX_DIGITS = 40;

/** Below this many metres, different numbers of micrometres are different doubles. */
export const EXACT_METRES = 2 ** 31;

/**
 * Converts metres, from 0 to below {@link EXACT_METRES}, to micrometres; `undefined` if the double
 * is not that of a whole number of micrometres.
 */
export function toMicrometres(metres: number): bigint | undefined {
  const micrometres = Math.round(metres * 1e6);
  return micrometres / 1e6 === metres ? BigInt(micrometres) : undefined;
}

/**
 * Converts the text of a JSON number of metres, not negative, to micrometres. Exact for any number
 * of digits. `undefined` if it is not a whole number of micrometres or exceeds 128 bits.
 */
export function parseMetres(text: string): bigint | undefined {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return 0n;
  // How many of the digits are before the decimal point of the number of micrometres.
  const kept = digits.length - fraction.length + Number(exponent) + PLACES;
  if (kept > MAX_DIGITS) return undefined;
  if (kept <= 0 || /[1-9]/.test(digits.slice(kept))) return undefined;
  const micrometres = BigInt(digits.slice(0, kept).padEnd(kept, '0'));
  return micrometres > LONGEST ? undefined : micrometres;
}

/** Formats a distance as the shortest decimal number of metres: `10362`, `1789.25`. */
export function formatMetres(micrometres: bigint): string {
  const metres = micrometres / METRE;
  const rest = micrometres % METRE;
  if (rest === 0n) return String(metres);
  const fraction = String(rest).padStart(PLACES, '0').replace(/0+$/, '');
  return `${metres}.${fraction}`;
}
