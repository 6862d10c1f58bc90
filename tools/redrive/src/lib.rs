//! Sends the records of failed batches to the summary stream again.
//!
//! It reads the files of an on-failure destination, those of the local cloud or a copy of the
//! bucket, and sends their records once more. Doing so twice does no harm: rows are immutable, so
//! one that is written again overwrites itself with equal values.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde::Deserialize;
use thiserror::Error;
use windrow_connect::cloud::{
    CloudLocation, Environment, LOCAL_PORT, NoLocal, Resolved, Target, TargetArgs, TargetError,
    resolve,
};
use windrow_connect::stream::StreamError;
use windrow_event::{DecodeError, Event};
use windrow_write::{DeliveryReport, Destination, KinesisRecord, KinesisStream, Policy, deliver};

/// The sub-folder that files go to once the stream has taken their records.
pub const DONE: &str = "redriven";

/// Where the local cloud's data directory has its processor's failed batches.
const ON_FAILURE: &str = "on-failure";

/// How long one file's records may take. The largest batch is 6 MB, and a shard takes 1 MB a second.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The largest file that is read: ten times the event that Lambda hands to a function at most.
const MOST_BYTES: u64 = 60_000_000;

/// Sends the records of the processor's failed batches to the summary stream again.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  cargo run -p redrive
      The failed batches of the running local cloud.

  aws s3 sync s3://BUCKET failed && cargo run -p redrive -- failed --target aws
      Those of the application on AWS; BUCKET is its output OnFailureBucket.

A file whose records were all taken is moved to the sub-folder `redriven` of FOLDER; nothing is
deleted. It does no harm to run this again, to cut it off, or to sync anew what was moved: a row that
is written twice is the same row.

Ends with 0 if every file was redriven whole; with 1 if one was not, which then stays where it is and
is named; with 2 for bad usage."
)]
pub struct RedriveArgs {
    /// Folder of the files, at any depth [default: `on-failure` in the data directory]
    pub folder: Option<PathBuf>,

    /// Data directory of the local cloud that gave the records up
    #[arg(long, default_value = ".wildrydes", conflicts_with = "folder")]
    pub data_dir: PathBuf,

    /// Stream that the records came from and are sent to
    #[arg(long, default_value = "wildrydes-summary", value_parser = windrow_connect::stream::parse_name)]
    pub stream: String,

    /// Redrive what an earlier run has redriven already as well
    #[arg(long)]
    pub again: bool,

    /// Which cloud to send to.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Records that the stream took, those of a file that was taken in part included.
    pub records: usize,
    /// Files of which it took every record.
    pub files: usize,
    /// Files, or folders that cannot be read, which are still to be dealt with.
    pub left: usize,
}

/// Why nothing was redriven.
#[derive(Debug, Error)]
pub enum RedriveError {
    /// The folder cannot be read.
    #[error("the folder {} cannot be read", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// There is no telling which cloud to send to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// AWS was found and not asked for. A folder does not tell whose rows are in it, and AWS's table
    /// must not get a local cloud's by accident.
    #[error(
        "there are AWS credentials, and nothing says that the records are for AWS: \
         say --target aws or --target local"
    )]
    Unasked,
    /// The local cloud is meant and is not running.
    #[error(
        "{0}: start one with `cargo run -p local`, \
         or say where to send to with --endpoint-url or --target aws"
    )]
    NoLocal(NoLocal),
    /// The stream is not to be had.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Puts the folder's files back, each whole before the next, and tells `notes` of each and of which
/// cloud takes them.
///
/// A file that is not redriven whole stays where it is and does not end the run, unless the stream
/// takes nothing any more.
///
/// # Errors
/// [`RedriveError`], before anything was sent. What cannot be told to `notes` is no error.
pub async fn redrive(
    args: &RedriveArgs,
    environment: &Environment,
    mut notes: impl Write,
) -> Result<Redriven, RedriveError> {
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => args.data_dir.join(ON_FAILURE),
    };
    let found = match FailedBatchFiles::in_folder(&folder, args.again) {
        // The mapping makes its folder when it first gives something up.
        Err(error) if args.folder.is_none() && error.kind() == io::ErrorKind::NotFound => {
            FailedBatchFiles::default()
        }
        found => found.map_err(|source| RedriveError::Folder {
            path: folder.clone(),
            source,
        })?,
    };
    if found.files.is_empty() {
        return Ok(found.tell_unreadable(&mut notes));
    }

    let cloud = match resolve(&args.target, environment, LOCAL_PORT).await? {
        Resolved::Cloud(cloud) => cloud,
        Resolved::NoLocal(no_local) => return Err(RedriveError::NoLocal(no_local)),
    };
    if cloud.place() == CloudLocation::Aws && args.target.target == Target::Auto {
        return Err(RedriveError::Unasked);
    }
    tell(&mut notes, cloud.describe());
    windrow_connect::stream::check(&cloud, &args.stream).await?;
    let client = aws_sdk_kinesis::Client::new(cloud.config());
    let stream = KinesisStream::new(client, &args.stream);
    Ok(put_back(&folder, found, &args.stream, &stream, notes).await)
}

/// Files in a folder, and what of it cannot be looked into.
#[derive(Debug, Default)]
struct FailedBatchFiles {
    files: Vec<PathBuf>,
    unreadable: Vec<(PathBuf, io::Error)>,
}

impl FailedBatchFiles {
    /// All files at any depth, in the order of their paths; those that are done only if asked for.
    /// Symbolic links are passed over.
    fn in_folder(folder: &Path, again: bool) -> io::Result<Self> {
        let mut found = Self::default();
        let mut folders = Vec::new();
        found.look_into(folder, again, &mut folders)?;
        while let Some(folder) = folders.pop() {
            if let Err(error) = found.look_into(&folder, again, &mut folders) {
                found.unreadable.push((folder, error));
            }
        }
        found.files.sort_unstable();
        Ok(found)
    }

    fn look_into(
        &mut self,
        folder: &Path,
        again: bool,
        folders: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_file() {
                self.files.push(entry.path());
            } else if kind.is_dir() && (again || entry.file_name() != DONE) {
                folders.push(entry.path());
            }
        }
        Ok(())
    }

    fn tell_unreadable(&self, notes: &mut impl Write) -> Redriven {
        for (path, error) in &self.unreadable {
            tell(notes, &format!("{}: {error}", path.display()));
        }
        Redriven {
            left: self.unreadable.len(),
            ..Redriven::default()
        }
    }
}

async fn put_back(
    folder: &Path,
    found: FailedBatchFiles,
    name: &str,
    stream: &impl Destination<Item = KinesisRecord>,
    mut notes: impl Write,
) -> Redriven {
    let mut redriven = found.tell_unreadable(&mut notes);
    let mut files = found.files.into_iter();
    for path in files.by_ref() {
        let problem = match put_back_file(folder, &path, name, stream, &mut redriven).await {
            Ok(count) => {
                redriven.files += 1;
                let line = format!("{}: {count} records redriven", path.display());
                tell(&mut notes, &line);
                continue;
            }
            Err(problem) => problem,
        };
        redriven.left += 1;
        tell(&mut notes, &format!("{}: {problem}", path.display()));
        if let Problem::Undelivered { is_over: true, .. } = problem {
            break;
        }
    }
    let untried = files.len();
    if untried > 0 {
        let line = format!("the stream takes no more; {untried} more files were not tried");
        tell(&mut notes, &line);
        redriven.left += untried;
    }
    redriven
}

/// Why a file stays where it is.
#[derive(Debug, Error)]
enum Problem {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it has {0} bytes, too many for an invocation record")]
    TooLarge(u64),
    #[error("it is not finished")]
    Unfinished,
    #[error("it is no invocation record: {0}")]
    NotARecord(#[from] serde_json::Error),
    #[error("it has no payload; only an S3 destination is given the records themselves")]
    NoPayload,
    #[error("{0}")]
    Payload(#[from] DecodeError),
    #[error("its payload has no records")]
    Empty,
    #[error("its record {sequence_number} cannot be read: {reason}")]
    Data {
        sequence_number: String,
        reason: String,
    },
    #[error("its records are of stream {0:?}, and --stream names another")]
    OtherStream(String),
    #[error("{taken} of {count} records redriven; the first that was not: {reason}")]
    Undelivered {
        taken: usize,
        count: usize,
        reason: String,
        /// Whether the stream is not likely to take another file's records either.
        is_over: bool,
    },
    #[error("its records are redriven, but the file cannot be moved: {0}")]
    NotMoved(io::Error),
}

/// Puts one file back and moves it away; how many records it had. Those that the stream took are added
/// to `redriven` in any case.
async fn put_back_file(
    folder: &Path,
    path: &Path,
    name: &str,
    stream: &impl Destination<Item = KinesisRecord>,
    redriven: &mut Redriven,
) -> Result<usize, Problem> {
    let records = read_records(path, name).await?;
    let count = records.len();
    let report = deliver(stream, records, &Policy::within(TIME_LIMIT)).await;
    redriven.records += report.delivered;
    all_taken(count, &report)?;
    move_away(folder, path).await.map_err(Problem::NotMoved)?;
    Ok(count)
}

/// What stands in an invocation record, as far as it is needed here.
///
/// Source: "Retain discarded batch records in an S3 destination" in the Lambda developer guide.
#[derive(Deserialize)]
struct InvocationRecord {
    /// The event that the function was given, as JSON in a string.
    payload: Option<String>,
}

async fn read_records(path: &Path, name: &str) -> Result<Vec<KinesisRecord>, Problem> {
    // The mapping may be writing it, and gives it its name once it is whole.
    if path.extension() == Some(OsStr::new("tmp")) {
        return Err(Problem::Unfinished);
    }
    let bytes = tokio::fs::metadata(path).await?.len();
    if bytes > MOST_BYTES {
        return Err(Problem::TooLarge(bytes));
    }
    let record: InvocationRecord = serde_json::from_slice(&tokio::fs::read(path).await?)?;
    let payload = record.payload.ok_or(Problem::NoPayload)?;
    let event = Event::from_json(payload.as_bytes())?;
    if event.is_empty() {
        return Err(Problem::Empty);
    }
    if let Some(stream) = event.stream()
        && stream != name
    {
        return Err(Problem::OtherStream(stream.to_owned()));
    }
    let mut records = Vec::with_capacity(event.len());
    for record in event.records() {
        let data = record.data.map_err(|bad| Problem::Data {
            sequence_number: record.sequence_number.to_owned(),
            reason: bad.to_string(),
        })?;
        records.push(KinesisRecord {
            partition_key: record.partition_key.to_owned(),
            data: data.to_vec().into(),
        });
    }
    Ok(records)
}

fn all_taken(count: usize, report: &DeliveryReport<KinesisRecord>) -> Result<(), Problem> {
    let Some(first) = report.undelivered.first() else {
        return Ok(());
    };
    let rejected = |left: &windrow_write::Undelivered<KinesisRecord>| left.reason.is_permanent();
    Err(Problem::Undelivered {
        taken: report.delivered,
        count,
        reason: first.reason.to_string(),
        is_over: !report.undelivered.iter().all(rejected),
    })
}

/// Moves the file to the same place below [`DONE`], unless it is there already.
async fn move_away(folder: &Path, path: &Path) -> io::Result<()> {
    let place = path.strip_prefix(folder).map_err(io::Error::other)?;
    if place.iter().any(|name| name == DONE) {
        return Ok(());
    }
    let target = folder.join(DONE).join(place);
    if let Some(parent) = target.parent() {
        tokio::fs::create_dir_all(parent).await?;
    }
    tokio::fs::rename(path, target).await
}

/// Writes a line; notes that nobody takes are no reason to leave a file out.
fn tell(notes: &mut impl Write, line: &str) {
    let _ = writeln!(notes, "{line}");
}

#[cfg(test)]
mod tests;
