//! The processor: writes summary rows to DynamoDB.
//!
//! A Lambda function on the `wildrydes-summary` stream. It writes every row of its records with
//! BatchWriteItem, 25 per call, and retries only what failed. Rows are immutable, so it
//! needs no order, no condition and no read before a write, and writing one twice changes nothing.
//! What it could not write in time it reports: the lowest failed sequence number, from which Lambda
//! delivers again. A line that is no row goes to the rejects with its reason.
//!
//! * [`settings`]: what the environment says, checked once.
//! * [`row`]: a row as a DynamoDB item, and back.
//! * [`Processor`]: the handler.
//!
//! `cargo run -p windrow-lambda --features processor --example one_batch` runs it on a batch in memory.

mod handler;
pub mod row;
pub mod settings;

pub use handler::Processor;
