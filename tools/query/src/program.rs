//! The program, for one sensor.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Command, CommandFactory as _};
use windrow_core::sensor::{DeclaredSensor, Sensor};

use crate::args::QueryArgs;
use crate::columns::ReadingColumns;
use crate::tables::{
    QueryTables, SameTableName, TableLabel, columns_of, reading_columns, reject_columns,
    row_columns,
};
use crate::view::RowView;

/// The program that queries the readings and rows of one sensor.
#[derive(Debug)]
pub struct QueryProgram<S: Sensor> {
    /// The sensor.
    pub sensor: Arc<S>,
    /// The columns of the table of readings.
    pub columns: ReadingColumns<S>,
    /// The stream of readings: the archive has a folder of this name.
    pub stream: String,
    /// The Firehose stream of rejects: the archive has a folder of this name, too.
    pub rejects_stream: String,
    /// The DynamoDB table of rows, unless the command line names another one.
    pub table: String,
    /// The data directory of the local cloud, unless the command line names another one.
    pub data_dir: String,
    /// The table of readings in SQL.
    pub readings: TableLabel,
    /// The table of merged rows in SQL.
    pub rows: TableLabel,
    /// The table of rejected readings and rows in SQL.
    pub rejects: TableLabel,
    /// What the columns of rows mean, by name, where `DESCRIBE` should say more than that one is a
    /// sum.
    pub row_meanings: BTreeMap<String, String>,
    /// Further tables, computed from the merged rows.
    pub views: Vec<RowView>,
    /// The database of these tables' names in SQL, which may precede them.
    pub database: String,
    /// Where Athena has the archive. Without it, queries of the archive run only locally, unless the
    /// command line names a database of Athena.
    pub athena: Option<AthenaNames>,
    /// How to create an archive, in a message that there is none.
    pub archive_help: String,
    /// What `--help` says about the program.
    pub about: String,
    /// What `--help` says after the list of tables: examples, and what to know about values.
    pub examples: String,
}

/// Athena's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AthenaNames {
    /// The workgroup that runs queries.
    pub workgroup: String,
    /// The database.
    pub database: String,
}

const ABOUT: &str = "SQL over the archive of readings and the table of rows";

const ARCHIVE_HELP: &str = "run the application's local cloud and send it readings, whose first file \
                            appears after a minute or at the end of the run";

const EXIT_CODES: &str = "\
Rows go to standard output, everything else to standard error. Exits with 0 on success and when its
output is closed; with 1 for bad SQL, if there is nothing to read, and on Ctrl-C, which also stops
the query on AWS; with 2 for bad usage.";

impl QueryProgram<DeclaredSensor> {
    /// The program for the application called `name`, as in `windrow_pipeline::main`, whose table of
    /// readings has a column per field.
    pub fn new(sensor: DeclaredSensor, name: &str) -> Self {
        let columns = ReadingColumns::from(&sensor);
        Self::with_columns(sensor, name, columns)
    }
}

impl<S: Sensor> QueryProgram<S> {
    /// The program for the application called `name`, as in `windrow_pipeline::main`. Its stream and
    /// table are called the same, its rejects `NAME-rejects`, and its data directory `.NAME`. In SQL
    /// the readings are called the same, with `_` for all that is neither a letter nor a digit.
    pub fn with_columns(sensor: S, name: &str, columns: ReadingColumns<S>) -> Self {
        let sql_name = sql_name(name);
        let rows = format!("A window of one key, from the table {name}, merged");
        let examples = examples(&sql_name, &columns);
        Self {
            sensor: Arc::new(sensor),
            columns,
            stream: name.to_owned(),
            rejects_stream: format!("{name}-rejects"),
            table: name.to_owned(),
            data_dir: format!(".{name}"),
            readings: TableLabel::new(&sql_name, "A reading, from the archive"),
            rows: TableLabel::new(ROWS, rows),
            rejects: TableLabel::new(REJECTS, "A rejected reading or row, with its reason"),
            row_meanings: BTreeMap::new(),
            views: Vec::new(),
            database: sql_name,
            athena: None,
            archive_help: ARCHIVE_HELP.to_owned(),
            about: ABOUT.to_owned(),
            examples,
        }
    }

    /// The command line.
    pub fn command(&self) -> Command {
        let with_default = |help: &str, default: &str| format!("{help} [default: {default}]");
        let archive = format!(
            "Folder of the archive, laid out like the bucket: folders {} and {}, files plain or gzipped \
             [default: archive in the data directory]",
            self.stream, self.rejects_stream
        );
        let (workgroup, database) = match &self.athena {
            Some(names) => (names.workgroup.as_str(), Some(names.database.as_str())),
            None => (WORKGROUP, None),
        };
        let database = match database {
            Some(database) => with_default("Athena database", database),
            None => "Athena database, if you have made one of the archive".to_owned(),
        };
        QueryArgs::command()
            .about(self.about.clone())
            .after_help(self.after_help())
            .mut_arg("data_dir", |argument| {
                argument.help(with_default(
                    "Data directory of the local cloud",
                    &self.data_dir,
                ))
            })
            .mut_arg("archive", |argument| argument.help(archive))
            .mut_arg("workgroup", |argument| {
                argument.help(with_default("Athena workgroup", workgroup))
            })
            .mut_arg("database", |argument| argument.help(database))
            .mut_arg("table", |argument| {
                argument.help(with_default("DynamoDB table of rows", &self.table))
            })
    }

    fn after_help(&self) -> String {
        let mut help =
            "Tables (DESCRIBE lists their columns; names are case-insensitive):\n".to_owned();
        let labels = [&self.readings, &self.rows, &self.rejects];
        let labels: Vec<_> = labels
            .into_iter()
            .chain(self.views.iter().map(|view| &view.label))
            .collect();
        let widest = labels.iter().map(|label| label.name.chars().count()).max();
        let width = widest.unwrap_or(0) + 2;
        for TableLabel { name, meaning } in labels {
            help.push_str(&format!("  {name:width$} {meaning}\n"));
        }
        [&help, "\n", &self.examples, "\n\n", EXIT_CODES].concat()
    }

    /// The tables and their columns.
    ///
    /// # Errors
    /// [`SameTableName`] if two tables have the same name.
    pub fn tables(&self) -> Result<QueryTables, SameTableName> {
        let rows = row_columns(self.sensor.schema(), &self.row_meanings);
        let view = |view: &RowView| view.label.table(columns_of(&view.columns));
        QueryTables::new(
            self.readings.table(reading_columns(&self.columns.columns)),
            self.rows.table(rows),
            self.rejects.table(reject_columns()),
            self.views.iter().map(view).collect(),
        )
    }

    /// Where a query of the archive runs in Athena; `None` if it cannot.
    pub(crate) fn athena(&self, args: &QueryArgs) -> Option<AthenaNames> {
        let own = self.athena.as_ref();
        let database = args.database.clone();
        let workgroup = args.workgroup.clone();
        Some(AthenaNames {
            database: database.or_else(|| Some(own?.database.clone()))?,
            workgroup: workgroup
                .or_else(|| Some(own?.workgroup.clone()))
                .unwrap_or_else(|| WORKGROUP.to_owned()),
        })
    }
}

/// The tables of merged rows and of rejects in SQL.
const ROWS: &str = "summary";
const REJECTS: &str = "rejects";

/// Athena's default workgroup.
const WORKGROUP: &str = "primary";

/// An application's name as one of SQL, which needs no quotes.
fn sql_name(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    let safe: String = name.chars().map(safe).collect();
    if safe.is_empty() || [ROWS, REJECTS].contains(&safe.to_lowercase().as_str()) {
        return "readings".to_owned();
    }
    if safe.starts_with(|first: char| first.is_numeric()) {
        return format!("_{safe}");
    }
    safe
}

fn examples<S: Sensor>(readings: &str, columns: &ReadingColumns<S>) -> String {
    let mut examples = format!(
        "Examples:\n  \
         query \"SELECT * FROM {readings}\"\n  \
         query \"SELECT count(*) FROM {readings} WHERE day = '2026/11/20'\"        reads only that day\n  \
         query \"SELECT * FROM {ROWS} LIMIT 10\"\n  \
         query \"SELECT Reason, count(*) FROM {REJECTS} GROUP BY Reason\"\n"
    );
    if let Some(first) = columns.columns.first() {
        let name = &first.name;
        examples.push_str(&format!(
            "  query \"SELECT \\\"{name}\\\", count(*) FROM {readings} GROUP BY \\\"{name}\\\"\"\n"
        ));
    }
    examples.push_str(&format!(
        "\nA reading that was sent twice is in the archive twice, but counts once in `{ROWS}`."
    ));
    examples
}
