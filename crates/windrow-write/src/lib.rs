//! Batched writes that say exactly what became of every item.
//!
//! Kinesis, DynamoDB and Firehose all take items many at a time, and all three can take some of a
//! batch and fail the rest. [`deliver`] is the one algorithm they share: cut the items into
//! chunks the service takes, send them, retry only what failed, stop before the deadline,
//! and hand back what is left with the reason. A [`Destination`] is what differs between the
//! services: [`KinesisStream`], [`DynamoTable`] and [`FirehoseStream`] are here, and [`Collected`]
//! keeps the items in memory, so code that delivers is tested with a vector.
//!
//! Delivery is at least once. An answer that never came may have been a write that happened, so an
//! item that is sent again, or handed back as [`Reason::OutOfTime`] or [`Reason::Stopped`], may be
//! at the destination already.
//!
//! ```
//! use std::time::Duration;
//! use windrow_write::{Collected, Policy, deliver};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let destination = Collected::default();
//! let policy = Policy::within(Duration::from_secs(5));
//!
//! let report = deliver(&destination, vec!["one", "two"], &policy).await;
//!
//! assert_eq!(report.delivered, 2);
//! assert!(report.undelivered.is_empty());
//! assert_eq!(destination.items(), ["one", "two"]);
//! # }
//! ```

mod classify;
mod collected;
mod deliver;
mod destination;
mod dynamo;
mod firehose;
mod item;
mod kinesis;
mod policy;
mod report;
mod response;
mod sdk;

pub use collected::Collected;
pub use deliver::deliver;
pub use destination::{BatchLimits, Destination, ItemFailure, Key, SendError};
pub use dynamo::DynamoTable;
pub use firehose::FirehoseStream;
pub use item::{Attributes, NoKeyValue, TableItem};
pub use kinesis::{KinesisRecord, KinesisStream, hashed_partition_key};
pub use policy::{Backoff, Policy};
pub use report::{DeliveryReport, Reason, Reasons, Undelivered};
