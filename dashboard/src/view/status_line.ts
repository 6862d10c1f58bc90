/** The status line: how the streams are read, in words. */

import type { Health, StreamKind } from '../protocol.ts';
import { count, duration, number, timeOfDay } from './words.ts';

const LABELS = { connecting: 'connecting', live: 'live', throttled: 'slowed down', disconnected: 'disconnected' };

/** A lag above this is shown. */
const LAG_MILLIS = 5_000;

/** The status line of a page that cannot do without the stream `primary`, and shows that of `streams`. */
export function statusLine(primary: StreamKind, streams: readonly StreamKind[], healths: ReadonlyMap<StreamKind, Health>): string {
  const health = healths.get(primary);
  if (health === undefined) return 'connecting';
  if (health.state.kind === 'disconnected') return `${LABELS.disconnected}${frozen(health)}`;
  const parts = [LABELS[health.state.kind], count(health.shards, 'shard')];
  const rate = health.linesPerSecond;
  // An output says itself how many rows arrive.
  if (rate !== null && primary !== 'output') parts.push(`${number(rate)} ${rate === 1 ? primary.slice(0, -1) : primary}/s`);
  const all = streams.flatMap((stream) => healths.get(stream) ?? []);
  const lag = Math.max(...all.map(({ lagMillis }) => lagMillis));
  parts.push(lag > LAG_MILLIS ? `${duration(lag)} lag` : 'no lag');
  const rejected = all.reduce((sum, one) => sum + one.rejected, 0);
  if (rejected > 0) parts.push(`${count(rejected, 'rejected line')}`);
  const retries = all.reduce((sum, one) => sum + one.retries, 0);
  if (retries > 0) parts.push(count(retries, 'retry', 'retries'));
  const rows = healths.get('rows');
  if (primary === 'readings' && rows !== undefined && rows.state.kind !== 'live') {
    parts.push(`charts: ${LABELS[rows.state.kind]}${frozen(rows)}`);
  }
  return parts.join(' · ');
}

/** Since when nothing new is shown. */
function frozen({ state }: Health): string {
  return state.kind === 'disconnected' && state.since !== null ? ` · frozen since ${timeOfDay(state.since)} UTC` : '';
}
