import { describe, expect, test } from 'vitest';

import type { Health } from '../protocol.ts';
import { Follow, type FollowParts } from './follow.ts';
import { Gate } from './gate.ts';
import { Failure, type StreamRecord } from './kinesis.ts';
import { MemoryKinesis, seeded, VirtualClock } from './virtual.testing.ts';

const FIRST = 'shardId-000000000000';

/** Someone who follows, and what they saw. */
class Viewer {
  readonly texts: string[] = [];
  readonly health: Health[] = [];
  readonly follow: Follow;
  failure: unknown;

  constructor(kinesis: MemoryKinesis, parts: Partial<FollowParts> = {}) {
    this.follow = new Follow({
      kinesis,
      clock: kinesis.clock,
      random: seeded(1),
      gate: new Gate(6),
      stream: 'wildrydes',
      back: 30_000,
      jumps: false,
      take: (records) => this.#take(records),
      onHealth: (health) => this.health.push(health),
      ...parts,
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

  #take(records: readonly StreamRecord[]): { lines: number; rejected: number } {
    const decoder = new TextDecoder();
    this.texts.push(...records.map((record) => decoder.decode(record.data)));
    return { lines: records.length, rejected: 1 };
  }
}

function setUp(shards = 1, parts: Partial<FollowParts> = {}): { kinesis: MemoryKinesis; viewer: Viewer } {
  const kinesis = new MemoryKinesis(new VirtualClock(), shards);
  return { kinesis, viewer: new Viewer(kinesis, parts) };
}

describe('reading', () => {
  test('starts so far back, and goes on with what comes', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.put(FIRST, 'too old', 31_000);
    kinesis.put(FIRST, 'old', 29_000);
    await kinesis.clock.advance(500);
    expect(viewer.texts).toEqual(['old']);
    kinesis.put(FIRST, 'new');
    await kinesis.clock.advance(1_500);
    expect(viewer.texts).toEqual(['old', 'new']);
  });

  test('leaves out what arrived before the start, where the service gives it', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.iterator = () => Promise.resolve(`${FIRST} 0 ${kinesis.clock.now()} 0`);
    kinesis.put(FIRST, 'too old', 31_000);
    kinesis.put(FIRST, 'old', 29_000);
    kinesis.put(FIRST, 'old by an approximate time', 31_000);
    await kinesis.clock.advance(500);
    expect(viewer.texts).toEqual(['old', 'old by an approximate time']);
  });

  test('reads a shard once a second, and five times where there is more', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(20_000);
    const calm = kinesis.count('records');
    expect(calm).toBeGreaterThan(15);
    expect(calm).toBeLessThan(26);

    kinesis.most = 2;
    for (let number = 0; number < 60; number += 1) kinesis.put(FIRST, String(number), 2_000);
    await kinesis.clock.advance(8_000);
    expect(viewer.texts.length).toBe(60);
    expect(kinesis.count('records') - calm).toBeGreaterThan(30);
    expect(kinesis.count('iterator')).toBe(1);
  });

  test('reads again soon after a full answer', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(2_500);
    for (let number = 0; number < 10_001; number += 1) kinesis.put(FIRST, 'a');
    // A read a second, and a fifth of one: no record is a second old by then.
    await kinesis.clock.advance(1_000);
    expect(viewer.texts.length).toBe(10_001);
  });

  test('makes six calls at once at most', async () => {
    const { kinesis, viewer } = setUp(40);
    for (const shard of kinesis.shards.keys()) kinesis.put(shard, shard);
    await kinesis.clock.advance(3_000);
    expect(viewer.texts.length).toBe(40);
    expect(kinesis.mostAtOnce).toBe(6);
    expect(viewer.health.at(-1)?.shards).toBe(40);
  });

  test('tells its health every second', async () => {
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

  test('tells how far the slowest shard is behind', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.most = 1;
    for (let number = 0; number < 20; number += 1) kinesis.put(FIRST, 'a', 20_000);
    await kinesis.clock.advance(1_000);
    expect(viewer.health.at(-1)?.lagMillis).toBeGreaterThan(20_000);
    await kinesis.clock.advance(9_000);
    expect(viewer.health.at(-1)?.lagMillis).toBe(0);
  });
});

describe('iterators', () => {
  test('one that expired is replaced by one after the last record', async () => {
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
    expect(kinesis.calls.findLast((call) => call.kind === 'iterator')?.place?.kind).toBe('after');
    expect(viewer.health.at(-1)?.retries).toBe(1);
  });

  test('one that expired before the first record is made again at the start', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(1_000);
    kinesis.put(FIRST, 'while the lid was down');
    await kinesis.clock.skip(3_600_000);
    await kinesis.clock.advance(1_000);
    expect(viewer.texts).toEqual(['while the lid was down']);
  });

  test('those that expire always do not make it call without a pause', async () => {
    const { kinesis } = setUp();
    kinesis.fault = (call) => (call.kind === 'records' ? new Failure('expired', '') : undefined);
    await kinesis.clock.advance(60_000);
    expect(kinesis.count('records')).toBeLessThan(30);
  });

  test('after a sleep readings go on from 30 seconds ago, and rows from where they were', async () => {
    const clock = new VirtualClock();
    const kinesis = new MemoryKinesis(clock);
    const readings = new Viewer(kinesis, { jumps: true });
    const rows = new Viewer(kinesis);
    kinesis.put(FIRST, 'before');
    await clock.advance(2_000);
    kinesis.put(FIRST, 'during, seen by the clock', -10_000);
    kinesis.put(FIRST, 'at the end of it', -3_590_000);
    await clock.skip(3_600_000);
    await clock.advance(2_000);
    expect(readings.texts).toEqual(['before', 'at the end of it']);
    expect(rows.texts).toEqual(['before', 'during, seen by the clock', 'at the end of it']);
  });

  test('after a long wait for the first answer readings begin 30 seconds ago, and rows where they were to', async () => {
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

  test('a jump back gives nothing again', async () => {
    const { kinesis, viewer } = setUp(1, { jumps: true, back: 600_000 });
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(2_000);
    await kinesis.clock.skip(120_000);
    kinesis.put(FIRST, 'b');
    await kinesis.clock.advance(2_000);
    expect(viewer.texts).toEqual(['a', 'b']);
  });

  test('a clock that is fast starts at the latest record', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = (call) => (call.place?.kind === 'time' ? new Failure('rejected', 'it lies ahead') : undefined);
    await kinesis.clock.advance(5_000);
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(2_000);
    expect(viewer.texts).toEqual(['a']);
  });
});

describe('throttling', () => {
  const throttled = new Failure('throttled', 'ProvisionedThroughputExceededException');

  test('is waited out and told', async () => {
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
    // It becomes quicker again, but bit by bit.
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

  test('several viewers settle on what a shard gives', async () => {
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
    const rejected = viewers.reduce((sum, viewer, place) => {
      return sum + (viewer.health.at(-1)?.retries ?? 0) - (before[place] ?? 0);
    }, 0);
    for (const viewer of viewers) expect(viewer.texts.length).toBe(300);
    expect(rejected / made).toBeLessThan(0.2);
    // They share what there is, rather than all stopping.
    expect((made - rejected) / 330).toBeGreaterThan(2);
  });
});

describe('outages', () => {
  const down = new Failure('unreachable', 'Failed to fetch');

  test('are told, and waited out with growing pauses and one call at a time', async () => {
    const { kinesis, viewer } = setUp(20);
    await kinesis.clock.advance(5_000);
    for (const shard of kinesis.shards.keys()) kinesis.put(shard, shard);
    kinesis.fault = () => down;
    await kinesis.clock.advance(10_000);
    kinesis.mostAtOnce = 0;
    const calls = kinesis.calls.length;
    await kinesis.clock.advance(120_000);
    expect(viewer.state).toMatchObject({ kind: 'disconnected', problem: 'Failed to fetch' });
    expect(kinesis.mostAtOnce).toBe(1);
    const made = kinesis.calls.length - calls;
    expect(made).toBeGreaterThan(7);
    expect(made).toBeLessThan(40);

    kinesis.fault = () => undefined;
    await kinesis.clock.advance(16_000);
    expect(viewer.state?.kind).toBe('live');
    expect([...viewer.texts].sort()).toEqual([...kinesis.shards.keys()]);
  });

  test('end at once when told that the network is there', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = () => down;
    await kinesis.clock.advance(60_000);
    kinesis.fault = () => undefined;
    kinesis.put(FIRST, 'a');
    viewer.follow.retry();
    await kinesis.clock.advance(100);
    expect(viewer.texts).toEqual(['a']);
  });

  test('a call without an answer fails after ten seconds', async () => {
    const { kinesis, viewer } = setUp();
    await kinesis.clock.advance(2_000);
    kinesis.latency = 1_000_000;
    await kinesis.clock.advance(9_000);
    expect(viewer.state?.kind).toBe('live');
    await kinesis.clock.advance(3_000);
    expect(viewer.state).toMatchObject({ kind: 'disconnected', problem: 'Nothing answered within 10 seconds.' });
    kinesis.latency = 10;
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(30_000);
    expect(viewer.texts).toEqual(['a']);
  });

  test('a stream that stops leaves its room to the other', async () => {
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

  test('that are too old are renewed once, however many calls fail', async () => {
    const { kinesis, viewer } = setUp(30);
    await kinesis.clock.advance(3_000);
    kinesis.fault = () => (kinesis.renewals === 0 ? stale : undefined);
    await kinesis.clock.advance(10_000);
    expect(kinesis.renewals).toBe(1);
    expect(viewer.failure).toBeUndefined();
    expect(viewer.states).toEqual(['connecting', 'live']);
  });

  test('that are always too old end it', async () => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = () => stale;
    await kinesis.clock.advance(4_000);
    expect(kinesis.renewals).toBeLessThan(5);
    await kinesis.clock.advance(120_000);
    expect(viewer.failure).toMatchObject({ why: 'denied', message: 'ExpiredTokenException' });
    expect(kinesis.renewals).toBe(5);
  });
});

describe('what no try can mend ends it', () => {
  test.each(['missing', 'denied', 'rejected'] as const)('%s', async (why) => {
    const { kinesis, viewer } = setUp();
    kinesis.fault = () => new Failure(why, 'no');
    await kinesis.clock.advance(5_000);
    expect(viewer.failure).toMatchObject({ why });
    const calls = kinesis.calls.length;
    await kinesis.clock.advance(120_000);
    expect(kinesis.calls.length).toBe(calls);
  });

  test('while reading, too', async () => {
    const { kinesis, viewer } = setUp(8);
    await kinesis.clock.advance(5_000);
    kinesis.fault = (call) => (call.kind === 'records' ? new Failure('denied', 'no') : undefined);
    await kinesis.clock.advance(5_000);
    expect(viewer.failure).toMatchObject({ why: 'denied' });
  });

  test('a fault of the page itself', async () => {
    const { kinesis, viewer } = setUp(1, {
      take: () => {
        throw new TypeError('a fault');
      },
    });
    kinesis.put(FIRST, 'a');
    await kinesis.clock.advance(5_000);
    expect(viewer.failure).toBeInstanceOf(TypeError);
  });
});
