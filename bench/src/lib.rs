//! The cost of a fleet on AWS and the limits it meets, computed without network access.
//!
//! * [`workload`][]: a fleet, and its bytes, records and rows.
//! * [`prices`][]: AWS list prices, each with its source.
//! * [`costs`][]: a fleet's monthly bill.
//! * [`limits`][]: limits of AWS and of this project, each with its source.
//! * [`scale`][]: fleets compared with the limits.
//! * [`table`][]: Markdown tables.
//!
//! `cargo run -p bench --bin costs` and `--bin scale` print the tables of `docs/costs.md` and
//! `docs/scale.md`; a test compares them.

pub mod costs;
pub mod limits;
pub mod prices;
pub mod scale;
pub mod table;
pub mod workload;
