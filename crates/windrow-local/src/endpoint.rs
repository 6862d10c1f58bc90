//! One HTTP endpoint on 127.0.0.1 and `[::1]` that serves Kinesis, DynamoDB and Firehose to any AWS SDK.
//!
//! `POST /` goes to the service in the `X-Amz-Target` header, or to STS, which knows
//! GetCallerIdentity, if it is a signed form. `GET /` and `GET /_local` return a
//! short JSON description, by which a client recognizes the local cloud. Requests for another host,
//! or from a web page of another machine, are rejected.
//!
//! Kinesis is the `windrow-kinesis` crate, whose streams are in `kinesis/` in the data directory.
//! DynamoDB is the `dynoxide-rs` crate, stored in `table.db` in the data directory. Firehose is
//! [`crate::firehose`], whose delivery streams outlive the process.

mod dynamodb;
mod faults;
mod kinesis;
mod own_clients;
mod partial;
mod router;
mod sts;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windrow_kinesis::{OpenError, OpenReport};

use crate::clock::Clock;
use crate::data_dir::{DataDir, DataDirError, EarlierRun};
use crate::disk_trouble::DiskTrouble;
use crate::faults::Faults;
use crate::firehose::{Firehose, FirehoseError};
use crate::hosts::{AllowedHosts, HostName};
use crate::listen::listen;
use crate::server::{Callers, ServerLimits, serve};
use dynamodb::DynamoDb;
pub(crate) use own_clients::as_own;
use router::Services;

/// The largest request body: a Kinesis call of 10 MiB in base64, plus some margin. DynamoDB's own
/// limit is 16 MiB too.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// The default port. Other local clouds use it too, so tools look there.
pub const DEFAULT_PORT: u16 = 4566;

/// How long requests in flight may take to finish after the stop.
const GRACE: Duration = Duration::from_secs(5);

/// Enough connections for the pollers of a few hundred shards.
const LIMITS: ServerLimits = ServerLimits::new(Callers::ThisMachine, 512, MAX_REQUEST_BYTES);

/// The settings of an [`Endpoint`].
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// The port. Zero picks a free one; see [`Endpoint::address`].
    pub port: u16,
    /// An address to listen on besides 127.0.0.1 and `[::1]`. Whoever can reach it can read and write
    /// everything: no credentials are checked.
    pub bind: Option<IpAddr>,
    /// Other hosts that requests may name.
    pub allowed_hosts: Vec<HostName>,
    /// Where the streams, the table and the archive are kept. Only one process at a time can use it.
    pub data_dir: PathBuf,
    /// The region in every ARN.
    pub region: String,
    /// The twelve-digit account in every ARN.
    pub account: String,
    /// The most open shards of all streams together.
    pub shard_limit: u32,
    /// How long a shard iterator stays valid: five minutes on AWS. Tests of expiry use less.
    pub iterator_lifetime: Duration,
    /// How many GetRecords calls per second each shard allows, over all its readers: five on AWS.
    /// The local cloud's own readers do not count. `None` for no limit.
    pub reads_per_second: Option<u32>,
    /// Faults to inject into the calls that carry data.
    pub faults: Arc<Faults>,
    /// The clock of the arrival times.
    pub clock: Clock,
}

impl EndpointOptions {
    /// The default settings, with this data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            port: DEFAULT_PORT,
            bind: None,
            allowed_hosts: Vec::new(),
            data_dir: data_dir.into(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            shard_limit: 1_000,
            iterator_lifetime: Duration::from_secs(300),
            reads_per_second: None,
            faults: Arc::new(Faults::none()),
            clock: Clock::system(),
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
    servers: Vec<AbortOnDropHandle<()>>,
    deliveries: AbortOnDropHandle<()>,
    dynamodb: DynamoDb,
    stop: CancellationToken,
    data_dir: DataDir,
    earlier_run: Option<EarlierRun>,
    streams: OpenReport,
    disk: DiskTrouble,
}

impl Endpoint {
    /// Starts the endpoint, and returns once the port is open. `stop` ends it.
    ///
    /// # Errors
    ///
    /// [`EndpointError`], with the port or the path. The port is opened first: if another local
    /// cloud is running, that error is the most helpful.
    pub async fn start(
        options: EndpointOptions,
        stop: CancellationToken,
    ) -> Result<Self, EndpointError> {
        let (listeners, address) = open_port(&options).await?;
        let hosts = AllowedHosts::new(options.bind, &options.allowed_hosts);
        let data_dir = DataDir::open(&options.data_dir)?;
        let earlier_run = data_dir.earlier_run();
        let disk = DiskTrouble::new();
        let dynamodb = DynamoDb::open(&data_dir.database()?)?;
        let (region, account) = (&options.region, &options.account);
        let firehose = Firehose::with_disk(data_dir.path(), region, account, disk.clone());
        firehose.restore().await?;
        let (kinesis, streams) = kinesis::open(&options, data_dir.path()).await?;
        // Last, so that a start that fails is no run that ended without a clean stop.
        data_dir.begin_run()?;
        tokio::spawn(kinesis::report_trouble(kinesis.disk(), disk.writer()));
        let services = Arc::new(Services {
            region: options.region,
            account: options.account,
            kinesis,
            clock: options.clock,
            dynamodb: dynamodb.clone(),
            firehose: firehose.clone(),
            dashboard: OnceLock::new(),
        });
        let router = router::router(Arc::clone(&services), options.faults);

        let servers = listeners.into_iter().map(|listener| {
            let (router, hosts, stop) = (router.clone(), hosts.clone(), stop.clone());
            AbortOnDropHandle::new(tokio::spawn(serve(listener, router, LIMITS, hosts, stop)))
        });
        let deliveries = AbortOnDropHandle::new(tokio::spawn(firehose.clone().deliver_when_due()));
        tracing::info!(%address, data_dir = %data_dir.path().display(), "local cloud is listening");
        Ok(Self {
            address,
            services,
            firehose,
            servers: servers.collect(),
            deliveries,
            dynamodb,
            stop,
            data_dir,
            earlier_run,
            streams,
            disk,
        })
    }

    /// The run that has used the data directory before, if there was one.
    pub(crate) fn earlier_run(&self) -> Option<EarlierRun> {
        self.earlier_run
    }

    /// What was found in the streams' files.
    pub(crate) fn streams(&self) -> &OpenReport {
        &self.streams
    }

    /// The names of the streams that exist.
    pub(crate) fn stream_names(&self) -> Vec<String> {
        self.services.kinesis.stream_names()
    }

    /// The trouble with the disk of the data directory.
    pub(crate) fn disk(&self) -> &DiskTrouble {
        &self.disk
    }

    /// Stops after a start that failed. The next run on the data directory finds what this one has
    /// found.
    pub(crate) async fn abandon(self) {
        self.stop.cancel();
        let is_clean = !self.earlier_run.is_some_and(|earlier| earlier.is_unclean);
        self.close(is_clean).await;
    }

    /// The address for clients of this machine: 127.0.0.1, or `::1` if it is bound to `::`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint URL for an AWS SDK.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The delivery streams, for code in this process that puts records.
    #[must_use]
    pub fn firehose(&self) -> &Firehose {
        &self.firehose
    }

    /// The clock of the arrival times. The mappings of this endpoint's streams need it.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.services.clock
    }

    /// The region in every ARN.
    pub(crate) fn region(&self) -> &str {
        &self.services.region
    }

    /// Adds the dashboard's URL to the description. Only the first call has an effect.
    pub(crate) fn set_dashboard_url(&self, url: String) {
        self.services.dashboard.get_or_init(|| url);
    }

    /// Closes the Kinesis stream `stream` to writers, who get the error ServiceUnavailable. When
    /// this returns, every acknowledged record can be read.
    pub async fn close_stream(&self, stream: &str) {
        self.services.kinesis.close_stream(stream).await;
    }

    /// Waits until `stop` is cancelled and the endpoint has shut down: requests in flight are
    /// finished (for at most five seconds), buffered objects are delivered, the table is closed and
    /// the data directory is unlocked. The next run on it then finds a clean end.
    pub async fn stopped(self) {
        self.stop.cancelled().await;
        self.close(true).await;
    }

    /// Closes everything, and marks the run as ended if it ends cleanly.
    async fn close(mut self, is_clean: bool) {
        let ended = join_all(std::mem::take(&mut self.servers));
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!(
                seconds = GRACE.as_secs(),
                "requests were cut off when the local cloud stopped"
            );
        }
        self.deliveries.abort();
        if let Err(error) = self.firehose.flush().await {
            tracing::error!(%error, "buffered objects are not delivered yet; the next start delivers them");
        }
        self.dynamodb.stop(GRACE).await;
        self.disk.log_totals();
        // The streams are closed before another process can lock the directory.
        drop(self.services);
        if is_clean {
            self.data_dir.end_run();
        }
        drop(self.data_dir);
    }
}

async fn open_port(
    options: &EndpointOptions,
) -> Result<(Vec<TcpListener>, SocketAddr), EndpointError> {
    let (port, bind) = (options.port, options.bind);
    listen(bind, port)
        .await
        .map_err(|source| match (source.kind(), bind) {
            (io::ErrorKind::AddrInUse, _) => EndpointError::PortInUse { port },
            (io::ErrorKind::AddrNotAvailable, Some(address)) => {
                EndpointError::NoSuchAddress { address, source }
            }
            _ => EndpointError::Listen { port, source },
        })
}

/// Why an endpoint cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Another program uses the port.
    #[error("port {port} is in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be opened for another reason, such as missing permissions.
    #[error("port {port} cannot be opened")]
    Listen {
        /// The port.
        port: u16,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The address to listen on is none of this machine.
    #[error("this machine does not have the address {address}")]
    NoSuchAddress {
        /// The address.
        address: IpAddr,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What delivery streams have left in the data directory cannot be used.
    #[error(transparent)]
    Firehose(#[from] FirehoseError),
    /// The table's file cannot be opened: it is not a database, or has a newer format.
    #[error("the table {} cannot be opened", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// The database's error.
        #[source]
        source: dynoxide::DynoxideError,
    },
    /// The streams' files cannot be read or written.
    #[error("the streams of the data directory cannot be opened")]
    Kinesis {
        /// Which file, and why.
        #[source]
        source: OpenError,
    },
    /// The start was interrupted.
    #[error("the start was interrupted")]
    Stopped {
        /// Why.
        #[source]
        source: tokio::task::JoinError,
    },
}
