/**
 * The base map under the fleet. By default it shows land, borders and names from files that ship
 * with the page (public/basemap, built by dashboard/basemap) and needs no internet. Alternatively
 * it shows raster tiles from a source that the user configures.
 */

import type {
  ExpressionSpecification,
  LayerSpecification,
  SourceSpecification,
  StyleSpecification,
  SymbolLayerSpecification,
} from 'maplibre-gl';

import type { Tiles } from '../config.ts';
import type { Theme } from '../view/theme.ts';

/**
 * Markers and trails are drawn below this layer. Raster tiles contain their labels, so their style
 * lacks it.
 */
export const firstLabel = 'base-states';

/** The colours of a base map, in CSS notation. */
export interface BaseColours {
  readonly water: string;
  readonly land: string;
  readonly coast: string;
  readonly countryBorder: string;
  readonly stateBorder: string;
  readonly countyBorder: string;
  /** Names of countries and states. */
  readonly area: string;
  /** Names of large cities. */
  readonly place: string;
  /** Names of towns and city quarters. */
  readonly smallPlace: string;
  /** The outline of every name. */
  readonly halo: string;
}

export const LIGHT: BaseColours = {
  water: '#c9d8e3',
  land: '#f4f2ec',
  coast: '#a9bfcf',
  countryBorder: '#a39bad',
  stateBorder: '#bfb8c6',
  countyBorder: '#dcd8d8',
  area: '#5f5a70',
  place: '#2f3542',
  smallPlace: '#4d5565',
  halo: '#f8f7f3',
};

export const DARK: BaseColours = {
  water: '#0b111c',
  land: '#182131',
  coast: '#2b3a52',
  countryBorder: '#51617f',
  stateBorder: '#3b4861',
  countyBorder: '#253146',
  area: '#8e9bb6',
  place: '#d3dcec',
  smallPlace: '#a9b5ca',
  halo: '#0f1624',
};

/**
 * The style of the base map. Layer ids start with `base-`. `tiles` replaces land, borders and
 * names.
 */
export function baseStyle(theme: Theme, tiles?: Tiles): StyleSpecification {
  const colours = theme === 'dark' ? DARK : LIGHT;
  const water: LayerSpecification = {
    id: 'base-water',
    type: 'background',
    paint: { 'background-color': colours.water },
  };
  if (tiles !== undefined) {
    return {
      version: 8,
      sources: { 'base-tiles': rasterSource(tiles) },
      layers: [water, { id: 'base-tiles', type: 'raster', source: 'base-tiles' }],
    };
  }
  return {
    version: 8,
    sources: {
      'base-land': dataSource('land', link('https://www.openstreetmap.org/copyright', '© OpenStreetMap contributors')),
      'base-borders': dataSource(
        'borders',
        `${link('https://www.naturalearthdata.com/', 'Natural Earth')}, ${link('https://www.census.gov/', 'US Census Bureau')}`,
      ),
      'base-places': dataSource('places', link('https://www.geonames.org/', 'GeoNames')),
    },
    layers: [water, ...groundLayers(colours), ...labelLayers(colours)],
  };
}

function dataSource(name: string, attribution: string): SourceSpecification {
  return {
    type: 'geojson',
    data: new URL(`basemap/${name}.json`, document.baseURI).href,
    attribution,
    // The data has no more detail above this zoom.
    maxzoom: 12,
  };
}

function rasterSource(tiles: Tiles): SourceSpecification {
  return {
    type: 'raster',
    tiles: [tileUrl(tiles.url)],
    tileSize: tiles.size ?? 256,
    maxzoom: tiles.maxZoom ?? 19,
    attribution: escaped(tiles.attribution),
  };
}

/** An absolute URL whose placeholders keep their braces. */
function tileUrl(url: string): string {
  return new URL(url, document.baseURI).href.replaceAll('%7B', '{').replaceAll('%7D', '}');
}

function link(href: string, text: string): string {
  return `<a href="${href}" target="_blank" rel="noopener">${text}</a>`;
}

/** Escapes text for HTML, because MapLibre renders attributions as HTML. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function groundLayers(colours: BaseColours): LayerSpecification[] {
  return [
    { id: 'base-land', type: 'fill', source: 'base-land', paint: { 'fill-color': colours.land } },
    {
      id: 'base-coast',
      type: 'line',
      source: 'base-land',
      minzoom: 3,
      paint: { 'line-color': colours.coast, 'line-width': scaled(3, 0.4, 12, 1.2) },
    },
    border('county', colours.countyBorder, 7.5, scaled(8, 0.6, 12, 1.2)),
    border('state', colours.stateBorder, 3, scaled(3, 0.5, 12, 1.6)),
    border('country', colours.countryBorder, 1, scaled(1, 0.5, 12, 2)),
  ];
}

function border(kind: string, colour: string, minzoom: number, width: ExpressionSpecification): LayerSpecification {
  return {
    id: `base-${kind}-border`,
    type: 'line',
    source: 'base-borders',
    filter: ['==', ['get', 'kind'], kind],
    minzoom,
    layout: { 'line-join': 'round' },
    paint: { 'line-color': colour, 'line-width': width },
  };
}

/** Later layers are placed first: where names collide, the country's stays. */
function labelLayers(colours: BaseColours): LayerSpecification[] {
  return [
    areas(firstLabel, 'state', colours, { maxzoom: 8, size: scaled(4, 10, 7, 13) }),
    places(colours),
    areas('base-countries', 'country', colours, { maxzoom: 6.5, size: scaled(1, 10, 6, 16) }),
  ];
}

function areas(
  id: string,
  kind: string,
  colours: BaseColours,
  { maxzoom, size }: { maxzoom: number; size: ExpressionSpecification },
): SymbolLayerSpecification {
  return {
    id,
    type: 'symbol',
    source: 'base-places',
    filter: ['all', ['==', ['get', 'kind'], kind], isShownAtZoom()],
    maxzoom,
    layout: {
      'text-field': ['get', 'name'],
      'text-font': fonts('Medium'),
      'text-size': size,
      'text-transform': 'uppercase',
      'text-letter-spacing': 0.12,
      'text-max-width': 8,
      'text-padding': 6,
      'symbol-sort-key': ['get', 'zoom'],
    },
    paint: { 'text-color': colours.area, 'text-halo-color': colours.halo, 'text-halo-width': 1.2 },
  };
}

function places(colours: BaseColours): SymbolLayerSpecification {
  const sizes = (metropolis: number, city: number, town: number, quarter: number): ExpressionSpecification => [
    'match',
    ['get', 'kind'],
    'metropolis',
    metropolis,
    'city',
    city,
    'town',
    town,
    quarter,
  ];
  return {
    id: 'base-places',
    type: 'symbol',
    source: 'base-places',
    filter: ['all', ['!', ['in', ['get', 'kind'], ['literal', ['country', 'state']]]], isShownAtZoom()],
    layout: {
      'text-field': ['get', 'name'],
      'text-font': fonts('Medium'),
      'text-size': [
        'interpolate',
        ['linear'],
        ['zoom'],
        3,
        sizes(11, 10, 10, 10),
        7,
        sizes(14, 12, 11, 10.5),
        12,
        sizes(18, 16, 14, 12.5),
      ],
      'text-max-width': 8,
      'text-padding': 4,
      'symbol-sort-key': ['get', 'zoom'],
    },
    paint: {
      'text-color': ['match', ['get', 'kind'], ['metropolis', 'city'], colours.place, colours.smallPlace],
      'text-halo-color': colours.halo,
      'text-halo-width': 1.4,
    },
  };
}

function isShownAtZoom(): ExpressionSpecification {
  return ['<=', ['get', 'zoom'], ['zoom']];
}

/** Fonts installed on the user's machine. MapLibre takes the weight from the first name. */
function fonts(weight: 'Regular' | 'Medium'): string[] {
  return [`Noto Sans ${weight}`, 'system-ui', 'Segoe UI', 'Helvetica Neue', 'Noto Sans', 'Arial'];
}

function scaled(zoom: number, from: number, lastZoom: number, to: number): ExpressionSpecification {
  return ['interpolate', ['linear'], ['zoom'], zoom, from, lastZoom, to];
}
