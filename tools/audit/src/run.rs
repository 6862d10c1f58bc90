//! Audits chunk by chunk.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::config::retry::RetryConfig;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::{Cloud, Environment, LOCAL_PORT, Resolved, resolve};
use windrow_connect::terminal::printable;
use windrow_core::time::Timestamp;

use crate::args::AuditArgs;
use crate::check::{CheckScope, Findings, Lifetimes};
use crate::error::AuditError;
use crate::expected::{AuditWindows, LogFold, WindowBy};
use crate::log::{LogReader, ReadOutcome, ReadSpan};
use crate::position::LogPosition;
use crate::range::{AuditRange, RequestedRange, plan};
use crate::report::{AuditFormat, AuditReport, grouped};
use crate::stored::TableEntry;
use crate::table::{AuditTable, ScannedTable};

/// Attempts per call, and the longest wait between two of them.
const ATTEMPTS: u32 = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How many unicorns are queried at the same time.
const CONCURRENT_QUERIES: usize = 16;

/// How many items are scanned between two notes.
const ITEMS_PER_NOTE: usize = 1_000_000;

/// Runs an audit. Differences go to `output`, progress to `notes`. Returns whether everything was
/// audited and agrees.
///
/// # Errors
///
/// [`AuditError`], if the audit does not complete. A note then says where to continue.
pub async fn run(
    args: &AuditArgs,
    environment: &Environment,
    stop: &CancellationToken,
    output: impl Write,
    mut notes: impl Write,
) -> Result<bool, AuditError> {
    let mut report = AuditReport::new(args.format, output);
    let opening = async {
        let cloud = match resolve(&args.target, environment, LOCAL_PORT).await? {
            Resolved::Cloud(cloud) => cloud,
            Resolved::LocalCloudNotRunning(not_running) => {
                return Err(AuditError::LocalCloudNotRunning(not_running));
            }
        };
        note(&mut notes, cloud.describe());
        Audit::open(args, &cloud, &mut notes).await
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
                let unprinted = grouped(unprinted);
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
struct Audit {
    windows: AuditWindows,
    /// The longest chunk, in milliseconds.
    chunk: i64,
    log: LogReader,
    table: AuditTable,
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

impl Audit {
    async fn open(
        args: &AuditArgs,
        cloud: &Cloud,
        notes: &mut impl Write,
    ) -> Result<Self, AuditError> {
        for stream in &args.streams {
            windrow_connect::stream::check(cloud, stream).await?;
        }
        let (kinesis, dynamodb) = clients(cloud);
        let windows = AuditWindows::new(args.window, args.window_time);
        let mut log = LogReader::open(kinesis, &args.streams).await?;
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
        let table = AuditTable::new(dynamodb, &args.table);
        let scanned = if args.no_scan {
            note(
                notes,
                "rows of unicorns that the log does not have are not looked for",
            );
            ScannedTable::default()
        } else {
            scan(&table, &starts, notes).await?
        };
        Ok(Self {
            windows,
            chunk: i64::try_from(args.chunk.as_millis()).unwrap_or(i64::MAX),
            log,
            table,
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
            let mut fold = LogFold::new(self.windows, starts.clone());
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

    /// Queries the rows of each unicorn and compares them.
    async fn check(
        &mut self,
        fold: LogFold,
        starts: &Range<i64>,
        folded_to: &[Option<LogPosition>],
    ) -> Result<Findings, AuditError> {
        let expected = fold.finish();
        let scope = CheckScope {
            windows: self.windows,
            range: starts.clone(),
            streams: self.log.audited(folded_to).await?,
            now: now() / 1000,
        };
        let names: BTreeSet<&Arc<str>> = expected.keys().chain(&self.scanned.names).collect();
        let table = &self.table;
        let queries = names.into_iter().map(|name| async move {
            let items = table.items(name, starts).await?;
            Ok::<_, AuditError>((name, items))
        });
        let mut queries = stream::iter(queries).buffered(CONCURRENT_QUERIES);
        let mut findings = Findings::default();
        while let Some((name, items)) = queries.try_next().await? {
            let log = expected.get(name);
            if log.is_some() || !items.is_empty() {
                self.keys.insert(Arc::clone(name));
            }
            let entries = items.iter().map(TableEntry::of).collect();
            let lifetimes: &mut Lifetimes = &mut self.scanned.lifetimes;
            scope.check(name, log, entries, lifetimes, &mut findings);
        }
        Ok(findings)
    }

    /// The result, as one line.
    fn result(&self, differences: u64) -> String {
        let windows = counted(self.audited, "window");
        let unicorns = counted(self.keys.len() as u64, "unicorn");
        let verb = if differences == 1 {
            "differs"
        } else {
            "differ"
        };
        let differences = grouped(differences);
        format!("{windows} of {unicorns} verified, {differences} {verb}")
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
    table.scan(starts, progress).await
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
        grouped(findings.differences.len() as u64),
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

fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(count))
}

fn span(starts: &Range<i64>) -> String {
    let [from, to] = [starts.start, starts.end].map(Timestamp::from_millis);
    format!("{from} to {to}")
}

/// Writes a line. Errors are ignored: a closed terminal must not stop the audit.
fn note(notes: &mut impl Write, line: &str) {
    let _ = writeln!(notes, "{}", printable(line));
}
