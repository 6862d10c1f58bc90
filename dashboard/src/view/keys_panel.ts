/** The keys of a sensor: the table of them, the charts of one or of all, and rates and lag. */

import type { Chart, Health, Request, Table } from '../protocol.ts';
import type { Schema } from '../schema.ts';
import { element } from './dom.ts';
import { KeyTable } from './key_table.ts';
import { MeasureCharts } from './measure_charts.ts';
import { Summary } from './summary.ts';

export class KeysPanel {
  private readonly send: (request: Request) => void;
  private readonly table: KeyTable;
  private readonly charts: MeasureCharts;
  private readonly summary = new Summary();
  private readonly all = element('all', HTMLButtonElement);
  private newest: Table | undefined;
  private health: Health | undefined;
  /** The text of the key that was chosen; `null` for all keys. */
  private selected: string | null = null;

  constructor(schema: Schema, send: (request: Request) => void) {
    this.send = send;
    this.charts = new MeasureCharts(schema);
    this.table = new KeyTable(schema, {
      onView: (view) => send({ kind: 'table', view }),
      onSelect: (key, name) => this.select(key, name),
    });
    this.all.addEventListener('click', () => this.deselect());
    this.summary.update(undefined, undefined);
  }

  /** Whether there are keys. */
  get hasData(): boolean {
    return (this.newest?.keys ?? 0) > 0;
  }

  /** Shows the charts of all keys. */
  deselect(): void {
    if (this.selected !== null) this.select(null, null);
  }

  setTheme(): void {
    this.charts.setTheme();
  }

  updateTable(table: Table): void {
    this.newest = table;
    this.table.update(table);
    this.tick();
  }

  updateChart(chart: Chart): void {
    if (chart.key === this.selected) this.charts.update(chart, Date.now());
  }

  updateHealth(health: Health): void {
    this.health = health;
  }

  /** Updates the rates, and moves the charts on. */
  tick(): void {
    this.charts.tick(Date.now());
    this.summary.update(this.newest, this.health);
  }

  /** Shows the charts of a key, or with `null` of all keys. */
  private select(key: string | null, name: string | null): void {
    this.selected = key;
    this.table.select(key);
    this.all.hidden = key === null;
    this.charts.clear(name);
    this.send({ kind: 'chart', key });
  }
}
