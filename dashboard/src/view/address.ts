/** What the address says after its `#`: the view of the map, and the unicorn that was chosen. */

/** A view of the map: its centre in degrees, and its zoom level. */
export interface View {
  readonly zoom: number;
  readonly latitude: number;
  readonly longitude: number;
}

export interface Address {
  /** `undefined`: the whole fleet is in view. */
  readonly view: View | undefined;
  /** The name of the unicorn; `null` for none. */
  readonly unicorn: string | null;
}

const HIGHEST_LATITUDE = 90;
const HIGHEST_LONGITUDE = 180;
const HIGHEST_ZOOM = 24;

/**
 * The part of an address after its `#`: `map=12.5/40.7492/-73.9852&unicorn=Shadowfax`; empty if it
 * says nothing.
 */
export function formatAddress({ view, unicorn }: Address): string {
  const parts: string[] = [];
  if (view !== undefined) {
    // Enough digits for half a pixel.
    const places = Math.max(0, Math.ceil(view.zoom / 3) + 1);
    const numbers = [view.zoom.toFixed(2), view.latitude.toFixed(places), view.longitude.toFixed(places)];
    parts.push(`map=${numbers.map((number) => String(Number(number))).join('/')}`);
  }
  if (unicorn !== null) parts.push(`unicorn=${encodeURIComponent(unicorn)}`);
  return parts.join('&');
}

/** Parses what {@link formatAddress} returns, with or without the `#`. What is invalid is ignored. */
export function parseAddress(hash: string): Address {
  let view: View | undefined;
  let unicorn: string | null = null;
  for (const part of hash.replace(/^#/, '').split('&')) {
    const [name, value = ''] = part.split('=', 2);
    if (name === 'map') view = parseView(value);
    if (name === 'unicorn') unicorn = decoded(value);
  }
  return { view, unicorn };
}

function parseView(text: string): View | undefined {
  const numbers = text.split('/');
  if (numbers.length !== 3 || !numbers.every((number) => /^-?\d{1,3}(\.\d{1,20})?$/.test(number))) return undefined;
  const [zoom = 0, latitude = 0, longitude = 0] = numbers.map(Number);
  const isView =
    zoom >= 0 && zoom <= HIGHEST_ZOOM && Math.abs(latitude) <= HIGHEST_LATITUDE && Math.abs(longitude) <= HIGHEST_LONGITUDE;
  return isView ? { zoom, latitude, longitude } : undefined;
}

function decoded(text: string): string | null {
  try {
    const name = decodeURIComponent(text);
    return name === '' ? null : name;
  } catch {
    // Not what `encodeURIComponent` returns.
    return null;
  }
}
