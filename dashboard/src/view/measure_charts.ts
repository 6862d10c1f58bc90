/** Charts of the last hour of any sensor: one per measure, and of the readings and the lag. */

import uPlot from 'uplot';

import type { Chart } from '../protocol.ts';
import type { MeasureColumn, Schema } from '../schema.ts';
import { ChartClock } from './chart_clock.ts';
import { element, make, setText } from './dom.ts';
import { tipText, type Values, withBreaks } from './plot_data.ts';
import { buildPlot, PLOT_HEIGHT, plotOptions, plotSeries, pointerTip, styleColour } from './plots.ts';
import { lagRange } from './summary.ts';
import { count, digits, duration, exact } from './words.ts';

/** The most charts; each has a canvas. */
const MAX_PLOTS = 24;

/** What a chart shows. */
interface Subject {
  readonly title: string;
  /** Whether the chart starts at zero. */
  readonly fromZero: boolean;
  readonly values: (chart: Chart) => Values;
  /** The newest window's value in words. */
  readonly newest: (chart: Chart) => string;
  /** A value in words, with what it is of. */
  readonly words: (value: number) => string;
}

interface Plot {
  readonly subject: Subject;
  readonly figure: HTMLElement;
  /** The caption: the newest window in words. */
  readonly summary: HTMLElement;
  plot: uPlot | undefined;
  data: uPlot.AlignedData;
}

export class MeasureCharts {
  private readonly box = element('charts', HTMLElement);
  private readonly title = element('charts-title', HTMLElement);
  private readonly clock = new ChartClock();
  private readonly note = make('p', { class: 'empty' });
  private readonly empty = make('p', { class: 'empty' });
  private readonly plots: Plot[];
  private chart: Chart | undefined;
  /** Whose windows are shown: a key's, or with `null` those of all keys. */
  private name: string | null = null;
  /** Starts of windows with a gap, in seconds since the epoch. */
  private gaps: readonly number[] = [];

  constructor(schema: Schema) {
    const { subjects, note } = subjectsOf(schema);
    this.plots = subjects.map((subject) => this.makePlot(subject));
    this.box.before(this.empty);
    this.box.after(this.note);
    setText(this.note, note);
    this.note.hidden = note === '';
    new ResizeObserver(() => this.resize()).observe(this.box);
    this.showTitle();
  }

  /** Shows a chart; `now` is in milliseconds since the epoch. */
  update(chart: Chart, now: number): void {
    this.chart = chart;
    this.gaps = chart.start.filter((_, index) => chart.gap[index]);
    this.showTitle();
    if (chart.start.length === 0) {
      this.clock.stop();
      return;
    }
    const { times, columns } = withBreaks(chart.start, chart.windowSeconds, this.plots.map(({ subject }) => subject.values(chart)));
    const range = this.clock.start(chart, times, now);
    this.plots.forEach((plot, index) => {
      plot.data = [times, columns[index] ?? []];
      if (plot.plot === undefined) this.build(plot);
      plot.plot?.batch(() => {
        plot.plot?.setData(plot.data, false);
        plot.plot?.setScale('x', range);
      });
      plot.figure.dataset['points'] = String(chart.start.length);
      setText(plot.summary, describe(plot.subject, chart));
    });
  }

  /** Moves the charts on with the clock; `now` is in milliseconds since the epoch. */
  tick(now: number): void {
    const range = this.clock.tick(now, this.box.clientWidth);
    if (range === undefined) return;
    for (const { plot } of this.plots) plot?.setScale('x', range);
  }

  /** Empties the charts, and shows whose data comes next: a key's, or with `null` that of all keys. */
  clear(name: string | null): void {
    this.name = name;
    this.chart = undefined;
    this.clock.stop();
    this.showTitle();
  }

  /** Rebuilds the plots with the colours of the current style sheet. */
  setTheme(): void {
    for (const plot of this.plots) {
      plot.plot?.destroy();
      plot.plot = undefined;
    }
    if (this.chart !== undefined) this.update(this.chart, Date.now());
  }

  private showTitle(): void {
    const { chart } = this;
    const gaps = this.chart !== undefined && this.gaps.length > 0 ? ` · ${count(this.gaps.length, 'window')} with a gap` : '';
    setText(this.title, `Last hour of ${this.name ?? 'all keys'}${gaps}`);
    const isEmpty = chart === undefined || chart.start.length === 0;
    this.empty.hidden = !isEmpty;
    this.box.hidden = isEmpty;
    setText(this.empty, chart === undefined ? 'Loading…' : 'No data yet: a window’s totals appear after it ends.');
  }

  private makePlot(subject: Subject): Plot {
    const summary = make('span');
    const caption = make('figcaption', {}, make('strong', { text: subject.title }), ' ', summary);
    const figure = make('figure', { class: 'plot' }, caption);
    this.box.append(figure);
    return { subject, figure, summary, plot: undefined, data: [[]] };
  }

  private build(plot: Plot): void {
    const colour = styleColour('--distance');
    const gapColour = styleColour('--low');
    const { fromZero, title } = plot.subject;
    const options: uPlot.Options = {
      ...plotOptions(plot.figure.clientWidth),
      series: [{}, { ...plotSeries(title, colour), ...(fromZero ? { fill: `${colour}22` } : {}) }],
      scales: fromZero ? { y: { range: (_, min, max) => [Math.min(0, min * 1.1), Math.max(1, max * 1.1)] } } : {},
      plugins: [pointerTip((index) => this.tip(plot, index))],
      hooks: { drawAxes: [(drawn) => this.drawGaps(drawn, gapColour)] },
    };
    plot.plot = buildPlot(options, plot.data, plot.figure);
  }

  /** Marks windows with a gap by a dashed line. */
  private drawGaps(plot: uPlot, colour: string): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = 2 * uPlot.pxRatio;
    ctx.setLineDash([4 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
    for (const start of this.gaps) {
      const x = Math.round(plot.valToPos(start, 'x', true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  /** The window under the pointer, and its value. */
  private tip({ subject, data }: Plot, index: number): string | undefined {
    const [start, value] = data.map((column) => column[index] ?? null);
    if (typeof start !== 'number' || this.chart === undefined) return undefined;
    return tipText(start, this.chart.windowSeconds, typeof value === 'number' ? subject.words(value) : null);
  }

  private resize(): void {
    for (const plot of this.plots) {
      if (plot.figure.clientWidth > 0) plot.plot?.setSize({ width: plot.figure.clientWidth, height: PLOT_HEIGHT });
    }
  }
}

function describe(subject: Subject, chart: Chart): string {
  return `${subject.newest(chart)}${chart.gap.at(-1) ? ' · gap: some readings are missing' : ''}`;
}

/** The charts of a schema, and a note on the measures without one. */
function subjectsOf(schema: Schema): { readonly subjects: readonly Subject[]; readonly note: string } {
  const isDrawn = ({ type }: MeasureColumn): boolean => type.kind !== 'text' && type.kind !== 'timestamp';
  const columns = schema.measures.map((column, index) => ({ column, index }));
  const drawn = columns.filter(({ column }) => isDrawn(column)).slice(0, MAX_PLOTS - 2);
  const others = columns.filter((one) => !drawn.includes(one)).map(({ column }) => column.name);
  const readings: Subject = {
    title: 'Readings',
    fromZero: true,
    values: (chart) => chart.readings,
    newest: (chart) =>
      `${digits(chart.readings.at(-1) ?? 0)} in the last window, ${count(chart.keys.at(-1) ?? 0, 'key')}`,
    words: (value) => count(value, 'reading'),
  };
  const lag: Subject = {
    title: 'Lag of the rows',
    fromZero: true,
    values: (chart) => chart.lastLag,
    newest: (chart) => `${lagRange(chart.firstLag.at(-1), chart.lastLag.at(-1))} after the end of the last window`,
    words: (value) => `${duration(value * 1000)} after the window’s end`,
  };
  return {
    subjects: [readings, ...drawn.map(({ column, index }) => measureSubject(column, index)), lag],
    note: others.length === 0 ? '' : `In the table only: ${others.join(', ')}.`,
  };
}

function measureSubject(column: MeasureColumn, index: number): Subject {
  return {
    title: column.name,
    fromZero: column.kind === 'sum',
    values: (chart) => chart.measures[index] ?? [],
    newest: (chart) => `${column.kind}: ${chart.newest[index] ?? '–'} in the last window`,
    words: (value) => `${column.kind} ${column.type.kind === 'boolean' ? String(value === 1) : exact(value)}`,
  };
}
