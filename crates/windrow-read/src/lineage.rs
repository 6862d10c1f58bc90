//! Determines which shards may be read now.

use std::collections::{BTreeMap, HashSet};

use crate::Shard;

/// Tracks which shards have been read, and which may be read now: those whose parents are all read
/// to the end.
///
/// Each shard is returned once, however often it is listed. A parent that is not listed, because
/// its records have expired, does not block its children.
///
/// It does no IO. It never drops a shard that was started, so that none is read twice.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    shards: BTreeMap<String, State>,
}

#[derive(Debug, Clone)]
enum State {
    /// Listed and waiting for these parents.
    Waiting(Vec<String>),
    /// Returned as ready and not yet read to the end.
    Started,
    Finished,
}

impl Lineage {
    /// Updates the state with a complete listing. Drops waiting shards that are no longer listed.
    pub fn update(&mut self, listing: &[Shard]) {
        let listed: HashSet<&str> = listing.iter().map(|shard| shard.id.as_str()).collect();
        self.shards.retain(|id, state| {
            !matches!(state, State::Waiting(_)) || listed.contains(id.as_str())
        });
        for shard in listing {
            let waiting = || State::Waiting(shard.parents.clone());
            self.shards.entry(shard.id.clone()).or_insert_with(waiting);
        }
    }

    /// Returns the IDs of the shards that have become ready to read, in order. Each is returned
    /// only once.
    pub fn ready(&mut self) -> Vec<String> {
        let mut ready = Vec::new();
        for (id, state) in &self.shards {
            let State::Waiting(parents) = state else {
                continue;
            };
            let blocks = |parent: &String| {
                matches!(
                    self.shards.get(parent),
                    Some(State::Waiting(_) | State::Started)
                )
            };
            if !parents.iter().any(blocks) {
                ready.push(id.clone());
            }
        }
        for id in &ready {
            self.shards.insert(id.clone(), State::Started);
        }
        ready
    }

    /// Marks a shard as read to the end, or as not to be read at all.
    pub fn finish(&mut self, id: &str) {
        self.shards.insert(id.to_owned(), State::Finished);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shard(id: &str, parents: &[&str]) -> Shard {
        Shard {
            id: id.to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            ended: false,
            hash_keys: 0..=u128::MAX,
        }
    }

    #[test]
    fn merged_shard_waits_for_both_parents() {
        let mut lineage = Lineage::default();
        lineage.update(&[shard("a", &[]), shard("b", &[]), shard("c", &["a", "b"])]);
        assert_eq!(lineage.ready(), ["a", "b"]);
        lineage.finish("b");
        assert!(lineage.ready().is_empty());
        lineage.finish("a");
        assert_eq!(lineage.ready(), ["c"]);
        assert!(lineage.ready().is_empty());
    }

    #[test]
    fn unlisted_parent_does_not_block() {
        let mut lineage = Lineage::default();
        lineage.update(&[shard("b", &["a"])]);
        assert_eq!(lineage.ready(), ["b"]);
    }

    #[test]
    fn parent_that_expires_unread_does_not_block() {
        let mut lineage = Lineage::default();
        lineage.update(&[shard("a", &[]), shard("b", &["a"]), shard("c", &["b"])]);
        assert_eq!(lineage.ready(), ["a"]);
        lineage.update(&[shard("c", &["b"])]);
        assert_eq!(lineage.ready(), ["c"]);
    }

    #[test]
    fn parent_that_is_being_read_blocks_even_if_no_longer_listed() {
        let mut lineage = Lineage::default();
        lineage.update(&[shard("a", &[]), shard("b", &["a"])]);
        assert_eq!(lineage.ready(), ["a"]);
        lineage.update(&[shard("b", &["a"])]);
        assert!(lineage.ready().is_empty());
        lineage.finish("a");
        assert_eq!(lineage.ready(), ["b"]);
    }

    #[test]
    fn finished_shard_is_not_returned() {
        let mut lineage = Lineage::default();
        lineage.finish("a");
        lineage.update(&[shard("a", &[]), shard("b", &["a"])]);
        assert_eq!(lineage.ready(), ["b"]);
    }

    /// An event in the life of a stream or its reader. The numbers select a shard.
    #[derive(Debug, Clone)]
    enum LineageEvent {
        Split(usize),
        Merge(usize, usize),
        List,
        /// The reader reaches the end of a closed shard.
        Finish(usize),
        /// Kinesis drops the oldest closed shard.
        Expire,
    }

    fn event() -> impl Strategy<Value = LineageEvent> {
        prop_oneof![
            (0_usize..9).prop_map(LineageEvent::Split),
            (0_usize..9, 0_usize..9).prop_map(|(one, other)| LineageEvent::Merge(one, other)),
            Just(LineageEvent::List),
            (0_usize..9).prop_map(LineageEvent::Finish),
            Just(LineageEvent::Expire),
        ]
    }

    /// The shards that Kinesis knows, and what the reader has done so far.
    #[derive(Default)]
    struct History {
        known: Vec<Shard>,
        created: usize,
        lineage: Lineage,
        started: Vec<String>,
        finished: HashSet<String>,
        expired: HashSet<String>,
    }

    impl History {
        fn open(&self) -> Vec<usize> {
            (0..self.known.len())
                .filter(|index| !self.known[*index].ended)
                .collect()
        }

        fn create(&mut self, parents: Vec<String>) {
            let id = format!("shardId-{:012}", self.created);
            self.created += 1;
            self.known.push(Shard {
                id,
                parents,
                ended: false,
                hash_keys: 0..=u128::MAX,
            });
        }

        fn close(&mut self, index: usize) -> String {
            self.known[index].ended = true;
            self.known[index].id.clone()
        }

        /// Closed shards that have been started but not finished.
        fn readable(&self) -> Vec<String> {
            let closed = |id: &String| {
                self.known
                    .iter()
                    .all(|shard| shard.id != *id || shard.ended)
            };
            self.started
                .iter()
                .filter(|id| !self.finished.contains(*id) && closed(id))
                .cloned()
                .collect()
        }

        fn start_ready(&mut self) -> Result<(), TestCaseError> {
            for id in self.lineage.ready() {
                prop_assert!(!self.started.contains(&id), "{} was started twice", id);
                let shard = self.known.iter().find(|shard| shard.id == id);
                for parent in shard.into_iter().flat_map(|shard| &shard.parents) {
                    let done = self.finished.contains(parent);
                    let lost = self.expired.contains(parent) && !self.started.contains(parent);
                    prop_assert!(done || lost, "{} was started before {}", id, parent);
                }
                self.started.push(id);
            }
            Ok(())
        }

        fn apply(&mut self, event: &LineageEvent) -> Result<(), TestCaseError> {
            let open = self.open();
            match *event {
                LineageEvent::Split(pick) => {
                    let parent = self.close(open[pick % open.len()]);
                    self.create(vec![parent.clone()]);
                    self.create(vec![parent]);
                }
                LineageEvent::Merge(one, other) => {
                    let (one, other) = (open[one % open.len()], open[other % open.len()]);
                    if one != other {
                        let parents = vec![self.close(one), self.close(other)];
                        self.create(parents);
                    }
                }
                LineageEvent::List => self.lineage.update(&self.known),
                LineageEvent::Finish(pick) => {
                    let readable = self.readable();
                    if !readable.is_empty() {
                        let id = readable[pick % readable.len()].clone();
                        self.lineage.finish(&id);
                        self.finished.insert(id);
                    }
                }
                LineageEvent::Expire => {
                    if let Some(index) = self.known.iter().position(|shard| shard.ended) {
                        self.expired.insert(self.known.remove(index).id);
                    }
                }
            }
            self.start_ready()
        }
    }

    proptest! {
        #[test]
        fn shards_are_read_once_and_after_their_parents(
            events in proptest::collection::vec(event(), 0..60),
        ) {
            let mut history = History::default();
            history.create(Vec::new());
            for event in &events {
                history.apply(event)?;
            }

            history.apply(&LineageEvent::List)?;
            while !history.readable().is_empty() {
                history.apply(&LineageEvent::Finish(0))?;
            }
            for shard in &history.known {
                prop_assert!(history.started.contains(&shard.id), "{} was never started", shard.id);
            }
        }
    }
}
