//! The aggregator as a program.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use windrow_core::sensor::Sensor;
use windrow_event::Event;
use windrow_write::{FirehoseStream, KinesisStream};

use crate::aggregator::Aggregator;
use crate::aggregator::settings::AggregatorSettings;
use crate::payload::{KeepPayload, take_payload};
use crate::program;

/// The `main` function of a sensor's aggregator.
///
/// It sets up the log, reads the [settings](crate::aggregator::settings) from the environment, and
/// handles invocations until Lambda ends the process. It takes a sensor as it is made, and logs
/// whatever keeps it from starting.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use windrow_core::sensor::{DeclaredSensor, Field, Aggregation};
/// use windrow_core::value::{ColumnType, NumberType};
///
/// fn main() -> ExitCode {
///     let celsius = ColumnType::Number(NumberType::decimal(2));
///     windrow_lambda::aggregator::main(DeclaredSensor::new(vec![
///         Field::new("Room", ColumnType::Text).key(),
///         Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
///     ]))
/// }
/// ```
pub fn main<S: Sensor, E: Into<Error>>(sensor: Result<S, E>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    program::run("aggregator", runtime, async {
        run(sensor.map_err(Into::into)?).await
    })
}

async fn run<S: Sensor>(sensor: S) -> Result<(), Error> {
    let settings = AggregatorSettings::read(|name| std::env::var(name).ok())?.check(&sensor)?;
    let config = windrow_connect::lambda_config().await?;
    let function = Arc::new(Aggregator::new(
        sensor,
        KinesisStream::new(
            aws_sdk_kinesis::Client::new(&config),
            settings.summary_stream,
        ),
        FirehoseStream::new(
            aws_sdk_firehose::Client::new(&config),
            settings.rejects_stream,
        ),
        settings.window_time,
        crate::metrics::standard_output(settings.function_name),
    ));
    let handler = service_fn(move |invocation: LambdaEvent<()>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = crate::handler_deadline(invocation.context.deadline());
            let event = Event::from_json(&take_payload())?;
            function.handle(&event, deadline).await
        }
    });
    Runtime::new(handler)
        .layer(KeepPayload)
        .layer(TracingLayer::new())
        .run()
        .await
}
