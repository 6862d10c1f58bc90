import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type GetShardIteratorCommandInput,
  KinesisClient,
  type KinesisClientConfig,
  ListShardsCommand,
  type _Record,
  type Shard as AwsShard,
} from '@aws-sdk/client-kinesis';
import { fromCognitoIdentityPool } from '@aws-sdk/credential-providers';

import type { Config } from '../config.ts';
import { classify, classifyCredentials } from './classify.ts';
import {
  Failure,
  type Kinesis,
  type ReadResult,
  type Shard,
  type ShardPage,
  type Start,
  type StreamRecord,
} from './kinesis.ts';

/** Sends the client's HTTP requests. */
export type RequestHandler = NonNullable<KinesisClientConfig['requestHandler']>;

/** Calls Kinesis through the SDK, with the SDK's retries turned off. */
export class AwsKinesis implements Kinesis {
  readonly #config: Config;
  readonly #requestHandler: RequestHandler | undefined;
  #client: KinesisClient;

  /** Sends nothing before the first call. `requestHandler` replaces the SDK's own. */
  constructor(config: Config, requestHandler?: RequestHandler) {
    this.#config = config;
    this.#requestHandler = requestHandler;
    this.#client = this.#connect();
  }

  async listShards(stream: string, token: string | undefined, signal: AbortSignal): Promise<ShardPage> {
    // Kinesis accepts either the name or the token, not both.
    const command = new ListShardsCommand(token === undefined ? { StreamName: stream } : { NextToken: token });
    return await classified(async () => {
      const { Shards, NextToken } = await this.#client.send(command, { abortSignal: signal });
      return { shards: (Shards ?? []).map(toShard), token: isText(NextToken) ? NextToken : undefined };
    });
  }

  async iterator(stream: string, shard: string, start: Start, signal: AbortSignal): Promise<string> {
    const command = new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...toInput(start) });
    return await classified(async () => {
      const { ShardIterator } = await this.#client.send(command, { abortSignal: signal });
      if (!isText(ShardIterator)) throw new Failure('unreachable', 'Invalid response: it has no iterator');
      return ShardIterator;
    });
  }

  async records(iterator: string, limit: number, signal: AbortSignal): Promise<ReadResult> {
    const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: limit });
    return await classified(async () => {
      const output = await this.#client.send(command, { abortSignal: signal });
      return {
        records: (output.Records ?? []).map(toRecord),
        // AWS omits the field at the end of a shard; some local implementations send null.
        next: isText(output.NextShardIterator) ? output.NextShardIterator : undefined,
        lagMillis: output.MillisBehindLatest ?? 0,
      };
    });
  }

  renew(): void {
    // Calls in flight keep their client.
    this.#client = this.#connect();
  }

  #connect(): KinesisClient {
    const { region, endpoint } = this.#config;
    return new KinesisClient({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(this.#requestHandler === undefined ? {} : { requestHandler: this.#requestHandler }),
      credentials: this.#credentials(),
      maxAttempts: 1,
    });
  }

  #credentials(): NonNullable<KinesisClientConfig['credentials']> {
    const { endpoint, identityPoolId } = this.#config;
    if (endpoint !== undefined) return { accessKeyId: 'local', secretAccessKey: 'local' };
    if (identityPoolId === undefined) {
      const failure = new Failure('denied', 'The configuration names neither an identity pool nor an endpoint.');
      return () => Promise.reject(failure);
    }
    // A pool id starts with its region.
    const region = identityPoolId.split(':', 1).join();
    const guest = fromCognitoIdentityPool({ identityPoolId, clientConfig: { region, maxAttempts: 1 } });
    return async () => {
      try {
        return await guest();
      } catch (error) {
        throw classifyCredentials(error);
      }
    };
  }
}

async function classified<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw classify(error);
  }
}

function toInput(start: Start): Pick<
  GetShardIteratorCommandInput,
  'ShardIteratorType' | 'Timestamp' | 'StartingSequenceNumber'
> {
  switch (start.kind) {
    case 'horizon':
      return { ShardIteratorType: 'TRIM_HORIZON' };
    case 'latest':
      return { ShardIteratorType: 'LATEST' };
    case 'time':
      return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(start.millis) };
    case 'after':
      return { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: start.sequenceNumber };
  }
}

function toShard(shard: AwsShard): Shard {
  const parents = [shard.ParentShardId, shard.AdjacentParentShardId];
  return {
    id: shard.ShardId ?? '',
    parents: parents.filter((parent) => isText(parent)),
    isClosed: isText(shard.SequenceNumberRange?.EndingSequenceNumber),
  };
}

function toRecord(record: _Record): StreamRecord {
  return {
    sequenceNumber: record.SequenceNumber ?? '',
    arrival: record.ApproximateArrivalTimestamp?.getTime() ?? Date.now(),
    data: record.Data ?? new Uint8Array(),
  };
}

function isText(value: string | null | undefined): value is string {
  return typeof value === 'string' && value !== '';
}
