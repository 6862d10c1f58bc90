//! The local cloud: Kinesis, DynamoDB and Firehose on one port of this machine, and what runs the
//! functions on it.
//!
//! - [`endpoint`]: one HTTP endpoint that answers the three services' own protocols, so that any
//!   AWS SDK works against it.
//! - [`firehose`]: delivery streams that write their objects into the data directory, named as
//!   Firehose names them.
//! - [`mapping`]: the event source mapping, which hands a stream's records to a function as Lambda does, tumbling
//!   windows included.
//! - [`LocalCloud`]: all of it together, with the streams, the table and both functions.
//! - [`dashboard`]: the web page with the live map.
//! - [`faults`]: what goes wrong on purpose, in front of the services and in the mapping.
//! - [`functions`]: the three ways to run a Lambda function: in this process, as the real
//!   `bootstrap` binary, or under `cargo lambda watch`.
//!
//! `cargo run -p windrow-local --example endpoint` starts the endpoint alone.

mod archive;
mod clock;
mod cloud;
mod loopback;
mod resources;
mod server;
mod service_error;
mod start_error;

pub mod dashboard;
pub mod data_dir;
pub mod endpoint;
pub mod faults;
pub mod firehose;
pub mod functions;
pub mod mapping;
pub mod settings;

pub use cloud::{Application, DrainError, LocalCloud, ON_FAILURE, Pipeline};
pub use dashboard::DashboardPort;
pub use settings::{CloudSettings, ResourceNames};
pub use start_error::StartError;
