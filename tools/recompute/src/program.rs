//! The program, for one sensor.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use windrow_archive::ArchiveListing;
use windrow_archive::windows::{ScanOptions, ScanReport, WindowRows, scan};
use windrow_connect::cloud::{AwsService, Environment, LOCAL_PORT, Resolved, resolve};
use windrow_connect::terminal::{counted, eprint_line, printable};
use windrow_core::sensor::Sensor;

use crate::args::RecomputeArgs;
use crate::output;
use crate::table::{RecomputedTable, check_name};

/// The program that recomputes the windows of one sensor.
#[derive(Clone, Debug)]
pub struct RecomputeProgram<S: Sensor> {
    /// The sensor.
    pub sensor: S,
    /// The pipeline's table, to which recomputed rows are never written.
    pub live_table: String,
    /// What `--help` says about the program.
    pub about: String,
    /// What `--help` says at its end: examples, and which of several readings counts.
    pub examples: String,
    /// The sensor's own windows, if it has any.
    pub own_windows: Option<OwnWindows<S>>,
}

/// How a sensor with windows of its own is recomputed. There are no other lengths, formats and
/// tables then.
#[derive(Clone, Copy, Debug)]
pub struct OwnWindows<S: Sensor> {
    /// The length in seconds of the windows to scan.
    pub scanned_seconds: u32,
    /// Prints the rows of all windows.
    pub print: fn(&WindowRows<'_, S>, &mut dyn Write) -> io::Result<()>,
}

/// The whole `main` function for the sensor of the application called `name`, as in
/// `windrow_pipeline::main`: its pipeline's table is called the same. It takes a sensor as it is
/// made, and prints what is wrong with it.
pub fn main<S: Sensor, E: Into<anyhow::Error>>(sensor: Result<S, E>, name: &str) -> ExitCode {
    match sensor {
        Ok(sensor) => RecomputeProgram::new(sensor, name).main(),
        Err(error) => fail(&error.into()),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprint_line(&format!("error: {}", printable(&format!("{error:#}"))));
    ExitCode::FAILURE
}

const EXAMPLES: &str = "\
Examples:
  recompute archive
  recompute archive/2026/11/20 --window 1h --format csv

Of several duplicates, the first reading counts, in the order of the files' paths and of the lines
in a file.";

const EXIT_CODES: &str = "
Exits with 0 on success; with 1 if a file cannot be read or rows cannot be written; with 2 for bad
usage. Parts that are not readings and damaged gzip files are reported, but do not affect the exit
code.";

impl<S: Sensor> RecomputeProgram<S> {
    /// The program of a sensor whose pipeline writes to the table `live_table`.
    pub fn new(sensor: S, live_table: &str) -> Self {
        Self {
            sensor,
            live_table: live_table.to_owned(),
            about:
                "Recomputes windows, by the readings' own time, from the archive of raw readings"
                    .to_owned(),
            examples: EXAMPLES.to_owned(),
            own_windows: None,
        }
    }

    /// Parses the command line and runs: the whole `main` function.
    pub fn main(self) -> ExitCode {
        let matches = self.command().get_matches();
        self.run_with(&matches)
    }

    /// The command line.
    pub fn command(&self) -> Command {
        RecomputeArgs::command()
            .about(self.about.clone())
            .after_help([&self.examples, "\n", EXIT_CODES].concat())
    }

    /// Runs with a command line that was parsed by [`command`](Self::command), to which a program
    /// may add arguments of its own.
    pub fn run_with(self, matches: &ArgMatches) -> ExitCode {
        let args = RecomputeArgs::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
        let environment = Environment::from_iter(std::env::vars_os());
        if let Some(table) = &args.table {
            let live = std::env::var("TABLE_NAME").ok();
            let live = [Some(self.live_table.as_str()), live.as_deref()];
            if let Err(error) = check_name(table, &live, self.sensor.schema()) {
                self.command()
                    .error(ErrorKind::ValueValidation, error)
                    .exit();
            }
        }
        match self.run(&args, &environment) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "only the reported duration depends on it"
    )]
    fn run(&self, args: &RecomputeArgs, environment: &Environment) -> anyhow::Result<()> {
        let started = Instant::now();
        let threads = match args.threads {
            Some(threads) => threads.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let own_windows = self.own_windows.as_ref();
        if own_windows.is_some() && args.has_other_output() {
            anyhow::bail!("--format, --table and --window have no meaning for a SQL application");
        }
        let seconds = own_windows.map_or(args.window, |windows| windows.scanned_seconds);
        let options = ScanOptions::new(seconds, threads)?;
        // Open the table first: reading may take long.
        let table = match &args.table {
            Some(name) => Some(self.open_table(name, args, environment)?),
            None => None,
        };

        let listing = windrow_archive::list(&args.archive)?;
        let bar = bar(
            listing.bytes(),
            "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        );
        let progress = |bytes| bar.inc(bytes);
        let (rows, report) = scan(&self.sensor, &listing.files, options, &progress)?;
        bar.finish_and_clear();

        match self.print(&rows, args, threads) {
            // A closed output (`| head`) is a normal end.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && table.is_none() => {
                return Ok(());
            }
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
            _ => {}
        }
        if let Some((runtime, table)) = table {
            let bar = self::bar(
                rows.len() as u64,
                "{wide_bar} {human_pos}/{human_len} rows {per_sec} {eta}",
            );
            runtime.block_on(table.write(&rows, |rows| bar.inc(rows as u64)))?;
            bar.finish_and_clear();
        }
        print_summary(&listing, &report, rows.len(), started.elapsed());
        // The process ends here; freeing its memory at exit is faster than freeing it row by row.
        std::mem::forget(rows);
        Ok(())
    }

    fn print(
        &self,
        rows: &WindowRows<'_, S>,
        args: &RecomputeArgs,
        threads: usize,
    ) -> io::Result<()> {
        let mut output = BufWriter::new(io::stdout().lock());
        match (&self.own_windows, args.format()) {
            (Some(windows), _) => (windows.print)(rows, &mut output),
            (None, Some(format)) => output::write(rows, format, threads, output),
            (None, None) => Ok(()),
        }
    }

    fn open_table(
        &self,
        name: &str,
        args: &RecomputeArgs,
        environment: &Environment,
    ) -> anyhow::Result<(Runtime, RecomputedTable)> {
        let runtime = Runtime::new()?;
        let resolving = resolve(
            &args.target,
            environment,
            &[AwsService::DynamoDb],
            LOCAL_PORT,
        );
        let resolved = runtime.block_on(resolving)?;
        let cloud = match resolved {
            Resolved::Cloud(cloud) => cloud,
            Resolved::LocalCloudNotRunning(not_running) => {
                let help = "start the application's local cloud (for unicorns, `cargo run -p \
                            local`), or choose another cloud with --endpoint-url or --target aws";
                anyhow::bail!("{not_running}: {help}");
            }
        };
        eprint_line(cloud.describe());
        let schema = Arc::clone(self.sensor.schema());
        let table = runtime.block_on(RecomputedTable::open(&cloud, name, schema))?;
        Ok((runtime, table))
    }
}

/// A progress bar on standard error, hidden if that is not a terminal.
fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn print_summary(listing: &ArchiveListing, report: &ScanReport, rows: usize, time: Duration) {
    for problem in &report.problems {
        eprint_line(&printable(&format!("warning: {problem}")));
    }
    for rejected in &report.reasons {
        let path = rejected.path.display();
        let line = rejected
            .line
            .map_or("?".to_owned(), |line| line.to_string());
        eprint_line(&printable(&format!("{path}:{line}: {}", rejected.reason)));
    }
    let more = report.rejected - report.reasons.len() as u64;
    if more > 0 {
        eprint_line(&format!("and {} more", counted(more, "rejected part")));
    }
    if report.filtered > 0 {
        let filtered = counted(report.filtered, "reading");
        eprint_line(&format!("the sensor's filter left out {filtered}"));
    }
    if listing.skipped > 0 {
        let skipped = counted(listing.skipped, "hidden or unfinished file");
        eprint_line(&format!("skipped {skipped}"));
    }
    eprint_line(&format!(
        "files {}, bytes {}: {}, {} left out, {}; {} in {:.2} s",
        listing.files.len(),
        listing.bytes(),
        counted(report.readings, "reading"),
        counted(report.duplicates, "duplicate"),
        counted(report.rejected, "rejected part"),
        counted(rows as u64, "row"),
        time.as_secs_f64(),
    ));
}
