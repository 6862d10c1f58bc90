//! A mapping's settings, named and bounded as Lambda's are.

use std::path::PathBuf;
use std::time::Duration;

use super::filter::FilterCriteria;
use super::on_failure::OnFailure;

/// The settings of one event source mapping.
///
/// Source: "Polling and batching streams" and "Retain discarded batch records" in the Lambda
/// developer guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingOptions {
    /// The most records in a batch (`BatchSize`).
    pub batch_size: usize,
    /// Whether it polls the stream (`Enabled`). With a folder for checkpoints, a mapping that was
    /// disabled or enabled stays so after a restart, whatever this says.
    pub enabled: bool,
    /// How many batches of a shard are delivered at a time (`ParallelizationFactor`), from 1 to 10. The
    /// records of a partition key stay in order. It must be 1 with a tumbling window.
    pub parallelization_factor: usize,
    /// Which records the function gets (`FilterCriteria`).
    pub filter_criteria: FilterCriteria,
    /// How long to wait for a full batch before sending a short one
    /// (`MaximumBatchingWindowInSeconds`).
    pub batching_window: Duration,
    /// The length of a tumbling window, if there is one (`TumblingWindowInSeconds`).
    pub tumbling_window: Option<Duration>,
    /// Whether the function's `batchItemFailures` count (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// Whether a failed batch is split in half before it is retried (`BisectBatchOnFunctionError`).
    pub bisect_on_error: bool,
    /// How often a failed batch is retried; `None` for no limit (`MaximumRetryAttempts`).
    pub retry_attempts: Option<u32>,
    /// How old a record may be before it fails; `None` for any age (`MaximumRecordAgeInSeconds`).
    pub record_age: Option<Duration>,
    /// Where failed batches go (`DestinationConfig`).
    pub on_failure: Option<OnFailure>,
    /// The folder for checkpoints, so that the mapping goes on where it was after a restart, even if
    /// it was killed; `None` to keep nothing. Each function and stream has a folder in it. A mapping
    /// reads it when it starts, so the last one of the same function and stream must have ended.
    pub checkpoints: Option<PathBuf>,
    /// What the states of windows depend on, such as the columns of a sensor. After a restart with
    /// another version, an open window's records are delivered again, without its state.
    pub state_version: String,
    /// The function's timeout.
    pub function_timeout: Duration,
    /// How often an idle shard is read. Lambda reads once per second; a shard allows five reads per
    /// second over all its readers.
    pub poll_interval: Duration,
}

/// What can be changed while a mapping runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MappingUpdate {
    /// Whether it polls the stream.
    pub(crate) enabled: bool,
    /// The most records in a batch (`BatchSize`).
    pub(crate) batch_size: usize,
}

impl From<&MappingOptions> for MappingUpdate {
    fn from(options: &MappingOptions) -> Self {
        Self {
            enabled: options.enabled,
            batch_size: options.batch_size,
        }
    }
}

impl Default for MappingOptions {
    fn default() -> Self {
        Self {
            batch_size: 100,
            enabled: true,
            parallelization_factor: 1,
            filter_criteria: FilterCriteria::default(),
            batching_window: Duration::ZERO,
            tumbling_window: None,
            report_batch_item_failures: false,
            bisect_on_error: false,
            retry_attempts: None,
            record_age: None,
            on_failure: None,
            checkpoints: None,
            state_version: String::new(),
            function_timeout: Duration::from_secs(60),
            poll_interval: Duration::from_millis(250),
        }
    }
}
