import { expect, test } from 'vitest';

import type { Chart, Report } from '../protocol.ts';
import { Gate, MAX_CALLS } from './gate.ts';
import { Failure } from './kinesis.ts';
import { UNICORN, unicornKey } from '../unicorn.ts';
import { MemoryKinesis, seeded, VirtualClock } from './virtual.testing.ts';
import { Watch } from './watch.ts';

const FIRST = 'shardId-000000000000';

/** A watch of two streams in memory, each with its own Kinesis. */
class Scene {
  readonly clock = new VirtualClock();
  readonly readings = new MemoryKinesis(this.clock);
  readonly rows = new MemoryKinesis(this.clock);
  readonly reports: Report[] = [];
  readonly buffers: ArrayBuffer[] = [];
  readonly watch: Watch;

  constructor(reads: 'both' | 'rows' = 'both') {
    const kinesisOf = (stream: string): MemoryKinesis => (stream === 'wildrydes' ? this.readings : this.rows);
    this.watch = new Watch({
      config: { region: 'us-east-1', stream: 'wildrydes', summaryStream: 'wildrydes-summary', endpoint: 'http://x' },
      schema: UNICORN,
      reads,
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
      post: (report, buffers) => {
        this.reports.push(report);
        this.buffers.push(...buffers);
      },
    });
    void this.watch.run();
  }

  get charts(): Chart[] {
    return this.reports.filter((report) => report.kind === 'chart');
  }

  reading(name: string, ago = 0): void {
    const fields = { Name: name, StatusTime: '2026-11-20 09:17:00', Distance: 1, MagicPoints: 2, HealthPoints: 3 };
    this.readings.put(FIRST, JSON.stringify(fields), ago);
  }

  row(name: string, to: number): void {
    const row = {
      Name: name,
      StatusTime: '2026-11-20 09:16:00.000',
      Distance: 30,
      MinMagicPoints: 1,
      MaxMagicPoints: 2,
      MinHealthPoints: 3,
      MaxHealthPoints: 4,
      Source: {
        Stream: 'arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes',
        Shard: FIRST,
        From: '1',
        To: String(to),
        Readings: to,
        WindowSeconds: 60,
      },
    };
    this.rows.put(FIRST, `${JSON.stringify(row)}\nnonsense\n`);
  }
}

test('the readings of one read are one report, with transferred buffers', async () => {
  const scene = new Scene();
  scene.reading('too old', 31_000);
  scene.reading('Shadowfax', 29_000);
  scene.reading('Franky');
  scene.readings.put(FIRST, 'nonsense');
  await scene.clock.advance(3_000);
  const readings = scene.reports.filter((report) => report.kind === 'readings');
  const newNames = ['Shadowfax', 'Franky'];
  expect(readings).toMatchObject([{ newNames, firstNew: 0, unicorn: new Uint32Array([0, 1]) }]);
  expect(scene.buffers.length).toBe(8);
  expect(scene.buffers).toContain(readings[0]?.time.buffer);
  const health = scene.reports.findLast((report) => report.kind === 'health' && report.stream === 'readings');
  expect(health).toMatchObject({ health: { state: { kind: 'live' }, rejected: 1 } });
});

test('a chart is sent on request and when it changes, at most twice per second', async () => {
  const scene = new Scene();
  await scene.clock.advance(5_000);
  expect(scene.charts).toEqual([]);
  scene.rows.pageSize = 1;
  for (let to = 1; to <= 20; to += 1) scene.row('Shadowfax', to);
  await scene.clock.advance(8_000);
  expect(scene.charts.at(-1)).toMatchObject({ key: null, readings: [20], keys: [1] });
  expect(scene.charts.length).toBeGreaterThan(3);
  expect(scene.charts.length).toBeLessThan(16);

  const sent = scene.charts.length;
  scene.row('Shadowfax', 20);
  await scene.clock.advance(5_000);
  expect(scene.charts.length).toBe(sent);
  scene.watch.chart(unicornKey('Franky'));
  expect(scene.charts.at(-1)).toMatchObject({ key: '["Franky"]', start: [] });
  scene.row('Franky', 7);
  await scene.clock.advance(5_000);
  expect(scene.charts.slice(sent + 1)).toMatchObject([{ key: '["Franky"]', readings: [7] }]);
});

test('a stream that cannot be read is reported, and the other continues', async () => {
  const scene = new Scene();
  scene.rows.fault = () => new Failure('missing', 'ResourceNotFoundException');
  await scene.clock.advance(3_000);
  scene.reading('Shadowfax');
  await scene.clock.advance(3_000);
  const failed = scene.reports.filter((report) => report.kind === 'failed');
  expect(failed).toMatchObject([{ stream: 'rows', problem: 'Stream wildrydes-summary does not exist at http://x.' }]);
  expect(scene.reports.some((report) => report.kind === 'readings')).toBe(true);
});

test('a retry ends the waits of both streams', async () => {
  const scene = new Scene();
  scene.readings.fault = () => new Failure('unreachable', 'x');
  scene.rows.fault = () => new Failure('unreachable', 'x');
  await scene.clock.advance(60_000);
  const calls = scene.readings.calls.length + scene.rows.calls.length;
  scene.watch.retry();
  await scene.clock.advance(50);
  expect(scene.readings.calls.length + scene.rows.calls.length).toBe(calls + 2);
});

test('once one stream responds again, the other does not wait any longer', async () => {
  const scene = new Scene();
  const down = new Failure('unreachable', 'x');
  await scene.clock.advance(3_000);
  scene.readings.fault = () => down;
  scene.rows.fault = () => down;
  await scene.clock.advance(120_000);
  scene.readings.fault = () => undefined;
  scene.rows.fault = () => undefined;
  const stateOf = (stream: string): string | undefined =>
    scene.reports.filter((report) => report.kind === 'health').findLast((report) => report.stream === stream)?.health.state.kind;
  for (let waited = 0; waited < 200 && stateOf('readings') === 'disconnected'; waited += 1) await scene.clock.advance(100);
  await scene.clock.advance(100);
  expect([stateOf('readings'), stateOf('rows')]).toEqual(['live', 'live']);
});

test('the table is sent on request and when it changes', async () => {
  const scene = new Scene('rows');
  const tables = () => scene.reports.filter((report) => report.kind === 'table');
  scene.row('Shadowfax', 7);
  await scene.clock.advance(3_000);
  expect(tables()).toEqual([]);
  scene.watch.table({ search: '', first: 0, count: 10 });
  expect(tables()).toMatchObject([{ keys: 1, rows: [{ key: unicornKey('Shadowfax'), readings: 7 }] }]);
  // A chart that is requested meanwhile does not delay it.
  scene.row('Franky', 8);
  await scene.clock.advance(1_600);
  scene.watch.chart(null);
  await scene.clock.advance(3_000);
  expect(tables().at(-1)).toMatchObject({ keys: 2, rows: [{ readings: 8 }, { readings: 7 }] });
  scene.watch.table({ search: 'frank', first: 0, count: 10 });
  expect(tables().at(-1)).toMatchObject({ search: 'frank', matches: 1, rows: [{ readings: 8 }] });
});

test('the page of the table reads only the rows', async () => {
  const scene = new Scene('rows');
  scene.reading('Shadowfax');
  scene.row('Shadowfax', 7);
  await scene.clock.advance(5_000);
  expect(scene.readings.calls).toEqual([]);
  expect(scene.charts.at(-1)).toMatchObject({ readings: [7] });
  expect(scene.reports.filter((report) => report.kind === 'health' && report.stream === 'readings')).toEqual([]);
});
