/** The map: base map, fleet and pointer interaction. */

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
import type { View } from '../view/address.ts';
import { setText } from '../view/dom.ts';
import type { Theme } from '../view/theme.ts';
import { ago } from '../view/words.ts';
import { baseStyle, firstLabel } from './base.ts';
import { FleetLayer, type Palette } from './layer.ts';

/** Where the simulated unicorns start. */
const START = { longitude: -73.985184, latitude: 40.749167 };
/** How far from a marker's edge a click still counts, in pixels. */
const CLICK_MARGIN = 6;
/** A unicorn's speed, for the frame rate. */
const METRES_PER_SECOND = 30;
/** A new frame is drawn once a marker would have moved this far, in pixels. */
const STEP_PIXELS = 0.25;
const MIN_FRAME_MILLIS = 33;
const MAX_FRAME_MILLIS = 250;
/** On a narrower map the credits start collapsed. */
const NARROW_PIXELS = 600;
/** The minimum interval between fits of the view to the fleet. */
const FIT_MILLIS = 5_000;

const PALETTES: Record<Theme, Palette> = {
  light: { trail: [0.93, 0.45, 0.1], well: [0.36, 0.25, 0.72], unwell: [0.8, 0.11, 0.16], rim: [1, 1, 1] },
  dark: { trail: [1, 0.6, 0.22], well: [0.52, 0.42, 0.93], unwell: [0.93, 0.27, 0.31], rim: [0.93, 0.94, 1] },
};

export interface MapEvents {
  /** A marker was clicked, or with -1 the map elsewhere. */
  onSelect(unicorn: number): void;
  /** The view is now kept fitted to the fleet, or no longer. */
  onFit(fits: boolean): void;
  /** The map stopped following a unicorn. */
  onUnfollow(): void;
  /** The view changed. */
  onMove(): void;
}

/** The settings and dependencies of a {@link FleetMap}. */
export interface MapOptions {
  readonly fleet: Fleet;
  readonly tiles: Tiles | undefined;
  readonly theme: Theme;
  readonly view: View | undefined;
  readonly events: MapEvents;
}

export class FleetMap {
  private readonly map: MapLibre;
  private readonly fleet: Fleet;
  private readonly events: MapEvents;
  private readonly tiles: Tiles | undefined;
  private readonly tip: HTMLElement;
  private layer: FleetLayer;
  private fits: boolean;
  private fittedAt = -Infinity;
  private followed = -1;
  private frame: ReturnType<typeof setTimeout> | undefined;

  /**
   * Opens the map with `view`, or fitted to the fleet. Throws if the browser does not support WebGL 2.
   */
  constructor(container: HTMLElement, { fleet, tiles, theme, view, events }: MapOptions) {
    setWorkerUrl(workerUrl);
    this.fleet = fleet;
    this.events = events;
    this.fits = view === undefined;
    this.tiles = tiles;
    this.layer = new FleetLayer(fleet, PALETTES[theme]);
    this.map = new MapLibre({
      container,
      style: baseStyle(theme, tiles),
      center: [view?.longitude ?? START.longitude, view?.latitude ?? START.latitude],
      zoom: view?.zoom ?? 10,
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
    this.map.on('moveend', () => events.onMove());
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

  /** What the user looks at; `undefined` while the view is kept fitted to the fleet. */
  get view(): View | undefined {
    if (this.fits) return undefined;
    const { lat, lng } = this.map.getCenter();
    return { zoom: this.map.getZoom(), latitude: lat, longitude: lng };
  }

  /** Shows a view, or with `undefined` the whole fleet. */
  show(view: View | undefined): void {
    if (view === undefined) {
      if (!this.fits) this.fit();
      return;
    }
    this.unfollow();
    this.unfit();
    this.map.jumpTo({ center: [view.longitude, view.latitude], zoom: view.zoom });
  }

  /** Highlights a unicorn, or with -1 none. */
  select(unicorn: number): void {
    this.layer.selected = unicorn;
    this.layer.update();
  }

  /** Moves the map to a unicorn. */
  goTo(unicorn: number): void {
    const [x, y] = this.fleet.position(unicorn, performance.now());
    if (Number.isNaN(x)) return;
    this.unfit();
    this.map.easeTo({ center: [longitudeOf(x), latitudeOf(y)], zoom: Math.max(11, this.map.getZoom()), duration: 500 });
  }

  /** Keeps a unicorn in the centre of the map, or with -1 none. */
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

  /** Requests frames while something glides or fades, no more often than a marker visibly moves. */
  private glide(): void {
    const now = performance.now();
    if (!this.isMoving(now)) {
      this.frame = undefined;
      return;
    }
    this.map.triggerRepaint();
    const metresPerPixel = metresPerUnit(mercatorY(this.map.getCenter().lat)) / this.pixelsPerUnit();
    const millis = (1000 * STEP_PIXELS * metresPerPixel) / METRES_PER_SECOND;
    const pause = Math.min(MAX_FRAME_MILLIS, Math.max(MIN_FRAME_MILLIS, millis));
    this.frame = setTimeout(() => this.glide(), pause);
  }

  private isMoving(now: number): boolean {
    const { fleet } = this;
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      const silence = now - (fleet.lastReadingAt[unicorn] ?? 0);
      if (silence < SILENT_MILLIS + FADE_MILLIS + MAX_FRAME_MILLIS) return true;
    }
    return false;
  }

  private keepInView(now: number): void {
    if (this.followed >= 0) {
      // Do not cut off another animation, such as a zoom.
      if (this.map.isMoving()) return;
      const [x, y] = this.fleet.position(this.followed, now);
      if (!Number.isNaN(x)) this.map.easeTo({ center: [longitudeOf(x), latitudeOf(y)], duration: 700, easing: (progress) => progress });
      return;
    }
    if (!this.fits || now - this.fittedAt < FIT_MILLIS || this.map.isMoving()) return;
    const bounds = this.bounds(now);
    if (bounds === undefined) return;
    const first = this.fittedAt === -Infinity;
    this.fittedAt = now;
    this.map.fitBounds(bounds, { padding: 60, maxZoom: 12, duration: first ? 0 : 900 });
  }

  /** West, south, east and north of all unicorns that are not silent, or of all if all are. */
  private bounds(now: number): LngLatBoundsLike | undefined {
    return this.boundsOf((unicorn) => !this.fleet.isSilent(unicorn, now)) ?? this.boundsOf(() => true);
  }

  private boundsOf(counts: (unicorn: number) => boolean): LngLatBoundsLike | undefined {
    const { fleet } = this;
    let [west, north, east, south] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      const x = fleet.toX[unicorn] ?? NaN;
      const y = fleet.toY[unicorn] ?? NaN;
      if (Number.isNaN(x) || !counts(unicorn)) continue;
      west = Math.min(west, x);
      east = Math.max(east, x);
      north = Math.min(north, y);
      south = Math.max(south, y);
    }
    if (west > east) return undefined;
    return [longitudeOf(west), latitudeOf(south), longitudeOf(east), latitudeOf(north)];
  }

  /** The unicorn drawn at a point on the map, in CSS pixels; -1 if there is none. */
  private nearest(x: number, y: number): number {
    const now = performance.now();
    const { fleet } = this;
    const centre = this.map.getCenter();
    const scale = this.pixelsPerUnit();
    const box = this.map.getContainer();
    const middleX = mercatorX(centre.lng);
    const middleY = mercatorY(centre.lat);
    let found = -1;
    let shortest = this.layer.markerSize() / 2 + CLICK_MARGIN;
    for (let unicorn = 0; unicorn < fleet.size; unicorn += 1) {
      const [atX, atY] = fleet.position(unicorn, now);
      const pixelX = (atX - middleX) * scale + box.clientWidth / 2;
      const pixelY = (atY - middleY) * scale + box.clientHeight / 2;
      const distance = Math.hypot(pixelX - x, pixelY - y);
      // Later ones are drawn over earlier ones.
      if (distance <= shortest) [found, shortest] = [unicorn, distance];
    }
    return found;
  }

  /** The width of the whole world in CSS pixels: 512 at zoom 0 in MapLibre. */
  private pixelsPerUnit(): number {
    return 512 * 2 ** this.map.getZoom();
  }

  private pointAt(x: number, y: number): void {
    const unicorn = this.nearest(x, y);
    this.map.getCanvas().style.cursor = unicorn >= 0 ? 'pointer' : '';
    this.tip.hidden = unicorn < 0;
    if (unicorn < 0) return;
    const { name, silence, isSilent } = this.fleet.sighting(unicorn, performance.now());
    setText(this.tip, isSilent ? `${name}, last heard ${ago(silence)}` : name);
    const most = this.map.getContainer().clientWidth - this.tip.offsetWidth - 4;
    this.tip.style.transform = `translate(${Math.max(0, Math.min(x + 14, most))}px, ${y + 14}px)`;
  }
}
