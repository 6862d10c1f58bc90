/** The last hour, a point a window: distance, and the bands in which magic and health were. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import type { Chart } from '../protocol.ts';
import { element, make, setText } from './dom.ts';
import { count, number } from './words.ts';

const HOUR_SECONDS = 3_600;
const HEIGHT = 130;

interface Plot {
  readonly figure: HTMLElement;
  /** The newest window in words. */
  readonly figures: HTMLElement;
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
    this.say(undefined, null);
  }

  /** Shows a chart; `now` is in milliseconds since the epoch. */
  update(chart: Chart, now: number): void {
    this.chart = chart;
    this.say(chart, chart.name);
    if (chart.start.length === 0) return;
    const { times, columns } = withGaps(chart);
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

  /** What is shown is of somebody else from now on. */
  clear(name: string | null): void {
    this.chart = undefined;
    this.say(undefined, name);
  }

  /** Colours come from the style sheet. */
  setTheme(): void {
    for (const plot of this.plots) {
      plot.plot?.destroy();
      plot.plot = undefined;
    }
    if (this.chart !== undefined) this.update(this.chart, Date.now());
  }

  private say(chart: Chart | undefined, name: string | null): void {
    const whose = name === null ? 'the fleet' : name;
    setText(this.title, `Last hour of ${whose}`);
    const none = chart === undefined || chart.start.length === 0;
    this.empty.hidden = !none;
    this.box.hidden = none;
    setText(this.empty, chart === undefined ? 'Loading…' : 'Nothing yet: a window’s figures come when it has ended.');
  }

  private makePlot(title: string, colour: string): Plot {
    const figures = make('span');
    const caption = make('figcaption', {}, make('strong', { text: title }), ' ', figures);
    const figure = make('figure', { class: 'plot' }, caption);
    this.box.append(figure);
    return { figure, figures, plot: undefined, title, colour, data: [[]] };
  }

  private build(plot: Plot): void {
    const style = getComputedStyle(document.documentElement);
    const colour = style.getPropertyValue(plot.colour).trim();
    const ink = style.getPropertyValue('--ink-soft').trim();
    const line = style.getPropertyValue('--line').trim();
    const axis: uPlot.Axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '12px system-ui' };
    const band = plot.title !== 'Distance';
    const mark: uPlot.Series.Points = { show: true, size: 5, fill: colour, stroke: colour };
    const series: uPlot.Series[] = band
      ? [{}, { label: 'highest', stroke: colour, width: 1.5, points: mark }, { label: 'lowest', stroke: colour, width: 1.5, points: mark }]
      : [{}, { label: 'metres', stroke: colour, width: 1.5, fill: `${colour}22`, points: mark }];
    const options: uPlot.Options = {
      width: plot.figure.clientWidth,
      height: HEIGHT,
      series,
      bands: band ? [{ series: [1, 2], fill: `${colour}33` }] : [],
      axes: [
        { ...axis, size: 28, space: 60, values: (_, splits) => splits.map(clockTime) },
        { ...axis, size: 56, values: (_, splits) => splits.map(short) },
      ],
      scales: band
        ? { y: { range: (_, min, max) => [Math.floor((min - 4) / 5) * 5, Math.ceil((max + 4) / 5) * 5] } }
        : { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
    };
    plot.plot = new uPlot(options, plot.data, plot.figure);
    // The caption says the same in words.
    plot.plot.root.setAttribute('aria-hidden', 'true');
  }

  private resize(): void {
    for (const plot of this.plots) {
      if (plot.figure.clientWidth > 0) plot.plot?.setSize({ width: plot.figure.clientWidth, height: HEIGHT });
    }
  }
}

/** A line must not cross a window in which nobody was heard. */
function withGaps(chart: Chart): { times: number[]; columns: (number | null)[][] } {
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
    sources.forEach((source, which) => columns[which]?.push(source[index] ?? null));
  });
  return { times, columns };
}

function describe(plot: Plot, chart: Chart, index: number): void {
  const last = chart.start.length - 1;
  const window = chart.windowSeconds === 60 ? 'minute' : `${chart.windowSeconds} s`;
  const unicorns = chart.name === null ? `, ${count(chart.unicorns[last] ?? 0, 'unicorn')}` : '';
  const figures = [
    `${number(chart.distance[last] ?? 0)} m in the last ${window}${unicorns}`,
    `${chart.minMagic[last]} to ${chart.maxMagic[last]} in the last ${window}`,
    `${chart.minHealth[last]} to ${chart.maxHealth[last]} in the last ${window}`,
  ][index];
  setText(plot.figures, figures ?? '');
}

function clockTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  const parts = [time.getHours(), time.getMinutes()];
  if (seconds % 60 !== 0) parts.push(time.getSeconds());
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function short(value: number): string {
  return compact.format(value);
}
