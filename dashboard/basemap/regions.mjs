/**
 * The level of detail of each region of the world, coarsest first. Each region is inside the
 * previous one, which omits it.
 *
 * The simulated unicorns start in the centre of New York and fly in all directions at about 100
 * km/h. So the finest region covers the first hour, the next one the three hours after that, and so
 * on.
 *
 * - `box`: west, south, east, north, in degrees;
 * - `metres`: the simplification tolerance, 0 for none;
 * - `digits`: the number of decimals of a degree;
 * - `island`, `lake`, `river`: the minimum area to draw, in square kilometres;
 * - `roundings`: how many times to round the corners of lakes and rivers; small ones have few
 *   points.
 */
export const regions = [
  { box: [-180, -85.0511, 180, 84], metres: 8000, digits: 2, island: 150, lake: 900, river: 3000, roundings: 0 },
  { box: [-90, 30, -63, 49], metres: 2000, digits: 2, island: 20, lake: 120, river: 100, roundings: 0 },
  { box: [-79.5, 37.5, -69, 43.7], metres: 250, digits: 3, island: 0.6, lake: 14, river: 14, roundings: 1 },
  { box: [-75.3, 39.9, -72.3, 41.8], metres: 0, digits: 4, island: 0.03, lake: 6, river: 14, roundings: 2 },
];

/** The regions with county borders and names of small towns. */
export const [, , nearby, newYork] = regions;

/**
 * The Hudson upstream of where the coastline ends. The river data has only its wide parts. The
 * narrow ones are drawn `metres` to each side of the border between the counties on its two banks.
 */
export const HUDSON = {
  box: [-74.1, 40.86, -73.7, 42.8],
  river: 0.8,
  metres: 350,
  west: ['36087', '36071', '36111', '36039', '36001'],
  east: ['36119', '36079', '36027', '36021', '36083'],
};

/** Whether two boxes touch. */
export function touches([west, south, east, north], box) {
  return west <= box[2] && east >= box[0] && south <= box[3] && north >= box[1];
}

/** Whether the first box lies inside the second. */
export function inside([west, south, east, north], box) {
  return west >= box[0] && east <= box[2] && south >= box[1] && north <= box[3];
}

/** The finest region that contains the point. */
export function regionOf([longitude, latitude]) {
  return regions.findLast((region) => touches([longitude, latitude, longitude, latitude], region.box));
}
