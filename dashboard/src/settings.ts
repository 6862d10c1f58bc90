/**
 * Which streams the page reads. Settings saved with the form come first, then the `config.json`
 * next to the page.
 */

import type { Config, Output, Tiles } from './config.ts';

const KEY = 'wildrydes.config';

/** A configuration is invalid. The message is for its author. */
export class InvalidConfig extends Error {}

/** Loads the configuration; `undefined` if there is none yet. Throws {@link InvalidConfig}. */
export async function load(): Promise<Config | undefined> {
  const stored = saved();
  if (stored !== undefined) return stored;
  const response = await fetch('config.json', { cache: 'no-store', signal: AbortSignal.timeout(10_000) });
  // S3 responds 403 for a missing object if listing is not allowed.
  if (response.status === 404 || response.status === 403) return undefined;
  if (!response.ok) throw new InvalidConfig(`config.json: the server responded with status ${response.status}`);
  let value: unknown;
  try {
    value = await response.json();
  } catch {
    throw new InvalidConfig('config.json is not JSON');
  }
  return parse(value, 'config.json');
}

/** Checks a configuration that came from `source`. Throws {@link InvalidConfig}. */
export function parse(value: unknown, source: string): Config {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidConfig(`${source} is not a JSON object`);
  }
  const given = value as Record<string, unknown>;
  const text = (name: string): string | undefined => {
    const found = given[name];
    if (found === undefined || found === null || found === '') return undefined;
    if (typeof found !== 'string') throw new InvalidConfig(`${source}: ${name} is not a string`);
    return found.trim();
  };
  const required = (name: string): string => {
    const found = text(name);
    if (found === undefined) throw new InvalidConfig(`${source}: ${name} is missing`);
    return found;
  };
  const region = required('region');
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) throw new InvalidConfig(`${source}: ${region} is not an AWS region`);
  const stream = required('stream');
  const summaryStream = required('summaryStream');
  for (const name of [stream, summaryStream]) {
    if (!isStreamName(name)) throw new InvalidConfig(`${source}: ${name} is not a stream name`);
  }
  const identityPoolId = text('identityPoolId');
  const endpoint = text('endpoint');
  if (endpoint !== undefined && !isHttp(endpoint)) throw new InvalidConfig(`${source}: ${endpoint} is not an http or https address`);
  if (endpoint === undefined && identityPoolId === undefined) {
    throw new InvalidConfig(`${source}: identityPoolId is missing; for a local cloud, set endpoint instead`);
  }
  if (identityPoolId !== undefined && !/^[\w-]+:[0-9a-f-]{36}$/.test(identityPoolId)) {
    throw new InvalidConfig(`${source}: ${identityPoolId} is not an identity pool id; expected something like us-east-1:00000000-0000-0000-0000-000000000000`);
  }
  const tiles = parseTiles(given['tiles'], source);
  const outputs = parseOutputs(given['outputs'], source);
  return {
    region,
    stream,
    summaryStream,
    ...(identityPoolId === undefined ? {} : { identityPoolId }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(tiles === undefined ? {} : { tiles }),
    ...(outputs === undefined ? {} : { outputs }),
    // The page that needs it checks it.
    ...(given['schema'] === undefined ? {} : { schema: given['schema'] }),
  };
}

function parseOutputs(value: unknown, source: string): Output[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new InvalidConfig(`${source}: outputs is not a list`);
  const outputs = value.map((output, index) => parseOutput(output, `${source}: outputs[${index}]`));
  const twice = outputs.find(({ name }, index) => outputs.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined) throw new InvalidConfig(`${source}: two outputs are called ${twice.name}`);
  return outputs;
}

function parseOutput(value: unknown, where: string): Output {
  const { name, stream, columns, hasWindows } = (value ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string' || name === '') throw new InvalidConfig(`${where}.name is not a name`);
  if (typeof stream !== 'string' || !isStreamName(stream)) throw new InvalidConfig(`${where}.stream is not a stream name`);
  const isText = (column: unknown): column is string => typeof column === 'string';
  if (!Array.isArray(columns) || !columns.every(isText)) throw new InvalidConfig(`${where}.columns is not a list of names`);
  if (typeof hasWindows !== 'boolean') throw new InvalidConfig(`${where}.hasWindows is neither true nor false`);
  return { name, stream, columns, hasWindows };
}

function isStreamName(name: string): boolean {
  return /^[a-zA-Z0-9_.-]{1,128}$/.test(name);
}

function parseTiles(value: unknown, source: string): Tiles | undefined {
  if (value === undefined || value === null) return undefined;
  const { url, attribution, size, maxZoom } = value as Record<string, unknown>;
  const filled = typeof url === 'string' ? url.replace(/\{[xyz]\}/g, '0') : '';
  if (!isHttp(filled) || typeof url !== 'string' || !['{x}', '{y}', '{z}'].every((placeholder) => url.includes(placeholder))) {
    throw new InvalidConfig(`${source}: tiles.url must be an http or https address with {z}, {x} and {y}`);
  }
  if (typeof attribution !== 'string' || attribution === '') {
    throw new InvalidConfig(`${source}: tiles.attribution is missing; tile providers require credits`);
  }
  for (const [name, number] of [['size', size], ['maxZoom', maxZoom]] as const) {
    if (number !== undefined && !Number.isInteger(number)) throw new InvalidConfig(`${source}: tiles.${name} is not an integer`);
  }
  return {
    url,
    attribution,
    ...(typeof size === 'number' ? { size } : {}),
    ...(typeof maxZoom === 'number' ? { maxZoom } : {}),
  };
}

function isHttp(address: string): boolean {
  try {
    return ['http:', 'https:'].includes(new URL(address).protocol);
  } catch {
    return false;
  }
}

function saved(): Config | undefined {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === null ? undefined : parse(JSON.parse(stored), 'the saved settings');
  } catch {
    // Saved by another version, or the browser blocks storage: treat as not saved.
    return undefined;
  }
}

/** Saves the configuration in the browser. */
export function save(config: Config): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(config));
  } catch {
    // The browser blocks storage: the settings are not saved.
  }
}

/** Deletes the saved settings, so that the next start uses `config.json`. */
export function clearSaved(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // The browser blocks storage: nothing was saved.
  }
}
