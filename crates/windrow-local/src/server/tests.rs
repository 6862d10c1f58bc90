use axum::routing::{get, post};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

static FRAMES: Semaphore = Semaphore::const_new(0);

/// Ends a test that hangs. Nothing depends on its length.
const LONG: Duration = Duration::from_secs(120);

/// What a request to `/wait` waits for.
static RELEASE: Notify = Notify::const_new();

/// A server that returns the length of a body, and responds to `/wait` when it is released.
async fn start(limits: ServerLimits) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let too_large = |head: &axum::http::Extensions| head.get::<BodyTooLarge>().is_some();
    let length = async move |request: Request<Body>| {
        let dropped = too_large(request.extensions());
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        format!("{} {dropped}", body.unwrap().len())
    };
    let frames = async || {
        Body::from_stream(futures_util::stream::unfold((), async |()| {
            FRAMES.acquire().await.unwrap().forget();
            Some((Ok::<_, Infallible>("x"), ()))
        }))
    };
    let router = Router::new()
        .route("/stream", get(frames))
        .route("/", get(async || "here").post(length))
        .route("/wait", post(async || RELEASE.notified().await));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let hosts = AllowedHosts::default();
    let serving = serve(listener, router, limits, hosts, stop);
    (address, tokio::spawn(serving))
}

/// Sends text on a new connection.
async fn open(address: std::net::SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Sends text that closes its connection, and returns the response.
async fn ask(address: std::net::SocketAddr, text: &str) -> String {
    let mut response = Vec::new();
    let mut stream = open(address, text).await;
    let read = stream.read_to_end(&mut response);
    tokio::time::timeout(LONG, read).await.unwrap().unwrap();
    String::from_utf8(response).unwrap()
}

fn limits(callers: Callers) -> ServerLimits {
    ServerLimits::new(callers, 8, 1_000)
}

fn request(method: &str, headers: &str) -> String {
    format!("{method} / HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_host_of_another_machine_is_rejected() {
    for callers in [Callers::ThisMachine, Callers::Programs] {
        let (address, _server) = start(limits(callers)).await;
        for host in ["127.0.0.1", "localhost:8080", "[::1]:9"] {
            let response = ask(address, &request("GET", &format!("Host: {host}\r\n"))).await;
            assert!(response.starts_with("HTTP/1.1 200"), "{host}: {response}");
        }
        for headers in [
            "",
            "Host: evil.example\r\n",
            "Host: evil.example:8080\r\n",
            "Host: \r\n",
            "Host: 127.0.0.1\r\nHost: evil.example\r\n",
        ] {
            let response = ask(address, &request("GET", headers)).await;
            assert!(
                response.starts_with("HTTP/1.1 421"),
                "{headers:?}: {response}"
            );
            assert!(!response.contains("here"), "{headers:?}: {response}");
        }
    }
}

#[tokio::test]
async fn access_of_pages_depends_on_the_callers() {
    let own = "Origin: http://localhost:8080\r\n";
    let foreign = "Origin: https://evil.example\r\n";
    let image = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n";
    let link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
    let typed = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n";
    for (headers, this_machine, programs) in [
        ("", 200, 200),
        (own, 200, 403),
        (foreign, 403, 403),
        ("Origin: null\r\n", 403, 403),
        (&format!("{own}{foreign}"), 403, 403),
        (image, 403, 403),
        (link, 200, 403),
        (typed, 200, 403),
        // Node's `fetch`.
        ("Sec-Fetch-Mode: cors\r\n", 200, 200),
        (&format!("{own}Sec-Fetch-Site: cross-site\r\n"), 200, 403),
    ] {
        for (callers, status) in [
            (Callers::ThisMachine, this_machine),
            (Callers::Programs, programs),
        ] {
            let (address, _server) = start(limits(callers)).await;
            let host = "Host: 127.0.0.1\r\n";
            let response = ask(address, &request("GET", &format!("{host}{headers}"))).await;
            let expected = format!("HTTP/1.1 {status}");
            assert!(
                response.starts_with(&expected),
                "{callers:?} {headers:?}: {response}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_dropped_and_gets_a_response() {
    let (address, _server) = start(limits(Callers::ThisMachine)).await;
    for (length, expected) in [(0, "0 false"), (1_000, "1000 false"), (1_001, "0 true")] {
        let head = format!("Host: 127.0.0.1\r\nContent-Length: {length}\r\n");
        let text = request("POST", &head) + &"x".repeat(length);
        let response = ask(address, &text).await;
        assert!(response.ends_with(expected), "{length}: {response}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_request_is_closed() {
    let (address, _server) = start(limits(Callers::ThisMachine)).await;
    let head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n";
    // The paused clock advances as soon as every task waits for it.
    for half in ["", "POST / HT", head, &format!("{head}\r\nabc")] {
        ask(address, half).await;
    }
}

#[tokio::test]
async fn clients_that_never_finish_do_not_block_others() {
    let mut limits = limits(Callers::ThisMachine);
    // No connection is closed because of its age.
    (limits.head, limits.body) = (10 * LONG, 10 * LONG);
    let (address, _server) = start(limits).await;
    let half = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nabc";
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(open(address, half).await);
        held.push(open(address, "").await);
    }
    let response = ask(address, &request("GET", "Host: 127.0.0.1\r\n")).await;
    assert!(response.ends_with("here"), "{response}");

    // All are closed, except as many as the server holds.
    let most = held.len() - 8;
    let ends = held
        .iter_mut()
        .map(async |stream| stream.read(&mut [0]).await);
    let mut ends = ends.collect::<FuturesUnordered<_>>();
    for closed in 0..most {
        let end = tokio::time::timeout(LONG, ends.next()).await;
        let end = end.unwrap_or_else(|_| panic!("only {closed} connections are closed"));
        assert!(matches!(end, Some(Ok(0) | Err(_))), "{end:?}");
    }
}

#[tokio::test]
async fn a_request_in_flight_keeps_its_connection() {
    let (address, _server) = start(limits(Callers::ThisMachine)).await;
    let mut busy = open(
        address,
        "POST /wait HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    for _ in 0..50 {
        let response = ask(address, &request("GET", "Host: 127.0.0.1\r\n")).await;
        assert!(response.ends_with("here"), "{response}");
        let _idle = open(address, "").await;
    }
    RELEASE.notify_one();
    let mut status = [0; 12];
    let read = busy.read_exact(&mut status);
    tokio::time::timeout(LONG, read).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_connection_with_a_streaming_response_is_not_closed_first() {
    let (address, _server) = start(limits(Callers::ThisMachine)).await;
    let mut streaming = open(address, "GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    let mut head = [0; 12];
    streaming.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    for _ in 0..50 {
        let _idle = [open(address, "").await, open(address, "").await];
        FRAMES.add_permits(1);
        let response = ask(address, &request("GET", "Host: 127.0.0.1\r\n")).await;
        assert!(response.ends_with("here"), "{response}");
    }
    FRAMES.add_permits(1);
    // The rest of the head, and a chunk of a byte for each frame.
    let mut received: Vec<u8> = Vec::new();
    while received
        .windows(6)
        .filter(|chunk| *chunk == b"1\r\nx\r\n".as_slice())
        .count()
        < 51
    {
        let mut bytes = [0; 256];
        let read = tokio::time::timeout(LONG, streaming.read(&mut bytes));
        let count = read.await.unwrap().unwrap();
        assert_ne!(count, 0, "it was cut off after {received:?}");
        received.extend(&bytes[..count]);
    }
}

#[test]
fn only_origins_of_this_machine_are_recognized() {
    for origin in [
        "http://localhost:8080",
        "http://127.0.0.1:5173",
        "https://localhost",
        "http://[::1]:8080",
    ] {
        let origin = HeaderValue::from_static(origin);
        assert!(is_this_machine(&origin), "{origin:?}");
    }
    for origin in [
        "https://example.com",
        "http://localhost.example.com",
        "http://localhost:80@example.com",
        "null",
        "",
        "://",
    ] {
        let origin = HeaderValue::from_static(origin);
        assert!(!is_this_machine(&origin), "{origin:?}");
    }
}
