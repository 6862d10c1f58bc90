/**
 * The fleet as a list: worst vitals first, and only the rows that can be seen are in the page, so that its length does
 * not matter.
 */

import { LOW_VITALS, type Fleet } from '../fleet/fleet.ts';
import { Order } from '../fleet/order.ts';
import { element, make, setText } from './dom.ts';
import { ago, count, digits } from './words.ts';

const ROW_PIXELS = 44;
/** Rows beyond the visible ones, above and below. */
const MARGIN = 4;
/** How often the order is worked out. */
const ORDER_MILLIS = 2_000;

interface Row {
  readonly root: HTMLElement;
  readonly name: HTMLElement;
  readonly vitals: HTMLElement;
}

export class FleetList {
  private readonly fleet: Fleet;
  private readonly onSelect: (unicorn: number) => void;
  private readonly box = element('fleet-list', HTMLDivElement);
  private readonly search = element('search', HTMLInputElement);
  private readonly counted = element('fleet-count', HTMLElement);
  private readonly canvas = make('div', { class: 'rows' });
  private readonly empty = make('p', { class: 'empty' });
  private readonly rows: Row[] = [];
  private readonly sorter: Order;
  private order: number[] = [];
  private orderedAt = -Infinity;
  private selected = -1;
  /** Whom the arrow keys have come to. */
  private active = -1;
  private hovered = false;
  /** How many unicorns there were when the order was worked out. */
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
    new ResizeObserver(() => this.draw(performance.now())).observe(this.box);
  }

  /** Shows the newest figures. */
  update(now: number): void {
    this.draw(now);
  }

  /** Lets newcomers in, and now and then puts all in order. */
  tick(now: number): void {
    // Rows do not run away from under a pointer that is about to click; new ones are let in all the same.
    const due = now - this.orderedAt >= ORDER_MILLIS && !this.hovered;
    if (due || this.orderedSize !== this.fleet.size) {
      this.reorder(now);
    } else {
      this.sumUp(now);
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
    this.sumUp(now);
    this.draw(now);
  }

  private sumUp(now: number): void {
    const all = this.fleet.size;
    const heard = this.order.filter((unicorn) => !this.fleet.isSilent(unicorn, now)).length;
    const low = this.order.filter(
      (unicorn) => this.fleet.vitals(unicorn) < LOW_VITALS && !this.fleet.isSilent(unicorn, now),
    ).length;
    const silent = this.order.length - heard;
    const found = this.order.length === all ? '' : `${count(this.order.length, 'match', 'matches')}, `;
    setText(this.counted, all === 0 ? '' : `${found}${digits(heard)} flying${silent > 0 ? `, ${digits(silent)} silent` : ''}, ${digits(low)} unwell`);
    this.empty.hidden = this.order.length > 0;
    setText(this.empty, all === 0 ? 'Nobody has been heard yet.' : 'No name has this in it.');
  }

  private draw(now: number): void {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_PIXELS) - MARGIN);
    const shown = Math.ceil(this.box.clientHeight / ROW_PIXELS) + 2 * MARGIN;
    const last = Math.min(this.order.length, first + shown);
    while (this.rows.length < last - first) this.rows.push(this.makeRow());
    this.rows.forEach((row, index) => {
      const place = first + index;
      const unicorn = this.order[place];
      row.root.hidden = place >= last;
      if (unicorn !== undefined && place < last) this.drawRow(row, unicorn, place, now);
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
    root.addEventListener('click', () => {
      const unicorn = Number(root.dataset['unicorn']);
      this.active = unicorn;
      this.onSelect(unicorn);
    });
    this.canvas.append(root);
    return { root, name, vitals };
  }

  private drawRow(row: Row, unicorn: number, place: number, now: number): void {
    const { fleet } = this;
    const silent = fleet.isSilent(unicorn, now);
    const health = fleet.health[unicorn] ?? 0;
    const magic = fleet.magic[unicorn] ?? 0;
    row.root.style.transform = `translateY(${place * ROW_PIXELS}px)`;
    row.root.dataset['unicorn'] = String(unicorn);
    row.root.id = `unicorn-${unicorn}`;
    row.root.setAttribute('aria-setsize', String(this.order.length));
    row.root.setAttribute('aria-posinset', String(place + 1));
    row.root.setAttribute('aria-selected', String(unicorn === this.selected));
    row.root.classList.toggle('active', unicorn === this.active);
    row.root.classList.toggle('low', fleet.vitals(unicorn) < LOW_VITALS);
    row.root.classList.toggle('silent', silent);
    setText(row.name, fleet.names[unicorn] ?? '');
    const heard = silent ? `silent, ${ago(now - (fleet.heardAt[unicorn] ?? 0))}` : '';
    const unwell = fleet.vitals(unicorn) < LOW_VITALS ? 'unwell · ' : '';
    setText(row.vitals, heard === '' ? `${unwell}health ${health} · magic ${magic}` : heard);
  }

  private onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_PIXELS) - 1);
    const place = this.order.indexOf(this.active);
    const last = this.order.length - 1;
    const to = {
      ArrowDown: Math.min(last, place + 1),
      ArrowUp: Math.max(0, place - 1),
      PageDown: Math.min(last, Math.max(0, place) + page),
      PageUp: Math.max(0, place - page),
      Home: 0,
      End: last,
    }[event.key];
    if (to !== undefined && last >= 0) {
      event.preventDefault();
      this.active = this.order[to] ?? -1;
      this.scrollTo(to);
      this.draw(performance.now());
    } else if ((event.key === 'Enter' || event.key === ' ') && place >= 0) {
      event.preventDefault();
      this.onSelect(this.active);
    }
  }

  private scrollTo(place: number): void {
    const top = place * ROW_PIXELS;
    const bottom = top + ROW_PIXELS - this.box.clientHeight;
    this.box.scrollTop = Math.min(top, Math.max(bottom, this.box.scrollTop));
  }
}
