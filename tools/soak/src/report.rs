//! Compares the rows with the logs.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use audit::compare::{Difference, DifferenceKind, compare_between};
use audit::expected::{ExpectedWindows, LogFold};
use audit::measures::AuditTotals;
use audit::windows::AuditWindows;
use soak::finished::FinishedCheck;
use soak::log::{Identity, fold_log, identities};
use soak::outputs::OutputCheck;
use soak::rows::{KeyWindow, flat, merge_twice};
use windrow_core::row::Row;
use windrow_core::schema::Schema;
use windrow_core::value::FieldValue;
use windrow_local::faults::{FaultKind, Faults};

use crate::SoakState;
use crate::phase::Evidence;
use crate::sensors::TrafficSensor;

/// The result of the comparison.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    sent: u64,
    again: u64,
    respelled: u64,
    acknowledged: u64,
    distinct: u64,
    in_rows: u64,
    across_boundary: u64,
    lost: u64,
    twice: u64,
    wrong: u64,
    /// Duplicates that count because the first occurrence was evicted.
    after_eviction: u64,
    /// The most that may do so.
    evictable: u64,
    gaps: u64,
    /// Those in which nothing is missing.
    false_gaps: u64,
    /// Windows of which readers see something else than the audit.
    merged_differently: u64,
    table_rows: u64,
    later_ranges: u64,
    phases: u64,
    redriven: u64,
    broken: u64,
    broken_lost: u64,
    outputs: OutputCheck,
    finished: FinishedCheck,
    /// A few of the windows that are wrong, or marked although nothing is lost.
    examples: Vec<String>,
}

/// How many wrong windows to print.
const MOST_EXAMPLES: usize = 10;

impl Checked {
    /// Compares the rows and the rejects with the logs. `held` is how many readings the dedup cache
    /// surely holds, if not all, and `rejects` the folder of the rejects' archive.
    pub(crate) fn of<S: TrafficSensor>(
        sensor: &S,
        evidence: Evidence,
        windows: AuditWindows,
        held: Option<usize>,
        rejects: &Path,
    ) -> anyhow::Result<Self> {
        let telling_apart = sensor.telling_apart();
        let log = evidence.log.iter();
        let identities: HashSet<Identity> = log
            .flat_map(|record| identities(&telling_apart, &record.data))
            .collect();
        let fold = || LogFold::new(sensor, windows, i64::MIN..i64::MAX);
        let least = fold_log(&evidence.log, fold());
        let most = fold_log(&evidence.log, fold().with_held(held));

        let is_later = |row: &&Row| row.source.dedup_from.is_some();
        let later_ranges = evidence.rows.iter().filter(is_later).count() as u64;
        let table_rows = evidence.rows.len() as u64;
        let other_lengths = other_lengths(sensor.schema(), &least, &evidence.rows);
        let merged = merge_twice(sensor.schema(), evidence.rows);

        let sent = &evidence.sent;
        let in_windows = readings_of(&least);
        let not_logged = sent
            .acknowledged
            .iter()
            .filter(|identity| !identities.contains(*identity));
        let rejected = rejected(rejects, S::NAME)?;
        let mut checked = Self {
            sent: sent.readings,
            again: sent.again,
            respelled: sent.respelled,
            acknowledged: sent.acknowledged.len() as u64,
            distinct: identities.len() as u64,
            in_rows: flat(&merged.found)
                .map(|(_, window)| window.totals.readings)
                .sum(),
            across_boundary: in_windows - identities.len() as u64,
            lost: not_logged.count() as u64,
            evictable: readings_of(&most) - in_windows,
            merged_differently: merged.merged_differently.len() as u64,
            table_rows,
            later_ranges,
            phases: evidence.phases,
            redriven: evidence.redriven,
            broken: sent.broken.len() as u64,
            broken_lost: sent.broken.difference(&rejected).count() as u64,
            outputs: evidence.outputs,
            finished: evidence.finished,
            ..Self::default()
        };
        for window_key in &other_lengths {
            checked.wrong += 1;
            checked.example(window_key, "a row says another length of the window");
        }
        checked.after_eviction = checked.in_rows.saturating_sub(in_windows);
        for difference in compare_between(sensor.schema(), &least, &most, &merged.found) {
            checked.add(&difference);
        }
        // Everything is drained, so any gap is wrong, even one that only duplicates are missing in.
        for (window_key, _) in flat(&merged.found).filter(|(_, window)| window.gap) {
            checked.gaps += 1;
            checked.example(&window_key, "marked as incomplete");
        }
        for window_key in &merged.merged_differently {
            checked.example(window_key, "the audit merges its rows differently");
        }
        Ok(checked)
    }

    /// Counts a difference.
    fn add(&mut self, difference: &Difference) {
        let Difference {
            key,
            start,
            kind,
            log,
            rows,
        } = difference;
        let readings =
            |totals: &Option<AuditTotals>| totals.as_ref().map_or(0, |totals| totals.readings);
        match kind {
            DifferenceKind::NoRow => self.lost += readings(log),
            DifferenceKind::NotInLog => self.twice += readings(rows),
            DifferenceKind::Missing { readings } => self.lost += readings,
            DifferenceKind::CountedTwice { readings } => self.twice += readings,
            DifferenceKind::FalseGap => self.false_gaps += 1,
            // The others are about items, which are rows here.
            _ => self.wrong += 1,
        }
        let window_key = (key.clone(), start.unwrap_or_default());
        let problem = format!("{kind}: expected {log:?}, found {rows:?}");
        self.example(&window_key, &problem);
    }

    fn example(&mut self, (key, window): &KeyWindow, problem: &str) {
        if self.examples.len() < MOST_EXAMPLES {
            self.examples
                .push(format!("{key:?} at {window}: {problem}"));
        }
    }

    /// Whether nothing was lost, counted twice, merged differently, or otherwise wrong. A mark on a
    /// row whose readings are all there is wrong too.
    pub(crate) fn is_exact(&self) -> bool {
        [
            self.lost,
            self.twice,
            self.wrong,
            self.gaps,
            self.false_gaps,
            self.merged_differently,
            self.broken_lost,
        ] == [0; 7]
            && self.outputs.is_right()
            && self.finished.is_right()
    }

    /// What the run was to test but did not.
    pub(crate) fn untested(&self, state: SoakState) -> Vec<&'static str> {
        let is_small = state != SoakState::Deployed;
        [
            ("duplicates in another spelling", true, self.respelled),
            ("rows of later source ranges", is_small, self.later_ranges),
            (
                "duplicates after an eviction",
                state == SoakState::Evicting,
                self.after_eviction,
            ),
        ]
        .into_iter()
        .filter(|(_, is_expected, count)| *is_expected && *count == 0)
        .map(|(what, ..)| what)
        .collect()
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in [
            ("sent", self.sent),
            ("sent again on purpose", self.again),
            ("of them in another spelling", self.respelled),
            ("acknowledged", self.acknowledged),
            ("distinct, in the logs", self.distinct),
            ("in rows", self.in_rows),
            ("duplicates across a boundary", self.across_boundary),
            ("duplicates after an eviction", self.after_eviction),
            ("at most", self.evictable),
            ("lost", self.lost),
            ("counted twice", self.twice),
            ("windows with wrong values", self.wrong),
            ("windows with a gap", self.gaps),
            ("of them with nothing missing", self.false_gaps),
            ("windows merged differently", self.merged_differently),
            ("rows in the table", self.table_rows),
            ("of later source ranges", self.later_ranges),
            ("records redriven", self.redriven),
            ("starts of the cloud", self.phases),
            ("broken lines acknowledged", self.broken),
            ("broken lines not in the rejects", self.broken_lost),
        ] {
            writeln!(formatter, "{what:<32}{count:>10}")?;
        }
        for example in &self.examples {
            writeln!(formatter, "{example}")?;
        }
        if self.outputs != OutputCheck::default() {
            self.outputs.fmt(formatter)?;
        }
        if self.finished != FinishedCheck::default() {
            self.finished.fmt(formatter)?;
        }
        Ok(())
    }
}

/// The windows of which a row says another length than the log.
fn other_lengths(schema: &Schema, expected: &ExpectedWindows, rows: &[Row]) -> BTreeSet<KeyWindow> {
    let mut found = BTreeSet::new();
    for row in rows {
        let key: Vec<FieldValue<'_>> = row.key.iter().map(FieldValue::from).collect();
        let (key, start) = (schema.key_text(&key), row.window_start.millis());
        let window = expected.get(&*key).and_then(|windows| windows.get(&start));
        let length = i64::from(row.window_seconds) * 1000;
        if window.is_some_and(|window| window.length != length) {
            found.insert((key.into_owned(), start));
        }
    }
    found
}

/// How many readings count.
fn readings_of(expected: &ExpectedWindows) -> u64 {
    let windows = expected.values().flat_map(|windows| windows.values());
    windows.map(|window| window.totals.readings).sum()
}

/// Formats how often each fault was injected.
pub(crate) fn injections(faults: &Faults) -> String {
    FaultKind::ALL
        .into_iter()
        .map(|kind| format!("{:<32}{:>10}\n", kind.name(), faults.injected(kind)))
        .collect()
}

/// Reads the names of the broken lines in the rejects, which are in this field.
fn rejected(folder: &Path, field: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in std::fs::read_to_string(&path)?.lines() {
                let rejected: serde_json::Value = serde_json::from_str(line)?;
                let payload = rejected["Payload"].as_str().unwrap_or_default();
                let payload: serde_json::Value = serde_json::from_str(payload).unwrap_or_default();
                if let Some(name) = payload[field].as_str() {
                    found.insert(name.to_owned());
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use audit::windows::WindowBy;
    use bytes::Bytes;
    use soak::log::LoggedRecord;
    use unicorn::row::parse;
    use unicorn::sensor::Unicorn;

    use super::*;

    const ARRIVAL: i64 = 1_795_166_229_000;

    /// A log of a reading that came three times.
    fn log() -> Vec<LoggedRecord> {
        let line = br#"{"Name":"Franky","StatusTime":"2026-11-20 09:17:08","Distance":2,"MagicPoints":9,"HealthPoints":7}"#;
        let record = |number: i64| LoggedRecord {
            place: ("wildrydes".to_owned(), "0".to_owned()),
            sequence_number: number.to_string(),
            arrival: ARRIVAL + number,
            data: Bytes::from_static(line),
        };
        [1, 2, 3].map(record).to_vec()
    }

    /// A row of a range of that log.
    fn row(range: [u8; 2], readings: u8, metres: u8) -> Row {
        let [from, to] = range;
        let start = windrow_core::time::Timestamp::from_millis(ARRIVAL / 60_000 * 60_000);
        let duplicates = to - from + 1 - readings;
        let line = format!(
            "{{\"Name\":\"Franky\",\"StatusTime\":\"{start}\",\"Distance\":{metres},\"MinMagicPoints\":9,\"MaxMagicPoints\":9,\"MinHealthPoints\":7,\"MaxHealthPoints\":7,\"Source\":{{\"Stream\":\"arn\",\"Shard\":\"0\",\"From\":\"{from}\",\"To\":\"{to}\",\"Readings\":{readings},\"Duplicates\":{duplicates},\"WindowSeconds\":60}}}}"
        );
        parse(line.as_bytes()).unwrap()
    }

    fn checked(rows: Vec<Row>, held: Option<usize>) -> Checked {
        let evidence = Evidence {
            log: log(),
            rows,
            ..Evidence::default()
        };
        let windows = AuditWindows::new(Duration::from_secs(60), WindowBy::Arrival);
        let folder = tempfile::tempdir().unwrap();
        Checked::of(&Unicorn, evidence, windows, held, folder.path()).unwrap()
    }

    #[test]
    fn every_difference_fails_the_run() {
        assert!(checked(vec![row([1, 3], 1, 2)], None).is_exact());
        let lost = checked(Vec::new(), None);
        assert_eq!((lost.lost, lost.is_exact()), (1, false));
        let twice = checked(vec![row([1, 3], 2, 4)], None);
        assert_eq!((twice.twice, twice.is_exact()), (1, false));
        let wrong = checked(vec![row([1, 3], 1, 3)], None);
        assert_eq!((wrong.wrong, wrong.is_exact()), (1, false));
        let other_length = Row {
            window_seconds: 30,
            ..row([1, 3], 1, 2)
        };
        let other_length = checked(vec![other_length], None);
        assert_eq!((other_length.wrong, other_length.is_exact()), (1, false));
        // Each end of the log is in one row, and the record between them in both.
        let gap = checked(
            vec![row([1, 2], 1, 2), row([2, 3], 1, 2), row([2, 2], 1, 2)],
            None,
        );
        assert!(gap.gaps == 1 && !gap.is_exact(), "{gap}");
    }

    #[test]
    fn duplicates_may_count_after_an_eviction_but_no_more_often() {
        let twice = checked(vec![row([1, 3], 2, 4)], Some(2));
        assert!(twice.is_exact(), "{twice}");
        assert_eq!((twice.after_eviction, twice.evictable), (1, 1));
        let wrong = checked(vec![row([1, 3], 2, 5)], Some(2));
        assert_eq!((wrong.wrong, wrong.is_exact()), (1, false));
        let thrice = checked(vec![row([1, 3], 3, 6)], Some(2));
        assert_eq!((thrice.twice, thrice.is_exact()), (1, false));
    }
}
