#![doc = include_str!("../README.md")]
//!
//! # What `derive(Sensor)` implements
//!
//! The trait [`Fields`](core::sensor::Fields): which fields a reading has, and what they are for. It
//! does not implement the trait [`core::sensor::Sensor`]: the value that does is a
//! [`DeclaredSensor`], which [`sensor`] makes of the fields. `Fields` also formats a reading as it
//! is sent ([`to_line`](core::sensor::Fields::to_line)).
//!
//! # Fields
//!
//! The attribute `#[sensor(...)]` of a field says what it is for:
//!
//! | mark | meaning |
//! |---|---|
//! | `key` | a column of the key; several make a key of several columns, none makes one for all readings |
//! | `time` | when the sensor took the reading. Readings of a key with the same time are duplicates. Without a time, none is, and the column of the window's start is called `WindowStart` |
//! | `identity` | readings of a key are duplicates if they are equal in these fields, instead of the time |
//! | `sum`, `avg` | of integers and decimals |
//! | `min`, `max`, `first`, `last` | of any type. First and last are by sequence number within a shard, and by time over several shards |
//! | `count` | the number of readings that have a value |
//! | `rename = "..."` | the field's name in JSON |
//!
//! A measure's column is called `min_celsius`, or `MinCelsius` if the field's name in JSON begins
//! with a capital; `min = "lowest"` names it. `avg(places = 1)` rounds an average to one digit after
//! the point; otherwise it has two digits more than its values.
//!
//! The attribute of the struct may have:
//!
//! | option | meaning |
//! |---|---|
//! | `rename_all = "PascalCase"` | how the fields are spelled in JSON: `PascalCase`, `camelCase` or `snake_case` |
//! | `filter = Self::is_plausible` | a function from `&Self` to whether the reading counts |
//! | `crate = my_crate::windrow` | the path of this crate, if it is not `::windrow`: for a crate that re-exports it |
//!
//! | Rust type | JSON |
//! |---|---|
//! | `String`, `Cow<'a, str>` | text of 1 to 2048 bytes |
//! | `i8` to `i64`, `u8` to `u64` | integers; `150.0` is one |
//! | [`Fixed<2>`](Fixed) | decimals with up to two digits after the point, exact |
//! | `f64` | floats |
//! | `bool` | `true`, `false` |
//! | [`Timestamp`] | `2026-11-20 09:17:08.189` (UTC), RFC 3339, or a number of seconds or milliseconds since 1970 |
//! | `Option<T>` | may be missing or null |
//!
//! Any other type does not compile, unless it implements [`FieldType`](core::sensor::FieldType):
//!
//! ```compile_fail,E0277
//! #[derive(windrow::Sensor)]
//! struct Temperature {
//!     #[sensor(max)]
//!     celsius: f32, // `f32` is not the type of a sensor's field
//! }
//! ```
//!
//! An enum of an application can be such a type, or a number with a bound. A reading whose value
//! it does not take is rejected, with a reason that names the field. Fields of the JSON that the
//! struct does not have are ignored.
//!
//! # Modules and features
//!
//! | module | feature | what it is for |
//! |---|---|---|
//! | [`core`] | always | sensors, windows, the window state, rows and the merge rule |
//! | `aggregator`, `processor` | `lambda` | the two Lambda functions |
//! | `local` | `local` | the local cloud of a sensor's application |
//! | `event` | `event`, and `aws_lambda_events` for conversions | the Lambda Kinesis event, with tumbling windows |
//! | `write` | `write`, and `kinesis`, `dynamodb` or `firehose` for each service | batched writes |
//! | `read` | `read` | reading a stream through expiry, throttling and resharding |

pub use windrow_core as core;
pub use windrow_core::sensor::{DeclaredSensor, Fixed, SensorError};
pub use windrow_core::time::Timestamp;
pub use windrow_derive::Sensor;
#[cfg(feature = "event")]
pub use windrow_event as event;
#[cfg(feature = "lambda")]
pub use windrow_lambda::{aggregator, processor};
#[cfg(feature = "local")]
pub use windrow_pipeline as local;
#[cfg(feature = "read")]
pub use windrow_read as read;
#[cfg(feature = "write")]
pub use windrow_write as write;

use windrow_core::sensor::Fields;

/// The sensor that a struct declares.
///
/// # Errors
///
/// [`SensorError`] if the declaration contradicts itself, for example if two columns have the same
/// name. The `main` functions take this result as it is.
pub fn sensor<F: Fields>() -> Result<DeclaredSensor, SensorError> {
    DeclaredSensor::of::<F>()
}
