/** Rates and lag, in words. */

import type { Health, Table } from '../protocol.ts';
import { formatTime } from '../wire/time.ts';
import { element, make, setText } from './dom.ts';
import { digits, duration, number } from './words.ts';

/** What the summary says: a label, and a text. */
export type SummaryLine = readonly [label: string, text: string];

/** The lines of the summary. `undefined`: not known yet. */
export function summaryLines(table: Table | undefined, health: Health | undefined): readonly SummaryLine[] {
  const newest = table?.newest ?? undefined;
  const rows = health?.linesPerSecond;
  const perSecond = newest === undefined || table === undefined ? undefined : newest.readings / table.windowSeconds;
  return [
    ['Newest window', newest === undefined ? '–' : `${formatTime(newest.start * 1000).slice(0, 19)} UTC`],
    ['Readings per second', perSecond === undefined ? '–' : number(perSecond)],
    ['Rows per second', typeof rows === 'number' ? number(rows) : '–'],
    ['Rows come after the window’s end by', lagRange(newest?.firstLag, newest?.lastLag)],
    ['Behind the end of the stream', health === undefined ? '–' : duration(health.lagMillis)],
    ['Windows with a gap', table === undefined ? '–' : `${digits(table.gaps)} of ${digits(table.windows)}`],
  ];
}

/** From the first to the last row, in words: `1.2 s to 3 s`. */
export function lagRange(first: number | undefined, last: number | undefined): string {
  if (first === undefined || last === undefined) return '–';
  const [one, other] = [words(first), words(last)];
  return one === other ? one : `${one} to ${other}`;
}

/** Rows can come before the end of their window, as after a partial flush. */
function words(seconds: number): string {
  return seconds < 0 ? `${digits(-seconds)} s before the end` : duration(seconds * 1000);
}

/** The list with the summary. */
export class Summary {
  private readonly list = element('summary', HTMLElement);
  private readonly texts: HTMLElement[] = [];

  update(table: Table | undefined, health: Health | undefined): void {
    summaryLines(table, health).forEach(([label, text], index) => {
      let cell = this.texts[index];
      if (cell === undefined) {
        cell = make('dd');
        this.texts.push(cell);
        this.list.append(make('div', {}, make('dt', { text: label }), cell));
      }
      setText(cell, text);
    });
  }
}
