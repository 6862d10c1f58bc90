import { localCommand } from '../commands.ts';
import type { Config } from '../config.ts';
import type { Failure } from './kinesis.ts';

/** Why a stream cannot be read, and what to do about it. */
export interface Advice {
  readonly problem: string;
  readonly advice: string;
}

/** Explains a permanent failure to read `stream`, in sentences for the user. */
export function advise(failure: Failure, stream: string, config: Config): Advice {
  const { region, endpoint, identityPoolId } = config;
  const where = endpoint ?? region;
  switch (failure.why) {
    case 'missing':
      return {
        problem: `Stream ${stream} does not exist at ${where}.`,
        advice:
          endpoint === undefined
            ? `Deploy the application to ${region}, or set the stack's region and stream names in config.json. Then reload the page.`
            : `Start the local cloud, which creates the stream: ${localCommand(endpoint)}. Then reload the page.`,
      };
    case 'denied':
      return {
        problem: `Access to stream ${stream} at ${where} is denied. ${failure.message}`,
        advice:
          endpoint === undefined
            ? `Check identity pool ${identityPoolId ?? '(not configured)'}: it must allow guest access, and the guest role must allow kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on the stream. Also check this computer's clock. Then reload the page.`
            : `Check that the local cloud runs at ${endpoint}. Then reload the page.`,
      };
    default:
      return {
        problem: `Stream ${stream} at ${where} cannot be read. ${failure.message}`,
        advice: 'Check the names, the region and the endpoint in config.json. Then reload the page.',
      };
  }
}
