//! Audits chunk by chunk.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::config::retry::RetryConfig;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::{AwsService, Cloud, Environment, LOCAL_PORT, Resolved, resolve};
use windrow_connect::terminal::{counted, printable};
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;

use crate::args::AuditArgs;
use crate::check::{CheckScope, Findings, Lifetimes};
use crate::error::AuditError;
use crate::expected::LogFold;
use crate::log::{LogReader, ReadOutcome, ReadSpan};
use crate::position::LogPosition;
use crate::program::AuditProgram;
use crate::range::{AuditRange, RequestedRange, plan};
use crate::report::{AuditFormat, AuditReport};
use crate::stored::{TableEntry, partition_value};
use crate::table::{AuditTable, ScannedTable};
use crate::windows::{AuditWindows, WindowBy};

/// Attempts per call, and the longest wait between two of them.
const ATTEMPTS: u32 = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How many keys are queried at the same time.
const CONCURRENT_QUERIES: usize = 16;

/// How many items are scanned between two notes.
const ITEMS_PER_NOTE: usize = 1_000_000;

/// Runs an audit. Differences go to `output`, progress to `notes`. Returns whether everything was
/// audited and agrees.
///
/// # Errors
///
/// [`AuditError`], if the audit does not complete. A note then says where to continue.
pub async fn run<S: Sensor>(
    program: &AuditProgram<S>,
    args: &AuditArgs,
    environment: &Environment,
    stop: &CancellationToken,
    output: impl Write,
    mut notes: impl Write,
) -> Result<bool, AuditError> {
    let mut report = AuditReport::new(program.sensor.schema(), args.format, output);
    let opening = async {
        let services = [AwsService::Kinesis, AwsService::DynamoDb];
        let cloud = match resolve(&args.target, environment, &services, LOCAL_PORT).await? {
            Resolved::Cloud(cloud) => cloud,
            Resolved::LocalCloudNotRunning(not_running) => {
                return Err(AuditError::LocalCloudNotRunning(not_running));
            }
        };
        note(&mut notes, cloud.describe());
        Audit::open(program, args, &cloud, &mut notes).await
    };
    let mut audit = tokio::select! {
        () = stop.cancelled() => return Err(AuditError::Interrupted),
        opened = opening => opened?,
    };
    let ended = tokio::select! {
        () = stop.cancelled() => Err(AuditError::Interrupted),
        ended = audit.audit(&mut report, &mut notes) => ended,
    };
    if audit.expired > 0 {
        let windows = counted(audit.expired, "window");
        note(
            &mut notes,
            &format!("{windows} not audited: their rows have expired"),
        );
    }
    if ended.is_ok() {
        let result = audit.result(report.differences());
        let unprinted = report.finish(&result)?;
        if args.format == AuditFormat::Jsonl {
            if unprinted > 0 {
                note(&mut notes, &format!("and {unprinted} more differences"));
            }
            note(&mut notes, &result);
        }
        if audit.audited + audit.expired == 0 {
            note(
                &mut notes,
                "neither the log nor the table has anything in these windows",
            );
        }
    } else {
        let from = Timestamp::from_millis(audit.left.start);
        note(&mut notes, &format!("continue with --from '{from}'"));
        let so_far = audit.result(report.differences());
        // If this fails, so did the audit.
        let _ = report.finish(&format!("{so_far}; the audit did not complete"));
    }
    ended?;
    Ok(report.differences() == 0 && audit.is_whole)
}

/// A running audit.
struct Audit<'s, S> {
    sensor: &'s S,
    windows: AuditWindows,
    /// The longest chunk, in milliseconds.
    chunk: i64,
    log: LogReader,
    table: AuditTable,
    lifetimes: Lifetimes,
    scanned: ScannedTable,
    settled: i64,
    /// The starts of the windows that are left to do.
    left: Range<i64>,
    /// Whether no window was cut while it was read.
    is_whole: bool,
    keys: HashSet<Arc<str>>,
    /// How many windows were audited, and how many had expired.
    audited: u64,
    expired: u64,
}

impl<'s, S: Sensor> Audit<'s, S> {
    async fn open(
        program: &'s AuditProgram<S>,
        args: &AuditArgs,
        cloud: &Cloud,
        notes: &mut impl Write,
    ) -> Result<Self, AuditError> {
        let streams = match args.streams.as_slice() {
            [] => std::slice::from_ref(&program.stream),
            streams => streams,
        };
        for stream in streams {
            windrow_connect::stream::check(cloud, stream).await?;
        }
        let (kinesis, dynamodb) = clients(cloud);
        let windows = AuditWindows::new(args.window, args.window_time)
            .with_lengths(program.own_windows.iter().copied());
        let mut log = LogReader::open(kinesis, streams).await?;
        let ages = log.ages(now()).await?;
        let requested = RequestedRange {
            from: args.from.map(Timestamp::millis),
            to: args.to.map(Timestamp::millis),
            settle: i64::try_from(args.settle.as_millis()).unwrap_or(i64::MAX),
        };
        let AuditRange {
            starts,
            settled,
            cut,
        } = plan(windows, requested, &ages, now())?;
        note(notes, &format!("auditing windows from {}", span(&starts)));
        if let Some(first) = cut {
            let first = Timestamp::from_millis(first);
            let line = format!(
                "windows before {first} are not audited: the stream's retention has cut them"
            );
            note(notes, &line);
        }
        let sensor = &program.sensor;
        let table = args.table.as_ref().unwrap_or(&program.table);
        let table = AuditTable::new(dynamodb, table, sensor.schema());
        let mut lifetimes = Lifetimes::of_days(args.expire_after_days);
        let scanned = if args.no_scan {
            note(
                notes,
                "rows of keys that the log does not have are not looked for",
            );
            ScannedTable::default()
        } else {
            scan(&table, &starts, &mut lifetimes, notes).await?
        };
        Ok(Self {
            sensor,
            windows,
            chunk: i64::try_from(args.chunk.as_millis()).unwrap_or(i64::MAX),
            log,
            table,
            lifetimes,
            scanned,
            settled,
            left: starts,
            is_whole: true,
            keys: HashSet::new(),
            audited: 0,
            expired: 0,
        })
    }

    /// Audits all windows that are left.
    async fn audit(
        &mut self,
        report: &mut AuditReport<impl Write>,
        notes: &mut impl Write,
    ) -> Result<(), AuditError> {
        while !self.left.is_empty() {
            let starts = self.next_chunk();
            let mut fold = LogFold::new(self.sensor, self.windows, starts.clone());
            let read_span = ReadSpan {
                from: starts.start,
                to: starts.end,
                settled: self.settled,
            };
            let read = self.log.read(&mut fold, self.windows, read_span, now);
            let (to, folded_to) = match read.await? {
                ReadOutcome::Complete { to, folded_to } => (to, folded_to),
                ReadOutcome::Cut => {
                    self.skip_cut(notes).await?;
                    continue;
                }
            };
            let starts = starts.start..to;
            let findings = self.check(fold, &starts, &folded_to).await?;
            for difference in &findings.differences {
                report.add(difference)?;
            }
            self.audited += findings.windows.len() as u64;
            self.expired += findings.expired.len() as u64;
            self.left.start = to;
            note(notes, &progress(&starts, &findings));
        }
        Ok(())
    }

    fn next_chunk(&self) -> Range<i64> {
        let Range { start, end } = self.left;
        // By event time, every chunk reads the log to its end, so only memory limits a chunk.
        if self.windows.by() == WindowBy::Event {
            return start..end;
        }
        let chunk_end = self.windows.start_of(start.saturating_add(self.chunk));
        start..chunk_end.max(self.windows.next_after(start)).min(end)
    }

    /// Leaves out the windows that the retention has cut by now.
    async fn skip_cut(&mut self, notes: &mut impl Write) -> Result<(), AuditError> {
        let ages = self.log.ages(now()).await?;
        let requested = RequestedRange {
            from: Some(self.left.start),
            to: Some(self.left.end),
            settle: 0,
        };
        let whole = plan(self.windows, requested, &ages, now());
        let first = whole.map_or(self.left.end, |range| range.starts.start);
        // At least one, so that this ends.
        let first = first.max(self.windows.next_after(self.left.start));
        let cut = self.left.start..first.min(self.left.end);
        self.left.start = cut.end;
        self.is_whole = false;
        let cut = span(&cut);
        let line = format!("{cut}: not audited, the stream's retention has cut them meanwhile");
        note(notes, &line);
        Ok(())
    }

    /// Queries the rows of each key and compares them.
    async fn check(
        &mut self,
        fold: LogFold<'_, S>,
        starts: &Range<i64>,
        folded_to: &[Option<LogPosition>],
    ) -> Result<Findings, AuditError> {
        let expected = fold.finish();
        let schema = self.sensor.schema();
        let scope = CheckScope {
            schema: Arc::clone(schema),
            windows: self.windows,
            range: starts.clone(),
            streams: self.log.audited(folded_to).await?,
            now: now() / 1000,
        };
        // What is in the log by its partition, and the partitions that only the table has.
        let mut partitions: BTreeMap<Arc<str>, Option<&Arc<str>>> = BTreeMap::new();
        let scanned = self.scanned.partitions.iter();
        partitions.extend(scanned.map(|partition| (Arc::clone(partition), None)));
        let logged = expected.keys();
        partitions.extend(logged.map(|key| (partition_value(schema, key).into(), Some(key))));
        let table = &self.table;
        let queries = partitions.into_iter().map(|(partition, key)| async move {
            let items = table.items(&partition, starts).await?;
            Ok::<_, AuditError>((partition, key, items))
        });
        let mut queries = stream::iter(queries).buffered(CONCURRENT_QUERIES);
        let mut findings = Findings::default();
        while let Some((partition, key, items)) = queries.try_next().await? {
            let entries = items.iter().map(|item| TableEntry::of(schema, item));
            let entries: Vec<TableEntry> = entries.collect();
            let log = key.and_then(|key| expected.get(key));
            let key = key.map(|key| key.to_string());
            let key = key.or_else(|| entries.iter().find_map(TableEntry::key).map(str::to_owned));
            let key = key.unwrap_or_else(|| partition.to_string());
            if log.is_some() || !entries.is_empty() {
                self.keys.insert(partition);
            }
            scope.check(&key, log, entries, &mut self.lifetimes, &mut findings);
        }
        Ok(findings)
    }

    /// The result, as one line.
    fn result(&self, differences: u64) -> String {
        let windows = counted(self.audited, "window");
        let keys = counted(self.keys.len() as u64, "key");
        let verb = if differences == 1 {
            "differs"
        } else {
            "differ"
        };
        format!("{windows} of {keys} verified, {differences} {verb}")
    }
}

/// Clients whose retries are bounded.
fn clients(cloud: &Cloud) -> (aws_sdk_kinesis::Client, aws_sdk_dynamodb::Client) {
    let retry = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_max_backoff(LONGEST_WAIT);
    let config = aws_sdk_kinesis::config::Builder::from(cloud.config());
    let config = config.retry_config(retry.clone()).build();
    let kinesis = aws_sdk_kinesis::Client::from_conf(config);
    let config = aws_sdk_dynamodb::config::Builder::from(cloud.config());
    let config = config.retry_config(retry).build();
    (kinesis, aws_sdk_dynamodb::Client::from_conf(config))
}

async fn scan(
    table: &AuditTable,
    starts: &Range<i64>,
    lifetimes: &mut Lifetimes,
    notes: &mut impl Write,
) -> Result<ScannedTable, AuditError> {
    let noted = std::cell::Cell::new(0);
    let notes = std::cell::RefCell::new(notes);
    let progress = |items: usize| {
        if items / ITEMS_PER_NOTE > noted.get() {
            noted.set(items / ITEMS_PER_NOTE);
            let items = counted(items as u64, "item");
            note(&mut *notes.borrow_mut(), &format!("scanned {items}"));
        }
    };
    table.scan(starts, lifetimes, progress).await
}

/// The time, in milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "which windows have settled depends on the time"
)]
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.unwrap_or_default().as_millis();
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn progress(starts: &Range<i64>, findings: &Findings) -> String {
    let mut line = format!(
        "{}: {}, {}, {} differ",
        span(starts),
        counted(findings.windows.len() as u64, "window"),
        counted(findings.readings, "reading"),
        findings.differences.len(),
    );
    for (rows, whose) in [
        (findings.earlier_rows, "an earlier stream of the same name"),
        (findings.later_rows, "later records"),
    ] {
        if rows > 0 {
            line.push_str(&format!("; left out {} of {whose}", counted(rows, "row")));
        }
    }
    line
}

fn span(starts: &Range<i64>) -> String {
    let [from, to] = [starts.start, starts.end].map(Timestamp::from_millis);
    format!("{from} to {to}")
}

/// Writes a line. Errors are ignored: a closed terminal must not stop the audit.
fn note(notes: &mut impl Write, line: &str) {
    let _ = writeln!(notes, "{}", printable(line));
}
