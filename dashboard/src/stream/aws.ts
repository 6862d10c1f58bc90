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
  type Answer,
  Failure,
  type Kinesis,
  type Listing,
  type Place,
  type Shard,
  type StreamRecord,
} from './kinesis.ts';

/** The handler of a client's HTTP requests. */
export type RequestHandler = NonNullable<KinesisClientConfig['requestHandler']>;

/** Kinesis as the SDK reaches it. Its own retries are off. */
export class AwsKinesis implements Kinesis {
  readonly #config: Config;
  readonly #requestHandler: RequestHandler | undefined;
  #client: KinesisClient;

  /** Nothing is asked of anybody before the first call. `requestHandler` takes the place of the SDK's own. */
  constructor(config: Config, requestHandler?: RequestHandler) {
    this.#config = config;
    this.#requestHandler = requestHandler;
    this.#client = this.#connect();
  }

  async listShards(stream: string, token: string | undefined, signal: AbortSignal): Promise<Listing> {
    // Kinesis takes the name or the token, never both.
    const command = new ListShardsCommand(token === undefined ? { StreamName: stream } : { NextToken: token });
    return await sorted(async () => {
      const { Shards, NextToken } = await this.#client.send(command, { abortSignal: signal });
      return { shards: (Shards ?? []).map(toShard), token: isText(NextToken) ? NextToken : undefined };
    });
  }

  async iterator(stream: string, shard: string, place: Place, signal: AbortSignal): Promise<string> {
    const command = new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...toInput(place) });
    return await sorted(async () => {
      const { ShardIterator } = await this.#client.send(command, { abortSignal: signal });
      if (!isText(ShardIterator)) throw new Failure('unreachable', 'No answer of use: there is no iterator in it.');
      return ShardIterator;
    });
  }

  async records(iterator: string, limit: number, signal: AbortSignal): Promise<Answer> {
    const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: limit });
    return await sorted(async () => {
      const answer = await this.#client.send(command, { abortSignal: signal });
      return {
        records: (answer.Records ?? []).map(toRecord),
        // Some say null where AWS says nothing.
        next: isText(answer.NextShardIterator) ? answer.NextShardIterator : undefined,
        behindMillis: answer.MillisBehindLatest ?? 0,
      };
    });
  }

  renew(): void {
    // Calls that are under way go on with the client they have.
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
    // The id begins with the pool's region.
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

async function sorted<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw classify(error);
  }
}

function toInput(place: Place): Pick<
  GetShardIteratorCommandInput,
  'ShardIteratorType' | 'Timestamp' | 'StartingSequenceNumber'
> {
  switch (place.kind) {
    case 'horizon':
      return { ShardIteratorType: 'TRIM_HORIZON' };
    case 'latest':
      return { ShardIteratorType: 'LATEST' };
    case 'time':
      return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(place.millis) };
    case 'after':
      return { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: place.sequence };
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
    sequence: record.SequenceNumber ?? '',
    arrival: record.ApproximateArrivalTimestamp?.getTime() ?? Date.now(),
    data: record.Data ?? new Uint8Array(),
  };
}

function isText(value: string | null | undefined): value is string {
  return typeof value === 'string' && value !== '';
}
