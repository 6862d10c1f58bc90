const FORM =
  /^(\d{4})-(\d\d)-(\d\d)([ Tt])(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))?$/;

const DAY = 86_400_000;
const MINUTE = 60_000;
/** The first and the last millisecond of the years 0 to 9999. */
const FIRST = -62_167_219_200_000;
const LAST = 253_402_300_799_999;

/**
 * Reads a StatusTime, in milliseconds since the epoch, rounded down.
 *
 * It has the form `YYYY-MM-DD HH:MM:SS.mmm` or that of RFC 3339; the fraction may be missing or have
 * any number of digits. Anything but a real date and time of the years 0 to 9999 is `undefined`.
 */
export function parseTime(text: string): number | undefined {
  const parts = FORM.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, separator, hour, minute, second, fraction, sign, aheadHours, aheadMinutes] = parts;
  // Without an offset it is UTC by the first form only.
  const hasOffset = sign !== undefined || /[Zz]$/.test(text);
  if (!hasOffset && separator !== ' ') return undefined;

  const date = daysSinceEpoch(Number(year), Number(month), Number(day));
  if (date === undefined) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  let millis = date * DAY + (Number(hour) * 60 + Number(minute)) * MINUTE + Number(second) * 1000;
  if (fraction !== undefined) millis += Number(fraction.slice(0, 3).padEnd(3, '0'));
  if (sign !== undefined) {
    if (Number(aheadHours) > 23 || Number(aheadMinutes) > 59) return undefined;
    const ahead = (Number(aheadHours) * 60 + Number(aheadMinutes)) * MINUTE;
    millis += sign === '+' ? -ahead : ahead;
  }
  return millis >= FIRST && millis <= LAST ? millis : undefined;
}

/** The day's number, 1970-01-01 being 0; `undefined` for a day that there is not. */
function daysSinceEpoch(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  // Unlike Date.UTC this takes the years 0 to 99 as they stand.
  const millis = date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return millis / DAY;
}
