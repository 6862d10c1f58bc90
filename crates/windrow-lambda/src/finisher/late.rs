//! The rows of finished windows of which rows arrived late.

use std::collections::{BTreeMap, BTreeSet};

use windrow_core::row::{MergedRow, Row, merge, rows};
use windrow_core::schema::Schema;
use windrow_core::sequence;
use windrow_read::ShardRecord;

use super::progress::{FinishAttempt, Progress};
use super::windows::WindowSpan;

/// The rows of finished windows of which rows arrived late: all those that were read before, and all.
pub(super) struct LateRows<'a> {
    schema: &'a Schema,
    before: &'a Progress,
    attempt: &'a FinishAttempt,
    windows: &'a BTreeSet<WindowSpan>,
    /// For each row whether it was read before.
    rows: BTreeMap<WindowSpan, Vec<(Row, bool)>>,
    /// How many rows these are, and how many may be held.
    count: usize,
    most: usize,
}

impl<'a> LateRows<'a> {
    pub(super) fn new(
        schema: &'a Schema,
        before: &'a Progress,
        attempt: &'a FinishAttempt,
        windows: &'a BTreeSet<WindowSpan>,
        most: usize,
    ) -> Self {
        Self {
            schema,
            before,
            attempt,
            windows,
            rows: BTreeMap::new(),
            count: 0,
            most,
        }
    }

    /// Takes a record of a shard, unless it came after the attempt.
    pub(super) fn take(&mut self, shard: &str, record: &ShardRecord) {
        if !self.attempt.covers(shard, &record.sequence_number) {
            return;
        }
        let read = self.before.shards.get(shard);
        let read = read.and_then(|progress| progress.read.as_deref());
        let was_read =
            read.is_some_and(|read| sequence::compare(&record.sequence_number, read).is_le());
        for (_, row) in rows(self.schema, &record.data) {
            let Ok(row) = row else { continue };
            let window = WindowSpan::of(&row);
            if self.windows.contains(&window) && !self.are_too_many() {
                self.rows.entry(window).or_default().push((row, was_read));
                self.count += 1;
            }
        }
    }

    /// Whether these are more rows than may be held.
    pub(super) fn are_too_many(&self) -> bool {
        self.count > self.most
    }

    /// Each window, with the merged rows of what was read before, and of everything.
    pub(super) fn windows(
        self,
    ) -> impl Iterator<Item = (WindowSpan, Vec<MergedRow>, Vec<MergedRow>)> {
        let schema = self.schema;
        self.rows.into_iter().map(move |(window, rows)| {
            let before = rows.iter().filter(|(_, was_read)| *was_read);
            let before = merge(schema, before.map(|(row, _)| row.clone()));
            let after = merge(schema, rows.into_iter().map(|(row, _)| row));
            (window, before, after)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::ShardProgress;
    use super::super::testing::{SHARD, rows, schema};
    use super::*;

    #[test]
    fn late_rows_are_merged_with_those_that_were_read_before() {
        let schema = schema();
        let mut before = Progress::default();
        let shard = ShardProgress {
            finished: Some("5".to_owned()),
            read: Some("5".to_owned()),
            ended_at: 0,
        };
        before.shards.insert(SHARD.to_owned(), shard);
        let attempt = FinishAttempt {
            through: None,
            read: BTreeMap::from([(SHARD.to_owned(), "6".to_owned())]),
        };
        let windows = BTreeSet::from([WindowSpan {
            end: 1000,
            start: 0,
        }]);
        let mut late = LateRows::new(&schema, &before, &attempt, &windows, 100);
        late.take(SHARD, &rows(5, &[("Attic", 0), ("Attic", 1)]));
        late.take(SHARD, &rows(6, &[("Loft", 0), ("Attic", 0)]));
        late.take(SHARD, &rows(7, &[("Cellar", 0)]));
        assert!(!late.are_too_many());
        let merged: Vec<_> = late.windows().collect();
        let sizes = merged
            .iter()
            .map(|(_, before, after)| (before.len(), after.len()));
        assert_eq!(sizes.collect::<Vec<_>>(), [(1, 2)]);
    }
}
