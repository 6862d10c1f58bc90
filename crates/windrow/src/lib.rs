//! Exact windowed aggregates over Kinesis on AWS Lambda, for any sensor.
//!
//! Describe a sensor's readings as a struct, and say what to compute per window and key:
//!
//! ```
//! use windrow::Sensor;
//! use windrow::core::sensor::{Fixed, Sensor as _};
//! use windrow::core::time::Timestamp;
//!
//! #[derive(Sensor)]
//! struct Temperature {
//!     #[sensor(key)]
//!     site: String,
//!     #[sensor(key)]
//!     room: String,
//!     #[sensor(time)]
//!     time: Timestamp,
//!     #[sensor(min, max, avg)]
//!     celsius: Fixed<2>,
//! }
//!
//! let sensor = windrow::sensor::<Temperature>()?;
//! let names: Vec<&str> = sensor.schema().measures().iter().map(|it| it.name.as_str()).collect();
//! assert_eq!(names, ["min_celsius", "max_celsius", "avg_celsius"]);
//! # Ok::<(), windrow::core::sensor::SensorError>(())
//! ```
//!
//! Each of the two Lambda functions is then one line, and so is a local cloud that runs them on a
//! machine without an AWS account (features `lambda` and `local`):
//!
//! ```ignore
//! fn main() -> ExitCode { windrow::aggregator::main(windrow::sensor::<Temperature>()) }
//! fn main() -> ExitCode { windrow::processor::main(windrow::sensor::<Temperature>(), None) }
//! fn main() -> ExitCode { windrow::local::main(windrow::sensor::<Temperature>(), "thermometer") }
//! ```
//!
//! # Fields
//!
//! The attribute `#[sensor(...)]` of a field says what it is for:
//!
//! | mark | meaning |
//! |---|---|
//! | `key` | a column of the key; several make a key of several columns, none makes one for all readings |
//! | `time` | when the sensor took the reading. Readings of a key with the same time are duplicates |
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
//! The attribute of the struct may have `rename_all = "PascalCase"` (or `camelCase`), and
//! `filter = Type::function`, a function from a reading to whether it counts.
//!
//! | Rust type | JSON |
//! |---|---|
//! | `String`, `Cow<'a, str>` | text of 1 to 2048 bytes |
//! | `i8` to `i64`, `u8` to `u64` | integers; `150.0` is one |
//! | [`Fixed<2>`](core::sensor::Fixed) | decimals with up to two digits after the point, exact |
//! | `f64` | floats |
//! | `bool` | `true`, `false` |
//! | [`Timestamp`](core::time::Timestamp) | `2026-11-20 09:17:08.189` (UTC), RFC 3339, or a number of seconds or milliseconds since 1970 |
//! | `Option<T>` | may be missing or null |
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

use windrow_core::sensor::{DeclaredSensor, Fields, SensorError};

/// The sensor that a struct declares.
///
/// # Errors
///
/// [`SensorError`] if the declaration contradicts itself, for example if two columns have the same
/// name. The `main` functions take this result as it is.
pub fn sensor<F: Fields>() -> Result<DeclaredSensor, SensorError> {
    DeclaredSensor::of::<F>()
}
