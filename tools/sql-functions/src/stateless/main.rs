//! The function as a program.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use aws_types::SdkConfig;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use windrow_event::Event;
use windrow_lambda::metrics::Sink;
use windrow_lambda::payload::{KeepPayload, take_payload};
use windrow_lambda::{handler_deadline, metrics, program};
use windrow_sql::sensor::SqlSensor;
use windrow_write::{FirehoseStream, KinesisStream};

use super::StatelessWriter;
use super::settings::StatelessSettings;

/// The `main` function of the function of pumps without windows.
///
/// It sets up the log, reads the [settings](crate::stateless::settings) from the environment, and
/// handles invocations until Lambda ends the process. It takes a sensor as it is made, and logs
/// whatever keeps it from starting.
pub fn main<E: Into<Error>>(sensor: Result<SqlSensor, E>) -> ExitCode {
    // One thread: a function with this little memory gets only a fraction of a vCPU.
    let runtime = tokio::runtime::Builder::new_current_thread();
    program::run("sql-stateless", runtime, async {
        run(sensor.map_err(Into::into)?).await
    })
}

async fn run(sensor: SqlSensor) -> Result<(), Error> {
    let settings = StatelessSettings::read(|name| std::env::var(name).ok())?.check(&sensor)?;
    let config = windrow_connect::lambda_config().await?;
    let sink = metrics::standard_output(settings.function_name);
    let (outputs, rejects) = (&settings.output_streams, settings.rejects_stream);
    let function = Arc::new(writer(sensor, outputs, rejects, &config, sink));
    let handler = service_fn(move |invocation: LambdaEvent<()>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = handler_deadline(invocation.context.deadline());
            let event = Event::from_json(&take_payload())?;
            Ok::<_, Error>(function.handle(&event, deadline).await?)
        }
    });
    Runtime::new(handler)
        .layer(KeepPayload)
        .layer(TracingLayer::new())
        .run()
        .await
}

/// The function of a sensor that writes to Kinesis streams, and rejects to a Firehose stream.
pub fn writer(
    sensor: SqlSensor,
    output_streams: &BTreeMap<String, String>,
    rejects_stream: impl Into<String>,
    config: &SdkConfig,
    sink: Sink,
) -> StatelessWriter<KinesisStream, FirehoseStream> {
    let kinesis = aws_sdk_kinesis::Client::new(config);
    let firehose = aws_sdk_firehose::Client::new(config);
    StatelessWriter::new(
        sensor,
        output_streams,
        |stream| KinesisStream::new(kinesis.clone(), stream),
        FirehoseStream::new(firehose, rejects_stream),
        sink,
    )
}
