//! The rows of outputs without windows, compared with what the log of readings says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use windrow_core::sensor::readings;
use windrow_core::time::Timestamp;
use windrow_record::Unpacker;
use windrow_sql::output::RowId;
use windrow_sql::sensor::SqlSensor;

use crate::log::LoggedRecord;

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputCheck {
    /// How many rows there must be.
    pub expected: u64,
    /// How many lines there are. A row may be written several times.
    pub lines: u64,
    /// Rows that are missing.
    pub lost: u64,
    /// Lines that are not one of the rows, or differ from it.
    pub wrong: u64,
    /// Rows that first occur before a row that comes before them in their shard.
    pub disordered: u64,
    /// A few of the lines and rows that are wrong.
    pub examples: Vec<String>,
}

/// How many examples to keep.
const MOST_EXAMPLES: usize = 10;

/// The rows that must be in an output, by id: the shard of the readings, the index among the rows of
/// that, and the line.
type ExpectedRows = HashMap<String, (String, usize, String)>;

impl OutputCheck {
    /// Compares the logs of the outputs, by their names, with the log of a stream of readings.
    pub fn of(
        sensor: &SqlSensor,
        log: &[LoggedRecord],
        outputs: &BTreeMap<String, Vec<LoggedRecord>>,
    ) -> Self {
        let mut check = Self::default();
        let mut expected = expected_rows(sensor, log);
        for (output, records) in outputs {
            check.compare(output, expected.remove(output).unwrap_or_default(), records);
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
        self.lost += other.lost;
        self.wrong += other.wrong;
        self.disordered += other.disordered;
        self.examples.extend(other.examples);
        self.examples.truncate(MOST_EXAMPLES);
    }

    /// Whether all rows are there, in order, with their values.
    pub fn is_right(&self) -> bool {
        [self.lost, self.wrong, self.disordered] == [0; 3]
    }

    fn compare(&mut self, output: &str, expected: ExpectedRows, records: &[LoggedRecord]) {
        self.expected += expected.len() as u64;
        let mut found: HashSet<&str> = HashSet::new();
        let mut next: HashMap<&str, usize> = HashMap::new();
        for record in records {
            let text = std::str::from_utf8(&record.data).unwrap_or_default();
            for line in text.split_inclusive('\n') {
                self.lines += 1;
                let row = id_of(line).and_then(|id| expected.get_key_value(&id));
                let Some((id, (shard, index, right))) = row else {
                    self.wrong += 1;
                    self.example(output, "not a row of the log", line);
                    continue;
                };
                if line != right {
                    self.wrong += 1;
                    self.example(output, right, line);
                }
                if found.insert(id) {
                    let next = next.entry(shard).or_default();
                    if next != index {
                        self.disordered += 1;
                        self.example(output, "out of order", line);
                    }
                    *next = index + 1;
                }
            }
        }
        for (id, (.., line)) in &expected {
            if !found.contains(id.as_str()) {
                self.lost += 1;
                self.example(output, "missing", line);
            }
        }
    }

    fn example(&mut self, output: &str, problem: &str, line: &str) {
        if self.examples.len() < MOST_EXAMPLES {
            let (problem, line) = (problem.trim_end(), line.trim_end());
            self.examples.push(format!("{output}: {problem}: {line}"));
        }
    }
}

impl fmt::Display for OutputCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in [
            ("rows without windows", self.expected),
            ("lines of such rows", self.lines),
            ("such rows lost", self.lost),
            ("such rows with wrong values", self.wrong),
            ("such rows out of order", self.disordered),
        ] {
            writeln!(formatter, "{what:<32}{count:>10}")?;
        }
        for example in &self.examples {
            writeln!(formatter, "{example}")?;
        }
        Ok(())
    }
}

fn id_of(line: &str) -> Option<String> {
    let row: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(row["RowId"].as_str()?.to_owned())
}

/// The rows that each output must have.
fn expected_rows(sensor: &SqlSensor, log: &[LoggedRecord]) -> BTreeMap<String, ExpectedRows> {
    let mut expected: BTreeMap<String, ExpectedRows> = BTreeMap::new();
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    let mut unpacker = Unpacker::default();
    for record in log {
        let (stream, shard) = &record.place;
        let place = format!("{stream}/{shard}");
        let arrival = Timestamp::from_millis(record.arrival);
        unpacker.unpack(&record.data, |payload| {
            let Ok(data) = payload.data else { return };
            let user_record = payload.user_record;
            let mut index = 0;
            let parsed = readings(sensor, data).filter_map(|(_, reading)| reading.ok().flatten());
            for reading in parsed {
                sensor.stateless_rows(&reading, arrival, |row| {
                    let Ok(row) = row else { return };
                    let id = RowId {
                        stream,
                        shard,
                        sequence_number: &record.sequence_number,
                        sub_sequence_number: user_record
                            .map_or(0, |user_record| user_record.sub_sequence_number),
                        index,
                    };
                    index += 1;
                    let mut line = Vec::new();
                    row.write_line(id, &mut line);
                    let output = &row.stream.name;
                    let count = counts.entry((output.clone(), place.clone())).or_default();
                    let line = String::from_utf8(line).unwrap_or_default();
                    let rows = expected.entry(output.clone()).or_default();
                    rows.insert(id.to_string(), (place.clone(), *count, line));
                    *count += 1;
                });
            }
        });
    }
    expected
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use windrow_sql::input::InputSchema;

    use super::*;

    fn logged(stream: &str, number: u64, data: &str) -> LoggedRecord {
        LoggedRecord {
            place: (stream.to_owned(), "shard".to_owned()),
            sequence_number: number.to_string(),
            arrival: 0,
            data: Bytes::from(data.to_owned()),
        }
    }

    fn checked(lines: &[&str]) -> [u64; 5] {
        let schema = r#"{"RecordColumns":[{"Name":"X","SqlType":"INTEGER"}]}"#;
        let sql = "CREATE STREAM a (x INTEGER);
            CREATE PUMP p AS INSERT INTO a SELECT STREAM x FROM source_sql_stream_001 WHERE x > 1";
        let sensor = SqlSensor::new(sql, InputSchema::parse(schema).unwrap()).unwrap();
        let log = [
            logged("s", 1, r#"{"X":1} {"X":2}"#),
            logged("s", 2, r#"{"X":3} {"X":4}"#),
        ];
        let records = lines.iter().map(|lines| logged("a", 1, lines));
        let outputs = BTreeMap::from([("A".to_owned(), records.collect())]);
        let check = OutputCheck::of(&sensor, &log, &outputs);
        [
            check.expected,
            check.lines,
            check.lost,
            check.wrong,
            check.disordered,
        ]
    }

    #[test]
    fn rows_may_come_again_but_not_late() {
        let [first, second, third] = [
            "{\"X\":2,\"RowId\":\"s/shard/1/0/0\"}\n",
            "{\"X\":3,\"RowId\":\"s/shard/2/0/0\"}\n",
            "{\"X\":4,\"RowId\":\"s/shard/2/0/1\"}\n",
        ];
        let (both, all) = (
            format!("{first}{second}"),
            format!("{first}{second}{third}"),
        );
        assert_eq!(checked(&[&all]), [3, 3, 0, 0, 0]);
        assert_eq!(checked(&[&both, first, &all]), [3, 6, 0, 0, 0]);
        assert_eq!(checked(&[&both]), [3, 2, 1, 0, 0]);
        assert_eq!(checked(&[first, third, second]), [3, 3, 0, 0, 2]);
        let other = third.replace('4', "5");
        assert_eq!(checked(&[&both, &other, "{}\n"]), [3, 4, 0, 2, 0]);
    }
}
