//! Batched writes that report the outcome of every item.
//!
//! Kinesis, DynamoDB and Firehose all accept items in batches, and all three can accept part of a
//! batch and fail the rest. [`deliver`] is the algorithm they share: split the items into chunks
//! that the service accepts, send them, retry only what failed, stop at the deadline, and return
//! what is left with the reason. A [`Destination`] describes what differs between services. This
//! crate has [`KinesisStream`], [`DynamoTable`] and [`FirehoseStream`], and [`Collected`], which
//! keeps items in memory for tests.
//!
//! Delivery is at least once. A call without a response may still have been carried out, so an item
//! that is retried, or returned with [`Reason::OutOfTime`] or [`Reason::Stopped`], may already be
//! at the destination.
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
pub use policy::Policy;
pub use report::{DeliveryReport, Reason, Reasons, Undelivered};
pub use windrow_service::Backoff;
