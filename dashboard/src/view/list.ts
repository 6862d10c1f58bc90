/**
 * The fleet as a list, lowest vitals first. Only visible rows are in the DOM, so that the length of
 * the list does not matter.
 */

import { LOW_VITALS, type Fleet } from '../fleet/fleet.ts';
import { Order } from '../fleet/order.ts';
import { element, make, setText } from './dom.ts';
import { moveTo, visibleRows } from './scroll.ts';
import { ago, count, digits } from './words.ts';

const ROW_PIXELS = 44;
/** Extra rows above and below the visible ones. */
const MARGIN = 4;
/** The minimum interval between sorts of the list. */
const ORDER_MILLIS = 2_000;

interface Row {
  readonly root: HTMLElement;
  readonly name: HTMLElement;
  readonly vitals: HTMLElement;
}

/** The list of the fleet, with its search. */
export class FleetList {
  private readonly fleet: Fleet;
  private readonly onSelect: (unicorn: number) => void;
  private readonly box = element('fleet-list', HTMLDivElement);
  private readonly search = element('search', HTMLInputElement);
  private readonly summary = element('fleet-count', HTMLElement);
  private readonly canvas = make('div', { class: 'rows' });
  private readonly empty = make('p', { class: 'empty' });
  private readonly rows: Row[] = [];
  private readonly sorter: Order;
  private order: number[] = [];
  private orderedAt = -Infinity;
  private selected = -1;
  /** The unicorn that the arrow keys moved to. */
  private active = -1;
  private hovered = false;
  /** The size of the fleet when the list was last sorted. */
  private orderedSize = 0;

  constructor(fleet: Fleet, onSelect: (unicorn: number) => void) {
    this.fleet = fleet;
    this.sorter = new Order(fleet);
    this.onSelect = onSelect;
    this.canvas.setAttribute('role', 'presentation');
    this.box.append(this.canvas);
    this.box.after(this.empty);
    this.box.addEventListener('scroll', () => this.draw(performance.now()), { passive: true });
    this.box.addEventListener('keydown', (event) => this.onKey(event));
    this.box.addEventListener('pointerenter', () => (this.hovered = true));
    this.box.addEventListener('pointerleave', () => (this.hovered = false));
    this.search.addEventListener('input', () => {
      this.box.scrollTop = 0;
      this.reorder(performance.now());
    });
    this.search.addEventListener('keydown', (event) => this.onSearchKey(event));
    new ResizeObserver(() => this.draw(performance.now())).observe(this.box);
  }

  /** Redraws the list with the newest readings. */
  update(now: number): void {
    this.draw(now);
  }

  /** Adds new unicorns, and sorts the list from time to time. */
  tick(now: number): void {
    // Under the pointer the list is sorted only for new unicorns, so that rows do not move just
    // before a click.
    const due = now - this.orderedAt >= ORDER_MILLIS && !this.hovered;
    if (due || this.orderedSize !== this.fleet.size) {
      this.reorder(now);
    } else {
      this.summarize(now);
      this.draw(now);
    }
  }

  select(unicorn: number): void {
    this.selected = unicorn;
    if (unicorn >= 0) this.active = unicorn;
    this.draw(performance.now());
  }

  private reorder(now: number): void {
    this.orderedAt = now;
    this.orderedSize = this.fleet.size;
    this.order = this.sorter.unicorns(this.search.value, now);
    this.canvas.style.height = `${this.order.length * ROW_PIXELS}px`;
    this.summarize(now);
    this.draw(now);
  }

  private summarize(now: number): void {
    const all = this.fleet.size;
    const flying = this.order.filter((unicorn) => !this.fleet.isSilent(unicorn, now)).length;
    const low = this.order.filter(
      (unicorn) => this.fleet.vitals(unicorn) < LOW_VITALS && !this.fleet.isSilent(unicorn, now),
    ).length;
    const silent = this.order.length - flying;
    const matches = this.order.length === all ? '' : `${count(this.order.length, 'match', 'matches')}, `;
    setText(this.summary, all === 0 ? '' : `${matches}${digits(flying)} flying${silent > 0 ? `, ${digits(silent)} silent` : ''}, ${digits(low)} unwell`);
    this.empty.hidden = this.order.length > 0;
    setText(this.empty, all === 0 ? 'No unicorns yet.' : 'No matching names.');
  }

  private draw(now: number): void {
    const { first, last } = visibleRows(this.box.scrollTop, this.box.clientHeight, ROW_PIXELS, this.order.length, MARGIN);
    while (this.rows.length < last - first) this.rows.push(this.makeRow());
    this.rows.forEach((row, offset) => {
      const index = first + offset;
      const unicorn = this.order[index];
      row.root.hidden = index >= last;
      if (unicorn !== undefined && index < last) this.drawRow(row, unicorn, index, now);
    });
    const activeShown = this.order.slice(first, last).includes(this.active);
    if (activeShown) this.box.setAttribute('aria-activedescendant', `unicorn-${this.active}`);
    else this.box.removeAttribute('aria-activedescendant');
  }

  private makeRow(): Row {
    const name = make('span', { class: 'name' });
    const vitals = make('span', { class: 'vitals' });
    const root = make('div', { class: 'row' }, name, vitals);
    root.setAttribute('role', 'option');
    root.addEventListener('click', () => this.choose(this.order.indexOf(Number(root.dataset['unicorn']))));
    this.canvas.append(root);
    return { root, name, vitals };
  }

  private drawRow(row: Row, unicorn: number, index: number, now: number): void {
    const { fleet } = this;
    const silent = fleet.isSilent(unicorn, now);
    const health = fleet.health[unicorn] ?? 0;
    const magic = fleet.magic[unicorn] ?? 0;
    row.root.style.transform = `translateY(${index * ROW_PIXELS}px)`;
    row.root.dataset['unicorn'] = String(unicorn);
    row.root.id = `unicorn-${unicorn}`;
    row.root.setAttribute('aria-setsize', String(this.order.length));
    row.root.setAttribute('aria-posinset', String(index + 1));
    row.root.setAttribute('aria-selected', String(unicorn === this.selected));
    row.root.classList.toggle('active', unicorn === this.active);
    row.root.classList.toggle('low', fleet.vitals(unicorn) < LOW_VITALS);
    row.root.classList.toggle('silent', silent);
    setText(row.name, fleet.names[unicorn] ?? '');
    const silence = silent ? `last heard ${ago(now - (fleet.lastReadingAt[unicorn] ?? 0))}` : '';
    const unwell = fleet.vitals(unicorn) < LOW_VITALS ? 'unwell · ' : '';
    setText(row.vitals, silence === '' ? `${unwell}health ${health} · magic ${magic}` : silence);
  }

  private onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_PIXELS) - 1);
    const index = this.order.indexOf(this.active);
    const to = moveTo(event.key, index, page, this.order.length);
    if (to !== undefined) {
      event.preventDefault();
      this.active = this.order[to] ?? -1;
      this.scrollTo(to);
      this.draw(performance.now());
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.choose(Math.max(0, index));
    }
  }

  /** From the search, Enter chooses the first match, and the arrow leads to the list. */
  private onSearchKey(event: KeyboardEvent): void {
    if (event.isComposing || (event.key !== 'Enter' && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    this.reorder(performance.now());
    if (event.key === 'Enter') {
      this.choose(0);
      return;
    }
    this.active = this.order[0] ?? -1;
    this.box.focus();
    this.draw(performance.now());
  }

  /** Chooses the unicorn at a place of the list. */
  private choose(index: number): void {
    const unicorn = this.order[index];
    if (unicorn === undefined) return;
    this.active = unicorn;
    this.onSelect(unicorn);
  }

  private scrollTo(index: number): void {
    const top = index * ROW_PIXELS;
    const bottom = top + ROW_PIXELS - this.box.clientHeight;
    this.box.scrollTop = Math.min(top, Math.max(bottom, this.box.scrollTop));
  }
}
