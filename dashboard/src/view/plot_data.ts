/** The data of plots: windows as points, with breaks where there are none. */

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

/**
 * The seconds to show: the last hour up to `now`, or less while there are few windows, but at least
 * ten of them.
 */
export function timeRange(times: readonly number[], windowSeconds: number, now: number): { min: number; max: number } {
  const max = Math.max((times.at(-1) ?? 0) + windowSeconds, now);
  const min = Math.max(max - HOUR_SECONDS, Math.min(times[0] ?? max, max - 10 * windowSeconds));
  return { min, max };
}

/** `minute`, or `5 s`. */
export function windowName(windowSeconds: number): string {
  return windowSeconds === 60 ? 'minute' : `${windowSeconds} s`;
}
