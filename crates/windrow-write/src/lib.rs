#![doc = include_str!("../README.md")]
//!
//! # Features
//!
//! One per service, so that a program depends only on the SDK crates it uses. None is enabled by
//! default: [`deliver`] and [`Destination`] need no SDK.
//!
//! | feature | adds |
//! |---|---|
//! | `kinesis` | `KinesisStream`, `KinesisRecord`, `hashed_partition_key` |
//! | `dynamodb` | `DynamoTable`, `TableItem`, `Attributes`, `NoKeyValue` |
//! | `firehose` | `FirehoseStream` |
//!
//! # The client
//!
//! A destination uses the SDK client that it is given, with its connections, credentials,
//! endpoint and interceptors. It overrides one setting, for its own calls only: the SDK's retries
//! are disabled, because [`deliver`] retries, and two layers of retries would multiply the waits.
//! An attempt's timeout is the client's; the deadline of the [`Policy`] cancels it in any case.

mod collected;
mod deliver;
mod destination;
#[cfg(feature = "dynamodb")]
mod dynamo;
#[cfg(feature = "firehose")]
mod firehose;
#[cfg(feature = "dynamodb")]
mod item;
#[cfg(feature = "kinesis")]
mod kinesis;
mod policy;
mod report;
#[cfg(any(feature = "kinesis", feature = "firehose"))]
mod response;
#[cfg(any(feature = "kinesis", feature = "dynamodb", feature = "firehose"))]
mod sdk;

pub use collected::Collected;
pub use deliver::deliver;
pub use destination::{BatchLimits, Destination, InvalidItem, ItemFailure, Key, SendError};
#[cfg(feature = "dynamodb")]
pub use dynamo::DynamoTable;
#[cfg(feature = "firehose")]
pub use firehose::FirehoseStream;
#[cfg(feature = "dynamodb")]
pub use item::{Attributes, NoKeyValue, TableItem};
#[cfg(feature = "kinesis")]
pub use kinesis::{KinesisRecord, KinesisStream, hashed_partition_key};
pub use policy::Policy;
pub use report::{DeliveryReport, Reason, Reasons, Undelivered};
pub use windrow_service::Backoff;
