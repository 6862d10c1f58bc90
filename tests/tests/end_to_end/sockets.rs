//! Finds every socket on which a local cloud listens, and checks that each rejects foreign
//! requests: from web pages of other hosts, and for foreign host names that resolve to this machine
//! (DNS rebinding). One of the sockets is on an address beyond the default ones (`--bind`).

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use end_to_end::programs::{Running, endpoint, program};
use end_to_end::{TestCloud, by_window, reading, send};

/// A time limit that only stops a hanging test.
const TIMEOUT: Duration = Duration::from_secs(120);

const TABLE: &str = "UnicornSensorData";

/// The address of `--bind`: of loopback, so that nothing else reaches the test.
const BOUND: &str = "127.0.0.2";

/// The local endpoint of every TCP socket on which a process listens.
///
/// Source: proc_pid_net(5) and proc_pid_fd(5).
fn listening(process: u32) -> BTreeSet<SocketAddr> {
    let mut inodes = HashSet::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd")).unwrap() {
        let Ok(link) = fs::read_link(entry.unwrap().path()) else {
            continue;
        };
        let link = link.to_string_lossy().into_owned();
        let inode = link
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        inodes.extend(inode.map(str::to_owned));
    }
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // The state 0A is LISTEN.
            if fields[3] == "0A" && inodes.contains(fields[9]) {
                found.insert(address(fields[1]));
            }
        }
    }
    found
}

/// Parses `0100007F:11D6`: words of the address in this machine's byte order, and the port.
fn address(text: &str) -> SocketAddr {
    let (host, port) = text.split_once(':').unwrap();
    let words = host.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).unwrap();
        u32::from_str_radix(word, 16).unwrap().to_ne_bytes()
    });
    let bytes = words.collect::<Vec<_>>().concat();
    let host = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::V4(Ipv4Addr::from(bytes)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(
            <[u8; 16]>::try_from(bytes.as_slice()).unwrap(),
        )),
    };
    SocketAddr::new(host, u16::from_str_radix(port, 16).unwrap())
}

/// Sends a request as a browser might, and returns the head of the response in lower case.
fn request(socket: SocketAddr, start: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut stream = TcpStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut text = format!("{start} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).unwrap();
    let mut response = Vec::new();
    // A server may close the connection before it has read a body that it rejects.
    let _ = stream.read_to_end(&mut response);
    let response = String::from_utf8_lossy(&response).to_lowercase();
    let (head, _) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    head.to_owned()
}

/// The headers that a page of another host can make a browser send, by name.
fn foreign_headers(own_host: &str) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let host = || ("Host", own_host.to_owned());
    let origin = |origin: &str| ("Origin", origin.to_owned());
    vec![
        (
            "foreign origin",
            vec![host(), origin("https://evil.example")],
        ),
        ("origin null", vec![host(), origin("null")]),
        (
            "foreign host that starts with this machine's address",
            vec![host(), origin("http://127.0.0.1.evil.example")],
        ),
        ("foreign host", vec![("Host", "evil.example".to_owned())]),
        (
            "foreign host that is its own origin",
            vec![
                ("Host", "evil.example:80".to_owned()),
                origin("http://evil.example:80"),
            ],
        ),
        (
            "foreign host that ends in an allowed one",
            vec![("Host", "evil.host.docker.internal".to_owned())],
        ),
        ("no host", vec![]),
    ]
}

fn check(name: &str, socket: SocketAddr, start: &str, head: &str) {
    let message = format!("{name}: {start} on {socket}: {head:?}");
    assert!(head.starts_with("http/1.1 4"), "{message}");
    assert!(!head.contains("access-control-allow"), "{message}");
}

/// Sends every foreign request to everything that a socket may serve.
fn check_all(socket: SocketAddr) {
    let own_host = socket.to_string();
    let delete = format!(r#"{{"TableName":"{TABLE}"}}"#);
    let signed =
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=e";
    let call = [
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", "DynamoDB_20120810.DeleteTable"),
        ("X-Amz-Date", "20261120T091708Z"),
        ("Authorization", signed),
    ];
    let preflight = [
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "content-type,x-amz-target,authorization",
        ),
    ];
    let runtime = "/2018-06-01/runtime/invocation";
    for (name, headers) in foreign_headers(&own_host) {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let with = |more: &[(&'static str, &'static str)]| [&headers[..], more].concat();
        for (start, headers, body) in [
            ("POST /", with(&call), &*delete),
            ("GET /", with(&[]), ""),
            ("GET /_local", with(&[]), ""),
            ("GET /config.json", with(&[]), ""),
            ("OPTIONS /", with(&preflight), ""),
            (&format!("GET {runtime}/next"), with(&[]), ""),
            (
                &format!("POST {runtime}/some-request/response"),
                with(&[]),
                "{}",
            ),
            ("POST /2018-06-01/runtime/init/error", with(&[]), "{}"),
        ] {
            check(name, socket, start, &request(socket, start, &headers, body));
        }
    }
    // The content types that a form can send without an origin, in very old browsers.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let headers = [
            ("Host", own_host.as_str()),
            ("Content-Type", kind),
            call[1],
            call[2],
            call[3],
        ];
        check(
            kind,
            socket,
            "POST /",
            &request(socket, "POST /", &headers, &delete),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_socket_rejects_foreign_requests() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("local");
    command
        .args(["--port", "0", "--dashboard-port", "0", "--window", "1s"])
        .args(["--bind", BOUND, "--allow-host", "host.docker.internal"])
        .args(["--functions", "bootstrap", "--data-dir"])
        .arg(folder.path());
    let mut local = Running::start(&mut command);
    let url = endpoint(&local.until("local: "));
    let warning = local.until("warning: ");
    assert!(warning.contains("whoever can reach 127.0.0.2"), "{warning}");
    let config = windrow_connect::local_config(&url);
    let kinesis = aws_sdk_kinesis::Client::new(&config);
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let readings = |from| (from..from + 50).map(|number| reading("Shadowfax", number, "30", 150));

    // The Runtime API listens on one socket per function, from its first invocation on.
    send(&kinesis, "wildrydes", readings(0)).await;
    // The endpoint has three addresses and the dashboard two, if this machine has IPv6.
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let expected = if has_ipv6 { 7 } else { 5 };
    let process = local.id();
    let sockets = tokio::time::timeout(TIMEOUT, async {
        loop {
            let sockets = listening(process);
            if sockets.len() >= expected {
                return sockets;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let sockets = sockets
        .await
        .unwrap_or_else(|_| panic!("{:?}", listening(process)));
    let of_endpoint: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    assert!(sockets.contains(&of_endpoint), "{sockets:?}");
    let bound = SocketAddr::new(BOUND.parse().unwrap(), of_endpoint.port());
    assert!(sockets.contains(&bound), "{sockets:?}");
    for socket in &sockets {
        assert!(socket.ip().is_loopback(), "{socket}");
        let is_default = socket.ip() == Ipv4Addr::LOCALHOST || socket.ip() == Ipv6Addr::LOCALHOST;
        assert!(is_default || *socket == bound, "{socket}");
    }

    // Readings keep flowing during the checks.
    for (round, socket) in (1..).zip(&sockets) {
        send(&kinesis, "wildrydes", readings(50 * round)).await;
        let socket = *socket;
        tokio::task::spawn_blocking(move || check_all(socket))
            .await
            .unwrap();
    }

    dynamodb
        .describe_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let ended = local.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let cloud = TestCloud::start_on(folder).await;
    let in_rows: u64 = by_window(cloud.rows().await)
        .values()
        .map(|measures| measures.readings)
        .sum();
    assert_eq!(in_rows, 50 * (1 + sockets.len() as u64));
    cloud.stop().await;
}
