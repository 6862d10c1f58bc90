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
use crate::faults::Faults;
use crate::firehose::{self, Firehose};
use crate::server::{BodyTooLarge, is_this_machine};
use crate::service_error::error_response;

/// The services behind the endpoint.
pub(super) struct Services {
    pub(super) region: String,
    pub(super) kinesis: Router,
    pub(super) store: Store,
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
    let at_timestamp = match operation {
        "GetShardIterator" => AtTimestamp::parse(&body),
        _ => None,
    };
    if let Some(requested) = at_timestamp {
        return shard_iterator_at(services, requested, parts).await;
    }
    let throttled = match (operation, &services.read_limit) {
        ("GetRecords", Some(limit)) => limit.throttle(&parts.headers, &body),
        _ => None,
    };
    if let Some(response) = throttled {
        return response;
    }
    let request = Request::from_parts(parts, Body::from(body.clone()));
    let call = services.kinesis.clone().oneshot(request);
    match operation {
        "GetRecords" => {
            let _no_writes = services.kinesis_order.write().await;
            call.await.into_response()
        }
        "PutRecord" | "PutRecords" => {
            let closed = services.kinesis_order.read().await;
            if closed.iter().any(|stream| writes_to(&body, stream)) {
                return error_response(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "ServiceUnavailable",
                    "the local cloud is stopping and accepts no more records",
                );
            }
            call.await.into_response()
        }
        _ => {
            let _no_reads = services.kinesis_order.read().await;
            call.await.into_response()
        }
    }
}

/// Creates a shard iterator at a time; see [`AtTimestamp`].
///
/// No write is in flight meanwhile, so a record is either found here or arrives after LATEST.
async fn shard_iterator_at(
    services: &Services,
    requested: AtTimestamp,
    mut parts: Parts,
) -> Response {
    parts.headers.remove(header::CONTENT_LENGTH);
    let call = async |body: Option<Vec<u8>>| {
        let body = Body::from(body.unwrap_or_default());
        let request = Request::from_parts(parts.clone(), body);
        services
            .kinesis
            .clone()
            .oneshot(request)
            .await
            .into_response()
    };
    let _no_writes = services.kinesis_order.write().await;
    // In any case, since `ferrokinesis` validates the request.
    let response = call(requested.body()).await;
    if !response.status().is_success() || requested.has_record(&services.store).await {
        return response;
    }
    call(requested.latest()).await
}

/// Whether a PutRecord or PutRecords call with this body is for `stream`.
fn writes_to(body: &[u8], stream: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ServiceTarget {
        stream_name: Option<String>,
        #[serde(rename = "StreamARN")]
        stream_arn: Option<String>,
    }

    let Ok(target) = serde_json::from_slice::<ServiceTarget>(body) else {
        return false;
    };
    let name = target.stream_name.as_deref();
    let arn = target.stream_arn.as_deref();
    name == Some(stream) || arn.is_some_and(|arn| arn.ends_with(&format!(":stream/{stream}")))
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
