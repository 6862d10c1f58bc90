const FORMAT =
  /^(\d{4})-(\d\d)-(\d\d)[ Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?$/;

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

const DAY = 86_400_000;
const MINUTE = 60_000;
/** The first and the last millisecond of the years 0 to 9999. */
const FIRST = -62_167_219_200_000;
const LAST = 253_402_300_799_999;

/** Numbers of this many seconds since the epoch and more, or as far before it, are milliseconds. */
const FIRST_MILLISECONDS = 100_000_000_000n;

/** More digits before the point than any time has, in nanoseconds. */
const MAX_DIGITS = 40;

/** A time: the millisecond that it is in, and the nanoseconds after its start. */
interface Moment {
  readonly millis: number;
  readonly nanos: number;
}

/**
 * Parses a time into milliseconds since the epoch, rounded down. `undefined` unless it is a real date
 * and time in the years 0 to 9999. Mirrors `windrow_core::time::Timestamp`, which documents the forms.
 */
export function parseTime(text: string): number | undefined {
  return parseMoment(text)?.millis;
}

/**
 * Like {@link parseTime}, for a JSON number of seconds or milliseconds since the epoch, as it is in the
 * line.
 */
export function parseTimeNumber(text: string): number | undefined {
  return parseNumber(text)?.millis;
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
  return formatMoment(parseMoment(text));
}

/** Like {@link parseExactTime}, for a JSON number as it is in the line. */
export function parseExactTimeNumber(text: string): string | undefined {
  return formatMoment(parseNumber(text));
}

function parseMoment(text: string): Moment | undefined {
  const parts = FORMAT.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHours, offsetMinutes = '00'] = parts;
  const date = daysSinceEpoch(Number(year), Number(month), Number(day));
  if (date === undefined || Number(hour) > 23 || Number(minute) > 59) return undefined;
  let start = date * DAY + (Number(hour) * 60 + Number(minute)) * MINUTE;
  if (sign !== undefined) {
    if (Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return undefined;
    const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * MINUTE;
    start += sign === '+' ? -offset : offset;
  }
  const digits = (fraction ?? '').slice(0, 9).padEnd(9, '0');
  if (Number(second) < 60) {
    return inRange({ millis: start + Number(second) * 1000 + Number(digits.slice(0, 3)), nanos: Number(digits.slice(3)) });
  }
  if (Number(second) > 60 || !mayHaveLeapSecond(start)) return undefined;
  return inRange({ millis: start + 59_999, nanos: Math.max(1, Number(digits.slice(0, 6))) });
}

/** Whether a minute is the last of a month. */
function mayHaveLeapSecond(start: number): boolean {
  const next = new Date(start + MINUTE);
  return next.getUTCDate() === 1 && next.getUTCHours() === 0 && next.getUTCMinutes() === 0;
}

function parseNumber(text: string): Moment | undefined {
  const seconds = roundedDown(text, 9);
  if (seconds === undefined) return undefined;
  const most = FIRST_MILLISECONDS * 1_000_000_000n;
  const nanos = seconds >= -most && seconds < most ? seconds : roundedDown(text, 6);
  if (nanos === undefined) return undefined;
  const rest = ((nanos % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return inRange({ millis: Number((nanos - rest) / 1_000_000n), nanos: Number(rest) });
}

/** A JSON number times 10^places, rounded down; `undefined` if it is none or too large. */
function roundedDown(text: string, places: number): bigint | undefined {
  const parts = NUMBER.exec(text);
  if (parts === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts;
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return 0n;
  const kept = digits.length - fraction.length + Number(exponent) + places;
  if (kept > MAX_DIGITS) return undefined;
  const magnitude = BigInt(kept > 0 ? digits.slice(0, kept).padEnd(kept, '0') : 0);
  if (sign === '') return magnitude;
  return -magnitude - (/[1-9]/.test(digits.slice(Math.max(0, kept))) ? 1n : 0n);
}

function inRange(moment: Moment): Moment | undefined {
  return moment.millis >= FIRST && moment.millis <= LAST ? moment : undefined;
}

function formatMoment(moment: Moment | undefined): string | undefined {
  if (moment === undefined) return undefined;
  return formatTime(moment.millis) + (moment.nanos === 0 ? '' : String(moment.nanos).padStart(6, '0'));
}

/** Days since 1970-01-01; `undefined` if the date does not exist. */
function daysSinceEpoch(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  // Unlike `Date.UTC`, this takes the years 0 to 99 literally.
  const millis = date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return millis / DAY;
}
