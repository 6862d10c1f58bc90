#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! - [`endpoint`]: one HTTP endpoint that speaks the protocols of the three services, so that any
//!   AWS SDK works with it.
//! - [`firehose`]: delivery streams that write objects into the data directory, named as Firehose
//!   names them.
//! - [`mapping`]: the event source mapping, which invokes a function with a stream's records as
//!   Lambda does, including tumbling windows.
//! - [`LocalCloud`]: all of it together, with the streams, the table and both functions.
//! - [`stack`]: a local cloud made from a SAM or CloudFormation template, for any application.
//! - [`dashboard`]: the web page of the application.
//! - [`faults`]: faults to inject in front of the services and in the mapping.
//! - [`table_file`]: reads the table while no local cloud runs.
//! - [`functions`]: three ways to run a Lambda function: in this process, as the real
//!   `bootstrap` binary, or under `cargo lambda watch`.

mod archive;
mod clock;
mod cloud;
mod disk_trouble;
mod hosts;
mod listen;
mod loopback;
mod resources;
mod restart;
mod schedule;
mod server;
mod service_error;
mod sources;
mod start_error;
mod whole_file;

pub mod dashboard;
pub mod data_dir;
pub mod endpoint;
pub mod faults;
pub mod firehose;
pub mod functions;
pub mod mapping;
pub mod settings;
pub mod stack;
pub mod table_file;

pub use clock::Clock;
pub use cloud::{Application, DrainError, LocalCloud, Pipeline};
pub use dashboard::DashboardPort;
pub use disk_trouble::{DiskTrouble, DiskWriter, TroubleTotals};
pub use hosts::{HostName, HostNameError};
pub use restart::{RestartReport, ResumedFunction, StreamsFound};
pub use settings::{CloudSettings, ON_FAILURE, ResourceNames};
pub use start_error::StartError;
