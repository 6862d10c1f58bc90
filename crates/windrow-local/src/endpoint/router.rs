//! Routes requests to the services.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::body::{self, Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ferrokinesis::store::Store;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::RwLock;
use tower::ServiceExt as _;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::MAX_REQUEST_BYTES;
use super::dynamodb::DynamoDb;
use super::faults::inject;
use super::kinesis::{self, AtTimestamp};
use super::reads::ReadLimit;
use super::{arrival, iterator};
use crate::clock::Clock;
use crate::faults::Faults;
use crate::firehose::{self, Firehose};
use crate::server::{BodyTooLarge, is_this_machine};
use crate::service_error::error_response;

/// The services behind the endpoint.
pub(super) struct Services {
    pub(super) region: String,
    pub(super) kinesis: Router,
    pub(super) store: Store,
    /// The clock of the arrival times.
    pub(super) clock: Clock,
    /// The streams that are closed to writers. The lock also orders calls: a read holds it
    /// exclusively, and all other calls share it.
    pub(super) kinesis_order: RwLock<Vec<String>>,
    /// The limit on reads per shard, if there is one.
    pub(super) read_limit: Option<ReadLimit>,
    pub(super) dynamodb: DynamoDb,
    pub(super) firehose: Firehose,
    /// The dashboard's URL, once it is served.
    pub(super) dashboard: OnceLock<String>,
}

impl fmt::Debug for Services {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Services").finish_non_exhaustive()
    }
}

impl Services {
    /// Closes `stream` to writers. When this returns, all writes in flight are done.
    pub(super) async fn close_stream(&self, stream: &str) {
        self.kinesis_order.write().await.push(stream.to_owned());
    }
}

/// All service calls, and nothing else, go through [`dispatch`]. So the fault layer on that one
/// route can delay, drop or answer any of them.
pub(super) fn router(services: Arc<Services>, faults: Arc<Faults>) -> Router {
    let calls = post(dispatch).layer(from_fn_with_state(faults, inject));
    Router::new()
        .route("/", calls.get(describe))
        .route("/_local", get(describe))
        .with_state(services)
        // The server has its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(cors())
}

async fn dispatch(State(services): State<Arc<Services>>, mut request: Request) -> Response {
    if let Some(rejection) = rejection(&request) {
        return rejection;
    }
    // Without an origin, no service adds CORS headers of its own; the layer around this adds them
    // for all.
    request.headers_mut().remove(header::ORIGIN);
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|value| value.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    let (service, operation) = target.split_once('.').unwrap_or((&target, ""));
    match service {
        "Kinesis_20131202" => {
            if operation == "CreateStream" {
                request = match kinesis::with_shard_count(request).await {
                    Ok(request) => request,
                    Err(response) => return response,
                };
            }
            call_kinesis(&services, operation, request).await
        }
        "DynamoDB_20120810" => {
            let (head, body) = read(request).await;
            services.dynamodb.call(operation, &head.headers, body).await
        }
        "Firehose_20150804" => {
            let (_, body) = read(request).await;
            firehose::call(&services.firehose, operation, &body).await
        }
        "" => error_response(
            StatusCode::BAD_REQUEST,
            "UnknownOperationException",
            "the X-Amz-Target header is missing",
        ),
        _ => error_response(
            StatusCode::BAD_REQUEST,
            "UnknownOperationException",
            &format!(
                "{target} is not served here: the local cloud has Kinesis, DynamoDB and Firehose"
            ),
        ),
    }
}

/// The error response if a request does not have the form of a service call. Requests that a web
/// page can send without a CORS preflight have neither the services' content types nor the header
/// with the operation.
fn rejection(request: &Request) -> Option<Response> {
    const TYPES: [&str; 5] = [
        "application/json",
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.1",
        "application/cbor",
        "application/x-amz-cbor-1.1",
    ];

    if request.extensions().get::<BodyTooLarge>().is_some() {
        return Some(error_response(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            &format!("the request is larger than {MAX_REQUEST_BYTES} bytes"),
        ));
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if TYPES
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
    {
        return None;
    }
    Some(error_response(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UnknownOperationException",
        &format!("no service accepts the content type `{media_type}`"),
    ))
}

/// Splits a request into head and body. The server has read the body already.
async fn read(request: Request) -> (Parts, Bytes) {
    let (head, body) = request.into_parts();
    let body = body::to_bytes(body, usize::MAX).await;
    (head, body.unwrap_or_default())
}

/// Calls Kinesis. Never reads while a write is in flight.
///
/// `ferrokinesis` assigns sequence numbers before it stores the records. A read in between could
/// return a later record, move its iterator past the earlier one, and lose it.
async fn call_kinesis(services: &Services, operation: &str, request: Request) -> Response {
    let (parts, body) = read(request).await;
    let call = KinesisCall {
        services,
        parts,
        body,
    };
    match operation {
        "GetRecords" => call.get_records().await,
        "PutRecord" | "PutRecords" => call.put().await,
        "GetShardIterator" => match AtTimestamp::parse(&call.body) {
            Some(requested) => call.iterator_at(requested).await,
            None => call.iterator().await,
        },
        _ => {
            let _no_reads = services.kinesis_order.read().await;
            call.send().await
        }
    }
}

/// A call to `ferrokinesis`.
struct KinesisCall<'a> {
    services: &'a Services,
    parts: Parts,
    body: Bytes,
}

impl KinesisCall<'_> {
    async fn send(&self) -> Response {
        self.send_body(self.body.clone()).await
    }

    async fn send_body(&self, body: Bytes) -> Response {
        let mut parts = self.parts.clone();
        parts.headers.remove(header::CONTENT_LENGTH);
        let request = Request::from_parts(parts, Body::from(body));
        let call = self.services.kinesis.clone().oneshot(request);
        call.await.into_response()
    }

    /// Reads while no write is in flight.
    async fn get_records(self) -> Response {
        let services = self.services;
        if let Some(limit) = &services.read_limit
            && let Some(response) = limit.throttle(&self.parts.headers, &self.body)
        {
            return response;
        }
        let _no_writes = services.kinesis_order.write().await;
        let times = services.clock.times();
        match iterator::renewed(&services.store, &self.body, times).await {
            Some(body) => self.send_body(body.into()).await,
            None => self.send().await,
        }
    }

    /// Writes, unless the stream is closed to writers.
    async fn put(self) -> Response {
        let services = self.services;
        let closed = services.kinesis_order.read().await;
        // A put's body is large, so it is not parsed without need.
        if !closed.is_empty()
            && target_stream(&self.body).is_some_and(|stream| closed.contains(&stream))
        {
            return error_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "the local cloud is stopping and accepts no more records",
            );
        }
        let before = services.clock.times();
        if before.is_set_back()
            && let Some(stream) = target_stream(&self.body)
        {
            arrival::renew_write_limit(&services.store, &stream, before.now).await;
        }
        let response = self.send().await;
        // Read the clock again: the wall clock may have been set back only now.
        let after = services.clock.times();
        if after.is_set_back()
            && let Some(stream) = target_stream(&self.body)
        {
            return arrival::stamp(&services.store, &stream, response, after.now).await;
        }
        response
    }

    /// Creates a shard iterator of any type but AT_TIMESTAMP.
    async fn iterator(self) -> Response {
        let _no_reads = self.services.kinesis_order.read().await;
        let response = self.send().await;
        if is_latest(&self.body) {
            return iterator::after_last_record(response).await;
        }
        response
    }

    /// Creates a shard iterator at a time; see [`AtTimestamp`].
    ///
    /// No write is in flight meanwhile, so a record is either found here or arrives after LATEST.
    async fn iterator_at(self, requested: AtTimestamp) -> Response {
        let services = self.services;
        let _no_writes = services.kinesis_order.write().await;
        // In any case, since `ferrokinesis` validates the request.
        let body = requested.body(services.clock.times());
        let response = self.send_body(body.unwrap_or_default().into()).await;
        if !response.status().is_success() {
            return response;
        }
        match requested.first_record(&services.store).await {
            Some(number) => {
                let body = requested.at_sequence(number);
                self.send_body(body.unwrap_or_default().into()).await
            }
            None => {
                let body = requested.latest();
                let response = self.send_body(body.unwrap_or_default().into()).await;
                iterator::after_last_record(response).await
            }
        }
    }
}

/// Whether a GetShardIterator call with this body is for LATEST.
fn is_latest(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct IteratorCall {
        shard_iterator_type: String,
    }

    serde_json::from_slice::<IteratorCall>(body)
        .is_ok_and(|call| call.shard_iterator_type == "LATEST")
}

/// The stream that a PutRecord or PutRecords call with this body is for.
fn target_stream(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ServiceTarget {
        stream_name: Option<String>,
        #[serde(rename = "StreamARN")]
        stream_arn: Option<String>,
    }

    let target: ServiceTarget = serde_json::from_slice(body).ok()?;
    let name = target.stream_name.filter(|name| !name.is_empty());
    name.or_else(|| {
        let arn = target.stream_arn?;
        let (_, name) = arn.rsplit_once(":stream/")?;
        Some(name.to_owned())
    })
}

async fn describe(State(services): State<Arc<Services>>) -> Json<Value> {
    let delivery_streams: Vec<String> = services
        .firehose
        .list()
        .into_iter()
        .map(|stream| stream.name)
        .collect();
    Json(json!({
        "service": "wildrydes-local",
        "version": env!("CARGO_PKG_VERSION"),
        "region": services.region,
        "streams": services.store.list_stream_names().await,
        "tables": services.dynamodb.tables().await,
        "deliveryStreams": delivery_streams,
        "dashboard": services.dashboard.get(),
    }))
}

/// Allows only pages of this machine to call the endpoint: the dashboard, also from a development
/// server.
///
/// The endpoint accepts any credentials, so without this every web page open in a browser could
/// read and write here.
fn cors() -> CorsLayer {
    const ALLOWED: [&str; 9] = [
        "authorization",
        "content-type",
        "x-amz-target",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
        "x-amz-user-agent",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
    ];
    const EXPOSED: [&str; 3] = ["x-amzn-requestid", "x-amzn-errortype", "date"];

    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(|origin, _| is_this_machine(origin)))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(ALLOWED.map(HeaderName::from_static))
        .expose_headers(EXPOSED.map(HeaderName::from_static))
}
