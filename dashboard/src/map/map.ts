/** The map: base map, fleet, and what a pointer does on it. */

import {
  AttributionControl,
  Map as MapLibre,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
  type LngLatBoundsLike,
} from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';

import type { Tiles } from '../config.ts';
import { FADE_MILLIS, SILENT_MILLIS, type Fleet } from '../fleet/fleet.ts';
import { latitudeOf, longitudeOf, mercatorX, mercatorY, metresPerUnit } from '../fleet/mercator.ts';
import type { Theme } from '../view/theme.ts';
import { baseStyle, firstLabel } from './base.ts';
import { FleetLayer, type Palette } from './layer.ts';

/** Where the simulated unicorns start. */
const START = { longitude: -73.985184, latitude: 40.749167 };
/** How near a click must be, in pixels, beyond the marker itself. */
const REACH = 6;
/** How fast a unicorn flies. */
const METRES_A_SECOND = 30;
/** A marker is drawn anew once it would have moved so far, in pixels. */
const STEP_PIXELS = 0.25;
const FASTEST_FRAMES_MILLIS = 33;
const SLOWEST_FRAMES_MILLIS = 250;
/** On a map as narrow as this the credits wait behind their button. */
const NARROW_PIXELS = 600;
/** How often the view is fitted to the fleet. */
const FIT_MILLIS = 5_000;

const PALETTES: Record<Theme, Palette> = {
  light: { trail: [0.93, 0.45, 0.1], well: [0.36, 0.25, 0.72], unwell: [0.8, 0.11, 0.16], rim: [1, 1, 1] },
  dark: { trail: [1, 0.6, 0.22], well: [0.52, 0.42, 0.93], unwell: [0.93, 0.27, 0.31], rim: [0.93, 0.94, 1] },
};

export interface MapEvents {
  /** A marker, or, with -1, the map beside all of them was clicked. */
  onSelect(unicorn: number): void;
  /** The view is fitted to the fleet from now on, or left where the user put it. */
  onFit(fits: boolean): void;
  /** The user moved the map away from the unicorn that was followed. */
  onUnfollow(): void;
}

export class FleetMap {
  private readonly map: MapLibre;
  private readonly fleet: Fleet;
  private readonly events: MapEvents;
  private readonly tiles: Tiles | undefined;
  private readonly tip: HTMLElement;
  private layer: FleetLayer;
  private fits = true;
  private fittedAt = -Infinity;
  private followed = -1;
  private frame: ReturnType<typeof setTimeout> | undefined;

  /** Throws where the browser has no WebGL 2. */
  constructor(container: HTMLElement, fleet: Fleet, tiles: Tiles | undefined, theme: Theme, events: MapEvents) {
    setWorkerUrl(workerUrl);
    this.fleet = fleet;
    this.events = events;
    this.tiles = tiles;
    this.layer = new FleetLayer(fleet, PALETTES[theme]);
    this.map = new MapLibre({
      container,
      style: baseStyle(theme, tiles),
      center: [START.longitude, START.latitude],
      zoom: 10,
      minZoom: 1,
      maxZoom: 17,
      maxPitch: 0,
      dragRotate: false,
      pitchWithRotate: false,
      renderWorldCopies: false,
      attributionControl: false,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new AttributionControl({ compact: true }));
    if (container.clientWidth < NARROW_PIXELS) {
      this.map.once('load', () => {
        const credits = container.querySelector('.maplibregl-ctrl-attrib');
        credits?.removeAttribute('open');
        credits?.classList.remove('maplibregl-compact-show');
      });
    }
    this.map.addControl(new NavigationControl({ showCompass: false }), 'bottom-right');
    this.map.addControl(new ScaleControl({ maxWidth: 120 }), 'bottom-left');
    this.map.on('style.load', () => this.addFleet());
    this.map.on('click', (event) => events.onSelect(this.nearest(event.point.x, event.point.y)));
    this.map.on('mousemove', (event) => this.pointAt(event.point.x, event.point.y));
    this.map.on('mouseout', () => this.pointAt(-1e6, -1e6));
    this.map.on('dragstart', () => {
      this.unfit();
      this.unfollow();
    });
    this.map.on('zoomstart', (event) => {
      if (event.originalEvent !== undefined) this.unfit();
    });
    this.tip = document.createElement('div');
    this.tip.className = 'tip';
    this.tip.hidden = true;
    container.append(this.tip);
  }

  /** Draws the fleet as it is at `now`. */
  update(now: number): void {
    this.layer.update();
    this.keepInView(now);
    if (this.frame === undefined) this.glide();
  }

  setTheme(theme: Theme): void {
    const selected = this.layer.selected;
    this.layer = new FleetLayer(this.fleet, PALETTES[theme]);
    this.layer.selected = selected;
    this.map.setStyle(baseStyle(theme, this.tiles), { diff: false });
  }

  /** Marks a unicorn, or, with -1, none. */
  select(unicorn: number): void {
    this.layer.selected = unicorn;
    this.layer.update();
  }

  /** Brings a unicorn into view, at once. */
  goTo(unicorn: number): void {
    const [x, y] = this.fleet.position(unicorn, performance.now());
    if (Number.isNaN(x)) return;
    this.unfit();
    this.map.easeTo({ center: [longitudeOf(x), latitudeOf(y)], zoom: Math.max(11, this.map.getZoom()), duration: 500 });
  }

  /** Keeps a unicorn in the middle, or, with -1, none. */
  follow(unicorn: number): void {
    this.followed = unicorn;
    if (unicorn >= 0) this.goTo(unicorn);
  }

  /** Keeps the whole fleet in view until the user moves the map. */
  fit(): void {
    this.unfollow();
    this.fits = true;
    this.fittedAt = -Infinity;
    this.events.onFit(true);
    this.keepInView(performance.now());
  }

  private unfit(): void {
    if (!this.fits) return;
    this.fits = false;
    this.events.onFit(false);
  }

  private unfollow(): void {
    if (this.followed < 0) return;
    this.followed = -1;
    this.events.onUnfollow();
  }

  private addFleet(): void {
    const before = this.map.getLayer(firstLabel) === undefined ? undefined : firstLabel;
    this.map.addLayer(this.layer, before);
  }

  /** Asks for frames while something glides or fades, and no more of them than can be told apart. */
  private glide(): void {
    const now = performance.now();
    if (!this.isMoving(now)) {
      this.frame = undefined;
      return;
    }
    this.map.triggerRepaint();
    const metresAPixel = metresPerUnit(mercatorY(this.map.getCenter().lat)) / this.pixelsPerUnit();
    const millis = (1000 * STEP_PIXELS * metresAPixel) / METRES_A_SECOND;
    const pause = Math.min(SLOWEST_FRAMES_MILLIS, Math.max(FASTEST_FRAMES_MILLIS, millis));
    this.frame = setTimeout(() => this.glide(), pause);
  }

  private isMoving(now: number): boolean {
    const { fleet } = this;
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      const silence = now - (fleet.heardAt[unicorn] ?? 0);
      if (silence < SILENT_MILLIS + FADE_MILLIS + SLOWEST_FRAMES_MILLIS) return true;
    }
    return false;
  }

  private keepInView(now: number): void {
    if (this.followed >= 0) {
      // Another animation, such as the zoom's, would be cut off.
      if (this.map.isMoving()) return;
      const [x, y] = this.fleet.position(this.followed, now);
      if (!Number.isNaN(x)) this.map.easeTo({ center: [longitudeOf(x), latitudeOf(y)], duration: 700, easing: (part) => part });
      return;
    }
    if (!this.fits || now - this.fittedAt < FIT_MILLIS || this.map.isMoving()) return;
    const bounds = this.bounds(now);
    if (bounds === undefined) return;
    const first = this.fittedAt === -Infinity;
    this.fittedAt = now;
    this.map.fitBounds(bounds, { padding: 60, maxZoom: 12, duration: first ? 0 : 900 });
  }

  /** West, south, east and north of what is heard. */
  private bounds(now: number): LngLatBoundsLike | undefined {
    const { fleet } = this;
    let [west, north, east, south] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      const x = fleet.toX[unicorn] ?? NaN;
      const y = fleet.toY[unicorn] ?? NaN;
      if (Number.isNaN(x) || fleet.isSilent(unicorn, now)) continue;
      west = Math.min(west, x);
      east = Math.max(east, x);
      north = Math.min(north, y);
      south = Math.max(south, y);
    }
    if (west > east) return undefined;
    return [longitudeOf(west), latitudeOf(south), longitudeOf(east), latitudeOf(north)];
  }

  /** The unicorn drawn at a place of the map, in CSS pixels; -1 where there is none. */
  private nearest(x: number, y: number): number {
    const now = performance.now();
    const { fleet } = this;
    const centre = this.map.getCenter();
    const scale = this.pixelsPerUnit();
    const box = this.map.getContainer();
    const middleX = mercatorX(centre.lng);
    const middleY = mercatorY(centre.lat);
    let found = -1;
    let least = this.layer.markerSize() / 2 + REACH;
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      if (fleet.opacity(unicorn, now) === 0) continue;
      const [atX, atY] = fleet.position(unicorn, now);
      const pixelX = (atX - middleX) * scale + box.clientWidth / 2;
      const pixelY = (atY - middleY) * scale + box.clientHeight / 2;
      const away = Math.hypot(pixelX - x, pixelY - y);
      // Later ones are drawn over earlier ones.
      if (away <= least) [found, least] = [unicorn, away];
    }
    return found;
  }

  /** How many CSS pixels the whole world is wide: 512 at zoom 0, as MapLibre counts. */
  private pixelsPerUnit(): number {
    return 512 * 2 ** this.map.getZoom();
  }

  private pointAt(x: number, y: number): void {
    const unicorn = this.nearest(x, y);
    this.map.getCanvas().style.cursor = unicorn >= 0 ? 'pointer' : '';
    this.tip.hidden = unicorn < 0;
    if (unicorn < 0) return;
    this.tip.textContent = this.fleet.names[unicorn] ?? '';
    this.tip.style.transform = `translate(${x + 14}px, ${y + 14}px)`;
  }
}
