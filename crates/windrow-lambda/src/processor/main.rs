//! The processor as a program.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use windrow_core::sensor::Sensor;
use windrow_event::Event;
use windrow_write::{DynamoTable, FirehoseStream};

use crate::processor::settings::ProcessorSettings;
use crate::processor::{Processor, RowMetric};
use crate::program;

/// The `main` function of a sensor's processor.
///
/// It sets up the log, reads the [settings](crate::processor::settings) from the environment, and
/// handles invocations until Lambda ends the process. It takes a sensor as it is made, and logs
/// whatever keeps it from starting.
pub fn main<S: Sensor, E: Into<Error>>(
    sensor: Result<S, E>,
    row_metric: Option<RowMetric>,
) -> ExitCode {
    // One thread: a function with this little memory gets only a fraction of a vCPU.
    let runtime = tokio::runtime::Builder::new_current_thread();
    program::run("processor", runtime, async {
        run(sensor.map_err(Into::into)?, row_metric).await
    })
}

async fn run<S: Sensor>(sensor: S, row_metric: Option<RowMetric>) -> Result<(), Error> {
    let settings = ProcessorSettings::read(|name| std::env::var(name).ok())?;
    let config = windrow_connect::lambda_config().await?;
    let schema = sensor.schema();
    let function = Processor::new(
        schema,
        DynamoTable::new(
            aws_sdk_dynamodb::Client::new(&config),
            settings.table_name,
            schema.table_key(),
        ),
        FirehoseStream::new(
            aws_sdk_firehose::Client::new(&config),
            settings.rejects_stream,
        ),
        settings.expire_after_days,
        crate::metrics::standard_output(settings.function_name),
    );
    let function = Arc::new(function.with_row_metric(row_metric));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = crate::handler_deadline(event.context.deadline());
            Ok::<_, Error>(function.handle(&event.payload, deadline).await)
        }
    }))
    .await
}
