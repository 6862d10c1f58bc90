import { type Cause, Failure } from './kinesis.ts';

/**
 * What the codes mean. They are those of GetRecords, GetShardIterator and ListShards and the common
 * errors (API reference), and those of Cognito's GetId and GetCredentialsForIdentity.
 */
const CAUSES: Readonly<Record<string, Cause>> = {
  ExpiredIteratorException: 'expired',
  ExpiredNextTokenException: 'expired',

  ProvisionedThroughputExceededException: 'throttled',
  LimitExceededException: 'throttled',
  KMSThrottlingException: 'throttled',
  ThrottlingException: 'throttled',
  Throttling: 'throttled',
  RequestLimitExceeded: 'throttled',
  TooManyRequestsException: 'throttled',
  SlowDown: 'throttled',
  ServiceUnavailable: 'throttled',
  ServiceUnavailableException: 'throttled',

  InternalFailure: 'unreachable',
  InternalFailureException: 'unreachable',
  // The stream is being created or changed and soon will not be.
  ResourceInUseException: 'unreachable',

  ExpiredToken: 'stale',
  ExpiredTokenException: 'stale',
  RequestExpired: 'stale',
  RequestTimeTooSkewed: 'stale',
  // What a clock that is wrong leads to; the SDK sets its own by the answer.
  InvalidSignatureException: 'stale',
  SignatureDoesNotMatch: 'stale',

  ResourceNotFoundException: 'missing',

  AccessDenied: 'denied',
  AccessDeniedException: 'denied',
  NotAuthorizedException: 'denied',
  UnrecognizedClientException: 'denied',
  InvalidClientTokenId: 'denied',
  IncompleteSignature: 'denied',
  MissingAuthenticationToken: 'denied',
  MissingAuthenticationTokenException: 'denied',
  OptInRequired: 'denied',
  KMSAccessDeniedException: 'denied',
};

/** Sorts what the SDK threw: an answer by its code and HTTP status; anything else is no answer. */
export function classify(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const { code, message, status } = take(error);
  const text = message === '' ? code : message;
  if (status === undefined) return new Failure('unreachable', `No answer: ${text}`);
  // An answer of success that could not be read is of no use either.
  if (status < 300) return new Failure('unreachable', `No answer of use: ${text}`);
  return new Failure(CAUSES[code] ?? causeOf(status), `${code}: ${text} (HTTP ${status})`);
}

/**
 * Sorts what Cognito threw: a pool that is not there, or that takes no guests, lets nobody in, while no answer may
 * pass.
 */
export function classifyCredentials(error: unknown): Failure {
  const { why, message } = classify(error);
  switch (why) {
    case 'missing':
    case 'rejected':
      return new Failure('denied', message);
    case 'throttled':
    case 'expired':
      return new Failure('unreachable', message);
    case 'unreachable':
    case 'stale':
    case 'denied':
      return new Failure(why, message);
  }
}

function causeOf(status: number): Cause {
  if (status === 429 || status === 503) return 'throttled';
  if (status === 408 || status >= 500) return 'unreachable';
  return status === 401 || status === 403 ? 'denied' : 'rejected';
}

/** What an SDK exception tells. */
interface Told {
  readonly code: string;
  readonly message: string;
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
}

function take(error: unknown): Told {
  if (!(error instanceof Error)) return { code: 'Error', message: String(error), status: undefined };
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  return { code: error.name, message: error.message, status };
}
