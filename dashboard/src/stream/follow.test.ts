import { describe, expect, test } from 'vitest';

import type { Health } from '../protocol.ts';
import { Follow, type FollowOptions } from './follow.ts';
import { Gate } from './gate.ts';
import { Failure, type StreamRecord } from './kinesis.ts';
import { MemoryKinesis, seeded, VirtualClock } from './virtual.testing.ts';

const FIRST = 'shardId-000000000000';

/** Follows a stream, and records what it receives. */
class Viewer {
  readonly texts: string[] = [];
  readonly health: Health[] = [];
  readonly follow: Follow;
  failure: unknown;

  constructor(kinesis: MemoryKinesis, options: Partial<FollowOptions> = {}) {
    this.follow = new Follow({
      kinesis,
      clock: kinesis.clock,
      random: seeded(1),
      gate: new Gate(6),
      stream: 'wildrydes',
      back: 30_000,
      jumps: false,
      rateSeconds: 10,
      onRecords: (records) => this.#handleRecords(records),
      onHealth: (health) => this.health.push(health),
      ...options,
    });
    this.follow.run().catch((error: unknown) => {
      this.failure = error;
    });
  }

  get state(): Health['state'] | undefined {
    return this.health.at(-1)?.state;
  }

  get states(): string[] {
    return [...new Set(this.health.map((health) => health.state.kind))];
  }

  #handleRecords(records: readonly StreamRecord[]): { lines: number; rejected: number } {
    const decoder = new TextDecoder();
    this.texts.push(...records.map((record) => decoder.decode(record.data)));
    return { lines: records.length, rejected: 1 };
  }
}

function setUp(shards = 1, options: Partial<FollowOptions> = {}): { kinesis: MemoryKinesis; viewer: Viewer } {
  const kinesis = new MemoryKinesis(new VirtualClock(), shards);
  return { kinesis, viewer: new Viewer(kinesis, options) };
}

describe('reading', () => {
  test('starts at `back` before now, and continues with new records', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.put(FIRST, 'too old', 31_000);
    kinesis.put(FIRST, 'old', 29_000);
    await kinesis.clock.advance(500);
    expect(viewer.texts).toEqual(['old']);
    kinesis.put(FIRST, 'new');
    await kinesis.clock.advance(1_500);
    expect(viewer.texts).toEqual(['old', 'new']);
  });

  test('skips records that arrived before the start', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.iterator = () => Promise.resolve(`${FIRST} 0 ${kinesis.clock.now()} 0`);
    kinesis.put(FIRST, 'too old', 31_000);
    kinesis.put(FIRST, 'old', 29_000);
    kinesis.put(FIRST, 'old by an approximate time', 31_000);
    await kinesis.clock.advance(500);
    expect(viewer.texts).toEqual(['old', 'old by an approximate time']);
  });

  test('reads a shard once per second, and five times per second while there is more', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(20_000);
    const idle = kinesis.count('records');
    expect(idle).toBeGreaterThan(15);
    expect(idle).toBeLessThan(26);

    kinesis.pageSize = 2;
    for (let number = 0; number < 60; number += 1) kinesis.put(FIRST, String(number), 2_000);
    await kinesis.clock.advance(8_000);
    expect(viewer.texts.length).toBe(60);
    expect(kinesis.count('records') - idle).toBeGreaterThan(30);
    expect(kinesis.count('iterator')).toBe(1);
  });

  test('reads again soon after a full read', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(2_500);
    for (let number = 0; number < 10_001; number += 1) kinesis.put(FIRST, 'a');
    // Time for one regular read and a quick one. No record is a second old by then.
    await kinesis.clock.advance(1_000);
    expect(viewer.texts.length).toBe(10_001);
  });

  test('makes at most six calls at once', async () => {
    const { kinesis, viewer } = setUp(40);
    for (const shard of kinesis.shards.keys()) kinesis.put(shard, shard);
    await kinesis.clock.advance(3_000);
    expect(viewer.texts.length).toBe(40);
    expect(kinesis.maxConcurrent).toBe(6);
    expect(viewer.health.at(-1)?.shards).toBe(40);
  });

  test('reports its health every second', async () => {
    const { kinesis, viewer } = setUp(2);
    expect(viewer.states).toEqual(['connecting']);
    for (let second = 0; second < 20; second += 1) {
      kinesis.put(FIRST, 'a');
      kinesis.put(FIRST, 'b');
      await kinesis.clock.advance(1_000);
    }
    expect(viewer.health.length).toBeGreaterThanOrEqual(20);
    const health = viewer.health.at(-1);
    expect(health?.state).toEqual({ kind: 'live' });
    expect(health?.shards).toBe(2);
    expect(health?.recordsPerSecond).toBeGreaterThan(1.5);
    expect(health?.recordsPerSecond).toBeLessThan(2.5);
    expect(health?.rejected).toBeGreaterThan(10);
    expect(health?.retries).toBe(0);
  });

  /** Puts `perSecond` records per second for `seconds`, and advances the clock. */
  async function fly(kinesis: MemoryKinesis, perSecond: number, seconds: number): Promise<void> {
    for (let put = 0; put < perSecond * seconds; put += 1) {
      kinesis.put(FIRST, 'a');
      await kinesis.clock.advance(1_000 / perSecond);
    }
  }

  test('has a rate without what was there before it started', async () => {
    const { kinesis, viewer } = setUp();
    for (let number = 0; number < 300; number += 1) kinesis.put(FIRST, 'old', 29_000 - number * 90);
    await kinesis.clock.advance(500);
    expect(viewer.texts.length).toBe(300);
    await fly(kinesis, 10, 12);
    expect(viewer.health[0]?.linesPerSecond).toBeNull();
    for (const { linesPerSecond } of viewer.health) expect(linesPerSecond ?? 0).toBeLessThan(15);
    expect(viewer.health.at(-1)?.linesPerSecond).toBeGreaterThan(8);
    expect(viewer.health.at(-1)?.recordsPerSecond).toBe(viewer.health.at(-1)?.linesPerSecond);
  });

  test('has a rate without a backlog of many reads', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.pageSize = 20;
    for (let number = 0; number < 300; number += 1) kinesis.put(FIRST, 'old', 29_000 - number * 90);
    await fly(kinesis, 10, 20);
    expect(viewer.texts.length).toBeGreaterThan(480);
    for (const { linesPerSecond } of viewer.health) expect(linesPerSecond ?? 0).toBeLessThan(16);
    expect(viewer.health.at(-1)?.linesPerSecond).toBeGreaterThan(8);
  });

  test.each([true, false])('has the same rate after a gap; one that jumps: %s', async (jumps) => {
    const { kinesis, viewer } = setUp(1, { jumps });
    await fly(kinesis, 10, 15);
    kinesis.fault = () => new Failure('unreachable', 'Failed to fetch');
    await fly(kinesis, 10, 90);
    kinesis.fault = () => undefined;
    viewer.health.length = 0;
    await fly(kinesis, 10, 30);
    expect(viewer.state?.kind).toBe('live');
    for (const { linesPerSecond } of viewer.health) expect(linesPerSecond ?? 10).toBeLessThan(16);
    expect(viewer.health.at(-1)?.linesPerSecond).toBeGreaterThan(8);
    expect(viewer.health.at(-1)?.linesPerSecond).toBeLessThan(12);
  });

  test('reports the lag of the slowest shard', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.pageSize = 1;
    for (let number = 0; number < 20; number += 1) kinesis.put(FIRST, 'a', 20_000);
    await kinesis.clock.advance(1_000);
    expect(viewer.health.at(-1)?.lagMillis).toBeGreaterThan(20_000);
    await kinesis.clock.advance(9_000);
    expect(viewer.health.at(-1)?.lagMillis).toBe(0);
  });
});

describe('iterators', () => {
  test('an expired one is replaced by one after the last record', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(1_000);
    let expired = false;
    kinesis.fault = (call) => {
      if (expired || call.kind !== 'records') return undefined;
      expired = true;
      return new Failure('expired', 'ExpiredIteratorException');
    };
    kinesis.put(FIRST, 'b');
    await kinesis.clock.advance(3_000);
    expect(viewer.texts).toEqual(['a', 'b']);
    expect(kinesis.calls.findLast((call) => call.kind === 'iterator')?.start?.kind).toBe('after');
    expect(viewer.health.at(-1)?.retries).toBe(1);
  });

  test('one that expires before the first record is replaced by one at the start', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(1_000);
    kinesis.put(FIRST, 'while the lid was down');
    await kinesis.clock.skip(3_600_000);
    await kinesis.clock.advance(1_000);
    expect(viewer.texts).toEqual(['while the lid was down']);
  });

  test('there are pauses even if they always expire', async () => {
    const { kinesis } = setUp();
    kinesis.fault = (call) => (call.kind === 'records' ? new Failure('expired', '') : undefined);
    await kinesis.clock.advance(60_000);
    expect(kinesis.count('records')).toBeLessThan(30);
  });

  test('after a sleep, readings resume 30 seconds ago, and rows where they stopped', async () => {
    const clock = new VirtualClock();
    const kinesis = new MemoryKinesis(clock);
    const readings = new Viewer(kinesis, { jumps: true });
    const rows = new Viewer(kinesis);
    kinesis.put(FIRST, 'before');
    await clock.advance(2_000);
    kinesis.put(FIRST, 'during the sleep', -10_000);
    kinesis.put(FIRST, 'at its end', -3_590_000);
    await clock.skip(3_600_000);
    await clock.advance(2_000);
    expect(readings.texts).toEqual(['before', 'at its end']);
    expect(rows.texts).toEqual(['before', 'during the sleep', 'at its end']);
  });

  test('after a late first response, readings start 30 seconds ago, and rows at the original start', async () => {
    const clock = new VirtualClock();
    const kinesis = new MemoryKinesis(clock);
    kinesis.fault = () => new Failure('unreachable', 'x');
    const readings = new Viewer(kinesis, { jumps: true });
    const rows = new Viewer(kinesis);
    kinesis.put(FIRST, 'early');
    await clock.advance(120_000);
    kinesis.fault = () => undefined;
    kinesis.put(FIRST, 'late');
    await clock.advance(16_000);
    expect(readings.texts).toEqual(['late']);
    expect(rows.texts).toEqual(['early', 'late']);
  });

  test('a jump back delivers nothing twice', async () => {
    const { kinesis, viewer } = setUp(1, { jumps: true, back: 600_000 });
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(2_000);
    await kinesis.clock.skip(120_000);
    kinesis.put(FIRST, 'b');
    await kinesis.clock.advance(2_000);
    expect(viewer.texts).toEqual(['a', 'b']);
  });

  test('with a fast clock, reading starts at the latest record', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = (call) => (call.start?.kind === 'time' ? new Failure('rejected', 'in the future') : undefined);
    await kinesis.clock.advance(5_000);
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(2_000);
    expect(viewer.texts).toEqual(['a']);
  });
});

describe('throttling', () => {
  const throttled = new Failure('throttled', 'ProvisionedThroughputExceededException');

  test('is waited out and reported', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(2_000);
    kinesis.fault = (call) => (call.kind === 'records' ? throttled : undefined);
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(120_000);
    expect(viewer.state).toMatchObject({ kind: 'throttled', shards: 1 });
    expect(viewer.state).toHaveProperty('pauseMillis', expect.any(Number));
    expect(kinesis.count('records')).toBeLessThan(40);
    kinesis.fault = () => undefined;
    await kinesis.clock.advance(16_000);
    expect(viewer.texts).toEqual(['a']);
    // The rate recovers slowly.
    expect(viewer.state?.kind).toBe('throttled');
    await kinesis.clock.advance(2_000_000);
    expect(viewer.state?.kind).toBe('live');
  });

  test('of a listing is waited out', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.put(FIRST, 'a');
    kinesis.fault = (call) => (call.kind === 'list' ? throttled : undefined);
    await kinesis.clock.advance(10_000);
    expect(viewer.failure).toBeUndefined();
    kinesis.fault = () => undefined;
    await kinesis.clock.advance(16_000);
    expect(viewer.texts).toEqual(['a']);
  });

  test('is rare once several viewers share a shard', async () => {
    const kinesis = new MemoryKinesis(new VirtualClock());
    kinesis.quota = 5;
    const viewers = Array.from({ length: 12 }, (_, seed) => new Viewer(kinesis, { random: seeded(seed) }));
    await kinesis.clock.advance(120_000);
    const before = viewers.map((viewer) => viewer.health.at(-1)?.retries ?? 0);
    const calls = kinesis.count('records');
    for (let second = 0; second < 300; second += 1) {
      kinesis.put(FIRST, String(second));
      await kinesis.clock.advance(1_000);
    }
    await kinesis.clock.advance(30_000);
    const made = kinesis.count('records') - calls;
    const throttledReads = viewers.reduce((sum, viewer, index) => {
      return sum + (viewer.health.at(-1)?.retries ?? 0) - (before[index] ?? 0);
    }, 0);
    for (const viewer of viewers) expect(viewer.texts.length).toBe(300);
    expect(throttledReads / made).toBeLessThan(0.2);
    // They use much of the shard's limit; they do not all stop.
    expect((made - throttledReads) / 330).toBeGreaterThan(2);
  });
});

describe('outages', () => {
  const down = new Failure('unreachable', 'Failed to fetch');

  test('are reported, and waited out with growing pauses and one call at a time', async () => {
    const { kinesis, viewer } = setUp(20);
    await kinesis.clock.advance(5_000);
    for (const shard of kinesis.shards.keys()) kinesis.put(shard, shard);
    await kinesis.clock.advance(2_000);
    const lastResponse = kinesis.clock.now();
    kinesis.fault = () => down;
    await kinesis.clock.advance(10_000);
    kinesis.maxConcurrent = 0;
    const calls = kinesis.calls.length;
    await kinesis.clock.advance(120_000);
    expect(viewer.state).toMatchObject({ kind: 'disconnected', problem: 'Failed to fetch' });
    // One of twenty shards was read just before.
    const since = viewer.state?.kind === 'disconnected' ? viewer.state.since : null;
    expect(lastResponse - (since ?? 0)).toBeLessThan(500);
    expect(kinesis.maxConcurrent).toBe(1);
    const made = kinesis.calls.length - calls;
    expect(made).toBeGreaterThan(7);
    expect(made).toBeLessThan(40);

    kinesis.fault = () => undefined;
    await kinesis.clock.advance(16_000);
    expect(viewer.state?.kind).toBe('live');
    expect([...viewer.texts].sort()).toEqual([...kinesis.shards.keys()]);
  });

  test('end at once on a retry', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = () => down;
    await kinesis.clock.advance(60_000);
    kinesis.fault = () => undefined;
    kinesis.put(FIRST, 'a');
    viewer.follow.retry();
    await kinesis.clock.advance(100);
    expect(viewer.texts).toEqual(['a']);
  });

  test('a call without a response fails after ten seconds', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(2_000);
    kinesis.latency = 1_000_000;
    await kinesis.clock.advance(9_000);
    expect(viewer.state?.kind).toBe('live');
    await kinesis.clock.advance(3_000);
    expect(viewer.state).toMatchObject({ kind: 'disconnected', problem: 'No response within 10 seconds' });
    kinesis.latency = 10;
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(30_000);
    expect(viewer.texts).toEqual(['a']);
  });

  test('a stopped stream frees its slots for the other', async () => {
    const clock = new VirtualClock();
    const gate = new Gate(6);
    const slow = new MemoryKinesis(clock, 10);
    slow.latency = 1_000_000;
    const first = new Viewer(slow, { gate });
    const kinesis = new MemoryKinesis(clock);
    kinesis.put(FIRST, 'a');
    await clock.advance(1_000);
    first.follow.stop();
    const second = new Viewer(kinesis, { gate });
    await clock.advance(1_000);
    expect(second.texts).toEqual(['a']);
  });
});

describe('credentials', () => {
  const stale = new Failure('stale', 'ExpiredTokenException');

  test('are renewed once when they expire, however many calls fail', async () => {
    const { kinesis, viewer } = setUp(30);
    await kinesis.clock.advance(3_000);
    kinesis.fault = () => (kinesis.renewals === 0 ? stale : undefined);
    await kinesis.clock.advance(10_000);
    expect(kinesis.renewals).toBe(1);
    expect(viewer.failure).toBeUndefined();
    expect(viewer.states).toEqual(['connecting', 'live']);
  });

  test('that always expire are a permanent error', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = () => stale;
    await kinesis.clock.advance(4_000);
    expect(kinesis.renewals).toBeLessThan(5);
    await kinesis.clock.advance(120_000);
    expect(viewer.failure).toMatchObject({ why: 'denied', message: 'ExpiredTokenException' });
    expect(kinesis.renewals).toBe(5);
  });
});

describe('a permanent error ends it', () => {
  test.each(['missing', 'denied', 'rejected'] as const)('%s', async (why) => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = () => new Failure(why, 'no');
    await kinesis.clock.advance(5_000);
    expect(viewer.failure).toMatchObject({ why });
    const calls = kinesis.calls.length;
    await kinesis.clock.advance(120_000);
    expect(kinesis.calls.length).toBe(calls);
  });

  test('while reading', async () => {
    const { kinesis, viewer } = setUp(8);
    await kinesis.clock.advance(5_000);
    kinesis.fault = (call) => (call.kind === 'records' ? new Failure('denied', 'no') : undefined);
    await kinesis.clock.advance(5_000);
    expect(viewer.failure).toMatchObject({ why: 'denied' });
  });

  test('from a bug in the page', async () => {
    const { kinesis, viewer } = setUp(1, {
      onRecords: () => {
        throw new TypeError('a bug');
      },
    });
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(5_000);
    expect(viewer.failure).toBeInstanceOf(TypeError);
  });
});
