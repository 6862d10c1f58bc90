//! The Wild Rydes application in a local cloud.
//!
//! [`windrow_local`] is a local cloud for any application. This crate adds the Wild Rydes
//! application: both functions, and the live map. The names of its streams and table, and the settings
//! of its mappings, are those of `template.yaml`, which is part of the program.
//!
//! ```
//! use std::time::Duration;
//!
//! use windrow_local::LocalCloud;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let mut settings = local::settings()?;
//! settings.port = 0;
//! # settings.data_dir = folder.path().to_owned();
//! let cloud = LocalCloud::start(settings, &local::wild_rydes()).await?;
//! println!("AWS_ENDPOINT_URL={}", cloud.endpoint_url());
//! // Readings sent now are in the table once their window of a minute ends, or the cloud is drained.
//! cloud.drain(Duration::from_secs(30)).await?;
//! cloud.stop().await;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "sql")]
mod outputs;
mod page;
#[cfg(feature = "sql")]
pub mod stack;

use unicorn::row::{LOW_VITALS_METRIC, has_low_vitals};
use unicorn::sensor::Unicorn;
use windrow_lambda::processor::RowMetric;
use windrow_local::{CloudSettings, ResourceNames};
use windrow_pipeline::{LocalProgram, SensorApplication};

#[cfg(feature = "sql")]
pub use outputs::with_outputs;
pub use windrow_pipeline::{Functions, PipelineTemplateError};

/// The application: both functions, and the live map.
pub type WildRydes = SensorApplication<Unicorn>;

const EXAMPLES: &str = "\
Examples:
  cargo run -p local
      Everything in one process. Then, in other terminals:
      cargo run -p producer -- --name Shadowfax
      cargo run -p consumer

  cargo build -p aggregator -p processor && cargo run -p local -- --functions bootstrap
      The functions run as the binaries that are deployed.

  cargo lambda watch -A 127.0.0.1        (in one terminal)
  cargo run -p local -- --functions cargo-lambda        (in another)
      An edited handler is live within seconds, while readings keep flowing.

  cargo run -p local -- --sql ticker.sql --schema schema.json
      A Kinesis SQL application instead of the unicorns. Then: cargo run -p producer -- --replay ticks.jsonl

  cargo run -p local -- --template template.yaml --parameter-overrides Stage=test
      The streams, tables and functions of a SAM or CloudFormation template instead.

  cargo run -p local -- --faults all=0.01
      Every kind of fault, at 1 % of its opportunities. The totals stay exact.";

/// The template that deploys the application.
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The program of the local cloud, with the names and settings of the template.
///
/// # Errors
///
/// If the template is not valid.
pub fn program() -> Result<LocalProgram<Unicorn>, PipelineTemplateError> {
    let mut program = LocalProgram::from_template(wild_rydes(), TEMPLATE)?;
    program.command = "local".to_owned();
    program.version = Some(env!("CARGO_PKG_VERSION"));
    program.about = "Kinesis, DynamoDB and Firehose on one port of this machine, the pipeline's \
                     functions, run as Lambda runs them, and a live map of the fleet on another port."
        .to_owned();
    program.examples = EXAMPLES.to_owned();
    Ok(program)
}

/// The program of the local cloud for the Kinesis SQL application in these files. Its stream of
/// readings is called as that of the unicorns, so that any producer finds it.
///
/// # Errors
///
/// If the current folder, in which relative paths begin, is not known, or the template is not valid.
#[cfg(feature = "sql")]
pub fn sql_program(
    sensor: windrow_sql::sensor::SqlSensor,
    flags: &sql::text::SqlFlags,
) -> anyhow::Result<LocalProgram<windrow_sql::sensor::SqlSensor>> {
    let mut application = SensorApplication::new(sensor);
    let files = [
        (sql_functions::SQL_FILE, &flags.sql),
        (sql_functions::SCHEMA_FILE, &flags.schema),
    ];
    for (variable, path) in files {
        if let Some(path) = path {
            // The functions run in a folder of their own.
            let path = std::path::absolute(path)?.display().to_string();
            application.environment.insert(variable.to_owned(), path);
        }
    }
    let identity = (sql_functions::IDENTITY.to_owned(), flags.identity.join(","));
    application.environment.extend([identity]);
    let mut program = LocalProgram::new(application, "sql");
    program.names.stream = names()?.stream;
    Ok(with_outputs(program))
}

/// The application as it is deployed. Its functions run in this process.
pub fn wild_rydes() -> WildRydes {
    SensorApplication {
        row_metric: Some(RowMetric {
            name: LOW_VITALS_METRIC,
            counts: has_low_vitals,
        }),
        page: Some(page::file),
        ..SensorApplication::new(Unicorn)
    }
}

/// The names of the application's streams and table.
///
/// # Errors
///
/// If the template is not valid.
pub fn names() -> Result<ResourceNames, PipelineTemplateError> {
    Ok(program()?.names)
}

/// The default settings of the application's local cloud, with its data in `.wildrydes`.
///
/// # Errors
///
/// If the template is not valid.
pub fn settings() -> Result<CloudSettings, PipelineTemplateError> {
    Ok(program()?.settings())
}
