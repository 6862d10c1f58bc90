//! What is between a program and AWS: TLS by a private certificate authority, a proxy, and a service
//! whose clock is not this machine's.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A certificate authority that no system trusts.
#[derive(Debug)]
pub struct PrivateCa(CertifiedIssuer<'static, KeyPair>);

impl PrivateCa {
    /// A new one.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn generate() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = "a private authority";
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its certificate in PEM format.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Puts TLS in front of a server: connections to the returned address that trust this authority and
    /// expect one of `names` get to `server`.
    ///
    /// # Panics
    ///
    /// If there is no free port, or a name is invalid.
    pub async fn serve(&self, names: &[&str], server: SocketAddr) -> SocketAddr {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut inside = acceptor.accept(stream).await?;
                    let mut outside = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut inside, &mut outside).await
                });
            }
        });
        address
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An HTTP proxy that connects to one server, whatever it is asked for.
#[derive(Clone, Debug)]
pub struct ConnectProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(server: SocketAddr) -> Self {
        let (listener, address) = listen().await;
        let proxy = Self {
            address,
            asked: Arc::default(),
        };
        let asked = Arc::clone(&proxy.asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, server, Arc::clone(&asked)));
            }
        });
        proxy
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first lines of the requests so far, such as `CONNECT example.com:443 HTTP/1.1`.
    ///
    /// # Panics
    ///
    /// If a thread panicked meanwhile.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn tunnel(
    mut stream: TcpStream,
    server: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(line);
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut stream, &mut server).await?;
    Ok(())
}

/// The clock of a service, which accepts signatures that are up to five minutes off.
#[derive(Clone, Debug, Default)]
pub struct ServiceClock {
    ahead: Arc<AtomicI64>,
    rejected: Arc<AtomicU64>,
    is_broken: bool,
}

impl ServiceClock {
    /// A clock that is ahead of this machine's by some seconds, or behind it if they are negative.
    pub fn ahead_by(seconds: i64) -> Self {
        let clock = Self::default();
        clock.set(seconds);
        clock
    }

    /// The same clock, of a service that accepts no signature.
    pub fn accepting_none(self) -> Self {
        Self {
            is_broken: true,
            ..self
        }
    }

    /// Sets by how many seconds it is ahead.
    pub fn set(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::SeqCst);
    }

    /// How many calls were not accepted.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::SeqCst)
    }

    /// The service with this clock.
    pub fn of(&self, service: Router) -> Router {
        service.layer(from_fn_with_state(self.clone(), check_signature))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "signatures are made at this time"
    )]
    fn now(&self) -> i64 {
        let now = DateTime::from(SystemTime::now()).secs();
        now + self.ahead.load(Ordering::SeqCst)
    }
}

async fn check_signature(
    State(clock): State<ServiceClock>,
    request: Request,
    next: Next,
) -> Response {
    let now = clock.now();
    let off = signed_at(request.headers()).map(|signed| (now - signed).abs());
    let accepted = !clock.is_broken && off.is_none_or(|off| off <= 300);
    let mut response = if accepted {
        next.run(request).await
    } else {
        clock.rejected.fetch_add(1, Ordering::SeqCst);
        let error = r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#;
        let kind = [("content-type", "application/x-amz-json-1.1")];
        (StatusCode::BAD_REQUEST, kind, error).into_response()
    };
    let date = DateTime::from_secs(now).fmt(Format::HttpDate).unwrap();
    let date = HeaderValue::from_str(&date).unwrap();
    response.headers_mut().insert("date", date);
    response
}

/// The time in the header `x-amz-date`, which has the form `20261120T091708Z`.
fn signed_at(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get("x-amz-date")?.to_str().ok()?;
    let part = |range| text.get(range);
    let time = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?
    );
    let time = DateTime::from_str(&time, Format::DateTime).ok()?;
    Some(time.secs())
}
