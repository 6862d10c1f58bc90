//! One HTTP endpoint on 127.0.0.1 that is Kinesis, DynamoDB and Firehose to any AWS SDK.
//!
//! `POST /` goes to the service that the `X-Amz-Target` header names. `GET /` and `GET /_local`
//! answer with a short JSON description, by which a client tells that the local cloud, and not
//! something else, has the port. Requests that name another host, or come from a page of another
//! machine, are rejected.
//!
//! Kinesis is the `ferrokinesis` crate, in memory: its streams end with the process. DynamoDB is
//! the `dynoxide-rs` crate, kept in `table.db` of the data directory. Firehose is
//! [`crate::firehose`].

mod dynamodb;
mod faults;
mod kinesis;
mod partial;
mod reads;
mod router;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::data_dir::{DataDir, DataDirError};
use crate::faults::Faults;
use crate::firehose::Firehose;
use crate::server::{Callers, ServerLimits, serve};
use dynamodb::DynamoDb;
use reads::ReadLimit;
pub(crate) use reads::as_own;
use router::Services;

/// The largest request body: a Kinesis call of 10 MiB in base64, with some room. DynamoDB's own
/// limit is 16 MiB too.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// The port unless told otherwise; the one other local clouds use too, so tools look there.
pub const DEFAULT_PORT: u16 = 4566;

/// How long requests in flight may take to finish after the endpoint was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A connection of each poller of a few hundred shards finds room.
const LIMITS: ServerLimits = ServerLimits::new(Callers::ThisMachine, 512, MAX_REQUEST_BYTES);

/// What an endpoint is started with.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// The port on 127.0.0.1. Zero takes a free one, which [`Endpoint::address`] tells.
    pub port: u16,
    /// Where the table and the archive are kept. One process at a time may use it.
    pub data_dir: PathBuf,
    /// The region in every ARN.
    pub region: String,
    /// The twelve-digit account in every ARN.
    pub account: String,
    /// How many open shards all streams may have together.
    pub shard_limit: u32,
    /// How long a shard iterator stays valid. Five minutes on AWS; tests of expiry set less.
    pub iterator_lifetime: Duration,
    /// How many GetRecords calls a second each shard takes, of all its readers together: five on
    /// AWS. The local cloud's own readers do not count. Without a number, any number of them.
    pub reads_per_second: Option<u32>,
    /// What goes wrong on purpose with the calls that carry data.
    pub faults: Arc<Faults>,
}

impl EndpointOptions {
    /// The usual settings over a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            port: DEFAULT_PORT,
            data_dir: data_dir.into(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            shard_limit: 1_000,
            iterator_lifetime: Duration::from_secs(300),
            reads_per_second: None,
            faults: Arc::new(Faults::none()),
        }
    }
}

/// A running endpoint.
///
/// Dropping it stops it at once; [`Endpoint::stopped`] lets requests finish and delivers what
/// Firehose still buffers.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    services: Arc<Services>,
    firehose: Firehose,
    server: AbortOnDropHandle<()>,
    deliveries: AbortOnDropHandle<()>,
    dynamodb: DynamoDb,
    stop: CancellationToken,
    data_dir: DataDir,
}

impl Endpoint {
    /// Starts to answer. Returns once the port is open; `stop` ends it.
    ///
    /// # Errors
    ///
    /// [`EndpointError`], with the port or the path in question. The port is tried first, because
    /// where another local cloud runs, that is the message that helps.
    pub async fn start(
        options: EndpointOptions,
        stop: CancellationToken,
    ) -> Result<Self, EndpointError> {
        let listener = listen(options.port).await?;
        let address = listener
            .local_addr()
            .map_err(|source| EndpointError::Listen {
                port: options.port,
                source,
            })?;

        let data_dir = DataDir::open(&options.data_dir)?;
        let dynamodb = DynamoDb::open(&data_dir.database()?)?;
        let firehose = Firehose::new(data_dir.path(), &options.region, &options.account);
        let (kinesis, store) = kinesis::start(&options);
        let limit = |reads| ReadLimit::new(reads, options.account.clone());
        let services = Arc::new(Services {
            region: options.region,
            kinesis,
            store,
            kinesis_order: Default::default(),
            read_limit: options.reads_per_second.map(limit),
            dynamodb: dynamodb.clone(),
            firehose: firehose.clone(),
            dashboard: OnceLock::new(),
        });
        let router = router::router(Arc::clone(&services), options.faults);

        let serving = serve(listener, router, LIMITS, stop.clone());
        let server = AbortOnDropHandle::new(tokio::spawn(serving));
        let deliveries = AbortOnDropHandle::new(tokio::spawn(firehose.clone().deliver_when_due()));
        tracing::info!(%address, data_dir = %data_dir.path().display(), "local cloud is listening");
        Ok(Self {
            address,
            services,
            firehose,
            server,
            deliveries,
            dynamodb,
            stop,
            data_dir,
        })
    }

    /// The address it answers on, always on 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as an AWS SDK takes it for an endpoint URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its delivery streams, for what feeds one in this process.
    #[must_use]
    pub fn firehose(&self) -> &Firehose {
        &self.firehose
    }

    /// The region in every ARN.
    pub(crate) fn region(&self) -> &str {
        &self.services.region
    }

    /// From now on the description says that the dashboard is at `url`. The first one told stays.
    pub(crate) fn tell_dashboard(&self, url: String) {
        self.services.dashboard.get_or_init(|| url);
    }

    /// From now on the Kinesis stream `stream` takes no records: its writers are told that the
    /// service is unavailable. Every record that it has acknowledged can be read when this returns.
    pub async fn close_stream(&self, stream: &str) {
        self.services.close_stream(stream).await;
    }

    /// Waits until `stop` was cancelled and the endpoint has ended in good order: requests in
    /// flight are answered (for five seconds at most), buffered objects delivered, the table closed
    /// and the data directory free again.
    pub async fn stopped(mut self) {
        self.stop.cancelled().await;
        if tokio::time::timeout(GRACE, &mut self.server).await.is_err() {
            tracing::warn!(
                seconds = GRACE.as_secs(),
                "requests were cut off when the local cloud stopped"
            );
        }
        self.deliveries.abort();
        if let Err(error) = self.firehose.flush().await {
            tracing::error!(%error, "buffered objects stay behind; they are delivered after the next start");
        }
        self.dynamodb.stop(GRACE).await;
        drop(self.data_dir);
    }
}

async fn listen(port: u16) -> Result<TcpListener, EndpointError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => EndpointError::PortInUse { port },
            _ => EndpointError::Listen { port, source },
        })
}

/// Why an endpoint does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Something else answers on the port.
    #[error("port {port} is in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be opened for another reason, such as missing rights.
    #[error("port {port} cannot be opened")]
    Listen {
        /// The port.
        port: u16,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The data directory cannot be had.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The table's file cannot be opened: it is no database, or a newer one.
    #[error("the table {} cannot be opened", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: dynoxide::DynoxideError,
    },
}
