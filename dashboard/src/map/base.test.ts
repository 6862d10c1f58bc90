import { validateStyleMin } from '@maplibre/maplibre-gl-style-spec';
import { beforeAll, describe, expect, it, vi } from 'vitest';

import { baseStyle, DARK, firstLabel, LIGHT } from './base.ts';

const TILES = { url: 'https://tiles.example/{z}/{x}/{y}.png', attribution: '<img src=x onerror="alert(1)"> & Co' };

beforeAll(() => {
  vi.stubGlobal('document', { baseURI: 'http://127.0.0.1:8080/fleet/index.html' });
  return () => vi.unstubAllGlobals();
});

describe.each(['light', 'dark'] as const)('the %s base map', (theme) => {
  it.each([undefined, TILES])('is a valid style with tiles %o', (tiles) => {
    expect(validateStyleMin(baseStyle(theme, tiles))).toEqual([]);
    for (const layer of baseStyle(theme, tiles).layers) expect(layer.id).toMatch(/^base-/);
  });

  it('has all label layers at the end, starting with `firstLabel`', () => {
    const layers = baseStyle(theme).layers;
    const first = layers.findIndex((layer) => layer.type === 'symbol');
    expect(layers[first]?.id).toBe(firstLabel);
    expect(layers.slice(first).every((layer) => layer.type === 'symbol')).toBe(true);
  });

  it('loads data only from the page’s own server', () => {
    const { sources, glyphs, sprite } = baseStyle(theme);
    expect([glyphs, sprite]).toEqual([undefined, undefined]);
    for (const source of Object.values(sources)) {
      expect(source.type === 'geojson' && source.data).toMatch(/^http:\/\/127\.0\.0\.1:8080\/fleet\/basemap\/\w+\.json$/);
      expect('attribution' in source && source.attribution).toContain('rel="noopener"');
    }
  });

  it('has legible names on land and on water', () => {
    const colours = theme === 'dark' ? DARK : LIGHT;
    for (const text of [colours.area, colours.place, colours.smallPlace]) {
      for (const ground of [colours.land, colours.water, colours.halo]) {
        expect(contrast(text, ground), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      }
    }
  });
});

describe('tiles', () => {
  it('replace land and names, and have their credits escaped', () => {
    const { sources, layers } = baseStyle('light', TILES);
    expect(layers.map((layer) => layer.id)).toEqual(['base-water', 'base-tiles']);
    expect(sources['base-tiles']).toEqual({
      type: 'raster',
      tiles: [TILES.url],
      tileSize: 256,
      maxzoom: 19,
      attribution: '&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &amp; Co',
    });
  });

  it('may have a relative address', () => {
    const { sources } = baseStyle('light', { url: 'tiles/{z}/{x}/{y}.png', attribution: '', size: 512, maxZoom: 14 });
    expect(sources['base-tiles']).toMatchObject({
      tiles: ['http://127.0.0.1:8080/fleet/tiles/{z}/{x}/{y}.png'],
      tileSize: 512,
      maxzoom: 14,
    });
  });
});

/** The contrast ratio as defined by WCAG 2. */
function contrast(one: string, other: string): number {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return ((lighter ?? 0) + 0.05) / ((darker ?? 0) + 0.05);
}

function luminance(colour: string): number {
  const linear = (start: number): number => {
    const value = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(1) + 0.7152 * linear(3) + 0.0722 * linear(5);
}
