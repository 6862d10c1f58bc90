//! Invokes the function with one batch, and interprets its response.

use std::sync::Arc;

use serde_json::value::RawValue;
use windrow_core::window::Window;
use windrow_event::{EventSource, RecordData, Response, WindowFields, encode, encoded_len};
use windrow_read::ShardRecord;

use super::options::MappingOptions;
use crate::functions::{Function, MAX_PAYLOAD_BYTES};

/// The largest state that Lambda carries from one invocation to the next. A larger state ends the
/// window early. Source: "Tumbling windows" in the Lambda developer guide.
pub(super) const MAX_STATE_BYTES: usize = 1_000_000;

/// A function and the shard it is invoked for.
pub(super) struct Invoker {
    pub(super) function: Arc<dyn Function>,
    pub(super) stream_arn: String,
    pub(super) region: String,
    pub(super) shard: String,
}

/// The window that a batch belongs to.
#[derive(Clone, Copy)]
pub(super) struct BatchWindow<'a> {
    pub(super) window: Window,
    pub(super) state: Option<&'a RawValue>,
    pub(super) is_final: bool,
    pub(super) is_terminated_early: bool,
}

/// The outcome of a batch.
pub(super) enum InvocationOutcome {
    /// All of it is done. With a window, this is the state for the next invocation.
    Done(Option<Box<RawValue>>),
    /// This many records from the start are done; the rest must be retried.
    Partial(usize),
    /// None of it is done, for this reason.
    Failed(String),
}

impl Invoker {
    fn source(&self) -> EventSource<'_> {
        EventSource {
            stream_arn: &self.stream_arn,
            region: &self.region,
            shard_id: &self.shard,
        }
    }

    /// How many of the first `most` records fit in one event with a state of `state_bytes`;
    /// `usize::MAX` if all of them do.
    pub(super) fn fit<'a>(
        &self,
        records: impl Iterator<Item = &'a ShardRecord>,
        most: usize,
        state_bytes: usize,
    ) -> usize {
        let source = self.source();
        let envelope = encode(&source, &[], None).len() + ENVELOPE_MARGIN + state_bytes;
        let mut left = MAX_PAYLOAD_BYTES.saturating_sub(envelope);
        for (index, record) in records.take(most).enumerate() {
            match left.checked_sub(encoded_len(&source, &data(record))) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        usize::MAX
    }

    /// Builds the event of `records`.
    pub(super) fn event(
        &self,
        records: &[ShardRecord],
        window: Option<BatchWindow<'_>>,
    ) -> Vec<u8> {
        let records: Vec<RecordData<'_>> = records.iter().map(data).collect();
        let fields = window.map(|batch| WindowFields {
            window: batch.window,
            state: batch.state,
            is_final: batch.is_final,
            is_terminated_early: batch.is_terminated_early,
        });
        encode(&self.source(), &records, fields.as_ref())
    }

    /// Invokes the function once.
    pub(super) async fn invoke(
        &self,
        records: &[ShardRecord],
        window: Option<BatchWindow<'_>>,
        options: &MappingOptions,
    ) -> InvocationOutcome {
        let event = self.event(records, window);
        match self.function.invoke(event, options.function_timeout).await {
            Ok(payload) => interpret(&payload, records, window.is_some(), options),
            Err(error) => InvocationOutcome::Failed(error.to_string()),
        }
    }
}

/// Room for the fields of a window, their punctuation and two dates, in bytes.
const ENVELOPE_MARGIN: usize = 1_000;

fn data(record: &ShardRecord) -> RecordData<'_> {
    RecordData {
        partition_key: &record.partition_key,
        sequence_number: &record.sequence_number,
        arrival: record.arrival,
        data: &record.data,
    }
}

/// What a response means for the batch.
fn interpret(
    payload: &[u8],
    records: &[ShardRecord],
    windowed: bool,
    options: &MappingOptions,
) -> InvocationOutcome {
    // A function that returns nothing, which is `null`, has handled the whole batch.
    let response = match serde_json::from_slice::<Option<Response>>(payload) {
        Ok(response) => response.unwrap_or_default(),
        Err(_) if !windowed && !options.report_batch_item_failures => Response::default(),
        Err(error) => {
            return InvocationOutcome::Failed(format!("invalid response: {error}"));
        }
    };
    if windowed {
        if !response.batch_item_failures.is_empty() {
            return InvocationOutcome::Failed(
                "the response has batch item failures, but the mapping has a tumbling window"
                    .to_owned(),
            );
        }
        return match response.state {
            Some(state) => InvocationOutcome::Done(Some(state)),
            None => InvocationOutcome::Failed("the response has no state".to_owned()),
        };
    }
    if !options.report_batch_item_failures {
        return InvocationOutcome::Done(None);
    }
    let mut lowest = records.len();
    for failure in &response.batch_item_failures {
        let index = records
            .iter()
            .position(|record| record.sequence_number == *failure);
        match index {
            Some(index) => lowest = lowest.min(index),
            None => {
                return InvocationOutcome::Failed(format!(
                    "batch item `{failure}` is not in the batch"
                ));
            }
        }
    }
    match lowest {
        0 if !records.is_empty() => {
            InvocationOutcome::Failed("the first batch item failed".to_owned())
        }
        lowest if lowest < records.len() => InvocationOutcome::Partial(lowest),
        _ => InvocationOutcome::Done(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreted(payload: &str, windowed: bool) -> String {
        let records: Vec<ShardRecord> = (7..10)
            .map(|number| ShardRecord {
                sequence_number: number.to_string(),
                partition_key: "key".to_owned(),
                data: Default::default(),
                arrival: windrow_read::Timestamp::EPOCH,
            })
            .collect();
        let options = MappingOptions {
            report_batch_item_failures: true,
            ..MappingOptions::default()
        };
        match interpret(payload.as_bytes(), &records, windowed, &options) {
            InvocationOutcome::Done(None) => "done".to_owned(),
            InvocationOutcome::Done(Some(state)) => format!("done, state {}", state.get()),
            InvocationOutcome::Partial(count) => format!("{count} done"),
            InvocationOutcome::Failed(reason) => reason,
        }
    }

    #[test]
    fn a_retry_resumes_at_the_lowest_failure() {
        let failures = |numbers: &[&str]| {
            let items: Vec<String> = numbers
                .iter()
                .map(|number| format!(r#"{{"itemIdentifier":"{number}"}}"#))
                .collect();
            interpreted(
                &format!(r#"{{"batchItemFailures":[{}]}}"#, items.join(",")),
                false,
            )
        };
        assert_eq!(failures(&[]), "done");
        assert_eq!(failures(&["9", "8"]), "1 done");
        assert_eq!(failures(&["7"]), "the first batch item failed");
        assert_eq!(failures(&[""]), "batch item `` is not in the batch");
        assert_eq!(
            failures(&["8", "70"]),
            "batch item `70` is not in the batch"
        );
    }

    #[test]
    fn an_empty_response_completes_the_batch() {
        assert_eq!(interpreted("null", false), "done");
        assert_eq!(interpreted("{}", false), "done");
        assert!(interpreted("7", false).starts_with("invalid response: "));
    }

    #[test]
    fn a_response_for_a_window_needs_a_state() {
        assert_eq!(
            interpreted(r#"{"state":{"a":1}}"#, true),
            r#"done, state {"a":1}"#
        );
        assert_eq!(interpreted("{}", true), "the response has no state");
        assert_eq!(interpreted("null", true), "the response has no state");
    }
}
