//! Runs queries on AWS.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::common::TableReference;
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Cloud;

use crate::args::QueryArgs;
use crate::athena::Athena;
use crate::engine::names_of;
use crate::local::run_on_table;
use crate::output::Output;
use crate::progress::{ProgressMeasure, QueryProgress};
use crate::sql::{Sql, Texts};
use crate::tables::SUMMARY;
use crate::{QueryError, Terminal, note};

/// Runs a statement in Athena. A statement that reads `summary`, which is in DynamoDB, runs
/// locally.
pub(crate) async fn run(
    args: &QueryArgs,
    cloud: &Cloud,
    sql: &Sql,
    terminal: Terminal,
    stop: &CancellationToken,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    note(notes, cloud.describe());
    // A statement that only Athena can parse does not read `summary`.
    if let Ok(statement) = sql.parse() {
        let names = names_of(sql, &statement).unwrap_or_default();
        let is_summary =
            |name: &TableReference| name.table() == SUMMARY.name && name.schema().is_none();
        if names.iter().any(is_summary) {
            if let Some(other) = names.iter().find(|name| !is_summary(name)) {
                return Err(QueryError::Mixed(other.table().to_owned()));
            }
            let work = run_on_table(args, cloud, sql, statement, terminal, output, notes);
            return tokio::select! {
                () = stop.cancelled() => Err(QueryError::Interrupted),
                outcome = work => outcome,
            };
        }
    }
    run_in_athena(args, cloud, sql, stop, output, notes).await
}

async fn run_in_athena(
    args: &QueryArgs,
    cloud: &Cloud,
    sql: &Sql,
    stop: &CancellationToken,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let athena = Athena::new(cloud, &args.workgroup, &args.database);
    let scanned = Arc::new(AtomicU64::new(0));
    let progress = QueryProgress::start(ProgressMeasure::Athena(Arc::clone(&scanned)));
    let finished = athena.run(sql, &scanned, stop).await?;
    drop(progress);

    let mut page = athena.page(&finished, None).await?;
    let texts = sql.parse().map(|statement| Texts::of(&statement));
    let texts = texts.unwrap_or_default();
    let columns = page.headings.len();
    for (index, heading) in page.headings.iter_mut().enumerate() {
        let text = texts.get(index, columns);
        heading.name = text.unwrap_or(sql.spelled(&heading.name)).to_owned();
    }
    output.begin(&page.headings)?;
    'pages: loop {
        for row in &page.rows {
            if output.row(row)?.is_break() {
                break 'pages;
            }
        }
        output.flush()?;
        let Some(next) = page.next.take() else {
            break;
        };
        page = tokio::select! {
            () = stop.cancelled() => return Err(QueryError::Interrupted),
            page = athena.page(&finished, Some(next)) => page?,
        };
    }
    output.end()?;
    let scanned = indicatif::HumanBytes(finished.scanned);
    let seconds = finished.took.as_secs_f64();
    note(
        notes,
        &format!("Athena scanned {scanned} in {seconds:.1} s"),
    );
    Ok(())
}
