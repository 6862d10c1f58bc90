//! The records of one shard, in files.

pub(crate) mod block;
pub(crate) mod open;
pub(crate) mod read;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod shard_log;
pub(crate) mod writer;

#[cfg(test)]
mod tests;
