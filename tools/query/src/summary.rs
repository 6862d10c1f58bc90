//! The table of rows, merged into windows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMillisecondArray,
};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use unicorn::merge::{FleetRow, merge};
use unicorn::row::schema;
use unicorn::totals::Measures;
use windrow_connect::cloud::Cloud;
use windrow_core::row::Row;
use windrow_lambda::processor::row::{Item, StoredRow};
use windrow_local::data_dir::{DataDir, DataDirError};
use windrow_local::table_file::{TableFile, TableFileError};

use crate::progress::{ProgressMeasure, QueryProgress};
use crate::tables::SUMMARY;
use windrow_service::chain;

/// The local cloud's table, in the data directory.
const TABLE_FILE: &str = "table.db";

/// Merged rows per batch.
const BATCH: usize = 8_192;

/// 10^38, the lowest number that a decimal of 38 digits cannot hold.
const TOO_FAR: i128 = 10_i128.pow(38);

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

/// Merged rows, and how many items of the table are not rows.
#[derive(Debug, Default)]
pub(crate) struct SummaryTable {
    pub(crate) merged_rows: Vec<FleetRow>,
    pub(crate) others: u64,
    /// Where they come from, for a note.
    pub(crate) origin: String,
}

/// Collects a table's rows page by page. They are merged at the end, because a page may end in the
/// middle of a window.
struct TableReading {
    rows: Vec<Row>,
    others: u64,
    /// When the reading began, in seconds since the epoch: rows that had expired are ignored.
    now: i64,
    count: Arc<AtomicU64>,
}

impl TableReading {
    fn start() -> (Self, QueryProgress) {
        let count = Arc::new(AtomicU64::new(0));
        let progress = QueryProgress::start(ProgressMeasure::Table(Arc::clone(&count)));
        let (rows, others) = (Vec::new(), 0);
        let reading = Self {
            rows,
            others,
            now: now(),
            count,
        };
        (reading, progress)
    }

    fn add(&mut self, items: &[Item]) {
        for item in items {
            match StoredRow::from_item(schema(), item) {
                Ok(row) => self.rows.extend(row.unexpired(self.now)),
                Err(_) => self.others += 1,
            }
        }
        self.count.store(self.rows.len() as u64, Ordering::Relaxed);
    }

    fn finish(self, origin: String) -> SummaryTable {
        SummaryTable {
            merged_rows: merge(self.rows),
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
    table: &str,
) -> Result<SummaryTable, SummaryError> {
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
            let origin = format!("summary: the table {table} in {}", data_dir.display());
            read_file(file, table, origin).await
        }
        Err(in_use @ DataDirError::InUse { .. }) => {
            let cloud = cloud.ok_or(SummaryError::Elsewhere { in_use })?;
            let url = cloud.config().endpoint_url().unwrap_or("AWS");
            let origin = format!("summary: the table {table} of the local cloud at {url}");
            Ok(SummaryTable {
                origin,
                ..read(cloud, table).await?
            })
        }
        Err(error) => Err(unusable(error.into())),
    }
}

/// Reads the table from its file. Each page is read on a blocking thread, so that an interrupt ends
/// the query between two pages.
async fn read_file(
    file: TableFile,
    table: &str,
    origin: String,
) -> Result<SummaryTable, SummaryError> {
    let file = Arc::new(file);
    let unreadable = |reason| SummaryError::Unreadable {
        table: table.to_owned(),
        reason,
    };
    let (mut reading, _progress) = TableReading::start();
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
pub(crate) async fn read(cloud: &Cloud, table: &str) -> Result<SummaryTable, SummaryError> {
    let config = aws_sdk_dynamodb::config::Builder::from(cloud.config())
        .retry_config(RetryConfig::standard())
        .build();
    let scan = aws_sdk_dynamodb::Client::from_conf(config)
        .scan()
        .table_name(table);
    let mut pages = scan.into_paginator().send();
    let (mut reading, _progress) = TableReading::start();
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
    Ok(reading.finish(format!("summary: the table {table}")))
}

/// The merged rows as a table of the query engine.
///
/// # Errors
/// Never, because the columns are those of [`SUMMARY`].
pub(crate) fn provider(
    merged_rows: &[FleetRow],
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let batches: Result<Vec<_>, _> = merged_rows.chunks(BATCH).map(batch).collect();
    Ok(Arc::new(MemTable::try_new(
        SUMMARY.schema(),
        vec![batches?],
    )?))
}

fn batch(merged_rows: &[FleetRow]) -> Result<RecordBatch, DataFusionError> {
    let points = |point: fn(&Measures) -> i32| -> ArrayRef {
        let points = merged_rows.iter().map(|merged| point(&merged.measures));
        Arc::new(Int32Array::from_iter_values(points))
    };
    let count = |count: fn(&FleetRow) -> u64| -> ArrayRef {
        let counts = merged_rows
            .iter()
            .map(|merged| i64::try_from(count(merged)).ok());
        Arc::new(counts.collect::<Int64Array>())
    };
    let names = merged_rows.iter().map(|merged| Some(merged.name.as_str()));
    let times = merged_rows
        .iter()
        .map(|merged| merged.window_start.millis());
    // No unicorn moves this far. A row that says so has no distance here.
    let metres = merged_rows.iter().map(|merged| {
        let micrometres = merged.measures.distance.micrometres();
        (micrometres < TOO_FAR).then_some(micrometres)
    });
    let metres: Decimal128Array = metres.collect();
    let gap = merged_rows.iter().map(|merged| Some(merged.gap));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(names.collect::<StringViewArray>()),
        Arc::new(TimestampMillisecondArray::from_iter_values(times)),
        Arc::new(metres.with_precision_and_scale(38, 6)?),
        points(|measures| measures.min_magic_points),
        points(|measures| measures.max_magic_points),
        points(|measures| measures.min_health_points),
        points(|measures| measures.max_health_points),
        count(|merged| merged.readings),
        count(|merged| merged.window_seconds.into()),
        Arc::new(gap.collect::<BooleanArray>()),
    ];
    Ok(RecordBatch::try_new(SUMMARY.schema(), columns)?)
}
