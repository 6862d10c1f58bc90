//! The application that a local cloud runs: the functions of a sensor, and a page.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_types::SdkConfig;
use axum::Router;
use windrow_core::fold::StateLimits;
use windrow_core::sensor::Sensor;
use windrow_core::time::Timestamp;
use windrow_event::Event;
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::finisher::settings::FinisherSettings;
use windrow_lambda::finisher::{
    FinisherStreams, MergedOutput, WINDOWS, WindowOutputs, finish_time, finisher,
};
use windrow_lambda::processor::{Processor, RowMetric};
use windrow_local::functions::{Bootstrap, BootstrapOptions, CargoLambda, Embedded, Function};
use windrow_local::{Application, Pipeline, ResourceNames, StartError};
use windrow_service::chain;
use windrow_write::{DynamoTable, FirehoseStream, KinesisStream};

use crate::page::{self, PageConfig, PageFiles, PageOutput};

/// How the functions run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Functions {
    /// In this process, on the JSON that Lambda would send.
    #[default]
    Embedded,
    /// As the real [binaries](SensorApplication::binaries), in this folder, over Lambda's Runtime API.
    Bootstrap(PathBuf),
    /// Under `cargo lambda watch`, at this address.
    CargoLambda(SocketAddr),
}

/// A function that writes the streams of outputs.
#[derive(Clone, Debug)]
pub struct OutputFunction<S> {
    /// The name of its binary.
    pub binary: String,
    /// The columns of each of its outputs, by the output's name.
    pub columns: fn(&S) -> BTreeMap<String, Vec<String>>,
    /// Makes the function that runs in this process.
    pub embedded: fn(&S, &ResourceNames, &SdkConfig) -> Embedded,
}

/// The aggregator and the processor of a sensor, and a page.
#[derive(Clone, Debug)]
pub struct SensorApplication<S> {
    /// The sensor.
    pub sensor: S,
    /// Whether the sensor has windows. Without, the aggregator does not run.
    pub has_windows: bool,
    /// A function that reads readings without windows, and writes to the
    /// [outputs](ResourceNames::outputs), if there is one.
    pub stateless: Option<OutputFunction<S>>,
    /// A function that finishes windows, and writes their rows to [streams](ResourceNames::finished).
    pub finisher: Option<OutputFunction<S>>,
    /// How the functions run.
    pub functions: Functions,
    /// The names of the aggregator's and the processor's binary.
    pub binaries: [String; 2],
    /// Environment variables of the binaries, besides those of every sensor.
    pub environment: BTreeMap<String, String>,
    /// `arrival` or `event`, as the aggregator's `WINDOW_TIME`.
    pub window_time: WindowTime,
    /// The limits of the aggregator's window state. Only an embedded aggregator can have other ones
    /// than it is deployed with.
    pub limits: StateLimits,
    /// A metric of the sensor.
    pub row_metric: Option<RowMetric>,
    /// The files of the page, if there is one.
    pub page: Option<PageFiles>,
}

impl<S: Sensor + Clone> SensorApplication<S> {
    /// The application of a sensor. Its functions run in this process, and its page is a live table of
    /// the keys.
    pub fn new(sensor: S) -> Self {
        Self {
            sensor,
            has_windows: true,
            stateless: None,
            finisher: None,
            functions: Functions::default(),
            binaries: ["aggregator", "processor"].map(str::to_owned),
            environment: BTreeMap::new(),
            window_time: WindowTime::default(),
            limits: StateLimits::default(),
            row_metric: None,
            page: Some(page::live_table),
        }
    }

    /// Adds a finisher that writes the merged rows of each window to `stream`, unless there is one. Its
    /// binary is `finisher`.
    ///
    /// # Errors
    ///
    /// [`ByEventTime`] if windows follow the readings' own time.
    pub fn finish_windows(
        &mut self,
        names: &mut ResourceNames,
        stream: &str,
    ) -> Result<(), ByEventTime> {
        if self.window_time == WindowTime::Event {
            return Err(ByEventTime);
        }
        if self.finisher.is_none() {
            names.finished = BTreeMap::from([(WINDOWS.to_owned(), stream.to_owned())]);
            self.finisher = Some(OutputFunction::finisher(FINISHER));
        }
        Ok(())
    }
}

impl<S: Sensor + Clone> Application for SensorApplication<S> {
    fn pipeline(&self, names: &ResourceNames, config: &SdkConfig) -> Result<Pipeline, StartError> {
        let [aggregator, processor] = &self.binaries;
        let aggregator = self.has_windows.then_some(aggregator);
        let stateless = self.stateless.as_ref();
        let finisher = self.finisher.as_ref();
        let state_version = self.state_version();
        match &self.functions {
            Functions::Embedded => {
                let aggregator = aggregator.map(|_| self.embedded_aggregator(names, config));
                let embedded = |function: &OutputFunction<S>| {
                    shared((function.embedded)(&self.sensor, names, config))
                };
                Ok(Pipeline {
                    aggregator: aggregator.map(shared),
                    stateless: stateless.map(embedded),
                    processor: Arc::new(self.embedded_processor(names, config)),
                    finisher: finisher.map(embedded),
                    state_version,
                })
            }
            Functions::Bootstrap(folder) => {
                let function = |name: &String, outputs: &BTreeMap<String, String>| {
                    let environment = self.environment(names, outputs);
                    bootstrap(name, folder, &environment, config.endpoint_url())
                };
                let without = |name: &String| function(name, &BTreeMap::new());
                let stateless =
                    stateless.map(|stateless| function(&stateless.binary, &names.outputs));
                let finisher = finisher.map(|finisher| function(&finisher.binary, &names.finished));
                Ok(Pipeline {
                    aggregator: aggregator.map(without).transpose()?,
                    stateless: stateless.transpose()?,
                    processor: without(processor)?,
                    finisher: finisher.transpose()?,
                    state_version,
                })
            }
            Functions::CargoLambda(address) => {
                let function = |name: &String| shared(CargoLambda::new(name, *address));
                Ok(Pipeline {
                    aggregator: aggregator.map(function),
                    stateless: stateless.map(|stateless| function(&stateless.binary)),
                    processor: function(processor),
                    finisher: finisher.map(|finisher| function(&finisher.binary)),
                    state_version,
                })
            }
        }
    }

    fn page(&self, endpoint_url: &str, region: &str, names: &ResourceNames) -> Router {
        let config = PageConfig {
            endpoint_url,
            region,
            names,
            // Without windows, there are no rows in the summary stream.
            schema: self.has_windows.then(|| &**self.sensor.schema()),
            outputs: self.page_outputs(names),
        };
        let page = |files| page::router(files, &config);
        self.page.map(page).unwrap_or_default()
    }
}

impl<S: Sensor + Clone> SensorApplication<S> {
    /// What a window's state depends on. The aggregator rejects a state of other columns, and one by
    /// another time would mix windows.
    fn state_version(&self) -> String {
        let fingerprint = self.sensor.schema().fingerprint();
        format!("{fingerprint} {}", window_time_name(self.window_time))
    }

    /// The environment of a binary that writes these outputs, as in the template.
    fn environment(
        &self,
        names: &ResourceNames,
        outputs: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let window_time = window_time_name(self.window_time);
        let mut environment = self.environment.clone();
        environment.extend(
            [
                ("READING_STREAM", names.stream.as_str()),
                ("SUMMARY_STREAM", &names.summary_stream),
                ("PROGRESS_TABLE", &names.progress_table),
                ("REJECTS_STREAM", &names.rejects),
                ("TABLE_NAME", &names.table),
                ("WINDOW_TIME", window_time),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        if !outputs.is_empty() {
            let outputs = serde_json::json!(outputs).to_string();
            environment.insert("OUTPUT_STREAMS".to_owned(), outputs);
        }
        environment
    }

    /// The outputs that the functions write, by name. One with rows of both functions is listed once.
    fn page_outputs(&self, names: &ResourceNames) -> Vec<PageOutput> {
        let streams = names.outputs.iter().chain(&names.finished);
        let streams: BTreeMap<&String, &String> = streams.collect();
        let functions = [&self.stateless, &self.finisher].into_iter().flatten();
        let mut columns: BTreeMap<String, Vec<String>> = functions
            .flat_map(|function| (function.columns)(&self.sensor))
            .collect();
        streams
            .into_iter()
            .map(|(name, stream)| PageOutput {
                columns: columns.remove(name).unwrap_or_default(),
                has_windows: names.finished.contains_key(name),
                name: name.clone(),
                stream: stream.clone(),
            })
            .collect()
    }

    fn embedded_aggregator(&self, names: &ResourceNames, config: &SdkConfig) -> Embedded {
        let kinesis = aws_sdk_kinesis::Client::new(config);
        let firehose = aws_sdk_firehose::Client::new(config);
        let function = Aggregator::new(
            self.sensor.clone(),
            KinesisStream::new(kinesis, &names.summary_stream),
            FirehoseStream::new(firehose, &names.rejects),
            self.window_time,
            log_metrics("aggregator"),
        );
        let function = Arc::new(function.with_limits(self.limits));
        Embedded::new("aggregator", move |event, deadline| {
            let function = Arc::clone(&function);
            async move {
                let event = Event::from_json(&event).map_err(|error| error.to_string())?;
                let response = function.handle(&event, deadline).await;
                let response = response.map_err(|error| error.to_string())?;
                serde_json::to_vec(&response).map_err(|error| error.to_string())
            }
        })
    }

    fn embedded_processor(&self, names: &ResourceNames, config: &SdkConfig) -> Embedded {
        let dynamodb = aws_sdk_dynamodb::Client::new(config);
        let firehose = aws_sdk_firehose::Client::new(config);
        let schema = self.sensor.schema();
        let function = Processor::new(
            schema,
            DynamoTable::new(dynamodb, &names.table, schema.table_key()),
            FirehoseStream::new(firehose, &names.rejects),
            None,
            log_metrics("processor"),
        );
        let function = Arc::new(function.with_row_metric(self.row_metric));
        Embedded::new("processor", move |event, deadline| {
            let function = Arc::clone(&function);
            async move {
                let event = Event::from_json(&event).map_err(|error| error.to_string())?;
                let response = function.handle(&event, deadline).await;
                serde_json::to_vec(&response).map_err(|error| error.to_string())
            }
        })
    }
}

/// The value of `WINDOW_TIME`.
fn window_time_name(window_time: WindowTime) -> &'static str {
    match window_time {
        WindowTime::Arrival => "arrival",
        WindowTime::Event => "event",
    }
}

/// The finisher of some outputs, which runs in this process.
pub fn embedded_finisher(
    outputs: impl WindowOutputs,
    names: &ResourceNames,
    config: &SdkConfig,
) -> Embedded {
    let settings = FinisherSettings {
        function_name: FINISHER.to_owned(),
        streams: FinisherStreams {
            summaries: names.summary_stream.clone(),
            readings: names.stream.clone(),
        },
        progress_table: names.progress_table.clone(),
        output_streams: names.finished.clone(),
        rejects_stream: names.rejects.clone(),
        memory: None,
    };
    let function = finisher(outputs, settings, config, log_metrics(FINISHER));
    let function = Arc::new(function);
    Embedded::new(FINISHER, move |event, deadline| {
        let function = Arc::clone(&function);
        async move {
            let time = finish_time(&event, Timestamp::EPOCH);
            let finished = function.handle(time, deadline).await;
            finished.map_err(|error| chain(&error))?;
            Ok(b"null".to_vec())
        }
    })
}

/// The name of the finisher.
const FINISHER: &str = "finisher";

/// Windows by the readings' own time are never known to be complete.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "finished rows need windows by arrival time: by event time, a late reading can belong to any window"
)]
pub struct ByEventTime;

impl<S: Sensor> OutputFunction<S> {
    /// The finisher of a sensor, which writes its merged rows. `binary` is the name of its binary.
    pub fn finisher(binary: impl Into<String>) -> Self {
        Self {
            binary: binary.into(),
            columns: |sensor| merged_output(sensor).columns(),
            embedded: |sensor, names, config| {
                embedded_finisher(merged_output(sensor), names, config)
            },
        }
    }
}

fn merged_output(sensor: &impl Sensor) -> MergedOutput {
    MergedOutput::new(sensor.schema(), WINDOWS)
}

fn shared(function: impl Function + 'static) -> Arc<dyn Function> {
    Arc::new(function)
}

fn bootstrap(
    name: &str,
    folder: &Path,
    environment: &BTreeMap<String, String>,
    endpoint_url: Option<&str>,
) -> Result<Arc<dyn Function>, StartError> {
    let binary = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !binary.is_file() {
        return Err(StartError::NoBinary {
            name: name.to_owned(),
            path: binary,
        });
    }
    let mut options = BootstrapOptions::new(name, binary);
    options.environment.clone_from(environment);
    options.endpoint_url = endpoint_url.map(str::to_owned);
    Ok(Arc::new(Bootstrap::new(options)))
}

/// What receives the metrics of an embedded function: the log, since standard output belongs to the
/// program that runs the local cloud.
pub fn log_metrics(function: &'static str) -> windrow_lambda::metrics::Sink {
    Box::new(move |metrics| tracing::debug!(metrics = metrics.to_line(function, 0), "invocation"))
}
