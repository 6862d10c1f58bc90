/** The live table of any sensor: starts the worker that reads its rows, and shows its reports. */

import './view/style.css';

import type { Config } from './config.ts';
import type { Health, Report, Request, Table } from './protocol.ts';
import { InvalidSchema, parseSchema, type Schema } from './schema.ts';
import { load } from './settings.ts';
import { element, make, setText } from './view/dom.ts';
import { ask } from './view/form.ts';
import { KeyTable } from './view/key_table.ts';
import { MeasureCharts } from './view/measure_charts.ts';
import { Status } from './view/status.ts';
import { Summary } from './view/summary.ts';
import { Themes } from './view/theme.ts';

/** How often rates and the status are updated, in milliseconds. */
const TICK_MILLIS = 500;

async function start(): Promise<void> {
  let config: Config | undefined;
  let schema: Schema | undefined;
  let problem = '';
  try {
    config = await load();
    if (config?.schema !== undefined) schema = parseSchema(config.schema);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
    if (error instanceof InvalidSchema) problem = `The schema is invalid: ${problem}.`;
  }
  element('settings', HTMLButtonElement).addEventListener('click', () => ask(config, '', 'table'));
  if (config !== undefined && schema !== undefined) {
    new Page(config, schema).follow();
    return;
  }
  new Themes(element('theme', HTMLButtonElement), () => undefined);
  document.body.classList.add('unknown');
  if (config === undefined) ask(undefined, problem, 'table');
  else explain(config, problem);
}

/** Without a schema, says what to do. */
function explain(config: Config, problem: string): void {
  const example = { key: [{ name: 'Room', type: 'text' }], time: 'WindowStart', measures: [{ name: 'Highest', kind: 'max', type: 'float' }] };
  const choose = make('button', { text: 'Choose streams' });
  choose.type = 'button';
  choose.addEventListener('click', () => ask(config, '', 'table'));
  const notice = element('notice', HTMLElement);
  notice.hidden = false;
  notice.append(
    make('p', { text: problem === '' ? `The columns of the rows of ${config.summaryStream} are unknown.` : problem }),
    make('p', {
      class: 'advice',
      text: 'Add them to config.json as schema, or under Choose streams. For a key Room and a measure Highest, it is:',
    }),
    make('pre', { text: JSON.stringify({ schema: example }, undefined, 2) }),
    choose,
  );
  setText(element('status', HTMLElement), 'no schema');
}

class Page {
  private readonly config: Config;
  private readonly schema: Schema;
  private readonly table: KeyTable;
  private readonly charts: MeasureCharts;
  private readonly summary = new Summary();
  private readonly status: Status;
  private readonly all = element('all', HTMLButtonElement);
  private worker: Worker | undefined;
  private newest: Table | undefined;
  private health: Health | undefined;
  /** The text of the key that was chosen; `null` for all keys. */
  private selected: string | null = null;

  constructor(config: Config, schema: Schema) {
    this.config = config;
    this.schema = schema;
    this.charts = new MeasureCharts(schema);
    this.table = new KeyTable(schema, {
      onView: (view) => this.send({ kind: 'table', view }),
      onSelect: (key, name) => this.select(key, name),
    });
    this.status = new Status({
      primary: 'rows',
      hint: { problem: 'No rows yet.', advice: `Rows of ${config.summaryStream} appear after a window ends. The page shows the last hour.` },
      onRetry: () => this.send({ kind: 'retry' }),
      onSettings: () => ask(config, '', 'table'),
    });
    new Themes(element('theme', HTMLButtonElement), () => this.charts.setTheme());
    setText(element('title', HTMLElement), config.summaryStream);
    document.title = config.summaryStream;
    this.all.addEventListener('click', () => this.select(null, null));
    this.summary.update(undefined, undefined);
    setInterval(() => this.tick(), TICK_MILLIS);
    addEventListener('online', () => this.send({ kind: 'retry' }));
  }

  /** Starts reading the rows. */
  follow(): void {
    const { config, schema } = this;
    this.worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    this.worker.addEventListener('message', (event: MessageEvent<Report>) => this.handle(event.data));
    this.worker.addEventListener('error', (event) => {
      const problem = `The page’s worker failed: ${event.message || 'it could not be loaded'}`;
      this.status.handle({ kind: 'failed', stream: 'rows', problem, advice: 'Reload the page.' });
    });
    this.send({ kind: 'start', config, schema, reads: 'rows' });
    this.send({ kind: 'table', view: { search: '', first: 0, count: 50 } });
  }

  private handle(report: Report): void {
    switch (report.kind) {
      case 'table':
        this.newest = report;
        this.table.update(report);
        this.summary.update(report, this.health);
        return;
      case 'chart':
        if (report.key === this.selected) this.charts.update(report, Date.now());
        return;
      case 'health':
        this.health = report.health;
        this.status.handle(report);
        return;
      case 'failed':
        this.status.handle(report);
        return;
      case 'readings':
        // This page does not ask for them.
        return;
    }
  }

  private tick(): void {
    this.summary.update(this.newest, this.health);
    this.status.update((this.newest?.keys ?? 0) > 0, Date.now());
  }

  /** Shows the charts of a key, or with `null` of all keys. */
  private select(key: string | null, name: string | null): void {
    this.selected = key;
    this.table.select(key);
    this.all.hidden = key === null;
    this.charts.clear(name);
    this.send({ kind: 'chart', key });
  }

  private send(request: Request): void {
    this.worker?.postMessage(request);
  }
}

start().catch((error: unknown) => {
  setText(element('status', HTMLElement), `The page could not start: ${String(error)}`);
});
