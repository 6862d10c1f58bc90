//! Compares the rows with the logs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use soak::oracle::{self, OracleKey, OracleRow};
use unicorn::merge::merge;
use windrow_lambda::processor::row::from_item;
use windrow_local::faults::{FaultKind, Faults};

use crate::traffic::Sent;

/// What to compare.
pub(crate) struct Evidence<'a> {
    pub(crate) kinesis: &'a aws_sdk_kinesis::Client,
    pub(crate) dynamodb: &'a aws_sdk_dynamodb::Client,
    pub(crate) streams: &'a [String],
    pub(crate) table: &'a str,
    /// The folder of the rejects' archive.
    pub(crate) rejects: &'a Path,
    pub(crate) window_millis: i64,
    pub(crate) sent: &'a Sent,
}

/// The result of the comparison.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    sent: u64,
    again: u64,
    acknowledged: u64,
    distinct: u64,
    in_rows: u64,
    across_boundary: u64,
    lost: u64,
    twice: u64,
    wrong: u64,
    inexact: u64,
    table_rows: u64,
    broken: u64,
    broken_lost: u64,
}

impl Checked {
    /// Reads the logs, the table and the rejects, and compares them.
    pub(crate) async fn of(evidence: &Evidence<'_>) -> anyhow::Result<Self> {
        let mut log = Vec::new();
        for stream in evidence.streams {
            log.extend(oracle::read_log(evidence.kinesis, stream).await?);
        }
        let lines = log.iter().flat_map(|record| {
            std::str::from_utf8(&record.data)
                .unwrap_or_default()
                .lines()
        });
        let identities: HashSet<(String, String)> = lines.filter_map(oracle::identity).collect();
        let expected = oracle::expected(&log, evidence.window_millis);

        let mut rows = Vec::new();
        let mut pages = evidence
            .dynamodb
            .scan()
            .table_name(evidence.table)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for item in page?.items() {
                rows.push(from_item(item)?);
            }
        }
        let table_rows = rows.len() as u64;
        let merged_rows = merge(rows);
        let inexact = merged_rows.iter().filter(|merged| !merged.exact).count() as u64;
        let found = oracle::by_window(merged_rows);

        let sent = evidence.sent;
        let in_windows: u64 = expected.values().map(|measures| measures.readings).sum();
        let not_logged = sent
            .acknowledged
            .iter()
            .filter(|identity| !identities.contains(*identity));
        let rejected = rejected(evidence.rejects)?;
        let mut checked = Self {
            sent: sent.readings,
            again: sent.again,
            acknowledged: sent.acknowledged.len() as u64,
            distinct: identities.len() as u64,
            in_rows: found.values().map(|measures| measures.readings).sum(),
            across_boundary: in_windows - identities.len() as u64,
            lost: not_logged.count() as u64,
            inexact,
            table_rows,
            broken: sent.broken.len() as u64,
            broken_lost: sent.broken.difference(&rejected).count() as u64,
            ..Self::default()
        };
        checked.compare(&expected, &found);
        Ok(checked)
    }

    /// Compares each window with the logs.
    fn compare(
        &mut self,
        expected: &BTreeMap<OracleKey, OracleRow>,
        found: &BTreeMap<OracleKey, OracleRow>,
    ) {
        for (window_key, expected) in expected {
            let Some(found) = found.get(window_key) else {
                self.lost += expected.readings;
                continue;
            };
            self.lost += expected.readings.saturating_sub(found.readings);
            self.twice += found.readings.saturating_sub(expected.readings);
            self.wrong += u64::from(expected != found);
        }
        for (window_key, found) in found {
            if !expected.contains_key(window_key) {
                self.twice += found.readings;
            }
        }
    }

    /// Whether nothing was lost, counted twice, or otherwise wrong.
    pub(crate) fn is_exact(&self) -> bool {
        [self.lost, self.twice, self.wrong, self.broken_lost] == [0; 4]
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in [
            ("sent", self.sent),
            ("sent again on purpose", self.again),
            ("acknowledged", self.acknowledged),
            ("distinct, in the logs", self.distinct),
            ("in rows", self.in_rows),
            ("duplicates across a boundary", self.across_boundary),
            ("lost", self.lost),
            ("counted twice", self.twice),
            ("windows with wrong values", self.wrong),
            ("windows marked inexact", self.inexact),
            ("rows in the table", self.table_rows),
            ("broken lines acknowledged", self.broken),
            ("broken lines not in the rejects", self.broken_lost),
        ] {
            writeln!(formatter, "{what:<32}{count:>10}")?;
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
