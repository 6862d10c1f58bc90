/**
 * How finely each part of the world is drawn, coarsest first. Each region lies wholly inside the one before, which
 * leaves it out.
 *
 * The simulated unicorns start in the middle of New York, each in a direction of its own, at some 100 km an hour: so
 * the finest region is what the first hour shows, the next one the three hours after, and so on.
 *
 * - `box`: west, south, east, north, in degrees;
 * - `metres`: how coarsely lines are simplified, 0 for not at all;
 * - `digits`: how many decimals of a degree are written;
 * - `island`, `lake`, `river`: the smallest that are drawn, in square kilometres;
 * - `roundings`: how often the corners of lakes and rivers are cut, since the data has few points for the small ones.
 */
export const regions = [
  { box: [-180, -85.0511, 180, 84], metres: 8000, digits: 2, island: 150, lake: 900, river: 3000, roundings: 0 },
  { box: [-90, 30, -63, 49], metres: 2000, digits: 2, island: 20, lake: 120, river: 100, roundings: 0 },
  { box: [-79.5, 37.5, -69, 43.7], metres: 250, digits: 3, island: 0.6, lake: 14, river: 14, roundings: 1 },
  { box: [-75.3, 39.9, -72.3, 41.8], metres: 0, digits: 4, island: 0.03, lake: 6, river: 14, roundings: 2 },
];

/** Where counties have borders and small towns have names. */
export const [, , nearby, newYork] = regions;

/**
 * The Hudson above the end of the sea's coast. Of rivers only its wide parts are in the data; the narrow ones are drawn
 * so many metres to each side of the border that the counties of its two banks share.
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

/** The finest region with this point. */
export function regionOf([longitude, latitude]) {
  return regions.findLast((region) => touches([longitude, latitude, longitude, latitude], region.box));
}
