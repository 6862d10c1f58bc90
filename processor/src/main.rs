//! The processor as a Lambda function.

use std::process::ExitCode;
use std::sync::Arc;

use delivery::{DynamoTable, FirehoseStream};
use kinesis_event::Event;
use lambda_runtime::{Error, LambdaEvent, service_fn, tracing};
use processor::Processor;
use processor::row::KEY;
use processor::settings::Settings;

// One thread: a function of this size has a fraction of a processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    connect::lambda_log();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "processor cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let config = connect::lambda_config().await;
    let function = Arc::new(Processor::new(
        DynamoTable::new(
            aws_sdk_dynamodb::Client::new(&config),
            settings.table_name,
            KEY,
        ),
        FirehoseStream::new(
            aws_sdk_firehose::Client::new(&config),
            settings.rejects_stream,
        ),
        settings.expire_after_days,
        telemetry::standard_output(settings.function_name),
    ));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = connect::handler_deadline(event.context.deadline());
            Ok::<_, Error>(function.handle(&event.payload, deadline).await)
        }
    }))
    .await
}
