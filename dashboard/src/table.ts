/**
 * The live table of any sensor and of the outputs of an application: starts the worker that reads
 * their rows, and shows its reports.
 */

import './view/style.css';

import type { Config, Output } from './config.ts';
import type { FailureReport, HealthReport, Report, Request } from './protocol.ts';
import { InvalidSchema, parseSchema, type Schema } from './schema.ts';
import { load } from './settings.ts';
import { element, make, setText } from './view/dom.ts';
import { onEscape } from './view/escape.ts';
import { ask } from './view/form.ts';
import { KeysPanel } from './view/keys_panel.ts';
import { OutputPanel } from './view/output_panel.ts';
import { Status, type StatusSubject } from './view/status.ts';
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
  const hasOutputs = (config?.outputs ?? []).length > 0;
  if (config !== undefined && (schema !== undefined || (hasOutputs && problem === ''))) {
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
    make('pre', {}, document.createTextNode(JSON.stringify({ schema: example }, undefined, 2))),
    choose,
  );
  setText(element('status', HTMLElement), 'no schema');
}

/** The sections of the keys. */
const KEYS_SECTIONS = ['summary-section', 'keys', 'charts-section'];

/** What the page shows: the keys, or an output. */
type View = 'keys' | Output;

class Page {
  private readonly config: Config;
  private readonly schema: Schema | undefined;
  private readonly keys: KeysPanel | undefined;
  private readonly output: OutputPanel;
  private readonly status: Status;
  private readonly buttons = new Map<View, HTMLButtonElement>();
  private view: View;
  private worker: Worker | undefined;

  /** There are keys if there is a schema, and otherwise outputs. */
  constructor(config: Config, schema: Schema | undefined) {
    this.config = config;
    this.schema = schema;
    this.keys = schema === undefined ? undefined : new KeysPanel(schema, (request) => this.send(request));
    this.output = new OutputPanel((view) => this.send({ kind: 'output', view }));
    const views: View[] = [...(schema === undefined ? [] : (['keys'] as const)), ...(config.outputs ?? [])];
    this.view = views[0] ?? 'keys';
    this.status = new Status({
      ...subjectOf(config, this.view),
      onRetry: () => this.send({ kind: 'retry' }),
      onSettings: () => ask(config, '', 'table'),
    });
    new Themes(element('theme', HTMLButtonElement), () => this.keys?.setTheme());
    onEscape(() => {
      if (this.view === 'keys') this.keys?.deselect();
    });
    this.makeButtons(views);
    setInterval(() => this.tick(), TICK_MILLIS);
    addEventListener('online', () => this.send({ kind: 'retry' }));
  }

  /** Starts reading. */
  follow(): void {
    const { config, schema } = this;
    this.worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    this.worker.addEventListener('message', (event: MessageEvent<Report>) => this.handle(event.data));
    this.worker.addEventListener('error', (event) => {
      const problem = `The page’s worker failed: ${event.message || 'it could not be loaded'}`;
      const failed = { kind: 'failed', problem, advice: 'Reload the page.' } as const;
      this.status.handle({ ...failed, stream: 'rows' });
      this.status.handle({ ...failed, stream: 'output' });
    });
    this.send({ kind: 'start', config, schema, reads: 'rows' });
    if (schema !== undefined) this.send({ kind: 'table', view: { search: '', first: 0, count: 50 } });
    this.show(this.view);
  }

  private makeButtons(views: readonly View[]): void {
    const nav = element('views', HTMLElement);
    nav.hidden = views.length < 2;
    for (const view of views) {
      const button = make('button', { class: 'plain', text: view === 'keys' ? 'Keys' : view.name });
      button.type = 'button';
      button.addEventListener('click', () => {
        if (view !== this.view) this.show(view);
      });
      this.buttons.set(view, button);
      nav.append(button);
    }
  }

  private show(view: View): void {
    this.view = view;
    const isKeys = view === 'keys';
    const stream = isKeys ? this.config.summaryStream : view.stream;
    setText(element('title', HTMLElement), stream);
    document.title = stream;
    element('skip', HTMLAnchorElement).hash = isKeys ? 'search' : 'output';
    for (const [other, button] of this.buttons) button.setAttribute('aria-pressed', String(other === view));
    this.status.show(subjectOf(this.config, view));
    for (const id of KEYS_SECTIONS) element(id, HTMLElement).hidden = !isKeys;
    this.output.show(isKeys ? null : view);
    this.tick();
  }

  private handle(report: Report): void {
    switch (report.kind) {
      case 'table':
        this.keys?.updateTable(report);
        return;
      case 'chart':
        this.keys?.updateChart(report);
        return;
      case 'output':
        this.output.update(report);
        return;
      case 'health':
        if (report.stream === 'rows') this.keys?.updateHealth(report.health);
        if (this.isCurrent(report)) this.status.handle(report);
        return;
      case 'failed':
        if (this.isCurrent(report)) this.status.handle(report);
        return;
      case 'readings':
        // This page does not ask for them.
        return;
    }
  }

  /** Whether a report is not of an output that was shown before. */
  private isCurrent({ output }: HealthReport | FailureReport): boolean {
    return output === undefined || (this.view !== 'keys' && this.view.name === output);
  }

  private tick(): void {
    this.keys?.tick();
    const hasData = this.view === 'keys' ? (this.keys?.hasData ?? false) : this.output.hasData;
    this.status.update(hasData, Date.now());
  }

  private send(request: Request): void {
    this.worker?.postMessage(request);
  }
}

function subjectOf({ summaryStream }: Config, view: View): StatusSubject {
  const problem = 'No rows yet.';
  if (view === 'keys') {
    return { primary: 'rows', hint: { problem, advice: `Rows of ${summaryStream} appear after a window ends. The page shows the last hour.` } };
  }
  const { stream, hasWindows } = view;
  const advice = hasWindows
    ? `Rows of ${stream} appear once their window is complete. The page shows the newest of the last hour.`
    : `Rows of ${stream} appear as soon as they are written. The page shows the newest of the last five minutes.`;
  return { primary: 'output', hint: { problem, advice } };
}

start().catch((error: unknown) => {
  setText(element('status', HTMLElement), `The page could not start: ${String(error)}`);
});
