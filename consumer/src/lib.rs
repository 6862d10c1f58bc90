//! Prints a stream's records as they arrive, line by line.
//!
//! The readings of `wildrydes`, the summaries of `wildrydes-summary`, or any other stream: what is
//! JSON is printed indented or as it came, and what is not is printed as it came, with a note. It
//! follows the stream through throttling, expired iterators and resharding (crate `windrow-read`).
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

use windrow_connect::cloud::{Environment, LOCAL_PORT, NoLocal, Resolved, TargetError, resolve};
use windrow_connect::stream::StreamError;
use windrow_read::{FollowOptions, ReadError, Start, follow};

pub use args::{Beginning, ConsumerArgs, ConsumerFormat};
pub use printer::{Printed, Printer};

/// The pause between two reads of a shard. A shard gives five reads a second to all its readers, and
/// the application's functions and archive want theirs.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Why nothing more is printed.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// There is no telling which cloud to read from.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The local cloud is meant and is not running.
    #[error(
        "{0}: start one with `cargo run -p producer` or `cargo run -p local`, \
         or say where to read with --endpoint-url or --target aws"
    )]
    NoLocal(NoLocal),
    /// The stream is not to be had.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The stream was there and is no longer readable.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output takes no more.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

/// Prints records to `output`, and which cloud they come from and what is odd to `notes`, until
/// `--count` is reached or nobody reads `output` any more.
///
/// # Errors
/// [`ConsumerError`]. Faults of the cloud that may pass are noted and waited out.
pub async fn run(
    args: &ConsumerArgs,
    environment: &Environment,
    output: impl Write,
    mut notes: impl Write,
) -> Result<(), ConsumerError> {
    let cloud = match resolve(&args.target, environment, LOCAL_PORT).await? {
        Resolved::Cloud(cloud) => cloud,
        Resolved::NoLocal(no_local) => return Err(ConsumerError::NoLocal(no_local)),
    };
    writeln!(notes, "{}", cloud.describe())?;
    windrow_connect::stream::check(&cloud, &args.stream).await?;

    let start = match args.from {
        Beginning::Latest => Start::Latest,
        Beginning::Start => Start::TrimHorizon,
        Beginning::Time(time) => Start::AtTimestamp(time.millis()),
    };
    let client = aws_sdk_kinesis::Client::new(cloud.config());
    let options = FollowOptions {
        poll_interval: POLL_INTERVAL,
        ..FollowOptions::default()
    };
    let mut stream = follow(client, &args.stream, start, options);
    let mut printer = Printer::new(output, notes, args.format, args.count);
    while let Some(page) = stream.next().await {
        let (shard, records) = match page {
            Ok(page) => page,
            Err(error) if error.is_passing() => {
                printer.note(&format!("{error}; still trying"))?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for record in records {
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

/// Whether printing is over. That nobody reads any more (`| head`) is an end like any other.
fn ended(printed: io::Result<Printed>) -> io::Result<bool> {
    match printed {
        Ok(Printed::Everything) => Ok(true),
        Ok(Printed::SoFar) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(error),
    }
}
