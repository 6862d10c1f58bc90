//! The processor: writes summary rows to DynamoDB.
//!
//! A Lambda function on the summary stream. It writes every row of its records with
//! BatchWriteItem, 25 per call, and retries only what failed. Rows are immutable, so writes need no
//! order, no condition and no read beforehand, and writing a row twice changes nothing. If rows
//! could not be written in time, it reports the lowest failed sequence number, and Lambda
//! redelivers from there. A line that is not a row goes to the rejects stream with its reason.
//!
//! * [`settings`]: the environment variables, checked once.
//! * [`row`]: converts rows to DynamoDB items and back.
//! * [`Processor`]: the handler.
//! * [`main`](main()): the whole program.
//!
//! `cargo run -p windrow-lambda --features processor --example one_batch` runs it on a batch in
//! memory.

mod handler;
mod main;
pub mod row;
pub mod settings;

pub use handler::{Processor, RowMetric};
pub use main::main;
