//! Injects faults in front of the services: throttling, partial failures and lost responses, as
//! they occasionally occur on AWS.
//!
//! Only calls that carry data are affected. Calls that create or describe streams and tables are
//! only delayed, so that a cloud still starts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::MAX_REQUEST_BYTES;
use super::partial::{Operation, PartialCall};
use crate::faults::{FaultKind, Faults};
use crate::service_error::{ErrorFormat, error_response};

/// How long a delayed call waits, in milliseconds.
const DELAY_MILLIS: std::ops::RangeInclusive<u64> = 1..=300;

/// Passes a call on to the services, and injects faults into it.
///
/// The service is called once or not at all, and never interrupted: a response is dropped only
/// after the call has completed.
pub(super) async fn inject(
    State(faults): State<Arc<Faults>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(mut rng) = faults.inject(FaultKind::Delayed) {
        let pause = Duration::from_millis(rng.random_range(DELAY_MILLIS));
        tokio::time::sleep(pause).await;
    }
    let Some(call) = FaultyCall::of(request.headers()) else {
        return next.run(request).await;
    };
    let format = ErrorFormat::of(request.headers());
    if let Some(rng) = faults.inject(FaultKind::Throttled) {
        tracing::debug!(?call, "injected fault: throttled");
        return call.throttled(format, rng);
    }
    if call == FaultyCall::GetRecords && faults.inject(FaultKind::IteratorExpired).is_some() {
        tracing::debug!(?call, "injected fault: iterator expired");
        return format.response(
            StatusCode::BAD_REQUEST,
            "ExpiredIteratorException",
            "Iterator expired (an injected fault)",
        );
    }
    let failing = call.partial_fault().and_then(|(operation, kind)| {
        let rng = faults.inject(kind)?;
        Some((operation, kind, rng))
    });
    let response = match failing {
        Some((operation, kind, rng)) => match fail_some(operation, rng, request, next).await {
            Ok(response) => {
                tracing::debug!(?call, "injected fault: failed in part");
                response
            }
            Err(response) => {
                faults.undo(kind);
                response
            }
        },
        None => next.run(request).await,
    };
    match faults.inject(FaultKind::ResponseDropped) {
        Some(rng) => {
            tracing::debug!(?call, "injected fault: response dropped");
            cut_off(response, rng).await
        }
        None => response,
    }
}

/// A call that carries data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultyCall {
    PutRecords,
    GetRecords,
    OtherKinesis,
    BatchWriteItem,
    OtherDynamoDb,
    PutRecordBatch,
    OtherFirehose,
}

impl FaultyCall {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let target = headers.get("x-amz-target")?.to_str().ok()?;
        let (service, operation) = target.split_once('.')?;
        Some(match (service, operation) {
            ("Kinesis_20131202", "PutRecords") => Self::PutRecords,
            ("Kinesis_20131202", "GetRecords") => Self::GetRecords,
            ("Kinesis_20131202", "PutRecord" | "GetShardIterator") => Self::OtherKinesis,
            ("DynamoDB_20120810", "BatchWriteItem") => Self::BatchWriteItem,
            (
                "DynamoDB_20120810",
                "PutItem" | "UpdateItem" | "DeleteItem" | "GetItem" | "BatchGetItem" | "Query"
                | "Scan",
            ) => Self::OtherDynamoDb,
            ("Firehose_20150804", "PutRecordBatch") => Self::PutRecordBatch,
            ("Firehose_20150804", "PutRecord") => Self::OtherFirehose,
            _ => return None,
        })
    }

    /// If this is an operation on many records: which one, and the fault that fails some of them.
    fn partial_fault(self) -> Option<(Operation, FaultKind)> {
        match self {
            Self::PutRecords => Some((Operation::PutRecords, FaultKind::PutFailed)),
            Self::BatchWriteItem => Some((Operation::BatchWriteItem, FaultKind::Unprocessed)),
            Self::PutRecordBatch => Some((Operation::PutRecordBatch, FaultKind::RejectsFailed)),
            _ => None,
        }
    }

    /// The service's own throttling error.
    fn throttled(self, format: ErrorFormat, mut rng: ChaCha8Rng) -> Response {
        match self {
            Self::PutRecords | Self::GetRecords | Self::OtherKinesis => format.response(
                StatusCode::BAD_REQUEST,
                "ProvisionedThroughputExceededException",
                "Rate exceeded for a shard of the stream (an injected fault)",
            ),
            Self::BatchWriteItem | Self::OtherDynamoDb => {
                let kind = if rng.random_bool(0.5) {
                    "ProvisionedThroughputExceededException"
                } else {
                    "ThrottlingException"
                };
                let message = "The table's throughput is exceeded (an injected fault)";
                let mut response = error_response(StatusCode::BAD_REQUEST, kind, message);
                let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, content_type);
                response
            }
            Self::PutRecordBatch | Self::OtherFirehose => error_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
                "Slow down. (an injected fault)",
            ),
        }
    }
}

/// Calls the service without some of the records, and builds the response to the whole call.
///
/// # Errors
///
/// The response to send if the fault could not be injected: the request or the service's response
/// cannot be parsed, or the service failed the whole call.
async fn fail_some(
    operation: Operation,
    rng: ChaCha8Rng,
    request: Request,
    next: Next,
) -> Result<Response, Response> {
    let (mut parts, body) = request.into_parts();
    let format = ErrorFormat::of(&parts.headers);
    let Ok(body) = body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return Err(format.response(
            StatusCode::BAD_REQUEST,
            "SerializationException",
            "the request could not be read",
        ));
    };
    let Some(mut partial) = PartialCall::of(operation, format, &body, |count| choose(count, rng))
    else {
        let request = Request::from_parts(parts, Body::from(body));
        return Err(next.run(request).await);
    };
    let (mut head, body) = match partial.request.take() {
        None => (Response::new(()).into_parts().0, Bytes::new()),
        Some(remaining) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            let request = Request::from_parts(parts, Body::from(remaining));
            let response = next.run(request).await;
            if !response.status().is_success() {
                return Err(response);
            }
            let (head, body) = response.into_parts();
            let read = body::to_bytes(body, usize::MAX).await;
            (head, read.unwrap_or_default())
        }
    };
    let Some(body) = partial.response(&body) else {
        // The remaining records are written. The client cannot know that, and retries them all.
        return Err(format.response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            "the service's response could not be read",
        ));
    };
    head.headers.remove(header::CONTENT_LENGTH);
    let content_type = match operation {
        Operation::BatchWriteItem => HeaderValue::from_static("application/x-amz-json-1.0"),
        Operation::PutRecords | Operation::PutRecordBatch => format.content_type(),
    };
    head.headers.insert(header::CONTENT_TYPE, content_type);
    Ok(Response::from_parts(head, Body::from(body)))
}

/// Which of `count` records fail: at least one, sometimes all.
fn choose(count: usize, mut rng: ChaCha8Rng) -> Vec<bool> {
    if count == 0 {
        return Vec::new();
    }
    let share = rng.random_range(0.0..1.0);
    let mut failed: Vec<bool> = (0..count).map(|_| rng.random_bool(share)).collect();
    failed[rng.random_range(0..count)] = true;
    failed
}

/// Closes the connection instead of sending the response, or in the middle of it.
async fn cut_off(response: Response, mut rng: ChaCha8Rng) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let start = if rng.random_bool(0.5) {
        None
    } else {
        Some(whole.slice(..rng.random_range(0..=whole.len())))
    };
    // One byte more than there is, so that no prefix of the body is a complete response.
    let length = HeaderValue::from(whole.len() + 1);
    parts.headers.insert(header::CONTENT_LENGTH, length);
    let broken = stream::once(async {
        // Lets the bytes before this go out first.
        tokio::task::yield_now().await;
        Err(io::Error::other("injected fault: response dropped"))
    });
    let body = match start {
        Some(start) => Body::from_stream(stream::once(async { Ok(start) }).chain(broken)),
        None => Body::from_stream(stream::once(async {
            Err::<Bytes, _>(io::Error::other("injected fault: response dropped"))
        })),
    };
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use rand::SeedableRng as _;
    use tokio::time::Instant;
    use tower::ServiceExt as _;

    use super::*;

    fn call(target: &'static str) -> Option<FaultyCall> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", HeaderValue::from_static(target));
        FaultyCall::of(&headers)
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_call_reaches_the_service_after_the_delay() {
        let service = || async { format!("{:?}", Instant::now()) };
        let faults = Arc::new(Faults::parse("delayed@1,delayed@3", 7).unwrap());
        let layer = from_fn_with_state(Arc::clone(&faults), inject);
        let router = Router::new().route("/", post(service)).layer(layer);
        let same = Faults::parse("delayed@1,delayed@3", 7).unwrap();
        for _ in 0..3 {
            let rng = same.inject(FaultKind::Delayed);
            let delay = rng.map_or(0, |mut rng| rng.random_range(DELAY_MILLIS));
            let due = Instant::now() + Duration::from_millis(delay);
            let request = Request::post("/").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let body = body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert_eq!(body, format!("{due:?}"));
        }
        assert_eq!(faults.injected(FaultKind::Delayed), 2);
    }

    #[test]
    fn calls_that_start_a_cloud_get_no_faults() {
        for target in [
            "Kinesis_20131202.CreateStream",
            "Kinesis_20131202.DescribeStreamSummary",
            "Kinesis_20131202.ListShards",
            "Kinesis_20131202.SplitShard",
            "DynamoDB_20120810.CreateTable",
            "DynamoDB_20120810.ListTables",
            "Firehose_20150804.CreateDeliveryStream",
            "Kinesis_20131202",
            "",
        ] {
            assert_eq!(call(target), None, "{target}");
        }
        assert_eq!(FaultyCall::of(&HeaderMap::new()), None);
        // Two services have an operation of this name.
        assert_eq!(
            call("Kinesis_20131202.PutRecord"),
            Some(FaultyCall::OtherKinesis)
        );
        assert_eq!(
            call("Firehose_20150804.PutRecord"),
            Some(FaultyCall::OtherFirehose)
        );
    }

    #[test]
    fn at_least_one_record_fails_and_sometimes_all() {
        let failed = |count, seed| {
            let failed = choose(count, ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(failed.len(), count);
            failed.into_iter().filter(|failed| *failed).count()
        };
        let counts: Vec<usize> = (0..200).map(|seed| failed(10, seed)).collect();
        assert!(counts.iter().all(|count| *count >= 1));
        assert!(counts.contains(&1) && counts.contains(&5) && counts.contains(&10));
        assert_eq!(failed(1, 0), 1);
        assert_eq!(failed(0, 0), 0);
    }
}
