import { describe, expect, test } from 'vitest';

import { localCommand, producerCommand } from './commands.ts';

const LOCAL = { region: 'us-east-1', stream: 'wildrydes', summaryStream: 'wildrydes-summary', endpoint: 'http://127.0.0.1:4566' };

describe('the command that starts a unicorn', () => {
  test('has the endpoint of the page', () => {
    expect(producerCommand(LOCAL)).toBe('cargo run -p producer -- --endpoint-url http://127.0.0.1:4566 --name Shadowfax');
    expect(producerCommand({ ...LOCAL, endpoint: 'http://127.0.0.1:40123' })).toContain(' --endpoint-url http://127.0.0.1:40123 ');
  });

  test('has the stream, if it is not the default', () => {
    expect(producerCommand({ ...LOCAL, stream: 'other' })).toContain(' --stream other ');
  });

  test('is for AWS in the region of the page', () => {
    const { endpoint: _, ...aws } = { ...LOCAL, region: 'eu-west-1', identityPoolId: 'eu-west-1:pool' };
    expect(producerCommand(aws)).toBe('cargo run -p producer -- --target aws --region eu-west-1 --name Shadowfax');
  });

  test.each([
    ['http://[::1]:4566', "'http://[::1]:4566'"],
    ['http://127.0.0.1:4566/?a=1&b=$HOME', "'http://127.0.0.1:4566/?a=1&b=$HOME'"],
    ["http://x/it's", "'http://x/it'\\''s'"],
    ['http://x/`id`;#', "'http://x/`id`;#'"],
  ])('is read by a shell as it is meant: %s', (endpoint, word) => {
    expect(producerCommand({ ...LOCAL, endpoint })).toContain(` --endpoint-url ${word} --name`);
  });
});

test.each([
  ['http://127.0.0.1:4566', 'cargo run -p local'],
  ['http://127.0.0.1:4567', 'cargo run -p local -- --port 4567'],
  ['http://localhost', 'cargo run -p local -- --port 80'],
])('the command that starts the local cloud at %s', (endpoint, command) => {
  expect(localCommand(endpoint)).toBe(command);
});
