import { expect, test } from 'vitest';

import { Follow, type FollowOptions } from './follow.ts';
import { Gate } from './gate.ts';
import { Failure } from './kinesis.ts';
import { Lineage } from './lineage.ts';
import { MemoryKinesis, seeded, VirtualClock } from './virtual.testing.ts';

const FIRST = 'shardId-000000000000';

function readTexts(kinesis: MemoryKinesis, options: Partial<FollowOptions> = {}): string[] {
  const texts: string[] = [];
  const decoder = new TextDecoder();
  const follow = new Follow({
    kinesis,
    clock: kinesis.clock,
    random: seeded(1),
    gate: new Gate(6),
    stream: 'wildrydes',
    back: 30_000,
    jumps: false,
    rateSeconds: 10,
    onRecords: (records) => {
      texts.push(...records.map((record) => decoder.decode(record.data)));
      return { lines: records.length, rejected: 0 };
    },
    onHealth: () => {},
    ...options,
  });
  follow.run().catch((error: unknown) => texts.push(String(error)));
  return texts;
}

test('children are read as soon as their parents end', async () => {
  const kinesis = new MemoryKinesis(new VirtualClock());
  const texts = readTexts(kinesis);
  await kinesis.clock.advance(5_000);
  kinesis.put(FIRST, 'parent');
  const [left = '', right = ''] = kinesis.split(FIRST);
  kinesis.put(left, 'left');
  kinesis.put(right, 'right');
  await kinesis.clock.advance(3_000);
  expect(texts).toEqual(['parent', 'left', 'right']);
  kinesis.put(left, 'left again');
  const child = kinesis.merge(left, right);
  kinesis.put(child, 'child');
  await kinesis.clock.advance(4_000);
  expect(texts.slice(3)).toEqual(['left again', 'child']);
  const starts = kinesis.calls.filter((call) => call.kind === 'iterator').map((call) => call.start?.kind);
  expect(starts).toEqual(['time', 'horizon', 'horizon', 'horizon']);
});

test('a child that exists at the start is read from the start time, after its parent', async () => {
  const kinesis = new MemoryKinesis(new VirtualClock());
  kinesis.put(FIRST, 'parent, too old', 40_000);
  kinesis.put(FIRST, 'parent', 20_000);
  const [left = ''] = kinesis.split(FIRST);
  kinesis.put(left, 'left, too old', 35_000);
  kinesis.put(left, 'left', 10_000);
  const texts = readTexts(kinesis);
  await kinesis.clock.advance(5_000);
  expect(texts).toEqual(['parent', 'left']);
});

test('new shards are found within 30 seconds, in listings of many pages', async () => {
  const kinesis = new MemoryKinesis(new VirtualClock(), 7);
  kinesis.pageSize = 2;
  const texts = readTexts(kinesis);
  await kinesis.clock.advance(5_000);
  const [left = ''] = kinesis.split('shardId-000000000006');
  kinesis.put(left, 'left');
  await kinesis.clock.advance(5_000);
  expect(texts).toEqual(['left']);
  const regular = kinesis.count('list');
  await kinesis.clock.advance(60_000);
  expect(kinesis.count('list')).toBe(regular + 2 * 5);
});

test('a deleted shard ends, and the others continue', async () => {
  const kinesis = new MemoryKinesis(new VirtualClock(), 2);
  const texts = readTexts(kinesis);
  await kinesis.clock.advance(5_000);
  kinesis.shards.delete(FIRST);
  kinesis.put('shardId-000000000001', 'other');
  await kinesis.clock.advance(60_000);
  expect(texts).toEqual(['other']);
  expect(kinesis.count('list')).toBeLessThan(10);
});

test('a shard that is missing but still listed is read again', async () => {
  const kinesis = new MemoryKinesis(new VirtualClock());
  const texts = readTexts(kinesis);
  await kinesis.clock.advance(5_000);
  kinesis.fault = (call) => (call.kind === 'records' ? new Failure('missing', '') : undefined);
  await kinesis.clock.advance(10_000);
  expect(kinesis.calls.length).toBeLessThan(60);
  kinesis.fault = () => undefined;
  kinesis.put(FIRST, 'a');
  await kinesis.clock.advance(3_000);
  expect(texts).toEqual(['a']);
});

test('a recreated stream is read from its beginning', async () => {
  const kinesis = new MemoryKinesis(new VirtualClock(), 2);
  const texts = readTexts(kinesis);
  kinesis.put('shardId-000000000001', 'before');
  kinesis.split(FIRST);
  await kinesis.clock.advance(120_000);
  kinesis.recreate();
  kinesis.put(FIRST, 'first');
  kinesis.put('shardId-000000000001', 'second');
  await kinesis.clock.advance(60_000);
  expect([...texts].sort()).toEqual(['before', 'first', 'second']);
});

test('after a jump, new shards start at its target time', async () => {
  const kinesis = new MemoryKinesis(new VirtualClock());
  const texts = readTexts(kinesis, { jumps: true });
  await kinesis.clock.advance(5_000);
  const [left = ''] = kinesis.split(FIRST);
  kinesis.put(left, 'an hour ago');
  await kinesis.clock.skip(3_600_000);
  kinesis.put(left, 'now');
  await kinesis.clock.advance(5_000);
  expect(texts).toEqual(['now']);
});

test('a parent that is being read blocks its children, one that is not listed does not', () => {
  const shard = (id: string, ...parents: string[]) => ({ id, parents, isClosed: false });
  const lineage = new Lineage();
  lineage.update([shard('b', 'a')], 0);
  expect(lineage.ready()).toEqual(['b']);
  lineage.update([shard('b', 'a'), shard('c', 'b')], 0);
  expect(lineage.ready()).toEqual([]);
  lineage.update([shard('c', 'b')], 0);
  expect(lineage.ready()).toEqual([]);
  lineage.finish('b', 0);
  expect(lineage.ready()).toEqual(['c']);
  expect(lineage.ready()).toEqual([]);
});

test('a parent that disappears before it was read does not block its children', () => {
  const lineage = new Lineage();
  const [a, b, c] = [
    { id: 'a', parents: [], isClosed: false },
    { id: 'b', parents: ['a'], isClosed: false },
    { id: 'c', parents: ['b'], isClosed: false },
  ] as const;
  lineage.update([a, b, c], 0);
  expect(lineage.ready()).toEqual(['a']);
  lineage.update([c], 0);
  expect(lineage.ready()).toEqual(['c']);
});

test('a finished shard that is listed as open counts as new after a minute', () => {
  const open = { id: 'a', parents: [], isClosed: false };
  const lineage = new Lineage();
  lineage.update([open], 0);
  expect(lineage.ready()).toEqual(['a']);
  lineage.finish('a', 0);
  lineage.update([open], 60_000);
  expect(lineage.ready()).toEqual([]);
  lineage.update([{ ...open, isClosed: true }], 60_001);
  expect(lineage.ready()).toEqual([]);
  lineage.update([open], 60_001);
  expect(lineage.ready()).toEqual(['a']);
});

/** Makes a tenth of the calls fail at random. */
function injectFailures(kinesis: MemoryKinesis, random: () => number): void {
  const failures = [
    new Failure('throttled', ''),
    new Failure('unreachable', ''),
    new Failure('stale', ''),
    new Failure('expired', ''),
  ];
  kinesis.fault = (call) => {
    kinesis.latency = random() < 0.02 ? 12_000 : Math.floor(random() * 200);
    if (random() > 0.1) return undefined;
    const failure = failures[Math.floor(random() * failures.length)];
    return failure?.why === 'expired' && call.kind === 'iterator' ? undefined : failure;
  };
}

test.each(Array.from({ length: 25 }, (_, seed) => seed))(
  'every record is read once and in order despite failures (seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const kinesis = new MemoryKinesis(new VirtualClock(), 2);
    kinesis.pageSize = 5;
    injectFailures(kinesis, random);
    const texts = readTexts(kinesis, { random });
    const sent: string[] = [];
    const open = [...kinesis.shards.keys()];
    const pick = (): string => open.splice(Math.floor(random() * open.length), 1).join();
    for (let step = 0; step < 150; step += 1) {
      const event = random();
      if (event < 0.02) open.push(...kinesis.split(pick()));
      else if (event < 0.04 && open.length > 1) open.push(kinesis.merge(pick(), pick()));
      else if (event < 0.05) await kinesis.clock.skip(400_000);
      for (const shard of open) {
        const text = `${shard} ${sent.length}`;
        kinesis.put(shard, text);
        sent.push(text);
      }
      await kinesis.clock.advance(Math.floor(random() * 2_000));
    }
    kinesis.fault = () => undefined;
    kinesis.latency = 10;
    await kinesis.clock.advance(600_000);

    expect([...texts].sort()).toEqual([...sent].sort());
    const indices = new Map(texts.map((text, index) => [text, index]));
    const indicesOf = (id: string): number[] =>
      sent.filter((text) => text.startsWith(`${id} `)).map((text) => indices.get(text) ?? -1);
    for (const [id, { parents }] of kinesis.shards) {
      const own = indicesOf(id);
      expect(own).toEqual([...own].sort((a, b) => a - b));
      for (const parent of parents) {
        const last = Math.max(-1, ...indicesOf(parent));
        for (const index of own) expect(index).toBeGreaterThan(last);
      }
    }
  },
);
