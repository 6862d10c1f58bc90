import { describe, expect, test } from 'vitest';

import type { Config } from '../config.ts';
import { advise } from './advice.ts';
import { AwsKinesis, type RequestHandler } from './aws.ts';
import { classify, classifyCredentials } from './classify.ts';
import { Failure } from './kinesis.ts';

const CONFIG: Config = {
  region: 'us-east-1',
  stream: 'wildrydes',
  summaryStream: 'wildrydes-summary',
  endpoint: 'http://127.0.0.1:4566',
};

const { signal } = new AbortController();

interface Request {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

interface Sent {
  readonly target: string | undefined;
  readonly authorization: string | undefined;
  readonly input: unknown;
}

/** A Kinesis whose every request is answered the same. */
function answering(status: number, answer: unknown, config = CONFIG): { kinesis: AwsKinesis; sent: Sent[] } {
  const sent: Sent[] = [];
  const handler = {
    handle: (request: Request) => {
      const { 'x-amz-target': target, authorization } = request.headers;
      const { body } = request;
      const input: unknown = JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body));
      sent.push({ target, authorization, input });
      const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
      const headers = { 'content-type': 'application/x-amz-json-1.1' };
      return Promise.resolve({ response: { statusCode: status, headers, body: new Response(text).body } });
    },
  };
  return { kinesis: new AwsKinesis(config, handler as unknown as RequestHandler), sent };
}

async function failureOf(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('calls', () => {
  test('list shards by name, and further pages by token alone', async () => {
    const { kinesis, sent } = answering(200, {
      NextToken: 'more',
      Shards: [
        { ShardId: 'a', SequenceNumberRange: { StartingSequenceNumber: '1', EndingSequenceNumber: '9' } },
        { ShardId: 'b', ParentShardId: 'a', SequenceNumberRange: { StartingSequenceNumber: '1' } },
        { ShardId: 'c', ParentShardId: 'a', AdjacentParentShardId: 'b', ChildShards: [] },
      ],
    });
    expect(await kinesis.listShards('wildrydes', undefined, signal)).toEqual({
      token: 'more',
      shards: [
        { id: 'a', parents: [], isClosed: true },
        { id: 'b', parents: ['a'], isClosed: false },
        { id: 'c', parents: ['a', 'b'], isClosed: false },
      ],
    });
    await kinesis.listShards('wildrydes', 'more', signal);
    expect(sent.map(({ input }) => input)).toEqual([{ StreamName: 'wildrydes' }, { NextToken: 'more' }]);
    expect(sent[0]?.target).toBe('Kinesis_20131202.ListShards');
    expect(sent[0]?.authorization).toContain('Credential=local/');
  });

  test('make iterators of every place', async () => {
    const { kinesis, sent } = answering(200, { ShardIterator: 'i' });
    const places = [
      { kind: 'horizon' },
      { kind: 'latest' },
      { kind: 'time', millis: 1_500 },
      { kind: 'after', sequence: '7' },
    ] as const;
    for (const place of places) expect(await kinesis.iterator('wildrydes', 'a', place, signal)).toBe('i');
    const shard = { StreamName: 'wildrydes', ShardId: 'a' };
    expect(sent.map(({ input }) => input)).toEqual([
      { ...shard, ShardIteratorType: 'TRIM_HORIZON' },
      { ...shard, ShardIteratorType: 'LATEST' },
      { ...shard, ShardIteratorType: 'AT_TIMESTAMP', Timestamp: 1.5 },
      { ...shard, ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: '7' },
    ]);
  });

  test('read records, and tell the end of a shard', async () => {
    const record = { SequenceNumber: '7', ApproximateArrivalTimestamp: 1.5, Data: 'aGk=', PartitionKey: 'x' };
    const open = answering(200, { Records: [record], NextShardIterator: 'j', MillisBehindLatest: 5 });
    const answer = await open.kinesis.records('i', 10, signal);
    expect(answer).toEqual({
      records: [{ sequence: '7', arrival: 1_500, data: expect.any(Uint8Array) }],
      next: 'j',
      behindMillis: 5,
    });
    expect(new TextDecoder().decode(answer.records[0]?.data)).toBe('hi');
    expect(open.sent[0]?.input).toEqual({ ShardIterator: 'i', Limit: 10 });
    for (const end of [{ Records: [] }, { Records: [], NextShardIterator: null, MillisBehindLatest: 0 }]) {
      const closed = await answering(200, end).kinesis.records('i', 10, signal);
      expect(closed).toEqual({ records: [], next: undefined, behindMillis: 0 });
    }
  });

  test('are tried once', async () => {
    const { kinesis, sent } = answering(500, { __type: 'InternalFailure' });
    await failureOf(kinesis.records('i', 10, signal));
    kinesis.renew();
    await failureOf(kinesis.records('i', 10, signal));
    expect(sent.length).toBe(2);
  });
});

describe('failures are sorted by what can be done', () => {
  test.each([
    [400, 'ProvisionedThroughputExceededException', 'throttled'],
    [400, 'LimitExceededException', 'throttled'],
    [400, 'KMSThrottlingException', 'throttled'],
    [503, 'ServiceUnavailable', 'throttled'],
    [503, 'Unheard', 'throttled'],
    [429, 'Unheard', 'throttled'],
    [400, 'ExpiredIteratorException', 'expired'],
    [400, 'ExpiredNextTokenException', 'expired'],
    [500, 'InternalFailure', 'unreachable'],
    [502, 'Unheard', 'unreachable'],
    [400, 'ResourceInUseException', 'unreachable'],
    [400, 'ExpiredTokenException', 'stale'],
    [400, 'InvalidSignatureException', 'stale'],
    [400, 'ResourceNotFoundException', 'missing'],
    [400, 'AccessDeniedException', 'denied'],
    [400, 'UnrecognizedClientException', 'denied'],
    [403, 'Unheard', 'denied'],
    [400, 'InvalidArgumentException', 'rejected'],
    [400, 'ValidationException', 'rejected'],
    [404, 'Unheard', 'rejected'],
  ] as const)('%i %s', async (status, code, why) => {
    const { kinesis } = answering(status, { __type: code, message: 'said so' });
    const failure = await failureOf(kinesis.records('i', 10, signal));
    expect(failure.why).toBe(why);
    expect(failure.message).toContain('said so');
  });

  test.each([
    [200, '<html>'],
    [502, '<html>Bad Gateway</html>'],
    [200, { Records: 7 }],
  ])('an answer of no use: %i %j', async (status, answer) => {
    const failure = await failureOf(answering(status, answer).kinesis.records('i', 10, signal));
    expect(failure.why).toBe('unreachable');
  });

  test('no iterator in an answer', async () => {
    const failure = await failureOf(answering(200, {}).kinesis.iterator('a', 'b', { kind: 'latest' }, signal));
    expect(failure.why).toBe('unreachable');
  });

  test('no answer', () => {
    expect(classify(new TypeError('Failed to fetch'))).toMatchObject({
      why: 'unreachable',
      message: expect.stringContaining('Failed to fetch'),
    });
    expect(classify('text').why).toBe('unreachable');
    const failure = new Failure('stale', 'x');
    expect(classify(failure)).toBe(failure);
  });

  test('of an identity pool', () => {
    const said = (name: string, httpStatusCode: number): Error =>
      Object.assign(new Error('said so'), { name, $metadata: { httpStatusCode } });
    expect(classifyCredentials(said('ResourceNotFoundException', 400)).why).toBe('denied');
    expect(classifyCredentials(said('NotAuthorizedException', 400)).why).toBe('denied');
    expect(classifyCredentials(said('InvalidIdentityPoolConfigurationException', 400)).why).toBe('denied');
    expect(classifyCredentials(said('ValidationException', 400)).why).toBe('denied');
    expect(classifyCredentials(said('TooManyRequestsException', 400)).why).toBe('unreachable');
    expect(classifyCredentials(said('InternalErrorException', 500)).why).toBe('unreachable');
    expect(classifyCredentials(new TypeError('Failed to fetch')).why).toBe('unreachable');
  });

  test('without any credentials', async () => {
    const { region, stream, summaryStream } = CONFIG;
    const { kinesis, sent } = answering(200, {}, { region, stream, summaryStream });
    const failure = await failureOf(kinesis.records('i', 10, signal));
    expect(failure).toMatchObject({ why: 'denied', message: expect.stringContaining('neither an identity pool') });
    expect(sent).toEqual([]);
  });
});

describe('advice', () => {
  const aws: Config = { region: 'eu-west-1', stream: 'a', summaryStream: 'b', identityPoolId: 'eu-west-1:pool' };

  test('names the stream, where it should be, and how to make it', () => {
    const missing = new Failure('missing', 'x');
    const local = advise(missing, 'wildrydes', CONFIG);
    expect(local.problem).toBe('There is no stream wildrydes at http://127.0.0.1:4566.');
    expect(local.advice).toContain('cargo run -p local');
    expect(advise(missing, 'wildrydes', aws).problem).toContain('eu-west-1');
    expect(advise(missing, 'wildrydes', aws).advice).toContain('Deploy');
  });

  test('names the identity pool, and what the service said', () => {
    const denied = new Failure('denied', 'Unauthenticated access is not supported.');
    expect(advise(denied, 'wildrydes', aws).advice).toContain('eu-west-1:pool');
    expect(advise(denied, 'wildrydes', aws).problem).toContain('Unauthenticated access');
    expect(advise(denied, 'wildrydes', CONFIG).advice).toContain('127.0.0.1:4566');
    expect(advise(new Failure('rejected', 'said so'), 'wildrydes', aws).problem).toContain('said so');
  });
});
