//! Readings and rows of the Wild Rydes fleet, in their wire format.
//!
//! * A [`Reading`](reading::Reading) is what a unicorn's sensor sends: one JSON object per line.
//! * [`Unicorn`](sensor::Unicorn) is the sensor that the pipeline is given.
//! * [`Totals`](totals::Totals) is the aggregate per unicorn per window.
//! * [`row`] has the columns of a [`Row`](windrow_core::row::Row), and [`merge`](merge::merge)
//!   combines all rows of each window.
//!
//! The crate does no IO and reads no clock. Anything that is not a reading is rejected with a
//! [`Rejection`](windrow_core::rejection::Rejection) that names the field.
//!
//! ```
//! use unicorn::reading::Reading;
//!
//! let line = br#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:08.189","Distance":29.5,
//!     "MagicPoints":110,"HealthPoints":150}"#;
//! let reading = Reading::parse(line)?;
//! assert_eq!(reading.distance.to_string(), "29.5");
//!
//! let rejected = Reading::parse(br#"{"Name":"Shadowfax","Distance":-1}"#).unwrap_err();
//! assert_eq!(rejected.to_string(), "StatusTime is missing");
//! # Ok::<(), windrow_core::rejection::Rejection>(())
//! ```

mod fast;

pub mod distance;
pub mod merge;
pub mod reading;
pub mod row;
pub mod sensor;
pub mod table;
pub mod totals;
