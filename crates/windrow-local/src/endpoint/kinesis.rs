//! Kinesis: sets up `windrow-kinesis`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use tokio::sync::watch;
use windrow_kinesis::{DiskStatus, Kinesis, KinesisOptions, OpenReport, Unmetered};

use super::own_clients::is_own;
use super::{EndpointError, EndpointOptions};
use crate::disk_trouble::DiskWriter;

/// The folder of the data directory that holds the streams.
const FOLDER: &str = "kinesis";

/// How often trouble that lasts is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Opens the streams of the data directory.
///
/// # Errors
///
/// [`EndpointError::Kinesis`] if they cannot be read or written.
pub(super) async fn open(
    options: &EndpointOptions,
    data_dir: &Path,
) -> Result<(Kinesis, OpenReport), EndpointError> {
    let clock = options.clock.clone();
    let mut kinesis = KinesisOptions::new(data_dir.join(FOLDER));
    kinesis.region.clone_from(&options.region);
    kinesis.account.clone_from(&options.account);
    kinesis.clock = Arc::new(move || clock.now_millis());
    kinesis.shard_limit = options.shard_limit;
    kinesis.iterator_lifetime = options.iterator_lifetime;
    kinesis.reads_per_second = options.reads_per_second;
    // Reads every file that was not closed.
    let opened = tokio::task::spawn_blocking(move || Kinesis::open(kinesis)).await;
    let opened = opened.map_err(|source| EndpointError::Stopped { source })?;
    let (kinesis, report) = opened.map_err(|source| EndpointError::Kinesis { source })?;
    for damage in &report.damage {
        tracing::error!("{damage}; what is around it is kept");
    }
    Ok((kinesis, report))
}

/// Answers a call. Reads by the local cloud's own clients do not count for the limit on reads.
pub(super) async fn call(kinesis: &Kinesis, mut request: Request) -> Response {
    if is_own(request.headers()) {
        request.extensions_mut().insert(Unmetered);
    }
    kinesis.respond(request).await
}

/// Reports trouble with the disk of the streams until they are closed.
pub(super) async fn report_trouble(mut disk: watch::Receiver<DiskStatus>, writer: DiskWriter) {
    loop {
        let status = disk.borrow_and_update().clone();
        let next = disk.changed();
        let changed = match status {
            DiskStatus::Failing {
                path,
                kind,
                message,
                ..
            } => {
                writer.failed(&path, &io::Error::new(kind, message));
                // Once more, while it lasts.
                tokio::time::timeout(REPORT_INTERVAL, next)
                    .await
                    .unwrap_or(Ok(()))
            }
            _ => {
                writer.succeeded();
                next.await
            }
        };
        if changed.is_err() {
            return;
        }
    }
}
