/** The live map: starts the worker that reads the streams, and shows its reports. */

import './view/style.css';

import { producerCommand } from './commands.ts';
import type { Config } from './config.ts';
import { Fleet } from './fleet/fleet.ts';
import { FleetMap } from './map/map.ts';
import type { FailureReport, HealthReport, Report, Request } from './protocol.ts';
import { load } from './settings.ts';
import { UNICORN, unicornKey } from './unicorn.ts';
import { formatAddress, parseAddress, type View } from './view/address.ts';
import { Card } from './view/card.ts';
import { Charts } from './view/charts.ts';
import { element, setText } from './view/dom.ts';
import { onEscape } from './view/escape.ts';
import { ask } from './view/form.ts';
import { FleetList } from './view/list.ts';
import { Status } from './view/status.ts';
import { Themes } from './view/theme.ts';

/** How often relative times are updated, in milliseconds. */
const TICK_MILLIS = 500;

async function start(): Promise<void> {
  let config: Config | undefined;
  let problem = '';
  try {
    config = await load();
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  element('settings', HTMLButtonElement).addEventListener('click', () => ask(config, '', 'map'));
  const page = new Page(config);
  if (config === undefined) ask(undefined, problem, 'map');
  else page.follow(config);
}

class Page {
  private readonly fleet = new Fleet();
  private readonly charts = new Charts();
  private readonly list: FleetList;
  private readonly card: Card;
  private readonly status: Status;
  private readonly map: FleetMap | undefined;
  private worker: Worker | undefined;
  /** The name of the unicorn that was chosen; `null` for none. */
  private name: string | null = null;
  /** Its number; -1 while none of its readings came. */
  private selected = -1;
  /** Whether the map moves to it with its first reading. */
  private isAwaited = false;
  private fits: boolean;
  private readonly fit = element('fit', HTMLButtonElement);

  constructor(config: Config | undefined) {
    const { view, unicorn } = parseAddress(location.hash);
    this.fits = view === undefined;
    this.list = new FleetList(this.fleet, (chosen) => this.select(chosen, true));
    this.card = new Card({
      onClose: () => this.deselect(),
      onFollow: (follows) => this.map?.follow(follows ? this.selected : -1),
    });
    this.status = new Status({
      primary: 'readings',
      hint: {
        problem: 'No readings yet.',
        advice: 'Start a unicorn in the folder of the project:',
        ...(config === undefined ? {} : { command: producerCommand(config) }),
      },
      onRetry: () => this.send({ kind: 'retry' }),
      onSettings: () => ask(config, '', 'map'),
    });
    const themes = new Themes(element('theme', HTMLButtonElement), (theme) => {
      this.map?.setTheme(theme);
      this.charts.setTheme();
    });
    this.map = this.openMap(config, themes, view);
    this.fit.addEventListener('click', () => this.map?.fit());
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    this.fleet.glides = !still.matches;
    still.addEventListener('change', () => (this.fleet.glides = !still.matches));
    setInterval(() => this.tick(), TICK_MILLIS);
    addEventListener('online', () => this.send({ kind: 'retry' }));
    addEventListener('hashchange', () => this.goToAddress());
    onEscape(() => this.deselect());
    this.choose(unicorn, view === undefined);
  }

  /** Starts reading the streams. */
  follow(config: Config): void {
    this.worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    this.worker.addEventListener('message', (event: MessageEvent<Report>) => this.handle(event.data));
    this.worker.addEventListener('error', (event) => {
      const problem = `The page’s worker failed: ${event.message || 'it could not be loaded'}`;
      this.status.handle({ kind: 'failed', stream: 'readings', problem, advice: 'Reload the page.' });
    });
    this.send({ kind: 'start', config, schema: UNICORN, reads: 'both' });
    this.send({ kind: 'chart', key: this.chartKey() });
  }

  private openMap(config: Config | undefined, themes: Themes, view: View | undefined): FleetMap | undefined {
    const box = element('map', HTMLElement);
    try {
      const events = {
        onSelect: (unicorn: number) => this.select(unicorn, false),
        onFit: (fits: boolean) => {
          this.fits = fits;
          this.saveAddress();
        },
        onUnfollow: () => this.card.setFollow(false),
        onMove: () => this.saveAddress(),
      };
      return new FleetMap(box, { fleet: this.fleet, tiles: config?.tiles, theme: themes.theme, view, events });
    } catch {
      const message = document.createElement('p');
      message.className = 'no-map';
      message.textContent = 'This browser cannot draw the map because it does not support WebGL 2. The list and the charts still work.';
      box.append(message);
      return undefined;
    }
  }

  private handle(report: Report): void {
    if (report.kind === 'readings') {
      const now = performance.now();
      this.fleet.apply(report, now);
      this.find(report.newNames);
      this.map?.update(now);
      this.list.update(now);
      measure('update', now);
    } else if (report.kind === 'chart') {
      const now = performance.now();
      if (report.key === this.chartKey()) this.charts.update(report, Date.now());
      measure('chart', now);
    } else if (report.kind === 'health' || report.kind === 'failed') {
      this.status.handle(report);
      if (report.stream === 'readings') this.freeze(report);
    }
  }

  /** While the stream of readings cannot be read, no unicorn is taken for silent. */
  private freeze(report: HealthReport | FailureReport): void {
    const now = performance.now();
    const { fleet } = this;
    const wasFrozen = fleet.frozenAt < Infinity;
    if (report.kind === 'failed') fleet.frozenAt = Math.min(fleet.frozenAt, now);
    else if (report.health.state.kind !== 'disconnected') fleet.frozenAt = Infinity;
    else if (report.health.state.since !== null) fleet.frozenAt = now - (Date.now() - report.health.state.since);
    if (wasFrozen && fleet.frozenAt === Infinity) this.map?.update(now);
  }

  private tick(): void {
    const now = performance.now();
    this.list.tick(now);
    this.showCard(now);
    this.charts.tick(Date.now());
    this.status.update(this.fleet.size > 0, Date.now());
    this.fit.hidden = this.fits || this.fleet.size === 0 || this.map === undefined;
    measure('tick', now);
  }

  /** Chooses a unicorn by its number, or with -1 none. */
  private select(unicorn: number, showOnMap: boolean): void {
    this.choose(this.fleet.names[unicorn] ?? null, showOnMap);
  }

  private deselect(): void {
    const returnsFocus = element('card', HTMLElement).contains(document.activeElement);
    this.choose(null, false);
    if (returnsFocus) element('fleet-list', HTMLElement).focus();
  }

  /** Chooses a unicorn, which may not have sent a reading yet, or with `null` none. */
  private choose(name: string | null, showOnMap: boolean): void {
    if (name === this.name && !showOnMap) return;
    this.name = name;
    this.selected = name === null ? -1 : this.fleet.names.indexOf(name);
    this.isAwaited = showOnMap && this.selected < 0;
    this.card.setFollow(false);
    this.map?.follow(-1);
    this.showSelected(showOnMap);
    this.charts.clear(name);
    this.send({ kind: 'chart', key: this.chartKey() });
    this.saveAddress();
  }

  /** The first reading of the unicorn that was chosen may have come. */
  private find(newNames: readonly string[]): void {
    if (this.name === null || this.selected >= 0 || !newNames.includes(this.name)) return;
    this.selected = this.fleet.names.indexOf(this.name);
    this.showSelected(this.isAwaited);
  }

  private showSelected(showOnMap: boolean): void {
    this.list.select(this.selected);
    this.map?.select(this.selected);
    this.showCard(performance.now());
    if (this.selected < 0 || !showOnMap) return;
    this.map?.goTo(this.selected);
    // On a phone the map may be scrolled out of view.
    element('map', HTMLElement).scrollIntoView({ block: 'nearest' });
  }

  private showCard(now: number): void {
    if (this.name === null) this.card.hide();
    else if (this.selected < 0) this.card.showUnknown(this.name);
    else this.card.show(this.fleet.sighting(this.selected, now));
  }

  /** The address has the view and the unicorn that was chosen, for reloads and links. */
  private saveAddress(): void {
    const hash = formatAddress({ view: this.map?.view, unicorn: this.name });
    if (location.hash.replace(/^#/, '') === hash) return;
    history.replaceState(null, '', hash === '' ? `${location.pathname}${location.search}` : `#${hash}`);
  }

  /** The user changed the address, or went back. */
  private goToAddress(): void {
    const { view, unicorn } = parseAddress(location.hash);
    // A link within the page.
    if (location.hash.length > 1 && view === undefined && unicorn === null) return;
    this.map?.show(view);
    this.choose(unicorn, view === undefined && unicorn !== null);
  }

  private chartKey(): string | null {
    return this.name === null ? null : unicornKey(this.name);
  }

  private send(request: Request): void {
    this.worker?.postMessage(request);
  }
}

/** Reports to performance observers how long the page was busy. Keeps no entries. */
function measure(name: string, start: number): void {
  performance.measure(name, { start, end: performance.now() });
  performance.clearMeasures(name);
}

start().catch((error: unknown) => {
  setText(element('status', HTMLElement), `The page could not start: ${String(error)}`);
});
