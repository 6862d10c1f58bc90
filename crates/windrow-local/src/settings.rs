//! What a local cloud is made of: the names and numbers that the deployed application has too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::dashboard::DashboardPort;
use crate::endpoint::DEFAULT_PORT;
use crate::faults::Faults;
use crate::mapping::MappingOptions;

/// Names of the streams and the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceNames {
    /// The Kinesis stream of readings, and the Firehose stream that archives it.
    pub stream: String,
    /// The Kinesis stream of summary rows.
    pub summary_stream: String,
    /// The DynamoDB table of summary rows.
    pub table: String,
    /// The table's partition key and sort key, both text.
    pub table_key: [String; 2],
    /// The Firehose stream of rejected readings and summaries.
    pub rejects: String,
}

/// The local cloud's settings.
#[derive(Clone, Debug)]
pub struct CloudSettings {
    /// The port of the endpoint on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// Where the table, the archive and failed batches are kept.
    pub data_dir: PathBuf,
    /// How many shards each of the two streams starts with.
    pub shards: u32,
    /// The length of the tumbling window.
    pub window: Duration,
    /// The names of streams and table.
    pub names: ResourceNames,
    /// What goes wrong on purpose.
    pub faults: Arc<Faults>,
    /// Where the dashboard is served; without a port, nowhere.
    pub dashboard: Option<DashboardPort>,
    /// How many GetRecords calls a second each shard takes from others than the local cloud itself: five
    /// on AWS. Without a number, any number of them.
    pub reads_per_second: Option<u32>,
}

impl CloudSettings {
    /// The usual settings: port 4566, one shard per stream, windows of 60 s, no faults, no dashboard and no
    /// limit on reads.
    pub fn new(names: ResourceNames, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            port: DEFAULT_PORT,
            data_dir: data_dir.into(),
            shards: 1,
            window: Duration::from_secs(60),
            names,
            faults: Arc::new(Faults::none()),
            dashboard: None,
            reads_per_second: None,
        }
    }
}

/// The aggregator's mapping.
///
/// It retries without limit, since to give up would lose readings: rejected ones do not fail it.
pub fn aggregator_mapping(window: Duration) -> MappingOptions {
    MappingOptions {
        batch_size: 10_000,
        batching_window: Duration::from_secs(1),
        tumbling_window: Some(window),
        ..MappingOptions::default()
    }
}

/// The processor's mapping: finite retries, then the on-failure destination.
pub fn processor_mapping(on_failure: PathBuf) -> MappingOptions {
    MappingOptions {
        batch_size: 100,
        batching_window: Duration::ZERO,
        report_batch_item_failures: true,
        bisect_on_error: true,
        retry_attempts: Some(10),
        record_age: Some(Duration::from_secs(24 * 60 * 60)),
        on_failure: Some(on_failure),
        ..MappingOptions::default()
    }
}
