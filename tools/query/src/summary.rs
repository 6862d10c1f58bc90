//! The table of rows, merged into minutes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMillisecondArray,
};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use tokio_util::sync::CancellationToken;
use unicorn::merge::{MergedRow, merge};
use unicorn::summary::Summary;
use unicorn::totals::Measures;
use windrow_connect::cloud::Cloud;
use windrow_lambda::processor::row;
use windrow_local::data_dir::DataDirError;
use windrow_local::endpoint::{Endpoint, EndpointError, EndpointOptions};

use crate::diagnostic::chain;
use crate::progress::{Measure, QueryProgress};
use crate::tables::SUMMARY;

/// The local cloud's table, in the data directory.
const TABLE_FILE: &str = "table.db";

/// The minutes of a batch.
const BATCH: usize = 8_192;

/// Ten to the power of 38: a decimal of 38 digits is below it.
const TOO_FAR: i128 = 10_i128.pow(38);

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// There is no such table.
    #[error("there is no table {table} in DynamoDB; --table says what it is called")]
    Missing {
        /// Its name.
        table: String,
    },
    /// DynamoDB gives no answer, or rejects to.
    #[error("the table {table} cannot be read: {reason}")]
    Unreadable {
        /// Its name.
        table: String,
        /// What was said.
        reason: String,
    },
    /// A local cloud has the data directory and is not found.
    #[error(
        "{in_use}, and none answers on 127.0.0.1:4566: say where it does with \
         --endpoint-url http://127.0.0.1:PORT"
    )]
    Elsewhere {
        /// Which directory, and which process has it.
        in_use: DataDirError,
    },
    /// The table's file cannot be opened.
    #[error("the table in {} cannot be opened", folder.display())]
    Unusable {
        /// The data directory.
        folder: PathBuf,
        /// Why.
        #[source]
        source: EndpointError,
    },
}

/// Minutes, and how many items of the table are no rows.
#[derive(Debug, Default)]
pub(crate) struct SummaryTable {
    pub(crate) merged_rows: Vec<MergedRow>,
    pub(crate) others: u64,
    /// Where they come from, for a note.
    pub(crate) origin: String,
}

/// Reads the table of a data directory: from the local cloud that has it, or else from its file. The
/// directory is taken for as long as that lasts, as a local cloud would.
pub(crate) async fn read_here(
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
    let mut options = EndpointOptions::new(data_dir);
    options.port = 0;
    let stop = CancellationToken::new();
    match Endpoint::start(options, stop.clone()).await {
        Ok(endpoint) => {
            let cloud = Cloud::local(&endpoint.url(), None);
            let merged_rows = read(&cloud, table).await;
            stop.cancel();
            endpoint.stopped().await;
            let origin = format!("summary: the table {table} in {}", data_dir.display());
            Ok(SummaryTable {
                origin,
                ..merged_rows?
            })
        }
        Err(EndpointError::DataDir(in_use @ DataDirError::InUse { .. })) => match cloud {
            Some(cloud) => {
                let merged_rows = read(cloud, table).await?;
                let url = cloud.config().endpoint_url().unwrap_or("AWS");
                let origin = format!("summary: the table {table} of the local cloud at {url}");
                Ok(SummaryTable {
                    origin,
                    ..merged_rows
                })
            }
            None => Err(SummaryError::Elsewhere { in_use }),
        },
        Err(source) => Err(SummaryError::Unusable {
            folder: data_dir.to_owned(),
            source,
        }),
    }
}

/// Reads the whole table page by page and merges what was read: a page may end in the middle of a
/// minute.
pub(crate) async fn read(cloud: &Cloud, table: &str) -> Result<SummaryTable, SummaryError> {
    let config = aws_sdk_dynamodb::config::Builder::from(cloud.config())
        .retry_config(RetryConfig::standard())
        .build();
    let scan = aws_sdk_dynamodb::Client::from_conf(config)
        .scan()
        .table_name(table);
    let mut pages = scan.into_paginator().send();
    let count = Arc::new(AtomicU64::new(0));
    let _progress = QueryProgress::start(Measure::Table(Arc::clone(&count)));
    let mut rows: Vec<Summary> = Vec::new();
    let mut others = 0;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let service = error.as_service_error();
            if service.is_some_and(|error| error.is_resource_not_found_exception()) {
                return SummaryError::Missing {
                    table: table.to_owned(),
                };
            }
            let said = error.message().map(str::to_owned);
            SummaryError::Unreadable {
                table: table.to_owned(),
                reason: said.unwrap_or_else(|| chain(&error)),
            }
        })?;
        for item in page.items() {
            match row::from_item(item) {
                Ok(row) => rows.push(row),
                Err(_) => others += 1,
            }
        }
        count.store(rows.len() as u64, Ordering::Relaxed);
    }
    Ok(SummaryTable {
        merged_rows: merge(rows),
        others,
        origin: format!("summary: the table {table}"),
    })
}

/// The minutes as a table of the query engine.
///
/// # Errors
/// None that can be met: the columns are those of [`SUMMARY`].
pub(crate) fn provider(
    merged_rows: &[MergedRow],
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let batches: Result<Vec<_>, _> = merged_rows.chunks(BATCH).map(batch).collect();
    Ok(Arc::new(MemTable::try_new(
        SUMMARY.schema(),
        vec![batches?],
    )?))
}

fn batch(merged_rows: &[MergedRow]) -> Result<RecordBatch, DataFusionError> {
    let points = |point: fn(&Measures) -> i32| -> ArrayRef {
        let points = merged_rows.iter().map(|merged| point(&merged.measures));
        Arc::new(Int32Array::from_iter_values(points))
    };
    let count = |count: fn(&MergedRow) -> u64| -> ArrayRef {
        let counts = merged_rows
            .iter()
            .map(|merged| i64::try_from(count(merged)).ok());
        Arc::new(counts.collect::<Int64Array>())
    };
    let names = merged_rows.iter().map(|merged| Some(merged.name.as_str()));
    let times = merged_rows
        .iter()
        .map(|merged| merged.window_start.millis());
    // Nobody moves so far; a row that says so has no distance here.
    let metres = merged_rows.iter().map(|merged| {
        let micrometres = merged.measures.distance.micrometres();
        (micrometres < TOO_FAR).then_some(micrometres)
    });
    let metres: Decimal128Array = metres.collect();
    let exact = merged_rows.iter().map(|merged| Some(merged.exact));
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
        Arc::new(exact.collect::<BooleanArray>()),
    ];
    Ok(RecordBatch::try_new(SUMMARY.schema(), columns)?)
}
