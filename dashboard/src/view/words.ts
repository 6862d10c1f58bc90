/** Formats numbers and times for the page. */

const MPH_PER_METRE_PER_SECOND = 2.23694;
const KMH_PER_METRE_PER_SECOND = 3.6;

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const allDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 15 });
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export function count(number: number, one: string, many = `${one}s`): string {
  return `${whole.format(number)} ${number === 1 ? one : many}`;
}

/** A whole number with thousands separators. */
export function digits(value: number): string {
  return whole.format(value);
}

/** A number with all its digits, of which a double has 15. */
export function exact(value: number): string {
  return allDigits.format(value);
}

/** A number, with one decimal if it is below 100. */
export function number(value: number): string {
  return Math.abs(value) < 100 ? tenths.format(value) : whole.format(value);
}

/** A speed in miles per hour and kilometres per hour. */
export function speed(metresPerSecond: number): string {
  if (!Number.isFinite(metresPerSecond)) return '–';
  const miles = Math.round(metresPerSecond * MPH_PER_METRE_PER_SECOND);
  const kilometres = Math.round(metresPerSecond * KMH_PER_METRE_PER_SECOND);
  return `${whole.format(miles)} mph · ${whole.format(kilometres)} km/h`;
}

export function ago(millis: number): string {
  const seconds = Math.max(0, Math.round(millis / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 120) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}

export function duration(millis: number): string {
  return millis < 1000 ? `${Math.round(millis)} ms` : `${tenths.format(millis / 1000)} s`;
}

export function position(latitude: number, longitude: number): string {
  if (Number.isNaN(latitude)) return 'unknown';
  const north = latitude < 0 ? 'S' : 'N';
  const east = longitude < 0 ? 'W' : 'E';
  return `${Math.abs(latitude).toFixed(4)}° ${north}, ${Math.abs(longitude).toFixed(4)}° ${east}`;
}

/** The time of day in UTC, of seconds since the epoch: `17:58`, or `17:58:10` within a minute. */
export function clockTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  return timeOfDay(seconds * 1000).slice(0, seconds % 60 === 0 ? 5 : 8);
}

/** The time of day in UTC, of milliseconds since the epoch: `17:58:10`. */
export function timeOfDay(millis: number): string {
  return new Date(millis).toISOString().slice(11, 19);
}

/** A StatusTime in UTC. */
export function statusTime(millis: number): string {
  return Number.isFinite(millis) ? `${new Date(millis).toISOString().slice(0, 19).replace('T', ' ')} UTC` : '–';
}
