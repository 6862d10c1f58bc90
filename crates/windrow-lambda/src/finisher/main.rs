//! The finisher as a program.

use std::process::ExitCode;
use std::sync::Arc;

use aws_types::SdkConfig;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde::Deserialize;
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;
use windrow_write::{FirehoseStream, KinesisStream};

use super::settings::FinisherSettings;
use super::{FinishTime, Finisher, MergedOutput, ProgressTable, WindowOutputs};
use crate::metrics::Sink;
use crate::payload::{KeepPayload, take_payload};
use crate::program;

/// The `main` function of a sensor's finisher. It has one output, `windows`, which has the merged
/// rows.
///
/// It sets up the log, reads the [settings](super::settings) from the environment, and handles
/// invocations until Lambda ends the process. It takes a sensor as it is made, and logs whatever
/// keeps it from starting.
pub fn main<S: Sensor, E: Into<Error>>(sensor: Result<S, E>) -> ExitCode {
    main_of(sensor.map(|sensor| MergedOutput::new(sensor.schema(), WINDOWS)))
}

/// The name of the output of merged rows.
pub const WINDOWS: &str = "windows";

/// Like [`main`], with outputs of one's own.
pub fn main_of<W: WindowOutputs, E: Into<Error>>(outputs: Result<W, E>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread();
    program::run("finisher", runtime, async {
        run(outputs.map_err(Into::into)?).await
    })
}

async fn run(outputs: impl WindowOutputs) -> Result<(), Error> {
    let settings = FinisherSettings::read(|name| std::env::var(name).ok())?.check(&outputs)?;
    let config = windrow_connect::lambda_config().await?;
    let sink = crate::metrics::standard_output(settings.function_name.clone());
    let function = Arc::new(finisher(outputs, settings, &config, sink));
    let handler = service_fn(move |invocation: LambdaEvent<()>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = crate::handler_deadline(invocation.context.deadline());
            let time = finish_time(&take_payload(), now());
            Ok::<_, Error>(function.handle(time, deadline).await?)
        }
    });
    Runtime::new(handler)
        .layer(KeepPayload)
        .layer(TracingLayer::new())
        .run()
        .await
}

/// The function of some outputs that writes to Kinesis streams.
pub fn finisher<W: WindowOutputs>(
    outputs: W,
    settings: FinisherSettings,
    config: &SdkConfig,
    sink: Sink,
) -> Finisher<W, KinesisStream, FirehoseStream> {
    let kinesis = aws_sdk_kinesis::Client::new(config);
    let streams = settings.output_streams.into_iter();
    let destinations =
        streams.map(|(output, stream)| (output, KinesisStream::new(kinesis.clone(), stream)));
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    let firehose = aws_sdk_firehose::Client::new(config);
    let finisher = Finisher::new(
        outputs,
        kinesis.clone(),
        settings.streams,
        ProgressTable::new(dynamodb, settings.progress_table),
        destinations.collect(),
        FirehoseStream::new(firehose, settings.rejects_stream),
        sink,
    );
    match settings.memory {
        Some(memory) => finisher.with_most_rows(memory.saturating_mul(ROWS_PER_MB)),
        None => finisher,
    }
}

/// How many rows of open windows are held per MB of the function's memory: a row and what it becomes
/// take up to 2 KB.
const ROWS_PER_MB: usize = 500;

/// The time that an event says, as those of a schedule do; otherwise, `now`.
pub fn finish_time(payload: &[u8], now: Timestamp) -> FinishTime {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ScheduledEvent {
        time: Option<String>,
        drained: bool,
    }
    let event: ScheduledEvent = serde_json::from_slice(payload).unwrap_or_default();
    let time = event.time.and_then(|time| time.parse().ok());
    FinishTime {
        now: time.unwrap_or(now),
        is_drained: event.drained,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an event of a stream does not say what time it is"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_schedule_say_the_time() {
        let now = Timestamp::EPOCH;
        let time = |payload: &str| {
            let time = finish_time(payload.as_bytes(), now);
            (time.now.to_string(), time.is_drained)
        };
        let scheduled = r#"{"source":"aws.events","time":"2026-11-20T09:17:00Z","detail":{}}"#;
        assert_eq!(time(scheduled).0, "2026-11-20 09:17:00.000");
        let epoch = "1970-01-01 00:00:00.000".to_owned();
        assert_eq!(time(r#"{"Records":[]}"#), (epoch.clone(), false));
        assert_eq!(time("[]"), (epoch.clone(), false));
        assert_eq!(time(r#"{"drained":true,"time":7}"#), (epoch, false));
    }
}
