//! Why an audit did not complete.

use std::io;

use thiserror::Error;
use windrow_connect::cloud::{LocalCloudNotRunning, TargetError};
use windrow_connect::stream::StreamError;
use windrow_service::ServiceError;

use crate::range::NothingToAudit;

/// Why an audit did not complete.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The cloud could not be determined.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target is the local cloud, which is not running.
    #[error(
        "{0}: start one with `cargo run -p local`, \
         or choose another cloud with --endpoint-url or --target aws"
    )]
    LocalCloudNotRunning(LocalCloudNotRunning),
    /// The stream is not available.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The stream's age and retention are unknown.
    #[error("Kinesis does not describe the stream {0}")]
    NotDescribed(String),
    /// There is nothing to audit.
    #[error(transparent)]
    Nothing(#[from] NothingToAudit),
    /// A log cannot be read.
    #[error("the log of {stream} cannot be read{}", of_shard(shard))]
    Log {
        /// The stream.
        stream: String,
        /// The shard; empty if it is all of them.
        shard: String,
        /// The error of Kinesis.
        #[source]
        source: ServiceError,
    },
    /// Reading a log leads nowhere.
    #[error("the log of {shard} cannot be read: {what}")]
    NoProgress {
        /// The shard.
        shard: String,
        /// What happens instead.
        what: &'static str,
    },
    /// The table does not exist.
    #[error("there is no table {0} in DynamoDB: name another one with --table")]
    NoTable(String),
    /// The table cannot be read.
    #[error("the table {table} cannot be read")]
    Table {
        /// The table.
        table: String,
        /// The error of DynamoDB.
        #[source]
        source: ServiceError,
    },
    /// There are too many keys for the memory.
    #[error("{0} keys are too many to audit: choose fewer windows with --from and --to")]
    TooManyKeys(usize),
    /// The differences cannot be printed.
    #[error("the differences cannot be printed")]
    Output(#[from] io::Error),
    /// The user stopped the audit.
    #[error("interrupted")]
    Interrupted,
}

fn of_shard(shard: &str) -> String {
    match shard {
        "" => String::new(),
        shard => format!(" from {shard}"),
    }
}
