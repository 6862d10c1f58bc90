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
    AwsService, Environment, LOCAL_PORT, LocalCloudNotRunning, Resolved, TargetError, resolve,
};
use windrow_connect::duration;
use windrow_connect::stream::StreamError;
use windrow_read::{Follow, FollowOptions, ReadError, Start, StreamRecord, Timestamp, follow};
use windrow_service::chain;

pub use args::{Beginning, ConsumerArgs, ConsumerFormat};
pub use printer::{Printed, Printer};

/// The pause between two reads of a shard. A shard allows five reads per second in total, and the
/// application's functions and archive share them.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The most records to print between two flushes of the output.
const MOST_UNFLUSHED: usize = 1_000;

/// How long nothing arrives before it is said that readings are waited for.
const IDLE: Duration = Duration::from_secs(3);

/// The longest wait without looking at the clock.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

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

/// What a run needs to know of its surroundings.
#[derive(Clone, Debug)]
pub struct ConsumerSurroundings<C> {
    /// The environment variables.
    pub environment: Environment,
    /// Returns the time.
    pub clock: C,
    /// Whether somebody watches the notes, who is told when there is nothing to print yet.
    pub is_watched: bool,
}

/// Prints records to `output` until `--count` is reached or `output` is closed. Writes the cloud in
/// use, and notes about unreadable lines, to `notes`.
///
/// # Errors
/// [`ConsumerError`]. Transient errors of the cloud are noted and retried.
pub async fn run(
    args: &ConsumerArgs,
    surroundings: &ConsumerSurroundings<impl Fn() -> Timestamp>,
    output: impl Write,
    mut notes: impl Write,
) -> Result<(), ConsumerError> {
    let target = args.target.in_region_of(&args.stream)?;
    let services = [AwsService::Kinesis];
    let cloud = match resolve(&target, &surroundings.environment, &services, LOCAL_PORT).await? {
        Resolved::Cloud(cloud) => cloud,
        Resolved::LocalCloudNotRunning(not_running) => {
            return Err(ConsumerError::LocalCloudNotRunning(not_running));
        }
    };
    writeln!(notes, "{}", cloud.describe())?;
    windrow_connect::stream::check(&cloud, &args.stream).await?;

    let start = start(args.from, &surroundings.clock, &mut notes).await?;
    let client = aws_sdk_kinesis::Client::new(cloud.config());
    let options = FollowOptions {
        poll_interval: POLL_INTERVAL,
        ..FollowOptions::default()
    };
    let printer = Printer::new(output, notes, args.format, args.count);
    let records = follow(client, &args.stream, start, options);
    print_all(records, printer, surroundings.is_watched).await
}

/// Where reading starts. Waits for a time in the future.
async fn start(
    from: Beginning,
    clock: impl Fn() -> Timestamp,
    mut notes: impl Write,
) -> io::Result<Start> {
    let now = clock().millis();
    let time = match from {
        Beginning::Latest => return Ok(Start::Latest),
        Beginning::Start => return Ok(Start::TrimHorizon),
        Beginning::Ago(age) => {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            // Kinesis keeps no record for so long that one from before 1970 could be meant.
            Timestamp::from_millis(now.saturating_sub(age).max(0))
        }
        Beginning::Time(time) => time,
    };
    if time.millis() > now {
        let left = Duration::from_millis(time.millis().abs_diff(now));
        let left = duration::readable(left);
        writeln!(notes, "note: waiting {left}, until {time} UTC")?;
    }
    // Short waits, since the clock may be set meanwhile, and a timer ends after a limited time.
    loop {
        let left = time.millis().saturating_sub(clock().millis());
        let Ok(left @ 1..) = u64::try_from(left) else {
            return Ok(Start::AtTimestamp(time));
        };
        tokio::time::sleep(Duration::from_millis(left).min(LONGEST_WAIT)).await;
    }
}

/// Prints what arrives.
async fn print_all<O: Write, N: Write>(
    records: Follow,
    mut printer: Printer<O, N>,
    mut is_watched: bool,
) -> Result<(), ConsumerError> {
    // What can be read without waiting is printed before the output is flushed.
    let mut records = records.ready_chunks(MOST_UNFLUSHED);
    let idle = tokio::time::sleep(IDLE);
    tokio::pin!(idle);
    loop {
        let items = tokio::select! {
            biased;
            items = records.next() => items,
            () = &mut idle, if is_watched => {
                is_watched = false;
                printer.note("waiting for readings")?;
                continue;
            }
        };
        let Some(items) = items else {
            return Ok(());
        };
        for item in items {
            let StreamRecord { shard, record, .. } = match item {
                Ok(item) => item,
                Err(error @ ReadError::ShardGone { .. }) => {
                    printer.note(&error.to_string())?;
                    continue;
                }
                Err(error) if error.is_transient() => {
                    printer.note(&format!("{}; retrying", chain(&error)))?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            is_watched = false;
            let printed = printer.print(&shard, &record.sequence_number, &record.data);
            if ended(printed)? {
                return Ok(());
            }
        }
        if ended(printer.flush())? {
            return Ok(());
        }
    }
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
