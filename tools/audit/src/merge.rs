//! Merges the rows of a window by the rule that readers follow, without their code.
//!
//! Of one shard's rows, those count that do not overlap and together cover the most readings,
//! duplicates included; of such choices, the one with the fewest distinct readings; of such, the
//! one whose rows have the smallest hashes, compared from the end of the log.

mod gap;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::measures::{AuditTotals, PlaceOrder};
use crate::position::LogPosition;

/// A row of the table, as this program sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The text of the key.
    pub key: String,
    /// Start of the window, in milliseconds since the epoch.
    pub start: i64,
    /// Length of the window in seconds.
    pub seconds: u32,
    /// The stream: its ARN.
    pub stream: String,
    /// The shard.
    pub shard: String,
    /// The first record that the row was computed from.
    pub from: LogPosition,
    /// The last record.
    pub to: LogPosition,
    /// The totals of its distinct readings.
    pub totals: AuditTotals,
    /// How many readings it left out as duplicates.
    pub duplicates: u64,
    /// The row's hash.
    pub hash: [u8; 8],
}

impl AuditRow {
    /// How many readings are in its range.
    fn covered(&self) -> u128 {
        u128::from(self.totals.readings) + u128::from(self.duplicates)
    }
}

/// What the rows say about one key and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundWindow {
    /// The totals that readers see.
    pub totals: AuditTotals,
    /// How many readings the rows cover, duplicates included, if that is known.
    pub covered: Option<u128>,
    /// Whether readers are told that readings are missing.
    pub gap: bool,
}

/// What readers see, by the text of the key and start of the window.
pub type FoundWindows = BTreeMap<String, BTreeMap<i64, FoundWindow>>;

/// Merges all rows of one key and window. They may come in any order and more than once.
pub fn merge_rows(rows: &[AuditRow]) -> FoundWindow {
    let mut logs: BTreeMap<(&str, &str), Vec<&AuditRow>> = BTreeMap::new();
    for row in rows {
        let log = (row.stream.as_str(), row.shard.as_str());
        logs.entry(log).or_default().push(row);
    }
    let mut totals = AuditTotals::default();
    let (mut covered, mut gap) = (0, false);
    for rows in logs.into_values() {
        let counted = counted_rows(&rows);
        let covered_here: u128 = counted.iter().map(|row| row.covered()).sum();
        covered += covered_here;
        gap |= gap::is_proven(&rows, covered_here);
        let mut of_shard = AuditTotals::default();
        for row in counted {
            of_shard.add(&row.totals, PlaceOrder::Log);
        }
        totals.add(&of_shard, PlaceOrder::Time);
    }
    FoundWindow {
        totals,
        covered: Some(covered),
        gap,
    }
}

/// Merges the rows of all windows, which may come in any order and more than once.
pub fn merge_windows(rows: impl IntoIterator<Item = AuditRow>) -> FoundWindows {
    let mut windows: BTreeMap<String, BTreeMap<i64, Vec<AuditRow>>> = BTreeMap::new();
    for row in rows {
        let key = windows.entry(row.key.clone()).or_default();
        key.entry(row.start).or_default().push(row);
    }
    let merged = |windows: BTreeMap<i64, Vec<AuditRow>>| {
        let windows = windows.into_iter();
        windows
            .map(|(start, rows)| (start, merge_rows(&rows)))
            .collect()
    };
    let windows = windows.into_iter();
    windows
        .map(|(key, windows)| (key, merged(windows)))
        .collect()
}

/// A choice among the rows that start at or after some position.
#[derive(Clone, Copy, Default)]
struct RestChoice {
    covered: u128,
    readings: u128,
    /// The number of its first row in the list of links.
    first: Option<usize>,
}

/// A chosen row, and the link of the one after it.
struct RestLink {
    row: usize,
    next: Option<usize>,
}

/// The rows of one shard that count.
///
/// Sorted by their starts, the best choice among the rows from one on either leaves that row out or
/// takes it, followed by the best choice among the rows that start after its end.
fn counted_rows<'a>(rows: &[&'a AuditRow]) -> Vec<&'a AuditRow> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.from);
    let mut links: Vec<RestLink> = Vec::with_capacity(rows.len());
    // best[n] is the best choice among the rows from the nth on.
    let mut best = vec![RestChoice::default(); rows.len() + 1];
    for index in (0..rows.len()).rev() {
        let row = rows[index];
        let rest = best[rows.partition_point(|other| other.from <= row.to)];
        links.push(RestLink {
            row: index,
            next: rest.first,
        });
        let with = RestChoice {
            covered: rest.covered + row.covered(),
            readings: rest.readings + u128::from(row.totals.readings),
            first: Some(links.len() - 1),
        };
        let without = best[index + 1];
        let order = with.covered.cmp(&without.covered);
        let order = order.then(without.readings.cmp(&with.readings));
        let order = order.then_with(|| {
            let hashes = |choice: RestChoice| {
                let chosen = chosen_rows(&rows, &links, choice);
                let backwards = chosen.iter().rev().map(|row| row.hash);
                backwards.collect::<Vec<_>>()
            };
            hashes(without).cmp(&hashes(with))
        });
        best[index] = match order {
            Ordering::Greater => with,
            _ => without,
        };
    }
    chosen_rows(&rows, &links, best[0])
}

/// The rows of a choice, in the order of the log.
fn chosen_rows<'a>(
    rows: &[&'a AuditRow],
    links: &[RestLink],
    choice: RestChoice,
) -> Vec<&'a AuditRow> {
    let mut chosen = Vec::new();
    let mut next = choice.first;
    while let Some(link) = next.map(|link| &links[link]) {
        chosen.push(rows[link.row]);
        next = link.next;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(number: u64) -> LogPosition {
        LogPosition::parse(&number.to_string()).unwrap()
    }

    fn row(from: u64, to: u64, readings: u64, duplicates: u64, hash: u8) -> AuditRow {
        AuditRow {
            key: "Shadowfax".to_owned(),
            start: 0,
            seconds: 60,
            stream: "wildrydes".to_owned(),
            shard: "0".to_owned(),
            from: position(from),
            to: position(to),
            totals: AuditTotals {
                readings,
                ..AuditTotals::default()
            },
            duplicates,
            hash: [hash; 8],
        }
    }

    fn hashes<'a>(rows: impl IntoIterator<Item = &'a AuditRow>) -> Vec<u8> {
        rows.into_iter().map(|row| row.hash[0]).collect()
    }

    fn counted(rows: &[AuditRow]) -> Vec<u8> {
        hashes(counted_rows(&rows.iter().collect::<Vec<_>>()))
    }

    #[test]
    fn the_most_covered_readings_decide_then_the_fewest_distinct_then_hashes() {
        assert_eq!(counted(&[]), [0; 0]);
        let partial = row(1, 5, 30, 0, 1);
        assert_eq!(counted(&[partial.clone(), row(1, 9, 60, 0, 2)]), [2]);
        let rows = [partial, row(6, 9, 30, 0, 2), row(1, 7, 40, 0, 3)];
        assert_eq!(counted(&rows), [1, 2]);
        assert_eq!(counted(&[row(1, 9, 60, 0, 1), row(1, 9, 59, 1, 2)]), [2]);
        let rows = [
            row(1, 4, 4, 0, 1),
            row(5, 9, 5, 0, 5),
            row(1, 6, 6, 0, 3),
            row(7, 9, 3, 0, 4),
        ];
        assert_eq!(counted(&rows), [3, 4]);
    }

    #[test]
    fn windows_are_merged_by_key_and_start() {
        let other = AuditRow {
            key: "Bucephalus".to_owned(),
            ..row(1, 5, 7, 0, 1)
        };
        let next = AuditRow {
            start: 60_000,
            ..row(6, 9, 5, 0, 1)
        };
        let rows = [
            row(6, 9, 30, 0, 2),
            other,
            row(1, 5, 30, 0, 1),
            next,
            row(6, 9, 30, 0, 2),
        ];
        let found = merge_windows(rows);
        let found = found.into_iter().flat_map(|(key, windows)| {
            let windows = windows.into_iter();
            windows.map(move |(start, found)| (key.clone(), start, found.totals.readings))
        });
        assert_eq!(
            found.collect::<Vec<_>>(),
            [
                ("Bucephalus".to_owned(), 0, 7),
                ("Shadowfax".to_owned(), 0, 60),
                ("Shadowfax".to_owned(), 60_000, 5),
            ]
        );
    }

    /// The best of all sets of rows that do not overlap, by trying each.
    fn exhaustive(rows: &[AuditRow]) -> Vec<u8> {
        let mut best: Option<(u128, i128, Vec<u8>)> = None;
        for set in 0..1_u32 << rows.len() {
            let mut chosen: Vec<&AuditRow> = (0..rows.len())
                .filter(|index| set >> index & 1 == 1)
                .map(|index| &rows[index])
                .collect();
            chosen.sort_by_key(|row| row.from);
            if chosen.windows(2).any(|pair| pair[1].from <= pair[0].to) {
                continue;
            }
            let covered: u128 = chosen.iter().map(|row| row.covered()).sum();
            let readings: u64 = chosen.iter().map(|row| row.totals.readings).sum();
            let backwards = hashes(chosen.into_iter().rev());
            let rank = (covered, -i128::from(readings));
            let is_better = best.as_ref().is_none_or(|(covered, readings, hashes)| {
                let best = (*covered, *readings);
                rank > best || (rank == best && backwards < *hashes)
            });
            if is_better {
                best = Some((rank.0, rank.1, backwards));
            }
        }
        let (_, _, mut hashes) = best.unwrap_or_default();
        hashes.reverse();
        hashes
    }

    proptest! {
        #[test]
        fn counted_rows_are_the_best(
            rows in proptest::collection::vec((0..20_u64, 0..8_u64, 0..4_u64, 0..2_u64), 0..9),
        ) {
            let rows: Vec<AuditRow> = rows
                .into_iter()
                .map(|(from, length, readings, duplicates)| {
                    let readings = readings.max(1 - duplicates);
                    let mixed = from * 131 + length * 31 + readings * 7 + duplicates;
                    row(from, from + length, readings, duplicates, (mixed * 97 % 251) as u8)
                })
                .collect();
            let best = exhaustive(&rows);
            prop_assert_eq!(&counted(&rows), &best);
            let reversed: Vec<AuditRow> = rows.iter().rev().cloned().collect();
            prop_assert_eq!(&counted(&reversed), &best);
            prop_assert_eq!(merge_rows(&reversed), merge_rows(&rows));
        }

        /// The rows of some ranges of a log with these readings per record.
        #[test]
        fn a_gap_is_only_claimed_where_readings_are_missing(
            log in proptest::collection::vec(0..5_u64, 1..12),
            ranges in proptest::collection::vec((0..12_usize, 0..12_usize), 1..9),
        ) {
            let ranges = ranges.into_iter().map(|(one, other)| {
                let (one, other) = (one % log.len(), other % log.len());
                (one.min(other), one.max(other))
            });
            let rows: Vec<AuditRow> = ranges
                .map(|(from, to)| {
                    let readings = log[from..=to].iter().sum();
                    row(from as u64, to as u64, readings, 0, 0)
                })
                .filter(|row| row.totals.readings > 0)
                .collect();
            let found = merge_rows(&rows);
            let all: u64 = log.iter().sum();
            prop_assert!(found.totals.readings <= all);
            prop_assert!(!found.gap || found.totals.readings < all);
        }
    }
}
