//! The aggregator as a Lambda function.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn, tracing};
use windrow_event::Event;
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::AggregatorSettings;
use windrow_lambda::payload::{KeepPayload, take_payload};
use windrow_write::{FirehoseStream, KinesisStream};

#[tokio::main]
async fn main() -> ExitCode {
    windrow_lambda::log::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "aggregator cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let settings = AggregatorSettings::read(|name| std::env::var(name).ok())?;
    let config = windrow_connect::lambda_config().await;
    let function = Arc::new(Aggregator::new(
        KinesisStream::new(
            aws_sdk_kinesis::Client::new(&config),
            settings.summary_stream,
        ),
        FirehoseStream::new(
            aws_sdk_firehose::Client::new(&config),
            settings.rejects_stream,
        ),
        settings.window_time,
        windrow_lambda::metrics::standard_output(settings.function_name),
    ));
    let handler = service_fn(move |invocation: LambdaEvent<()>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = windrow_lambda::handler_deadline(invocation.context.deadline());
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
