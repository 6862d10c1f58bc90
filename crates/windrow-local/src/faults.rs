//! Fault injection: which faults to inject, how often, and how often each was injected.
//!
//! Faults are injected in front of the emulated services and in the event source mapping, never
//! inside a handler, so a handler sees only what it could see on AWS. Whether a fault is injected
//! depends on the seed, its kind, and how many opportunities that kind has had. The same seed
//! therefore injects the same faults, provided that the same calls are made.
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
//! A test forces a fault instead of waiting for one: `crash@3` injects it at the third
//! opportunity.
//!
//! ```
//! use windrow_local::faults::{FaultKind, Faults};
//!
//! let faults = Faults::parse("crash@1,crash@3", 7)?;
//! let injected = [(); 5].map(|()| faults.inject(FaultKind::Crash).is_some());
//! assert_eq!(injected, [true, false, true, false, false]);
//! # Ok::<(), windrow_local::faults::InvalidFaults>(())
//! ```

use std::collections::BTreeSet;
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
    /// A call takes effect, but its response never arrives, so the client retries.
    ResponseDropped,
    /// DynamoDB leaves some items of a BatchWriteItem unprocessed.
    Unprocessed,
    /// A call is delayed.
    Delayed,
    /// A shard iterator has expired.
    IteratorExpired,
    /// Firehose fails some records of a PutRecordBatch.
    RejectsFailed,
    /// A function crashes before it does anything.
    Crash,
    /// A function crashes while it sends.
    CrashDuring,
    /// A function crashes after its sends, so its response is lost.
    CrashAfter,
    /// A function times out.
    TimeOut,
    /// An event is delivered twice at the same time.
    TwiceAtOnce,
    /// An event is delivered again later, with the same state.
    TwiceLate,
    /// Records are redelivered after they were processed, before the records that follow them.
    Redelivered,
    /// Records are redelivered after their window has closed, as a window of their own.
    RedeliveredAfterWindow,
    /// A window's state is lost, and the window is redelivered from its start.
    StateLost,
    /// A batch is split in two, even the last one of its window.
    Recut,
    /// A window's state is lost, and later records are redelivered before earlier ones.
    OutOfOrder,
    /// A batch fails until it goes to the on-failure destination, so its records must be redriven.
    BatchFailed,
    /// A shard of the readings is split.
    Split,
    /// Two shards of the readings are merged.
    Merge,
    /// A shard of the summaries is split.
    SummarySplit,
    /// The aggregator's mapping is restarted in the middle of a closed window.
    MappingRestarted,
    /// Old summaries are put into their stream again.
    SummariesReplayed,
    /// The aggregator's mapping is disabled in the middle of a window, and enabled later.
    MappingDisabled,
    /// The aggregator's mapping gets another batch size in the middle of a window.
    MappingUpdated,
    /// The whole cloud drains and stops while readings are sent, and starts again on the same data
    /// directory.
    CloudRestarted,
    /// The whole cloud is aborted without a drain while readings are sent, as far as a process can do
    /// to a part of itself what `kill -9` does to it, and starts again on the same data directory.
    CloudKilled,
}

impl FaultKind {
    /// All kinds, in the order in which a soak prints them.
    pub const ALL: [Self; 28] = [
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
        Self::OutOfOrder,
        Self::BatchFailed,
        Self::Split,
        Self::Merge,
        Self::SummarySplit,
        Self::MappingRestarted,
        Self::SummariesReplayed,
        Self::MappingDisabled,
        Self::MappingUpdated,
        Self::CloudRestarted,
        Self::CloudKilled,
    ];

    /// The name in a specification.
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
            Self::OutOfOrder => "out-of-order",
            Self::BatchFailed => "batch-failed",
            Self::Split => "split",
            Self::Merge => "merge",
            Self::SummarySplit => "summary-split",
            Self::MappingRestarted => "mapping-restarted",
            Self::SummariesReplayed => "summaries-replayed",
            Self::MappingDisabled => "mapping-disabled",
            Self::MappingUpdated => "mapping-updated",
            Self::CloudRestarted => "cloud-restarted",
            Self::CloudKilled => "cloud-killed",
        }
    }
}

/// Which faults to inject, and how often each was injected.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    rules: [InjectionRule; FaultKind::ALL.len()],
    opportunities: [AtomicU64; FaultKind::ALL.len()],
    injected: [AtomicU64; FaultKind::ALL.len()],
    off: AtomicBool,
}

/// When a kind of fault is injected.
#[derive(Debug)]
struct InjectionRule {
    /// The probability at each opportunity.
    rate: f64,
    /// The opportunities, counted from 1, at which the fault is forced. One that was missed is due
    /// at the next opportunity.
    forced: Mutex<BTreeSet<u64>>,
    /// Whether the fault was ever to be forced.
    is_forced: bool,
}

impl InjectionRule {
    fn at_rate(rate: f64) -> Self {
        Self {
            rate,
            forced: Mutex::default(),
            is_forced: false,
        }
    }

    /// No kind is ever injected.
    fn none() -> [Self; FaultKind::ALL.len()] {
        FaultKind::ALL.map(|_| Self::at_rate(0.0))
    }

    /// Also forces the fault at an opportunity.
    fn force(&mut self, opportunity: u64) {
        let forced = self.forced.get_mut();
        forced
            .unwrap_or_else(PoisonError::into_inner)
            .insert(opportunity);
        self.is_forced = true;
    }

    fn is_possible(&self) -> bool {
        self.rate > 0.0 || self.is_forced
    }

    /// Whether to inject the fault at this opportunity.
    fn is_now(&self, opportunity: u64, random: &mut ChaCha8Rng) -> bool {
        let mut forced = self.forced.lock().unwrap_or_else(PoisonError::into_inner);
        if forced.first().is_some_and(|first| *first <= opportunity) {
            return forced.pop_first().is_some();
        }
        random.random_bool(self.rate)
    }

    /// Takes back an injection that had no effect. If the fault is forced, it is due at the next
    /// opportunity.
    fn undo(&self) {
        if self.is_forced {
            let mut forced = self.forced.lock().unwrap_or_else(PoisonError::into_inner);
            // The lowest free number, which is due at the next opportunity.
            let free = (0..).find(|opportunity| !forced.contains(opportunity));
            forced.extend(free);
        }
    }
}

/// Why a specification of faults is invalid.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidFaults {
    /// There is no fault of this name.
    #[error(
        "unknown fault `{name}`: choose from all, {}",
        FaultKind::ALL.map(FaultKind::name).join(", ")
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// A part is neither `name=rate` nor `name@n`, or its number is out of range.
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
        Self::at(0, InjectionRule::none())
    }

    /// Parses a specification: parts separated by commas.
    ///
    /// * `name=rate` injects the fault with this probability (0 to 1) at each opportunity.
    /// * `name@n` also forces the fault at the n-th opportunity, counted from 1. Several such parts
    ///   with the same name add up. A forced fault that has no effect (see [`undo`](Self::undo)) is
    ///   injected at the next opportunity instead.
    ///
    /// `all` stands for every kind. For each kind, a rate replaces all earlier parts.
    /// [`FaultKind::Split`] and the kinds after it have one opportunity per second.
    ///
    /// # Errors
    ///
    /// [`InvalidFaults`] if a part has neither form, an unknown name, a rate that is not from 0 to
    /// 1, or an `n` that is not at least 1.
    pub fn parse(specification: &str, seed: u64) -> Result<Self, InvalidFaults> {
        let mut rules = InjectionRule::none();
        for part in specification.split(',') {
            let invalid = |problem| InvalidFaults::Invalid {
                part: part.to_owned(),
                problem,
            };
            if let Some((name, opportunity)) = part.split_once('@') {
                let opportunity = opportunity
                    .parse()
                    .ok()
                    .filter(|opportunity| *opportunity > 0);
                let opportunity =
                    opportunity.ok_or_else(|| invalid("n must be a whole number, at least 1"))?;
                for kind in named(name)? {
                    rules[*kind as usize].force(opportunity);
                }
                continue;
            }
            let (name, rate) = part
                .split_once('=')
                .ok_or_else(|| invalid("write name=rate or name@n"))?;
            let rate = rate
                .parse::<f64>()
                .ok()
                .filter(|rate| (0.0..=1.0).contains(rate))
                .ok_or_else(|| invalid("the rate must be a number from 0 to 1"))?;
            for kind in named(name)? {
                rules[*kind as usize] = InjectionRule::at_rate(rate);
            }
        }
        Ok(Self::at(seed, rules))
    }

    fn at(seed: u64, rules: [InjectionRule; FaultKind::ALL.len()]) -> Self {
        Self {
            seed,
            rules,
            opportunities: Default::default(),
            injected: Default::default(),
            off: AtomicBool::new(false),
        }
    }

    /// Decides whether to inject the fault at this opportunity. If so, counts it, and returns a
    /// generator of random numbers for its details.
    pub fn inject(&self, kind: FaultKind) -> Option<ChaCha8Rng> {
        let rules = &self.rules[kind as usize];
        if !rules.is_possible() || self.off.load(Ordering::Relaxed) {
            return None;
        }
        let earlier = self.opportunities[kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut key = [0; 32];
        for (index, number) in [self.seed, kind as u64, earlier].into_iter().enumerate() {
            key[8 * index..8 * (index + 1)].copy_from_slice(&number.to_le_bytes());
        }
        let mut random = ChaCha8Rng::from_seed(key);
        if !rules.is_now(earlier + 1, &mut random) {
            return None;
        }
        self.injected[kind as usize].fetch_add(1, Ordering::Relaxed);
        Some(random)
    }

    /// Takes back an injection that turned out to have no effect. A forced fault is injected at the
    /// next opportunity instead.
    pub fn undo(&self, kind: FaultKind) {
        self.injected[kind as usize].fetch_sub(1, Ordering::Relaxed);
        self.rules[kind as usize].undo();
    }

    /// Whether the fault can be injected at all.
    pub fn can_inject(&self, kind: FaultKind) -> bool {
        self.rules[kind as usize].is_possible()
    }

    /// How often the fault was injected.
    pub fn injected(&self, kind: FaultKind) -> u64 {
        self.injected[kind as usize].load(Ordering::Relaxed)
    }

    /// Stops injecting faults.
    pub fn switch_off(&self) {
        self.off.store(true, Ordering::Relaxed);
    }

    /// Injects faults again.
    pub fn switch_on(&self) {
        self.off.store(false, Ordering::Relaxed);
    }
}

/// The kinds that a name in a specification stands for.
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
mod tests;
