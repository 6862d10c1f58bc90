//! Queries that are run on this machine.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::ast::{ObjectName, Statement};
use futures_util::StreamExt;
use windrow_connect::cloud::Cloud;
use windrow_local::ResourceNames;
use windrow_local::firehose::BufferingHints;

use crate::archive::{ArchiveError, ArchiveFile, ArchiveTable, Contents, Meter, list};
use crate::args::{DATA_DIR, QueryArgs};
use crate::diagnostic::Diagnostic;
use crate::engine::{Engine, diagnostic, tables_of, unknown};
use crate::output::{Cell, CellKind, Heading, Output, headings, rows};
use crate::progress::{Measure, QueryProgress};
use crate::sql::{Sql, Texts};
use crate::summary::{SummaryTable, provider, read, read_here};
use crate::tables::{ALL, REJECTS, SUMMARY, Table};
use crate::{QueryError, Terminal, tell};

/// Runs a statement on the archive and the table that are here.
pub(crate) async fn run(
    args: &QueryArgs,
    cloud: Option<&Cloud>,
    sql: &Sql,
    terminal: Terminal,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let statement = sql.parse()?;
    if let Some(about) = about_tables(sql, &statement)? {
        return print_about(about, output);
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
            let merged_rows = read_here(&data_dir, cloud, &args.table).await?;
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

    let progress = QueryProgress::start(Measure::Archive(Arc::clone(&readings)));
    print(&engine, sql, statement, args, terminal, progress, output).await?;
    tell_of_broken(&readings, &rejects, notes);
    if args.archive.is_none() {
        tell_of_the_rest(&data_dir, &names, notes)?;
    }
    Ok(())
}

/// Runs a statement on the table of a cloud, which Athena does not have.
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
    let progress = QueryProgress::start(Measure::Archive(nothing));
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
    tell(notes, &merged_rows.origin);
    if merged_rows.others > 0 {
        let note = format!(
            "{} of the table: left out",
            are_no(merged_rows.others, "item", "row")
        );
        tell(notes, &note);
    }
    engine.add(&SUMMARY, provider(&merged_rows.merged_rows)?)?;
    Ok(())
}

/// The files of a table, with a note where they are; an error where there is no archive at all.
fn files(
    table: &Table,
    archive: &Path,
    folder: &Path,
    notes: &mut impl Write,
) -> Result<Vec<ArchiveFile>, QueryError> {
    let files = list(folder)?;
    // Where nothing was ever rejected, there need be no folder of it.
    let is_missing = if table.name == REJECTS.name {
        !archive.is_dir()
    } else {
        !folder.is_dir()
    };
    if is_missing {
        let folder = folder.to_owned();
        return Err(ArchiveError::Missing { folder }.into());
    }
    let note = match files.len() {
        0 => format!("{}: nothing in {} yet", table.name, folder.display()),
        1 => format!("{}: 1 file in {}", table.name, folder.display()),
        count => format!("{}: {count} files in {}", table.name, folder.display()),
    };
    tell(notes, &note);
    Ok(files)
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
    // One more than is printed tells that there are more.
    let most = args.most_rows().map(|most| most.saturating_add(1));
    let texts = Texts::of(&statement);
    let (schema, mut batches) = engine.start(sql, statement, most).await?;
    output.begin(&headings(&schema, sql, &texts))?;
    'rows: while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| diagnostic(sql, error))?;
        if terminal.output {
            // The bar and the rows would stand in each other's way.
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

fn tell_of_broken(readings: &Meter, rejects: &Meter, notes: &mut impl Write) {
    if readings.broken() > 0 {
        let broken = are_no(readings.broken(), "line", "reading");
        tell(notes, &format!("{broken}: see SELECT * FROM rejects"));
    }
    if rejects.broken() > 0 {
        let broken = are_no(rejects.broken(), "line", "reject");
        tell(notes, &format!("{broken}: left out"));
    }
}

/// `1 line is no reading`, `2 lines are no readings`.
fn are_no(count: u64, thing: &str, other: &str) -> String {
    match count {
        1 => format!("1 {thing} is no {other}"),
        _ => format!("{count} {thing}s are no {other}s"),
    }
}

/// Tells of readings that are not in the archive yet.
fn tell_of_the_rest(
    data_dir: &Path,
    names: &ResourceNames,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    if is_in_use(data_dir) {
        let seconds = BufferingHints::default().interval.as_secs();
        let note = format!(
            "a local cloud is running: what arrived in the last {seconds} seconds may not be in the \
             archive yet"
        );
        tell(notes, &note);
        return Ok(());
    }
    let waiting = list(&data_dir.join("incoming").join(&names.stream))?;
    if waiting.iter().any(|file| file.bytes > 0) {
        let note =
            "a local cloud was killed: its last readings are archived when it is started again";
        tell(notes, note);
    }
    Ok(())
}

/// Whether a local cloud has the data directory's lock, which it keeps as long as it runs.
fn is_in_use(data_dir: &Path) -> bool {
    let Ok(lock) = File::open(data_dir.join("lock")) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Headings and rows about the tables themselves.
type About = (Vec<&'static str>, Vec<Vec<Cell>>);

/// What `SHOW TABLES` and `DESCRIBE` tell; none for other statements.
fn about_tables(sql: &Sql, statement: &Statement) -> Result<Option<About>, Diagnostic> {
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

fn print_about(about: About, output: &mut Output<impl Write>) -> Result<(), QueryError> {
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
