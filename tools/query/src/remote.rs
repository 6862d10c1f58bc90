//! Runs queries on AWS.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::common::TableReference;
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Cloud;
use windrow_core::sensor::Sensor;

use crate::athena::Athena;
use crate::engine::{names_of, unknown};
use crate::local::{QueryWork, print_info, run_on_table, table_info};
use crate::output::Output;
use crate::program::AthenaNames;
use crate::progress::{ProgressMeasure, QueryProgress};
use crate::sql::Texts;
use crate::{QueryError, note};

/// Runs a statement in Athena. A statement that reads rows, which are in DynamoDB, runs locally, and
/// so does everything but a query of the archive if the archive is in no database of Athena.
pub(crate) async fn run<S: Sensor>(
    query: &QueryWork<'_, S>,
    cloud: &Cloud,
    stop: &CancellationToken,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let QueryWork { tables, sql, .. } = query;
    note(notes, cloud.describe());
    let athena = query.program.athena(query.args);
    let statement = match (sql.parse(), &athena) {
        (Ok(statement), _) => statement,
        // A statement that only Athena can parse does not read rows.
        (Err(_), Some(athena)) => {
            return run_in_athena(query, athena, cloud, stop, output, notes).await;
        }
        (Err(error), None) => return Err(error.into()),
    };
    if athena.is_none()
        && let Some(about) = table_info(sql, tables, &statement)?
    {
        return print_info(about, output);
    }
    let names = match (names_of(sql, &statement), &athena) {
        (Ok(names), _) => names,
        (Err(_), Some(_)) => Vec::new(),
        (Err(error), None) => return Err(error.into()),
    };
    let is_of_rows =
        |name: &&TableReference| tables.is_of_rows(name.table()) && name.schema().is_none();
    let of_archive = names.iter().find(|name| !is_of_rows(name));
    match (names.iter().find(is_of_rows), of_archive, athena) {
        (Some(_), None, _) | (None, None, None) => {
            let work = run_on_table(query, cloud, statement, output, notes);
            tokio::select! {
                () = stop.cancelled() => Err(QueryError::Interrupted),
                outcome = work => outcome,
            }
        }
        (Some(rows), Some(archive), _) => Err(QueryError::Mixed {
            rows: rows.table().to_owned(),
            archive: archive.table().to_owned(),
        }),
        (None, _, Some(athena)) => run_in_athena(query, &athena, cloud, stop, output, notes).await,
        (None, Some(archive), None) => match tables.find(archive.table()) {
            Some(table) => Err(QueryError::NotInAthena {
                table: table.name.clone(),
            }),
            None => Err(unknown(sql, archive.table(), tables).into()),
        },
    }
}

async fn run_in_athena<S: Sensor>(
    query: &QueryWork<'_, S>,
    names: &AthenaNames,
    cloud: &Cloud,
    stop: &CancellationToken,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let sql = query.sql;
    let athena = Athena::new(cloud, &names.workgroup, &names.database);
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
