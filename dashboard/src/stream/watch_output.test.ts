import { expect, test } from 'vitest';

import type { Output } from '../config.ts';
import type { OutputTable, Report } from '../protocol.ts';
import { Gate, MAX_CALLS } from './gate.ts';
import { Failure } from './kinesis.ts';
import { MemoryKinesis, seeded, VirtualClock } from './virtual.testing.ts';
import { OutputWatch } from './watch_output.ts';

const FIRST = 'shardId-000000000000';
const TOTALS: Output = { name: 'TOTALS', stream: 'sql-TOTALS', columns: ['ROOM', 'N'], hasWindows: true };
const ALARMS: Output = { name: 'ALARMS', stream: 'sql-ALARMS', columns: ['ROOM'], hasWindows: false };

/** A watch of the streams of two outputs in memory, each with its own Kinesis. */
class Scene {
  readonly clock = new VirtualClock();
  readonly totals = new MemoryKinesis(this.clock);
  readonly alarms = new MemoryKinesis(this.clock);
  readonly reports: Report[] = [];
  readonly watch: OutputWatch;

  constructor() {
    const kinesisOf = (stream: string): MemoryKinesis => (stream === TOTALS.stream ? this.totals : this.alarms);
    this.watch = new OutputWatch({
      config: { region: 'us-east-1', stream: 'a', summaryStream: 'b', endpoint: 'http://x', outputs: [ALARMS, TOTALS] },
      clock: this.clock,
      random: seeded(1),
      gate: new Gate(MAX_CALLS),
      kinesis: {
        listShards: (stream, token, signal) => kinesisOf(stream).listShards(stream, token, signal),
        iterator: async (stream, shard, start, signal) =>
          `${stream} ${await kinesisOf(stream).iterator(stream, shard, start, signal)}`,
        records: async (iterator, limit, signal) => {
          const [stream = '', ...rest] = iterator.split(' ');
          const result = await kinesisOf(stream).records(rest.join(' '), limit, signal);
          return { ...result, next: result.next === undefined ? undefined : `${stream} ${result.next}` };
        },
        renew: () => {},
      },
      post: (report) => this.reports.push(report),
    });
  }

  show(output: Output | null, first = 0, count = 10): void {
    this.watch.show(output === null ? null : { output, first, count });
  }

  get tables(): OutputTable[] {
    return this.reports.filter((report) => report.kind === 'output');
  }

  total(room: string, n: number, revision: number): void {
    this.totals.put(FIRST, `${JSON.stringify({ ROOM: room, N: n, RowId: `TOTALS/${room}`, Revision: revision })}\n`);
  }

  alarm(...rooms: string[]): void {
    const lines = rooms.map((room) => `${JSON.stringify({ ROOM: room, RowId: `s/0/${room}/0/0` })}\n`);
    this.alarms.put(FIRST, lines.join(''));
  }
}

test('no stream is read until an output is shown, and then only that of the output', async () => {
  const scene = new Scene();
  await scene.clock.advance(5_000);
  expect(scene.reports).toEqual([]);
  scene.show(ALARMS);
  scene.alarm('attic', 'cellar');
  await scene.clock.advance(5_000);
  expect(scene.totals.calls).toEqual([]);
  expect(scene.tables.at(-1)).toMatchObject({ name: 'ALARMS', size: 2, perMinute: 2, cells: [['cellar'], ['attic']], numbers: [false] });

  scene.total('attic', 7, 1);
  scene.show(TOTALS);
  const calls = scene.alarms.calls.length;
  await scene.clock.advance(5_000);
  expect(scene.tables.at(-1)).toMatchObject({ name: 'TOTALS', size: 1, cells: [['attic', '7']], numbers: [false, true] });
  expect(scene.alarms.calls.length).toBe(calls);

  scene.show(null);
  const [reports, reads] = [scene.reports.length, scene.totals.calls.length];
  await scene.clock.advance(60_000);
  expect(scene.reports.length).toBe(reports);
  expect(scene.totals.calls.length).toBe(reads);
  // It is read from the start again.
  scene.show(TOTALS);
  expect(scene.tables.at(-1)).toMatchObject({ name: 'TOTALS', size: 0 });
  await scene.clock.advance(5_000);
  expect(scene.tables.at(-1)).toMatchObject({ name: 'TOTALS', size: 1 });
});

test('a row is replaced by a higher revision, and lines that are not rows are counted', async () => {
  const scene = new Scene();
  scene.show(TOTALS);
  scene.total('attic', 7, 6);
  scene.total('cellar', 1, 1);
  scene.totals.put(FIRST, 'nonsense\n{"N":1}\n');
  await scene.clock.advance(3_000);
  expect(scene.tables.at(-1)?.cells).toEqual([['cellar', '1'], ['attic', '7']]);
  scene.total('attic', 8, 10);
  scene.total('attic', 6, 3);
  await scene.clock.advance(3_000);
  expect(scene.tables.at(-1)?.cells).toEqual([['cellar', '1'], ['attic', '8']]);
  const health = scene.reports.findLast((report) => report.kind === 'health');
  expect(health).toMatchObject({ stream: 'output', output: 'TOTALS', health: { state: { kind: 'live' }, rejected: 2 } });
});

test('a part is sent on request, and when rows change at most twice per second', async () => {
  const scene = new Scene();
  scene.show(ALARMS, 1, 2);
  scene.alarm('a', 'b', 'c', 'd');
  await scene.clock.advance(3_000);
  expect(scene.tables.at(-1)).toMatchObject({ first: 1, size: 4, cells: [['c'], ['b']] });
  scene.show(ALARMS, 3, 2);
  expect(scene.tables.at(-1)).toMatchObject({ first: 3, cells: [['a']] });
  const sent = scene.tables.length;
  scene.alarms.pageSize = 1;
  for (let number = 0; number < 40; number += 1) scene.alarm(String(number));
  await scene.clock.advance(10_000);
  expect(scene.tables.at(-1)?.size).toBe(44);
  expect(scene.tables.length - sent).toBeLessThan(21);
});

test('the rows of the last minute are counted down without new ones', async () => {
  const scene = new Scene();
  scene.show(ALARMS);
  scene.alarm('a', 'b');
  await scene.clock.advance(5_000);
  expect(scene.tables.at(-1)?.perMinute).toBe(2);
  await scene.clock.advance(60_000);
  expect(scene.tables.at(-1)).toMatchObject({ perMinute: 0, size: 2 });
});

test('rows of windows are read from an hour ago, others from five minutes ago', async () => {
  const scene = new Scene();
  scene.totals.put(FIRST, '{"N":1,"RowId":"old","Revision":1}', 3_600_000);
  scene.totals.put(FIRST, '{"N":2,"RowId":"new","Revision":1}');
  scene.alarms.put(FIRST, '{"ROOM":"old","RowId":"old"}', 310_000);
  scene.alarms.put(FIRST, '{"ROOM":"new","RowId":"new"}', 290_000);
  scene.show(TOTALS);
  await scene.clock.advance(5_000);
  expect(scene.tables.at(-1)?.size).toBe(2);
  scene.show(ALARMS);
  await scene.clock.advance(5_000);
  expect(scene.tables.at(-1)?.cells).toEqual([['new']]);
});

test('a stream that cannot be read is reported, unless another output is shown', async () => {
  const scene = new Scene();
  scene.alarms.fault = () => new Failure('missing', 'ResourceNotFoundException');
  scene.show(ALARMS);
  scene.show(TOTALS);
  await scene.clock.advance(3_000);
  expect(scene.reports.filter((report) => report.kind === 'failed')).toEqual([]);
  scene.show(ALARMS);
  await scene.clock.advance(3_000);
  const failed = scene.reports.filter((report) => report.kind === 'failed');
  expect(failed).toMatchObject([{ stream: 'output', output: 'ALARMS', problem: 'Stream sql-ALARMS does not exist at http://x.' }]);
});
