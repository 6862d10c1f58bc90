//! The operations. Each file has the requests and responses of its operations, and what they do.

pub(crate) mod consumers;
pub(crate) mod put;
pub(crate) mod read;
pub(crate) mod reshard;
pub(crate) mod settings;
pub(crate) mod shards;
pub(crate) mod streams;
pub(crate) mod subscribe;
pub(crate) mod tags;
pub(crate) mod target;
pub(crate) mod token;
