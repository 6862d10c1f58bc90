import { type Cause, Failure } from './kinesis.ts';

/**
 * Causes by error code. The codes are those of GetRecords, GetShardIterator and ListShards, the
 * common errors (API reference), and those of Cognito's GetId and GetCredentialsForIdentity.
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
  // The stream is being created or updated; that ends soon.
  ResourceInUseException: 'unreachable',

  ExpiredToken: 'stale',
  ExpiredTokenException: 'stale',
  RequestExpired: 'stale',
  RequestTimeTooSkewed: 'stale',
  // Caused by a wrong clock; the SDK corrects its own from the response.
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

/** Classifies an SDK error by its code and HTTP status; without a status there was no response. */
export function classify(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const { code, message, status } = detailsOf(error);
  const text = message === '' ? code : message;
  if (status === undefined) return new Failure('unreachable', `No response: ${text}`);
  // A successful response that cannot be parsed.
  if (status < 300) return new Failure('unreachable', `Invalid response: ${text}`);
  return new Failure(CAUSES[code] ?? causeOf(status), `${code}: ${text} (HTTP ${status})`);
}

/**
 * Classifies a Cognito error. A pool that is missing or does not allow guests means access is
 * denied; a missing response is transient.
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

/** The details of an SDK error. */
interface ErrorDetails {
  readonly code: string;
  readonly message: string;
  /** The HTTP status; `undefined` if there was no response. */
  readonly status: number | undefined;
}

function detailsOf(error: unknown): ErrorDetails {
  if (!(error instanceof Error)) return { code: 'Error', message: String(error), status: undefined };
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  return { code: error.name, message: error.message, status };
}
