//! The rows of windows that are not finished.

use std::collections::{BTreeMap, BTreeSet};

use windrow_core::row::{MergedRow, Row, Summary, merge, summaries};
use windrow_core::schema::Schema;
use windrow_core::sequence;
use windrow_read::ShardRecord;

use super::progress::{FinishAttempt, Progress, ShardProgress};

/// A window, in milliseconds since the epoch. Ordered by its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WindowSpan {
    pub(super) end: i64,
    pub(super) start: i64,
}

impl WindowSpan {
    fn of(row: &Row) -> Self {
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
    /// Holds at most `most` rows.
    pub(super) fn new(schema: &'a Schema, before: &'a Progress, most: usize) -> Self {
        Self {
            schema,
            before,
            progress: before.clone(),
            rows: BTreeMap::new(),
            count: 0,
            most,
            cut: None,
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
        let read = self.before.shards.get(shard).and_then(read_of);
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

    /// The watermarks, with those of this pass.
    pub(super) fn watermarks(&self) -> &BTreeMap<String, BTreeMap<String, i64>> {
        &self.progress.watermarks
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

    /// What to write next: the first windows, if they end by `time`.
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
            through: self.ends().next().filter(|end| *end <= time),
            read,
        }
    }

    /// The progress once all windows that end by `time` are finished, and all late rows. Leaves out
    /// shards that are no longer `listed`.
    pub(super) fn progress(&self, time: Option<i64>, listed: &ListedShards) -> Progress {
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
        for (stream, of_stream) in &mut progress.watermarks {
            if let Some(listed) = listed.readings.get(name_of(stream)) {
                of_stream.retain(|shard, _| listed.contains(shard));
            }
        }
        progress.watermarks.retain(|_, shards| !shards.is_empty());
        progress
    }
}

/// The name of a stream, from its ARN.
pub(super) fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn read_of(progress: &ShardProgress) -> Option<&str> {
    progress.read.as_deref()
}

/// The shards that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListedShards {
    /// Those of the stream of rows.
    pub(super) summaries: BTreeSet<String>,
    /// Those of each stream of readings that was listed, by its name.
    pub(super) readings: BTreeMap<String, BTreeSet<String>>,
}

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
        let read = self.before.shards.get(shard).and_then(read_of);
        let was_read =
            read.is_some_and(|read| sequence::compare(&record.sequence_number, read).is_le());
        for (_, row) in windrow_core::row::rows(self.schema, &record.data) {
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
    use std::sync::Arc;

    use windrow_core::row::{Measure, ShardWatermark, SourceRange};
    use windrow_core::schema::{KeyColumn, MeasureColumn};
    use windrow_core::sequence::SequenceRange;
    use windrow_core::time::Timestamp;
    use windrow_core::value::{ColumnType, Value};

    use super::*;

    const SHARD: &str = "shardId-000000000000";
    const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes";

    fn schema() -> Schema {
        let key = vec![KeyColumn::new("Room", ColumnType::Text)];
        let last = MeasureColumn::max("Note", ColumnType::Text);
        Schema::new(key, "WindowStart", vec![last]).unwrap()
    }

    /// A row of the window of a second that starts at this second.
    fn row(room: &str, second: i64) -> Row {
        let [from, to] = ["1", "2"].map(|number| number.parse().unwrap());
        Row {
            key: vec![Value::Text(room.to_owned())],
            window_start: Timestamp::from_millis(second * 1000),
            window_seconds: 1,
            readings: 1,
            duplicates: 0,
            measures: vec![Measure::Value(Value::Text("note".to_owned()))],
            source: Arc::new(SourceRange {
                stream: ARN.to_owned(),
                shard: SHARD.to_owned(),
                range: SequenceRange::new(from, to).unwrap(),
                dedup_from: None,
            }),
        }
    }

    fn record(number: u64, data: Vec<u8>) -> ShardRecord {
        ShardRecord {
            sequence_number: number.to_string(),
            partition_key: String::new(),
            data: data.into(),
            arrival: Timestamp::EPOCH,
        }
    }

    fn rows(number: u64, rows: &[(&str, i64)]) -> ShardRecord {
        let lines = rows
            .iter()
            .map(|(room, second)| row(room, *second).to_line(&schema()));
        record(number, lines.flatten().collect())
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
        let mut open = OpenWindows::new(&schema, &before, 100);
        open.take(SHARD, rows(8, &[("Attic", 0), ("Loft", 0)]));
        open.take(SHARD, rows(9, &[("Attic", 0)]));
        open.take(SHARD, rows(10, &[("Attic", 0), ("Attic", 1)]));
        open.take(SHARD, rows(11, &[("Attic", 0)]));
        assert_eq!(open.ends().collect::<Vec<_>>(), [1000, 2000]);
        assert_eq!(open.pop(999), None);
        let (window, merged) = open.pop(1999).unwrap();
        assert_eq!((window.start, window.end, merged.len()), (0, 1000, 2));
        let progress = open.progress(Some(1000), &listed(&[]));
        let shard = &progress.shards[SHARD];
        assert_eq!(shard.finished.as_deref(), Some("9"));
        assert_eq!(shard.read.as_deref(), Some("11"));

        // Read again from there: what was finished is left out, and only new rows are late.
        let mut open = OpenWindows::new(&schema, &progress, 100);
        open.take(SHARD, rows(10, &[("Attic", 0), ("Attic", 1)]));
        open.take(SHARD, rows(11, &[("Attic", 0)]));
        assert!(open.late.is_empty());
        open.take(SHARD, rows(12, &[("Cellar", 0), ("Cellar", 1)]));
        let late: Vec<WindowSpan> = open.late.iter().copied().collect();
        assert_eq!(late, [window]);
        assert_eq!(open.pop(2000).unwrap().1.len(), 2);
        let progress = open.progress(Some(2000), &listed(&[]));
        assert_eq!(progress.shards[SHARD].finished.as_deref(), Some("12"));
    }

    #[test]
    fn an_attempt_is_repeated_without_what_came_since() {
        let schema = schema();
        let mut before = Progress::default();
        let mut open = OpenWindows::new(&schema, &before, 100);
        open.take(SHARD, rows(1, &[("Attic", 0), ("Attic", 1)]));
        assert_eq!(open.attempt(999).through, None);
        let attempt = open.attempt(5000);
        assert_eq!(attempt.through, Some(1000));
        assert!(attempt.covers(SHARD, "1") && !attempt.covers(SHARD, "2"));
        before.attempt = Some(attempt.clone());

        let mut open = OpenWindows::new(&schema, &before, 100);
        open.take(SHARD, rows(1, &[("Attic", 0), ("Attic", 1)]));
        open.take(SHARD, rows(2, &[("Loft", 0)]));
        open.take("another", rows(1, &[("Loft", 0)]));
        assert_eq!(open.pop(1000).unwrap().1.len(), 1);
        let progress = open.progress(attempt.through, &listed(&[]));
        assert_eq!(progress.attempt, None);

        // Then they are late.
        let mut open = OpenWindows::new(&schema, &progress, 100);
        open.take(SHARD, rows(2, &[("Loft", 0)]));
        assert_eq!(open.late.len(), 1);
        // Shards of which nothing was read this time count as far as they were read before.
        let open = OpenWindows::new(&schema, &progress, 100);
        assert!(open.attempt(5000).covers(SHARD, "1"));
    }

    #[test]
    fn watermarks_of_listed_shards_are_kept() {
        let schema = schema();
        let before = Progress::default();
        let mut open = OpenWindows::new(&schema, &before, 100);
        for (number, shard) in [(1, "a"), (2, "b"), (3, "c")] {
            let watermark = ShardWatermark {
                stream: ARN.to_owned(),
                shard: shard.to_owned(),
                through: Timestamp::from_millis(1000),
            };
            open.take(SHARD, record(number, watermark.to_line()));
        }
        let progress = open.progress(None, &listed(&["a", "c"]));
        let watermarks: Vec<_> = progress.watermarks[ARN].keys().collect();
        assert_eq!(watermarks, ["a", "c"]);
        // A stream that was not listed yet.
        let open = OpenWindows::new(&schema, &progress, 100);
        let unlisted = ListedShards::default();
        assert_eq!(
            open.progress(None, &unlisted).watermarks,
            progress.watermarks
        );
    }

    #[test]
    fn the_last_windows_are_left_out_if_there_are_too_many_rows() {
        let schema = schema();
        let before = Progress::default();
        let mut open = OpenWindows::new(&schema, &before, 3);
        open.take(SHARD, rows(1, &[("Attic", 2), ("Attic", 1), ("Attic", 0)]));
        assert!(!open.is_cut());
        open.take(SHARD, rows(2, &[("Loft", 0), ("Loft", 2), ("Loft", 1)]));
        assert!(open.is_cut());
        assert_eq!(open.too_many(), None);
        assert_eq!(open.ends().collect::<Vec<_>>(), [1000]);
        assert_eq!(open.pop(5000).unwrap().1.len(), 2);
        assert_eq!(open.pop(5000), None);
        // They are read again.
        let progress = open.progress(Some(1000), &listed(&[]));
        assert_eq!(progress.shards[SHARD].finished, None);
        let mut open = OpenWindows::new(&schema, &progress, 1);
        open.take(SHARD, rows(1, &[("Attic", 1), ("Loft", 1)]));
        assert_eq!(open.too_many(), Some(2000));
    }

    #[test]
    fn late_rows_are_merged_with_those_that_were_read_before() {
        let schema = schema();
        let mut before = Progress::default();
        let shard = ShardProgress {
            finished: Some("5".to_owned()),
            read: Some("5".to_owned()),
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
