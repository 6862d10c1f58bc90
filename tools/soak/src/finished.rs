//! The finished rows of windows, compared with what all rows of the windows say.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::Value;
use windrow_core::row::{MergedRow, merge, rows};
use windrow_lambda::finisher::WindowOutputs;

use crate::log::LoggedRecord;

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinishedCheck {
    /// How many finished rows there must be.
    pub expected: u64,
    /// How many lines there are. A row may be written several times.
    pub lines: u64,
    /// How many of these are of a row that was written with a lower revision before.
    pub revised: u64,
    /// Rows that are missing.
    pub lost: u64,
    /// Rows whose highest revision differs from them, and lines that are not one of them.
    pub wrong: u64,
    /// Lines of one row and revision that differ.
    pub contradicting: u64,
    /// How long after the end of its window each row was first written, in milliseconds. Rows of
    /// windows that were closed early are left out.
    pub latencies: Vec<i64>,
    /// A few of the rows that are wrong.
    pub examples: Vec<String>,
}

/// How many examples to keep.
const MOST_EXAMPLES: usize = 10;

/// A row with its highest revision.
struct LatestRow {
    revision: u64,
    line: Value,
    /// When its first revision arrived.
    first: i64,
}

/// The end of the window of each row, in milliseconds since the epoch, and its JSON, by its id.
type ExpectedFinished = HashMap<String, (i64, Value)>;

impl FinishedCheck {
    /// Compares the logs of the outputs, by their names, with the log of the stream of rows.
    pub fn of(
        outputs: &impl WindowOutputs,
        summaries: &[LoggedRecord],
        finished: &BTreeMap<String, Vec<LoggedRecord>>,
    ) -> Self {
        let mut check = Self::default();
        let mut expected = expected_rows(outputs, summaries);
        check.expected = expected.values().map(|rows| rows.len() as u64).sum();
        for (output, records) in finished {
            let rows = expected.remove(output).unwrap_or_default();
            check.compare(output, rows, records);
        }
        for (output, rows) in expected {
            check.compare(&output, rows, &[]);
        }
        check
    }

    /// Adds the result of another comparison.
    pub fn add(&mut self, other: Self) {
        self.expected += other.expected;
        self.lines += other.lines;
        self.revised += other.revised;
        self.lost += other.lost;
        self.wrong += other.wrong;
        self.contradicting += other.contradicting;
        self.latencies.extend(other.latencies);
        self.examples.extend(other.examples);
        self.examples.truncate(MOST_EXAMPLES);
    }

    /// The latency that so many percent of the rows have at most, in milliseconds; `None` without
    /// rows.
    pub fn latency(&self, percent: usize) -> Option<i64> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get(last * percent / 100).copied()
    }

    /// Whether the highest revision of every row is right.
    pub fn is_right(&self) -> bool {
        [self.lost, self.wrong, self.contradicting] == [0; 3]
    }

    fn compare(&mut self, output: &str, mut expected: ExpectedFinished, records: &[LoggedRecord]) {
        let latest = self.latest(output, records);
        for (id, row) in latest {
            let mut line = row.line;
            let is_removed = line.get("Removed").is_some();
            if let Some(fields) = line.as_object_mut() {
                fields.remove("RowId");
                fields.remove("Revision");
            }
            match expected.remove(&id) {
                None if is_removed => {}
                Some((end, right)) if right == line => {
                    let latency = row.first - end;
                    self.latencies.extend((latency > 0).then_some(latency));
                }
                other => {
                    self.wrong += 1;
                    let right = other.map_or("no row".to_owned(), |(_, right)| right.to_string());
                    self.example(output, &right, &format!("{id}: {line}"));
                }
            }
        }
        for (id, (_, right)) in expected {
            self.lost += 1;
            self.example(output, &right.to_string(), &format!("{id}: missing"));
        }
    }

    /// The highest revision of each row, by its id.
    fn latest(&mut self, output: &str, records: &[LoggedRecord]) -> HashMap<String, LatestRow> {
        let mut latest: HashMap<String, LatestRow> = HashMap::new();
        for record in records {
            let lines = record.data.split_inclusive(|byte| *byte == b'\n');
            for text in lines {
                self.lines += 1;
                let line: Value = serde_json::from_slice(text).unwrap_or_default();
                let (id, revision) = (line["RowId"].as_str(), line["Revision"].as_u64());
                let (Some(id), Some(revision)) = (id, revision) else {
                    self.wrong += 1;
                    let text = String::from_utf8_lossy(text).into_owned();
                    self.example(output, "a row with id and revision", &text);
                    continue;
                };
                let id = id.to_owned();
                let Some(known) = latest.get_mut(&id) else {
                    let row = LatestRow {
                        revision,
                        line,
                        first: record.arrival,
                    };
                    latest.insert(id, row);
                    continue;
                };
                if known.revision == revision && known.line != line {
                    self.contradicting += 1;
                    self.example(output, &known.line.to_string(), &line.to_string());
                }
                known.first = known.first.min(record.arrival);
                if known.revision < revision {
                    self.revised += 1;
                    known.revision = revision;
                    known.line = line;
                }
            }
        }
        latest
    }

    fn example(&mut self, output: &str, right: &str, found: &str) {
        if self.examples.len() < MOST_EXAMPLES {
            self.examples
                .push(format!("{output}: {found}; it must be {right}"));
        }
    }
}

impl fmt::Display for FinishedCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in [
            ("finished rows", self.expected),
            ("lines of finished rows", self.lines),
            ("finished rows revised", self.revised),
            ("finished rows lost", self.lost),
            ("finished rows wrong", self.wrong),
            ("finished rows contradicting", self.contradicting),
        ] {
            writeln!(formatter, "{what:<32}{count:>10}")?;
        }
        if let (Some(half), Some(most)) = (self.latency(50), self.latency(99)) {
            let what = "written after the window's end";
            writeln!(formatter, "{what:<32}{half:>10} ms p50, {most} ms p99")?;
        }
        for example in &self.examples {
            writeln!(formatter, "{example}")?;
        }
        Ok(())
    }
}

/// The rows that each output must have.
fn expected_rows(
    outputs: &impl WindowOutputs,
    summaries: &[LoggedRecord],
) -> BTreeMap<String, ExpectedFinished> {
    let schema = outputs.schema();
    let parsed = summaries
        .iter()
        .flat_map(|record| rows(schema, &record.data))
        .filter_map(|(_, row)| row.ok());
    let mut windows: BTreeMap<_, Vec<MergedRow>> = BTreeMap::new();
    for row in merge(schema, parsed) {
        let window = (row.window_start, row.window_seconds);
        windows.entry(window).or_default().push(row);
    }
    let mut expected: BTreeMap<String, ExpectedFinished> = BTreeMap::new();
    for ((start, seconds), merged) in windows {
        let end = start.millis() + i64::from(seconds) * 1000;
        for row in outputs.finish(&merged) {
            let mut json = row.fields;
            json.push(b'}');
            let json = serde_json::from_slice(&json).unwrap_or_default();
            let of_output = expected.entry(row.output.as_ref().to_owned()).or_default();
            of_output.insert(row.id, (end, json));
        }
    }
    expected
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
    use windrow_core::value::{ColumnType, NumberType};
    use windrow_lambda::finisher::MergedOutput;

    use super::*;

    fn record(data: &str) -> LoggedRecord {
        LoggedRecord {
            place: ("s".to_owned(), "0".to_owned()),
            sequence_number: "1".to_owned(),
            arrival: 0,
            data: Bytes::from(data.to_owned()),
        }
    }

    fn checked(lines: &[&str]) -> [u64; 6] {
        let key = vec![KeyColumn::new("Room", ColumnType::Text)];
        let highest = MeasureColumn::max("Highest", ColumnType::Number(NumberType::I32));
        let schema = Schema::new(key, "WindowStart", vec![highest]).unwrap();
        let outputs = MergedOutput::new(&Arc::new(schema), "windows");
        let row = r#"{"Room":"Attic","WindowStart":"2026-11-20 09:17:00.000","Highest":7,"Source":{"Stream":"s","Shard":"0","From":"1","To":"2","Readings":3,"WindowSeconds":60}}"#;
        let lines = lines.iter().map(|line| record(line)).collect();
        let finished = BTreeMap::from([("windows".to_owned(), lines)]);
        let check = FinishedCheck::of(&outputs, &[record(row)], &finished);
        [
            check.expected,
            check.lines,
            check.revised,
            check.lost,
            check.wrong,
            check.contradicting,
        ]
    }

    #[test]
    fn the_highest_revision_counts() {
        let line = |highest: u32, revision: u32| {
            format!(
                "{{\"Room\":\"Attic\",\"WindowStart\":\"2026-11-20 09:17:00.000\",\"Highest\":{highest},\
                 \"RowId\":\"2026-11-20 09:17:00.000/60/[\\\"Attic\\\"]\",\"Revision\":{revision}}}\n"
            )
        };
        let (early, right) = (line(3, 1), line(7, 6));
        assert_eq!(checked(&[&right]), [1, 1, 0, 0, 0, 0]);
        assert_eq!(checked(&[&early, &right, &early]), [1, 3, 1, 0, 0, 0]);
        assert_eq!(checked(&[&right, &early]), [1, 2, 0, 0, 0, 0]);
        assert_eq!(checked(&[]), [1, 0, 0, 1, 0, 0]);
        assert_eq!(checked(&[&early]), [1, 1, 0, 0, 1, 0]);
        assert_eq!(checked(&[&right, &line(8, 6)]), [1, 2, 0, 0, 0, 1]);
        assert_eq!(checked(&[&right, "{}\n"]), [1, 2, 0, 0, 1, 0]);
        let removed = r#"{"RowId":"gone","Revision":3,"Removed":true}"#;
        assert_eq!(checked(&[&right, removed]), [1, 2, 0, 0, 0, 0]);
    }
}
