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
    /// The window from its start, without its state. These are all of its records so far.
    FromStart(Vec<ShardRecord>),
}

/// Records of a closed window to deliver again, as a window of their own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rerun {
    pub(super) records: Vec<ShardRecord>,
    /// How many of them are in the first of two invocations; all of them if there is only one.
    pub(super) first: usize,
}
