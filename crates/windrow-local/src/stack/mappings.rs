//! The settings of a template's mappings, as those of the local cloud's.

use std::path::Path;

use windrow_read::{Start, Timestamp};
use windrow_template::{FailureDestination, FunctionResource, MappingResource, MappingStart};

use crate::clock::Clock;
use crate::cloud::MAPPINGS;
use crate::mapping::{FilterCriteria, MappingOptions, OnFailure};
use crate::settings::ON_FAILURE;
use crate::start_error::StartError;

/// The options of a template's mapping. Checkpoints and failed batches are kept in `data_dir`.
///
/// # Errors
///
/// [`StartError::Filter`] if its filters are not valid.
pub fn mapping_options(
    mapping: &MappingResource,
    function: &FunctionResource,
    data_dir: &Path,
) -> Result<MappingOptions, StartError> {
    let filter_criteria =
        FilterCriteria::new(&mapping.filters).map_err(|source| StartError::Filter {
            mapping: mapping.logical_id.clone(),
            line: mapping.line,
            source,
        })?;
    let failed = data_dir.join(ON_FAILURE);
    let on_failure = mapping
        .on_failure
        .as_ref()
        .map(|destination| match destination {
            FailureDestination::Bucket(bucket) => OnFailure::S3(failed.join("s3").join(bucket)),
            FailureDestination::Queue(queue) => OnFailure::Sqs(failed.join("sqs").join(queue)),
            FailureDestination::Topic(topic) => OnFailure::Sns(failed.join("sns").join(topic)),
        });
    // A state belongs to windows of one length.
    let window = mapping.tumbling_window;
    let state_version = window.map_or_else(String::new, |window| format!("{} s", window.as_secs()));
    Ok(MappingOptions {
        batch_size: usize::try_from(mapping.batch_size).unwrap_or(usize::MAX),
        batching_window: mapping.batching_window,
        tumbling_window: mapping.tumbling_window,
        report_batch_item_failures: mapping.report_batch_item_failures,
        bisect_on_error: mapping.bisect_on_error,
        retry_attempts: mapping.retry_attempts,
        record_age: mapping.record_age,
        parallelization_factor: usize::try_from(mapping.parallelization_factor)
            .unwrap_or(usize::MAX),
        filter_criteria,
        on_failure,
        checkpoints: Some(data_dir.join(MAPPINGS)),
        state_version,
        function_timeout: function.timeout,
        ..MappingOptions::default()
    })
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
