//! Runs queries on this machine.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::ast::{ObjectName, Statement};
use futures_util::StreamExt;
use windrow_connect::cloud::Cloud;
use windrow_local::ResourceNames;
use windrow_local::firehose::BufferingHints;

use crate::archive::{ArchiveError, ArchiveTable, Contents, Meter};
use crate::args::{DATA_DIR, QueryArgs};
use crate::diagnostic::Diagnostic;
use crate::engine::{Engine, diagnostic, tables_of, unknown};
use crate::output::{Cell, CellKind, Heading, Output, headings, rows};
use crate::progress::{ProgressMeasure, QueryProgress};
use crate::sql::{Sql, Texts};
use crate::summary::{SummaryTable, provider, read, read_data_dir};
use crate::tables::{ALL, REJECTS, SUMMARY, Table};
use crate::{QueryError, Terminal, note};
use windrow_archive::ArchiveFile;

/// Runs a statement on the local archive and table.
pub(crate) async fn run(
    args: &QueryArgs,
    cloud: Option<&Cloud>,
    sql: &Sql,
    terminal: Terminal,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let statement = sql.parse()?;
    if let Some(about) = table_info(sql, &statement)? {
        return print_info(about, output);
    }
    let named = tables_of(sql, &statement, &ALL)?;
    let data_dir = args.data_dir.clone().unwrap_or_else(|| DATA_DIR.into());
    let archive = args
        .archive
        .clone()
        .unwrap_or_else(|| data_dir.join("archive"));
    let names = local::names();

    let readings = Arc::new(Meter::default());
    let rejects = Arc::new(Meter::default());
    let mut engine = engine(args)?;
    for table in named {
        if table.name == SUMMARY.name {
            if !data_dir.is_dir() {
                return Err(ArchiveError::Missing { folder: data_dir }.into());
            }
            let merged_rows = read_data_dir(&data_dir, cloud, &args.table).await?;
            add_summary(&mut engine, &merged_rows, notes)?;
            continue;
        }
        let (contents, folder, meter) = if table.name == REJECTS.name {
            (Contents::Rejects, &names.rejects, &rejects)
        } else {
            (Contents::Readings, &names.stream, &readings)
        };
        let files = files(table, &archive, &archive.join(folder), notes)?;
        let provider = ArchiveTable::new(contents, files, Arc::clone(meter));
        engine.add(table, Arc::new(provider))?;
    }

    let progress = QueryProgress::start(ProgressMeasure::Archive(Arc::clone(&readings)));
    print(&engine, sql, statement, args, terminal, progress, output).await?;
    note_broken(&readings, &rejects, notes);
    if args.archive.is_none() {
        note_pending(&data_dir, &names, notes)?;
    }
    Ok(())
}

/// Runs a statement on the DynamoDB table of a cloud: Athena does not have it.
pub(crate) async fn run_on_table(
    args: &QueryArgs,
    cloud: &Cloud,
    sql: &Sql,
    statement: Statement,
    terminal: Terminal,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let mut engine = engine(args)?;
    let merged_rows = read(cloud, &args.table).await?;
    add_summary(&mut engine, &merged_rows, notes)?;
    let nothing = Arc::new(Meter::default());
    let progress = QueryProgress::start(ProgressMeasure::Archive(nothing));
    print(&engine, sql, statement, args, terminal, progress, output).await
}

fn engine(args: &QueryArgs) -> Result<Engine, QueryError> {
    const MIB: usize = 1024 * 1024;
    Ok(Engine::new(args.memory.get().saturating_mul(MIB))?)
}

fn add_summary(
    engine: &mut Engine,
    merged_rows: &SummaryTable,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    note(notes, &merged_rows.origin);
    if merged_rows.others > 0 {
        let others = are_not(merged_rows.others, "item", "row");
        note(notes, &format!("{others}: left out"));
    }
    engine.add(&SUMMARY, provider(&merged_rows.merged_rows)?)?;
    Ok(())
}

/// The files of a table. Notes where they are. Fails if there is no archive.
fn files(
    table: &Table,
    archive: &Path,
    folder: &Path,
    notes: &mut impl Write,
) -> Result<Vec<ArchiveFile>, QueryError> {
    // Rejects have no folder until something is rejected.
    let is_missing = if table.name == REJECTS.name {
        !archive.is_dir()
    } else {
        !folder.is_dir()
    };
    if is_missing {
        let folder = folder.to_owned();
        return Err(ArchiveError::Missing { folder }.into());
    }
    let files = list(folder)?;
    let found = match files.len() {
        0 => format!("{}: nothing in {} yet", table.name, folder.display()),
        1 => format!("{}: 1 file in {}", table.name, folder.display()),
        count => format!("{}: {count} files in {}", table.name, folder.display()),
    };
    note(notes, &found);
    Ok(files)
}

/// The files of a folder; none if it does not exist.
fn list(folder: &Path) -> Result<Vec<ArchiveFile>, ArchiveError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    Ok(windrow_archive::list(&[folder.to_owned()])?.files)
}

/// Runs the statement and prints its rows.
async fn print(
    engine: &Engine,
    sql: &Sql,
    statement: Statement,
    args: &QueryArgs,
    terminal: Terminal,
    progress: QueryProgress,
    output: &mut Output<impl Write>,
) -> Result<(), QueryError> {
    let mut progress = Some(progress);
    // One row more than is printed shows that there are more.
    let most = args.most_rows().map(|most| most.saturating_add(1));
    let texts = Texts::of(&statement);
    let (schema, mut batches) = engine.start(sql, statement, most).await?;
    output.begin(&headings(&schema, sql, &texts))?;
    'rows: while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| diagnostic(sql, error))?;
        if terminal.output {
            // The bar and the rows would overwrite each other.
            progress = None;
        }
        for row in rows(&batch).map_err(DataFusionError::from)? {
            if output.row(&row.map_err(DataFusionError::from)?)?.is_break() {
                break 'rows;
            }
        }
        output.flush()?;
    }
    drop(progress);
    output.end()?;
    Ok(())
}

fn note_broken(readings: &Meter, rejects: &Meter, notes: &mut impl Write) {
    for problem in readings.problems().into_iter().chain(rejects.problems()) {
        note(notes, &format!("warning: {problem}"));
    }
    if readings.broken() > 0 {
        let broken = are_not(readings.broken(), "part", "reading");
        note(
            notes,
            &format!("{broken}: {}", where_to_look(&readings.broken_files())),
        );
    }
    if rejects.broken() > 0 {
        let broken = are_not(rejects.broken(), "part", "reject");
        note(notes, &format!("{broken}: left out"));
    }
}

/// `1 part is not a reading`, `2 parts are not readings`.
fn are_not(count: u64, thing: &str, other: &str) -> String {
    match count {
        1 => format!("1 {thing} is not a {other}"),
        _ => format!("{count} {thing}s are not {other}s"),
    }
}

/// Where the parts are that are not readings. The table `rejects` has only what an aggregator has
/// read, and perhaps divided in another way.
fn where_to_look(files: &[PathBuf]) -> String {
    let Some(first) = files.first() else {
        return String::new();
    };
    let first = first.display();
    let others = match files.len() - 1 {
        0 => String::new(),
        1 => " and one other file".to_owned(),
        count => format!(" and {count} other files"),
    };
    format!("in {first}{others}; `recompute {first}` prints their lines and the reasons")
}

/// Notes readings that are not in the archive yet.
fn note_pending(
    data_dir: &Path,
    names: &ResourceNames,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    if is_in_use(data_dir) {
        let seconds = BufferingHints::default().interval.as_secs();
        let pending = format!(
            "a local cloud is running: records that arrived in the last {seconds} seconds may not be in \
             the archive yet"
        );
        note(notes, &pending);
        return Ok(());
    }
    let waiting = list(&data_dir.join("incoming").join(&names.stream))?;
    if waiting.iter().any(|file| file.bytes > 0) {
        let pending =
            "a local cloud was killed: its last readings are archived when it is started again";
        note(notes, pending);
    }
    Ok(())
}

/// Whether a local cloud holds the lock of the data directory, as it does while it runs.
fn is_in_use(data_dir: &Path) -> bool {
    let Ok(lock) = File::open(data_dir.join("lock")) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Headings and rows that describe the tables.
type TableInfo = (Vec<&'static str>, Vec<Vec<Cell>>);

/// The result of `SHOW TABLES` or `DESCRIBE`; `None` for other statements.
fn table_info(sql: &Sql, statement: &Statement) -> Result<Option<TableInfo>, Diagnostic> {
    let cell = |text: &str| Some(text.to_owned());
    match statement {
        Statement::ShowTables { .. } => {
            let rows = ALL.map(|table| vec![cell(table.name), cell(table.meaning)]);
            Ok(Some((vec!["Table", "Meaning"], rows.to_vec())))
        }
        Statement::ExplainTable { table_name, .. } => {
            let table = table_named(sql, table_name)?;
            let rows = table.columns.iter().map(|column| {
                let texts = [column.name, column.kind.sql(), column.meaning];
                texts.map(cell).to_vec()
            });
            Ok(Some((vec!["Column", "Type", "Meaning"], rows.collect())))
        }
        _ => Ok(None),
    }
}

fn table_named(sql: &Sql, name: &ObjectName) -> Result<&'static Table, Diagnostic> {
    let last = name.0.last().and_then(|part| part.as_ident());
    let name = last.map_or("", |name| name.value.as_str());
    let table = ALL.into_iter().find(|table| table.name == name);
    table.ok_or_else(|| unknown(sql, name, &ALL))
}

fn print_info(about: TableInfo, output: &mut Output<impl Write>) -> Result<(), QueryError> {
    let (names, rows) = about;
    let heading = |name: &&str| Heading {
        name: (*name).to_owned(),
        kind: CellKind::Text,
    };
    output.begin(&names.iter().map(heading).collect::<Vec<_>>())?;
    for row in rows {
        if output.row(&row)?.is_break() {
            break;
        }
    }
    output.end()?;
    Ok(())
}
