//! The two functions, run in one of the three ways.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aggregator::Aggregator;
use aggregator::settings::WindowTime;
use aws_types::SdkConfig;
use delivery::{DynamoTable, FirehoseStream, KinesisStream};
use kinesis_event::Event;
use processor::Processor;
use processor::row::KEY;

use crate::cloud::StartError;
use crate::functions::{Bootstrap, BootstrapOptions, CargoLambda, Embedded, Faulty, Function};
use crate::settings::{Functions, Names, Settings};

/// The aggregator and the processor.
pub(crate) struct Pipeline {
    pub(crate) aggregator: Arc<dyn Function>,
    pub(crate) processor: Arc<dyn Function>,
}

impl Pipeline {
    /// Sets the functions up, with the faults that the settings ask for; `config` leads to the
    /// endpoint at `endpoint_url`.
    pub(crate) fn new(
        settings: &Settings,
        config: &SdkConfig,
        endpoint_url: &str,
    ) -> Result<Self, StartError> {
        let pipeline = Self::faultless(settings, config, endpoint_url)?;
        let faulty = |function| Arc::new(Faulty::new(function, Arc::clone(&settings.faults)));
        Ok(Self {
            aggregator: faulty(pipeline.aggregator),
            processor: faulty(pipeline.processor),
        })
    }

    fn faultless(
        settings: &Settings,
        config: &SdkConfig,
        endpoint_url: &str,
    ) -> Result<Self, StartError> {
        match &settings.functions {
            Functions::Embedded => Ok(Self {
                aggregator: Arc::new(embedded_aggregator(
                    &settings.names,
                    settings.window_time,
                    config,
                )),
                processor: Arc::new(embedded_processor(&settings.names, config)),
            }),
            Functions::Bootstrap(folder) => {
                let environment = environment(&settings.names, settings.window_time);
                let function = |name| bootstrap(name, folder, &environment, endpoint_url);
                Ok(Self {
                    aggregator: function("aggregator")?,
                    processor: function("processor")?,
                })
            }
            Functions::CargoLambda(address) => Ok(Self {
                aggregator: Arc::new(CargoLambda::new("aggregator", *address)),
                processor: Arc::new(CargoLambda::new("processor", *address)),
            }),
        }
    }
}

/// The environment that both functions are given, as the template gives it.
fn environment(names: &Names, window_time: WindowTime) -> BTreeMap<String, String> {
    let window_time = match window_time {
        WindowTime::Arrival => "arrival",
        WindowTime::Event => "event",
    };
    [
        ("SUMMARY_STREAM", names.summary_stream.as_str()),
        ("REJECTS_STREAM", &names.rejects),
        ("TABLE_NAME", &names.table),
        ("WINDOW_TIME", window_time),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

fn bootstrap(
    name: &str,
    folder: &Path,
    environment: &BTreeMap<String, String>,
    endpoint_url: &str,
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
    options.endpoint_url = Some(endpoint_url.to_owned());
    Ok(Arc::new(Bootstrap::new(options)))
}

fn embedded_aggregator(names: &Names, window_time: WindowTime, config: &SdkConfig) -> Embedded {
    let kinesis = aws_sdk_kinesis::Client::new(config);
    let firehose = aws_sdk_firehose::Client::new(config);
    let function = Arc::new(Aggregator::new(
        KinesisStream::new(kinesis, &names.summary_stream),
        FirehoseStream::new(firehose, &names.rejects),
        window_time,
        log_metrics("aggregator"),
    ));
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

fn embedded_processor(names: &Names, config: &SdkConfig) -> Embedded {
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    let firehose = aws_sdk_firehose::Client::new(config);
    let function = Arc::new(Processor::new(
        DynamoTable::new(dynamodb, &names.table, KEY),
        FirehoseStream::new(firehose, &names.rejects),
        None,
        log_metrics("processor"),
    ));
    Embedded::new("processor", move |event, deadline| {
        let function = Arc::clone(&function);
        async move {
            let event = Event::from_json(&event).map_err(|error| error.to_string())?;
            let response = function.handle(&event, deadline).await;
            serde_json::to_vec(&response).map_err(|error| error.to_string())
        }
    })
}

/// Standard output belongs to whoever runs the local cloud, so metrics go to the log.
fn log_metrics(function: &'static str) -> telemetry::Sink {
    Box::new(move |metrics| tracing::debug!(metrics = metrics.to_line(function, 0), "invocation"))
}
