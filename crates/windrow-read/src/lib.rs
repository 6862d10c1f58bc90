//! Reads a Kinesis stream, through splits and merges of its shards.
//!
//! A stream is a graph of shards. A split or merge closes shards and opens children that continue
//! where the parents ended, so reading a stream in order means reading parents before children.
//! [`list`] lists the shards, [`Lineage`] determines which of them may be read now, [`ShardReader`]
//! reads one of them, and [`follow`] combines the three.
//!
//! Expired iterators are renewed at the same record, and throttling and transient errors are
//! retried. A reader returns every record of its shard once, in order.
//!
//! ```
//! use windrow_read::{Lineage, Shard};
//!
//! let shard = |id: &str, parents: &[&str], ended| Shard {
//!     id: id.to_owned(),
//!     parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
//!     ended,
//! };
//! let mut lineage = Lineage::default();
//! lineage.update(&[shard("a", &[], true), shard("b", &["a"], false), shard("c", &["a"], false)]);
//!
//! assert_eq!(lineage.ready(), ["a"]);
//! lineage.finish("a");
//! assert_eq!(lineage.ready(), ["b", "c"]);
//! ```

mod error;
mod follow;
mod lineage;
mod list;
mod reader;
mod retry;

pub use error::ReadError;
pub use follow::{Follow, FollowOptions, follow};
pub use lineage::Lineage;
pub use list::{Shard, list};
pub use reader::{ShardPage, ShardReader, ShardRecord, Start};
