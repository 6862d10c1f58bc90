/**
 * Which streams the page reads: from the `config.json` beside it, or, where there is none, from what was typed into
 * the form, which the browser remembers.
 */

import type { Config, Tiles } from './config.ts';

const KEY = 'wildrydes.config';

/** What is wrong with a configuration, in words for whoever wrote it. */
export class InvalidConfig extends Error {}

/** The configuration that counts; `undefined` if there is none yet. Throws {@link InvalidConfig}. */
export async function load(): Promise<Config | undefined> {
  const kept = remembered();
  if (kept !== undefined) return kept;
  const answer = await fetch('config.json', { cache: 'no-store', signal: AbortSignal.timeout(10_000) });
  // A bucket says 403 for what is not there.
  if (answer.status === 404 || answer.status === 403) return undefined;
  if (!answer.ok) throw new InvalidConfig(`config.json: the server answered ${answer.status}`);
  let value: unknown;
  try {
    value = await answer.json();
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
    if (typeof found !== 'string') throw new InvalidConfig(`${source}: ${name} is not a text`);
    return found.trim();
  };
  const needed = (name: string): string => {
    const found = text(name);
    if (found === undefined) throw new InvalidConfig(`${source}: ${name} is missing`);
    return found;
  };
  const region = needed('region');
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) throw new InvalidConfig(`${source}: ${region} is no region`);
  const stream = needed('stream');
  const summaryStream = needed('summaryStream');
  for (const name of [stream, summaryStream]) {
    if (!/^[a-zA-Z0-9_.-]{1,128}$/.test(name)) throw new InvalidConfig(`${source}: ${name} is no stream's name`);
  }
  const identityPoolId = text('identityPoolId');
  const endpoint = text('endpoint');
  if (endpoint !== undefined && !isHttp(endpoint)) throw new InvalidConfig(`${source}: ${endpoint} is no address`);
  if (endpoint === undefined && identityPoolId === undefined) {
    throw new InvalidConfig(`${source}: identityPoolId is missing; a local cloud has an endpoint instead`);
  }
  if (identityPoolId !== undefined && !/^[\w-]+:[0-9a-f-]{36}$/.test(identityPoolId)) {
    throw new InvalidConfig(`${source}: ${identityPoolId} is no identity pool; they look like us-east-1:00000000-0000-0000-0000-000000000000`);
  }
  const tiles = parseTiles(given['tiles'], source);
  return {
    region,
    stream,
    summaryStream,
    ...(identityPoolId === undefined ? {} : { identityPoolId }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(tiles === undefined ? {} : { tiles }),
  };
}

function parseTiles(value: unknown, source: string): Tiles | undefined {
  if (value === undefined || value === null) return undefined;
  const { url, attribution, size, maxZoom } = value as Record<string, unknown>;
  const filled = typeof url === 'string' ? url.replace(/\{[xyz]\}/g, '0') : '';
  if (!isHttp(filled) || typeof url !== 'string' || !['{x}', '{y}', '{z}'].every((part) => url.includes(part))) {
    throw new InvalidConfig(`${source}: tiles.url needs an address with {z}, {x} and {y}`);
  }
  if (typeof attribution !== 'string' || attribution === '') {
    throw new InvalidConfig(`${source}: tiles.attribution is missing; whoever makes the tiles wants to be named`);
  }
  for (const [name, number] of [['size', size], ['maxZoom', maxZoom]] as const) {
    if (number !== undefined && !Number.isInteger(number)) throw new InvalidConfig(`${source}: tiles.${name} is no number`);
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

function remembered(): Config | undefined {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === null ? undefined : parse(JSON.parse(kept), 'what was remembered');
  } catch {
    // Of another version, or a browser that keeps nothing: asked for again.
    return undefined;
  }
}

export function remember(config: Config): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(config));
  } catch {
    // Then it holds until the page is left.
  }
}

/** From the next start on, `config.json` counts again. */
export function forget(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Nothing was kept.
  }
}
