//! The whole local cloud: endpoint, streams, table and mappings.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windrow_read::Start;

use aws_types::SdkConfig;
use axum::Router;

use crate::archive::archive;
use crate::clock::Clock;
use crate::dashboard::Dashboard;
use crate::endpoint::{Endpoint, EndpointOptions, as_own};
use crate::firehose::{BufferingHints, DeliverySource, Firehose, FirehoseError};
use crate::functions::{Faulty, Function};
use crate::mapping::follow::StreamSource;
use crate::mapping::group::MappingGroups;
use crate::mapping::{InvalidMapping, Mapping, MappingSource};
use crate::resources::{create_stream, create_table};
use crate::schedule::FunctionSchedule;
use crate::settings::{
    CloudSettings, FINISHER_PERIOD, PROGRESS_KEY, ResourceNames, aggregator_mapping,
    processor_mapping, stateless_mapping,
};
use crate::start_error::StartError;

/// The folder of the data directory that holds failed batches of rows: the on-failure destination
/// of the processor's mapping.
pub const ON_FAILURE: &str = "on-failure";

/// A drain that did not finish in time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{what} had not caught up after {} s", waited.as_secs())]
pub struct DrainError {
    what: &'static str,
    waited: Duration,
}

/// The functions of a local cloud.
pub struct Pipeline {
    /// Invoked for every stream of readings, with tumbling windows, if there is one.
    pub aggregator: Option<Arc<dyn Function>>,
    /// Invoked for every stream of readings, without windows, if there is one.
    pub stateless: Option<Arc<dyn Function>>,
    /// Invoked for the stream of rows.
    pub processor: Arc<dyn Function>,
    /// Invoked at regular times, to finish the windows that are complete, if it runs.
    pub finisher: Option<Arc<dyn Function>>,
}

/// What a program runs in its local cloud: the functions and the page, which know what the streams
/// carry.
pub trait Application {
    /// Creates the functions. `config` points the AWS SDK at the endpoint.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a function cannot be run.
    fn pipeline(&self, names: &ResourceNames, config: &SdkConfig) -> Result<Pipeline, StartError>;

    /// Creates the dashboard's page, which reads the streams in `names`, in `region`, from the
    /// endpoint at `endpoint_url`.
    fn page(&self, endpoint_url: &str, region: &str, names: &ResourceNames) -> Router;
}

/// A running local cloud.
///
/// Dropping it aborts everything. To end it cleanly, call [`drain`](Self::drain), then
/// [`stop`](Self::stop).
#[derive(Debug)]
pub struct LocalCloud {
    endpoint: Endpoint,
    endpoint_stop: CancellationToken,
    dashboard: Option<Dashboard>,
    sources: Sources,
    /// The mappings of the functions that read readings, one per function and stream.
    readers: MappingGroups,
    processor: Mapping,
    finisher: Option<FunctionSchedule>,
    archive: AbortOnDropHandle<()>,
    archive_watermark: watch::Receiver<i64>,
    archive_stop: CancellationToken,
    description: String,
    streams: Mutex<Vec<String>>,
    watermark: watch::Receiver<i64>,
    _watermark_task: AbortOnDropHandle<()>,
}

impl LocalCloud {
    /// Starts the endpoint, creates the streams and the table, and starts the mappings. When it
    /// returns, readings can be sent.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(
        settings: CloudSettings,
        application: &impl Application,
    ) -> Result<Self, StartError> {
        let options = endpoint_options(&settings);
        let (region, account) = (options.region.clone(), options.account.clone());
        let endpoint_stop = CancellationToken::new();
        let endpoint = Endpoint::start(options, endpoint_stop.clone()).await?;
        let dashboard = start_dashboard(&settings, application, &endpoint, &endpoint_stop).await?;
        let config = as_own(windrow_connect::local_config(&endpoint.url()));
        let kinesis = aws_sdk_kinesis::Client::new(&config);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);

        let names = &settings.names;
        let created_at = settings.clock.now_millis();
        create_stream(&kinesis, &names.stream, settings.shards).await?;
        create_stream(&kinesis, &names.summary_stream, settings.shards).await?;
        create_outputs(&kinesis, names, settings.shards).await?;
        create_table(&dynamodb, &names.table, &names.table_key).await?;
        if !names.finished.is_empty() {
            create_table(&dynamodb, &names.progress_table, &[PROGRESS_KEY]).await?;
        }
        let sources = Sources {
            client: kinesis,
            region,
            account,
            clock: settings.clock.clone(),
        };
        create_delivery_streams(endpoint.firehose(), names, sources.arn(&names.stream)).await?;

        let mut pipeline = application.pipeline(names, &config)?;
        let finisher = pipeline.finisher.take();
        let (readers, processor) =
            start_mappings(&settings, &sources, pipeline, created_at).await?;
        let finisher = finisher.map(|finisher| {
            let faults = Arc::clone(&settings.faults);
            let finisher = Arc::new(Faulty::new(finisher, faults));
            FunctionSchedule::start(finisher, FINISHER_PERIOD, settings.clock.clone())
        });
        let archive_stop = CancellationToken::new();
        let (archive, archive_watermark) = start_archive(
            sources.followed(&names.stream),
            endpoint.firehose().clone(),
            archive_stop.clone(),
        );
        let (sender, watermark) = watch::channel(i64::MIN);
        let watermark_task = combine(
            readers.watermark(),
            processor.watermark(),
            sender,
            settings.clock.clone(),
        );
        let url = endpoint.url();
        Ok(Self {
            endpoint,
            endpoint_stop,
            dashboard,
            sources,
            readers,
            processor,
            finisher,
            archive,
            archive_watermark,
            archive_stop,
            description: describe(&settings, &url),
            streams: Mutex::new(vec![names.stream.clone()]),
            watermark,
            _watermark_task: AbortOnDropHandle::new(tokio::spawn(watermark_task)),
        })
    }

    /// The endpoint URL of Kinesis, DynamoDB and Firehose, for an AWS SDK.
    pub fn endpoint_url(&self) -> String {
        self.endpoint.url()
    }

    /// The dashboard's URL, if it is served.
    pub fn dashboard_url(&self) -> Option<String> {
        self.dashboard.as_ref().map(Dashboard::url)
    }

    /// The streams, the table, the endpoint and the data directory, in one line.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// The clock of the arrival times. Watermarks are times of this clock.
    pub fn clock(&self) -> &Clock {
        &self.sources.clock
    }

    /// The time up to which windows are complete, in milliseconds since the epoch: each window that
    /// ended by then is closed, and its rows are in the table.
    pub fn watermark(&self) -> watch::Receiver<i64> {
        self.watermark.clone()
    }

    /// The time up to which the aggregator has closed its windows, in milliseconds since the epoch.
    /// Their rows may not be in the table yet. If rows without windows are written, those of readings
    /// that arrived before are.
    pub fn aggregator_watermark(&self) -> i64 {
        *self.readers.watermark().borrow()
    }

    /// Restarts the aggregator's mappings, and those of the function without windows: what is done to
    /// the aggregator's mappings is done to both. In every shard, they read the records that arrived
    /// at `from_millis` (since the epoch) or later. The state of open windows is lost, so readings are
    /// lost too if `from_millis` is after [`aggregator_watermark`](Self::aggregator_watermark).
    /// Aborts invocations that do not end within five seconds.
    pub async fn restart_aggregator(&self, from_millis: i64) {
        self.readers.restart(from_millis).await;
    }

    /// Disables the aggregator's mappings. Lambda keeps the checkpoints; what it does with the
    /// state of open windows is not documented, and here it is kept too. A [`drain`](Self::drain)
    /// waits until the mappings are enabled.
    pub async fn disable_aggregator(&self) {
        self.readers.set_enabled(false).await;
    }

    /// Enables the aggregator's mappings again.
    pub async fn enable_aggregator(&self) {
        self.readers.set_enabled(true).await;
    }

    /// Changes the most records in a batch of the aggregator's mappings.
    pub async fn set_aggregator_batch_size(&self, batch_size: usize) {
        self.readers.set_batch_size(batch_size).await;
    }

    /// Creates another stream of readings, which the same aggregator sums into the same table.
    /// [`drain`](Self::drain) drains it too. It has no archive.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the stream cannot be created.
    pub async fn add_stream(&self, name: &str, shards: u32) -> Result<(), StartError> {
        let created_at = self.clock().now_millis();
        create_stream(&self.sources.client, name, shards).await?;
        let source = self.sources.source(name);
        self.readers.add(&source, created_at).await;
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.push(name.to_owned());
        Ok(())
    }

    /// Stops accepting readings, closes the open windows early, and waits until everything that was
    /// acknowledged is in the table and in the archive's files. Writers get the error
    /// ServiceUnavailable, so they know what was not sent.
    ///
    /// # Errors
    ///
    /// [`DrainError`] if something has not caught up within `timeout`.
    pub async fn drain(&self, timeout: Duration) -> Result<(), DrainError> {
        let deadline = Instant::now() + timeout;
        let wait = async |what, mut watermark: watch::Receiver<i64>, time: i64| {
            let reached = watermark.wait_for(|mark| *mark >= time);
            match tokio::time::timeout_at(deadline, reached).await {
                Ok(Ok(_)) => Ok(()),
                _ => Err(DrainError {
                    what,
                    waited: timeout,
                }),
            }
        };
        for stream in self.streams() {
            self.endpoint.close_stream(&stream).await;
        }
        let sent = self.clock().now_millis();
        self.readers.flush(sent).await;
        wait(
            "a function that reads readings",
            self.readers.watermark(),
            sent,
        )
        .await?;
        let summed = self.clock().now_millis();
        self.processor.flush(summed);
        wait("the processor", self.processor.watermark(), summed).await?;
        if let Some(finisher) = &self.finisher
            && !finisher.drain(deadline).await
        {
            return Err(DrainError {
                what: "the finisher",
                waited: timeout,
            });
        }
        wait("the archive", self.archive_watermark.clone(), sent).await?;
        if let Err(error) = self.endpoint.firehose().flush().await {
            tracing::warn!(%error, "the archive's last objects are not delivered yet");
        }
        Ok(())
    }

    fn streams(&self) -> Vec<String> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.clone()
    }

    /// Stops everything, after the invocations in flight.
    pub async fn stop(self) {
        self.readers.stop().await;
        self.processor.stop().await;
        if let Some(finisher) = self.finisher {
            finisher.stop().await;
        }
        self.archive_stop.cancel();
        // If the task was aborted, there is nothing left to wait for.
        let _ = self.archive.await;
        self.endpoint_stop.cancel();
        if let Some(dashboard) = self.dashboard {
            dashboard.stopped().await;
        }
        self.endpoint.stopped().await;
    }
}

fn endpoint_options(settings: &CloudSettings) -> EndpointOptions {
    let mut options = EndpointOptions::new(&settings.data_dir);
    options.port = settings.port;
    options.faults = Arc::clone(&settings.faults);
    options.reads_per_second = settings.reads_per_second;
    options.clock = settings.clock.clone();
    options
}

/// Serves the dashboard if the settings ask for it, and adds its URL to the endpoint's description.
async fn start_dashboard(
    settings: &CloudSettings,
    application: &impl Application,
    endpoint: &Endpoint,
    stop: &CancellationToken,
) -> Result<Option<Dashboard>, StartError> {
    let Some(port) = settings.dashboard else {
        return Ok(None);
    };
    let page = application.page(&endpoint.url(), endpoint.region(), &settings.names);
    let dashboard = Dashboard::start(port, page, stop.clone()).await?;
    endpoint.set_dashboard_url(dashboard.url());
    Ok(Some(dashboard))
}

/// Starts the mappings of the functions. The streams were created at `created_at` or later.
async fn start_mappings(
    settings: &CloudSettings,
    sources: &Sources,
    pipeline: Pipeline,
    created_at: i64,
) -> Result<(MappingGroups, Mapping), InvalidMapping> {
    let faults = || Arc::clone(&settings.faults);
    let faulty = |function| Arc::new(Faulty::new(function, faults()));
    let mut readers = MappingGroups::new();
    if let Some(aggregator) = pipeline.aggregator {
        let options = aggregator_mapping(settings.window);
        readers.push(faulty(aggregator), options, faults())?;
    }
    if let Some(stateless) = pipeline.stateless {
        readers.push(faulty(stateless), stateless_mapping(), faults())?;
    }
    let readings = sources.source(&settings.names.stream);
    readers.add(&readings, created_at).await;
    let processor = Mapping::start_with(
        sources.source(&settings.names.summary_stream),
        faulty(pipeline.processor),
        processor_mapping(settings.data_dir.join(ON_FAILURE)),
        Start::TrimHorizon,
        faults(),
    )?;
    Ok((readers, processor))
}

/// Creates the streams of the outputs. Several outputs may have one stream.
async fn create_outputs(
    kinesis: &aws_sdk_kinesis::Client,
    names: &ResourceNames,
    shards: u32,
) -> Result<(), StartError> {
    let outputs = names.outputs.values().chain(names.finished.values());
    let outputs: BTreeSet<&String> = outputs.collect();
    for output in outputs {
        create_stream(kinesis, output, shards).await?;
    }
    Ok(())
}

/// Creates the delivery streams of the archive and of the rejects.
async fn create_delivery_streams(
    firehose: &Firehose,
    names: &ResourceNames,
    stream_arn: String,
) -> Result<(), FirehoseError> {
    let archive = DeliverySource::Kinesis { stream_arn };
    let buffering = BufferingHints::default;
    firehose.create(&names.stream, archive, buffering()).await?;
    let rejects = DeliverySource::DirectPut;
    firehose.create(&names.rejects, rejects, buffering()).await
}

/// Archives a stream into the delivery stream of the same name. Returns the task and its watermark.
fn start_archive(
    source: StreamSource,
    firehose: Firehose,
    stop: CancellationToken,
) -> (AbortOnDropHandle<()>, watch::Receiver<i64>) {
    let (sender, watermark) = watch::channel(i64::MIN);
    let delivery_stream = source.stream.clone();
    let task = tokio::spawn(archive(source, firehose, delivery_stream, sender, stop));
    (AbortOnDropHandle::new(task), watermark)
}

/// See [`LocalCloud::describe`].
fn describe(settings: &CloudSettings, endpoint_url: &str) -> String {
    let names = &settings.names;
    format!(
        "Kinesis {} and {}, DynamoDB {} and Firehose answer at {endpoint_url}; data is kept in {}",
        names.stream,
        names.summary_stream,
        names.table,
        settings.data_dir.display(),
    )
}

/// Creates the sources of the streams.
#[derive(Debug)]
struct Sources {
    client: aws_sdk_kinesis::Client,
    region: String,
    account: String,
    clock: Clock,
}

impl Sources {
    fn arn(&self, stream: &str) -> String {
        let Self {
            region, account, ..
        } = self;
        format!("arn:aws:kinesis:{region}:{account}:stream/{stream}")
    }

    /// A stream to read from its oldest record.
    fn followed(&self, stream: &str) -> StreamSource {
        StreamSource {
            client: self.client.clone(),
            stream: stream.to_owned(),
            start: Start::TrimHorizon,
            clock: self.clock.clone(),
        }
    }

    fn source(&self, stream: &str) -> MappingSource {
        MappingSource {
            client: self.client.clone(),
            stream: stream.to_owned(),
            stream_arn: self.arn(stream),
            region: self.region.clone(),
            clock: self.clock.clone(),
        }
    }
}

/// Sends the aggregator's watermark to `done` once the processor has handled everything that the
/// aggregator had emitted by then.
async fn combine(
    mut aggregator: watch::Receiver<i64>,
    mut processor: watch::Receiver<i64>,
    done: watch::Sender<i64>,
    clock: Clock,
) {
    while aggregator.changed().await.is_ok() {
        let time = *aggregator.borrow_and_update();
        let sent = clock.now_millis();
        if processor.wait_for(|mark| *mark >= sent).await.is_err() {
            return;
        }
        done.send_replace(time);
    }
}
