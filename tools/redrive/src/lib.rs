//! Sends the records of failed batches to the summary stream again.
//!
//! It reads the files of an on-failure destination, either the local cloud's or a copy of the
//! bucket, and sends their records again. Redriving is idempotent: rows are immutable, so writing
//! one again overwrites it with equal values.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde::Deserialize;
use thiserror::Error;
use windrow_connect::cloud::{
    AwsService, CloudLocation, Environment, LOCAL_PORT, LocalCloudNotRunning, Resolved, Target,
    TargetArgs, TargetError, resolve,
};
use windrow_connect::stream::StreamError;
use windrow_connect::terminal::counted;
use windrow_event::{DecodeError, Event};
use windrow_write::{DeliveryReport, Destination, KinesisRecord, KinesisStream, Policy, deliver};

/// The sub-folder for files whose records the stream has accepted.
pub const DONE: &str = "redriven";

/// The folder of the processor's failed batches, in the local cloud's data directory.
const ON_FAILURE: &str = "on-failure";

/// The time limit for one file's records. The largest batch is 6 MB, and a shard accepts 1 MB per
/// second.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The largest file that is read: ten times Lambda's maximum event size.
const MOST_BYTES: u64 = 60_000_000;

/// Sends the records of the processor's failed batches to the summary stream again.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  cargo run -p redrive
      Redrives the failed batches of the running local cloud.

  aws s3 sync s3://BUCKET failed && cargo run -p redrive -- failed --target aws
      Redrives those of the application on AWS; BUCKET is the stack's output OnFailureBucket.

A file whose records were all accepted is moved to the sub-folder `redriven` of FOLDER; nothing is
deleted. It is safe to run this again, to interrupt it, or to sync moved files again: writing a row
twice does not change it.

Exits with 0 if every file was redriven; with 1 if one was not, which is named and stays in place;
with 2 for bad usage."
)]
pub struct RedriveArgs {
    /// Folder with the files, at any depth [default: `on-failure` in the data directory]
    pub folder: Option<PathBuf>,

    /// Data directory of the local cloud
    #[arg(long, default_value = ".wildrydes", conflicts_with = "folder")]
    pub data_dir: PathBuf,

    /// Stream that the records came from and are sent to again
    #[arg(long, default_value = "wildrydes-summary", value_parser = windrow_connect::stream::parse_name)]
    pub stream: String,

    /// Also redrive the files that earlier runs have redriven
    #[arg(long)]
    pub again: bool,

    /// Which cloud to send to.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Records that the stream accepted, including those of files that were not fully redriven.
    pub records: usize,
    /// Files whose records were all accepted.
    pub files: usize,
    /// Files that were not fully redriven, and folders that could not be read.
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
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The cloud to send to could not be determined.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// AWS was found but not requested. A folder does not say which cloud its rows belong to, and a
    /// local cloud's rows must not reach the table on AWS by accident.
    #[error(
        "found AWS credentials, but the target is ambiguous: \
         choose --target aws or --target local"
    )]
    AmbiguousTarget,
    /// The target is the local cloud, which is not running.
    #[error(
        "{0}: start one with `cargo run -p local`, \
         or choose another cloud with --endpoint-url or --target aws"
    )]
    LocalCloudNotRunning(LocalCloudNotRunning),
    /// The stream is not available.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Redrives the folder's files one by one. Writes the cloud in use and each file's result to
/// `notes`.
///
/// A file that is not fully redriven stays in place. The run then continues, unless the stream
/// accepts no more records.
///
/// # Errors
/// [`RedriveError`], only before anything is sent. Failing to write to `notes` is not an error.
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
        // The folder exists only once a batch has failed.
        Err(error) if args.folder.is_none() && error.kind() == io::ErrorKind::NotFound => {
            FailedBatchFiles::default()
        }
        found => found.map_err(|source| RedriveError::Folder {
            path: folder.clone(),
            source,
        })?,
    };
    if found.files.is_empty() {
        return Ok(found.report_unreadable(&mut notes));
    }

    let services = [AwsService::Kinesis];
    let cloud = match resolve(&args.target, environment, &services, LOCAL_PORT).await? {
        Resolved::Cloud(cloud) => cloud,
        Resolved::LocalCloudNotRunning(not_running) => {
            return Err(RedriveError::LocalCloudNotRunning(not_running));
        }
    };
    if cloud.location() == CloudLocation::Aws && args.target.target == Target::Auto {
        return Err(RedriveError::AmbiguousTarget);
    }
    note(&mut notes, cloud.describe());
    windrow_connect::stream::check(&cloud, &args.stream).await?;
    let client = aws_sdk_kinesis::Client::new(cloud.config());
    let stream = KinesisStream::new(client, &args.stream);
    Ok(redrive_files(&folder, found, &args.stream, &stream, notes).await)
}

/// The files of a folder, and its sub-folders that cannot be read.
#[derive(Debug, Default)]
struct FailedBatchFiles {
    files: Vec<PathBuf>,
    unreadable: Vec<(PathBuf, io::Error)>,
}

impl FailedBatchFiles {
    /// Lists the files at any depth, ordered by path. Includes redriven files if `again` is set.
    /// Symbolic links are skipped.
    fn in_folder(folder: &Path, again: bool) -> io::Result<Self> {
        let mut found = Self::default();
        let mut folders = Vec::new();
        found.list_folder(folder, again, &mut folders)?;
        while let Some(folder) = folders.pop() {
            if let Err(error) = found.list_folder(&folder, again, &mut folders) {
                found.unreadable.push((folder, error));
            }
        }
        found.files.sort_unstable();
        Ok(found)
    }

    fn list_folder(
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

    fn report_unreadable(&self, notes: &mut impl Write) -> Redriven {
        for (path, error) in &self.unreadable {
            note(notes, &format!("{}: {error}", path.display()));
        }
        Redriven {
            left: self.unreadable.len(),
            ..Redriven::default()
        }
    }
}

async fn redrive_files(
    folder: &Path,
    found: FailedBatchFiles,
    name: &str,
    stream: &impl Destination<Item = KinesisRecord>,
    mut notes: impl Write,
) -> Redriven {
    let mut redriven = found.report_unreadable(&mut notes);
    let mut files = found.files.into_iter();
    for path in files.by_ref() {
        let problem = match redrive_file(folder, &path, name, stream, &mut redriven).await {
            Ok(count) => {
                redriven.files += 1;
                let line = format!(
                    "{}: {} redriven",
                    path.display(),
                    counted(count as u64, "record")
                );
                note(&mut notes, &line);
                continue;
            }
            Err(problem) => problem,
        };
        redriven.left += 1;
        note(&mut notes, &format!("{}: {problem}", path.display()));
        if let Problem::Undelivered { is_over: true, .. } = problem {
            break;
        }
    }
    let untried = files.len();
    if untried > 0 {
        let line =
            format!("the stream accepts no more records; {untried} more files were not tried");
        note(&mut notes, &line);
        redriven.left += untried;
    }
    redriven
}

/// Why a file was not redriven and stays in place.
#[derive(Debug, Error)]
enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("too large for an invocation record: {0} bytes")]
    TooLarge(u64),
    #[error("still being written")]
    Unfinished,
    #[error("not an invocation record: {0}")]
    NotARecord(#[from] serde_json::Error),
    #[error("no payload; only S3 destinations receive the records themselves")]
    NoPayload,
    #[error("{0}")]
    Payload(#[from] DecodeError),
    #[error("the payload has no records")]
    Empty,
    #[error("record {sequence_number} cannot be read: {reason}")]
    Data {
        sequence_number: String,
        reason: String,
    },
    #[error("the records are of stream {0:?}, but --stream names another")]
    OtherStream(String),
    #[error(
        "{taken} of {} redriven; the first failure: {reason}",
        counted(*count as u64, "record")
    )]
    Undelivered {
        taken: usize,
        count: usize,
        reason: String,
        /// Whether the records of further files are likely to fail too.
        is_over: bool,
    },
    #[error("the records were redriven, but the file cannot be moved: {0}")]
    NotMoved(io::Error),
}

/// Redrives one file, moves it away, and returns how many records it had. The records that the
/// stream accepted are added to `redriven` even if the file fails.
async fn redrive_file(
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
    all_delivered(count, &report)?;
    move_away(folder, path).await.map_err(Problem::NotMoved)?;
    Ok(count)
}

/// The part of an invocation record that is needed here.
///
/// Source: "Retain discarded batch records in an S3 destination" in the Lambda developer guide.
#[derive(Deserialize)]
struct InvocationRecord {
    /// The event that was passed to the function, as JSON in a string.
    payload: Option<String>,
}

async fn read_records(path: &Path, name: &str) -> Result<Vec<KinesisRecord>, Problem> {
    // The mapping renames a file once it is complete.
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

fn all_delivered(count: usize, report: &DeliveryReport<KinesisRecord>) -> Result<(), Problem> {
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

/// Moves the file to the same relative path below [`DONE`], unless it is there already.
async fn move_away(folder: &Path, path: &Path) -> io::Result<()> {
    let relative = path.strip_prefix(folder).map_err(io::Error::other)?;
    if relative.iter().any(|name| name == DONE) {
        return Ok(());
    }
    let target = folder.join(DONE).join(relative);
    if let Some(parent) = target.parent() {
        tokio::fs::create_dir_all(parent).await?;
    }
    tokio::fs::rename(path, target).await
}

/// Writes a line. Errors are ignored: a closed output must not keep files from being redriven.
fn note(notes: &mut impl Write, line: &str) {
    let _ = writeln!(notes, "{line}");
}

#[cfg(test)]
mod tests;
