//! Windows computed from an archive: the batch form of the aggregator, for any sensor.
//!
//! Windows are assigned by the readings' own time. Everything else is as in the aggregator: the
//! [`Sensor`](windrow_core::sensor::Sensor) parses and aggregates readings, and
//! [`BatchFold`](windrow_core::batch::BatchFold) keeps them apart. Readings without a time are
//! rejected.
//!
//! **Of readings with the same key, window and identity, the first counts**: the one in the first
//! file by path and, within a file, in the first line. This depends neither on the number of
//! threads nor on the order of the arguments. In an archive written by Firehose, whose paths begin
//! with the time, it is nearly always the reading that arrived first.
//!
//! The first and last readings of a window are by their time, since an archive does not have their
//! sequence numbers (it says `0` for all of them). Of several readings with that time, the first
//! by path and line counts for both.
//!
//! # Implementation
//!
//! A single thread adds each reading to its accumulator as soon as it is parsed. Several threads
//! parse pieces of files into buckets, one per partition of the keys, and add each partition's
//! buckets in the order of the pieces (`windows/pipeline.rs`).
//!
//! On two cores, two threads are 1.6 to 1.8 times as fast as one, and two processes that share
//! nothing are 1.9 times as fast. A profile of 5 million readings of unicorns (5,000 samples per second) shows
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
//! A plain file is divided into pieces at line ends. Where readings are pretty-printed, a piece begins
//! at the least indented object nearby, so that two threads seldom parse one twice: a file of 54 MB of
//! them takes two threads 0.54 s of CPU time, and took 0.86 s when pieces began at any line.
//! A compressed file can only be read from its
//! start, so one thread reads all of it, up to 128 MB of text at a time.
//!
//! Memory is that of [`BatchFold`](windrow_core::batch::BatchFold) (4 to 8 bytes per reading in
//! order, up to 16 if windows are few and long, about 30 otherwise, and about 60 if readings have
//! another identity than their time), about 95 bytes per unicorn and window or what another
//! sensor's accumulator takes, a few megabytes in any case, and the text that is read ahead.
//!
//! ```
//! use windrow_archive::windows::{ScanOptions, scan};
//! use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
//! use windrow_core::value::{ColumnType, NumberType};
//!
//! # let folder = tempfile::tempdir()?;
//! let archive = folder.path().join("readings.jsonl");
//! std::fs::write(&archive, r#"{"Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":21.5}"#)?;
//! let celsius = ColumnType::Number(NumberType::decimal(2));
//! let sensor = DeclaredSensor::new(vec![
//!     Field::new("Room", ColumnType::Text).key(),
//!     Field::new("Time", ColumnType::Timestamp).time(),
//!     Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
//! ])?;
//! let listing = windrow_archive::list(&[archive])?;
//! let (rows, report) = scan(&sensor, &listing.files, ScanOptions::new(60, 1)?, &|_| ())?;
//! assert_eq!((rows.len(), report.readings), (1, 1));
//! assert_eq!(rows.iter().next().unwrap().key.text, "Attic");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod keys;
mod parse;
mod pipeline;
mod plan;
mod report;
mod rows;
mod scan;

pub use report::{PieceSizes, RejectedPart, ScanReport};
pub use rows::{RowKey, WindowRow, WindowRows};
pub use scan::{ScanOptions, scan};
