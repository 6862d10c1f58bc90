//! The local cloud: Kinesis, DynamoDB and Firehose on one port of this machine, and what runs the
//! functions on it.
//!
//! - [`endpoint`]: one HTTP endpoint that answers the three services' own protocols, so that any
//!   AWS SDK works against it.
//! - [`firehose`]: delivery streams that write their objects into the data directory, named as
//!   Firehose names them.
//! - [`oracle`]: what the rows should amount to, worked out from the log alone.
//! - [`mapping`]: the event source mapping, which hands a stream's records to a function as Lambda does, tumbling
//!   windows included.
//! - [`LocalCloud`]: all of it together, with the streams, the table and both functions.
//! - [`dashboard`]: the web page with the live map.
//! - [`faults`]: what goes wrong on purpose, in front of the services and in the mapping.
//! - [`redrive`]: puts back into the summary stream what the processor's mapping gave up.
//! - [`functions`]: the three ways to run a Lambda function: in this process, as the real
//!   `bootstrap` binary, or under `cargo lambda watch`.
//!
//! ```
//! use std::time::Duration;
//!
//! use local::{LocalCloud, Settings};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let settings = Settings {
//!     port: 0,
//!     data_dir: folder.path().to_owned(),
//!     ..Settings::default()
//! };
//! let cloud = LocalCloud::start(settings).await?;
//! println!("AWS_ENDPOINT_URL={}", cloud.endpoint_url());
//! // Readings that are sent now are summed a minute later, or as soon as the cloud is drained.
//! cloud.drain(Duration::from_secs(30)).await?;
//! cloud.stop().await;
//! # Ok(())
//! # }
//! ```

mod archive;
mod clock;
mod cloud;
mod loopback;
mod resources;
mod run;
mod server;
mod service_error;

pub mod dashboard;
pub mod data_dir;
pub mod duration;
pub mod endpoint;
pub mod faults;
pub mod firehose;
pub mod functions;
pub mod mapping;
pub mod oracle;
pub mod redrive;
pub mod settings;

pub use cloud::{DrainError, LocalCloud, StartError};
pub use settings::{DashboardPort, Functions, Names, Settings};
