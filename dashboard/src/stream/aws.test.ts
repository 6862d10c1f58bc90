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

/** A Kinesis client that gets the same response to every request. */
function respondingWith(status: number, content: unknown, config = CONFIG): { kinesis: AwsKinesis; sent: Sent[] } {
  const sent: Sent[] = [];
  const handler = {
    handle: (request: Request) => {
      const { 'x-amz-target': target, authorization } = request.headers;
      const { body } = request;
      const input: unknown = JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body));
      sent.push({ target, authorization, input });
      const text = typeof content === 'string' ? content : JSON.stringify(content);
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
  throw new Error('the call did not fail');
}

describe('calls', () => {
  test('list shards by stream name, and further pages by token', async () => {
    const { kinesis, sent } = respondingWith(200, {
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

  test('get an iterator for each kind of start', async () => {
    const { kinesis, sent } = respondingWith(200, { ShardIterator: 'i' });
    const starts = [
      { kind: 'horizon' },
      { kind: 'latest' },
      { kind: 'time', millis: 1_500 },
      { kind: 'after', sequenceNumber: '7' },
    ] as const;
    for (const start of starts) expect(await kinesis.iterator('wildrydes', 'a', start, signal)).toBe('i');
    const shard = { StreamName: 'wildrydes', ShardId: 'a' };
    expect(sent.map(({ input }) => input)).toEqual([
      { ...shard, ShardIteratorType: 'TRIM_HORIZON' },
      { ...shard, ShardIteratorType: 'LATEST' },
      { ...shard, ShardIteratorType: 'AT_TIMESTAMP', Timestamp: 1.5 },
      { ...shard, ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: '7' },
    ]);
  });

  test('read records, and detect the end of a shard', async () => {
    const record = { SequenceNumber: '7', ApproximateArrivalTimestamp: 1.5, Data: 'aGk=', PartitionKey: 'x' };
    const open = respondingWith(200, { Records: [record], NextShardIterator: 'j', MillisBehindLatest: 5 });
    const result = await open.kinesis.records('i', 10, signal);
    expect(result).toEqual({
      records: [{ sequenceNumber: '7', arrival: 1_500, data: expect.any(Uint8Array) }],
      next: 'j',
      lagMillis: 5,
    });
    expect(new TextDecoder().decode(result.records[0]?.data)).toBe('hi');
    expect(open.sent[0]?.input).toEqual({ ShardIterator: 'i', Limit: 10 });
    for (const end of [{ Records: [] }, { Records: [], NextShardIterator: null, MillisBehindLatest: 0 }]) {
      const closed = await respondingWith(200, end).kinesis.records('i', 10, signal);
      expect(closed).toEqual({ records: [], next: undefined, lagMillis: 0 });
    }
  });

  test('are not retried', async () => {
    const { kinesis, sent } = respondingWith(500, { __type: 'InternalFailure' });
    await failureOf(kinesis.records('i', 10, signal));
    kinesis.renew();
    await failureOf(kinesis.records('i', 10, signal));
    expect(sent.length).toBe(2);
  });
});

describe('failures are classified', () => {
  test.each([
    [400, 'ProvisionedThroughputExceededException', 'throttled'],
    [400, 'LimitExceededException', 'throttled'],
    [400, 'KMSThrottlingException', 'throttled'],
    [503, 'ServiceUnavailable', 'throttled'],
    [503, 'UnknownCode', 'throttled'],
    [429, 'UnknownCode', 'throttled'],
    [400, 'ExpiredIteratorException', 'expired'],
    [400, 'ExpiredNextTokenException', 'expired'],
    [500, 'InternalFailure', 'unreachable'],
    [502, 'UnknownCode', 'unreachable'],
    [400, 'ResourceInUseException', 'unreachable'],
    [400, 'ExpiredTokenException', 'stale'],
    [400, 'InvalidSignatureException', 'stale'],
    [400, 'ResourceNotFoundException', 'missing'],
    [400, 'AccessDeniedException', 'denied'],
    [400, 'UnrecognizedClientException', 'denied'],
    [403, 'UnknownCode', 'denied'],
    [400, 'InvalidArgumentException', 'rejected'],
    [400, 'ValidationException', 'rejected'],
    [404, 'UnknownCode', 'rejected'],
  ] as const)('%i %s', async (status, code, why) => {
    const { kinesis } = respondingWith(status, { __type: code, message: 'the reason' });
    const failure = await failureOf(kinesis.records('i', 10, signal));
    expect(failure.why).toBe(why);
    expect(failure.message).toContain('the reason');
  });

  test.each([
    [200, '<html>'],
    [502, '<html>Bad Gateway</html>'],
    [200, { Records: 7 }],
  ])('invalid response: %i %j', async (status, response) => {
    const failure = await failureOf(respondingWith(status, response).kinesis.records('i', 10, signal));
    expect(failure.why).toBe('unreachable');
  });

  test('a response without an iterator', async () => {
    const failure = await failureOf(respondingWith(200, {}).kinesis.iterator('a', 'b', { kind: 'latest' }, signal));
    expect(failure.why).toBe('unreachable');
  });

  test('no response', () => {
    expect(classify(new TypeError('Failed to fetch'))).toMatchObject({
      why: 'unreachable',
      message: expect.stringContaining('Failed to fetch'),
    });
    expect(classify('text').why).toBe('unreachable');
    const failure = new Failure('stale', 'x');
    expect(classify(failure)).toBe(failure);
  });

  test('from an identity pool', () => {
    const cognitoError = (name: string, httpStatusCode: number): Error =>
      Object.assign(new Error('the reason'), { name, $metadata: { httpStatusCode } });
    expect(classifyCredentials(cognitoError('ResourceNotFoundException', 400)).why).toBe('denied');
    expect(classifyCredentials(cognitoError('NotAuthorizedException', 400)).why).toBe('denied');
    expect(classifyCredentials(cognitoError('InvalidIdentityPoolConfigurationException', 400)).why).toBe('denied');
    expect(classifyCredentials(cognitoError('ValidationException', 400)).why).toBe('denied');
    expect(classifyCredentials(cognitoError('TooManyRequestsException', 400)).why).toBe('unreachable');
    expect(classifyCredentials(cognitoError('InternalErrorException', 500)).why).toBe('unreachable');
    expect(classifyCredentials(new TypeError('Failed to fetch')).why).toBe('unreachable');
  });

  test('without credentials', async () => {
    const { region, stream, summaryStream } = CONFIG;
    const { kinesis, sent } = respondingWith(200, {}, { region, stream, summaryStream });
    const failure = await failureOf(kinesis.records('i', 10, signal));
    expect(failure).toMatchObject({ why: 'denied', message: expect.stringContaining('neither an identity pool') });
    expect(sent).toEqual([]);
  });
});

describe('advice', () => {
  const aws: Config = { region: 'eu-west-1', stream: 'a', summaryStream: 'b', identityPoolId: 'eu-west-1:pool' };

  test('names the stream, its location and how to create it', () => {
    const missing = new Failure('missing', 'x');
    const local = advise(missing, 'wildrydes', CONFIG);
    expect(local.problem).toBe('Stream wildrydes does not exist at http://127.0.0.1:4566.');
    expect(local.advice).toContain('cargo run -p local');
    expect(advise(missing, 'wildrydes', aws).problem).toContain('eu-west-1');
    expect(advise(missing, 'wildrydes', aws).advice).toContain('Deploy');
  });

  test('names the identity pool and quotes the service', () => {
    const denied = new Failure('denied', 'Unauthenticated access is not supported.');
    expect(advise(denied, 'wildrydes', aws).advice).toContain('eu-west-1:pool');
    expect(advise(denied, 'wildrydes', aws).problem).toContain('Unauthenticated access');
    expect(advise(denied, 'wildrydes', CONFIG).advice).toContain('127.0.0.1:4566');
    expect(advise(new Failure('rejected', 'the reason'), 'wildrydes', aws).problem).toContain('the reason');
  });
});
