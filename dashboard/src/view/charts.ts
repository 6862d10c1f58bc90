/**
 * Charts of the last hour, with one point per window: distance, and the ranges of magic and health.
 */

import type uPlot from 'uplot';

import type { Chart } from '../protocol.ts';
import { ChartClock } from './chart_clock.ts';
import { element, make, setText } from './dom.ts';
import { tipText, withBreaks } from './plot_data.ts';
import { buildPlot, PLOT_HEIGHT, plotOptions, plotSeries, pointerTip, styleColour } from './plots.ts';
import { count, exact, number } from './words.ts';

interface Plot {
  readonly figure: HTMLElement;
  /** The caption: the newest window in words. */
  readonly summary: HTMLElement;
  plot: uPlot | undefined;
  readonly title: string;
  readonly colour: string;
  data: uPlot.AlignedData;
}

export class Charts {
  private readonly box = element('charts', HTMLElement);
  private readonly title = element('charts-title', HTMLElement);
  private readonly clock = new ChartClock();
  private readonly empty = make('p', { class: 'empty' });
  private readonly plots: Plot[];
  private chart: Chart | undefined;
  /** Whose windows are shown: a unicorn's, or with `null` the fleet's. */
  private name: string | null = null;

  constructor() {
    this.plots = [
      this.makePlot('Distance', '--distance'),
      this.makePlot('Magic', '--magic'),
      this.makePlot('Health', '--health'),
    ];
    this.box.before(this.empty);
    new ResizeObserver(() => this.resize()).observe(this.box);
    this.showTitle(undefined);
  }

  /** Shows a chart; `now` is in milliseconds since the epoch. */
  update(chart: Chart, now: number): void {
    this.chart = chart;
    this.showTitle(chart);
    if (chart.start.length === 0) {
      this.clock.stop();
      return;
    }
    const { times, columns } = withBreaks(chart.start, chart.windowSeconds, chart.measures);
    const [distance, minMagic, maxMagic, minHealth, maxHealth] = columns;
    const data: uPlot.AlignedData[] = [
      [times, distance ?? []],
      [times, maxMagic ?? [], minMagic ?? []],
      [times, maxHealth ?? [], minHealth ?? []],
    ];
    const range = this.clock.start(chart, times, now);
    this.plots.forEach((plot, index) => {
      plot.data = data[index] ?? [[]];
      if (plot.plot === undefined) this.build(plot);
      plot.plot?.batch(() => {
        plot.plot?.setData(plot.data, false);
        plot.plot?.setScale('x', range);
      });
      plot.figure.dataset['points'] = String(chart.start.length);
      this.describe(plot, chart, index);
    });
  }

  /** Moves the charts on with the clock; `now` is in milliseconds since the epoch. */
  tick(now: number): void {
    const range = this.clock.tick(now, this.box.clientWidth);
    if (range === undefined) return;
    for (const { plot } of this.plots) plot?.setScale('x', range);
  }

  /**
   * Empties the charts, and shows whose data comes next: a unicorn's, or with `null` the fleet's.
   */
  clear(name: string | null): void {
    this.name = name;
    this.chart = undefined;
    this.clock.stop();
    this.showTitle(undefined);
  }

  /** Rebuilds the plots with the colours of the current style sheet. */
  setTheme(): void {
    for (const plot of this.plots) {
      plot.plot?.destroy();
      plot.plot = undefined;
    }
    if (this.chart !== undefined) this.update(this.chart, Date.now());
  }

  private showTitle(chart: Chart | undefined): void {
    const owner = this.name ?? 'the fleet';
    setText(this.title, `Last hour of ${owner}`);
    const isEmpty = chart === undefined || chart.start.length === 0;
    this.empty.hidden = !isEmpty;
    this.box.hidden = isEmpty;
    setText(this.empty, chart === undefined ? 'Loading…' : 'No data yet: a window’s totals appear after it ends.');
  }

  private makePlot(title: string, colour: string): Plot {
    const summary = make('span');
    const caption = make('figcaption', {}, make('strong', { text: title }), ' ', summary);
    const figure = make('figure', { class: 'plot' }, caption);
    this.box.append(figure);
    return { figure, summary, plot: undefined, title, colour, data: [[]] };
  }

  private build(plot: Plot): void {
    const colour = styleColour(plot.colour);
    const band = plot.title !== 'Distance';
    const series: uPlot.Series[] = band
      ? [{}, plotSeries('highest', colour), plotSeries('lowest', colour)]
      : [{}, { ...plotSeries('metres', colour), fill: `${colour}22` }];
    const options: uPlot.Options = {
      ...plotOptions(plot.figure.clientWidth),
      series,
      plugins: [pointerTip((index) => this.tip(plot, index))],
      bands: band ? [{ series: [1, 2], fill: `${colour}33` }] : [],
      scales: band
        ? { y: { range: (_, min, max) => [Math.floor((min - 4) / 5) * 5, Math.ceil((max + 4) / 5) * 5] } }
        : { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
    };
    plot.plot = buildPlot(options, plot.data, plot.figure);
  }

  private describe(plot: Plot, chart: Chart, index: number): void {
    const unicorns = this.name === null ? `, ${count(chart.keys.at(-1) ?? 0, 'unicorn')}` : '';
    const gap = chart.gap.at(-1) ? ' · gap: some readings are missing' : '';
    const [distance, minMagic, maxMagic, minHealth, maxHealth] = chart.measures.map((values) => values.at(-1) ?? 0);
    const summary = [
      `${number(distance ?? 0)} m in the last window${unicorns}${gap}`,
      `${minMagic} to ${maxMagic} points in the last window`,
      `${minHealth} to ${maxHealth} points in the last window`,
    ][index];
    setText(plot.summary, summary ?? '');
  }

  /** The window under the pointer, and its value. */
  private tip(plot: Plot, index: number): string | undefined {
    const [start, highest, lowest] = plot.data.map((column) => column[index] ?? null);
    if (typeof start !== 'number' || this.chart === undefined) return undefined;
    const [high, low] = [highest, lowest].map((value) => (typeof value === 'number' ? exact(value) : null));
    const range = high === null ? null : `${low ?? '–'} to ${high} points`;
    const value = plot.title === 'Distance' && high !== null ? `${high} m` : range;
    return tipText(start, this.chart.windowSeconds, value);
  }

  private resize(): void {
    for (const plot of this.plots) {
      if (plot.figure.clientWidth > 0) plot.plot?.setSize({ width: plot.figure.clientWidth, height: PLOT_HEIGHT });
    }
  }
}
