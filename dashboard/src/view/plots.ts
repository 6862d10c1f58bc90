/** What all plots share: sizes, axes and colours. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export const PLOT_HEIGHT = 130;

/** The value of a custom property of the style sheet, such as `--ink`. */
export function styleColour(property: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}

/** The options of every plot. */
export function plotOptions(width: number): Pick<uPlot.Options, 'width' | 'height' | 'axes' | 'legend' | 'cursor'> {
  const axis: uPlot.Axis = {
    stroke: styleColour('--ink-soft'),
    grid: { stroke: styleColour('--line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui',
  };
  return {
    width,
    height: PLOT_HEIGHT,
    axes: [
      { ...axis, size: 28, space: 60, values: (_, splits) => splits.map(clockTime) },
      { ...axis, size: 56, values: (_, splits) => splits.map(compactNumber) },
    ],
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
  };
}

/** A line with a point per window. */
export function plotSeries(label: string, colour: string): uPlot.Series {
  return { label, stroke: colour, width: 1.5, points: { show: true, size: 5, fill: colour, stroke: colour } };
}

/** The caption of a plot has the same information as text, so the plot is hidden from screen readers. */
export function buildPlot(options: uPlot.Options, data: uPlot.AlignedData, figure: HTMLElement): uPlot {
  const plot = new uPlot(options, data, figure);
  plot.root.setAttribute('aria-hidden', 'true');
  return plot;
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
