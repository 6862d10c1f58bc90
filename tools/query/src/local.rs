//! Runs queries on this machine.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::ast::{ObjectName, Statement};
use futures_util::StreamExt;
use windrow_archive::ArchiveFile;
use windrow_connect::cloud::Cloud;
use windrow_connect::terminal::counted;
use windrow_core::sensor::Sensor;
use windrow_local::firehose::BufferingHints;

use crate::archive::{
    ArchiveContents, ArchiveError, ArchiveTable, Meter, ReadingContents, RejectContents,
};
use crate::args::QueryArgs;
use crate::diagnostic::Diagnostic;
use crate::engine::{Engine, diagnostic, tables_of, unknown};
use crate::output::{Cell, CellKind, Heading, Output, headings, rows};
use crate::program::QueryProgram;
use crate::progress::{ProgressMeasure, QueryProgress};
use crate::sql::{Sql, Texts};
use crate::summary::{RowsSource, SummaryTable, provider, read, read_data_dir, view_provider};
use crate::tables::{QueryTables, Table};
use crate::{QueryError, Terminal, note};

/// A query, and what it is about.
pub(crate) struct QueryWork<'q, S: Sensor> {
    pub(crate) program: &'q QueryProgram<S>,
    pub(crate) args: &'q QueryArgs,
    pub(crate) tables: &'q QueryTables,
    pub(crate) sql: &'q Sql,
    pub(crate) terminal: Terminal,
}

impl<S: Sensor> QueryWork<'_, S> {
    fn engine(&self) -> Result<Engine, QueryError> {
        const MIB: usize = 1024 * 1024;
        let memory = self.args.memory.get().saturating_mul(MIB);
        Ok(Engine::new(memory, &self.program.database)?)
    }

    /// The name of the table in DynamoDB.
    fn table(&self) -> &str {
        self.args.table.as_deref().unwrap_or(&self.program.table)
    }

    fn rows_source(&self) -> RowsSource<'_> {
        RowsSource {
            label: &self.tables.rows.name,
            table: self.table(),
            schema: self.program.sensor.schema(),
        }
    }
}

/// Runs a statement on the local archive and table.
pub(crate) async fn run<S: Sensor>(
    query: &QueryWork<'_, S>,
    cloud: Option<&Cloud>,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let QueryWork {
        program,
        args,
        tables,
        sql,
        ..
    } = query;
    let statement = sql.parse()?;
    if let Some(about) = table_info(sql, tables, &statement)? {
        return print_info(about, output);
    }
    let named = tables_of(sql, &statement, tables)?;
    let data_dir: PathBuf = match &args.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => PathBuf::from(&program.data_dir),
    };
    let archive = args
        .archive
        .clone()
        .unwrap_or_else(|| data_dir.join("archive"));

    let readings = Arc::new(Meter::default());
    let rejects = Arc::new(Meter::default());
    let mut engine = query.engine()?;
    if named.iter().any(|table| tables.is_of_rows(&table.name)) {
        if !data_dir.is_dir() {
            return Err(missing(program, data_dir));
        }
        let summary = read_data_dir(&data_dir, cloud, &query.rows_source()).await?;
        add_rows(query, &mut engine, &named, &summary, notes)?;
    }
    for table in &named {
        let (folder, meter) = if table.name == tables.rejects.name {
            (archive.join(&program.rejects_stream), &rejects)
        } else if table.name == tables.readings.name {
            (archive.join(&program.stream), &readings)
        } else {
            continue;
        };
        // Rejects have no folder until something is rejected.
        let is_rejects = table.name == tables.rejects.name;
        let needed = if is_rejects { &archive } else { &folder };
        if !needed.is_dir() {
            return Err(missing(program, folder));
        }
        let files = files(table, &folder, notes)?;
        let contents: Arc<dyn ArchiveContents> = if is_rejects {
            Arc::new(RejectContents)
        } else {
            let sensor = Arc::clone(&program.sensor);
            Arc::new(ReadingContents::new(sensor, program.columns.clone()))
        };
        let provider = ArchiveTable::new(Arc::clone(table), contents, files, Arc::clone(meter));
        engine.add(table, Arc::new(provider))?;
    }

    let progress = QueryProgress::start(ProgressMeasure::Archive(Arc::clone(&readings)));
    print(query, &engine, statement, progress, output).await?;
    note_broken(&readings, &rejects, &tables.rejects.name, notes);
    if args.archive.is_none() {
        note_pending(&data_dir, &program.stream, notes)?;
    }
    Ok(())
}

fn missing<S: Sensor>(program: &QueryProgram<S>, folder: PathBuf) -> QueryError {
    let help = program.archive_help.clone();
    ArchiveError::Missing { folder, help }.into()
}

/// Runs a statement on the DynamoDB table of a cloud: Athena does not have it.
pub(crate) async fn run_on_table<S: Sensor>(
    query: &QueryWork<'_, S>,
    cloud: &Cloud,
    statement: Statement,
    output: &mut Output<impl Write>,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    let named = tables_of(query.sql, &statement, query.tables)?;
    let mut engine = query.engine()?;
    if !named.is_empty() {
        let summary = read(cloud, &query.rows_source()).await?;
        add_rows(query, &mut engine, &named, &summary, notes)?;
    }
    let nothing = Arc::new(Meter::default());
    let progress = QueryProgress::start(ProgressMeasure::Archive(nothing));
    print(query, &engine, statement, progress, output).await
}

/// Adds the tables of rows, of those that are named.
fn add_rows<S: Sensor>(
    query: &QueryWork<'_, S>,
    engine: &mut Engine,
    named: &[Arc<Table>],
    summary: &SummaryTable,
    notes: &mut impl Write,
) -> Result<(), QueryError> {
    note(notes, &summary.origin);
    if summary.others > 0 {
        let others = are_not(summary.others, "item", "row");
        note(notes, &format!("{others}: left out"));
    }
    let tables = query.tables;
    for table in named {
        if table.name == tables.rows.name {
            engine.add(table, provider(table, &summary.merged_rows)?)?;
        }
        let views = tables.views.iter().zip(&query.program.views);
        for (_, view) in views.filter(|(view, _)| view.name == table.name) {
            engine.add(table, view_provider(table, view, &summary.merged_rows)?)?;
        }
    }
    Ok(())
}

/// The files of a table. Notes where they are.
fn files(
    table: &Table,
    folder: &Path,
    notes: &mut impl Write,
) -> Result<Vec<ArchiveFile>, QueryError> {
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
async fn print<S: Sensor>(
    query: &QueryWork<'_, S>,
    engine: &Engine,
    statement: Statement,
    progress: QueryProgress,
    output: &mut Output<impl Write>,
) -> Result<(), QueryError> {
    let sql = query.sql;
    let mut progress = Some(progress);
    // One row more than is printed shows that there are more.
    let most = query.args.most_rows().map(|most| most.saturating_add(1));
    let texts = Texts::of(&statement);
    let (schema, mut batches) = engine.start(sql, statement, most).await?;
    output.begin(&headings(&schema, sql, &texts))?;
    'rows: while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| diagnostic(sql, error))?;
        if query.terminal.output {
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

fn note_broken(readings: &Meter, rejects: &Meter, table: &str, notes: &mut impl Write) {
    for problem in readings.problems().into_iter().chain(rejects.problems()) {
        note(notes, &format!("warning: {problem}"));
    }
    if readings.broken() > 0 {
        let broken = are_not(readings.broken(), "line", "reading");
        note(notes, &format!("{broken}: see SELECT * FROM {table}"));
    }
    if readings.filtered() > 0 {
        let filtered = counted(readings.filtered(), "reading");
        note(notes, &format!("the sensor's filter left out {filtered}"));
    }
    if rejects.broken() > 0 {
        let broken = are_not(rejects.broken(), "line", "reject");
        note(notes, &format!("{broken}: left out"));
    }
}

/// `1 line is not a reading`, `2 lines are not readings`.
fn are_not(count: u64, thing: &str, other: &str) -> String {
    match count {
        1 => format!("1 {thing} is not a {other}"),
        _ => format!("{count} {thing}s are not {other}s"),
    }
}

/// Notes readings that are not in the archive yet.
fn note_pending(data_dir: &Path, stream: &str, notes: &mut impl Write) -> Result<(), QueryError> {
    if is_in_use(data_dir) {
        let seconds = BufferingHints::default().interval.as_secs();
        let pending = format!(
            "a local cloud is running: records that arrived in the last {seconds} seconds may not be in \
             the archive yet"
        );
        note(notes, &pending);
        return Ok(());
    }
    let waiting = list(&data_dir.join("incoming").join(stream))?;
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
pub(crate) type TableInfo = (Vec<&'static str>, Vec<Vec<Cell>>);

/// The result of `SHOW TABLES` or `DESCRIBE`; `None` for other statements.
pub(crate) fn table_info(
    sql: &Sql,
    tables: &QueryTables,
    statement: &Statement,
) -> Result<Option<TableInfo>, Diagnostic> {
    let cell = |text: &str| Some(text.to_owned());
    match statement {
        Statement::ShowTables { .. } => {
            let tables = tables.all().into_iter();
            let rows = tables.map(|table| vec![cell(&table.name), cell(&table.meaning)]);
            Ok(Some((vec!["Table", "Meaning"], rows.collect())))
        }
        Statement::ExplainTable { table_name, .. } => {
            let table = table_named(sql, tables, table_name)?;
            let rows = table.columns.iter().map(|column| {
                let texts = [&column.name, &column.kind.sql(), &column.meaning];
                texts.map(|text| cell(text)).to_vec()
            });
            Ok(Some((vec!["Column", "Type", "Meaning"], rows.collect())))
        }
        _ => Ok(None),
    }
}

fn table_named<'t>(
    sql: &Sql,
    tables: &'t QueryTables,
    name: &ObjectName,
) -> Result<&'t Table, Diagnostic> {
    let last = name.0.last().and_then(|part| part.as_ident());
    let name = last.map_or("", |name| name.value.as_str());
    let table = tables.find(name).map(AsRef::as_ref);
    table.ok_or_else(|| unknown(sql, name, tables))
}

pub(crate) fn print_info(
    about: TableInfo,
    output: &mut Output<impl Write>,
) -> Result<(), QueryError> {
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
