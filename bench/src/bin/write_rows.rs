//! Runs the processor's handler with the real SDK on events from files.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Parser;
use tokio::time::Instant;
use unicorn::row::schema;
use windrow_event::Event;
use windrow_lambda::processor::Processor;
use windrow_write::{Collected, DynamoTable};

/// Passes events to the processor, round by round
#[derive(Debug, Parser)]
struct WriteRowsArgs {
    /// Endpoint of the table
    #[arg(long, value_name = "URL")]
    endpoint: String,

    /// How often to pass every event
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u64,

    /// Files with one Lambda event each
    #[arg(value_name = "FILE", required = true)]
    events: Vec<PathBuf>,
}

/// The timeout of an invocation, as in template.yaml.
const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = WriteRowsArgs::parse();
    let config = windrow_connect::local_config(&arguments.endpoint);
    let client = aws_sdk_dynamodb::Client::new(&config);
    let rejects: Collected<Bytes> = Collected::default();
    let table = DynamoTable::new(client, "UnicornSensorData", schema().table_key());
    let function = Processor::new(schema(), table, &rejects, None, Box::new(|_| ()));
    let mut events = Vec::new();
    for path in &arguments.events {
        events.push(fs::read(path).with_context(|| path.display().to_string())?);
    }

    for _ in 0..arguments.rounds {
        for event in &events {
            // Parsed for every call, as the Lambda runtime does.
            let event: Event = serde_json::from_slice(event)?;
            let response = function.handle(&event, Instant::now() + TIMEOUT).await;
            ensure!(
                response.batch_item_failures.is_empty(),
                "rows were not written"
            );
        }
    }
    ensure!(rejects.items().is_empty(), "rows were rejected");
    Ok(())
}
