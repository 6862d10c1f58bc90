//! What a fleet costs on AWS, and which limit it meets first: arithmetic, no network.
//!
//! * [`workload`][]: a fleet, and the bytes and rows that follow from it.
//! * [`prices`][]: what AWS charges, each price with its source.
//! * [`costs`][]: a fleet's monthly bill.
//! * [`limits`][]: what AWS and this project allow, each limit with its source.
//! * [`scale`][]: a fleet held against the limits.
//! * [`table`][]: Markdown.
//!
//! `cargo run -p bench --bin costs` and `--bin scale` print the tables of `docs/costs.md` and
//! `docs/scale.md`; a test holds the pages to them.

pub mod costs;
pub mod limits;
pub mod prices;
pub mod scale;
pub mod table;
pub mod workload;
