//! The function of pumps without windows: it writes their rows to Kinesis streams.
//!
//! It has an event source mapping of its own on the stream of readings, without a tumbling window. Each
//! row is written at least once, with an id that tells repetitions from other rows, and the rows of an
//! input shard are written in the order of its records: a row is sent only after every row before it
//! was acknowledged. So rows are packed into records of a Kinesis stream, one row per line, which are
//! sent one after the other, and all those of an input shard have the same partition key.
//!
//! * [`settings`]: the environment variables, checked once.
//! * [`StatelessWriter`]: the handler.
//! * [`main`](main()): the whole program.

mod handler;
mod main;
mod pack;
pub mod settings;

pub use handler::{NoSource, StatelessWriter};
pub use main::{main, writer};
