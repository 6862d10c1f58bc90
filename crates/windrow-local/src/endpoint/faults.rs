//! Faults in front of the services: what a client meets on AWS now and then, met here on purpose.
//!
//! They are injected into calls that carry data. Those that make or describe streams and tables are only
//! delayed, so that a cloud still starts while everything else goes wrong.

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
use crate::service_error::error_response;

/// How long a delayed call waits, in milliseconds.
const DELAY_MILLIS: std::ops::RangeInclusive<u64> = 1..=300;

/// Passes a call on to the services, but for what is injected it.
///
/// Nothing waits or is held back while the service is at work: it is called once or not at all, and
/// an answer is lost after the call is done.
pub(super) async fn inject(
    State(faults): State<Arc<Faults>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(mut drawn) = faults.draw(FaultKind::Delayed) {
        let pause = Duration::from_millis(drawn.random_range(DELAY_MILLIS));
        tokio::time::sleep(pause).await;
    }
    let Some(call) = FaultyCall::of(request.headers()) else {
        return next.run(request).await;
    };
    if let Some(drawn) = faults.draw(FaultKind::Throttled) {
        tracing::debug!(?call, "throttled on purpose");
        return call.throttled(drawn);
    }
    if call == FaultyCall::GetRecords && faults.draw(FaultKind::IteratorExpired).is_some() {
        tracing::debug!(?call, "iterator expired on purpose");
        return error_response(
            StatusCode::BAD_REQUEST,
            "ExpiredIteratorException",
            "Iterator expired (a fault on purpose)",
        );
    }
    let failing = call.of_many().and_then(|(operation, kind)| {
        let drawn = faults.draw(kind)?;
        Some((operation, kind, drawn))
    });
    let response = match failing {
        Some((operation, kind, drawn)) => match fail_some(operation, drawn, request, next).await {
            Ok(response) => {
                tracing::debug!(?call, "failed in part on purpose");
                response
            }
            Err(response) => {
                faults.missed(kind);
                response
            }
        },
        None => next.run(request).await,
    };
    match faults.draw(FaultKind::AnswerDropped) {
        Some(drawn) => {
            tracing::debug!(?call, "answer dropped on purpose");
            cut_off(response, drawn).await
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

    /// The operation of many records that it is, and the fault that fails some of them.
    fn of_many(self) -> Option<(Operation, FaultKind)> {
        match self {
            Self::PutRecords => Some((Operation::PutRecords, FaultKind::PutFailed)),
            Self::BatchWriteItem => Some((Operation::BatchWriteItem, FaultKind::Unprocessed)),
            Self::PutRecordBatch => Some((Operation::PutRecordBatch, FaultKind::RejectsFailed)),
            _ => None,
        }
    }

    /// The service's own way to say that this is too much at once.
    fn throttled(self, mut drawn: ChaCha8Rng) -> Response {
        match self {
            Self::PutRecords | Self::GetRecords | Self::OtherKinesis => error_response(
                StatusCode::BAD_REQUEST,
                "ProvisionedThroughputExceededException",
                "Rate exceeded for a shard of the stream (a fault on purpose)",
            ),
            Self::BatchWriteItem | Self::OtherDynamoDb => {
                let kind = if drawn.random_bool(0.5) {
                    "ProvisionedThroughputExceededException"
                } else {
                    "ThrottlingException"
                };
                let message = "The table's throughput is exceeded (a fault on purpose)";
                let mut response = error_response(StatusCode::BAD_REQUEST, kind, message);
                let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, content_type);
                response
            }
            Self::PutRecordBatch | Self::OtherFirehose => error_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
                "Slow down. (a fault on purpose)",
            ),
        }
    }
}

/// Calls the service without some of the records, and answers for the whole.
///
/// # Errors
///
/// The answer to give where no record could be made to fail: the request cannot be read, or the service failed
/// it whole.
async fn fail_some(
    operation: Operation,
    drawn: ChaCha8Rng,
    request: Request,
    next: Next,
) -> Result<Response, Response> {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return Err(error_response(
            StatusCode::BAD_REQUEST,
            "SerializationException",
            "the request could not be read",
        ));
    };
    let Some(mut part) = PartialCall::of(operation, &body, |count| choose(count, drawn)) else {
        let request = Request::from_parts(parts, Body::from(body));
        return Err(next.run(request).await);
    };
    let (mut head, answer) = match part.request.take() {
        None => (Response::new(()).into_parts().0, Bytes::from_static(b"{}")),
        Some(left) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            let request = Request::from_parts(parts, Body::from(left));
            let response = next.run(request).await;
            if !response.status().is_success() {
                return Err(response);
            }
            let (head, body) = response.into_parts();
            let read = body::to_bytes(body, usize::MAX).await;
            (head, read.unwrap_or_default())
        }
    };
    let Some(answer) = part.answer(&answer) else {
        // What is left of the call is done; the client cannot know, and sends it all again.
        return Err(error_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            "the service's answer could not be read",
        ));
    };
    head.headers.remove(header::CONTENT_LENGTH);
    let content_type = match operation {
        Operation::BatchWriteItem => "application/x-amz-json-1.0",
        Operation::PutRecords | Operation::PutRecordBatch => "application/x-amz-json-1.1",
    };
    let content_type = HeaderValue::from_static(content_type);
    head.headers.insert(header::CONTENT_TYPE, content_type);
    Ok(Response::from_parts(head, Body::from(answer)))
}

/// Which of `count` records fail: at least one, now and then all.
fn choose(count: usize, mut drawn: ChaCha8Rng) -> Vec<bool> {
    if count == 0 {
        return Vec::new();
    }
    let share = drawn.random_range(0.0..1.0);
    let mut failed: Vec<bool> = (0..count).map(|_| drawn.random_bool(share)).collect();
    failed[drawn.random_range(0..count)] = true;
    failed
}

/// Closes the connection where the answer should come, or in the middle of it.
async fn cut_off(response: Response, mut drawn: ChaCha8Rng) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let start = if drawn.random_bool(0.5) {
        None
    } else {
        Some(whole.slice(..drawn.random_range(0..=whole.len())))
    };
    // One byte more is promised than there is, so that no part of it is a whole answer.
    let promised = HeaderValue::from(whole.len() + 1);
    parts.headers.insert(header::CONTENT_LENGTH, promised);
    let broken = stream::once(async {
        // What was sent so far leaves first.
        tokio::task::yield_now().await;
        Err(io::Error::other("the answer is dropped on purpose"))
    });
    let body = match start {
        Some(start) => Body::from_stream(stream::once(async { Ok(start) }).chain(broken)),
        None => Body::from_stream(stream::once(async {
            Err::<Bytes, _>(io::Error::other("the answer is dropped on purpose"))
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
    async fn a_delayed_call_reaches_the_service_after_its_time() {
        let service = || async { format!("{:?}", Instant::now()) };
        let faults = Arc::new(Faults::parse("delayed@1,delayed@3", 7).unwrap());
        let layer = from_fn_with_state(Arc::clone(&faults), inject);
        let router = Router::new().route("/", post(service)).layer(layer);
        let same = Faults::parse("delayed@1,delayed@3", 7).unwrap();
        for _ in 0..3 {
            let drawn = same.draw(FaultKind::Delayed);
            let delay = drawn.map_or(0, |mut drawn| drawn.random_range(DELAY_MILLIS));
            let due = Instant::now() + Duration::from_millis(delay);
            let request = Request::post("/").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let body = body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert_eq!(body, format!("{due:?}"));
        }
        assert_eq!(faults.injected(FaultKind::Delayed), 2);
    }

    #[test]
    fn calls_that_start_a_cloud_are_not_injected() {
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
        // A name that two services have.
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
    fn of_many_records_some_are_failed_and_at_times_all() {
        let failed = |count, seed| {
            let places = choose(count, ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(places.len(), count);
            places.into_iter().filter(|failed| *failed).count()
        };
        let counts: Vec<usize> = (0..200).map(|seed| failed(10, seed)).collect();
        assert!(counts.iter().all(|count| *count >= 1));
        assert!(counts.contains(&1) && counts.contains(&5) && counts.contains(&10));
        assert_eq!(failed(1, 0), 1);
        assert_eq!(failed(0, 0), 0);
    }
}
