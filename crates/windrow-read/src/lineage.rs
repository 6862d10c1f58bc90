//! Which shards may be read now.

use std::collections::{BTreeMap, HashSet};

use crate::Shard;

/// Keeps track of which shards have been read, and so of which may be read now: those with every
/// parent read to its end.
///
/// Each shard is named once, however often it is listed. A parent that is not listed, because its
/// records have expired, holds nobody back.
///
/// It does no input or output. What it knows of a shard it keeps, so that none is read twice.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    shards: BTreeMap<String, State>,
}

#[derive(Debug, Clone)]
enum State {
    /// Listed, and waiting for these parents.
    Waiting(Vec<String>),
    /// Named as ready, and not yet read to its end.
    Started,
    Finished,
}

impl Lineage {
    /// Takes in a whole listing. A shard that waits and is no longer listed is dropped.
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

    /// The shards that may be read from now on, by id. Each is named only once.
    pub fn ready(&mut self) -> Vec<String> {
        let mut ready = Vec::new();
        for (id, state) in &self.shards {
            let State::Waiting(parents) = state else {
                continue;
            };
            let holds_back = |parent: &String| {
                matches!(
                    self.shards.get(parent),
                    Some(State::Waiting(_) | State::Started)
                )
            };
            if !parents.iter().any(holds_back) {
                ready.push(id.clone());
            }
        }
        for id in &ready {
            self.shards.insert(id.clone(), State::Started);
        }
        ready
    }

    /// Says that a shard was read to its end, or is not to be read at all.
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
        }
    }

    #[test]
    fn a_merged_shard_waits_for_both_parents() {
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
    fn a_parent_that_was_never_listed_holds_nobody_back() {
        let mut lineage = Lineage::default();
        lineage.update(&[shard("b", &["a"])]);
        assert_eq!(lineage.ready(), ["b"]);
    }

    #[test]
    fn a_parent_that_expires_before_it_was_read_holds_nobody_back() {
        let mut lineage = Lineage::default();
        lineage.update(&[shard("a", &[]), shard("b", &["a"]), shard("c", &["b"])]);
        assert_eq!(lineage.ready(), ["a"]);
        lineage.update(&[shard("c", &["b"])]);
        assert_eq!(lineage.ready(), ["c"]);
    }

    #[test]
    fn a_parent_that_is_being_read_holds_back_even_if_it_is_listed_no_longer() {
        let mut lineage = Lineage::default();
        lineage.update(&[shard("a", &[]), shard("b", &["a"])]);
        assert_eq!(lineage.ready(), ["a"]);
        lineage.update(&[shard("b", &["a"])]);
        assert!(lineage.ready().is_empty());
        lineage.finish("a");
        assert_eq!(lineage.ready(), ["b"]);
    }

    #[test]
    fn a_shard_that_is_not_to_be_read_is_not_named() {
        let mut lineage = Lineage::default();
        lineage.finish("a");
        lineage.update(&[shard("a", &[]), shard("b", &["a"])]);
        assert_eq!(lineage.ready(), ["b"]);
    }

    /// One thing that happens to a stream or to its reader. The numbers pick a shard.
    #[derive(Debug, Clone)]
    enum LineageEvent {
        Split(usize),
        Merge(usize, usize),
        List,
        /// Reads a closed shard to its end.
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

    /// A stream as Kinesis keeps it, and what its reader did so far.
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
                .filter(|place| !self.known[*place].ended)
                .collect()
        }

        fn create(&mut self, parents: Vec<String>) {
            let id = format!("shardId-{:012}", self.created);
            self.created += 1;
            self.known.push(Shard {
                id,
                parents,
                ended: false,
            });
        }

        fn close(&mut self, place: usize) -> String {
            self.known[place].ended = true;
            self.known[place].id.clone()
        }

        /// Shards that were started and can be read to their end.
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

        fn happen(&mut self, event: &LineageEvent) -> Result<(), TestCaseError> {
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
                    if let Some(place) = self.known.iter().position(|shard| shard.ended) {
                        self.expired.insert(self.known.remove(place).id);
                    }
                }
            }
            self.start_ready()
        }
    }

    proptest! {
        #[test]
        fn any_history_is_read_parents_first_and_each_shard_once(
            events in proptest::collection::vec(event(), 0..60),
        ) {
            let mut history = History::default();
            history.create(Vec::new());
            for event in &events {
                history.happen(event)?;
            }

            history.happen(&LineageEvent::List)?;
            while !history.readable().is_empty() {
                history.happen(&LineageEvent::Finish(0))?;
            }
            for shard in &history.known {
                prop_assert!(history.started.contains(&shard.id), "{} was never started", shard.id);
            }
        }
    }
}
