//! Reading a Kinesis stream whose shards come and go.
//!
//! A stream is a graph of shards. Splitting or merging closes shards and opens children that go on
//! where they ended, so reading a stream in order means reading parents before children. [`list`]
//! says which shards there are, [`Lineage`] which of them may be read now, [`ShardReader`] reads
//! one of them, and [`follow`] puts the three together.
//!
//! Iterators that expire are made again where they stood, and throttling and passing faults are
//! waited out. A reader hands out every record of its shard once, in order.
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
