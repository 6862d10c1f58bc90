//! The settings of a local cloud, with the same names and numbers as the deployed application.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::dashboard::DashboardPort;
use crate::endpoint::{DEFAULT_PORT, EndpointOptions};
use crate::faults::Faults;
use crate::hosts::HostName;
use crate::mapping::{MappingOptions, OnFailure};

/// The folder of the data directory that holds failed batches of rows: the on-failure destination
/// of the processor's mapping.
pub const ON_FAILURE: &str = "on-failure";

/// The names of the streams and the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceNames {
    /// The Kinesis stream of readings, and the Firehose stream that archives it.
    pub stream: String,
    /// The Kinesis stream of rows.
    pub summary_stream: String,
    /// The DynamoDB table of rows.
    pub table: String,
    /// The table's partition key and sort key, both strings.
    pub table_key: [String; 2],
    /// The Firehose stream of rejected readings and rows.
    pub rejects: String,
    /// The Kinesis stream of each output without windows, by the output's name.
    pub outputs: BTreeMap<String, String>,
    /// The Kinesis stream of the finished rows of each output, by the output's name; none if the
    /// finisher does not run.
    pub finished: BTreeMap<String, String>,
    /// The DynamoDB table of the finisher's progress.
    pub progress_table: String,
}

/// The settings of a local cloud.
#[derive(Clone, Debug)]
pub struct CloudSettings {
    /// The port of the endpoint. 0 picks a free port.
    pub port: u16,
    /// An address on which the endpoint listens besides 127.0.0.1 and `[::1]`. Whoever can reach it
    /// can read and write everything: no credentials are checked.
    pub bind: Option<IpAddr>,
    /// Other hosts that requests to the endpoint may name.
    pub allowed_hosts: Vec<HostName>,
    /// Where the table, the archive and failed batches are kept.
    pub data_dir: PathBuf,
    /// How many shards each stream starts with.
    pub shards: u32,
    /// The length of the tumbling window.
    pub window: Duration,
    /// The settings of the event source mappings.
    pub mappings: PipelineMappings,
    /// The names of streams and table.
    pub names: ResourceNames,
    /// Faults to inject.
    pub faults: Arc<Faults>,
    /// The port of the dashboard; `None` to serve none.
    pub dashboard: Option<DashboardPort>,
    /// How many GetRecords calls per second each shard allows, over all readers except the local
    /// cloud itself: five on AWS. `None` for no limit.
    pub reads_per_second: Option<u32>,
    /// The clock of the arrival times, and of everything that waits for records.
    pub clock: Clock,
}

impl CloudSettings {
    /// The default settings: port 4566, one shard per stream, windows of 60 s, no faults, no
    /// dashboard and no limit on reads.
    pub fn new(names: ResourceNames, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            port: DEFAULT_PORT,
            bind: None,
            allowed_hosts: Vec::new(),
            data_dir: data_dir.into(),
            shards: 1,
            window: Duration::from_secs(60),
            mappings: PipelineMappings::default(),
            names,
            faults: Arc::new(Faults::none()),
            dashboard: None,
            reads_per_second: None,
            clock: Clock::system(),
        }
    }
}

impl CloudSettings {
    /// The settings of the endpoint.
    pub fn endpoint_options(&self) -> EndpointOptions {
        let mut options = EndpointOptions::new(&self.data_dir);
        options.port = self.port;
        options.bind = self.bind;
        options.allowed_hosts.clone_from(&self.allowed_hosts);
        options.faults = Arc::clone(&self.faults);
        options.reads_per_second = self.reads_per_second;
        options.clock = self.clock.clone();
        options
    }
}

/// The settings of a pipeline's event source mappings.
///
/// The local cloud sets what depends on where it runs: the checkpoints, and where failed batches go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineMappings {
    /// The aggregator's mapping. Its window is [`CloudSettings::window`].
    pub aggregator: MappingOptions,
    /// The mapping of a function that writes rows of readings without windows.
    pub stateless: MappingOptions,
    /// The processor's mapping.
    pub processor: MappingOptions,
}

impl Default for PipelineMappings {
    /// The settings of a pipeline that no template describes.
    ///
    /// What reads readings retries without limit, since dropping a batch would lose readings, and
    /// rejected readings do not fail a batch. Rows have finite retries, and then the on-failure
    /// destination.
    fn default() -> Self {
        let readings = MappingOptions {
            batch_size: 10_000,
            batching_window: Duration::from_secs(1),
            ..MappingOptions::default()
        };
        Self {
            aggregator: readings.clone(),
            // It retries from the first record of which not all rows are written.
            stateless: MappingOptions {
                report_batch_item_failures: true,
                ..readings
            },
            processor: MappingOptions {
                batch_size: 100,
                batching_window: Duration::ZERO,
                report_batch_item_failures: true,
                bisect_on_error: true,
                retry_attempts: Some(10),
                record_age: Some(Duration::from_secs(24 * 60 * 60)),
                on_failure: Some(OnFailure::S3(ON_FAILURE.into())),
                ..MappingOptions::default()
            },
        }
    }
}

/// How often the finisher is invoked. On AWS, it is invoked when there is a watermark, and once per
/// minute.
pub const FINISHER_PERIOD: Duration = Duration::from_millis(500);

/// The partition key of the table of the finisher's progress.
pub const PROGRESS_KEY: &str = "Log";
