//! The local cloud as its clients see it: over HTTP, with the real SDK, the real Runtime API client
//! and real files.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod access;
mod bootstrap;
mod cargo_lambda;
mod clock;
mod endpoint;
mod endpoint_faults;
mod endpoint_reads;
mod firehose;
mod firehose_settings;
mod languages;
mod mapping;
mod restart;
mod stack;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use windrow_local::endpoint::{Endpoint, EndpointOptions};
use windrow_local::faults::Faults;

/// An endpoint for one test.
struct TestEndpoint {
    endpoint: Endpoint,
    stop: CancellationToken,
    folder: TempDir,
}

impl TestEndpoint {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let options = options(folder.path());
        Self::start_with(options, folder).await
    }

    /// Starts one that injects `faults` into its calls.
    async fn with_faults(faults: &Arc<Faults>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.faults = Arc::clone(faults);
        Self::start_with(options, folder).await
    }

    async fn start_with(options: EndpointOptions, folder: TempDir) -> Self {
        let stop = CancellationToken::new();
        let endpoint = Endpoint::start(options, stop.clone()).await.unwrap();
        Self {
            endpoint,
            stop,
            folder,
        }
    }

    /// Stops it cleanly and returns its data directory.
    async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.endpoint.stopped().await;
        self.folder
    }

    fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&windrow_connect::local_config(&self.endpoint.url()))
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&windrow_connect::local_config(&self.endpoint.url()))
    }

    fn firehose(&self) -> aws_sdk_firehose::Client {
        aws_sdk_firehose::Client::new(&windrow_connect::local_config(&self.endpoint.url()))
    }
}

/// Waits until a local cloud that was dropped has left its data directory: its tasks are dropped a
/// moment later.
async fn until_unlocked(data_dir: &Path) {
    let lock = File::open(data_dir.join("kinesis/lock")).unwrap();
    let unlocked = async {
        while lock.try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), unlocked)
        .await
        .unwrap();
    lock.unlock().unwrap();
}

fn options(data_dir: &Path) -> EndpointOptions {
    let mut options = EndpointOptions::new(data_dir);
    options.port = 0;
    options
}
