import { describe, expect, test } from 'vitest';

import type { Health, State, StreamKind } from '../protocol.ts';
import { statusLine } from './status_line.ts';

const SINCE = Date.UTC(2026, 10, 30, 17, 58, 10);
const down = (since: number | null): State => ({ kind: 'disconnected', problem: 'x', since, retryAt: SINCE + 1_000 });

function health(change: Partial<Health> = {}): Health {
  return { state: { kind: 'live' }, shards: 1, recordsPerSecond: 50, linesPerSecond: 50, lagMillis: 0, rejected: 0, retries: 0, ...change };
}

function line(readings: Health | undefined, rows: Health | undefined = health()): string {
  const healths = new Map<StreamKind, Health>();
  if (readings !== undefined) healths.set('readings', readings);
  if (rows !== undefined) healths.set('rows', rows);
  return statusLine('readings', ['readings', 'rows'], healths);
}

describe('the status line', () => {
  test('has the rate and the lag', () => {
    expect(line(health())).toBe('live · 1 shard · 50 readings/s · no lag');
    expect(line(health({ linesPerSecond: 1, shards: 2, lagMillis: 6_000 }))).toBe('live · 2 shards · 1 reading/s · 6 s lag');
    expect(line(health({ rejected: 2 }), health({ retries: 1 }))).toBe('live · 1 shard · 50 readings/s · no lag · 2 rejected lines · 1 retry');
  });

  test('has no rate before it is known', () => {
    expect(line(health({ linesPerSecond: null }))).toBe('live · 1 shard · no lag');
    expect(line(undefined)).toBe('connecting');
  });

  test('says since when the page is frozen, and no rate of then', () => {
    expect(line(health({ state: down(SINCE) }))).toBe('disconnected · frozen since 17:58:10 UTC');
    // It never was connected, so there is nothing that could be frozen.
    expect(line(health({ state: down(null) }))).toBe('disconnected');
    expect(line(health(), health({ state: down(SINCE) }))).toBe(
      'live · 1 shard · 50 readings/s · no lag · charts: disconnected · frozen since 17:58:10 UTC',
    );
  });
});
