import { expect, test } from 'vitest';

import { Caller, Stopped } from './caller.ts';
import { Gate } from './gate.ts';
import { Failure } from './kinesis.ts';
import { MemoryKinesis, VirtualClock } from './virtual.testing.ts';

const down = new Failure('unreachable', 'Failed to fetch');

function setUp(): { clock: VirtualClock; caller: Caller; gate: Gate; stop: AbortController } {
  const clock = new VirtualClock();
  const gate = new Gate(6);
  const stop = new AbortController();
  const kinesis = new MemoryKinesis(clock);
  const caller = new Caller({ kinesis, clock, gate, random: () => 0.999, stop: stop.signal });
  return { clock, caller, gate, stop };
}

test('calls that fail together count once', async () => {
  const { clock, caller } = setUp();
  const fail = (): Promise<void> => caller.call(() => Promise.reject(down));
  await Promise.allSettled([fail(), fail(), fail(), fail()]);
  expect(caller.outage?.retryAt).toBeLessThanOrEqual(clock.now() + 2_000);
});

test('a success resets the wait, however long it had become', async () => {
  const { clock, caller } = setUp();
  let calledAt = 0;
  const fail = (): Promise<void> =>
    caller.call(() => {
      calledAt = clock.now();
      return Promise.reject(down);
    }).catch(() => {});
  for (let failure = 0; failure < 6; failure += 1) {
    const failed = fail();
    await clock.advance(15_000);
    await failed;
  }
  expect(caller.outage?.since).toBeNull();
  expect((caller.outage?.retryAt ?? 0) - calledAt).toBeGreaterThan(14_000);
  void caller.call(() => Promise.resolve());
  await clock.advance(15_000);
  expect(caller.outage).toBeUndefined();
  const now = clock.now();
  await fail();
  expect(caller.outage).toMatchObject({ since: expect.any(Number), retryAt: expect.any(Number) });
  expect(caller.outage?.since).toBeLessThanOrEqual(now);
  expect(caller.outage?.retryAt).toBeLessThanOrEqual(now + 2_000);
});

test('the response to a slow call ends the waits of the others', async () => {
  const { clock, caller } = setUp();
  const { signal } = new AbortController();
  const slow = caller.call(() => clock.sleep(300, signal));
  await caller.call(() => Promise.reject(down)).catch(() => {});
  let succeeded = 0;
  void caller.call(() => Promise.resolve()).then(() => {
    succeeded += 1;
  });
  await clock.advance(200);
  expect(succeeded).toBe(0);
  await clock.advance(200);
  await slow;
  expect(succeeded).toBe(1);
  expect(caller.outage).toBeUndefined();
});

test('stopping ends pending calls at once and frees their slots', async () => {
  const { clock, caller, gate, stop } = setUp();
  const calls = Array.from({ length: 6 }, () => caller.call(() => new Promise(() => {})));
  const ends = Promise.allSettled(calls);
  await clock.advance(10);
  stop.abort();
  for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: expect.any(Stopped) });
  await gate.enter();
  await expect(caller.call(() => Promise.resolve())).rejects.toBeInstanceOf(Stopped);
});

test('an unexpected error is permanent', async () => {
  const { caller } = setUp();
  const call = caller.call(() => Promise.reject(new TypeError('a bug')));
  await expect(call).rejects.toMatchObject({ why: 'rejected', message: 'TypeError: a bug' });
});
