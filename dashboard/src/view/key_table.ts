/**
 * The keys as a table, each with its newest window. The worker has all of them; the page requests
 * those that are visible, so the number of keys does not matter.
 */

import type { Table, TableRow, TableView } from '../protocol.ts';
import type { Schema } from '../schema.ts';
import { formatTime } from '../wire/time.ts';
import { element, make, setCell, setText } from './dom.ts';
import { moveTo, visibleRows } from './scroll.ts';
import { count, digits } from './words.ts';

const ROW_PIXELS = 32;
/** Extra rows above and below the visible ones. */
const MARGIN = 12;

const KEY_PIXELS = 120;
const MEASURE_PIXELS = 110;
const WINDOW_PIXELS = 190;
const READINGS_PIXELS = 90;

/** Events of the table. */
export interface KeyTableEvents {
  onView(view: TableView): void;
  /** A key was chosen: its text, and its values for people. */
  onSelect(key: string, name: string): void;
}

/** The table of keys, with its search. */
export class KeyTable {
  private readonly schema: Schema;
  private readonly events: KeyTableEvents;
  private readonly box = element('table', HTMLDivElement);
  private readonly search = element('search', HTMLInputElement);
  private readonly summary = element('keys-count', HTMLElement);
  private readonly body = make('div', { class: 'body' });
  private readonly empty = make('p', { class: 'empty' });
  private readonly rows: HTMLElement[] = [];
  private table: Table | undefined;
  private view: TableView = { search: '', first: 0, count: 0 };
  private selected: string | null = null;
  /** The index of the row that the arrow keys moved to. */
  private active = -1;

  constructor(schema: Schema, events: KeyTableEvents) {
    this.schema = schema;
    this.events = events;
    const { key, measures } = schema;
    const columns = [
      ...key.map(() => `minmax(${KEY_PIXELS}px, 1fr)`),
      `${WINDOW_PIXELS}px ${READINGS_PIXELS}px`,
      ...measures.map(() => `minmax(${MEASURE_PIXELS}px, 1fr)`),
    ];
    const width = key.length * KEY_PIXELS + WINDOW_PIXELS + READINGS_PIXELS + measures.length * MEASURE_PIXELS;
    this.box.style.setProperty('--columns', columns.join(' '));
    this.box.style.setProperty('--width', `${width}px`);
    this.box.setAttribute('aria-colcount', String(key.length + 2 + measures.length));
    this.body.setAttribute('role', 'rowgroup');
    this.box.append(this.makeHead(), this.body);
    this.box.after(this.empty);
    this.box.addEventListener('scroll', () => this.request(), { passive: true });
    this.box.addEventListener('keydown', (event) => this.onKey(event));
    this.search.addEventListener('input', () => {
      this.box.scrollTop = 0;
      this.active = -1;
      this.request();
    });
    this.search.addEventListener('keydown', (event) => this.onSearchKey(event));
    new ResizeObserver(() => this.request()).observe(this.box);
  }

  /** Shows a part of the table. */
  update(table: Table): void {
    if (table.search !== this.search.value) return;
    this.table = table;
    this.body.style.height = `${table.matches * ROW_PIXELS}px`;
    const matches = table.matches === table.keys ? '' : `${digits(table.matches)} of `;
    const newest = table.newest === null ? '' : `, ${digits(table.newest.keys)} in the newest window`;
    const cut = table.isCut ? ` · only the last ${count(table.windows, 'window')} fit in memory` : '';
    setText(this.summary, table.keys === 0 ? '' : `${matches}${count(table.keys, 'key')}${newest}${cut}`);
    this.empty.hidden = table.matches > 0;
    setText(this.empty, table.keys === 0 ? 'No rows yet: a window’s rows appear after it ends.' : 'No matching keys.');
    this.box.setAttribute('aria-rowcount', String(table.matches + 1));
    this.request();
    this.draw();
  }

  select(key: string | null): void {
    this.selected = key;
    this.draw();
  }

  /** Requests the visible part, if it is not the one that was last requested. */
  private request(): void {
    const known = this.table?.matches ?? 0;
    const { first, last } = visibleRows(this.box.scrollTop, this.box.clientHeight, ROW_PIXELS, Math.max(known, 1), MARGIN);
    // At the start, nothing is known to be visible.
    const view = { search: this.search.value, first, count: Math.max(last - first, 2 * MARGIN) };
    if (view.search === this.view.search && view.first === this.view.first && view.count === this.view.count) return;
    this.view = view;
    this.events.onView(view);
  }

  private draw(): void {
    const { table } = this;
    if (table === undefined) return;
    while (this.rows.length < table.rows.length) this.rows.push(this.makeRow());
    let activeId = '';
    this.rows.forEach((row, offset) => {
      const data = table.rows[offset];
      row.hidden = data === undefined;
      if (data === undefined) {
        row.removeAttribute('id');
        return;
      }
      this.drawRow(row, data, table.first + offset, table);
      if (table.first + offset === this.active) activeId = row.id;
    });
    if (activeId === '') this.box.removeAttribute('aria-activedescendant');
    else this.box.setAttribute('aria-activedescendant', activeId);
  }

  private drawRow(row: HTMLElement, data: TableRow, index: number, table: Table): void {
    const isOld = data.start !== table.newest?.start;
    row.style.transform = `translateY(${index * ROW_PIXELS}px)`;
    row.dataset['key'] = data.key;
    row.dataset['index'] = String(index);
    row.id = `row-${index}`;
    row.setAttribute('aria-rowindex', String(index + 2));
    row.setAttribute('aria-selected', String(data.key === this.selected));
    row.classList.toggle('active', index === this.active);
    row.classList.toggle('old', isOld);
    row.classList.toggle('gap', data.gap);
    const time = data.start === null ? '–' : formatTime(data.start * 1000).slice(0, 19);
    const texts = [...data.columns, data.gap ? `${time} gap` : time, digits(data.readings), ...data.values];
    [...row.children].forEach((cell, column) => setCell(cell, texts[column] ?? '–'));
  }

  private makeHead(): HTMLElement {
    const { key, measures } = this.schema;
    const head = make('div', { class: 'head line' });
    head.setAttribute('role', 'row');
    head.setAttribute('aria-rowindex', '1');
    const titles = [...key.map(({ name }) => name), 'Window (UTC)', 'Readings', ...measures.map(({ name }) => name)];
    for (const title of titles) {
      const cell = make('span', { text: title, title });
      cell.setAttribute('role', 'columnheader');
      head.append(cell);
    }
    this.markNumbers(head);
    const group = make('div', { class: 'heads' }, head);
    group.setAttribute('role', 'rowgroup');
    return group;
  }

  private makeRow(): HTMLElement {
    const { key, measures } = this.schema;
    const row = make('div', { class: 'line' });
    row.setAttribute('role', 'row');
    for (let column = 0; column < key.length + 2 + measures.length; column += 1) {
      const cell = make('span');
      cell.setAttribute('role', column < key.length ? 'rowheader' : 'gridcell');
      row.append(cell);
    }
    this.markNumbers(row);
    row.addEventListener('click', () => {
      this.active = Number(row.dataset['index']);
      this.choose();
    });
    this.body.append(row);
    return row;
  }

  /** Numbers are aligned to the right. */
  private markNumbers(row: HTMLElement): void {
    const { key, measures } = this.schema;
    const isNumber = ({ type }: Schema['key'][number]): boolean => type.kind === 'number' || type.kind === 'float';
    const marks = [...key.map(isNumber), false, true, ...measures.map(isNumber)];
    [...row.children].forEach((cell, column) => cell.classList.toggle('number', marks[column] ?? false));
  }

  private onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_PIXELS) - 2);
    const to = moveTo(event.key, this.active, page, this.table?.matches ?? 0);
    if (to !== undefined) {
      event.preventDefault();
      this.active = to;
      this.scrollTo(to);
      this.request();
      this.draw();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      if (this.active < 0) this.active = Math.ceil(this.box.scrollTop / ROW_PIXELS);
      this.choose();
    }
  }

  /** From the search, Enter chooses the first match, and the arrow leads to the table. */
  private onSearchKey(event: KeyboardEvent): void {
    if (event.isComposing || (event.key !== 'Enter' && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    // The matches may not be known yet.
    if (this.table?.search !== this.search.value || this.table.matches === 0) return;
    this.active = 0;
    if (event.key === 'Enter') this.choose();
    else this.box.focus();
    this.draw();
  }

  private choose(): void {
    const chosen = this.table?.rows[this.active - this.table.first];
    if (chosen !== undefined) this.events.onSelect(chosen.key, chosen.columns.join(' · ') || 'the only key');
  }

  private scrollTo(index: number): void {
    const top = index * ROW_PIXELS;
    // The head covers one row.
    const bottom = top + 2 * ROW_PIXELS - this.box.clientHeight;
    this.box.scrollTop = Math.min(top, Math.max(bottom, this.box.scrollTop));
  }
}
