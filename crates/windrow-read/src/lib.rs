#![doc = include_str!("../README.md")]
//!
//! # The pieces
//!
//! A stream is a graph of shards. A split or merge closes shards and opens children that continue
//! where the parents ended, so reading a stream in order means reading parents before children.
//! [`list`] lists the shards, [`Lineage`] determines which of them may be read now, [`ShardReader`]
//! reads one of them page by page, and [`follow`] combines the three.
//!
//! ```
//! use windrow_read::{Lineage, Shard};
//!
//! let shard = |id: &str, parents: &[&str], ended| Shard {
//!     id: id.to_owned(),
//!     parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
//!     ended,
//!     hash_keys: 0..=u128::MAX,
//! };
//! let mut lineage = Lineage::default();
//! lineage.update(&[shard("a", &[], true), shard("b", &["a"], false), shard("c", &["a"], false)]);
//!
//! assert_eq!(lineage.ready(), ["a"]);
//! lineage.finish("a");
//! assert_eq!(lineage.ready(), ["b", "c"]);
//! ```
//!
//! # Features
//!
//! There are none: the crate needs the SDK of Kinesis, and no other.
//!
//! # Times
//!
//! A moment is a [`Timestamp`], and a length of time is a [`Duration`](std::time::Duration). The
//! clock is read for one purpose: an iterator at the latest record can only be renewed by time.

mod call;
mod error;
mod follow;
mod lineage;
mod list;
mod reader;
mod retry;

pub use error::ReadError;
pub use follow::{Follow, FollowOptions, StreamRecord, follow};
pub use lineage::Lineage;
pub use list::{Shard, list};
pub use reader::{ShardPage, ShardReader, ShardRecord, Start};
pub use windrow_core::time::Timestamp;
pub use windrow_service::ServiceError;
