//! Sends a unicorn fleet's sensor readings to Kinesis: simulated ones as time passes, or recorded
//! ones.
//!
//! * [`args::ProducerArgs`] is the command line as typed; [`plan::ProducerPlan`] is the checked
//!   form.
//! * [`flight`] simulates a unicorn and [`schedule`] computes when its readings are due. Both are
//!   pure.
//! * [`pack`] packs several readings into a record, if that is asked for.
//! * [`replay`] reads recorded readings.
//! * [`run`] batches readings into PutRecords calls and retries the ones that fail. If no cloud is
//!   found, it starts a local one in this process and prints the rows it produces.
//!
//! ```
//! use producer::flight::FlyingUnicorn;
//!
//! let mut unicorn = FlyingUnicorn::new("Shadowfax".to_owned(), 7, 0, 1.0);
//! let reading = unicorn.fly(1_795_166_228_189);
//! assert_eq!(reading.status_time.to_string(), "2026-11-20 09:17:08.189");
//! assert!((29.0..=31.0).contains(&(reading.distance.micrometres() as f64 / 1e6)));
//! ```

pub mod args;
mod drive;
mod embedded;
pub mod flight;
pub mod names;
pub mod pack;
pub mod plan;
mod progress;
pub mod replay;
mod report;
mod rows;
pub mod schedule;
mod send;
mod status;

use std::io::Write;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::{
    AwsService, Cloud, CloudLocation, Environment, LocalCloudNotRunning, Resolved, TargetError,
    resolve,
};
use windrow_connect::stream::{StreamError, region_of};
use windrow_connect::terminal::counted;
use windrow_local::StartError;
use windrow_write::KinesisStream;

use drive::Replayed;
use embedded::EmbeddedCloud;
use flight::FlyingUnicorn;
use pack::{Packer, Packing};
use plan::{ProducerPlan, ReadingSource};
use progress::ProducerProgress;
use replay::Recording;
use report::ProducerReport;
use rows::{NewRows, RowTable};
use schedule::Schedule;
use send::{ReadingSender, SendCounts};

pub use status::RunStatus;

/// How many readings per second justify another lane.
const READINGS_PER_LANE: f64 = 2000.0;

/// The maximum number of calls in flight.
const MOST_LANES: usize = 8;

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// A flag for an embedded run, when the run is not embedded.
    #[error("{flag} applies only to an embedded run, but readings go to another cloud ({target})")]
    OnlyEmbedded {
        /// The flag.
        flag: &'static str,
        /// Where readings would go.
        target: String,
    },
    /// Readings of another sensor, when the run is embedded.
    #[error(
        "--partition-key is for readings of another sensor, which the local cloud in this process \
         would reject: start that sensor's own local cloud first"
    )]
    OtherSensor,
    /// The ARN of a stream, when the run is embedded.
    #[error(
        "--stream is an ARN, but the local cloud in this process makes streams of its own: sign in to \
         AWS to use that stream, or give a name"
    )]
    OthersStream,
    /// The cloud to send to could not be determined.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The recording cannot be opened.
    #[error("{recording} cannot be opened")]
    Recording {
        /// The recording.
        recording: Recording,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The stream is not available.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The local cloud's port is in use by another program.
    #[error("{0}: stop it, or choose another port with --port (0 for any free port)")]
    PortTaken(LocalCloudNotRunning),
    /// The local cloud failed to start.
    #[error(
        "the local cloud failed to start (--port, --dashboard-port and --data-dir choose its ports and folder)"
    )]
    Start(#[from] StartError),
    /// The template of the embedded local cloud is not valid.
    #[error(transparent)]
    Template(#[from] local::PipelineTemplateError),
}

impl ProducerError {
    /// Whether this is a usage error.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::OnlyEmbedded { .. } | Self::OtherSensor)
    }
}

/// The outcome of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many readings the stream accepted.
    pub sent: u64,
    /// How many readings it did not accept, or may not have accepted, including a recording's
    /// broken lines.
    pub failed: u64,
    /// Descriptions of other problems.
    pub problems: Vec<String>,
}

/// Sends readings according to `plan` until they are all sent or `stop` is cancelled. Shows
/// progress on standard error and updates `status`. `clock` returns milliseconds since the epoch.
///
/// An embedded run prints its rows to `output` and drains at the end.
///
/// # Errors
/// [`ProducerError`], only before anything is sent. Later problems are part of the [`Outcome`].
pub async fn run(
    plan: &ProducerPlan,
    environment: &Environment,
    clock: impl Fn() -> i64,
    stop: &CancellationToken,
    status: &Arc<RunStatus>,
    output: impl Write + Send + 'static,
) -> Result<Outcome, ProducerError> {
    if let ReadingSource::Recording { recording, .. } = &plan.source {
        recording
            .check()
            .map_err(|source| ProducerError::Recording {
                recording: recording.clone(),
                source,
            })?;
    }
    let target = plan.target.in_region_of(&plan.stream)?;
    match resolve(&target, environment, &[AwsService::Kinesis], plan.port()).await? {
        Resolved::Cloud(cloud) => {
            // With a running local cloud, --port is how it was found.
            let port_counts = cloud.location() != CloudLocation::Local;
            if let Some(flag) = plan.embedded.first_given(port_counts) {
                let target = cloud.describe().to_owned();
                return Err(ProducerError::OnlyEmbedded { flag, target });
            }
            progress::note(cloud.describe());
            windrow_connect::stream::check(&cloud, &plan.stream).await?;
            let progress = Arc::new(progress(plan, status));
            let outcome = send(plan, &cloud, &progress, clock, stop).await;
            progress.finish();
            Ok(outcome)
        }
        Resolved::LocalCloudNotRunning(not_running) if not_running.occupied => {
            Err(ProducerError::PortTaken(not_running))
        }
        Resolved::LocalCloudNotRunning(_) if plan.is_of_another_sensor() => {
            Err(ProducerError::OtherSensor)
        }
        Resolved::LocalCloudNotRunning(_) if region_of(&plan.stream).is_some() => {
            Err(ProducerError::OthersStream)
        }
        Resolved::LocalCloudNotRunning(_) => {
            let embedded = EmbeddedCloud::start(plan).await?;
            progress::note(&embedded.welcome);
            status.set_embedded();
            Ok(run_embedded(plan, embedded, clock, stop, status, output).await)
        }
    }
}

async fn run_embedded(
    plan: &ProducerPlan,
    embedded: EmbeddedCloud,
    clock: impl Fn() -> i64,
    stop: &CancellationToken,
    status: &Arc<RunStatus>,
    output: impl Write + Send + 'static,
) -> Outcome {
    let progress = Arc::new(progress(plan, status));
    let report = ProducerReport::new(
        NewRows::new(&embedded.target, &embedded.summary_stream, embedded.started),
        RowTable::new(&embedded.target, &embedded.table),
        plan.embedded.format,
        Arc::clone(&progress),
        output,
    );
    let ended = CancellationToken::new();
    let watching = report.watch(embedded.watermark(), ended.clone(), stop.clone());
    let watching = tokio::spawn(watching);

    let mut outcome = send(plan, &embedded.target, &progress, clock, stop).await;
    progress.finish();
    ended.cancel();
    let report = watching.await;
    progress::note("closing the open window");
    match embedded.drain().await {
        Ok(()) => status.set_drained(),
        Err(error) => outcome
            .problems
            .push(format!("not all rows are in the table: {error}")),
    }
    match report {
        Ok(mut report) => match report.print_until(i64::MAX).await {
            Ok(()) => progress::note(&balance(outcome.sent, report.readings())),
            // The reader of the output has closed it.
            Err(error) if error.is_broken_pipe() => {}
            Err(error) => outcome
                .problems
                .push(format!("not all rows were printed: {error}")),
        },
        Err(error) => outcome
            .problems
            .push(format!("the report task ended early: {error}")),
    }
    embedded.stop().await;
    outcome
}

/// Compares the readings in the printed rows with the readings sent.
fn balance(sent: u64, in_rows: u64) -> String {
    let readings = counted(in_rows, "reading");
    let difference = in_rows.abs_diff(sent);
    match in_rows.cmp(&sent) {
        std::cmp::Ordering::Equal => format!("the rows hold {readings}"),
        std::cmp::Ordering::Less => {
            format!("the rows hold {readings}, {difference} fewer than this run sent")
        }
        std::cmp::Ordering::Greater => {
            format!(
                "the rows hold {readings}, {difference} more than this run sent: an earlier run or \
                 another program sent them, or they were sent twice"
            )
        }
    }
}

fn progress(plan: &ProducerPlan, status: &Arc<RunStatus>) -> ProducerProgress {
    let status = Arc::clone(status);
    match &plan.source {
        ReadingSource::Recording { .. } => ProducerProgress::bar(plan.count, status),
        ReadingSource::Fleet { names, .. } if names.len() == 1 => ProducerProgress::dots(status),
        ReadingSource::Fleet { names, rate, .. } => {
            let expected = plan
                .duration
                .map(|duration| (duration.as_secs_f64() * rate * names.len() as f64).ceil() as u64);
            ProducerProgress::bar(plan.count.or(expected), status)
        }
    }
}

async fn send(
    plan: &ProducerPlan,
    cloud: &Cloud,
    progress: &Arc<ProducerProgress>,
    clock: impl Fn() -> i64,
    stop: &CancellationToken,
) -> Outcome {
    let client = aws_sdk_kinesis::Client::new(cloud.config());
    let shards = match plan.packing {
        Packing::Lines(_) => Vec::new(),
        Packing::Kpl(_) => match windrow_read::list(&client, &plan.stream).await {
            Ok(shards) => shards,
            Err(error) => {
                progress.note(&format!(
                    "could not list shards, so readings are aggregated per unicorn: {error}"
                ));
                Vec::new()
            }
        },
    };
    let mut packer = Packer::new(plan.packing, &shards);
    let stream = Arc::new(KinesisStream::new(client, &plan.stream));
    let start = |lanes| ReadingSender::start(stream, lanes, Arc::clone(progress));
    match &plan.source {
        ReadingSource::Fleet { names, seed, rate } => {
            let total_rate = names.len() as f64 * rate;
            let lanes = (total_rate / READINGS_PER_LANE).ceil() as usize;
            let sender = start(lanes.min(MOST_LANES));
            let unicorn = |(number, name): (u64, &String)| {
                FlyingUnicorn::new(name.clone(), *seed, number, *rate)
            };
            let fleet = (0..).zip(names).map(unicorn).collect();
            let schedule = Schedule::new(total_rate, plan.count, plan.duration);
            let skipped = drive::fly(fleet, schedule, &mut packer, &sender, clock, stop).await;
            send_rest(&mut packer, &sender).await;
            if skipped > 0 {
                progress.note(&format!(
                    "{} skipped: the stream accepts fewer than {total_rate} per second; give it more \
                     shards or lower --rate",
                    counted(skipped, "reading")
                ));
            }
            outcome(sender.finish().await)
        }
        ReadingSource::Recording { recording, rate } => {
            let sender = start(MOST_LANES);
            let limits = (plan.count, plan.duration);
            let name = recording.to_string();
            let replaying = drive::replay(
                recording.clone(),
                limits,
                *rate,
                &mut packer,
                &sender,
                progress,
                stop,
            );
            let replayed = replaying.await;
            send_rest(&mut packer, &sender).await;
            let mut outcome = outcome(sender.finish().await);
            outcome.failed += replayed.broken;
            outcome.problems.extend(problem(&name, &replayed));
            outcome
        }
    }
}

/// What is wrong with the recording as a whole.
fn problem(name: &str, replayed: &Replayed) -> Option<String> {
    if replayed.is_empty {
        return Some(format!("{name} has no readings"));
    }
    let error = replayed.error.as_ref()?;
    Some(format!("{name} could not be read to the end: {error}"))
}

/// Sends the records that are not full.
async fn send_rest(packer: &mut Packer, sender: &ReadingSender) {
    // Fails only after a permanent error, which the sender reports.
    let _ = sender.send_all(packer.flush()).await;
}

fn outcome(counts: SendCounts) -> Outcome {
    let problem = counts
        .halted
        .map(|reason| format!("sending stopped: {reason}"));
    Outcome {
        sent: counts.sent,
        failed: counts.failed,
        problems: problem.into_iter().collect(),
    }
}
