//! Whether rows prove that the chosen ones do not cover a whole window.
//!
//! Each row fixes how many readings are between its ends, and nowhere are there fewer than zero.
//! The fewest readings that the log can hold follow from that, as a longest path along its
//! positions.

use std::collections::{BTreeSet, VecDeque};

use super::AuditRow;
use crate::position::LogPosition;

/// Whether the log holds more than `covered` readings, whatever else it holds. False if the rows
/// contradict each other.
pub(super) fn is_proven(rows: &[&AuditRow], covered: u128) -> bool {
    // A position is in front of a record.
    let ends = rows.iter().flat_map(|row| [row.from, row.to.next()]);
    let positions: BTreeSet<LogPosition> = ends.collect();
    let positions: Vec<LogPosition> = positions.into_iter().collect();
    let index = |position| positions.partition_point(|other| *other < position);

    // From each position, at least how many readings there are up to another one.
    let mut at_least: Vec<Vec<(usize, i128)>> = vec![Vec::new(); positions.len()];
    for from in 1..positions.len() {
        at_least[from - 1].push((from, 0));
    }
    for row in rows {
        let (from, to) = (index(row.from), index(row.to.next()));
        let readings = i128::try_from(row.covered()).unwrap_or(i128::MAX);
        at_least[from].push((to, readings));
        at_least[to].push((from, -readings));
    }
    let fewest = longest_path(&at_least);
    fewest.is_some_and(|fewest| u128::try_from(fewest).is_ok_and(|fewest| fewest > covered))
}

/// The length of the longest path from the first node to the last; `None` if a cycle has a positive
/// length.
fn longest_path(edges: &[Vec<(usize, i128)>]) -> Option<i128> {
    let mut lengths: Vec<Option<i128>> = vec![None; edges.len()];
    let mut hops = vec![0; edges.len()];
    let mut changed = VecDeque::from([0]);
    *lengths.first_mut()? = Some(0);
    while let Some(from) = changed.pop_front() {
        let Some(length) = lengths[from] else {
            continue;
        };
        for (to, readings) in &edges[from] {
            let longer = length.saturating_add(*readings);
            if lengths[*to].is_some_and(|known| known >= longer) {
                continue;
            }
            // Without a positive cycle, no path needs to visit a node twice.
            let path = hops[from] + 1;
            if path >= edges.len() {
                return None;
            }
            lengths[*to] = Some(longer);
            hops[*to] = path;
            changed.push_back(*to);
        }
    }
    lengths.last().copied().flatten()
}
