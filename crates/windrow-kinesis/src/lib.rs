#![doc = include_str!("../README.md")]

mod check;
mod error;
mod files;
mod http;
mod kinesis;
mod limits;
mod log;
mod meta;
mod ops;
mod options;
mod report;
mod sequence;
mod store;
mod stream;
mod wire;

pub use error::{ErrorCode, KinesisError};
pub use http::Unmetered;
pub use kinesis::{IteratorStart, Kinesis, NewRecord, ReadRecord, ReadRecords};
pub use options::KinesisOptions;
pub use report::{CutOff, Damage, DiskStatus, OpenError, OpenReport};
