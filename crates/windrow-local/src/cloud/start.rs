//! Starts the parts of a local cloud.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windrow_read::Start;

use super::{Application, Pipeline};
use crate::archive::archive;
use crate::dashboard::Dashboard;
use crate::disk_trouble::DiskTrouble;
use crate::endpoint::{Endpoint, as_own};
use crate::firehose::{BufferingHints, DeliverySource, Firehose, FirehoseError};
use crate::functions::Faulty;
use crate::mapping::follow::StreamSource;
use crate::mapping::group::MappingGroups;
use crate::mapping::{
    Mapping, MappingOptions, MappingPlan, MappingSource, OnFailure, SavedTotals,
    remove_missing_streams,
};
use crate::resources::{CreatedStream, create_stream, create_table};
use crate::restart::{RestartReport, ResumedFunction};
use crate::schedule::FunctionSchedule;
use crate::settings::{CloudSettings, FINISHER_PERIOD, ON_FAILURE, PROGRESS_KEY, ResourceNames};
use crate::sources::Sources;
use crate::start_error::StartError;

/// The folder of the data directory that holds the mappings' checkpoints.
pub(crate) const MAPPINGS: &str = "mappings";

/// What runs on the endpoint. Dropping it aborts it.
#[derive(Debug)]
pub(super) struct CloudParts {
    pub(super) dashboard: Option<Dashboard>,
    pub(super) sources: Sources,
    /// The mappings of the functions that read readings, one per function and stream.
    pub(super) readers: MappingGroups,
    pub(super) processor: Mapping,
    pub(super) finisher: Option<FunctionSchedule>,
    archive: AbortOnDropHandle<()>,
    pub(super) archive_watermark: watch::Receiver<i64>,
    archive_stop: CancellationToken,
    pub(super) report: Option<RestartReport>,
}

/// The streams that the functions read.
#[derive(Clone, Copy)]
struct CreatedStreams {
    readings: CreatedStream,
    rows: CreatedStream,
    /// When they were created at the earliest, unless they existed.
    before: i64,
}

impl CloudParts {
    /// Creates the streams and the table, and starts everything.
    pub(super) async fn start(
        settings: &CloudSettings,
        application: &impl Application,
        endpoint: &Endpoint,
        stop: &CancellationToken,
    ) -> Result<Self, StartError> {
        let options = settings.endpoint_options();
        let dashboard = start_dashboard(settings, application, endpoint, stop).await?;
        let config = as_own(windrow_connect::local_config(&endpoint.url()));
        let sources = Sources {
            client: aws_sdk_kinesis::Client::new(&config),
            region: options.region,
            account: options.account,
            clock: settings.clock.clone(),
        };
        let names = &settings.names;
        let streams = create_resources(settings, &sources.client, &config).await?;
        create_delivery_streams(endpoint.firehose(), names, sources.arn(&names.stream)).await?;

        let mut pipeline = application.pipeline(names, &config)?;
        let finisher = pipeline.finisher.take();
        let disk = endpoint.disk();
        let (readers, processor, functions) =
            start_mappings(settings, &sources, pipeline, streams, disk).await?;
        remove_old_checkpoints(&settings.data_dir, endpoint);
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
        let report = endpoint.earlier_run().map(|earlier| RestartReport {
            is_unclean: earlier.is_unclean,
            streams: Some(endpoint.streams().into()),
            functions,
            objects: endpoint.firehose().found(),
        });
        Ok(Self {
            dashboard,
            sources,
            readers,
            processor,
            finisher,
            archive,
            archive_watermark,
            archive_stop,
            report,
        })
    }

    /// Stops everything, after the invocations in flight, and cancels `stop` for the endpoint.
    pub(super) async fn stop(self, stop: &CancellationToken) {
        self.readers.stop().await;
        self.processor.stop().await;
        if let Some(finisher) = self.finisher {
            finisher.stop().await;
        }
        self.archive_stop.cancel();
        // If the task was aborted, there is nothing left to wait for.
        let _ = self.archive.await;
        stop.cancel();
        if let Some(dashboard) = self.dashboard {
            dashboard.stopped().await;
        }
    }
}

/// Creates the streams and the tables, unless an earlier run has.
async fn create_resources(
    settings: &CloudSettings,
    kinesis: &aws_sdk_kinesis::Client,
    config: &aws_types::SdkConfig,
) -> Result<CreatedStreams, StartError> {
    let names = &settings.names;
    let before = settings.clock.now_millis();
    let readings = create_stream(kinesis, &names.stream, settings.shards).await?;
    let rows = create_stream(kinesis, &names.summary_stream, settings.shards).await?;
    create_outputs(kinesis, names, settings.shards).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    create_table(&dynamodb, &names.table, &names.table_key).await?;
    if !names.finished.is_empty() {
        create_table(&dynamodb, &names.progress_table, &[PROGRESS_KEY]).await?;
    }
    Ok(CreatedStreams {
        readings,
        rows,
        before,
    })
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

/// Starts the mappings of the functions. Returns where they go on, too.
async fn start_mappings(
    settings: &CloudSettings,
    sources: &Sources,
    pipeline: Pipeline,
    streams: CreatedStreams,
    disk: &DiskTrouble,
) -> Result<(MappingGroups, Mapping, Vec<ResumedFunction>), StartError> {
    let on_failure = settings.data_dir.join(ON_FAILURE);
    let plan = |name, function, options: MappingOptions| {
        let faults = || Arc::clone(&settings.faults);
        let has_destination = options.on_failure.is_some();
        let options = MappingOptions {
            checkpoints: Some(settings.data_dir.join(MAPPINGS)),
            on_failure: has_destination.then(|| OnFailure::S3(on_failure.clone())),
            ..options
        };
        let function = Arc::new(Faulty::new(function, faults()));
        MappingPlan::new(name, function, options, faults())
    };
    let mut readers = MappingGroups::new(disk.clone());
    if let Some(aggregator) = pipeline.aggregator {
        let options = MappingOptions {
            tumbling_window: Some(settings.window),
            state_version: pipeline.state_version,
            ..settings.mappings.aggregator.clone()
        };
        readers.push(plan("aggregator", aggregator, options)?);
    }
    if let Some(stateless) = pipeline.stateless {
        let options = settings.mappings.stateless.clone();
        readers.push(plan("stateless", stateless, options)?);
    }
    let options = settings.mappings.processor.clone();
    let processor = plan("processor", pipeline.processor, options)?;
    let rows = sources.source(&settings.names.summary_stream);
    let checkpoints = processor.load(&rows.stream, disk)?;

    let readings = sources.source(&settings.names.stream);
    let done_before = done_before(streams.readings, streams.before);
    let resumed = readers
        .add(&readings, streams.readings, done_before)
        .await?;
    let mut resumed: Vec<(String, &MappingSource, SavedTotals)> = resumed
        .into_iter()
        .map(|(function, totals)| (function, &readings, totals))
        .collect();
    let totals = checkpoints
        .as_ref()
        .and_then(|saved| saved.totals(streams.rows.created));
    if let Some(totals) = totals {
        settings.clock.not_before(totals.saved_at);
        resumed.push((processor.name.clone(), &rows, totals));
    }
    let resumed = resumed
        .into_iter()
        .map(|(function, source, totals)| ResumedFunction {
            function,
            stream: source.stream.clone(),
            records: totals.records,
        });
    let resumed = resumed.collect();
    let start = Start::TrimHorizon;
    let processor = Mapping::spawn(rows.clone(), &processor, start, checkpoints, disk.clone());
    Ok((readers, processor, resumed))
}

/// Removes what mappings have saved of streams that were deleted. All that the functions read exist by
/// now, and no other can be mapped before the start is over.
pub(crate) fn remove_old_checkpoints(data_dir: &Path, endpoint: &Endpoint) {
    // A stream with a damaged file may come back from a copy of that file.
    if endpoint.streams().damage.is_empty() {
        let folder = data_dir.join(MAPPINGS);
        remove_missing_streams(&folder, &endpoint.stream_names());
    }
}

/// Up to when nothing had arrived in a stream that was created at `before` or later, in milliseconds
/// since the epoch. Nothing is known of one that existed.
pub(super) fn done_before(stream: CreatedStream, before: i64) -> i64 {
    if stream.existed { i64::MIN } else { before }
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

/// Creates the delivery streams of the archive and of the rejects, unless an earlier run has.
async fn create_delivery_streams(
    firehose: &Firehose,
    names: &ResourceNames,
    stream_arn: String,
) -> Result<(), FirehoseError> {
    let archive = DeliverySource::Kinesis { stream_arn };
    let rejects = DeliverySource::DirectPut;
    for (name, source) in [(&names.stream, archive), (&names.rejects, rejects)] {
        let hints = BufferingHints::default();
        match firehose.create(name, source.clone(), hints).await {
            Err(FirehoseError::AlreadyExists { .. })
                if firehose.describe(name)?.settings.source == source => {}
            created => created?,
        }
    }
    Ok(())
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
pub(super) fn describe(settings: &CloudSettings, endpoint_url: &str) -> String {
    let names = &settings.names;
    format!(
        "Kinesis {} and {}, DynamoDB {} and Firehose answer at {endpoint_url}; data is kept in {}",
        names.stream,
        names.summary_stream,
        names.table,
        settings.data_dir.display(),
    )
}
