import type { Config } from '../config.ts';
import type { Failure } from './kinesis.ts';

/** What is told of a stream that cannot be read. */
export interface Advice {
  readonly problem: string;
  /** What to do about it. */
  readonly advice: string;
}

/** What went wrong with `stream`, and what to do about it, in sentences. */
export function advise(failure: Failure, stream: string, config: Config): Advice {
  const { region, endpoint, identityPoolId } = config;
  const where = endpoint ?? region;
  switch (failure.why) {
    case 'missing':
      return {
        problem: `There is no stream ${stream} at ${where}.`,
        advice:
          endpoint === undefined
            ? `Deploy the application to ${region}, or put the names of the stack's streams and its region into config.json. Then reload the page.`
            : 'Start the local cloud, which makes it: cargo run -p local. Then reload the page.',
      };
    case 'denied':
      return {
        problem: `The page may not read stream ${stream} at ${where}. ${failure.message}`,
        advice:
          endpoint === undefined
            ? `Check identity pool ${identityPoolId ?? '(none is configured)'}: it must let guests in, and their role must allow kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on the stream. Check this computer's clock, too. Then reload the page.`
            : `Check that the local cloud is what answers at ${endpoint}. Then reload the page.`,
      };
    default:
      return {
        problem: `Stream ${stream} at ${where} cannot be read. ${failure.message}`,
        advice: 'Check the names, the region and the endpoint in config.json. Then reload the page.',
      };
  }
}
