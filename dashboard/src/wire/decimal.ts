/**
 * Exact decimal numbers: an integer divided by 10^scale. Mirrors `windrow_core::decimal`.
 *
 * The integer is a `number` if that holds it exactly, otherwise a `bigint`. So equal decimals of one
 * scale are `===`, and most of them need no `bigint`. The two compare with each other exactly.
 */

/** The integer of a decimal. */
export type Unscaled = number | bigint;

/** The bounds of 128 bits. */
const LOWEST = -(2n ** 127n);
const HIGHEST = 2n ** 127n - 1n;

/** More digits before the decimal point than {@link HIGHEST} has. */
const MAX_DIGITS = 40;

/**
 * Below this, the product of a double and a power of ten is less than half from the integer that the
 * double stands for, and different integers are different doubles.
 */
const EXACT = 2 ** 51;

/** The integer in the form that {@link Unscaled} has. */
export function toUnscaled(integer: bigint): Unscaled {
  const isSafe = integer >= Number.MIN_SAFE_INTEGER && integer <= Number.MAX_SAFE_INTEGER;
  return isSafe ? Number(integer) : integer;
}

/**
 * The decimal of a JSON number, which JSON.parse has parsed to `value`. `text` returns it as it is in
 * the line. `undefined` if it has more than `scale` digits after the point, or exceeds 128 bits.
 */
export function toDecimal(value: number, scale: number, text: () => string | undefined): Unscaled | undefined {
  const power = 10 ** scale;
  const unscaled = Math.round(value * power);
  if (Math.abs(unscaled) >= EXACT) return parseDecimal(text() ?? '', scale);
  // There is one zero.
  return unscaled / power === value ? unscaled + 0 : undefined;
}

/**
 * Parses the text of a JSON number. Exact for any number of digits. `undefined` if it has more than
 * `scale` digits after the point, or exceeds 128 bits.
 */
export function parseDecimal(text: string, scale: number): Unscaled | undefined {
  const isNegative = text.startsWith('-');
  const [mantissa = '', exponent = '0'] = text.slice(isNegative ? 1 : 0).toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return 0;
  // How many of the digits are before the decimal point of the integer.
  const kept = digits.length - fraction.length + Number(exponent) + scale;
  if (kept > MAX_DIGITS) return undefined;
  if (kept <= 0 || /[1-9]/.test(digits.slice(kept))) return undefined;
  const magnitude = BigInt(digits.slice(0, kept).padEnd(kept, '0'));
  const integer = isNegative ? -magnitude : magnitude;
  return integer < LOWEST || integer > HIGHEST ? undefined : toUnscaled(integer);
}

/** The shortest text of a decimal: `10362`, `-0.5`, `1789.25`. */
export function formatDecimal(unscaled: Unscaled, scale: number): string {
  const text = String(unscaled);
  if (scale === 0) return text;
  const sign = text.startsWith('-') ? '-' : '';
  const digits = text.slice(sign.length).padStart(scale + 1, '0');
  const fraction = digits.slice(-scale).replace(/0+$/, '');
  return `${sign}${digits.slice(0, -scale)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The sum of two decimals of one scale. It wraps at 128 bits, so the order does not matter. */
export function plus(one: Unscaled, other: Unscaled): Unscaled {
  if (typeof one === 'number' && typeof other === 'number') {
    const sum = one + other;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return toUnscaled(BigInt.asIntN(128, BigInt(one) + BigInt(other)));
}

/**
 * A decimal divided by `count`, with `places` digits after the point, rounded half away from zero.
 * `undefined` if `count` is 0, or if Rust's 128 bits do not hold the steps.
 */
export function divide(unscaled: Unscaled, scale: number, count: number, places: number): Unscaled | undefined {
  if (count === 0) return undefined;
  const power = (digits: number): bigint => 10n ** BigInt(Math.max(digits, 0));
  const factor = power(places - scale);
  const divisor = BigInt(count) * power(scale - places);
  const integer = BigInt(unscaled);
  const rest = (integer % divisor) * factor;
  if (![divisor, rest].every(isWithin128Bits)) return undefined;
  const quotient = (integer / divisor) * factor + rest / divisor;
  const left = rest % divisor;
  const isHalf = 2n * (left < 0n ? -left : left) >= divisor;
  const rounded = isHalf ? quotient + (integer < 0n ? -1n : 1n) : quotient;
  return isWithin128Bits(rounded) ? toUnscaled(rounded) : undefined;
}

function isWithin128Bits(integer: bigint): boolean {
  return integer >= LOWEST && integer <= HIGHEST;
}
