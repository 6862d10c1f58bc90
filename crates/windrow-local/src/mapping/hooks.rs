//! Hooks into the delivery of a shard's records.
//!
//! The poller calls [`DeliveryHooks`] before and after each batch. The default hooks change
//! nothing. To inject faults, `Chaos` redelivers records and splits batches.

use windrow_read::ShardRecord;

/// Called by a shard's poller. The default methods change nothing.
pub(super) trait DeliveryHooks: Send + Sync {
    /// How many of a batch's `count` records to deliver first. Fewer than all splits the batch in
    /// two.
    fn cut(&self, count: usize) -> usize {
        count
    }

    /// Whether the invocation with `batch` fails instead of being made. `is_limited` says whether
    /// the batch goes to the on-failure destination if that happens often.
    fn fails(&mut self, _batch: &[ShardRecord], _is_limited: bool) -> bool {
        false
    }

    /// Called before records are discarded.
    fn discarded(&mut self, _records: &[ShardRecord]) {}

    /// Whether records wait to be delivered again.
    fn is_redelivering(&self) -> bool {
        false
    }

    /// Called after the first `count` records were dropped without being delivered.
    fn dropped(&mut self, _count: usize) {}

    /// Called after the delivery of a batch that does not close its window. `window` is `None` if
    /// the mapping has no window. Returns what to deliver next.
    fn done(&mut self, _batch: Vec<ShardRecord>, _window: Option<InWindow>) -> NextBatch {
        NextBatch::Continue
    }

    /// Called after the delivery of a batch that closed its window. `opened` says whether it also
    /// opened it. Returns the window's records to deliver again, if any.
    fn closed(&mut self, _batch: Vec<ShardRecord>, _opened: bool) -> Option<Rerun> {
        None
    }
}

/// Delivers as Lambda usually does.
impl DeliveryHooks for () {}

/// A batch's role in its window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InWindow {
    /// Whether the batch opened the window.
    pub(super) opened: bool,
}

/// What to deliver after a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextBatch {
    /// The records that follow it.
    Continue,
    /// These records again, with the current state.
    Again(Vec<ShardRecord>),
    /// The window without its state. These are all of its records so far, in the order of the log;
    /// some of them may come twice.
    FromStart(Vec<ShardRecord>),
}

/// Records of a closed window to deliver again, as a window of their own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rerun {
    pub(super) records: Vec<ShardRecord>,
    /// How many of them are in the first of two invocations; all of them if there is only one.
    pub(super) first: usize,
}
