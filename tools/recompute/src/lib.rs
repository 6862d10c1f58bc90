//! Every unicorn's minutes, from the raw archive: the batch form of the aggregator.
//!
//! Windows go by StatusTime, and a reading counts once in the whole archive. It runs on the same
//! core: [`windrow_core`]'s windows, accumulators and aggregates, and [`unicorn::totals::Totals`].
//!
//! **Of readings with the same Name and StatusTime the first counts**: the one whose file comes
//! first by its path, and in a file the one that stands first. That depends neither on the number of
//! threads nor on the order in which files were given, and in an archive of Firehose's, whose paths
//! begin with the time, it is nearly always the one that arrived first.
//!
//! # How
//!
//! One thread adds each reading to its accumulator as it is parsed. Several parse pieces of files into buckets,
//! one a partition of the names, and add the buckets to their partitions in the order of the pieces
//! (`pipeline.rs`).
//!
//! Two threads on two cores are 1.6 to 1.8 times as fast as one, from run to run, and two processes that
//! share nothing 1.9 times. By a profile of 5 million readings (milliseconds of CPU of one thread and of
//! two, sampled 5,000 times a second) nearly all that is added is in what fills buckets and empties them:
//!
//! | reading files | parsing and adding | rows | memory | the kernel's rest | all |
//! |---|---|---|---|---|---|
//! | 84 | 422 | 6 | 18 | 13 | 540 |
//! | 87 | 459 | 7 | 19 | 17 | 583 |
//!
//! Besides, of some 290 ms by the clock there is work for one thread only in 8: before the first piece,
//! between the last one and the rows, and after these. Readings of half the size in the buckets are
//! no faster, nor are pieces of other sizes from 2 to 16 MB.
//!
//! A plain file is cut into pieces at line ends; a packed one can only be read from its start on, so
//! one thread reads it whole, up to 128 MB of text at a time.
//!
//! Memory is that of [`windrow_core::batch::BatchFold`] (4 to 8 bytes a reading that comes in order, up to 16
//! where there are few and long windows, and some 30 bytes otherwise), some 95 bytes per unicorn and window beside its readings, some megabytes whatever
//! there is to do, and what is read ahead.
//!
//! * [`scan`]: all files' readings, by unicorn and window.
//! * [`rows`]: the rows that come out.
//! * [`output`]: rows as text.
//! * [`table`]: rows into a DynamoDB table of their own.
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
