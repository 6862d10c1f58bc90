//! Lambda's Runtime API, for one process.
//!
//! Each process gets its own server, so that nothing left over from a dead process, such as a
//! pending poll, can take an event meant for its successor. Requests from browsers are rejected.
//! Source: Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{InvokeError, MAX_PAYLOAD_BYTES, response_too_large};
use crate::hosts::AllowedHosts;
use crate::server::{BodyTooLarge, Callers, ServerLimits, serve};

/// A process polls on one connection, and responds on the same or another one.
const LIMITS: ServerLimits = ServerLimits::new(Callers::Programs, 16, MAX_PAYLOAD_BYTES);

/// An event on its way to the process.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) function_arn: String,
    pub(super) payload: Vec<u8>,
    pub(super) timeout: Duration,
}

/// What the process did.
#[derive(Debug)]
pub(super) enum InvocationProgress {
    /// It took the event. Its timeout starts.
    Started,
    /// It responded, or reported an error.
    Finished(Result<Vec<u8>, InvokeError>),
    /// It could not be initialized.
    InitFailed(InvokeError),
}

/// The server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    invocations: mpsc::Sender<Invocation>,
    progress: mpsc::UnboundedReceiver<InvocationProgress>,
    _server: AbortOnDropHandle<()>,
}

impl RuntimeApi {
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (invocations, offered) = mpsc::channel(1);
        let (reported, progress) = mpsc::unbounded_channel();
        let shared = Arc::new(RuntimeState {
            offered: tokio::sync::Mutex::new(offered),
            current: Mutex::default(),
            reported,
        });

        let (hosts, stop) = (AllowedHosts::default(), CancellationToken::new());
        let serving = serve(listener, router(shared), LIMITS, hosts, stop);
        let server = tokio::spawn(serving);
        Ok(Self {
            address,
            invocations,
            progress,
            _server: AbortOnDropHandle::new(server),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the process its next event. The previous one must have finished.
    pub(super) async fn offer(&self, invocation: Invocation) {
        // Fails only if the server is gone, and then the caller's next `progress` is `None`.
        let _ = self.invocations.send(invocation).await;
    }

    /// Waits for the next progress. `None` once the server is gone. Cancel-safe.
    pub(super) async fn progress(&mut self) -> Option<InvocationProgress> {
        self.progress.recv().await
    }
}

struct RuntimeState {
    offered: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    /// The id of the request that the process is handling.
    current: Mutex<Option<String>>,
    reported: mpsc::UnboundedSender<InvocationProgress>,
}

impl RuntimeState {
    fn set_current(&self, request_id: Option<String>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = request_id;
    }

    /// Reports how the current request ended. Any other request id is an error.
    fn finish(&self, request_id: &str, outcome: Result<Vec<u8>, InvokeError>) -> Response {
        {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.as_deref() != Some(request_id) {
                return problem(StatusCode::BAD_REQUEST, "InvalidRequestID");
            }
            *current = None;
        }
        self.report(InvocationProgress::Finished(outcome))
    }

    fn report(&self, progress: InvocationProgress) -> Response {
        match self.reported.send(progress) {
            Ok(()) => (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response(),
            Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "Runtime.Stopped"),
        }
    }
}

fn router(shared: Arc<RuntimeState>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{request_id}/response",
            post(response),
        )
        .route(
            "/2018-06-01/runtime/invocation/{request_id}/error",
            post(error),
        )
        .route("/2018-06-01/runtime/init/error", post(init_error))
        // The server has its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// Waits for an event, without a timeout.
async fn next(State(shared): State<Arc<RuntimeState>>) -> Response {
    let Some(invocation) = shared.offered.lock().await.recv().await else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "Runtime.Stopped");
    };
    let deadline = Timestamp::now()
        .as_millisecond()
        .saturating_add(i64::try_from(invocation.timeout.as_millis()).unwrap_or(i64::MAX));
    let trace = invocation.request_id.replace('-', "");
    let (trace_time, trace_id) = trace.split_at_checked(8).unwrap_or_default();
    let headers = [
        (
            "lambda-runtime-aws-request-id",
            invocation.request_id.clone(),
        ),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            invocation.function_arn,
        ),
        (
            "lambda-runtime-trace-id",
            format!("Root=1-{trace_time}-{trace_id};Sampled=0"),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    shared.set_current(Some(invocation.request_id));
    shared.report(InvocationProgress::Started);
    (headers, invocation.payload).into_response()
}

async fn response(
    State(shared): State<Arc<RuntimeState>>,
    Path(request_id): Path<String>,
    too_large: Option<Extension<BodyTooLarge>>,
    body: Bytes,
) -> Response {
    if too_large.is_none() {
        return shared.finish(&request_id, Ok(body.into()));
    }
    let reported = shared.finish(&request_id, Err(response_too_large()));
    if reported.status() != StatusCode::ACCEPTED {
        return reported;
    }
    problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge")
}

async fn error(
    State(shared): State<Arc<RuntimeState>>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    shared.finish(&request_id, Err(reported_error(&headers, &body)))
}

async fn init_error(
    State(shared): State<Arc<RuntimeState>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    shared.report(InvocationProgress::InitFailed(reported_error(
        &headers, &body,
    )))
}

fn problem(status: StatusCode, error_type: &str) -> Response {
    (status, Json(json!({ "errorType": error_type }))).into_response()
}

/// An error as a function reports it. Every field is optional.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ReportedError {
    pub(super) error_type: Option<String>,
    pub(super) error_message: Option<String>,
}

fn reported_error(headers: &HeaderMap, body: &[u8]) -> InvokeError {
    let reported: ReportedError = serde_json::from_slice(body).unwrap_or_default();
    let header = headers
        .get("lambda-runtime-function-error-type")
        .and_then(|value| value.to_str().ok());
    InvokeError::Failed {
        error_type: reported
            .error_type
            .or(header.map(str::to_owned))
            .unwrap_or_else(|| "Unhandled".to_owned()),
        message: reported
            .error_message
            .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    }
}
