//! Faults on purpose: which, how often, and how often each injected.
//!
//! They act in front of the emulated services and in the event source mapping, never inside a
//! handler: what a handler meets here it can meet on AWS. A fault is drawn from the seed, its kind
//! and how many times that kind could have injected before, so one seed draws the same faults again,
//! as far as the same calls are made.
//!
//! ```
//! use windrow_local::faults::{FaultKind, Faults};
//!
//! let faults = Faults::parse("put-failed=0.5,throttled=0.01", 7)?;
//! let injected = (0..1000).filter(|_| faults.inject(FaultKind::PutFailed).is_some()).count();
//! assert!((400..600).contains(&injected));
//! assert_eq!(faults.injected(FaultKind::PutFailed), injected as u64);
//! assert!(faults.inject(FaultKind::Crash).is_none());
//! # Ok::<(), windrow_local::faults::InvalidFaults>(())
//! ```
//!
//! A test forces a fault instead of waiting for one: `crash@3` injects it at the third occasion.
//!
//! ```
//! use windrow_local::faults::{FaultKind, Faults};
//!
//! let faults = Faults::parse("crash@1,crash@3", 7)?;
//! let injected = [(); 5].map(|()| faults.inject(FaultKind::Crash).is_some());
//! assert_eq!(injected, [true, false, true, false, false]);
//! # Ok::<(), windrow_local::faults::InvalidFaults>(())
//! ```

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Kinesis fails some entries of a PutRecords call.
    PutFailed,
    /// A service throttles a whole call.
    Throttled,
    /// A call did what it should, and its answer never arrives, so that the client sends again.
    ResponseDropped,
    /// DynamoDB leaves some items of a BatchWriteItem unprocessed.
    Unprocessed,
    /// A call takes long.
    Delayed,
    /// A shard iterator has expired.
    IteratorExpired,
    /// Firehose fails some records of a PutRecordBatch.
    RejectsFailed,
    /// A function crashes before it does anything.
    Crash,
    /// A function crashes in the middle of its sends.
    CrashDuring,
    /// A function crashes after its sends, so that its answer is lost.
    CrashAfter,
    /// A function runs into its time-out.
    TimeOut,
    /// An invocation is delivered twice at once.
    TwiceAtOnce,
    /// An invocation is delivered again, later, with the state that it had.
    TwiceLate,
    /// Records come again after they were done, in front of those that follow them.
    Redelivered,
    /// Records come again after their window has closed, as a window of their own.
    RedeliveredAfterWindow,
    /// A window's state is lost, and the window comes again from its start.
    StateLost,
    /// A batch is cut in two, a final one as well.
    Recut,
    /// A window is ended early.
    EndedEarly,
    /// A shard of the readings is split.
    Split,
    /// Two shards of the readings are merged.
    Merge,
    /// A shard of the summaries is split.
    SummarySplit,
    /// The aggregator's mapping is restarted and starts in the middle of a closed window.
    MappingRestarted,
    /// Old summaries are put into their stream once more.
    SummariesReplayed,
}

impl FaultKind {
    /// Every kind, in the order of the table that a soak prints.
    pub const ALL: [Self; 23] = [
        Self::PutFailed,
        Self::Throttled,
        Self::ResponseDropped,
        Self::Unprocessed,
        Self::Delayed,
        Self::IteratorExpired,
        Self::RejectsFailed,
        Self::Crash,
        Self::CrashDuring,
        Self::CrashAfter,
        Self::TimeOut,
        Self::TwiceAtOnce,
        Self::TwiceLate,
        Self::Redelivered,
        Self::RedeliveredAfterWindow,
        Self::StateLost,
        Self::Recut,
        Self::EndedEarly,
        Self::Split,
        Self::Merge,
        Self::SummarySplit,
        Self::MappingRestarted,
        Self::SummariesReplayed,
    ];

    /// Its name in a specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::PutFailed => "put-failed",
            Self::Throttled => "throttled",
            Self::ResponseDropped => "response-dropped",
            Self::Unprocessed => "unprocessed",
            Self::Delayed => "delayed",
            Self::IteratorExpired => "iterator-expired",
            Self::RejectsFailed => "rejects-failed",
            Self::Crash => "crash",
            Self::CrashDuring => "crash-during",
            Self::CrashAfter => "crash-after",
            Self::TimeOut => "time-out",
            Self::TwiceAtOnce => "twice-at-once",
            Self::TwiceLate => "twice-late",
            Self::Redelivered => "redelivered",
            Self::RedeliveredAfterWindow => "redelivered-after-window",
            Self::StateLost => "state-lost",
            Self::Recut => "recut",
            Self::EndedEarly => "ended-early",
            Self::Split => "split",
            Self::Merge => "merge",
            Self::SummarySplit => "summary-split",
            Self::MappingRestarted => "mapping-restarted",
            Self::SummariesReplayed => "summaries-replayed",
        }
    }
}

/// Which faults are injected, how often they may be, and how often they were.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    rules: [InjectionRule; FaultKind::ALL.len()],
    chances: [AtomicU64; FaultKind::ALL.len()],
    injected: [AtomicU64; FaultKind::ALL.len()],
    off: AtomicBool,
    early_ends: Mutex<HashSet<String>>,
}

/// When a kind of fault is injected.
#[derive(Debug)]
enum InjectionRule {
    /// At each occasion with this probability.
    Rate(f64),
    /// At these occasions, counted from 1. One that has passed is due at the next occasion.
    At(Mutex<BTreeSet<u64>>),
}

impl InjectionRule {
    /// At no occasion.
    const NEVER: Self = Self::Rate(0.0);

    /// Adds an occasion; a rate so far no longer counts.
    fn force(&mut self, occasion: u64) {
        match self {
            Self::Rate(_) => *self = Self::At(Mutex::new(BTreeSet::from([occasion]))),
            Self::At(due) => {
                let due = due.get_mut().unwrap_or_else(PoisonError::into_inner);
                due.insert(occasion);
            }
        }
    }

    fn is_possible(&self) -> bool {
        match self {
            Self::Rate(rate) => *rate > 0.0,
            Self::At(_) => true,
        }
    }

    /// Whether the fault is injected at this occasion.
    fn is_now(&self, occasion: u64, random: &mut ChaCha8Rng) -> bool {
        match self {
            Self::Rate(rate) => random.random_bool(*rate),
            Self::At(due) => {
                let mut due = due.lock().unwrap_or_else(PoisonError::into_inner);
                let is_due = due.first().is_some_and(|first| *first <= occasion);
                is_due && due.pop_first().is_some()
            }
        }
    }

    /// The fault had no effect this time. Where it was forced, it is due again.
    fn undo(&self) {
        if let Self::At(due) = self {
            let mut due = due.lock().unwrap_or_else(PoisonError::into_inner);
            // The lowest number that is free: any of them is due at once.
            let free = (0..).find(|occasion| !due.contains(occasion));
            due.extend(free);
        }
    }
}

/// A specification of faults that cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidFaults {
    /// A name that no fault has.
    #[error("unknown fault `{name}`: there are all, {}", FaultKind::ALL.map(FaultKind::name).join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// A part that has not the form `name=rate` or `name@occasion`, or a number that is out of range.
    #[error("invalid fault `{part}`: {problem}")]
    Invalid {
        /// The part of the specification.
        part: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::at(0, [const { InjectionRule::NEVER }; FaultKind::ALL.len()])
    }

    /// Faults by a specification: parts with commas between.
    ///
    /// * `name=rate` injects the fault with this probability (0 to 1) at each occasion, that is
    ///   whenever it can be.
    /// * `name@n` forces it at the n-th occasion, counted from 1. Several such parts of one name add
    ///   up. A forced fault that has no effect then (see [`undo`](Self::undo)) is injected at the
    ///   next occasion instead, so it is injected for certain once there were enough.
    ///
    /// `all` is every kind. A rate replaces what an earlier part says of the same kind, and a forced
    /// occasion replaces an earlier rate. The kinds from [`FaultKind::Split`] on have one occasion per second.
    ///
    /// # Errors
    ///
    /// [`InvalidFaults`] for a part that is neither, an unknown name, a rate outside 0 to 1, or an
    /// occasion that is no number from 1.
    pub fn parse(specification: &str, seed: u64) -> Result<Self, InvalidFaults> {
        let mut rules = [const { InjectionRule::NEVER }; FaultKind::ALL.len()];
        for part in specification.split(',') {
            let invalid = |problem| InvalidFaults::Invalid {
                part: part.to_owned(),
                problem,
            };
            if let Some((name, occasion)) = part.split_once('@') {
                let occasion = occasion.parse().ok().filter(|occasion| *occasion > 0);
                let occasion = occasion.ok_or_else(|| invalid("an occasion is a number from 1"))?;
                for kind in named(name)? {
                    rules[*kind as usize].force(occasion);
                }
                continue;
            }
            let (name, rate) = part
                .split_once('=')
                .ok_or_else(|| invalid("it is written name=rate or name@occasion"))?;
            let rate = rate
                .parse::<f64>()
                .ok()
                .filter(|rate| (0.0..=1.0).contains(rate))
                .ok_or_else(|| invalid("a rate is a number from 0 to 1"))?;
            for kind in named(name)? {
                rules[*kind as usize] = InjectionRule::Rate(rate);
            }
        }
        Ok(Self::at(seed, rules))
    }

    fn at(seed: u64, rules: [InjectionRule; FaultKind::ALL.len()]) -> Self {
        Self {
            seed,
            rules,
            chances: Default::default(),
            injected: Default::default(),
            off: AtomicBool::new(false),
            early_ends: Mutex::default(),
        }
    }

    /// Whether the fault is injected this time; if it does, it is counted, and what is left to chance in it
    /// can be drawn from the generator.
    pub fn inject(&self, kind: FaultKind) -> Option<ChaCha8Rng> {
        let rules = &self.rules[kind as usize];
        if !rules.is_possible() || self.off.load(Ordering::Relaxed) {
            return None;
        }
        let chance = self.chances[kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut key = [0; 32];
        for (place, number) in [self.seed, kind as u64, chance].into_iter().enumerate() {
            key[8 * place..8 * (place + 1)].copy_from_slice(&number.to_le_bytes());
        }
        let mut random = ChaCha8Rng::from_seed(key);
        if !rules.is_now(chance + 1, &mut random) {
            return None;
        }
        self.injected[kind as usize].fetch_add(1, Ordering::Relaxed);
        Some(random)
    }

    /// Takes an injection back, where the fault turned out to have no effect. A forced one is
    /// injected at the next occasion.
    pub fn undo(&self, kind: FaultKind) {
        self.injected[kind as usize].fetch_sub(1, Ordering::Relaxed);
        self.rules[kind as usize].undo();
    }

    /// Whether it may be injected at all.
    pub fn can_inject(&self, kind: FaultKind) -> bool {
        self.rules[kind as usize].is_possible()
    }

    /// How often it injected.
    pub fn injected(&self, kind: FaultKind) -> u64 {
        self.injected[kind as usize].load(Ordering::Relaxed)
    }

    /// A window was ended early after the record of this sequence number.
    pub(crate) fn ended_early_after(&self, sequence_number: &str) {
        let mut ends = self
            .early_ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ends.insert(sequence_number.to_owned());
    }

    /// The sequence numbers of the records after which a window was ended early. What the function
    /// remembers ends there, so a reading that is sent before and after may count twice.
    pub fn early_ends(&self) -> HashSet<String> {
        let ends = self
            .early_ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ends.clone()
    }

    /// No fault is injected from now on.
    pub fn switch_off(&self) {
        self.off.store(true, Ordering::Relaxed);
    }
}

/// The kinds that a name in a specification means.
fn named(name: &str) -> Result<&'static [FaultKind], InvalidFaults> {
    if name == "all" {
        return Ok(&FaultKind::ALL);
    }
    let kind = FaultKind::ALL.iter().find(|kind| kind.name() == name);
    kind.map(std::slice::from_ref)
        .ok_or_else(|| InvalidFaults::Unknown {
            name: name.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(specification: &str, seed: u64, kind: FaultKind) -> Vec<bool> {
        let faults = Faults::parse(specification, seed).unwrap();
        (0..100).map(|_| faults.inject(kind).is_some()).collect()
    }

    #[test]
    fn one_seed_draws_the_same_faults() {
        let once = draws("crash=0.3", 1, FaultKind::Crash);
        assert_eq!(once, draws("crash=0.3", 1, FaultKind::Crash));
        assert_ne!(once, draws("crash=0.3", 2, FaultKind::Crash));
        assert_ne!(
            draws("all=0.3", 1, FaultKind::Crash),
            draws("all=0.3", 1, FaultKind::Split)
        );
    }

    #[test]
    fn the_ends_are_never_and_always() {
        assert_eq!(draws("crash=0", 1, FaultKind::Crash), [false; 100]);
        assert_eq!(draws("crash=1", 1, FaultKind::Crash), [true; 100]);
        assert_eq!(draws("all=1,crash=0", 1, FaultKind::Crash), [false; 100]);
        let faults = Faults::parse("all=1", 1).unwrap();
        faults.switch_off();
        assert!(faults.inject(FaultKind::Crash).is_none());
    }

    /// The occasions, counted from 1, at which the fault is injected.
    fn injected(specification: &str, kind: FaultKind) -> Vec<usize> {
        let injected = draws(specification, 1, kind);
        let occasions = (1..).zip(injected).filter(|(_, injected)| *injected);
        occasions.map(|(occasion, _)| occasion).collect()
    }

    #[test]
    fn a_forced_fault_is_injected_at_its_occasions_and_at_no_other() {
        assert_eq!(injected("crash@1", FaultKind::Crash), [1]);
        assert_eq!(
            injected("crash@7,crash@2,crash@7", FaultKind::Crash),
            [2, 7]
        );
        assert_eq!(injected("crash@2", FaultKind::Split), [0; 0]);
        assert_eq!(injected("all@3", FaultKind::Split), [3]);
        assert_eq!(injected("all@3,split=0", FaultKind::Split), [0; 0]);
        assert_eq!(injected("all=1,split@5", FaultKind::Split), [5]);
        assert_eq!(injected("all=1,split@5", FaultKind::Crash).len(), 100);
        assert_eq!(injected("crash@200", FaultKind::Crash), [0; 0]);
        let faults = Faults::parse("crash@2", 1).unwrap();
        assert!(faults.can_inject(FaultKind::Crash) && !faults.can_inject(FaultKind::Split));
        faults.switch_off();
        assert!((0..9).all(|_| faults.inject(FaultKind::Crash).is_none()));
    }

    #[test]
    fn a_forced_fault_that_had_no_effect_is_injected_at_the_next_occasion() {
        let faults = Faults::parse("state-lost@1,state-lost@3", 1).unwrap();
        let injected = || faults.inject(FaultKind::StateLost).is_some();
        assert!(injected());
        faults.undo(FaultKind::StateLost);
        assert_eq!(faults.injected(FaultKind::StateLost), 0);
        assert!(injected() && injected());
        faults.undo(FaultKind::StateLost);
        faults.undo(FaultKind::StateLost);
        assert!(injected() && injected() && !injected());
        assert_eq!(faults.injected(FaultKind::StateLost), 2);
    }

    #[test]
    fn the_kinds_stand_in_their_order() {
        for (place, kind) in FaultKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{}", kind.name());
        }
    }

    #[test]
    fn nonsense_is_named() {
        for (specification, told) in [
            (
                "",
                "invalid fault ``: it is written name=rate or name@occasion",
            ),
            ("crash", "invalid fault `crash`: it is written name=rate"),
            (
                "crash@0",
                "invalid fault `crash@0`: an occasion is a number from 1",
            ),
            (
                "crash@first",
                "invalid fault `crash@first`: an occasion is a number from 1",
            ),
            (
                "crush@1",
                "unknown fault `crush`: there are all, put-failed,",
            ),
            (
                "crash=2",
                "invalid fault `crash=2`: a rate is a number from 0 to 1",
            ),
            (
                "crash=nan",
                "invalid fault `crash=nan`: a rate is a number from 0 to 1",
            ),
            (
                "crush=1",
                "unknown fault `crush`: there are all, put-failed,",
            ),
        ] {
            let error = Faults::parse(specification, 1).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
