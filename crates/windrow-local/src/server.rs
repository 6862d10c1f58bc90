//! The HTTP server behind every port that this crate opens.
//!
//! Every web page that is open in a browser of this machine, and every program on it, can reach a
//! port of 127.0.0.1. So each server
//!
//! * accepts only requests whose host is this machine, or one of the other [`AllowedHosts`], which
//!   keeps out pages whose own name resolves to 127.0.0.1, and only from the [`Callers`] it is meant for. It recognizes browsers
//!   by the headers that they add; a browser from before 2023 may add none to a plain GET;
//! * reads a request's whole body before its router gets it, up to a limit of size and time;
//! * holds a bounded number of connections: if all are taken, it closes the one that has waited
//!   longest for its client, so clients that never finish a request cannot keep others out.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::hosts::AllowedHosts;
use crate::loopback::is_loopback;
use crate::service_error::ErrorFormat;

/// The pause before the next try if no connection could be accepted, or there was no room for it.
const PAUSE: Duration = Duration::from_millis(20);

/// A body that is too large is read, and dropped, up to this many times the limit, so that its
/// sender gets to read the response.
const DRAINED_LIMITS: usize = 4;

/// Who may call a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Programs, and pages that this machine serves.
    ThisMachine,
    /// Programs alone: nothing that comes out of a browser.
    Programs,
}

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    pub(crate) callers: Callers,
    /// The most connections at a time.
    pub(crate) connections: usize,
    /// How long a connection may take to send the next request's head.
    pub(crate) head: Duration,
    /// How long a request's body may take.
    pub(crate) body: Duration,
    /// The largest body, in bytes. The router gets [`BodyTooLarge`] in place of a larger one.
    pub(crate) body_bytes: usize,
}

impl ServerLimits {
    pub(crate) const fn new(callers: Callers, connections: usize, body_bytes: usize) -> Self {
        Self {
            callers,
            connections,
            head: Duration::from_secs(60),
            body: Duration::from_secs(30),
            body_bytes,
        }
    }
}

/// A request extension: the body was too large and has been dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTooLarge;

/// Handles requests until `stop`, then lets those in flight finish. Dropping the future aborts
/// them.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    hosts: AllowedHosts,
    stop: CancellationToken,
) {
    let mut connections = Connections::new(limits.connections);
    let graceful = GracefulShutdown::new();
    // Kinesis clients on Node use HTTP/2 without negotiating it.
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    builder.http2().timer(TokioTimer::new());
    // Dropping the set aborts its tasks.
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &mut connections) => accepted,
        };
        while tasks.try_join_next().is_some() {}
        let Some((stream, connection)) = accepted else {
            continue;
        };
        let router = router.clone();
        let for_requests = Arc::clone(&connection);
        let hosts = hosts.clone();
        let service = service_fn(move |request| {
            let rejection = rejection(&request, limits.callers, &hosts);
            let (router, connection) = (router.clone(), Arc::clone(&for_requests));
            handle(request, rejection, router, connection, limits)
        });
        let served = builder.serve_connection(TokioIo::new(stream), service);
        let served = graceful.watch(served.into_owned());
        tasks.spawn(async move {
            tokio::select! {
                // If the connection fails, its client knows.
                _ = served => {}
                () = connection.evicted.cancelled() => {}
                // Nothing else limits the wait for the first bytes.
                () = connection.sends_nothing(limits.head) => {}
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Waits for a connection, and then for room for it.
async fn accept(
    listener: &TcpListener,
    connections: &mut Connections,
) -> Option<(TcpStream, Arc<Connection>)> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // Responses are written whole, so waiting for more data would only delay them.
            let _ = stream.set_nodelay(true);
            connections.accept_failed = false;
            Some((stream, connections.admit().await))
        }
        Err(error) => {
            // The process may be out of file descriptors; closing a connection frees one.
            if !connections.accept_failed {
                tracing::warn!(%error, "cannot accept connections");
            }
            connections.accept_failed = true;
            connections.evict_longest_waiting();
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// The connections that a server holds.
#[derive(Debug)]
struct Connections {
    room: Arc<Semaphore>,
    held: Mutex<Vec<Weak<Connection>>>,
    started: Instant,
    /// Whether the last accept failed, so that repeated failures are logged once.
    accept_failed: bool,
}

/// One connection, for as long as it is served.
#[derive(Debug)]
struct Connection {
    /// When it started to wait for its client, in microseconds since the server's start.
    waiting_since: AtomicU64,
    /// How many of its requests are in flight.
    in_flight: AtomicUsize,
    has_sent_request: AtomicBool,
    evicted: CancellationToken,
    started: Instant,
    _room: OwnedSemaphorePermit,
}

impl Connections {
    fn new(most: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(most)),
            held: Mutex::default(),
            started: Instant::now(),
            accept_failed: false,
        }
    }

    /// Waits for room, closing waiting connections if necessary, and takes it.
    async fn admit(&self) -> Arc<Connection> {
        let room = loop {
            if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
                break room;
            }
            // All may be busy; one of them finishes soon.
            self.evict_longest_waiting();
            let freed = Arc::clone(&self.room).acquire_owned();
            if let Ok(Ok(room)) = tokio::time::timeout(PAUSE, freed).await {
                break room;
            }
        };
        let connection = Arc::new(Connection {
            waiting_since: AtomicU64::default(),
            in_flight: AtomicUsize::default(),
            has_sent_request: AtomicBool::default(),
            evicted: CancellationToken::new(),
            started: self.started,
            _room: room,
        });
        connection.set_waiting();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|connection| connection.strong_count() > 0);
        held.push(Arc::downgrade(&connection));
        connection
    }

    /// Closes the connection that has waited longest for its client, if any waits.
    fn evict_longest_waiting(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = held.iter().filter_map(Weak::upgrade);
        let longest = waiting
            .filter(|connection| {
                connection.in_flight.load(Ordering::Relaxed) == 0
                    && !connection.evicted.is_cancelled()
            })
            .map(|connection| (connection.waiting_since.load(Ordering::Relaxed), connection))
            .min_by_key(|(since, _)| *since);
        if let Some((_, connection)) = longest {
            connection.evicted.cancel();
        }
    }
}

impl Connection {
    fn set_waiting(&self) {
        let since = self.started.elapsed().as_micros();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.waiting_since.store(since, Ordering::Relaxed);
    }

    /// Returns after `time` if no request has arrived by then. Otherwise never returns.
    async fn sends_nothing(&self, time: Duration) {
        tokio::time::sleep(time).await;
        if self.has_sent_request.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// A request in flight. It ends when this is dropped, also if it was cancelled.
struct ConnectionWork(Arc<Connection>);

impl ConnectionWork {
    fn begin(connection: &Arc<Connection>) -> Self {
        connection.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Drop for ConnectionWork {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.set_waiting();
    }
}

/// Reads a request's body, and passes it to the router, unless it is rejected.
async fn handle(
    request: Request<Incoming>,
    rejection: Option<Response>,
    router: Router,
    connection: Arc<Connection>,
    limits: ServerLimits,
) -> Result<Response, Infallible> {
    connection.has_sent_request.store(true, Ordering::Relaxed);
    connection.set_waiting();
    if let Some(rejection) = rejection {
        return Ok(rejection);
    }
    let request = match receive(request, limits).await {
        Ok(request) => request,
        Err(response) => return Ok(response),
    };
    let work = ConnectionWork::begin(&connection);
    let response = router.oneshot(request).await;
    drop(work);
    // An event stream lasts for minutes: its connection waits for the client since the last frame.
    let sending = move |frame| {
        connection.set_waiting();
        frame
    };
    response.map(|response| response.map(|body| Body::new(body.map_frame(sending))))
}

/// The error response if the request's head shows that its sender may not call.
fn rejection<B>(
    request: &Request<B>,
    callers: Callers,
    allowed: &AllowedHosts,
) -> Option<Response> {
    let (method, headers) = (request.method(), request.headers());
    let hosts = headers.get_all(header::HOST).iter();
    let hosts = hosts.map(|host| host.to_str().unwrap_or_default());
    // HTTP/2 has the host here, and so does a request that is meant for a proxy.
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let mut hosts = hosts.chain(authority).peekable();
    if hosts.peek().is_none() || !hosts.all(|host| allowed.allow(host)) {
        return Some(ErrorFormat::of(headers).response(
            StatusCode::MISDIRECTED_REQUEST,
            "AccessDeniedException",
            "this server answers to 127.0.0.1, [::1] and localhost, and to hosts that were allowed when it was started (--allow-host NAME)",
        ));
    }
    let may_call = match callers {
        Callers::Programs => !headers.contains_key(header::ORIGIN) && !is_from_browser(headers),
        Callers::ThisMachine if headers.contains_key(header::ORIGIN) => {
            let mut origins = headers.get_all(header::ORIGIN).iter();
            origins.all(is_this_machine)
        }
        // A page that embeds an image from here sends no origin. Following a link is harmless.
        Callers::ThisMachine => {
            let navigates = method == Method::GET && fetch_header(headers, "mode") == b"navigate";
            navigates || fetch_header(headers, "site") != b"cross-site"
        }
    };
    if may_call {
        return None;
    }
    let message = match callers {
        Callers::Programs => "only the function's process may call this server, not browsers",
        Callers::ThisMachine => "only pages of this machine may call this server",
    };
    let kind = "AccessDeniedException";
    Some(ErrorFormat::of(headers).response(StatusCode::FORBIDDEN, kind, message))
}

/// Whether there is a header that browsers send with every request to this machine, and that pages
/// cannot remove. Node's `fetch` sends `Sec-Fetch-Mode` alone.
fn is_from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site")
}

/// The value of a header that says why a browser sent a request. Empty for a program's request.
/// Source: W3C, "Fetch Metadata Request Headers".
fn fetch_header<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    let value = headers.get(format!("sec-fetch-{name}"));
    value.map(HeaderValue::as_bytes).unwrap_or_default()
}

/// Whether an `Origin` header names a page of this machine.
pub(crate) fn is_this_machine(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok();
    let authority = origin.and_then(|origin| origin.split_once("://"));
    authority.is_some_and(|(_, authority)| is_loopback(authority))
}

/// Reads the body.
///
/// # Errors
///
/// The response to send if the body did not arrive in time, or broke off.
async fn receive(
    request: Request<Incoming>,
    limits: ServerLimits,
) -> Result<Request<Body>, Response> {
    let (mut parts, body) = request.into_parts();
    let format = ErrorFormat::of(&parts.headers);
    let Ok(read) = tokio::time::timeout(limits.body, read(body, limits.body_bytes)).await else {
        return Err(format.response(
            StatusCode::REQUEST_TIMEOUT,
            "RequestTimeout",
            "the request's body did not arrive in time",
        ));
    };
    let body = match read {
        Ok(Some(body)) => body,
        Ok(None) => {
            parts.extensions.insert(BodyTooLarge);
            Bytes::new()
        }
        Err(_) => {
            return Err(format.response(
                StatusCode::BAD_REQUEST,
                "SerializationException",
                "the request's body broke off",
            ));
        }
    };
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Reads a whole body. `None` if it is larger than `most` bytes; see [`DRAINED_LIMITS`].
async fn read(mut body: Incoming, most: usize) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= most {
            whole.extend_from_slice(&data);
        } else {
            whole = BytesMut::new();
        }
        if length > most.saturating_mul(DRAINED_LIMITS) {
            break;
        }
    }
    Ok((length <= most).then(|| whole.freeze()))
}

#[cfg(test)]
mod tests;
