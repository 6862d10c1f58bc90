//! A local cloud in this process.

use std::time::Duration;

use windrow_connect::cloud::{Cloud, LOCAL_PORT};
use windrow_core::time::Timestamp;
use windrow_local::{CloudSettings, DashboardPort, LocalCloud, dashboard};

use crate::ProducerError;
use crate::plan::ProducerPlan;

/// The time limit for closing the open windows and writing their rows at the end of a run.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);

/// A running local cloud and the names of its resources.
#[derive(Debug)]
pub(crate) struct EmbeddedCloud {
    cloud: LocalCloud,
    /// How to reach it.
    pub(crate) target: Cloud,
    /// Name of the summary stream.
    pub(crate) summary_stream: String,
    /// The time before it was started. Older rows are of earlier runs on its data directory.
    pub(crate) started: Timestamp,
    /// Name of the table of rows.
    pub(crate) table: String,
    /// The message to print at the start.
    pub(crate) welcome: String,
}

impl EmbeddedCloud {
    /// Starts a local cloud as described by `plan`.
    ///
    /// # Errors
    /// [`ProducerError::Start`], for example if a requested port or the data directory is in use.
    pub(crate) async fn start(plan: &ProducerPlan) -> Result<Self, ProducerError> {
        let defaults = local::settings()?;
        let embedded = &plan.embedded;
        let mut names = defaults.names.clone();
        names.stream.clone_from(&plan.stream);
        let settings = CloudSettings {
            port: plan.port(),
            data_dir: embedded
                .data_dir
                .clone()
                .unwrap_or(defaults.data_dir.clone()),
            shards: plan.shards(),
            window: embedded.window.unwrap_or(defaults.window),
            names: names.clone(),
            dashboard: Some(DashboardPort::from_flag(embedded.dashboard_port)),
            ..defaults
        };
        let (window, data_dir) = (settings.window, settings.data_dir.clone());
        let started = Timestamp::from_millis(settings.clock.now_millis());
        let cloud = LocalCloud::start(settings, &local::wild_rydes()).await?;
        let url = cloud.endpoint_url();

        // The commands look at the default port, so it needs no --endpoint-url.
        let target_flag = if url == format!("http://127.0.0.1:{LOCAL_PORT}") {
            "--target local".to_owned()
        } else {
            format!("--endpoint-url {url}")
        };
        let map = cloud.dashboard_url().unwrap_or_default();
        let map = match embedded.dashboard_port {
            None if map != format!("http://127.0.0.1:{}", dashboard::DEFAULT_PORT) => {
                format!("{map} (port {} is in use)", dashboard::DEFAULT_PORT)
            }
            _ => map,
        };
        let (stream, summary) = (&names.stream, &names.summary_stream);
        let report = cloud.restart_report();
        let report = report.map(|report| format!("local: {report}\n"));
        let report = report.unwrap_or_default();
        let welcome = format!(
            "{report}target: an embedded local cloud at {url}\n\
             \x20 map       {map}\n\
             \x20 data      {data_dir}\n\
             \x20 streams   {stream}, {summary}\n\
             \x20 table     {table}\n\
             \x20 readings  cargo run -p consumer -- {target_flag} --stream {stream}\n\
             \x20 rows      cargo run -p consumer -- {target_flag} --stream {summary}\n\
             \x20 more      cargo run -p producer -- {target_flag} --stream {stream} --name Rocinante\n\
             rows are printed every {window} s; Ctrl-C closes the open window and stops the run",
            data_dir = data_dir.display(),
            table = names.table,
            window = window.as_secs(),
        );
        Ok(Self {
            cloud,
            target: Cloud::local(&url, None),
            summary_stream: names.summary_stream,
            started,
            table: names.table,
            welcome,
        })
    }

    /// The watermark: windows that end at or before it are complete ([`LocalCloud::watermark`]).
    pub(crate) fn watermark(&self) -> tokio::sync::watch::Receiver<i64> {
        self.cloud.watermark()
    }

    /// Closes the open windows and waits until all rows are in the table.
    ///
    /// # Errors
    /// If that takes more than two minutes.
    pub(crate) async fn drain(&self) -> Result<(), windrow_local::DrainError> {
        self.cloud.drain(DRAIN_LIMIT).await
    }

    /// Stops the local cloud.
    pub(crate) async fn stop(self) {
        self.cloud.stop().await;
    }
}
