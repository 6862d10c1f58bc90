//! Functions on several streams: per function the same mapping for each, and one watermark of all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use windrow_read::{Start, Timestamp};

use super::{CheckpointError, Checkpoints, Mapping, MappingPlan, MappingSource, SavedTotals};
use crate::disk_trouble::DiskTrouble;
use crate::resources::CreatedStream;

/// How long invocations in flight may take to end before a mapping is replaced.
const GRACE: Duration = Duration::from_secs(5);

/// The mappings of several functions, each of which reads the same streams.
#[derive(Debug)]
pub(crate) struct MappingGroups {
    groups: Vec<Group>,
    marks: Arc<ProgressMarks>,
    disk: DiskTrouble,
}

/// The mappings of one function.
struct Group {
    /// Tells the group apart from others.
    number: usize,
    plan: MappingPlan,
    marks: Arc<ProgressMarks>,
    disk: DiskTrouble,
    members: tokio::sync::Mutex<GroupMappings>,
}

struct GroupMappings {
    /// The time from which all of them flush; see [`Mapping::flush`].
    flush: i64,
    /// What was changed since the group was created.
    enabled: Option<bool>,
    batch_size: Option<usize>,
    mappings: Vec<GroupMapping>,
}

struct GroupMapping {
    source: MappingSource,
    mapping: Mapping,
    _watermark_task: AbortOnDropHandle<()>,
}

/// The watermark of each function and stream, and the lowest of them.
#[derive(Debug)]
struct ProgressMarks {
    marks: Mutex<BTreeMap<(usize, String), i64>>,
    lowest: watch::Sender<i64>,
}

impl ProgressMarks {
    /// Records the watermark of a group's stream. It never goes back, even while a restarted mapping
    /// delivers old records again.
    fn set(&self, group: usize, stream: &str, time: i64) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = marks.entry((group, stream.to_owned())).or_insert(time);
        *mark = time.max(*mark);
        let lowest = marks.values().copied().min().unwrap_or(i64::MIN);
        self.lowest.send_if_modified(|before| {
            let moved = lowest > *before;
            *before = lowest.max(*before);
            moved
        });
    }
}

impl MappingGroups {
    /// No functions.
    pub(crate) fn new(disk: DiskTrouble) -> Self {
        Self {
            groups: Vec::new(),
            marks: Arc::new(ProgressMarks {
                marks: Mutex::default(),
                lowest: watch::channel(i64::MIN).0,
            }),
            disk,
        }
    }

    /// Adds a function, without mappings.
    pub(crate) fn push(&mut self, plan: MappingPlan) {
        self.groups.push(Group {
            number: self.groups.len(),
            marks: Arc::clone(&self.marks),
            disk: self.disk.clone(),
            members: tokio::sync::Mutex::new(GroupMappings {
                flush: i64::MAX,
                enabled: None,
                batch_size: None,
                mappings: Vec::new(),
            }),
            plan,
        });
    }

    /// Maps a stream to each function, from where an earlier process was or from its oldest record.
    /// Nothing arrived in it before `done_before` (milliseconds since the epoch). Returns what the
    /// earlier process has done, for each function with its name.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] if what it has saved cannot be used. Nothing is mapped then.
    pub(crate) async fn add(
        &self,
        source: &MappingSource,
        created: CreatedStream,
        done_before: i64,
    ) -> Result<Vec<(String, SavedTotals)>, CheckpointError> {
        let mut loaded = Vec::new();
        for group in &self.groups {
            loaded.push((group, group.plan.load(&source.stream, &self.disk)?));
        }
        for group in &self.groups {
            self.marks.set(group.number, &source.stream, done_before);
        }
        let mut resumed = Vec::new();
        for (group, checkpoints) in loaded {
            let totals = checkpoints
                .as_ref()
                .and_then(|saved| saved.totals(created.created));
            if let Some(totals) = totals {
                source.clock.not_before(totals.saved_at);
                resumed.push((group.plan.name.clone(), totals));
            }
            group.add(source.clone(), checkpoints).await;
        }
        Ok(resumed)
    }

    /// See [`Group::restart`].
    pub(crate) async fn restart(&self, from_millis: i64) {
        for group in &self.groups {
            group.restart(from_millis).await;
        }
    }

    /// Disables or enables the mappings; see [`Mapping::disable`].
    pub(crate) async fn set_enabled(&self, enabled: bool) {
        for group in &self.groups {
            let mut members = group.members.lock().await;
            members.enabled = Some(enabled);
            for member in &members.mappings {
                member.mapping.set_enabled(enabled);
            }
        }
    }

    /// See [`Mapping::set_batch_size`].
    pub(crate) async fn set_batch_size(&self, batch_size: usize) {
        for group in &self.groups {
            let mut members = group.members.lock().await;
            members.batch_size = Some(batch_size);
            for member in &members.mappings {
                member.mapping.set_batch_size(batch_size);
            }
        }
    }

    /// The lowest watermark of all mappings; see [`Mapping::watermark`].
    pub(crate) fn watermark(&self) -> watch::Receiver<i64> {
        self.marks.lowest.subscribe()
    }

    /// See [`Mapping::flush`].
    pub(crate) async fn flush(&self, time: i64) {
        for group in &self.groups {
            group.flush(time).await;
        }
    }

    /// Stops after the invocations in flight.
    pub(crate) async fn stop(self) {
        for group in self.groups {
            group.stop().await;
        }
    }
}

impl Group {
    async fn add(&self, source: MappingSource, checkpoints: Option<Checkpoints>) {
        let mut members = self.members.lock().await;
        let member = self.member(source, Start::TrimHorizon, checkpoints, &members);
        members.mappings.push(member);
    }

    /// Restarts the mappings at the records that arrived at `from_millis` or later. The state of
    /// open windows is lost, and what is saved is replaced.
    async fn restart(&self, from_millis: i64) {
        let mut members = self.members.lock().await;
        for mut member in std::mem::take(&mut members.mappings) {
            // The emulator truncates arrival times to whole seconds, so a record that arrives now
            // may have an earlier arrival time.
            let from = from_millis.clamp(0, member.source.clock.now_millis());
            let start = Start::AtTimestamp(Timestamp::from_millis(from - from % 1000));
            // After the timeout, invocations in flight are aborted.
            let _ = tokio::time::timeout(GRACE, member.mapping.halt()).await;
            let checkpoints = member.mapping.restarted_checkpoints();
            let restarted = self.member(member.source, start, checkpoints, &members);
            members.mappings.push(restarted);
        }
    }

    async fn flush(&self, time: i64) {
        let mut members = self.members.lock().await;
        members.flush = time;
        for member in &members.mappings {
            member.mapping.flush(time);
        }
    }

    async fn stop(self) {
        for member in self.members.into_inner().mappings {
            member.mapping.stop().await;
        }
    }

    fn member(
        &self,
        source: MappingSource,
        start: Start,
        checkpoints: Option<Checkpoints>,
        members: &GroupMappings,
    ) -> GroupMapping {
        let mapping = Mapping::spawn(
            source.clone(),
            &self.plan,
            start,
            checkpoints,
            self.disk.clone(),
        );
        mapping.flush(members.flush);
        if let Some(enabled) = members.enabled {
            mapping.set_enabled(enabled);
        }
        if let Some(batch_size) = members.batch_size {
            mapping.set_batch_size(batch_size);
        }
        let (marks, stream) = (Arc::clone(&self.marks), source.stream.clone());
        let group = self.number;
        let mut watermark = mapping.watermark();
        let watermark_task = tokio::spawn(async move {
            while watermark.changed().await.is_ok() {
                let time = *watermark.borrow_and_update();
                marks.set(group, &stream, time);
            }
        });
        GroupMapping {
            source,
            mapping,
            _watermark_task: AbortOnDropHandle::new(watermark_task),
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Group")
            .field("function", &self.plan.function.name())
            .field("options", &self.plan.options)
            .finish_non_exhaustive()
    }
}
