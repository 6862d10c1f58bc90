//! Where a poller begins.

use windrow_read::Start;

use super::{OpenWindow, Polling};
use crate::mapping::checkpoint::{CheckpointWriter, LaneSet, SavedStart};

/// Where a shard begins, and what an earlier process has done of it.
pub(super) struct ShardBegin {
    pub(super) checkpoint: Start,
    pub(super) open: Option<OpenWindow>,
    pub(super) saved: Option<SavedProgress>,
}

pub(super) struct SavedProgress {
    pub(super) writer: CheckpointWriter,
    pub(super) is_saved: bool,
    pub(super) records: u64,
    /// What lanes had done after the checkpoint.
    pub(super) lanes: Vec<LaneSet>,
}

impl Polling {
    /// Begins where an earlier process has left the shard, or at `start`.
    pub(super) fn begin(&self, shard: &str, start: Start) -> ShardBegin {
        let mut begin = ShardBegin {
            checkpoint: start,
            open: None,
            saved: None,
        };
        let Some(checkpoints) = &self.checkpoints else {
            return begin;
        };
        let mut progress = SavedProgress {
            writer: checkpoints.writer(shard),
            is_saved: false,
            records: 0,
            lanes: Vec::new(),
        };
        if let Some(saved) = checkpoints.take(shard, self.rules.tumbling.is_some()) {
            (progress.records, progress.is_saved) = (saved.records, true);
            progress.lanes = saved.lanes;
            begin.checkpoint = saved.start.into();
            begin.open = saved.window.map(|saved| OpenWindow {
                window: saved.window(),
                opened: saved.opened.into(),
                state: saved.state,
            });
        } else if checkpoints.is_resumed() {
            begin.checkpoint = Start::TrimHorizon;
        } else if begin.checkpoint == Start::Latest {
            // A later start at the latest record would skip what arrives until then.
            let now = self.source.clock.now_millis();
            begin.checkpoint = SavedStart::of(&begin.checkpoint, now).into();
        }
        begin.saved = Some(progress);
        begin
    }
}
