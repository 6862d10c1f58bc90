import mapshaper from 'mapshaper';
import { readFileSync } from 'node:fs';
import { mesh } from 'topojson-client';
import { topology } from './borders.mjs';
import { HUDSON, inside, nearby, newYork, regions, touches } from './regions.mjs';

const KILOMETRES_PER_DEGREE = 111.32;

/**
 * The land of the world as one multipolygon, with holes for lakes and wide rivers. It is one shape,
 * so that there are no seams between regions.
 */
export async function land() {
  const coast = await continents();
  const [rivers, lakes] = collection('@geo-maps/earth-waterbodies-100m').geometries.map((geometry) => geometry.coordinates);

  const hudson = await narrowHudson();
  const parts = [];
  for (const [index, region] of regions.entries()) {
    const padded = padding(region.box);
    const solid = within(coast, padded).map((polygon) => withoutHoles(polygon, region.lake));
    const water = [
      ...within(lakes, padded).filter((polygon) => area(polygon[0]) >= region.lake),
      ...within(rivers, padded).filter((polygon) => isDrawn(polygon, region)),
      ...(isNear(region) ? hudson : []),
    ].map((polygon) => withoutHoles(polygon, region.island));
    const shape = await withoutWater(solid, await smooth(water, region), region, padded);
    parts.push(await fitted(tidied(shape, region), region.box, regions[index + 1]?.box));
  }
  return joined(parts);
}

/** The land within the sea coasts, without borders. Its holes are inland seas. */
async function continents() {
  const result = await mapshaper.applyCommands('-i coast.json -dissolve -o land.json format=geojson', {
    'coast.json': collection('@geo-maps/countries-coastline-1m'),
  });
  return read(result['land.json']);
}

/** The Hudson as a river of constant width. */
async function narrowHudson() {
  const map = topology('us-atlas/counties-10m.json');
  const shared = (one, other) => HUDSON.west.includes(one.id) && HUDSON.east.includes(other.id);
  const course = mesh(map, map.objects.counties, (one, other) => shared(one, other) || shared(other, one));
  const result = await mapshaper.applyCommands(
    `-i course.json -clip bbox=${HUDSON.box} -buffer ${HUDSON.metres}m -o hudson.json format=geojson`,
    { 'course.json': course },
  );
  return read(result['hudson.json']);
}

function isNear(region) {
  return region === nearby || region === newYork;
}

/**
 * Near New York only the Hudson is drawn as a river: at its mouth the coast data is finer than the
 * river data.
 */
function isDrawn(river, region) {
  const size = area(river[0]);
  if (isNear(region) && inside(bounds(river[0]), HUDSON.box)) return size >= HUDSON.river;
  return size >= region.river && region !== newYork;
}

/** Joins shapes that touch, then rounds their corners. */
async function smooth(water, region) {
  if (region.roundings === 0) return water;
  const result = await mapshaper.applyCommands('-i water.json -dissolve -o joined.json format=geojson', {
    'water.json': multipolygon(water),
  });
  let rings = read(result['joined.json']);
  for (let i = 0; i < region.roundings; i++) rings = rings.map((polygon) => polygon.map(cornersCut));
  return rings;
}

/** Cuts each corner at a quarter of its sides (Chaikin's algorithm). */
function cornersCut(ring) {
  const cut = [];
  for (let i = 0; i + 1 < ring.length; i++) {
    const [from, to] = [ring[i], ring[i + 1]];
    for (const share of [0.25, 0.75]) cut.push([from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share]);
  }
  return [...cut, cut[0]];
}

function collection(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/map.geo.json`, import.meta.url), 'utf8'));
}

/** The box with a margin, so that simplification moves no points on its edges. */
function padding([west, south, east, north]) {
  return [Math.max(west - 0.5, -180), Math.max(south - 0.5, -85.0511), Math.min(east + 0.5, 180), Math.min(north + 0.5, 84)];
}

function within(polygons, box) {
  return polygons.filter((polygon) => touches(bounds(polygon[0]), box));
}

function bounds(ring) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [longitude, latitude] of ring) {
    box[0] = Math.min(box[0], longitude);
    box[1] = Math.min(box[1], latitude);
    box[2] = Math.max(box[2], longitude);
    box[3] = Math.max(box[3], latitude);
  }
  return box;
}

/** The area in square kilometres, precise enough to tell a pond from a lake. */
function area(ring) {
  let doubled = 0;
  let latitudes = 0;
  for (let i = 0; i + 1 < ring.length; i++) {
    doubled += ring[i][0] * ring[i + 1][1] - ring[i + 1][0] * ring[i][1];
    latitudes += ring[i][1];
  }
  const latitude = (latitudes / Math.max(ring.length - 1, 1)) * (Math.PI / 180);
  return Math.abs(doubled / 2) * KILOMETRES_PER_DEGREE ** 2 * Math.cos(latitude);
}

function withoutHoles([outer, ...holes], smallest) {
  return [outer, ...holes.filter((hole) => area(hole) >= smallest)];
}

/** Subtracts the water from the land, and simplifies the result. */
async function withoutWater(solid, water, region, padded) {
  const simplify = region.metres === 0 ? '' : `-simplify weighted keep-shapes interval=${region.metres}`;
  const result = await mapshaper.applyCommands(
    `-i solid.json -clip bbox=${padded} -erase water.json ${simplify} -clean -o shape.json format=geojson`,
    { 'solid.json': multipolygon(solid), 'water.json': multipolygon(water) },
  );
  return read(result['shape.json']);
}

/** Rounds coordinates, and removes shapes too small to see. */
function tidied(polygons, region) {
  return polygons
    .filter((polygon) => area(polygon[0]) >= region.island)
    .map((polygon) => withoutHoles(polygon, region.lake / 2))
    .map((polygon) => polygon.map((ring) => rounded(ring, region.digits)).filter((ring) => ring.length > 3))
    .filter((polygon) => polygon.length > 0);
}

function rounded(ring, digits) {
  const short = ring.map((position) => position.map((degrees) => Number(degrees.toFixed(digits))));
  return short.filter((position, i) => i === 0 || position[0] !== short[i - 1][0] || position[1] !== short[i - 1][1]);
}

/** Clips to the region, without the finer region inside it. */
async function fitted(polygons, box, hole) {
  const erase = hole === undefined ? '' : `-erase bbox=${hole}`;
  const result = await mapshaper.applyCommands(
    `-i shape.json -clean -clip bbox=${box} ${erase} -o part.json format=geojson`,
    { 'shape.json': multipolygon(polygons) },
  );
  return read(result['part.json']);
}

async function joined(parts) {
  const names = parts.map((_, i) => `part${i}.json`);
  const inputs = Object.fromEntries(parts.map((part, i) => [names[i], multipolygon(part)]));
  const result = await mapshaper.applyCommands(
    `-i ${names.join(' ')} combine-files -merge-layers force -dissolve -o land.json format=geojson precision=0.0001 fix-geometry`,
    inputs,
  );
  return multipolygon(read(result['land.json']));
}

function multipolygon(polygons) {
  return { type: 'MultiPolygon', coordinates: polygons };
}

function read(output) {
  const map = JSON.parse(output);
  const geometries = map.geometries ?? map.features?.map((feature) => feature.geometry) ?? [map];
  return geometries.flatMap((geometry) => (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates));
}
