//! What runs on the endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windrow_template::{FunctionResource, MappingResource, StackModel};

use super::create::{create_stack_delivery, create_stack_stream, create_stack_table};
use super::mappings::{mapping_options, mapping_start};
use crate::archive::archive;
use crate::clock::Clock;
use crate::cloud::{DrainError, remove_old_checkpoints};
use crate::endpoint::{Endpoint, EndpointOptions, as_own};
use crate::functions::{Faulty, Function};
use crate::mapping::{Mapping, MappingPlan};
use crate::resources::CreatedStream;
use crate::restart::{RestartReport, ResumedFunction};
use crate::schedule::FunctionSchedule;
use crate::sources::Sources;
use crate::start_error::StartError;

/// What runs on the endpoint. Dropping it aborts it.
#[derive(Debug)]
pub(super) struct StackParts {
    mappings: Vec<Mapping>,
    schedules: Vec<FunctionSchedule>,
    archives: Vec<StreamArchive>,
    archive_stop: CancellationToken,
    pub(super) report: Option<RestartReport>,
}

/// A delivery stream that reads a stream.
#[derive(Debug)]
struct StreamArchive {
    task: AbortOnDropHandle<()>,
    watermark: watch::Receiver<i64>,
}

/// What starting a mapping needs.
struct StackStarter<'s> {
    options: &'s EndpointOptions,
    endpoint: &'s Endpoint,
    sources: Sources,
    streams: BTreeMap<String, CreatedStream>,
    resumed: Vec<ResumedFunction>,
}

impl StackParts {
    /// Creates everything, and starts what runs.
    pub(super) async fn start<F>(
        options: &EndpointOptions,
        shards: Option<u32>,
        stack: &StackModel,
        endpoint: &Endpoint,
        run: F,
    ) -> Result<Self, StartError>
    where
        F: Fn(&FunctionResource, &SdkConfig) -> Result<Option<Arc<dyn Function>>, StartError>,
    {
        let config = as_own(windrow_connect::local_config(&endpoint.url()));
        let sources = Sources {
            client: aws_sdk_kinesis::Client::new(&config),
            region: options.region.clone(),
            account: options.account.clone(),
            clock: options.clock.clone(),
        };
        let streams = create_resources(stack, shards, endpoint, &sources, &config).await?;
        remove_old_checkpoints(&options.data_dir, endpoint);
        let mut functions = RunningFunctions::new();
        for function in &stack.functions {
            if let Some(runs) = run(function, &config)? {
                let runs = Arc::new(Faulty::new(runs, Arc::clone(&options.faults)));
                functions.insert(function.logical_id.as_str(), (function, runs));
            }
        }

        let mut starter = StackStarter {
            options,
            endpoint,
            sources,
            streams,
            resumed: Vec::new(),
        };
        let mut mappings = Vec::new();
        for mapping in stack.mappings.iter().filter(|mapping| mapping.is_enabled) {
            if let Some((function, runs)) = functions.get(mapping.function.as_str()) {
                mappings.push(starter.start(mapping, function, Arc::clone(runs) as _)?);
            }
        }
        let schedules = start_schedules(stack, &functions, &options.clock);
        let archive_stop = CancellationToken::new();
        let archives = stack.delivery_streams.iter().filter_map(|delivery| {
            let stream = delivery.source_stream.as_deref()?;
            Some(starter.archive(stream, delivery.name.clone(), &archive_stop))
        });
        let archives = archives.collect();
        let report = endpoint.earlier_run().map(|earlier| RestartReport {
            is_unclean: earlier.is_unclean,
            streams: Some(endpoint.streams().into()),
            functions: starter.resumed,
            objects: endpoint.firehose().found(),
        });
        Ok(Self {
            mappings,
            schedules,
            archives,
            archive_stop,
            report,
        })
    }

    /// Waits until everything that arrived before the call is handled, and everything that functions
    /// sent because of it.
    pub(super) async fn drain(
        &self,
        clock: &Clock,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<(), DrainError> {
        // What a function sends is read by another one, at most as often as there are mappings.
        for _ in 0..self.mappings.len() {
            let sent = clock.now_millis();
            for mapping in &self.mappings {
                mapping.flush(sent);
            }
            for mapping in &self.mappings {
                reached("a function", mapping.watermark(), sent, deadline, timeout).await?;
            }
        }
        let sent = clock.now_millis();
        for archive in &self.archives {
            let watermark = archive.watermark.clone();
            reached("a Firehose stream", watermark, sent, deadline, timeout).await?;
        }
        Ok(())
    }

    /// Stops everything, after the invocations in flight.
    pub(super) async fn stop(self) {
        for mapping in self.mappings {
            mapping.stop().await;
        }
        for schedule in self.schedules {
            schedule.stop().await;
        }
        self.archive_stop.cancel();
        for archive in self.archives {
            // If the task was aborted, there is nothing left to wait for.
            let _ = archive.task.await;
        }
    }
}

/// Creates the streams, tables and delivery streams, unless an earlier run has. Returns the streams.
async fn create_resources(
    stack: &StackModel,
    shards: Option<u32>,
    endpoint: &Endpoint,
    sources: &Sources,
    config: &SdkConfig,
) -> Result<BTreeMap<String, CreatedStream>, StartError> {
    let mut streams = BTreeMap::new();
    for stream in &stack.streams {
        let created = create_stack_stream(&sources.client, stream, shards).await?;
        streams.insert(stream.name.clone(), created);
    }
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    for table in &stack.tables {
        create_stack_table(&dynamodb, table).await?;
    }
    for delivery in &stack.delivery_streams {
        let source_arn = delivery.source_stream.as_deref();
        let source_arn = source_arn.map(|stream| sources.arn(stream));
        create_stack_delivery(endpoint.firehose(), delivery, source_arn).await?;
    }
    Ok(streams)
}

/// The functions that run, by their logical ids.
type RunningFunctions<'m> = BTreeMap<&'m str, (&'m FunctionResource, Arc<Faulty>)>;

fn start_schedules(
    stack: &StackModel,
    functions: &RunningFunctions<'_>,
    clock: &Clock,
) -> Vec<FunctionSchedule> {
    let enabled = stack
        .schedules
        .iter()
        .filter(|schedule| schedule.is_enabled);
    let schedules = enabled.filter_map(|schedule| {
        let (function, runs) = functions.get(schedule.function.as_str())?;
        Some(FunctionSchedule::start_with(
            Arc::clone(runs) as _,
            function.timeout,
            schedule.input.clone(),
            schedule.period,
            clock.clone(),
        ))
    });
    schedules.collect()
}

/// Waits until a watermark has passed a time.
async fn reached(
    what: &'static str,
    mut watermark: watch::Receiver<i64>,
    time: i64,
    deadline: Instant,
    timeout: Duration,
) -> Result<(), DrainError> {
    let reached = watermark.wait_for(|mark| *mark >= time);
    match tokio::time::timeout_at(deadline, reached).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(DrainError::new(what, timeout)),
    }
}

impl StackStarter<'_> {
    fn start(
        &mut self,
        mapping: &MappingResource,
        function: &FunctionResource,
        runs: Arc<dyn Function>,
    ) -> Result<Mapping, StartError> {
        let options = self.options;
        let clock = &options.clock;
        let start = mapping_start(mapping.start, clock);
        let mapping_options = mapping_options(mapping, function, &options.data_dir)?;
        let faults = Arc::clone(&options.faults);
        let plan = MappingPlan::new(&mapping.logical_id, runs, mapping_options, faults)?;
        let disk = self.endpoint.disk();
        let checkpoints = plan.load(&mapping.stream, disk)?;
        let created = self.streams.get(&mapping.stream);
        let totals = checkpoints
            .as_ref()
            .zip(created)
            .and_then(|(saved, created)| saved.totals(created.created));
        if let Some(totals) = totals {
            clock.not_before(totals.saved_at);
            self.resumed.push(ResumedFunction {
                function: mapping.logical_id.clone(),
                stream: mapping.stream.clone(),
                records: totals.records,
            });
        }
        let source = self.sources.source(&mapping.stream);
        Ok(Mapping::spawn(
            source,
            &plan,
            start,
            checkpoints,
            disk.clone(),
        ))
    }

    fn archive(
        &self,
        stream: &str,
        delivery_stream: String,
        stop: &CancellationToken,
    ) -> StreamArchive {
        let (sender, watermark) = watch::channel(i64::MIN);
        let source = self.sources.followed(stream);
        let firehose = self.endpoint.firehose().clone();
        let task = archive(source, firehose, delivery_stream, sender, stop.clone());
        StreamArchive {
            task: AbortOnDropHandle::new(tokio::spawn(task)),
            watermark,
        }
    }
}
