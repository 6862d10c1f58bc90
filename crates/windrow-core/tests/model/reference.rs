//! What a fold has to do, said with sets of records.

use std::fmt;

/// The number of times that readings have. A reading is identified by its key and time.
pub(crate) const TIMES: usize = 6;

/// What a fold is to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelStep {
    Fold,
    Skip,
    Restart,
}

/// A record of the log.
#[derive(Clone, Debug)]
pub(crate) struct LogRecord {
    /// Its sequence number.
    pub(crate) number: String,
    /// Its readings.
    pub(crate) samples: Vec<Sample>,
}

/// A reading. The same key and time is the same reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) key: usize,
    pub(crate) time: usize,
}

/// The value of a reading, which is summed: each time has a digit of its own, so that a sum says
/// how often each reading was added.
pub(crate) fn value(time: usize) -> i64 {
    1 << (BITS * time)
}

/// The bits of a digit. No reading is added more often than a log has readings.
const BITS: usize = 8;

/// How often a reading of each time was added to a sum.
pub(crate) fn times_added(sum: i128) -> [u64; TIMES] {
    std::array::from_fn(|time| ((sum >> (BITS * time)) & ((1 << BITS) - 1)) as u64)
}

/// A set of records, by their places in the log.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RecordSet(u32);

impl RecordSet {
    pub(crate) fn of(place: usize) -> Self {
        Self(1 << place)
    }

    pub(crate) fn contains(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn includes(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    pub(crate) fn first(self) -> Option<usize> {
        (!self.is_empty()).then(|| self.0.trailing_zeros() as usize)
    }

    pub(crate) fn last(self) -> Option<usize> {
        (!self.is_empty()).then(|| 31 - self.0.leading_zeros() as usize)
    }

    pub(crate) fn places(self) -> impl Iterator<Item = usize> {
        let first = self.first().unwrap_or(32);
        (first..32).filter(move |place| self.contains(*place))
    }

    /// The records from `first` up to `end`.
    pub(crate) fn between(first: usize, end: usize) -> Self {
        (first..end).fold(Self::default(), |set, place| set.with(Self::of(place)))
    }

    /// All records from the first to the last.
    pub(crate) fn filled(self) -> Self {
        let last = self.last();
        self.first()
            .zip(last)
            .map_or(self, |(first, last)| Self::between(first, last + 1))
    }
}

impl fmt::Debug for RecordSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.places()).finish()
    }
}

/// The records that a fold has folded since it was fresh or restarted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reference {
    /// All of them. Their readings are in the dedup cache.
    pub(crate) folded: RecordSet,
    /// Those in the open source range.
    pub(crate) open: RecordSet,
    /// The first records of runs that were folded before a restart.
    pub(crate) earlier: RecordSet,
}

/// A closed source range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedRange {
    /// The records folded into it.
    pub(crate) folded: RecordSet,
    /// The records of the ranges that the same fold closed before.
    pub(crate) cached: RecordSet,
}

impl Reference {
    /// What to do with a record: one that was folded is skipped; one that no range can take any
    /// more, because it comes before the open one or before the end of a closed one, starts over.
    pub(crate) fn step(&self, place: usize) -> ModelStep {
        if self.folded.contains(place) {
            return ModelStep::Skip;
        }
        let is_late = match self.open.first() {
            Some(first) => place < first,
            None => self.folded.last().is_some_and(|last| place < last),
        };
        if is_late {
            ModelStep::Restart
        } else {
            ModelStep::Fold
        }
    }

    /// Whether a record lies beyond records that were folded before a restart.
    pub(crate) fn passes_by(&self, place: usize) -> bool {
        let passed = self.folded.last().map_or(place, |last| last + 1)..place;
        self.earlier
            .places()
            .any(|earlier| passed.contains(&earlier))
    }

    pub(crate) fn restart(&mut self) {
        *self = Self {
            earlier: self.earlier.with(self.folded),
            ..Self::default()
        };
    }

    pub(crate) fn fold(&mut self, place: usize) {
        self.folded = self.folded.with(RecordSet::of(place));
        self.open = self.open.with(RecordSet::of(place));
    }

    pub(crate) fn close(&mut self) -> ClosedRange {
        let folded = std::mem::take(&mut self.open);
        ClosedRange {
            folded,
            cached: self.folded.without(folded),
        }
    }
}
