//! What the data of a Kinesis record holds, before anyone reads the JSON in it.
//!
//! A producer may compress its records, and the Kinesis Producer Library (KPL) packs many *user
//! records* into one record. [`Unpacker`] undoes both, in any order and nesting up to a bound:
//!
//! | the data starts with | it is |
//! |---|---|
//! | `1F 8B` | gzip, of one member or several |
//! | a valid header of zlib without a dictionary | zlib |
//! | `28 B5 2F FD` | Zstandard |
//! | `F3 89 9A C2` | an aggregated record of the KPL, with user records of any of these kinds |
//! | anything else | plain |
//!
//! No text starts like this except, rarely, like zlib; what is valid UTF-8 and not valid zlib is
//! plain. JSON is always plain.
//!
//! * [`Unpacker`]: from a record to its [payloads](Payload).
//! * [`kpl`]: aggregated records alone, read and written.
//!
//! ```
//! use windrow_record::{Unpacker, kpl};
//!
//! let mut aggregate = kpl::AggregateBuilder::default();
//! aggregate.add("Shadowfax", b"one");
//! aggregate.add("Rocinante", b"two");
//! let record = aggregate.finish();
//!
//! let mut seen = Vec::new();
//! Unpacker::default().unpack(&record, |payload| {
//!     let user_record = payload.user_record.unwrap();
//!     let data = payload.data.unwrap().to_vec();
//!     seen.push((user_record.partition_key.to_owned(), user_record.sub_sequence_number, data));
//! });
//! assert_eq!(seen[0], ("Shadowfax".to_owned(), 0, b"one".to_vec()));
//! assert_eq!(seen[1], ("Rocinante".to_owned(), 1, b"two".to_vec()));
//! ```
//!
//! # Limits
//!
//! What one record unpacks to, all layers and user records together, is at most [`MOST_UNPACKED`]
//! bytes, and the layers of compression around anything are at most [`MOST_LAYERS`]. Beyond, it is
//! an [`UnpackError`], like anything broken.
//!
//! Part of [windrow](https://docs.rs/windrow), which leads to the other crates.

mod compression;
mod error;
pub mod kpl;
mod limits;
mod unpack;

pub use error::UnpackError;
pub use limits::{MOST_LAYERS, MOST_UNPACKED};
pub use unpack::{Payload, Unpacker, UserRecord};
