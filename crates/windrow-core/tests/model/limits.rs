//! The limits of the argument, each as the shortest history that shows it. See docs/exactness.md.

use crate::check::{Statistics, check};
use crate::delivery::deliver;
use crate::history::{Act, Ending, Kind, ShardHistory, StateSize};
use crate::reference::{LogRecord, Sample};

const DELIVER_ONE: Act = Act::Deliver {
    count: 1,
    ending: Ending::Success,
};

/// One key, and a reading of another time in each record that has one.
fn history(has_reading: &[bool], acts: &[Act], late: &[(usize, usize)]) -> ShardHistory {
    let records = has_reading.iter().enumerate();
    let log = records.map(|(place, has_reading)| LogRecord {
        number: (place + 1).to_string(),
        samples: has_reading
            .then_some(Sample {
                key: 0,
                time: place,
            })
            .into_iter()
            .collect(),
    });
    ShardHistory {
        log: log.collect(),
        by_event_time: false,
        size: StateSize {
            accumulators: None,
            bytes: None,
            dedup: None,
        },
        acts: acts.to_vec(),
        batch: 1,
        late: late.to_vec(),
        replayed: Vec::new(),
        lost: Vec::new(),
    }
}

fn statistics(history: &ShardHistory) -> Statistics {
    let mut statistics = Statistics::default();
    let outcome = deliver(history, Kind::Hostile).unwrap();
    check(history, &outcome, Kind::Hostile, &mut statistics).unwrap();
    assert_eq!(statistics.groups, 1);
    statistics
}

/// Records 1 to 3, then 0, which starts a new range, then 4: another new range, so that neither
/// overlaps the first.
#[test]
fn delivery_may_skip_what_was_folded_after_an_older_record() {
    let swap = Act::Swap {
        first: 1,
        second: 3,
    };
    for acts in [&[swap, Act::Rewind { back: 3 }][..], &[swap]] {
        let statistics = statistics(&history(&[true; 5], acts, &[]));
        assert_eq!((statistics.covered, statistics.folded_but_missing), (1, 0));
    }
}

/// Records 0 to 2 are folded, and the window ends early while they are delivered again. The next
/// fold must begin with 3: rows that overlap cannot be added.
#[test]
fn a_fold_must_begin_where_the_one_before_it_ended() {
    let until = |count| {
        [
            Act::Deliver {
                count: 3,
                ending: Ending::Success,
            },
            Act::Rewind { back: 3 },
            Act::EndEarly { count },
        ]
    };
    assert_eq!(statistics(&history(&[true; 6], &until(3), &[])).covered, 1);
    let overlaps = statistics(&history(&[true; 6], &until(2), &[]));
    assert_eq!(overlaps.folded_but_missing, 1);
    assert_eq!(overlaps.proven, 0, "no row proves it");
}

/// An attempt folds 1 and 3 and sends its row, though 2 lies between. Its row says that 1 to 3 have
/// one reading. That of 0 to 2 says two, so 0 would have to have one.
#[test]
fn a_hole_in_a_range_may_look_like_a_gap() {
    let acts = [
        Act::StartAt { at: 1 },
        DELIVER_ONE,
        Act::Stale {
            snapshot: 2,
            ahead: 1,
            count: 1,
        },
    ];
    let has_reading = [false, true, true, false, true];
    let misled = statistics(&history(&has_reading, &acts, &[(0, 3)]));
    assert_eq!((misled.covered, misled.misled), (1, 1));
}
