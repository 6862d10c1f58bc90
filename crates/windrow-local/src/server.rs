//! The HTTP server behind every port that this crate opens.
//!
//! What listens on 127.0.0.1 is within reach of every web page that is open in a browser of this
//! machine, and of every program on it. So each server
//!
//! * answers only where the request names this machine as its host, which keeps out pages whose own
//!   name was made to lead here, and only for the [`Callers`] it is meant for. What a browser sends is
//!   known by the headers that browsers add; one from before 2023 may add none to a plain GET;
//! * reads a request's whole body before its router sees it, up to a limit of size and time;
//! * holds a bounded number of connections: where all are taken, the one that has waited longest for
//!   its client makes room, so clients that never finish a request cannot keep others out.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
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

use crate::loopback::is_loopback;
use crate::service_error::error_response;

/// The pause before the next try where no connection could be accepted, or none had room.
const PAUSE: Duration = Duration::from_millis(20);

/// How far past its limit a body is read, and dropped, so that its sender gets to read the answer.
const DRAINED_LIMITS: usize = 4;

/// Who may call a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Programs, and pages that this machine serves.
    ThisMachine,
    /// Programs alone: nothing that comes out of a browser.
    Programs,
}

/// What one server takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    pub(crate) callers: Callers,
    /// How many connections it holds at once.
    pub(crate) connections: usize,
    /// How long a connection may take until the next request's head is there.
    pub(crate) head: Duration,
    /// How long a request's body may take.
    pub(crate) body: Duration,
    /// The largest body, in bytes. The router finds [`BodyTooLarge`] in place of a larger one.
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

/// Stands in a request's extensions where its body was too large and has been dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTooLarge;

/// Answers requests until `stop`, then lets those under way finish. Dropping the future cuts them
/// off.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    stop: CancellationToken,
) {
    let mut connections = Connections::new(limits.connections);
    let graceful = GracefulShutdown::new();
    // Kinesis' clients on Node speak HTTP/2 from the start.
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    builder.http2().timer(TokioTimer::new());
    // Ends its tasks when it is dropped.
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
        let service = service_fn(move |request| {
            answer(request, router.clone(), Arc::clone(&for_requests), limits)
        });
        let served = builder.serve_connection(TokioIo::new(stream), service);
        let served = graceful.watch(served.into_owned());
        tasks.spawn(async move {
            tokio::select! {
                // Where it breaks, its client knows.
                _ = served => {}
                () = connection.evicted.cancelled() => {}
                // Until the first bytes are there, nothing else limits the wait for them.
                () = connection.asks_nothing(limits.head) => {}
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Waits for a connection, and for room to hold it.
async fn accept(
    listener: &TcpListener,
    connections: &mut Connections,
) -> Option<(TcpStream, Arc<Connection>)> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // Responses are written whole; to wait for more would only delay them.
            let _ = stream.set_nodelay(true);
            connections.are_short = false;
            Some((stream, connections.admit().await))
        }
        Err(error) => {
            // It may be for want of file descriptors, which one connection less gives back.
            if !connections.are_short {
                tracing::warn!(%error, "connections cannot be accepted");
            }
            connections.are_short = true;
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
    /// Whether the last one could not be accepted, which is logged once.
    are_short: bool,
}

/// One connection, for as long as it is served.
#[derive(Debug)]
struct Connection {
    /// Since when it waits for its client, in microseconds of the server's life.
    waiting_since: AtomicU64,
    /// How many of its requests are being answered.
    at_work: AtomicUsize,
    has_asked: AtomicBool,
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
            are_short: false,
        }
    }

    /// Makes room where there is none, and takes it.
    async fn admit(&self) -> Arc<Connection> {
        let room = loop {
            if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
                break room;
            }
            // All may be at work; soon one of them has answered.
            self.evict_longest_waiting();
            let freed = Arc::clone(&self.room).acquire_owned();
            if let Ok(Ok(room)) = tokio::time::timeout(PAUSE, freed).await {
                break room;
            }
        };
        let connection = Arc::new(Connection {
            waiting_since: AtomicU64::default(),
            at_work: AtomicUsize::default(),
            has_asked: AtomicBool::default(),
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
                connection.at_work.load(Ordering::Relaxed) == 0
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

    /// Returns once it has sent no request in all of `time`, and never if it has.
    async fn asks_nothing(&self, time: Duration) {
        tokio::time::sleep(time).await;
        if self.has_asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// A request that is being answered, or was cancelled.
struct ConnectionWork(Arc<Connection>);

impl ConnectionWork {
    fn begin(connection: &Arc<Connection>) -> Self {
        connection.at_work.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Drop for ConnectionWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
        self.0.set_waiting();
    }
}

/// Checks a request, reads it, and has the router answer it.
async fn answer(
    request: Request<Incoming>,
    router: Router,
    connection: Arc<Connection>,
    limits: ServerLimits,
) -> Result<Response, Infallible> {
    connection.has_asked.store(true, Ordering::Relaxed);
    connection.set_waiting();
    if let Some(rejection) = rejection(&request, limits.callers) {
        return Ok(rejection);
    }
    let request = match receive(request, limits).await {
        Ok(request) => request,
        Err(response) => return Ok(response),
    };
    let work = ConnectionWork::begin(&connection);
    let response = router.oneshot(request).await;
    drop(work);
    // A stream of events goes on for minutes: it has waited for its client since its last frame.
    let sending = move |frame| {
        connection.set_waiting();
        frame
    };
    response.map(|response| response.map(|body| Body::new(body.map_frame(sending))))
}

/// The response to a request that is not from who may call, by its head.
fn rejection<B>(request: &Request<B>, callers: Callers) -> Option<Response> {
    let (method, headers) = (request.method(), request.headers());
    let hosts = headers.get_all(header::HOST).iter();
    let hosts = hosts.map(|host| host.to_str().unwrap_or_default());
    // HTTP/2 names the host here, and so does a request that is meant for a proxy.
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let mut hosts = hosts.chain(authority).peekable();
    if hosts.peek().is_none() || !hosts.all(is_loopback) {
        return Some(error_response(
            StatusCode::MISDIRECTED_REQUEST,
            "AccessDeniedException",
            "this is served to this machine only, as 127.0.0.1 or localhost",
        ));
    }
    let may_call = match callers {
        Callers::Programs => !headers.contains_key(header::ORIGIN) && !is_of_browser(headers),
        Callers::ThisMachine if headers.contains_key(header::ORIGIN) => {
            let mut origins = headers.get_all(header::ORIGIN).iter();
            origins.all(is_this_machine)
        }
        // A page that shows an image from here sends no origin. To follow a link is no harm.
        Callers::ThisMachine => {
            let navigates = method == Method::GET && fetch_header(headers, "mode") == b"navigate";
            navigates || fetch_header(headers, "site") != b"cross-site"
        }
    };
    if may_call {
        return None;
    }
    let message = match callers {
        Callers::Programs => "this is served to the function's process only, not to browsers",
        Callers::ThisMachine => "this is served to pages of this machine only",
    };
    let kind = "AccessDeniedException";
    Some(error_response(StatusCode::FORBIDDEN, kind, message))
}

/// Whether a header is there that browsers send and pages cannot take away.
fn is_of_browser(headers: &HeaderMap) -> bool {
    let mut names = headers.keys().map(HeaderName::as_str);
    names.any(|name| name.starts_with("sec-fetch-"))
}

/// The value of a header that tells how a browser came to send a request; none from a program.
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
/// The response to send where it did not come in time, or broke off.
async fn receive(
    request: Request<Incoming>,
    limits: ServerLimits,
) -> Result<Request<Body>, Response> {
    let (mut parts, body) = request.into_parts();
    let Ok(read) = tokio::time::timeout(limits.body, read(body, limits.body_bytes)).await else {
        return Err(error_response(
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
            return Err(error_response(
                StatusCode::BAD_REQUEST,
                "SerializationException",
                "the request's body broke off",
            ));
        }
    };
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// All of a body; nothing where it is larger than `most` bytes. Of such a body some more is read, so
/// that its sender comes to read why.
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
