//! Recomputes every unicorn's windows from the archive.

use std::io::{self, BufWriter};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use indicatif::{ProgressBar, ProgressStyle};
use recompute::args::RecomputeArgs;
use recompute::output;
use recompute::rows::WindowRows;
use recompute::scan::{ScanOptions, ScanReport, scan};
use recompute::table::{RecomputedTable, check_name};
use tokio::runtime::Runtime;
use windrow_archive::ArchiveListing;
use windrow_connect::cloud::{Environment, LOCAL_PORT, Resolved, resolve};
use windrow_connect::terminal::{counted, eprint_line, printable};

fn main() -> ExitCode {
    let args = RecomputeArgs::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    if let Some(table) = &args.table {
        let live = std::env::var("TABLE_NAME").ok();
        if let Err(error) = check_name(table, live.as_deref()) {
            RecomputeArgs::command()
                .error(ErrorKind::ValueValidation, error)
                .exit();
        }
    }
    match run(&args, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_line(&format!("error: {}", printable(&format!("{error:#}"))));
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only the reported duration depends on it"
)]
fn run(args: &RecomputeArgs, environment: &Environment) -> anyhow::Result<()> {
    let started = Instant::now();
    let threads = match args.threads {
        Some(threads) => threads.into(),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let options = ScanOptions::new(args.window, threads)?;
    // Open the table first: reading may take long.
    let table = match &args.table {
        Some(name) => Some(open_table(name, args, environment)?),
        None => None,
    };

    let listing = windrow_archive::list(&args.archive)?;
    let bar = bar(
        listing.bytes(),
        "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    );
    let (rows, report) = scan(&listing.files, options, &|bytes| bar.inc(bytes))?;
    bar.finish_and_clear();

    if let Some(format) = args.format() {
        let output = BufWriter::new(io::stdout().lock());
        match output::write(&rows, format, threads, output) {
            // A closed output (`| head`) is a normal end.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && table.is_none() => {
                return Ok(());
            }
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
            _ => {}
        }
    }
    if let Some((runtime, table)) = table {
        let bar = self::bar(
            rows.len() as u64,
            "{wide_bar} {human_pos}/{human_len} rows {per_sec} {eta}",
        );
        runtime.block_on(table.write(&rows, |rows| bar.inc(rows as u64)))?;
        bar.finish_and_clear();
    }
    print_summary(&listing, &report, &rows, started.elapsed());
    // The process ends here; freeing its memory at exit is faster than freeing it row by row.
    std::mem::forget(rows);
    Ok(())
}

fn open_table(
    name: &str,
    args: &RecomputeArgs,
    environment: &Environment,
) -> anyhow::Result<(Runtime, RecomputedTable)> {
    let runtime = Runtime::new()?;
    let resolved = runtime.block_on(resolve(&args.target, environment, LOCAL_PORT))?;
    let cloud = match resolved {
        Resolved::Cloud(cloud) => cloud,
        Resolved::LocalCloudNotRunning(not_running) => {
            let help = "start one with `cargo run -p local`, or choose another cloud with \
                        --endpoint-url or --target aws";
            anyhow::bail!("{not_running}: {help}");
        }
    };
    eprint_line(cloud.describe());
    let table = runtime.block_on(RecomputedTable::open(&cloud, name))?;
    Ok((runtime, table))
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

fn print_summary(listing: &ArchiveListing, report: &ScanReport, rows: &WindowRows, time: Duration) {
    for rejected in &report.reasons {
        let (path, line) = (rejected.path.display(), rejected.line);
        eprint_line(&printable(&format!("{path}:{line}: {}", rejected.reason)));
    }
    let more = report.rejected - report.reasons.len() as u64;
    if more > 0 {
        eprint_line(&format!("and {} more", counted(more, "rejected line")));
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
        counted(report.rejected, "rejected line"),
        counted(rows.len() as u64, "row"),
        time.as_secs_f64(),
    ));
}
