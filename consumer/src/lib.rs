//! Prints a stream's records as they arrive, line by line.
//!
//! The stream can be `wildrydes` with its readings, `wildrydes-summary` with its rows, or any
//! other. Compressed records, and aggregated ones of the Kinesis Producer Library, are unpacked. JSON lines are printed indented or unchanged; other lines are printed unchanged, with a
//! note. The crate `windrow-read` follows the stream through throttling, expired iterators and
//! resharding.
//!
//! ```
//! use consumer::{ConsumerFormat, Printer};
//!
//! let (mut output, mut notes) = (Vec::new(), Vec::new());
//! let mut printer = Printer::new(&mut output, &mut notes, ConsumerFormat::Pretty, None);
//! printer.print("shardId-000000000000", "1", b"{\"Name\":\"Shadowfax\"}\n")?;
//! assert_eq!(output, b"{\n    \"Name\": \"Shadowfax\"\n}\n");
//! # Ok::<(), std::io::Error>(())
//! ```

mod args;
mod pretty;
mod printer;

use std::io::{self, Write};
use std::time::Duration;

use futures_util::StreamExt;
use windrow_connect::cloud::{
    Environment, LOCAL_PORT, LocalCloudNotRunning, Resolved, TargetError, resolve,
};
use windrow_connect::stream::StreamError;
use windrow_read::{FollowOptions, ReadError, Start, StreamRecord, follow};
use windrow_service::chain;

pub use args::{Beginning, ConsumerArgs, ConsumerFormat};
pub use printer::{Printed, Printer};

/// The pause between two reads of a shard. A shard allows five reads per second in total, and the
/// application's functions and archive share them.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The most records to print between two flushes of the output.
const MOST_UNFLUSHED: usize = 1_000;

/// Why printing stopped.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The cloud to read from could not be determined.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target is the local cloud, which is not running.
    #[error(
        "{0}: start one with `cargo run -p producer` or `cargo run -p local`, \
         or choose another cloud with --endpoint-url or --target aws"
    )]
    LocalCloudNotRunning(LocalCloudNotRunning),
    /// The stream is not available.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The stream can no longer be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

/// Prints records to `output` until `--count` is reached or `output` is closed. Writes the cloud in
/// use, and notes about unreadable lines, to `notes`.
///
/// # Errors
/// [`ConsumerError`]. Transient errors of the cloud are noted and retried.
pub async fn run(
    args: &ConsumerArgs,
    environment: &Environment,
    output: impl Write,
    mut notes: impl Write,
) -> Result<(), ConsumerError> {
    let cloud = match resolve(&args.target, environment, LOCAL_PORT).await? {
        Resolved::Cloud(cloud) => cloud,
        Resolved::LocalCloudNotRunning(not_running) => {
            return Err(ConsumerError::LocalCloudNotRunning(not_running));
        }
    };
    writeln!(notes, "{}", cloud.describe())?;
    windrow_connect::stream::check(&cloud, &args.stream).await?;

    let start = match args.from {
        Beginning::Latest => Start::Latest,
        Beginning::Start => Start::TrimHorizon,
        Beginning::Time(time) => Start::AtTimestamp(time),
    };
    let client = aws_sdk_kinesis::Client::new(cloud.config());
    let options = FollowOptions {
        poll_interval: POLL_INTERVAL,
        ..FollowOptions::default()
    };
    // What can be read without waiting is printed before the output is flushed.
    let mut records = follow(client, &args.stream, start, options).ready_chunks(MOST_UNFLUSHED);
    let mut printer = Printer::new(output, notes, args.format, args.count);
    while let Some(items) = records.next().await {
        for item in items {
            let StreamRecord { shard, record, .. } = match item {
                Ok(item) => item,
                Err(error) if error.is_transient() => {
                    printer.note(&format!("{}; retrying", chain(&error)))?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let printed = printer.print(&shard, &record.sequence_number, &record.data);
            if ended(printed)? {
                return Ok(());
            }
        }
        if ended(printer.flush())? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether printing is over. A closed output (`| head`) is a normal end.
fn ended(printed: io::Result<Printed>) -> io::Result<bool> {
    match printed {
        Ok(Printed::Everything) => Ok(true),
        Ok(Printed::SoFar) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(error),
    }
}
