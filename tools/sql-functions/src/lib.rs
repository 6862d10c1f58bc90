//! The functions of a Kinesis SQL application: the sensor of all, the handler of pumps without
//! windows, and the outputs of windows.
//!
//! The SQL text and the schema of its input are files, since neither fits into what a function's
//! environment can hold: of a layer, which is in `/opt`, or of the function's package.

pub mod finished;
pub mod stateless;

use std::path::{Path, PathBuf};

use thiserror::Error;
use windrow_service::chain;
use windrow_sql::input::{InputError, InputSchema};
use windrow_sql::problem::SqlProblems;
use windrow_sql::sensor::{ColumnError, SqlSensor};

/// The SQL text in a layer, unless the environment variable [`SQL_FILE`] names another file.
pub const USUAL_SQL: &str = "application.sql";

/// The schema of the input in a layer, unless the environment variable [`SCHEMA_FILE`] names another
/// file.
pub const USUAL_SCHEMA: &str = "schema.json";

/// Where Lambda puts the files of layers.
const LAYERS: &str = "/opt";

/// The environment variable with the folders of layers, separated as in `PATH`, where their files are
/// not in `/opt`: in a local cloud.
pub const LAYER_FOLDERS: &str = "LAYER_FOLDERS";

/// The environment variable with the path of the SQL text.
pub const SQL_FILE: &str = "SQL_FILE";

/// The environment variable with the path of the schema.
pub const SCHEMA_FILE: &str = "SCHEMA_FILE";

/// The environment variable with the columns that tell readings apart, separated by commas.
pub const IDENTITY: &str = "IDENTITY";

/// Why there is no sensor.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// A file cannot be read.
    #[error("cannot read {path}; {variable} or a layer says where it is: {source}")]
    File {
        /// Its path.
        path: PathBuf,
        /// The variable that may name another one.
        variable: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The schema is not supported.
    #[error("{path}: {}", chain(source))]
    Schema {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: InputError,
    },
    /// The text is not supported.
    #[error("{path} is not supported: {source}")]
    Sql {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: SqlProblems,
    },
    /// [`IDENTITY`] names no column of the input.
    #[error("{IDENTITY}: {0}")]
    Identity(#[from] ColumnError),
}

/// The sensor that the environment says. `variable` looks up a variable.
///
/// # Errors
///
/// [`FunctionError`].
pub fn sensor(variable: impl Fn(&str) -> Option<String>) -> Result<SqlSensor, FunctionError> {
    let layers = variable(LAYER_FOLDERS).unwrap_or_default();
    let path = |name, usual: &str| -> PathBuf {
        let path = variable(name).filter(|path| !path.is_empty());
        path.map_or_else(|| in_layer(&layers, usual), PathBuf::from)
    };
    let (sql, schema) = (path(SQL_FILE, USUAL_SQL), path(SCHEMA_FILE, USUAL_SCHEMA));
    let text = read(&sql, SQL_FILE)?;
    let input = InputSchema::parse(&read(&schema, SCHEMA_FILE)?);
    let input = input.map_err(|source| FunctionError::Schema {
        path: schema,
        source,
    })?;
    let sensor = SqlSensor::new(&text, input);
    let sensor = sensor.map_err(|source| FunctionError::Sql { path: sql, source })?;
    let identity = variable(IDENTITY).unwrap_or_default();
    let columns = identity.split(',').map(str::trim);
    let columns: Vec<&str> = columns.filter(|column| !column.is_empty()).collect();
    Ok(sensor.with_identity(&columns)?)
}

/// A file of a layer. Of two layers with that file, the later one counts, as on Lambda.
fn in_layer(folders: &str, file: &str) -> PathBuf {
    let folders = std::env::split_paths(folders).filter(|folder| folder.is_absolute());
    let files: Vec<PathBuf> = folders.map(|folder| folder.join(file)).collect();
    let found = files.into_iter().rfind(|file| file.is_file());
    found.unwrap_or_else(|| Path::new(LAYERS).join(file))
}

fn read(path: &Path, variable: &'static str) -> Result<String, FunctionError> {
    std::fs::read_to_string(path).map_err(|source| FunctionError::File {
        path: path.to_owned(),
        variable,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = r#"
        CREATE STREAM "OUT" ("n" BIGINT);
        CREATE PUMP "P" AS INSERT INTO "OUT" SELECT STREAM COUNT(*)
        FROM "SOURCE_SQL_STREAM_001" GROUP BY FLOOR("SOURCE_SQL_STREAM_001".ROWTIME TO MINUTE);
    "#;

    #[test]
    fn the_environment_names_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let (sql, schema) = (folder.path().join("a.sql"), folder.path().join("s.json"));
        let made = |identity: &'static str| {
            sensor(|name| match name {
                SQL_FILE => Some(sql.display().to_string()),
                SCHEMA_FILE => Some(schema.display().to_string()),
                IDENTITY => Some(identity.to_owned()),
                _ => None,
            })
        };
        let error = made("").unwrap_err().to_string();
        assert!(
            error.contains("SQL_FILE or a layer says where it is"),
            "{error}"
        );
        std::fs::write(&sql, SQL).unwrap();
        std::fs::write(
            &schema,
            r#"{"RecordColumns":[{"Name":"id","SqlType":"INTEGER"}]}"#,
        )
        .unwrap();
        assert!(!made("").unwrap().has_identity());
        assert!(made(" id ").unwrap().has_identity());
        assert_eq!(
            made("no").unwrap_err().to_string(),
            "IDENTITY: the input has no column no; it has id"
        );
        std::fs::write(&sql, SQL.replace("COUNT(*)", "COUNT(DISTINCT id)")).unwrap();
        assert!(made("").unwrap_err().to_string().contains("line 3"));
    }

    #[test]
    fn the_files_are_in_a_layer() {
        let [first, second, third] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let folders = [&first, &second, &third].map(|folder| folder.path().to_owned());
        let folders = std::env::join_paths(folders).unwrap();
        let of_layers =
            || sensor(|name| (name == LAYER_FOLDERS).then(|| folders.to_str().unwrap().to_owned()));
        let columns = r#"{"RecordColumns":[{"Name":"id","SqlType":"INTEGER"}]}"#;
        std::fs::write(first.path().join(USUAL_SQL), "no SQL").unwrap();
        std::fs::write(second.path().join(USUAL_SQL), SQL).unwrap();
        let error = of_layers().unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read /opt/schema.json; "),
            "{error}"
        );
        std::fs::write(third.path().join(USUAL_SCHEMA), columns).unwrap();
        assert!(of_layers().is_ok());
        let error = sensor(|_| None).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read /opt/application.sql; "),
            "{error}"
        );
    }
}
