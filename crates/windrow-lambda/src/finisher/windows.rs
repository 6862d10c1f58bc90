//! The rows of windows that are not finished.

use std::collections::{BTreeMap, BTreeSet};

use windrow_core::row::{MergedRow, Row, Summary, merge, summaries};
use windrow_core::schema::Schema;
use windrow_core::sequence;
use windrow_read::ShardRecord;

use super::progress::{FinishAttempt, Progress, name_of};

/// How many rows an attempt has, if there are so many. The table is written to for each.
const ATTEMPT_ROWS: usize = 10_000;

/// By how much a time must differ from that in the table, to be written for itself.
const WORTH_WRITING_MILLIS: i64 = 60_000;

/// A window, in milliseconds since the epoch. Ordered by its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WindowSpan {
    pub(super) end: i64,
    pub(super) start: i64,
}

impl WindowSpan {
    pub(super) fn of(row: &Row) -> Self {
        let start = row.window_start.millis();
        let length = i64::from(row.window_seconds).saturating_mul(1000);
        Self {
            end: start.saturating_add(length),
            start,
        }
    }
}

/// What one pass over the stream of rows found: from the first row that is not finished to the end.
pub(super) struct OpenWindows<'a> {
    schema: &'a Schema,
    /// The progress before the pass.
    before: &'a Progress,
    /// The progress so far; only the watermarks change during the pass.
    progress: Progress,
    rows: BTreeMap<WindowSpan, Vec<Row>>,
    /// How many rows these are, and how many may be held.
    count: usize,
    most: usize,
    /// Windows that end at this time or later are left out, since there are too many rows.
    cut: Option<i64>,
    /// Windows that start before are left out, since some of their rows were not read.
    first_start: i64,
    /// Finished windows that have new rows.
    pub(super) late: BTreeSet<WindowSpan>,
    shards: BTreeMap<String, ShardPass>,
}

/// The records of one shard.
#[derive(Default)]
struct ShardPass {
    /// The last end of a window in each record.
    records: Vec<(String, Option<i64>)>,
}

impl<'a> OpenWindows<'a> {
    /// Holds at most `most` rows, of windows that start at `first_start` or later.
    pub(super) fn new(
        schema: &'a Schema,
        before: &'a Progress,
        most: usize,
        first_start: i64,
    ) -> Self {
        Self {
            schema,
            before,
            progress: before.clone(),
            rows: BTreeMap::new(),
            count: 0,
            most,
            cut: None,
            first_start,
            late: BTreeSet::new(),
            shards: BTreeMap::new(),
        }
    }

    /// Takes a record of a shard, unless it came after an [attempt](Progress::attempt) that is to be
    /// repeated. The records of a shard come in order, after [`finished`](ShardProgress::finished).
    pub(super) fn take(&mut self, shard: &str, record: ShardRecord) {
        let attempt = self.before.attempt.as_ref();
        if attempt.is_some_and(|attempt| !attempt.covers(shard, &record.sequence_number)) {
            return;
        }
        let progress = self.before.shards.get(shard);
        let finished = progress.and_then(|progress| progress.finished.as_deref());
        if finished
            .is_some_and(|finished| sequence::compare(&record.sequence_number, finished).is_le())
        {
            return;
        }
        let read = progress.and_then(|progress| progress.read.as_deref());
        let is_new =
            read.is_none_or(|read| sequence::compare(&record.sequence_number, read).is_gt());
        let finished_through = self.before.finished_through.unwrap_or(i64::MIN);
        let mut latest = None;
        for summary in summaries(self.schema, &record.data) {
            let row = match summary {
                Summary::Row(_, Ok(row)) => row,
                // The processor rejects it.
                Summary::Row(_, Err(_)) => continue,
                Summary::Watermark(watermark) => {
                    let through = watermark.through.millis();
                    self.progress
                        .raise(watermark.stream, watermark.shard, through);
                    continue;
                }
            };
            let window = WindowSpan::of(&row);
            if window.start < self.first_start {
                continue;
            }
            if window.end > finished_through {
                latest = latest.max(Some(window.end));
                self.hold(window, row);
            } else if is_new {
                self.late.insert(window);
            }
        }
        let pass = self.shards.entry(shard.to_owned()).or_default();
        pass.records.push((record.sequence_number, latest));
    }

    fn hold(&mut self, window: WindowSpan, row: Row) {
        if self.cut.is_some_and(|cut| window.end >= cut) {
            return;
        }
        self.rows.entry(window).or_default().push(row);
        self.count += 1;
        while self.count > self.most && self.rows.len() > 1 {
            let Some((window, rows)) = self.rows.pop_last() else {
                return;
            };
            self.count -= rows.len();
            self.cut = Some(window.end);
            // Windows that end at the same time are left out together.
            while let Some(entry) = self.rows.last_entry()
                && entry.key().end >= window.end
            {
                self.count -= entry.remove().len();
            }
        }
    }

    /// Whether rows of later windows were left out.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// The end of the first windows, if their rows alone are too many.
    pub(super) fn too_many(&self) -> Option<i64> {
        match self.ends().next() {
            Some(end) => (self.count > self.most).then_some(end),
            None => self.cut,
        }
    }

    /// The ends of the windows that are not finished.
    pub(super) fn ends(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.rows.keys().map(|window| window.end)
    }

    /// Until when shards of a stream of readings were found to have no records.
    pub(super) fn found_idle(&mut self, stream: &str, shards: BTreeMap<String, i64>) {
        let of_stream = self.progress.idle.entry(stream.to_owned()).or_default();
        for (shard, until) in shards {
            let before = of_stream.get(&shard).copied().unwrap_or_default();
            of_stream.insert(shard, later(before, until));
        }
    }

    /// Takes the merged rows of the first window, if that ends by `time`.
    pub(super) fn pop(&mut self, time: i64) -> Option<(WindowSpan, Vec<MergedRow>)> {
        let first = self.rows.first_entry()?;
        if first.key().end > time {
            return None;
        }
        let (window, rows) = first.remove_entry();
        Some((window, merge(self.schema, rows)))
    }

    /// What to write next: the first windows of those that end by `time`, with so many rows that it
    /// pays to write down the attempt.
    pub(super) fn attempt(&self, time: i64) -> FinishAttempt {
        let read_before = self.before.shards.iter().filter_map(|(shard, progress)| {
            let read = progress.read.clone()?;
            Some((shard.clone(), read))
        });
        let mut read: BTreeMap<String, String> = read_before.collect();
        for (shard, pass) in &self.shards {
            if let Some((last, _)) = pass.records.last() {
                read.insert(shard.clone(), last.clone());
            }
        }
        FinishAttempt {
            through: self.first_ends(time),
            read,
        }
    }

    fn first_ends(&self, time: i64) -> Option<i64> {
        let mut through = None;
        let mut rows = 0;
        let complete = self
            .rows
            .iter()
            .take_while(|(window, _)| window.end <= time);
        for (window, of_window) in complete {
            if rows > ATTEMPT_ROWS && through != Some(window.end) {
                break;
            }
            through = Some(window.end);
            rows += of_window.len();
        }
        through
    }

    /// The progress once all windows that end by `time` are finished, and all late rows. Leaves out
    /// shards that are no longer `listed`.
    ///
    /// If all shards were read to their ends, `ended_at` is when that began.
    pub(super) fn progress(
        &self,
        time: Option<i64>,
        listed: &ListedShards,
        ended_at: Option<i64>,
    ) -> Progress {
        let mut progress = self.progress.clone();
        progress.attempt = None;
        progress.finished_through = progress.finished_through.max(time);
        let finished_through = progress.finished_through.unwrap_or(i64::MIN);
        for (shard, pass) in &self.shards {
            let progress = progress.shards.entry(shard.clone()).or_default();
            for (sequence_number, latest) in &pass.records {
                if latest.is_some_and(|latest| latest > finished_through) {
                    break;
                }
                progress.finished = Some(sequence_number.clone());
            }
            if let Some((last, _)) = pass.records.last() {
                progress.read = Some(last.clone());
            }
        }
        let shards = &mut progress.shards;
        shards.retain(|shard, _| listed.summaries.contains(shard));
        for shard in ended_at.iter().flat_map(|_| &listed.summaries) {
            let shard = shards.entry(shard.clone()).or_default();
            shard.ended_at = later(shard.ended_at, ended_at.unwrap_or_default());
        }
        for (stream, of_stream) in &mut progress.idle {
            if let Some(listed) = listed.readings.get(stream) {
                of_stream.retain(|shard, _| listed.contains(shard));
            }
        }
        for (stream, of_stream) in &mut progress.watermarks {
            if let Some(listed) = listed.readings.get(name_of(stream)) {
                of_stream.retain(|shard, _| listed.contains(shard));
            }
        }
        progress.watermarks.retain(|_, shards| !shards.is_empty());
        progress
    }
}

/// `time`, if that is a good deal later than `before`: not so much is worth a write to the table.
pub(super) fn later(before: i64, time: i64) -> i64 {
    if time.saturating_sub(before) < WORTH_WRITING_MILLIS {
        return before;
    }
    time
}

/// The shards that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListedShards {
    /// Those of the stream of rows.
    pub(super) summaries: BTreeSet<String>,
    /// Those of each stream of readings that was listed, by its name.
    pub(super) readings: BTreeMap<String, BTreeSet<String>>,
}

#[cfg(test)]
mod tests {
    use windrow_core::row::ShardWatermark;
    use windrow_core::time::Timestamp;

    use super::super::testing::{ARN, SHARD, record, rows, schema};
    use super::*;

    fn opened<'a>(schema: &'a Schema, before: &'a Progress, most: usize) -> OpenWindows<'a> {
        OpenWindows::new(schema, before, most, i64::MIN)
    }

    fn listed(readings: &[&str]) -> ListedShards {
        let readings = readings.iter().map(|shard| (*shard).to_owned()).collect();
        ListedShards {
            summaries: BTreeSet::from([SHARD.to_owned()]),
            readings: BTreeMap::from([("wildrydes".to_owned(), readings)]),
        }
    }

    #[test]
    fn windows_are_read_again_until_they_are_finished() {
        let schema = schema();
        let before = Progress::default();
        let mut open = opened(&schema, &before, 100);
        open.take(SHARD, rows(8, &[("Attic", 0), ("Loft", 0)]));
        open.take(SHARD, rows(9, &[("Attic", 0)]));
        open.take(SHARD, rows(10, &[("Attic", 0), ("Attic", 1)]));
        open.take(SHARD, rows(11, &[("Attic", 0)]));
        assert_eq!(open.ends().collect::<Vec<_>>(), [1000, 2000]);
        assert_eq!(open.pop(999), None);
        let (window, merged) = open.pop(1999).unwrap();
        assert_eq!((window.start, window.end, merged.len()), (0, 1000, 2));
        let progress = open.progress(Some(1000), &listed(&[]), None);
        let shard = &progress.shards[SHARD];
        assert_eq!(shard.finished.as_deref(), Some("9"));
        assert_eq!(shard.read.as_deref(), Some("11"));

        // Read again from there: what was finished is left out, and only new rows are late.
        let mut open = opened(&schema, &progress, 100);
        open.take(SHARD, rows(10, &[("Attic", 0), ("Attic", 1)]));
        open.take(SHARD, rows(11, &[("Attic", 0)]));
        assert!(open.late.is_empty());
        open.take(SHARD, rows(12, &[("Cellar", 0), ("Cellar", 1)]));
        let late: Vec<WindowSpan> = open.late.iter().copied().collect();
        assert_eq!(late, [window]);
        assert_eq!(open.pop(2000).unwrap().1.len(), 2);
        let progress = open.progress(Some(2000), &listed(&[]), None);
        assert_eq!(progress.shards[SHARD].finished.as_deref(), Some("12"));
    }

    #[test]
    fn an_attempt_is_repeated_without_what_came_since() {
        let schema = schema();
        let mut before = Progress::default();
        let mut open = opened(&schema, &before, 100);
        open.take(SHARD, rows(1, &[("Attic", 0), ("Attic", 1)]));
        assert_eq!(open.attempt(999).through, None);
        assert_eq!(open.attempt(5000).through, Some(2000));
        let attempt = open.attempt(1000);
        assert_eq!(attempt.through, Some(1000));
        assert!(attempt.covers(SHARD, "1") && !attempt.covers(SHARD, "2"));
        before.attempt = Some(attempt.clone());

        let mut open = opened(&schema, &before, 100);
        open.take(SHARD, rows(1, &[("Attic", 0), ("Attic", 1)]));
        open.take(SHARD, rows(2, &[("Loft", 0)]));
        open.take("another", rows(1, &[("Loft", 0)]));
        assert_eq!(open.pop(1000).unwrap().1.len(), 1);
        let progress = open.progress(attempt.through, &listed(&[]), None);
        assert_eq!(progress.attempt, None);

        // Then they are late.
        let mut open = opened(&schema, &progress, 100);
        open.take(SHARD, rows(2, &[("Loft", 0)]));
        assert_eq!(open.late.len(), 1);
        // Shards of which nothing was read this time count as far as they were read before.
        let open = opened(&schema, &progress, 100);
        assert!(open.attempt(5000).covers(SHARD, "1"));
    }

    #[test]
    fn watermarks_of_listed_shards_are_kept() {
        let schema = schema();
        let before = Progress::default();
        let mut open = opened(&schema, &before, 100);
        for (number, shard) in [(1, "a"), (2, "b"), (3, "c")] {
            let watermark = ShardWatermark {
                stream: ARN.to_owned(),
                shard: shard.to_owned(),
                through: Timestamp::from_millis(1000),
            };
            open.take(SHARD, record(number, watermark.to_line()));
        }
        let progress = open.progress(None, &listed(&["a", "c"]), None);
        let watermarks: Vec<_> = progress.watermarks[ARN].keys().collect();
        assert_eq!(watermarks, ["a", "c"]);
        // A stream that was not listed yet.
        let open = opened(&schema, &progress, 100);
        let unlisted = ListedShards::default();
        assert_eq!(
            open.progress(None, &unlisted, None).watermarks,
            progress.watermarks
        );
    }

    #[test]
    fn the_last_windows_are_left_out_if_there_are_too_many_rows() {
        let schema = schema();
        let before = Progress::default();
        let mut open = opened(&schema, &before, 3);
        open.take(SHARD, rows(1, &[("Attic", 2), ("Attic", 1), ("Attic", 0)]));
        assert!(!open.is_cut());
        open.take(SHARD, rows(2, &[("Loft", 0), ("Loft", 2), ("Loft", 1)]));
        assert!(open.is_cut());
        assert_eq!(open.too_many(), None);
        assert_eq!(open.ends().collect::<Vec<_>>(), [1000]);
        assert_eq!(open.pop(5000).unwrap().1.len(), 2);
        assert_eq!(open.pop(5000), None);
        // They are read again.
        let progress = open.progress(Some(1000), &listed(&[]), None);
        assert_eq!(progress.shards[SHARD].finished, None);
        let mut open = opened(&schema, &progress, 1);
        open.take(SHARD, rows(1, &[("Attic", 1), ("Loft", 1)]));
        assert_eq!(open.too_many(), Some(2000));
    }
}
