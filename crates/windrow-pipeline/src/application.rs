//! The application that a local cloud runs: both functions of a sensor, and a page.

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

/// The aggregator and the processor of a sensor, and a page.
#[derive(Clone, Debug)]
pub struct SensorApplication<S> {
    /// The sensor.
    pub sensor: S,
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
        match &self.functions {
            Functions::Embedded => Ok(Pipeline {
                aggregator: Arc::new(self.embedded_aggregator(names, config)),
                processor: Arc::new(self.embedded_processor(names, config)),
            }),
            Functions::Bootstrap(folder) => {
                let environment = self.environment(names);
                let function = |name| bootstrap(name, folder, &environment, config.endpoint_url());
                Ok(Pipeline {
                    aggregator: function(aggregator)?,
                    processor: function(processor)?,
                })
            }
            Functions::CargoLambda(address) => Ok(Pipeline {
                aggregator: Arc::new(CargoLambda::new(aggregator, *address)),
                processor: Arc::new(CargoLambda::new(processor, *address)),
            }),
        }
    }

    fn page(&self, endpoint_url: &str, region: &str, names: &ResourceNames) -> Router {
        let schema = self.sensor.schema();
        let page = |files| page::router(files, endpoint_url, region, names, schema);
        self.page.map(page).unwrap_or_default()
    }
}

impl<S: Sensor + Clone> SensorApplication<S> {
    /// The environment of both binaries, as in the template.
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

/// Standard output belongs to the program that runs the local cloud, so metrics go to the log.
fn log_metrics(function: &'static str) -> windrow_lambda::metrics::Sink {
    Box::new(move |metrics| tracing::debug!(metrics = metrics.to_line(function, 0), "invocation"))
}
