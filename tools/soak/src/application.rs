//! Applications of Kinesis SQL.

use std::collections::BTreeMap;
use std::path::Path;

use sql_functions::{IDENTITY, SCHEMA_FILE, SQL_FILE};
use windrow_pipeline::{LocalProgram, SensorApplication};
use windrow_sql::sensor::SqlSensor;

/// The files of an application, relative to this crate, and the columns that tell its readings apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqlFiles {
    sql: &'static str,
    schema: &'static str,
    identity: &'static str,
}

/// The original application, verbatim. Equal readings count as often as they are sent.
pub(crate) const ORIGINAL: SqlFiles = SqlFiles {
    sql: "../../crates/windrow-sql/tests/cases/00-seed/query.sql",
    schema: "../../crates/windrow-sql/tests/cases/00-seed/schema.json",
    identity: "",
};

/// Two pumps with windows of different lengths, which leave out duplicates.
pub(crate) const TWO_KEYS: SqlFiles = SqlFiles {
    sql: "sql/two-keys.sql",
    schema: "sql/two-keys.json",
    identity: "Name,StatusTime",
};

/// Rows of windows, and rows without, of two outputs. One of them gets rows by several chains of pumps.
pub(crate) const STATELESS: SqlFiles = SqlFiles {
    sql: "sql/stateless.sql",
    schema: "sql/two-keys.json",
    identity: "Name,StatusTime",
};

/// The texts of `examples/sql`. Their columns are mapped to the fields of the readings here.
pub(crate) const EXAMPLES: [SqlFiles; 3] = [
    SqlFiles {
        sql: "../../examples/sql/alarms/application.sql",
        schema: "sql/alarms.json",
        identity: "",
    },
    SqlFiles {
        sql: "../../examples/sql/page-views/application.sql",
        schema: "sql/page-views.json",
        identity: "",
    },
    SqlFiles {
        sql: "../../examples/sql/visitors/application.sql",
        schema: "sql/visitors.json",
        identity: "",
    },
];

impl SqlFiles {
    /// The application in a local cloud. If its functions run as binaries, their environment names
    /// the same files.
    ///
    /// # Errors
    ///
    /// If there is no such application.
    pub(crate) fn program(self) -> anyhow::Result<LocalProgram<SqlSensor>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = |name: &str| folder.join(name).display().to_string();
        let environment = [
            (SQL_FILE, path(self.sql)),
            (SCHEMA_FILE, path(self.schema)),
            (IDENTITY, self.identity.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let environment = BTreeMap::from(environment);
        let sensor = sql_functions::sensor(|name| environment.get(name).cloned())?;
        let application = SensorApplication {
            environment,
            ..SensorApplication::new(sensor)
        };
        Ok(local::with_outputs(LocalProgram::new(application, "sql")))
    }
}
