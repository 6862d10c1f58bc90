//! The table of rows, merged into windows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use windrow_connect::cloud::Cloud;
use windrow_core::decimal::Decimal;
use windrow_core::row::{MergedRow, Row, merge};
use windrow_core::schema::Schema;
use windrow_core::value::Value;
use windrow_lambda::processor::row::{Item, StoredRow};
use windrow_local::data_dir::{DataDir, DataDirError};
use windrow_local::table_file::{TableFile, TableFileError};
use windrow_service::chain;

use crate::QueryError;
use crate::builder::ColumnBuilder;
use crate::progress::{ProgressMeasure, QueryProgress};
use crate::tables::{Column, Table};
use crate::view::RowView;

/// The local cloud's table, in the data directory.
const TABLE_FILE: &str = "table.db";

/// Merged rows per batch.
const BATCH: usize = 8_192;

/// Why the table of rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// The table does not exist.
    #[error("there is no table {table} in DynamoDB; name another one with --table")]
    Missing {
        /// Its name.
        table: String,
    },
    /// DynamoDB cannot be reached, or rejects the request.
    #[error("the table {table} cannot be read: {reason}")]
    Unreadable {
        /// Its name.
        table: String,
        /// The error's message.
        reason: String,
    },
    /// A local cloud uses the data directory, but does not respond on the default port.
    #[error(
        "{in_use}, but no local cloud responds on 127.0.0.1:4566: give its address with \
         --endpoint-url http://127.0.0.1:PORT"
    )]
    Elsewhere {
        /// The directory, and the process that uses it.
        in_use: DataDirError,
    },
    /// The table's file cannot be opened.
    #[error("the table in {} cannot be opened", folder.display())]
    Unusable {
        /// The data directory.
        folder: PathBuf,
        /// The reason.
        #[source]
        source: TableFileError,
    },
}

/// Where rows are read from.
#[derive(Clone, Copy)]
pub(crate) struct RowsSource<'a> {
    /// The name of their table in SQL.
    pub(crate) label: &'a str,
    /// The name of the table in DynamoDB.
    pub(crate) table: &'a str,
    /// The columns of the rows.
    pub(crate) schema: &'a Schema,
}

/// Merged rows, and how many items of the table are not rows.
#[derive(Debug, Default)]
pub(crate) struct SummaryTable {
    pub(crate) merged_rows: Vec<MergedRow>,
    pub(crate) others: u64,
    /// Where they come from, for a note.
    pub(crate) origin: String,
}

/// Collects a table's rows page by page. They are merged at the end, because a page may end in the
/// middle of a window.
struct TableReading<'a> {
    schema: &'a Schema,
    rows: Vec<Row>,
    others: u64,
    /// When the reading began, in seconds since the epoch: rows that had expired are ignored.
    now: i64,
    count: Arc<AtomicU64>,
}

impl<'a> TableReading<'a> {
    fn start(schema: &'a Schema) -> (Self, QueryProgress) {
        let count = Arc::new(AtomicU64::new(0));
        let progress = QueryProgress::start(ProgressMeasure::Table(Arc::clone(&count)));
        let (rows, others) = (Vec::new(), 0);
        let reading = Self {
            schema,
            rows,
            others,
            now: now(),
            count,
        };
        (reading, progress)
    }

    fn add(&mut self, items: &[Item]) {
        for item in items {
            match StoredRow::from_item(self.schema, item) {
                Ok(row) => self.rows.extend(row.unexpired(self.now)),
                Err(_) => self.others += 1,
            }
        }
        self.count.store(self.rows.len() as u64, Ordering::Relaxed);
    }

    fn finish(self, origin: String) -> SummaryTable {
        SummaryTable {
            merged_rows: merge(self.schema, self.rows),
            others: self.others,
            origin,
        }
    }
}

/// Seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "rows expire by the time of day")]
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Reads the table of a data directory: from its file, which is locked meanwhile, or from the local
/// cloud that uses the directory.
pub(crate) async fn read_data_dir(
    data_dir: &Path,
    cloud: Option<&Cloud>,
    source: &RowsSource<'_>,
) -> Result<SummaryTable, SummaryError> {
    let RowsSource { label, table, .. } = source;
    if !data_dir.join(TABLE_FILE).is_file() {
        return Ok(SummaryTable {
            origin: format!("there is no table in {} yet", data_dir.display()),
            ..SummaryTable::default()
        });
    }
    let unusable = |source| SummaryError::Unusable {
        folder: data_dir.to_owned(),
        source,
    };
    match DataDir::open(data_dir) {
        Ok(locked) => {
            let file = TableFile::open(locked).map_err(unusable)?;
            let origin = format!("{label}: the table {table} in {}", data_dir.display());
            read_file(file, source, origin).await
        }
        Err(in_use @ DataDirError::InUse { .. }) => {
            let cloud = cloud.ok_or(SummaryError::Elsewhere { in_use })?;
            let url = cloud.config().endpoint_url().unwrap_or("AWS");
            let origin = format!("{label}: the table {table} of the local cloud at {url}");
            Ok(SummaryTable {
                origin,
                ..read(cloud, source).await?
            })
        }
        Err(error) => Err(unusable(error.into())),
    }
}

/// Reads the table from its file. Each page is read on a blocking thread, so that an interrupt ends
/// the query between two pages.
async fn read_file(
    file: TableFile,
    source: &RowsSource<'_>,
    origin: String,
) -> Result<SummaryTable, SummaryError> {
    let file = Arc::new(file);
    let table = source.table;
    let unreadable = |reason| SummaryError::Unreadable {
        table: table.to_owned(),
        reason,
    };
    let (mut reading, _progress) = TableReading::start(source.schema);
    let mut page = None;
    loop {
        let (file, name) = (Arc::clone(&file), table.to_owned());
        let scan = tokio::task::spawn_blocking(move || file.scan(&name, page));
        let scanned = scan.await.map_err(|error| unreadable(chain(&error)))?;
        let next = scanned.map_err(|error| match error {
            TableFileError::Missing { table } => SummaryError::Missing { table },
            error => unreadable(chain(&error)),
        })?;
        reading.add(&next.items);
        if next.is_last() {
            return Ok(reading.finish(origin));
        }
        page = Some(next);
    }
}

/// Reads the whole table from DynamoDB.
pub(crate) async fn read(
    cloud: &Cloud,
    source: &RowsSource<'_>,
) -> Result<SummaryTable, SummaryError> {
    let RowsSource { label, table, .. } = *source;
    let config = aws_sdk_dynamodb::config::Builder::from(cloud.config())
        .retry_config(RetryConfig::standard())
        .build();
    let scan = aws_sdk_dynamodb::Client::from_conf(config)
        .scan()
        .table_name(table);
    let mut pages = scan.into_paginator().send();
    let (mut reading, _progress) = TableReading::start(source.schema);
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let service = error.as_service_error();
            if service.is_some_and(|error| error.is_resource_not_found_exception()) {
                return SummaryError::Missing {
                    table: table.to_owned(),
                };
            }
            let message = error.message().map(str::to_owned);
            SummaryError::Unreadable {
                table: table.to_owned(),
                reason: message.unwrap_or_else(|| chain(&error)),
            }
        })?;
        reading.add(page.items());
    }
    Ok(reading.finish(format!("{label}: the table {table}")))
}

/// The merged rows as a table of the query engine.
///
/// A number with more than 38 digits, which no sensor adds up to, is null here.
///
/// # Errors
/// Never, because the columns are those of the schema.
pub(crate) fn provider(
    table: &Table,
    merged_rows: &[MergedRow],
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let batch = |rows: &[MergedRow]| {
        let mut columns = builders(table);
        for row in rows {
            let number = |number: u64| {
                Value::Number(Decimal {
                    unscaled: number.into(),
                    scale: 0,
                })
            };
            let every_row = [
                number(row.readings),
                number(row.window_seconds.into()),
                Value::Boolean(row.gap),
            ];
            let start = Value::Timestamp(row.window_start);
            let values = row.key.iter().chain([&start]).chain(&row.measures);
            for (column, value) in columns.iter_mut().zip(values.chain(&every_row)) {
                column.value(&value.into());
            }
        }
        finish(table, &mut columns, rows.len())
    };
    mem_table(table, merged_rows.chunks(BATCH).map(batch))
}

/// The rows of a view as a table of the query engine.
///
/// # Errors
/// [`QueryError::View`] if a value is not of its column's type.
pub(crate) fn view_provider(
    table: &Table,
    view: &RowView,
    merged_rows: &[MergedRow],
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let wrong = |problem: String| QueryError::View {
        view: table.name.clone(),
        problem,
    };
    let rows = view.rows(merged_rows);
    let mut batches = Vec::new();
    for rows in rows.chunks(BATCH) {
        let mut columns = builders(table);
        for row in rows {
            if row.len() != columns.len() {
                let (found, expected) = (row.len(), columns.len());
                return Err(wrong(format!(
                    "a row has {found} values instead of {expected}"
                )));
            }
            for (index, (builder, value)) in columns.iter_mut().zip(row).enumerate() {
                if !builder.value(&value.into()) {
                    let Column { name, kind, .. } = &table.columns[index];
                    let kind = kind.sql();
                    return Err(wrong(format!("`{value}` of {name} does not fit {kind}")));
                }
            }
        }
        batches.push(finish(table, &mut columns, rows.len()));
    }
    Ok(mem_table(table, batches.into_iter())?)
}

fn builders(table: &Table) -> Vec<ColumnBuilder> {
    let columns = table.columns.iter();
    columns
        .map(|column| ColumnBuilder::new(column.kind))
        .collect()
}

fn finish(
    table: &Table,
    columns: &mut [ColumnBuilder],
    rows: usize,
) -> Result<RecordBatch, DataFusionError> {
    let columns = columns.iter_mut().map(ColumnBuilder::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        table.schema(),
        columns,
        &options,
    )?)
}

fn mem_table(
    table: &Table,
    batches: impl Iterator<Item = Result<RecordBatch, DataFusionError>>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(MemTable::try_new(table.schema(), vec![batches])?))
}
