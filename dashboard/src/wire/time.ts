const FORMAT =
  /^(\d{4})-(\d\d)-(\d\d)([ Tt])(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))?$/;

const DAY = 86_400_000;
const MINUTE = 60_000;
/** The first and the last millisecond of the years 0 to 9999. */
const FIRST = -62_167_219_200_000;
const LAST = 253_402_300_799_999;

/**
 * Parses a StatusTime into milliseconds since the epoch, rounded down.
 *
 * The format is `YYYY-MM-DD HH:MM:SS.mmm` or RFC 3339; the fraction is optional and may have any
 * number of digits. Returns `undefined` unless it is a real date and time in the years 0 to 9999.
 */
export function parseTime(text: string): number | undefined {
  const parts = FORMAT.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, separator, hour, minute, second, fraction, sign, offsetHours, offsetMinutes] = parts;
  // Only the first format may omit the offset; it is UTC.
  const hasOffset = sign !== undefined || /[Zz]$/.test(text);
  if (!hasOffset && separator !== ' ') return undefined;

  const date = daysSinceEpoch(Number(year), Number(month), Number(day));
  if (date === undefined) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  let millis = date * DAY + (Number(hour) * 60 + Number(minute)) * MINUTE + Number(second) * 1000;
  if (fraction !== undefined) millis += Number(fraction.slice(0, 3).padEnd(3, '0'));
  if (sign !== undefined) {
    if (Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return undefined;
    const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * MINUTE;
    millis += sign === '+' ? -offset : offset;
  }
  return millis >= FIRST && millis <= LAST ? millis : undefined;
}

/** Formats milliseconds since the epoch as a StatusTime: `2026-11-20 09:17:00.000`. */
export function formatTime(millis: number): string {
  return new Date(millis).toISOString().replace('T', ' ').replace('Z', '');
}

/**
 * Parses a time to the nanosecond, into text: the form of {@link formatTime} if it is a whole
 * millisecond, otherwise with nine digits after the point. As text, such times are in the order of
 * time. `undefined` if it is not a time.
 */
export function parseExactTime(text: string): string | undefined {
  const millis = parseTime(text);
  if (millis === undefined) return undefined;
  const nanos = (FORMAT.exec(text)?.[8] ?? '').slice(3, 9).padEnd(6, '0');
  return formatTime(millis) + (nanos === '000000' ? '' : nanos);
}

/** Days since 1970-01-01; `undefined` if the date does not exist. */
function daysSinceEpoch(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  // Unlike `Date.UTC`, this takes the years 0 to 99 literally.
  const millis = date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return millis / DAY;
}
