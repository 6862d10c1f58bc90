import { describe, expect, test } from 'vitest';

import { InvalidConfig, parse } from './settings.ts';

const aws = {
  region: 'eu-central-1',
  stream: 'wildrydes',
  summaryStream: 'wildrydes-summary',
  identityPoolId: 'eu-central-1:01234567-89ab-cdef-0123-456789abcdef',
};
const output = { name: 'ALARMS', stream: 'sql-ALARMS', columns: ['ROOM', 'AT'], hasWindows: false };
const tiles = { url: 'https://tiles.example/{z}/{x}/{y}.png', attribution: 'Example & Sons' };

test('accepts the configurations of a stack and of a local cloud', () => {
  expect(parse(aws, 'config.json')).toEqual(aws);
  const local = { endpoint: 'http://127.0.0.1:4566', region: 'us-east-1', stream: 'a', summaryStream: 'b' };
  expect(parse(local, 'config.json')).toEqual(local);
  expect(parse({ ...aws, tiles }, 'config.json')).toEqual({ ...aws, tiles });
  const outputs = [output, { ...output, name: 'TOTALS', columns: [] }];
  expect(parse({ ...aws, outputs }, 'config.json')).toEqual({ ...aws, outputs });
  // The page that needs a schema checks it.
  expect(parse({ ...aws, schema: 7 }, 'config.json')).toEqual({ ...aws, schema: 7 });
});

describe('an invalid configuration is explained', () => {
  test.each([
    [null, 'is not a JSON object'],
    [[], 'is not a JSON object'],
    [{ ...aws, region: '' }, 'region is missing'],
    [{ ...aws, region: 'Frankfurt' }, 'Frankfurt is not an AWS region'],
    [{ ...aws, stream: 7 }, 'stream is not a string'],
    [{ ...aws, stream: 'a b' }, 'a b is not a stream name'],
    [{ ...aws, identityPoolId: undefined }, 'identityPoolId is missing'],
    [{ ...aws, identityPoolId: 'pool' }, 'pool is not an identity pool id'],
    [{ ...aws, endpoint: 'javascript:alert(1)' }, 'is not an http or https address'],
    [{ ...aws, tiles: { ...tiles, url: 'https://tiles.example/map.png' } }, 'tiles.url must be'],
    [{ ...aws, tiles: { ...tiles, url: 'javascript:{x}{y}{z}' } }, 'tiles.url must be'],
    [{ ...aws, tiles: { url: tiles.url } }, 'tiles.attribution is missing'],
    [{ ...aws, tiles: { ...tiles, size: 'big' } }, 'tiles.size is not an integer'],
    [{ ...aws, outputs: {} }, 'outputs is not a list'],
    [{ ...aws, outputs: [null] }, 'outputs[0].name is not a name'],
    [{ ...aws, outputs: [{ ...output, name: '' }] }, 'outputs[0].name is not a name'],
    [{ ...aws, outputs: [output, { ...output, name: 'X', stream: 'a b' }] }, 'outputs[1].stream is not a stream name'],
    [{ ...aws, outputs: [{ ...output, columns: ['A', 7] }] }, 'outputs[0].columns is not a list of names'],
    [{ ...aws, outputs: [{ ...output, hasWindows: 'no' }] }, 'outputs[0].hasWindows is neither true nor false'],
    [{ ...aws, outputs: [output, output] }, 'two outputs are called ALARMS'],
  ])('%j', (value, problem) => {
    expect(() => parse(value, 'config.json')).toThrow(InvalidConfig);
    expect(() => parse(value, 'config.json')).toThrow(problem);
  });
});
