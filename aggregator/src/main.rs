//! The aggregator as a Lambda function.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aggregator::Aggregator;
use aggregator::settings::Settings;
use delivery::{FirehoseStream, KinesisStream};
use kinesis_event::Event;
use lambda_runtime::{Context, Error, LambdaEvent, service_fn, tracing};
use tokio::time::Instant;

/// How long before Lambda's own deadline the handler gives up, so that it can still say why.
const MARGIN: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let config = connect::lambda_config().await;
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
        telemetry::standard_output(),
    ));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = deadline(&event.context);
            Ok::<_, Error>(function.handle(&event.payload, deadline).await?)
        }
    }))
    .await
}

fn deadline(context: &Context) -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "Lambda tells the deadline by the wall clock"
    )]
    let now = SystemTime::now();
    let left = context.deadline().duration_since(now).unwrap_or_default();
    Instant::now() + left.saturating_sub(MARGIN)
}
