//! The application that a local cloud runs: the functions of a sensor, and a page.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_types::SdkConfig;
use axum::Router;
use windrow_core::fold::StateLimits;
use windrow_core::sensor::Sensor;
use windrow_event::Event;
use windrow_lambda::aggregator::Aggregator;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::processor::{Processor, RowMetric};
use windrow_local::functions::{Bootstrap, BootstrapOptions, CargoLambda, Embedded, Function};
use windrow_local::{Application, Pipeline, ResourceNames, StartError};
use windrow_write::{DynamoTable, FirehoseStream, KinesisStream};

use crate::page::{self, PageFiles};

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

/// A function that reads readings without windows, and writes to the
/// [outputs](ResourceNames::outputs).
#[derive(Clone, Debug)]
pub struct StatelessFunction<S> {
    /// The name of its binary.
    pub binary: String,
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
    /// A function that reads readings without windows, if there is one.
    pub stateless: Option<StatelessFunction<S>>,
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
            functions: Functions::default(),
            binaries: ["aggregator", "processor"].map(str::to_owned),
            environment: BTreeMap::new(),
            window_time: WindowTime::default(),
            limits: StateLimits::default(),
            row_metric: None,
            page: Some(page::live_table),
        }
    }
}

impl<S: Sensor + Clone> Application for SensorApplication<S> {
    fn pipeline(&self, names: &ResourceNames, config: &SdkConfig) -> Result<Pipeline, StartError> {
        let [aggregator, processor] = &self.binaries;
        let aggregator = self.has_windows.then_some(aggregator);
        let stateless = self.stateless.as_ref();
        match &self.functions {
            Functions::Embedded => {
                let aggregator = aggregator.map(|_| self.embedded_aggregator(names, config));
                let stateless =
                    stateless.map(|stateless| (stateless.embedded)(&self.sensor, names, config));
                Ok(Pipeline {
                    aggregator: aggregator.map(shared),
                    stateless: stateless.map(shared),
                    processor: Arc::new(self.embedded_processor(names, config)),
                })
            }
            Functions::Bootstrap(folder) => {
                let environment = self.environment(names);
                let function =
                    |name: &String| bootstrap(name, folder, &environment, config.endpoint_url());
                let binary = stateless.map(|stateless| &stateless.binary);
                Ok(Pipeline {
                    aggregator: aggregator.map(function).transpose()?,
                    stateless: binary.map(function).transpose()?,
                    processor: function(processor)?,
                })
            }
            Functions::CargoLambda(address) => {
                let function = |name: &String| shared(CargoLambda::new(name, *address));
                Ok(Pipeline {
                    aggregator: aggregator.map(function),
                    stateless: stateless.map(|stateless| function(&stateless.binary)),
                    processor: function(processor),
                })
            }
        }
    }

    fn page(&self, endpoint_url: &str, region: &str, names: &ResourceNames) -> Router {
        let schema = self.sensor.schema();
        let page = |files| page::router(files, endpoint_url, region, names, schema);
        self.page.map(page).unwrap_or_default()
    }
}

impl<S: Sensor + Clone> SensorApplication<S> {
    /// The environment of all binaries, as in the template.
    fn environment(&self, names: &ResourceNames) -> BTreeMap<String, String> {
        let window_time = match self.window_time {
            WindowTime::Arrival => "arrival",
            WindowTime::Event => "event",
        };
        let mut environment = self.environment.clone();
        environment.extend(
            [
                ("SUMMARY_STREAM", names.summary_stream.as_str()),
                ("REJECTS_STREAM", &names.rejects),
                ("TABLE_NAME", &names.table),
                ("WINDOW_TIME", window_time),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        if !names.outputs.is_empty() {
            let outputs = serde_json::json!(names.outputs).to_string();
            environment.insert("OUTPUT_STREAMS".to_owned(), outputs);
        }
        environment
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
