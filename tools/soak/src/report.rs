//! Compares the rows with the logs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use soak::oracle::{self, OracleKey, OracleRow, OracleRules};
use unicorn::merge::merge;
use windrow_core::row::Row;
use windrow_local::faults::{FaultKind, Faults};

use crate::SoakState;
use crate::phase::Evidence;

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
    table_rows: u64,
    later_ranges: u64,
    phases: u64,
    redriven: u64,
    broken: u64,
    broken_lost: u64,
    /// A few of the windows that are wrong, or marked although nothing is lost.
    examples: Vec<String>,
}

/// How many wrong windows to print.
const MOST_EXAMPLES: usize = 10;

impl Checked {
    /// Compares the rows and the rejects with the logs. `rejects` is the folder of the rejects'
    /// archive.
    pub(crate) fn of(
        evidence: Evidence,
        rules: OracleRules,
        rejects: &Path,
    ) -> anyhow::Result<Self> {
        let lines = evidence.log.iter().flat_map(|record| {
            std::str::from_utf8(&record.data)
                .unwrap_or_default()
                .lines()
        });
        let identities: HashSet<(String, String)> = lines.filter_map(oracle::identity).collect();
        let most = oracle::fold(&evidence.log, rules);
        let all_held = OracleRules {
            held: None,
            ..rules
        };
        let expected = oracle::fold(&evidence.log, all_held);

        let rows = evidence.rows;
        let table_rows = rows.len() as u64;
        let is_later = |row: &&Row| row.source.dedup_from.is_some();
        let later_ranges = rows.iter().filter(is_later).count() as u64;
        let merged_rows = merge(rows);
        let marked = merged_rows.iter().filter(|merged| merged.gap);
        let marked: Vec<OracleKey> = marked
            .map(|merged| (merged.name.clone(), merged.window_start.millis()))
            .collect();
        let found = oracle::by_window(merged_rows);

        let sent = &evidence.sent;
        let in_windows: u64 = expected.values().map(|measures| measures.readings).sum();
        let not_logged = sent
            .acknowledged
            .iter()
            .filter(|identity| !identities.contains(*identity));
        let rejected = rejected(rejects)?;
        let mut checked = Self {
            sent: sent.readings,
            again: sent.again,
            respelled: sent.respelled,
            acknowledged: sent.acknowledged.len() as u64,
            distinct: identities.len() as u64,
            in_rows: found.values().map(|measures| measures.readings).sum(),
            across_boundary: in_windows - identities.len() as u64,
            lost: not_logged.count() as u64,
            gaps: marked.len() as u64,
            table_rows,
            later_ranges,
            phases: evidence.phases,
            redriven: evidence.redriven,
            broken: sent.broken.len() as u64,
            broken_lost: sent.broken.difference(&rejected).count() as u64,
            ..Self::default()
        };
        checked.after_eviction = checked.in_rows.saturating_sub(in_windows);
        let evictable = most.values().map(|measures| measures.readings).sum::<u64>();
        checked.evictable = evictable - in_windows;
        checked.compare(&expected, &most, &found);
        for window_key in &marked {
            checked.example(window_key, "marked as incomplete");
        }
        Ok(checked)
    }

    /// Compares each window with the logs. `most` also counts every duplicate whose first
    /// occurrence may have been evicted from the dedup cache.
    fn compare(
        &mut self,
        expected: &BTreeMap<OracleKey, OracleRow>,
        most: &BTreeMap<OracleKey, OracleRow>,
        found: &BTreeMap<OracleKey, OracleRow>,
    ) {
        for (window_key, expected) in expected {
            let (Some(found), Some(most)) = (found.get(window_key), most.get(window_key)) else {
                self.lost += expected.readings;
                self.example(window_key, &format!("expected {expected:?}, found none"));
                continue;
            };
            if found.readings < expected.readings || found.readings > most.readings {
                self.example(
                    window_key,
                    &format!("expected {expected:?}, found {found:?}"),
                );
            }
            self.lost += expected.readings.saturating_sub(found.readings);
            self.twice += found.readings.saturating_sub(most.readings);
            let distances = expected.micrometres..=most.micrometres;
            let correct = expected.points == found.points && distances.contains(&found.micrometres);
            self.wrong += u64::from(!correct);
        }
        for (window_key, found) in found {
            if !expected.contains_key(window_key) {
                self.twice += found.readings;
            }
        }
    }

    fn example(&mut self, (name, window): &OracleKey, problem: &str) {
        if self.examples.len() < MOST_EXAMPLES {
            self.examples
                .push(format!("{name:?} at {window}: {problem}"));
        }
    }

    /// Whether nothing was lost, counted twice, or otherwise wrong. A mark on a row whose readings
    /// are all there is wrong too.
    pub(crate) fn is_exact(&self) -> bool {
        [
            self.lost,
            self.twice,
            self.wrong,
            self.gaps,
            self.broken_lost,
        ] == [0; 5]
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
        Ok(())
    }
}

/// Formats how often each fault was injected.
pub(crate) fn injections(faults: &Faults) -> String {
    FaultKind::ALL
        .into_iter()
        .map(|kind| format!("{:<32}{:>10}\n", kind.name(), faults.injected(kind)))
        .collect()
}

/// Reads the names of the broken lines in the rejects.
fn rejected(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
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
                if let Some(name) = payload["Name"].as_str() {
                    found.insert(name.to_owned());
                }
            }
        }
    }
    Ok(found)
}
