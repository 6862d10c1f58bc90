//! Kinesis Data Analytics SQL as a sensor: a SQL text becomes tumbling windows that are computed
//! exactly, from rows of the input stream to rows of the output streams.
//!
//! ```
//! use windrow_core::row::MergedRow;
//! use windrow_core::value::{FieldValue, Value};
//! use windrow_sql::application::{INPUT_STREAM, InputColumn, InputStream, SqlApplication};
//!
//! let input = InputStream {
//!     name: INPUT_STREAM.to_owned(),
//!     columns: vec![InputColumn {
//!         name: "ticker".to_owned(),
//!         sql_type: "VARCHAR(4)".parse()?,
//!     }],
//! };
//! let application = SqlApplication::new(
//!     r#"CREATE STREAM "out" ("ticker" VARCHAR(4), "trades" INTEGER);
//!        CREATE PUMP "per minute" AS INSERT INTO "out"
//!        SELECT STREAM "ticker", COUNT(*) FROM "SOURCE_SQL_STREAM_001"
//!        GROUP BY "ticker", FLOOR("SOURCE_SQL_STREAM_001".ROWTIME TO MINUTE);"#,
//!     &input,
//! )?;
//!
//! // One input row, and the group that it counts in.
//! let row = [FieldValue::Text("AMZN".into())];
//! let arrival = "2026-03-01 14:00:05.000".parse()?;
//! let group = application.pumps()[0].groups(&row, arrival).next().transpose()?.unwrap();
//! assert_eq!(group.window.end - group.window.start, 60_000);
//!
//! // The rows of a window are merged elsewhere, and finished here.
//! let merged = MergedRow {
//!     key: application.schema().key_values(group.key.clone())?,
//!     window_start: "2026-03-01 14:00:00.000".parse()?,
//!     window_seconds: 60,
//!     readings: 1,
//!     duplicates: 0,
//!     measures: group.inputs.to_vec(),
//!     gap: false,
//! };
//! let finished = application.finish([&merged])?;
//! assert_eq!(finished.rows[0].to_json(), r#"{"ticker":"AMZN","trades":1}"#);
//! # assert!(matches!(merged.key[0], Value::Text(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! * [`application`]: a text, planned. Start here.
//! * [`pump`]: from an input row to the groups that it counts in.
//! * [`stateless`]: from an input row to rows of outputs, for pumps without windows.
//! * [`finish`] and [`output`]: from merged rows to rows of the output streams.
//! * [`problem`]: why a text is not supported. One construct that is not rejects the whole text.
//! * [`constructs`]: what is supported and what is not, with examples.
//! * [`limits`]: what texts and readings are at most.
//! * [`columns`]: the names of columns that every schema has.
//! * [`types`]: the types of SQL columns.
//!
//! # What AWS leaves open
//!
//! * `ROWTIME` is the time at which a record arrived. In a grouped SELECT it is the window's end,
//!   and the term of GROUP BY is its start.
//! * `ROWTIME` does not tell the rows of SELECT DISTINCT apart. It is the window's end there, and the
//!   window's start in terms of a SELECT that reads them.
//! * Of values that are equally frequent, TOP_K_ITEMS_TUMBLING keeps the lowest. NULL is not a value.
//! * Windows start at multiples of their length since the epoch.
//! * Floats are summed as exact decimals: each as its shortest text, rounded to 15 digits after the
//!   point. So sums do not depend on the order. A float of 10^15 or more cannot be summed, but its
//!   CAST to DECIMAL(19,0) can.
//! * AVG of integers and decimals is an exact decimal with at least 6 digits after the point.
//! * Numbers are rounded half away from zero. A quotient of integers is cut.
//! * Arithmetic on integers gives BIGINT, and on decimals up to 38 digits. Nothing wraps.
//! * A float becomes an integer or a decimal by its shortest text, too: 1.005 is 1.01 with two digits.
//!   A whole float is exact, also where its shortest text has zeros for digits.
//! * TIMESTAMP_TO_CHAR formats as Java's `SimpleDateFormat` does for the US and UTC. Of NULL it is the
//!   text `null`, as AWS documents.
//! * Numbers become text without zeros at the end and without an exponent.
//! * `FLOOR(... TO WEEK)` starts on Sunday, and `EXTRACT(WEEK ...)` is that of ISO 8601.
//! * `CHAR` is compared without the blanks at its end, `VARCHAR` with them.
//! * Texts are compared by their characters' code points. NULL sorts first.
//! * A row for which an expression has no value (a division by zero, a number out of range) counts
//!   in no group of the pump. After the merge, such a value is NULL, with a problem beside it.
//! * A number whose digits, without the point, exceed 10^30 cannot be summed either.
//! * `NOT NULL` of a stream's column is accepted, and not checked.
//! * `VARCHAR` without a length is `VARCHAR(1)`, as in the standard.
//!
//! Part of [windrow](https://docs.rs/windrow), which leads to the other crates.

pub mod application;
pub mod batch;
mod body;
pub mod columns;
mod compile;
pub mod constructs;
mod convert;
mod dialect;
mod distinct;
mod evaluate;
mod exact;
mod expression;
pub mod finish;
mod graph;
mod group;
pub mod input;
pub mod limits;
mod moment;
pub mod output;
mod pattern;
mod plain;
pub mod problem;
pub mod pump;
mod scan;
mod scope;
mod select;
pub mod sensor;
pub mod stateless;
mod statement;
mod time_pattern;
mod top;
pub mod types;
