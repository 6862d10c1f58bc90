//! The processor as a Lambda function.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use delivery::{DynamoTable, FirehoseStream};
use kinesis_event::Event;
use lambda_runtime::{Context, Error, LambdaEvent, service_fn, tracing};
use processor::Processor;
use processor::row::KEY;
use processor::settings::Settings;
use tokio::time::Instant;

/// How long before Lambda's own deadline the handler gives up, so that it can still report.
const MARGIN: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
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
        telemetry::standard_output(),
    ));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let function = Arc::clone(&function);
        async move {
            let deadline = deadline(&event.context);
            Ok::<_, Error>(function.handle(&event.payload, deadline).await)
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
