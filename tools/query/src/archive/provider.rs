//! The archive as a table of the query engine.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use tokio::sync::mpsc::Sender;

use super::columns::{ArchiveContents, LineColumns, Pushed};
use super::filter::{depends_on_day_alone, needed};
use super::lines;
use super::{ArchiveError, Meter};
use windrow_archive::{ArchiveFile, ArchivePart};

use crate::tables::Table;

/// The maximum number of rows in a batch.
const BATCH: usize = 8_192;

/// How many batches may wait for a slower consumer.
const WAITING: usize = 2;

/// Files of the archive as a table.
///
/// Scans are streamed: they hold a few batches per partition in memory, however large the archive.
/// Only the days and columns that a query needs are read. Each partition reads its files in the
/// order of their paths, and all partitions have about the same number of bytes.
pub struct ArchiveTable {
    table: Arc<Table>,
    contents: Arc<dyn ArchiveContents>,
    schema: SchemaRef,
    files: Vec<ArchiveFile>,
    meter: Arc<Meter>,
}

impl ArchiveTable {
    /// A table of these files. Its last column is the day of arrival. `meter` counts the bytes read.
    pub fn new(
        table: Arc<Table>,
        contents: Arc<dyn ArchiveContents>,
        files: Vec<ArchiveFile>,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            schema: table.schema(),
            table,
            contents,
            files,
            meter,
        }
    }

    /// The name of the column with the day of arrival.
    fn day(&self) -> &str {
        let last = self.table.columns.last();
        last.map_or("", |column| &column.name)
    }
}

impl std::fmt::Debug for ArchiveTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("ArchiveTable");
        debug.field("table", &self.table.name);
        debug.field("files", &self.files).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for ArchiveTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if depends_on_day_alone(filter, self.day()) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = needed(&self.files, filters, self.day(), session)?;
        let bytes = files.iter().map(|file| file.bytes).sum();
        self.meter.add_total(bytes);
        let projection = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&projection)?);
        let partition = |files| -> Arc<dyn PartitionStream> {
            Arc::new(ArchivePartition {
                table: Arc::clone(&self.table),
                contents: Arc::clone(&self.contents),
                schema: Arc::clone(&schema),
                projection: projection.clone(),
                files,
                meter: Arc::clone(&self.meter),
            })
        };
        let count = session.config().target_partitions();
        let partitions = split(files, count).into_iter().map(partition).collect();
        let plan =
            StreamingTableExec::try_new(Arc::clone(&schema), partitions, None, [], false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// Splits files into 1 to `count` parts of about the same number of bytes.
fn split(files: Vec<ArchiveFile>, count: usize) -> Vec<Vec<ArchiveFile>> {
    let count = count.min(files.len()).max(1);
    let mut parts: Vec<(u64, Vec<ArchiveFile>)> = vec![(0, Vec::new()); count];
    let mut by_size = files;
    by_size.sort_by_key(|file| std::cmp::Reverse(file.bytes));
    for file in by_size {
        let Some((bytes, part)) = parts.iter_mut().min_by_key(|(bytes, _)| *bytes) else {
            break;
        };
        // Opening an empty file takes time, too.
        *bytes += file.bytes + 1;
        part.push(file);
    }
    let in_order = |(_, mut part): (u64, Vec<ArchiveFile>)| {
        part.sort_by(|a, b| a.path.cmp(&b.path));
        part
    };
    parts.into_iter().map(in_order).collect()
}

/// Some of the files, read one after the other.
struct ArchivePartition {
    table: Arc<Table>,
    contents: Arc<dyn ArchiveContents>,
    schema: SchemaRef,
    projection: Vec<usize>,
    files: Vec<ArchiveFile>,
    meter: Arc<Meter>,
}

impl std::fmt::Debug for ArchivePartition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("ArchivePartition");
        debug.field("table", &self.table.name);
        debug.field("files", &self.files).finish_non_exhaustive()
    }
}

impl PartitionStream for ArchivePartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), WAITING);
        let sender = builder.tx();
        let reader = ArchiveReader {
            columns: self.contents.columns(&self.table, &self.projection),
            schema: Arc::clone(&self.schema),
            rows: 0,
            sender,
        };
        let (files, meter) = (self.files.clone(), Arc::clone(&self.meter));
        builder.spawn_blocking(move || reader.read(&files, &meter));
        builder.build()
    }
}

/// Reads files on a separate thread, until the receiver is dropped.
struct ArchiveReader {
    columns: Box<dyn LineColumns>,
    schema: SchemaRef,
    rows: usize,
    sender: Sender<Result<RecordBatch>>,
}

impl ArchiveReader {
    fn read(mut self, files: &[ArchiveFile], meter: &Meter) -> Result<()> {
        for file in files {
            if self.read_file(file, meter)?.is_break() {
                return Ok(());
            }
        }
        let _ = self.send()?;
        Ok(())
    }

    fn read_file(&mut self, file: &ArchiveFile, meter: &Meter) -> Result<ControlFlow<()>> {
        let (mut broken, mut filtered) = (0_u64, 0_u64);
        let mut failed = None;
        let outcome = lines::read(file, meter, |part| {
            let pushed = match part {
                ArchivePart::Object(text) => self.columns.push(text, file.day.as_deref()),
                ArchivePart::Other(_) | ArchivePart::TooLong => Pushed::Broken,
            };
            if pushed != Pushed::Row {
                let count = match pushed {
                    Pushed::Filtered => &mut filtered,
                    _ => &mut broken,
                };
                *count += 1;
                // A long file without readings sends no batch, which would fail without a receiver.
                return if count.is_multiple_of(BATCH as u64) && self.sender.is_closed() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                };
            }
            self.rows += 1;
            if self.rows < BATCH {
                return ControlFlow::Continue(());
            }
            self.send().unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let outcome = outcome.map_err(external)?;
        if outcome.is_continue() {
            meter.finish(file, broken, filtered);
        }
        Ok(outcome)
    }

    /// Sends the rows so far. Breaks if the receiver was dropped.
    fn send(&mut self) -> Result<ControlFlow<()>> {
        if self.rows == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        // If a query needs no column, a batch has only a number of rows.
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, self.columns.take(), &options)?;
        self.rows = 0;
        Ok(match self.sender.blocking_send(Ok(batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    }
}

fn external(error: ArchiveError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
