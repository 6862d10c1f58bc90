//! The processor as a Lambda function.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn, tracing};
use unicorn::row::schema;
use windrow_event::Event;
use windrow_lambda::processor::Processor;
use windrow_lambda::processor::settings::ProcessorSettings;
use windrow_write::{DynamoTable, FirehoseStream};

// One thread: a function with this little memory gets only a fraction of a vCPU.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    windrow_lambda::log::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "processor cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let settings = ProcessorSettings::read(|name| std::env::var(name).ok())?;
    let config = windrow_connect::lambda_config().await;
    let function = Arc::new(Processor::new(
        DynamoTable::new(
            aws_sdk_dynamodb::Client::new(&config),
            settings.table_name,
            schema().table_key(),
        ),
        FirehoseStream::new(
            aws_sdk_firehose::Client::new(&config),
            settings.rejects_stream,
        ),
        settings.expire_after_days,
        windrow_lambda::metrics::standard_output(settings.function_name),
    ));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = windrow_lambda::handler_deadline(event.context.deadline());
            Ok::<_, Error>(function.handle(&event.payload, deadline).await)
        }
    }))
    .await
}
