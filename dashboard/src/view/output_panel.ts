/**
 * The newest rows of an output, with its columns. The worker has all of them; the page requests those
 * that are visible.
 */

import type { Output } from '../config.ts';
import type { OutputTable, OutputView } from '../protocol.ts';
import { element, make, setCell, setText } from './dom.ts';
import { visibleRows } from './scroll.ts';
import { visible } from './visible.ts';
import { count, digits } from './words.ts';

const ROW_PIXELS = 32;
/** Extra rows above and below the visible ones. */
const MARGIN = 12;
const COLUMN_PIXELS = 130;

export class OutputPanel {
  private readonly onView: (view: OutputView | null) => void;
  private readonly section = element('output-section', HTMLElement);
  private readonly title = element('output-title', HTMLElement);
  private readonly count = element('output-count', HTMLElement);
  private readonly box = element('output', HTMLDivElement);
  private readonly heads = make('div', { class: 'heads' });
  private readonly body = make('div', { class: 'body' });
  private readonly empty = make('p', { class: 'empty', text: 'No rows yet.' });
  private rows: HTMLElement[] = [];
  private view: OutputView | undefined;
  private table: OutputTable | undefined;

  /** `onView` gets the part of an output that is visible; `null` if none is shown. */
  constructor(onView: (view: OutputView | null) => void) {
    this.onView = onView;
    for (const group of [this.heads, this.body]) group.setAttribute('role', 'rowgroup');
    this.box.append(this.heads, this.body);
    this.box.after(this.empty);
    this.box.addEventListener('scroll', () => this.request(), { passive: true });
    new ResizeObserver(() => this.request()).observe(this.box);
  }

  /** Whether there are rows. */
  get hasData(): boolean {
    return (this.table?.size ?? 0) > 0;
  }

  /** Shows an output, or with `null` none. */
  show(output: Output | null): void {
    this.section.hidden = output === null;
    this.table = undefined;
    this.rows = [];
    this.body.replaceChildren();
    this.body.style.height = '0';
    this.empty.hidden = false;
    setText(this.count, '');
    if (output === null) {
      this.view = undefined;
      this.onView(null);
      return;
    }
    const { name, columns } = output;
    setText(this.title, name);
    this.box.setAttribute('aria-label', `Rows of ${visible(name)}, newest first`);
    this.box.setAttribute('aria-colcount', String(columns.length));
    this.box.style.setProperty('--columns', columns.map(() => `minmax(${COLUMN_PIXELS}px, 1fr)`).join(' '));
    this.box.style.setProperty('--width', `${columns.length * COLUMN_PIXELS}px`);
    this.box.scrollTop = 0;
    this.heads.replaceChildren(this.makeHead(columns));
    this.view = { output, first: 0, count: 0 };
    this.request();
  }

  /** Shows a part of the rows. */
  update(table: OutputTable): void {
    if (table.name !== this.view?.output.name) return;
    this.table = table;
    const { size, isCut, perMinute } = table;
    const rows = isCut ? `the newest ${digits(size)} rows` : count(size, 'row');
    setText(this.count, `${rows} · ${digits(perMinute)} per minute`);
    this.empty.hidden = size > 0;
    this.body.style.height = `${size * ROW_PIXELS}px`;
    this.box.setAttribute('aria-rowcount', String(size + 1));
    this.request();
    this.draw(table, this.view.output.columns.length);
  }

  /** Requests the visible part, if it is not the one that was last requested. */
  private request(): void {
    if (this.view === undefined) return;
    const known = Math.max(this.table?.size ?? 0, 1);
    const { first, last } = visibleRows(this.box.scrollTop, this.box.clientHeight, ROW_PIXELS, known, MARGIN);
    // At the start, nothing is known to be visible.
    const view = { output: this.view.output, first, count: Math.max(last - first, 2 * MARGIN) };
    if (view.first === this.view.first && view.count === this.view.count) return;
    this.view = view;
    this.onView(view);
  }

  private draw({ first, cells, numbers }: OutputTable, columns: number): void {
    while (this.rows.length < cells.length) this.rows.push(this.makeRow(columns));
    this.rows.forEach((row, offset) => {
      const texts = cells[offset];
      row.hidden = texts === undefined;
      if (texts === undefined) return;
      row.style.transform = `translateY(${(first + offset) * ROW_PIXELS}px)`;
      row.setAttribute('aria-rowindex', String(first + offset + 2));
      [...row.children].forEach((cell, column) => setCell(cell, texts[column] ?? ''));
    });
    if (cells.length === 0) return;
    for (const row of [...this.heads.children, ...this.rows]) {
      [...row.children].forEach((cell, column) => cell.classList.toggle('number', numbers[column] ?? false));
    }
  }

  private makeHead(columns: readonly string[]): HTMLElement {
    const head = make('div', { class: 'head line' });
    head.setAttribute('role', 'row');
    head.setAttribute('aria-rowindex', '1');
    for (const title of columns) {
      const cell = make('span', { text: title, title });
      cell.setAttribute('role', 'columnheader');
      head.append(cell);
    }
    return head;
  }

  private makeRow(columns: number): HTMLElement {
    const row = make('div', { class: 'line' });
    row.setAttribute('role', 'row');
    for (let column = 0; column < columns; column += 1) {
      const cell = make('span');
      cell.setAttribute('role', 'cell');
      row.append(cell);
    }
    this.body.append(row);
    return row;
  }
}
