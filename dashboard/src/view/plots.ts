/** What all plots share: sizes, axes and colours. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { make, setText } from './dom.ts';
import { clockTime } from './words.ts';

export const PLOT_HEIGHT = 130;

/** The value of a custom property of the style sheet, such as `--ink`. */
export function styleColour(property: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}

/** The options of every plot. */
export function plotOptions(
  width: number,
): Pick<uPlot.Options, 'width' | 'height' | 'axes' | 'legend' | 'cursor' | 'tzDate'> {
  const axis: uPlot.Axis = {
    stroke: styleColour('--ink-soft'),
    grid: { stroke: styleColour('--line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui',
  };
  return {
    width,
    height: PLOT_HEIGHT,
    // The axis has round times of UTC, as all times of the page are.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
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
  plot.root.append(make('span', { class: 'zone', text: 'UTC' }));
  plot.root.setAttribute('aria-hidden', 'true');
  return plot;
}

/**
 * Shows a text about the point that is nearest to the pointer, which `describe` gets the index of;
 * nothing if there is no text.
 */
export function pointerTip(describe: (index: number) => string | undefined): uPlot.Plugin {
  const tip = make('div', { class: 'tip' });
  tip.hidden = true;
  return {
    hooks: {
      init: (plot) => plot.over.append(tip),
      setCursor: (plot) => {
        const { idx, left = -1 } = plot.cursor;
        const text = typeof idx === 'number' && left >= 0 ? describe(idx) : undefined;
        tip.hidden = text === undefined;
        if (text === undefined) return;
        setText(tip, text);
        // It stays within the plot.
        const most = plot.over.clientWidth - tip.offsetWidth;
        tip.style.transform = `translate(${Math.max(0, Math.min(left + 8, most))}px, 4px)`;
      },
    },
  };
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function compactNumber(value: number): string {
  return compact.format(value);
}
