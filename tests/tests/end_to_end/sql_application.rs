//! Kinesis SQL applications in a local cloud of the tests.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sql::text::SqlFlags;
use windrow_local::CloudSettings;
use windrow_pipeline::LocalProgram;
use windrow_sql::sensor::SqlSensor;

/// Writes the files of an application.
pub(crate) fn write_files(folder: &Path, sql: &str, schema: &str) -> SqlFlags {
    fs::write(folder.join("application.sql"), sql).unwrap();
    fs::write(folder.join("schema.json"), schema).unwrap();
    flags_of(folder)
}

/// The flags that name the files of an application.
pub(crate) fn flags_of(folder: &Path) -> SqlFlags {
    SqlFlags {
        sql: Some(folder.join("application.sql")),
        schema: Some(folder.join("schema.json")),
        identity: Vec::new(),
    }
}

/// The settings of an application's cloud: windows of a second, and two shards per stream.
pub(crate) fn settings_of(program: &LocalProgram<SqlSensor>, data_dir: &Path) -> CloudSettings {
    CloudSettings {
        port: 0,
        data_dir: data_dir.to_owned(),
        window: Duration::from_secs(1),
        shards: 2,
        ..program.settings()
    }
}
