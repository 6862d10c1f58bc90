//! Reads the table's file while no local cloud runs on it.

use std::collections::HashMap;
use std::path::PathBuf;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::{Database, DynoxideError, types};

use crate::data_dir::{DataDir, DataDirError};

/// The table's file in a data directory, which stays locked while this value lives.
pub struct TableFile {
    database: Database,
    // Its lock keeps a local cloud from starting while the file is read.
    _data_dir: DataDir,
}

/// Items of a table, as a page of DynamoDB's Scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemPage {
    /// The items.
    pub items: Vec<HashMap<String, AttributeValue>>,
    next: Option<HashMap<String, types::AttributeValue>>,
}

impl ItemPage {
    /// Whether this is the last page.
    pub fn is_last(&self) -> bool {
        self.next.is_none()
    }
}

/// Why the table's file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableFileError {
    /// The data directory is in use or unusable.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The file is not a database, or has a newer format.
    #[error("the table {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The database's error.
        #[source]
        source: Box<DynoxideError>,
    },
    /// The file has no such table.
    #[error("the data directory has no table {table}")]
    Missing {
        /// The table's name.
        table: String,
    },
    /// The table cannot be read.
    #[error("the table {table} cannot be read")]
    Read {
        /// The table's name.
        table: String,
        /// The database's error.
        #[source]
        source: Box<DynoxideError>,
    },
}

impl TableFile {
    /// Opens the table's file of a data directory.
    ///
    /// # Errors
    ///
    /// [`TableFileError::DataDir`] if a local cloud uses the directory, [`TableFileError::Open`] if
    /// the file is not a database.
    pub fn open(data_dir: DataDir) -> Result<Self, TableFileError> {
        let path = data_dir.database()?;
        let database =
            Database::new(&path.to_string_lossy()).map_err(|source| TableFileError::Open {
                path,
                source: Box::new(source),
            })?;
        Ok(Self {
            database,
            _data_dir: data_dir,
        })
    }

    /// Reads the first page of a table, or the one after `page`. Blocks.
    ///
    /// # Errors
    ///
    /// [`TableFileError::Missing`] if there is no such table, [`TableFileError::Read`] if the
    /// database fails.
    pub fn scan(&self, table: &str, page: Option<ItemPage>) -> Result<ItemPage, TableFileError> {
        let request = ScanRequest {
            table_name: table.to_owned(),
            exclusive_start_key: page.and_then(|page| page.next),
            ..ScanRequest::default()
        };
        let scanned = self.database.scan(request).map_err(|source| {
            let table = table.to_owned();
            match source {
                DynoxideError::ResourceNotFoundException(_) => TableFileError::Missing { table },
                source => TableFileError::Read {
                    table,
                    source: Box::new(source),
                },
            }
        })?;
        let items = scanned.items.unwrap_or_default().into_iter();
        Ok(ItemPage {
            items: items.map(attributes).collect(),
            next: scanned.last_evaluated_key,
        })
    }
}

fn attributes(item: HashMap<String, types::AttributeValue>) -> HashMap<String, AttributeValue> {
    let attributes = item.into_iter();
    attributes.map(|(name, value)| (name, sdk(value))).collect()
}

fn sdk(value: types::AttributeValue) -> AttributeValue {
    use types::AttributeValue as Stored;
    match value {
        Stored::S(text) => AttributeValue::S(text),
        Stored::N(number) => AttributeValue::N(number),
        Stored::B(bytes) => AttributeValue::B(Blob::new(bytes)),
        Stored::BOOL(value) => AttributeValue::Bool(value),
        Stored::NULL(value) => AttributeValue::Null(value),
        Stored::SS(texts) => AttributeValue::Ss(texts),
        Stored::NS(numbers) => AttributeValue::Ns(numbers),
        Stored::BS(values) => AttributeValue::Bs(values.into_iter().map(Blob::new).collect()),
        Stored::L(values) => AttributeValue::L(values.into_iter().map(sdk).collect()),
        Stored::M(values) => AttributeValue::M(attributes(values)),
    }
}
