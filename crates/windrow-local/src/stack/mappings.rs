//! The settings of a template's mappings, as those of the local cloud's.

use std::path::Path;

use windrow_read::{Start, Timestamp};
use windrow_template::{FailureDestination, FunctionResource, MappingResource, MappingStart};

use crate::clock::Clock;
use crate::cloud::ON_FAILURE;
use crate::mapping::MappingOptions;

/// The folder of the data directory that holds the mappings' checkpoints.
const CHECKPOINTS: &str = "mappings";

/// The options of a mapping. What has no effect here is added to `notes`.
pub(super) fn mapping_options(
    mapping: &MappingResource,
    function: &FunctionResource,
    data_dir: &Path,
    notes: &mut Vec<String>,
) -> MappingOptions {
    let MappingResource {
        logical_id, line, ..
    } = mapping;
    let mut note = |text: &str| {
        notes.push(format!("line {line}: the mapping {logical_id} {text}"));
    };
    if !mapping.filters.is_empty() {
        note("has filters, which are not applied here: the function gets all records");
    }
    if mapping.parallelization_factor > 1 {
        note("processes one batch of a shard at a time here");
    }
    let on_failure = match &mapping.on_failure {
        None => None,
        Some(FailureDestination::Bucket(bucket)) => Some(data_dir.join(ON_FAILURE).join(bucket)),
        Some(_) => {
            note("drops failed batches here: queues and topics do not get them");
            None
        }
    };
    // A state belongs to windows of one length.
    let window = mapping.tumbling_window.unwrap_or_default();
    MappingOptions {
        batch_size: usize::try_from(mapping.batch_size).unwrap_or(usize::MAX),
        batching_window: mapping.batching_window,
        tumbling_window: mapping.tumbling_window,
        report_batch_item_failures: mapping.report_batch_item_failures,
        bisect_on_error: mapping.bisect_on_error,
        retry_attempts: mapping.retry_attempts,
        record_age: mapping.record_age,
        on_failure,
        checkpoints: Some(data_dir.join(CHECKPOINTS)),
        state_version: format!("{} s", window.as_secs()),
        function_timeout: function.timeout,
        ..MappingOptions::default()
    }
}

/// Where a mapping starts to read, unless an earlier run has read.
pub(super) fn mapping_start(start: MappingStart, clock: &Clock) -> Start {
    match start {
        MappingStart::Latest => Start::Latest,
        // A time in the future is not allowed.
        MappingStart::AtTimestamp(millis) => {
            Start::AtTimestamp(Timestamp::from_millis(millis.min(clock.now_millis())))
        }
        MappingStart::TrimHorizon => Start::TrimHorizon,
    }
}
