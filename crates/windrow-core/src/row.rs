//! Rows: what one window has of one key, from one source range of one shard's log.

mod merged;
mod parse;
mod watermark;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::decimal::Decimal;
use crate::json;
use crate::merge::RowHash;
use crate::schema::{MeasureColumn, MeasureKind, MeasureType, SOURCE, Schema, hex, key_array};
use crate::sequence::{self, SequenceNumber, SequenceRange};
use crate::time::Timestamp;
use crate::value::{FieldValue, Value};

pub use merged::{MergedRow, merge};
pub use parse::{Summary, rows, summaries};
pub use watermark::ShardWatermark;

/// One row of the summary stream and of the table.
///
/// A row is the exact fold of one key's distinct readings of one window in its source range,
/// without duplicates of earlier readings that were in the dedup cache (see
/// [`SourceRange::dedup_from`]). It never changes: written again, it overwrites itself with equal
/// values.
///
/// Its values fit a [`Schema`], which is not part of it: the caller passes it where it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The values of the key's columns.
    pub key: Vec<Value>,
    /// Start of the window.
    pub window_start: Timestamp,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// The number of distinct readings.
    pub readings: u64,
    /// The number of further readings in the source range, which were left out as duplicates.
    pub duplicates: u64,
    /// The measures of the distinct readings, one per column; empty if the row has only duplicates.
    pub measures: Vec<Measure>,
    /// The part of the log the row was computed from.
    pub source: Arc<SourceRange>,
}

/// The range of one shard's log that a row was computed from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRange {
    /// The stream: its ARN, which differs between regions and accounts.
    pub stream: String,
    /// Id of the shard.
    pub shard: String,
    /// The first and last record.
    pub range: SequenceRange,
    /// The first record whose readings were in the dedup cache, if it comes before `range`: then
    /// this is not the first source range of its window.
    pub dedup_from: Option<SequenceNumber>,
}

/// A measure of a row, in the form that merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A measure that merges by itself: a sum, a minimum or a maximum.
    Value(Value),
    /// The parts of an average.
    Average {
        /// The sum of the values.
        sum: Decimal,
        /// The number of values.
        count: u64,
    },
    /// The value of the first or last reading.
    Ordered {
        /// The value.
        value: Value,
        /// The order of its reading. Boxed, since few measures have one.
        order: Box<ReadingOrder<'static>>,
    },
}

impl Measure {
    /// Merges the measure of other readings into this one. Measures of different types stay as they
    /// are; the rows of one schema have none.
    pub fn merge(&mut self, kind: MeasureKind, scope: MergeScope, other: &Self) {
        match (kind, self, other) {
            (_, _, Self::Value(Value::Null)) => {}
            (_, held @ Self::Value(Value::Null), other) => held.clone_from(other),
            (
                MeasureKind::Sum,
                Self::Value(Value::Number(sum)),
                Self::Value(Value::Number(other)),
            ) => *sum = sum.plus(*other),
            (MeasureKind::Min, Self::Value(value), Self::Value(other)) if other < value => {
                value.clone_from(other);
            }
            (MeasureKind::Max, Self::Value(value), Self::Value(other)) if other > value => {
                value.clone_from(other);
            }
            (
                MeasureKind::Average,
                Self::Average { sum, count },
                Self::Average {
                    sum: other_sum,
                    count: other_count,
                },
            ) => {
                *sum = sum.plus(*other_sum);
                *count = count.saturating_add(*other_count);
            }
            (MeasureKind::First, held, other) if other.compare(held, scope).is_lt() => {
                held.clone_from(other);
            }
            (MeasureKind::Last, held, other) if other.compare(held, scope).is_gt() => {
                held.clone_from(other);
            }
            _ => {}
        }
    }

    /// Compares the readings that two ordered measures are of. Over several shards, they may have
    /// the same order; then the values decide, so that the merge does not depend on the order of the
    /// rows.
    fn compare(&self, other: &Self, scope: MergeScope) -> Ordering {
        match (self, other) {
            (
                Self::Ordered { value, order },
                Self::Ordered {
                    value: other_value,
                    order: other_order,
                },
            ) => order
                .compare(other_order, scope)
                .then_with(|| value.cmp(other_value)),
            _ => Ordering::Equal,
        }
    }

    /// The finished value. [`Value::Null`] if there are no values, or the average has more digits
    /// than a number can.
    pub fn finish(&self, measure_type: MeasureType) -> Value {
        match (self, measure_type) {
            (Self::Value(value) | Self::Ordered { value, .. }, _) => value.clone(),
            (Self::Average { sum, count }, MeasureType::Average { places, .. }) => sum
                .divided_by(*count, places)
                .map_or(Value::Null, Value::Number),
            (Self::Average { .. }, _) => Value::Null,
        }
    }
}

/// What orders readings: where a reading is in its shard's log, and when it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadingOrder<'a> {
    /// The sequence number of its record.
    pub sequence_number: Cow<'a, str>,
    /// Its index in the record.
    pub index: u32,
    /// When the sensor took it, or when the record arrived if readings have no time.
    pub time: Timestamp,
}

/// Which readings a merge combines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeScope {
    /// Those of one shard, which the log orders.
    SameShard,
    /// Those of several shards, which only their times order.
    AcrossShards,
}

impl ReadingOrder<'_> {
    /// The order by itself.
    pub fn into_owned(self) -> ReadingOrder<'static> {
        ReadingOrder {
            sequence_number: self.sequence_number.into_owned().into(),
            ..self
        }
    }

    /// Compares two readings.
    pub fn compare(&self, other: &ReadingOrder<'_>, scope: MergeScope) -> Ordering {
        let log = || {
            let numbers = sequence::compare(&self.sequence_number, &other.sequence_number);
            numbers.then(self.index.cmp(&other.index))
        };
        let time = self.time.cmp(&other.time);
        match scope {
            MergeScope::SameShard => log().then(time),
            MergeScope::AcrossShards => time.then_with(log),
        }
    }
}

/// The longest text of a key in the partition attribute. DynamoDB allows 2 KB.
const LONGEST_KEY: usize = 1024;

impl Row {
    /// The canonical line, with a newline at its end: the JSON object as it is sent.
    ///
    /// Columns come in the order of the schema, then `Source`. A column without a value is left
    /// out.
    pub fn to_line(&self, schema: &Schema) -> Vec<u8> {
        let mut line = Vec::with_capacity(512);
        self.write_line(schema, &mut line);
        line.push(b'\n');
        line
    }

    fn write_line(&self, schema: &Schema, out: &mut Vec<u8>) {
        out.push(b'{');
        for (column, value) in schema.key().iter().zip(&self.key) {
            write_field(&column.name, value, out);
        }
        write_text_field(schema.time(), &self.window_start.to_string(), out);
        let measures = || schema.measures().iter().zip(&self.measures);
        for (column, measure) in measures() {
            match measure {
                Measure::Value(value) | Measure::Ordered { value, .. } => {
                    write_field(&column.name, value, out);
                }
                Measure::Average { .. } => {
                    write_field(&column.name, &measure.finish(column.measure_type), out);
                }
            }
        }
        write_name(SOURCE, out);
        self.write_source(measures(), out);
        out.push(b'}');
    }

    fn write_source<'a>(
        &self,
        measures: impl Iterator<Item = (&'a MeasureColumn, &'a Measure)>,
        out: &mut Vec<u8>,
    ) {
        let SourceRange {
            stream,
            shard,
            range,
            dedup_from,
        } = &*self.source;
        out.push(b'{');
        write_text_field("Stream", stream, out);
        write_text_field("Shard", shard, out);
        write_text_field("From", range.from().as_str(), out);
        write_text_field("To", range.to().as_str(), out);
        if let Some(dedup_from) = dedup_from {
            write_text_field("DedupFrom", dedup_from.as_str(), out);
        }
        write_count("Readings", self.readings, out);
        if self.duplicates > 0 {
            write_count("Duplicates", self.duplicates, out);
        }
        write_count("WindowSeconds", self.window_seconds.into(), out);
        let mut has_parts = false;
        for (column, measure) in measures {
            if let Measure::Value(_) = measure {
                continue;
            }
            if !has_parts {
                write_name("Parts", out);
                out.push(b'{');
                has_parts = true;
            }
            write_name(&column.name, out);
            write_parts(measure, out);
        }
        if has_parts {
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// The hash of the canonical line without its newline: 64 bits, so that two unequal
    /// rows practically never have the same one.
    pub fn hash(&self, schema: &Schema) -> RowHash {
        let mut line = Vec::with_capacity(512);
        self.write_line(schema, &mut line);
        first_eight(&Sha256::digest(line))
    }

    /// The value of the table's sort attribute, which is called as the schema's time: the window's
    /// start, `#`, and the [hash](Self::hash) as 16 hex digits. Unequal rows do not share a key, and
    /// equal ones overwrite each other.
    pub fn sort_value(&self, schema: &Schema) -> String {
        [
            &self.window_start.to_string(),
            "#",
            &hex(&self.hash(schema)),
        ]
        .concat()
    }

    /// The value of the table's [partition attribute](Schema::partition_attribute): the key's only
    /// column if that is text, otherwise the JSON array of its columns, or the SHA-256 of that in
    /// hex if it is longer than 1 KB.
    pub fn partition_value(&self, schema: &Schema) -> Cow<'_, str> {
        if let [Value::Text(text)] = self.key.as_slice()
            && schema.has_text_key()
        {
            return Cow::Borrowed(text);
        }
        Cow::Owned(key_text(&self.key))
    }
}

/// The text of a key: the JSON array of its columns, or the SHA-256 of that in hex if it is longer
/// than 1 KB.
pub fn key_text(key: &[Value]) -> String {
    let array = key_array(key.iter().map(FieldValue::from));
    if array.len() > LONGEST_KEY {
        return hex(&Sha256::digest(array));
    }
    array
}

fn first_eight(digest: &[u8]) -> RowHash {
    digest.first_chunk().copied().unwrap_or_default()
}

/// Appends the parts of a measure that does not merge by itself.
fn write_parts(measure: &Measure, out: &mut Vec<u8>) {
    out.push(b'{');
    match measure {
        Measure::Value(_) => {}
        Measure::Average { sum, count } => {
            write_name("Sum", out);
            sum.append_to(out);
            write_count("Count", *count, out);
        }
        Measure::Ordered { order, .. } => {
            write_text_field("SequenceNumber", &order.sequence_number, out);
            write_count("Index", order.index.into(), out);
            write_text_field("Time", &order.time.to_exact_string(), out);
        }
    }
    out.push(b'}');
}

/// Appends a comma, if needed, and the name of a field.
fn write_name(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    json::write_text(name, out);
    out.push(b':');
}

fn write_field(name: &str, value: &Value, out: &mut Vec<u8>) {
    if !value.is_null() {
        write_name(name, out);
        value.write_json(out);
    }
}

fn write_text_field(name: &str, text: &str, out: &mut Vec<u8>) {
    write_name(name, out);
    json::write_text(text, out);
}

fn write_count(name: &str, count: u64, out: &mut Vec<u8>) {
    write_name(name, out);
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
}
