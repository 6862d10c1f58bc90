/** Runs the axes of charts with the clock, and says how long ago the last window ended. */

import type { Chart } from '../protocol.ts';
import { element, setText } from './dom.ts';
import { hasMoved, timeRange, type TimeRange, windowAge } from './plot_data.ts';

export class ChartClock {
  private readonly age = element('charts-age', HTMLElement);
  private chart: Chart | undefined;
  private times: readonly number[] = [];
  private shown: TimeRange | undefined;

  /**
   * The range of the axes for a chart with points at `times`, in seconds; `now` is in milliseconds
   * since the epoch.
   */
  start(chart: Chart, times: readonly number[], now: number): TimeRange {
    this.chart = chart;
    this.times = times;
    this.shown = timeRange(times, chart.windowSeconds, now / 1000);
    this.showAge(now);
    return this.shown;
  }

  /** There is no chart. */
  stop(): void {
    this.chart = undefined;
    setText(this.age, '');
  }

  /** The range of the axes at `now`; `undefined` if it looks the same on a chart of `pixels`. */
  tick(now: number, pixels: number): TimeRange | undefined {
    if (this.chart === undefined || this.times.length === 0) return undefined;
    this.showAge(now);
    const range = timeRange(this.times, this.chart.windowSeconds, now / 1000);
    if (!hasMoved(this.shown, range, pixels)) return undefined;
    this.shown = range;
    return range;
  }

  private showAge(now: number): void {
    setText(this.age, this.chart === undefined ? '' : windowAge(this.chart.start, this.chart.windowSeconds, now / 1000));
  }
}
