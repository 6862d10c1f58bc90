/** The data of plots: windows as points, with breaks where there are none. */

import { ago, clockTime } from './words.ts';

const HOUR_SECONDS = 3_600;

/** A column of values, by window. */
export type Values = readonly (number | null)[];

/** Columns as a plot takes them. */
export interface PlotData {
  readonly times: number[];
  readonly columns: (number | null)[][];
}

/** Breaks the lines where windows have no readings. `start` is in seconds, in ascending order. */
export function withBreaks(start: readonly number[], windowSeconds: number, sources: readonly Values[]): PlotData {
  const times: number[] = [];
  const columns: (number | null)[][] = sources.map(() => []);
  start.forEach((time, index) => {
    const before = times.at(-1);
    if (before !== undefined && time - before > windowSeconds * 1.5) {
      times.push(before + windowSeconds);
      for (const column of columns) column.push(null);
    }
    times.push(time);
    sources.forEach((source, column) => columns[column]?.push(source[index] ?? null));
  });
  return { times, columns };
}

/** The seconds that a plot shows. */
export interface TimeRange {
  readonly min: number;
  readonly max: number;
}

/**
 * The seconds to show: the last hour up to `now`, or less while there are few windows, but at least
 * ten of them. So a plot moves on with the clock, also if no window comes.
 */
export function timeRange(times: readonly number[], windowSeconds: number, now: number): TimeRange {
  const max = Math.max((times.at(-1) ?? 0) + windowSeconds, now);
  const min = Math.max(max - HOUR_SECONDS, Math.min(times[0] ?? max, max - 10 * windowSeconds));
  return { min, max };
}

/** Whether a plot of `pixels` looks different with the range `next` than with `shown`. */
export function hasMoved(shown: TimeRange | undefined, next: TimeRange, pixels: number): boolean {
  if (shown === undefined) return true;
  const pixel = (next.max - next.min) / Math.max(1, pixels);
  return Math.abs(next.max - shown.max) >= pixel || Math.abs(next.min - shown.min) >= pixel;
}

/** When the last window ended, how long windows are, and in which time zone times are. */
export function windowAge(start: readonly number[], windowSeconds: number, now: number): string {
  const last = start.at(-1);
  if (last === undefined) return '';
  const length = windowSeconds % 60 === 0 ? `${windowSeconds / 60} min` : `${windowSeconds} s`;
  return `last window ended ${ago((now - last - windowSeconds) * 1000)} · windows of ${length} · times in UTC`;
}

/** The window at a point of a plot, and its value, which may be missing. */
export function tipText(start: number, windowSeconds: number, value: string | null): string {
  return `${clockTime(start)} to ${clockTime(start + windowSeconds)} UTC: ${value ?? 'no readings'}`;
}
