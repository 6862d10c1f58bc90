//! Reads a table from the data directory of a local cloud that is not running.

use std::collections::HashMap;
use std::path::PathBuf;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::types::AttributeValue as StoredValue;
use dynoxide::{Database, DynoxideError};
use thiserror::Error;

use crate::data_dir::{DataDir, DataDirError};

/// Why a table cannot be read from its file.
#[derive(Debug, Error)]
pub enum TableFileError {
    /// The data directory cannot be opened; a running local cloud may hold it.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The file is not a database, or has no such table.
    #[error("the table {table} cannot be read")]
    Table {
        /// The table's name.
        table: String,
        /// What the database reported.
        #[source]
        source: DynoxideError,
    },
}

/// The items of `table` in a data directory. The directory is locked meanwhile, as a running local cloud
/// locks it. Blocks while it reads.
///
/// # Errors
///
/// [`TableFileError`]. There is no such table as long as no local cloud created it.
pub fn read_table(
    data_dir: impl Into<PathBuf>,
    table: &str,
) -> Result<Vec<HashMap<String, AttributeValue>>, TableFileError> {
    let data_dir = DataDir::open(data_dir)?;
    let failed = |source| TableFileError::Table {
        table: table.to_owned(),
        source,
    };
    let database = Database::new(&data_dir.database()?.to_string_lossy()).map_err(failed)?;
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = database.scan(ScanRequest {
            table_name: table.to_owned(),
            exclusive_start_key: start,
            ..ScanRequest::default()
        });
        let page = page.map_err(failed)?;
        items.extend(page.items.into_iter().flatten().map(attributes));
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}

fn attributes(stored: HashMap<String, StoredValue>) -> HashMap<String, AttributeValue> {
    let pairs = stored.into_iter();
    pairs
        .map(|(name, value)| (name, attribute(value)))
        .collect()
}

fn attribute(stored: StoredValue) -> AttributeValue {
    match stored {
        StoredValue::S(text) => AttributeValue::S(text),
        StoredValue::N(number) => AttributeValue::N(number),
        StoredValue::B(bytes) => AttributeValue::B(Blob::new(bytes)),
        StoredValue::BOOL(value) => AttributeValue::Bool(value),
        StoredValue::NULL(value) => AttributeValue::Null(value),
        StoredValue::SS(texts) => AttributeValue::Ss(texts),
        StoredValue::NS(numbers) => AttributeValue::Ns(numbers),
        StoredValue::BS(values) => AttributeValue::Bs(values.into_iter().map(Blob::new).collect()),
        StoredValue::L(values) => AttributeValue::L(values.into_iter().map(attribute).collect()),
        StoredValue::M(values) => AttributeValue::M(attributes(values)),
    }
}
