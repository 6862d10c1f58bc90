//! Whether rows prove that records are missing from a selection.
//!
//! How many readings each record of the log holds is unknown, but every row fixes the number in its
//! range. The lowest total that fits all rows is a longest path: between two places in the log lie
//! at least zero readings, and between the ends of a row exactly as many as it covers, so at most
//! as many backwards.

use super::{RangedRow, covered};
use crate::sequence::SequenceNumber;

/// From one place to another, there are at least `readings`.
struct AtLeast {
    from: usize,
    to: usize,
    readings: i128,
}

/// Whether the rows' ranges hold more readings than `selected`, duplicates included. False if the
/// rows contradict each other, as rows of different data do.
pub(super) fn is_proven<R: RangedRow>(rows: &[R], selected: u128) -> bool {
    let all = rows.iter().map(covered).fold(0, u128::saturating_add);
    if all == selected {
        return false;
    }
    let (bounds, places) = bounds(rows);
    let mut lowest = vec![0_i128; places];
    // Without a contradiction, no path needs to visit a place twice.
    for _ in 0..=places {
        let mut has_changed = false;
        for bound in &bounds {
            let at_least = lowest[bound.from].saturating_add(bound.readings);
            if at_least > lowest[bound.to] {
                lowest[bound.to] = at_least;
                has_changed = true;
            }
        }
        if !has_changed {
            let total = lowest.last().copied().unwrap_or_default() - lowest[0];
            return u128::try_from(total).is_ok_and(|total| total > selected);
        }
    }
    false
}

/// The bounds that rows set, and the number of places between which they are. A place is in front
/// of a record; places are numbered in the order of the log.
fn bounds<R: RangedRow>(rows: &[R]) -> (Vec<AtLeast>, usize) {
    let ends = rows
        .iter()
        .map(|row| (row.range().from().clone(), row.range().to().next()));
    let ends: Vec<(SequenceNumber, SequenceNumber)> = ends.collect();
    let mut places: Vec<&SequenceNumber> = ends.iter().flat_map(|(from, to)| [from, to]).collect();
    places.sort_unstable();
    places.dedup();
    let number = |place: &SequenceNumber| places.partition_point(|other| *other < place);

    let neighbours = (1..places.len()).map(|to| AtLeast {
        from: to - 1,
        to,
        readings: 0,
    });
    let exact = rows.iter().zip(&ends).flat_map(|(row, (from, to))| {
        let readings = i128::try_from(covered(row)).unwrap_or(i128::MAX);
        let (from, to) = (number(from), number(to));
        let backwards = AtLeast {
            from: to,
            to: from,
            readings: -readings,
        };
        [AtLeast { from, to, readings }, backwards]
    });
    let mut bounds: Vec<AtLeast> = neighbours.chain(exact).collect();
    // In the order of the log, most paths are found in the first pass.
    bounds.sort_by_key(|bound| (bound.from, bound.to));
    (bounds, places.len())
}
