/** Web Mercator, the map's projection: x and y from 0 (west, north) to 1 (east, south). */

/** The maximum latitude of the square world, in degrees. */
const MAX_LATITUDE = 85.051129;

const EARTH_METRES = 40_075_016.686;

export function mercatorX(longitude: number): number {
  return (180 + longitude) / 360;
}

export function mercatorY(latitude: number): number {
  const radians = (Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, latitude)) * Math.PI) / 180;
  return (1 - Math.log(Math.tan(Math.PI / 4 + radians / 2)) / Math.PI) / 2;
}

export function longitudeOf(x: number): number {
  return x * 360 - 180;
}

export function latitudeOf(y: number): number {
  return (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;
}

/** Metres per map unit at `y`. */
export function metresPerUnit(y: number): number {
  return EARTH_METRES * Math.cos((latitudeOf(y) * Math.PI) / 180);
}
