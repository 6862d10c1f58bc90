//! Computes every unicorn's windows from the raw archive: the batch form of the aggregator.
//!
//! Windows are assigned by StatusTime, and a reading counts once in the whole archive. This crate
//! uses the same core as the aggregator: the windows and aggregates of [`windrow_core`], and
//! [`unicorn::totals::Totals`].
//!
//! **Of readings with the same Name and StatusTime, the first counts**: the one in the first file
//! by path and, within a file, in the first line. This depends neither on the number of threads nor
//! on the order of the arguments. In an archive written by Firehose, whose paths begin with the
//! time, it is nearly always the reading that arrived first.
//!
//! # Implementation
//!
//! A single thread adds each reading to its accumulator as soon as it is parsed. Several threads
//! parse pieces of files into buckets, one per partition of the names, and add each partition's
//! buckets in the order of the pieces (`pipeline.rs`).
//!
//! On two cores, two threads are 1.6 to 1.8 times as fast as one, and two processes that share
//! nothing are 1.9 times as fast. A profile of 5 million readings (5,000 samples per second) shows
//! where two threads spend more CPU time: nearly all of it in filling and emptying buckets. In
//! milliseconds:
//!
//! | threads | reading files | parsing and adding | rows | memory | rest of the kernel | total |
//! |---|---|---|---|---|---|---|
//! | 1 | 84 | 422 | 6 | 18 | 13 | 540 |
//! | 2 | 87 | 459 | 7 | 19 | 17 | 583 |
//!
//! In addition, only one thread has work during 8 of about 290 ms of elapsed time: before the first
//! piece, between the last piece and the rows, and after the rows. Halving the size of the readings
//! in the buckets does not help, nor do other sizes of pieces from 2 to 16 MB.
//!
//! A plain file is divided into pieces at line ends. A compressed file can only be read from its
//! start, so one thread reads all of it, up to 128 MB of text at a time.
//!
//! Memory is that of [`windrow_core::batch::BatchFold`] (4 to 8 bytes per reading in order, up to
//! 16 if windows are few and long, and about 30 otherwise), about 95 bytes per unicorn and window,
//! a few megabytes in any case, and the text that is read ahead.
//!
//! * [`scan`]: reads all files into totals per unicorn and window.
//! * [`rows`]: the computed rows.
//! * [`output`]: prints rows as text.
//! * [`table`]: writes rows to a DynamoDB table of their own.
//! * [`args`]: the command line.

pub mod args;
mod names;
pub mod output;
mod parse;
mod pipeline;
mod plan;
mod report;
pub mod rows;
pub mod scan;
pub mod table;
