import mapshaper from 'mapshaper';
import { readFileSync } from 'node:fs';
import { mesh } from 'topojson-client';
import { nearby } from './regions.mjs';

/** The simplification tolerance, in metres. */
const COUNTRY_METRES = 4000;
const STATE_METRES = 100;
const COUNTY_METRES = 100;

/**
 * The borders of countries, of US states and of the counties around New York, as lines without
 * coasts. Each has a `kind`.
 */
export async function borders() {
  const world = topology('world-atlas/countries-50m.json');
  const states = topology('us-atlas/states-10m.json');
  const counties = topology('us-atlas/counties-10m.json');

  const between = (map, name, test = () => true) =>
    mesh(map, map.objects[name], (one, other) => one !== other && test(one, other));
  const stateOf = (county) => String(county.id).slice(0, 2);

  return {
    type: 'FeatureCollection',
    features: [
      feature('country', await simplified(between(world, 'countries'), COUNTRY_METRES, 2)),
      feature('state', await simplified(between(states, 'states'), STATE_METRES, 3)),
      feature(
        'county',
        await simplified(
          between(counties, 'counties', (one, other) => stateOf(one) === stateOf(other)),
          COUNTY_METRES,
          3,
          nearby.box,
        ),
      ),
    ],
  };
}

/** Reads a TopoJSON file from a package. */
export function topology(path) {
  return JSON.parse(readFileSync(new URL(`node_modules/${path}`, import.meta.url), 'utf8'));
}

function feature(kind, geometry) {
  return { type: 'Feature', properties: { kind }, geometry };
}

async function simplified(lines, metres, digits, box) {
  const clip = box === undefined ? '' : `-clip bbox=${box}`;
  const result = await mapshaper.applyCommands(
    `-i lines.json ${clip} -simplify dp interval=${metres} -o short.json format=geojson precision=${10 ** -digits}`,
    { 'lines.json': lines },
  );
  const map = JSON.parse(result['short.json']);
  return (map.geometries ?? map.features.map((one) => one.geometry))[0];
}
