/**
 * Charts of the last hour, with one point per window: distance, and the ranges of magic and health.
 */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import type { Chart } from '../protocol.ts';
import { element, make, setText } from './dom.ts';
import { count, number } from './words.ts';

const HOUR_SECONDS = 3_600;
const HEIGHT = 130;

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
  private readonly empty = make('p', { class: 'empty' });
  private readonly plots: Plot[];
  private chart: Chart | undefined;

  constructor() {
    this.plots = [
      this.makePlot('Distance', '--distance'),
      this.makePlot('Magic', '--magic'),
      this.makePlot('Health', '--health'),
    ];
    this.box.before(this.empty);
    new ResizeObserver(() => this.resize()).observe(this.box);
    this.showTitle(undefined, null);
  }

  /** Shows a chart; `now` is in milliseconds since the epoch. */
  update(chart: Chart, now: number): void {
    this.chart = chart;
    this.showTitle(chart, chart.name);
    if (chart.start.length === 0) return;
    const { times, columns } = withBreaks(chart);
    const [distance, minMagic, maxMagic, minHealth, maxHealth] = columns;
    const data: uPlot.AlignedData[] = [
      [times, distance ?? []],
      [times, maxMagic ?? [], minMagic ?? []],
      [times, maxHealth ?? [], minHealth ?? []],
    ];
    const end = Math.max((times.at(-1) ?? 0) + chart.windowSeconds, now / 1000);
    const start = Math.max(end - HOUR_SECONDS, Math.min(times[0] ?? end, end - 10 * chart.windowSeconds));
    this.plots.forEach((plot, index) => {
      plot.data = data[index] ?? [[]];
      if (plot.plot === undefined) this.build(plot);
      plot.plot?.batch(() => {
        plot.plot?.setData(plot.data, false);
        plot.plot?.setScale('x', { min: start, max: end });
      });
      plot.figure.dataset['points'] = String(chart.start.length);
      describe(plot, chart, index);
    });
  }

  /**
   * Empties the charts, and shows whose data comes next: a unicorn's, or with `null` the fleet's.
   */
  clear(name: string | null): void {
    this.chart = undefined;
    this.showTitle(undefined, name);
  }

  /** Rebuilds the plots with the colours of the current style sheet. */
  setTheme(): void {
    for (const plot of this.plots) {
      plot.plot?.destroy();
      plot.plot = undefined;
    }
    if (this.chart !== undefined) this.update(this.chart, Date.now());
  }

  private showTitle(chart: Chart | undefined, name: string | null): void {
    const owner = name === null ? 'the fleet' : name;
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
    const style = getComputedStyle(document.documentElement);
    const colour = style.getPropertyValue(plot.colour).trim();
    const ink = style.getPropertyValue('--ink-soft').trim();
    const line = style.getPropertyValue('--line').trim();
    const axis: uPlot.Axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '12px system-ui' };
    const band = plot.title !== 'Distance';
    const points: uPlot.Series.Points = { show: true, size: 5, fill: colour, stroke: colour };
    const series: uPlot.Series[] = band
      ? [{}, { label: 'highest', stroke: colour, width: 1.5, points }, { label: 'lowest', stroke: colour, width: 1.5, points }]
      : [{}, { label: 'metres', stroke: colour, width: 1.5, fill: `${colour}22`, points }];
    const options: uPlot.Options = {
      width: plot.figure.clientWidth,
      height: HEIGHT,
      series,
      bands: band ? [{ series: [1, 2], fill: `${colour}33` }] : [],
      axes: [
        { ...axis, size: 28, space: 60, values: (_, splits) => splits.map(clockTime) },
        { ...axis, size: 56, values: (_, splits) => splits.map(compactNumber) },
      ],
      scales: band
        ? { y: { range: (_, min, max) => [Math.floor((min - 4) / 5) * 5, Math.ceil((max + 4) / 5) * 5] } }
        : { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
    };
    plot.plot = new uPlot(options, plot.data, plot.figure);
    // The caption has the same information as text.
    plot.plot.root.setAttribute('aria-hidden', 'true');
  }

  private resize(): void {
    for (const plot of this.plots) {
      if (plot.figure.clientWidth > 0) plot.plot?.setSize({ width: plot.figure.clientWidth, height: HEIGHT });
    }
  }
}

/** Breaks the lines where windows have no readings. */
function withBreaks(chart: Chart): { times: number[]; columns: (number | null)[][] } {
  const sources = [chart.distance, chart.minMagic, chart.maxMagic, chart.minHealth, chart.maxHealth];
  const times: number[] = [];
  const columns: (number | null)[][] = sources.map(() => []);
  chart.start.forEach((start, index) => {
    const before = times.at(-1);
    if (before !== undefined && start - before > chart.windowSeconds * 1.5) {
      times.push(before + chart.windowSeconds);
      for (const column of columns) column.push(null);
    }
    times.push(start);
    sources.forEach((source, column) => columns[column]?.push(source[index] ?? null));
  });
  return { times, columns };
}

function describe(plot: Plot, chart: Chart, index: number): void {
  const last = chart.start.length - 1;
  const window = chart.windowSeconds === 60 ? 'minute' : `${chart.windowSeconds} s`;
  const unicorns = chart.name === null ? `, ${count(chart.unicorns[last] ?? 0, 'unicorn')}` : '';
  const gap = chart.gap[last] ? ' · gap: some readings are missing' : '';
  const summary = [
    `${number(chart.distance[last] ?? 0)} m in the last ${window}${unicorns}${gap}`,
    `${chart.minMagic[last]} to ${chart.maxMagic[last]} in the last ${window}`,
    `${chart.minHealth[last]} to ${chart.maxHealth[last]} in the last ${window}`,
  ][index];
  setText(plot.summary, summary ?? '');
}

function clockTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  const parts = [time.getHours(), time.getMinutes()];
  if (seconds % 60 !== 0) parts.push(time.getSeconds());
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function compactNumber(value: number): string {
  return compact.format(value);
}
