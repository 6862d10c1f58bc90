/** The live map: starts the worker that reads the streams, and shows its reports. */

import './view/style.css';

import type { Config } from './config.ts';
import { Fleet } from './fleet/fleet.ts';
import { FleetMap } from './map/map.ts';
import type { Report, Request } from './protocol.ts';
import { load } from './settings.ts';
import { UNICORN, unicornKey } from './unicorn.ts';
import { Card } from './view/card.ts';
import { Charts } from './view/charts.ts';
import { element, setText } from './view/dom.ts';
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
  private selected = -1;
  private fits = true;
  private readonly fit = element('fit', HTMLButtonElement);

  constructor(config: Config | undefined) {
    this.list = new FleetList(this.fleet, (unicorn) => this.select(unicorn, true));
    this.card = new Card({
      onClose: () => this.select(-1, false),
      onFollow: (follows) => this.map?.follow(follows ? this.selected : -1),
    });
    this.status = new Status({
      primary: 'readings',
      hint: { problem: 'No readings yet.', advice: 'Start a unicorn: cargo run -p producer -- --name Shadowfax' },
      onRetry: () => this.send({ kind: 'retry' }),
      onSettings: () => ask(config, '', 'map'),
    });
    const themes = new Themes(element('theme', HTMLButtonElement), (theme) => {
      this.map?.setTheme(theme);
      this.charts.setTheme();
    });
    this.map = this.openMap(config, themes);
    this.fit.addEventListener('click', () => this.map?.fit());
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    this.fleet.glides = !still.matches;
    still.addEventListener('change', () => (this.fleet.glides = !still.matches));
    setInterval(() => this.tick(), TICK_MILLIS);
    addEventListener('online', () => this.send({ kind: 'retry' }));
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
    this.send({ kind: 'chart', key: null });
  }

  private openMap(config: Config | undefined, themes: Themes): FleetMap | undefined {
    const box = element('map', HTMLElement);
    try {
      return new FleetMap(box, this.fleet, config?.tiles, themes.theme, {
        onSelect: (unicorn) => this.select(unicorn, false),
        onFit: (fits) => (this.fits = fits),
        onUnfollow: () => this.card.setFollow(false),
      });
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
      this.map?.update(now);
      this.list.update(now);
      measure('update', now);
    } else if (report.kind === 'chart') {
      const now = performance.now();
      if (report.key === this.chartKey()) this.charts.update(report, Date.now());
      measure('chart', now);
    } else if (report.kind === 'health' || report.kind === 'failed') {
      this.status.handle(report);
    }
  }

  private tick(): void {
    const now = performance.now();
    this.list.tick(now);
    if (this.selected >= 0) this.card.show(this.fleet.sighting(this.selected, now));
    this.status.update(this.fleet.size > 0, Date.now());
    this.fit.hidden = this.fits || this.fleet.size === 0 || this.map === undefined;
    measure('tick', now);
  }

  private select(unicorn: number, showOnMap: boolean): void {
    if (unicorn === this.selected && !showOnMap) return;
    this.selected = unicorn;
    this.list.select(unicorn);
    this.map?.select(unicorn);
    if (unicorn < 0) {
      this.card.hide();
      this.map?.follow(-1);
    } else {
      this.card.setFollow(false);
      this.card.show(this.fleet.sighting(unicorn, performance.now()));
      if (showOnMap) {
        this.map?.goTo(unicorn);
        // On a phone the map may be scrolled out of view.
        element('map', HTMLElement).scrollIntoView({ block: 'nearest' });
      }
    }
    this.charts.clear(this.selectedName());
    this.send({ kind: 'chart', key: this.chartKey() });
  }

  private selectedName(): string | null {
    return this.selected < 0 ? null : (this.fleet.names[this.selected] ?? null);
  }

  private chartKey(): string | null {
    const name = this.selectedName();
    return name === null ? null : unicornKey(name);
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
