//! Histories: a log, and how Lambda delivers it. Plain data, so that a failing one shrinks.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::reference::{LogRecord, Sample, TIMES};

/// A log of one shard's window, and everything that happens to it until the window is closed.
#[derive(Clone, Debug)]
pub(crate) struct ShardHistory {
    /// In the order of the log.
    pub(crate) log: Vec<LogRecord>,
    /// Whether readings are grouped by their own time, so that there are two windows.
    pub(crate) by_event_time: bool,
    /// The limits of the state.
    pub(crate) size: StateSize,
    /// What happens, in this order.
    pub(crate) acts: Vec<Act>,
    /// How many records a batch has once all acts are over.
    pub(crate) batch: usize,
    /// After the window was closed: records that are folded with a fresh state, from and count.
    pub(crate) late: Vec<(usize, usize)>,
    /// Rows that arrive twice. Numbers are taken modulo the number of rows, here and below.
    pub(crate) replayed: Vec<usize>,
    /// Rows that are lost.
    pub(crate) lost: Vec<usize>,
}

/// The limits of a fold's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateSize {
    /// The number of accumulators at which it is full; none if there are no partial flushes.
    pub(crate) accumulators: Option<usize>,
    /// The number of bytes at which it is full, beyond what the compressor may add.
    pub(crate) bytes: Option<usize>,
    /// The bytes of the dedup cache; none if it never evicts.
    pub(crate) dedup: Option<usize>,
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its rows arrive, and Lambda gets the new state.
    Success,
    /// It fails before it sends a row.
    FailsFirst,
    /// It fails after it sent the rows with a bit set here.
    FailsLast(u16),
}

/// One thing that happens to the lineage of attempts. Counts are cut off at the log's end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// The next records are delivered. After a failure, the next act delivers them again, cut
    /// anywhere.
    Deliver { count: usize, ending: Ending },
    /// Records are delivered again with the newest state, and maybe new ones after them.
    Redeliver {
        back: usize,
        count: usize,
        ending: Ending,
    },
    /// Lambda goes back to an older state, and delivers what follows it.
    Rollback { snapshot: usize },
    /// The state is lost, and the window is delivered from its start.
    LoseState,
    /// A restarted mapping begins the window in the middle, with a fresh state.
    StartAt { at: usize },
    /// Delivery goes back to an older record with the newest state, and goes on from there.
    Rewind { back: usize },
    /// Two batches arrive in the wrong order.
    Swap { first: usize, second: usize },
    /// Another attempt with an older state and what follows it. Its state is not used.
    Parallel {
        snapshot: usize,
        count: usize,
        closes: bool,
        ending: Ending,
    },
    /// Lambda ends the window early after a batch. What follows begins with a fresh state.
    EndEarly { count: usize },
    /// A restarted mapping begins, with a fresh state, where the last source range ended.
    StartAtRange,
    /// A batch is skipped, as if it was discarded after its last retry.
    Discard { count: usize },
    /// Another attempt with an older state and records that do not follow it.
    Stale {
        snapshot: usize,
        ahead: usize,
        count: usize,
    },
    /// An older run of records is delivered, then delivery goes on where it was.
    Detour { back: usize, count: usize },
}

/// Which acts a history has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One fold goes through the whole window.
    Whole,
    /// Several folds go through the window, each from where the one before it ended.
    Resets,
    /// As `Whole`, and then some rows are lost.
    LostRows,
    /// Anything.
    Hostile,
    /// As `Whole`, with a dedup cache that evicts.
    Evicting,
}

pub(crate) fn any_history(kind: Kind) -> impl Strategy<Value = ShardHistory> {
    let lost = match kind {
        Kind::LostRows => 1..12,
        Kind::Hostile => 0..3,
        _ => 0..1_usize,
    };
    // A proof that rows are missing needs many rows of one key.
    let (keys, late) = match kind {
        Kind::LostRows => (1, 4..10),
        _ => (3, 0..3),
    };
    let delivery = (
        any_size(kind),
        vec(any_act(kind), 0..14),
        1..6_usize,
        vec((0..16_usize, 1..8_usize), late),
        vec(any::<usize>(), 0..4),
        vec(any::<usize>(), lost),
    );
    (any_log(keys), any::<bool>(), delivery).prop_map(|(log, by_event_time, delivery)| {
        let (size, acts, batch, late, replayed, lost) = delivery;
        ShardHistory {
            log,
            by_event_time,
            size,
            acts,
            batch,
            late,
            replayed,
            lost,
        }
    })
}

/// Few keys and times, so that many readings are duplicates. Sequence numbers have gaps, and get a
/// digit longer on the way.
fn any_log(keys: usize) -> impl Strategy<Value = Vec<LogRecord>> {
    let sample = (0..keys, 0..TIMES).prop_map(|(key, time)| Sample { key, time });
    let record = (1..6_u64, vec(sample, 0..4));
    (80..100_u64, vec(record, 1..15)).prop_map(|(mut number, records)| {
        let record = |(step, samples)| {
            number += step;
            LogRecord {
                number: number.to_string(),
                samples,
            }
        };
        records.into_iter().map(record).collect()
    })
}

fn any_size(kind: Kind) -> BoxedStrategy<StateSize> {
    let dedup = match kind {
        Kind::Evicting => (80..400_usize).prop_map(Some).boxed(),
        _ => Just(None).boxed(),
    };
    let bytes = prop_oneof![3 => Just(None), 1 => (0..500_usize).prop_map(Some)];
    let accumulators = prop_oneof![2 => Just(None), 1 => (1..6_usize).prop_map(Some)];
    (accumulators, bytes, dedup)
        .prop_map(|(accumulators, bytes, dedup)| StateSize {
            accumulators,
            bytes,
            dedup,
        })
        .boxed()
}

fn any_ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        3 => Just(Ending::Success),
        1 => Just(Ending::FailsFirst),
        2 => any::<u16>().prop_map(Ending::FailsLast),
        1 => Just(Ending::FailsLast(u16::MAX)),
    ]
}

fn any_act(kind: Kind) -> BoxedStrategy<Act> {
    let snapshot = || any::<u8>().prop_map(usize::from);
    let deliver =
        (1..6_usize, any_ending()).prop_map(|(count, ending)| Act::Deliver { count, ending });
    let redeliver =
        (1..6_usize, 1..8_usize, any_ending()).prop_map(|(back, count, ending)| Act::Redeliver {
            back,
            count,
            ending,
        });
    let rollback = snapshot().prop_map(|snapshot| Act::Rollback { snapshot });
    let swap = (1..4_usize, 1..4_usize).prop_map(|(first, second)| Act::Swap { first, second });
    let parallel = (snapshot(), 0..6_usize, any::<bool>(), any_ending()).prop_map(
        |(snapshot, count, closes, ending)| Act::Parallel {
            snapshot,
            count,
            closes,
            ending,
        },
    );
    let common = prop_oneof![
        6 => deliver,
        2 => redeliver,
        1 => rollback,
        1 => Just(Act::LoseState),
        1 => swap,
        2 => parallel,
    ];
    let start_at = (0..14_usize).prop_map(|at| Act::StartAt { at });
    let rewind = (1..10_usize).prop_map(|back| Act::Rewind { back });
    let out_of_order = prop_oneof![start_at, rewind];
    let end_early = (0..4_usize).prop_map(|count| Act::EndEarly { count });
    let reset = prop_oneof![end_early, Just(Act::StartAtRange)];
    let discard = (1..4_usize).prop_map(|count| Act::Discard { count });
    let stale =
        (snapshot(), 1..5_usize, 1..5_usize).prop_map(|(snapshot, ahead, count)| Act::Stale {
            snapshot,
            ahead,
            count,
        });
    let detour = (1..10_usize, 1..5_usize).prop_map(|(back, count)| Act::Detour { back, count });
    let hostile = prop_oneof![discard, stale, detour];
    match kind {
        Kind::Whole | Kind::LostRows | Kind::Evicting => {
            prop_oneof![6 => common, 1 => out_of_order].boxed()
        }
        Kind::Resets => prop_oneof![6 => common, 1 => reset].boxed(),
        Kind::Hostile => prop_oneof![
            9 => common,
            1 => out_of_order,
            1 => reset,
            2 => hostile,
        ]
        .boxed(),
    }
}
