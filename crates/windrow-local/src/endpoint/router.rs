//! Routes requests to the services.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::body::{self, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tower_http::cors::{AllowOrigin, CorsLayer};
use windrow_kinesis::Kinesis;

use super::MAX_REQUEST_BYTES;
use super::dynamodb::DynamoDb;
use super::faults::inject;
use super::{kinesis, sts};
use crate::clock::Clock;
use crate::faults::Faults;
use crate::firehose::{self, Firehose};
use crate::server::{BodyTooLarge, is_this_machine};
use crate::service_error::{ErrorFormat, error_response, media_type};

/// The services behind the endpoint.
pub(super) struct Services {
    pub(super) region: String,
    pub(super) account: String,
    pub(super) kinesis: Kinesis,
    /// The clock of the arrival times.
    pub(super) clock: Clock,
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
    if sts::may_be_call(request.headers()) {
        let (_, body) = read(request).await;
        return sts::call(&services.account, &body);
    }
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
        "Kinesis_20131202" => kinesis::call(&services.kinesis, request).await,
        "DynamoDB_20120810" => {
            let (head, body) = read(request).await;
            services.dynamodb.call(operation, &head.headers, body).await
        }
        "Firehose_20150804" => {
            let (_, body) = read(request).await;
            firehose::call(&services.firehose, operation, &body).await
        }
        "" => ErrorFormat::of(request.headers()).response(
            StatusCode::BAD_REQUEST,
            "UnknownOperationException",
            "the X-Amz-Target header is missing",
        ),
        _ => ErrorFormat::of(request.headers()).response(
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
/// with the operation. The forms of STS come before this; see [`sts`].
fn rejection(request: &Request) -> Option<Response> {
    const TYPES: [&str; 5] = [
        "application/json",
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.1",
        "application/cbor",
        "application/x-amz-cbor-1.1",
    ];

    if request.extensions().get::<BodyTooLarge>().is_some() {
        return Some(ErrorFormat::of(request.headers()).response(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            &format!("the request is larger than {MAX_REQUEST_BYTES} bytes"),
        ));
    }
    let media_type = media_type(request.headers());
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
        "streams": services.kinesis.stream_names(),
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
