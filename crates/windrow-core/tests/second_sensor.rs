//! The core is independent of the sensor: here, the turbines of a wind farm report power in watts.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use proptest::prelude::*;
use windrow_core::aggregate::{Aggregate, Max, Merge, Min, Sum};
use windrow_core::codec::{CodecError, Columnar, Decoder, Encoder};
use windrow_core::fold::{Fold, FoldedRow, OpenRecord, RecordStep, StateLimits};
use windrow_core::merge::{RangedRow, RowHash, select};
use windrow_core::sequence::SequenceRange;
use windrow_core::window::{Hopping, Tumbling, Window};

#[derive(Clone, Debug)]
struct Gust {
    turbine: String,
    millis: i64,
    watts: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Power {
    energy: Sum,
    lowest: Min<i64>,
    highest: Max<i64>,
}

impl Merge for Power {
    fn identity() -> Self {
        Self {
            energy: Sum::identity(),
            lowest: Min::identity(),
            highest: Max::identity(),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.energy.merge(&other.energy);
        self.lowest.merge(&other.lowest);
        self.highest.merge(&other.highest);
    }
}

impl Aggregate<Gust> for Power {
    fn add(&mut self, gust: &Gust) {
        self.energy.add(&gust.watts);
        self.lowest.add(&gust.watts);
        self.highest.add(&gust.watts);
    }
}

impl Columnar for Power {
    fn write(values: &[&Self], out: &mut Encoder) {
        let column: Vec<_> = values
            .iter()
            .map(|power| (power.energy, power.lowest, power.highest))
            .collect();
        Columnar::write(&column.iter().collect::<Vec<_>>(), out);
    }

    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
        let column = <(Sum, Min<i64>, Max<i64>)>::read(count, input)?;
        let power = |(energy, lowest, highest)| Power {
            energy,
            lowest,
            highest,
        };
        Ok(column.into_iter().map(power).collect())
    }
}

type Farm = Fold<String, Power>;

struct PowerRow(FoldedRow<String, Power>);

impl RangedRow for PowerRow {
    fn range(&self) -> &SequenceRange {
        &self.0.range
    }

    fn readings(&self) -> u64 {
        self.0.readings
    }

    fn duplicates(&self) -> u64 {
        self.0.duplicates
    }

    fn hash(&self) -> RowHash {
        let mut hasher = DefaultHasher::new();
        format!("{:?}", self.0).hash(&mut hasher);
        hasher.finish().to_be_bytes()
    }
}

/// Begins a record; `None` if it is not to be folded.
fn begin(fold: &mut Farm, record: usize) -> Option<OpenRecord<'_, String, Power>> {
    let step = fold.begin_record(&record.to_string()).unwrap();
    step.into_record()
}

/// Adds a gust with this identity. Returns whether it is new.
fn add(
    record: &mut OpenRecord<'_, String, Power>,
    window: Window,
    identity: i128,
    gust: &Gust,
) -> bool {
    let turbine = gust.turbine.as_str();
    record.add(window, turbine, Some(identity), |power| power.add(gust))
}

/// Folds the records `from..to` of `log`. At `handovers` the state is encoded and decoded, and the
/// last `redelivered` records are delivered again. Also returns the number of duplicates.
fn fold(
    mut fold: Farm,
    log: &[Vec<Gust>],
    from: usize,
    to: usize,
    handovers: &[usize],
    redelivered: usize,
) -> (Farm, u64) {
    let minutes = Tumbling::new(60_000).unwrap();
    let mut duplicates = 0;
    let mut record = from;
    let mut done = Vec::new();
    while record < to {
        if let Some(mut open) = begin(&mut fold, record + 100) {
            for gust in &log[record] {
                let time = i128::from(gust.millis) * 1_000_000;
                let window = minutes.window_of(gust.millis);
                if !add(&mut open, window, time, gust) {
                    duplicates += 1;
                }
            }
        }
        record += 1;
        if handovers.contains(&record) && !done.contains(&record) {
            done.push(record);
            fold = Farm::decode(&fold.encode(), StateLimits::default()).unwrap();
            record = record.saturating_sub(redelivered).max(from);
        }
    }
    (fold, duplicates)
}

/// The rows of the records `from..to`, closed at `cuts`.
fn run(log: &[Vec<Gust>], from: usize, to: usize, cuts: &[usize]) -> Vec<FoldedRow<String, Power>> {
    let mut ends: Vec<usize> = cuts
        .iter()
        .map(|cut| from + cut % (to - from + 1))
        .collect();
    ends.push(to);
    ends.sort_unstable();
    let mut rows = Vec::new();
    let mut state = Farm::new(StateLimits::default());
    let mut start = from;
    for end in ends {
        (state, _) = fold(state, log, start, end, &[end], 0);
        rows.extend(state.close());
        start = end;
    }
    rows
}

fn any_log() -> impl Strategy<Value = Vec<Vec<Gust>>> {
    let gust = (0..3_u8, 0..5_i64, any::<i32>()).prop_map(|(turbine, second, watts)| Gust {
        turbine: format!("turbine {turbine}"),
        millis: second * 40_000,
        watts: i64::from(watts),
    });
    proptest::collection::vec(proptest::collection::vec(gust, 0..4), 1..20)
}

proptest! {
    #[test]
    fn redelivery_and_handover_change_nothing(
        log in any_log(),
        handovers in proptest::collection::vec(0..20_usize, 0..4),
        redelivered in 0..5_usize,
    ) {
        let new = || Farm::new(StateLimits::default());
        let (mut expected, duplicates) = fold(new(), &log, 0, log.len(), &[], 0);
        let (mut actual, actual_duplicates) = fold(new(), &log, 0, log.len(), &handovers, redelivered);
        prop_assert_eq!(duplicates, actual_duplicates);
        let rows = expected.close();
        prop_assert_eq!(&rows, &actual.close());
        let readings: u64 = rows.iter().map(|row| row.readings).sum();
        prop_assert_eq!(readings + duplicates, log.iter().map(|record| record.len() as u64).sum::<u64>());
    }

    /// One run over the whole log, closed at `cuts`, succeeded. Other runs left rows as well; each
    /// started with an empty state, at any record, and was closed at its own cuts.
    #[test]
    fn merged_rows_hold_each_distinct_reading_once(
        log in any_log(),
        cuts in proptest::collection::vec(0..20_usize, 0..4),
        others in proptest::collection::vec(
            (0..20_usize, 0..20_usize, proptest::collection::vec(0..20_usize, 0..3)),
            0..6,
        ),
    ) {
        let (mut whole, _) = fold(Farm::new(StateLimits::default()), &log, 0, log.len(), &[], 0);
        let mut rows = run(&log, 0, log.len(), &cuts);
        for (from, to, cuts) in &others {
            let (from, to) = (from % log.len(), to % (log.len() + 1));
            rows.extend(run(&log, from, to.max(from), cuts));
        }
        for expected in whole.close() {
            let candidates: Vec<PowerRow> = rows
                .iter()
                .filter(|row| (row.window, &row.key) == (expected.window, &expected.key))
                .cloned()
                .map(PowerRow)
                .collect();
            let mut merged = Power::identity();
            let mut readings = 0;
            let selection = select(&candidates);
            for index in selection.rows {
                merged.merge(&candidates[index].0.aggregate);
                readings += candidates[index].0.readings;
            }
            prop_assert_eq!(readings, expected.readings);
            prop_assert_eq!(merged, expected.aggregate);
            prop_assert!(!selection.gap);
        }
    }

    #[test]
    fn any_text_is_an_error_or_a_state(text in "[A-Za-z0-9+/]{0,200}={0,2}") {
        let _ = Farm::decode(&text, StateLimits::default());
    }

    #[test]
    fn a_damaged_state_is_an_error_or_a_state(log in any_log(), at in 0..400_usize, byte: u8) {
        let (fold, _) = fold(Farm::new(StateLimits::default()), &log, 0, log.len(), &[], 0);
        let mut text = fold.encode().into_bytes();
        let at = at % text.len();
        text[at] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="[usize::from(byte) % 65];
        if let Ok(fold) = Farm::decode(&String::from_utf8(text).unwrap(), StateLimits::default()) {
            let _ = fold.encode();
        }
    }
}

#[test]
fn a_full_state_stays_within_its_limit() {
    let limits = StateLimits {
        state: 60_000,
        dedup: 20_000,
        ..StateLimits::default()
    };
    let minutes = Tumbling::new(60_000).unwrap();
    let mut fold = Farm::new(limits);
    let mut closed = 0;
    let mut longest = 0;
    for number in 0..60_000_u64 {
        let mut record = begin(&mut fold, number as usize + 1).unwrap();
        // The names do not compress well.
        let turbine = format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let gust = Gust {
            turbine,
            millis: 5,
            watts: 7,
        };
        assert!(add(&mut record, minutes.window_of(5), 5, &gust));
        if fold.is_full() {
            longest = longest.max(fold.encode().len());
            closed += fold.close().len();
        }
    }
    closed += fold.close().len();
    assert_eq!(closed, 60_000);
    assert!(longest <= limits.state, "{longest}");
    assert!(longest > limits.state * 3 / 4, "{longest}");
    assert!(fold.evicted() > 0);
}

#[test]
fn a_fold_is_full_at_the_accumulator_limit() {
    let limits = StateLimits {
        accumulators: 3,
        ..StateLimits::default()
    };
    let minutes = Tumbling::new(60_000).unwrap();
    let mut fold = Farm::new(limits);
    for (second, turbine, full) in [
        (1, "a", false),
        (2, "b", false),
        (3, "a", false),
        (4, "c", true),
    ] {
        let mut record = begin(&mut fold, second as usize).unwrap();
        let gust = Gust {
            turbine: turbine.to_owned(),
            millis: second,
            watts: 7,
        };
        add(&mut record, minutes.window_of(second), second.into(), &gust);
        assert_eq!(fold.is_full(), full, "{turbine}");
    }
}

#[test]
fn a_record_without_readings_extends_the_range() {
    let mut fold = Farm::new(StateLimits::default());
    assert!(begin(&mut fold, 5).is_some());
    assert!(fold.close().is_empty());
    assert!(matches!(fold.begin_record("5"), Ok(RecordStep::Skip)));
    assert!(matches!(fold.begin_record("4"), Ok(RecordStep::Restart)));
    assert!(begin(&mut fold, 6).is_some());
    assert!(fold.begin_record("not a number").is_err());
}

/// A reading belongs to every window that contains it, and is a duplicate in none of them.
#[test]
fn duplicates_are_found_per_window() {
    let hopping = Hopping::new(60_000, 20_000).unwrap();
    let mut fold = Farm::new(StateLimits::default());
    let gust = |millis| Gust {
        turbine: "a".to_owned(),
        millis,
        watts: 7,
    };
    // The same reading twice, the second time with an arrival 30 s later.
    for (record, arrival) in [(1, 70_000), (2, 100_000)] {
        let mut record = begin(&mut fold, record).unwrap();
        for window in hopping.windows_of(arrival) {
            add(&mut record, window, 7, &gust(0));
        }
        fold = Farm::decode(&fold.encode(), StateLimits::default()).unwrap();
    }
    let rows = fold.close();
    let counts: Vec<(i64, u64, u64)> = rows
        .iter()
        .map(|row| (row.window.start / 1_000, row.readings, row.duplicates))
        .collect();
    assert_eq!(
        counts,
        [(20, 1, 0), (40, 1, 0), (60, 1, 1), (80, 1, 0), (100, 1, 0)]
    );
}

proptest! {
    /// Each window counts its own distinct readings, whatever the arrivals and handovers.
    #[test]
    fn overlapping_windows_count_their_own_readings(
        arrivals in prop::collection::vec((0..200_000_i64, 0..12_i128, any::<bool>()), 1..60),
        hop in 1..70_000_i64,
    ) {
        let hopping = Hopping::new(60_000, hop.max(9_000)).unwrap();
        let mut fold = Farm::new(StateLimits::default());
        let mut expected: BTreeMap<i64, (BTreeSet<i128>, u64)> = BTreeMap::new();
        for (record, (arrival, identity, handover)) in arrivals.into_iter().enumerate() {
            let mut record = begin(&mut fold, record + 1).unwrap();
            for window in hopping.windows_of(arrival) {
                let gust = Gust { turbine: "a".to_owned(), millis: 0, watts: 1 };
                let is_new = add(&mut record, window, identity, &gust);
                let (distinct, all) = expected.entry(window.start).or_default();
                prop_assert_eq!(is_new, distinct.insert(identity));
                *all += 1;
            }
            if handover {
                fold = Farm::decode(&fold.encode(), StateLimits::default()).unwrap();
            }
        }
        let counts: Vec<_> = fold.close().iter()
            .map(|row| (row.window.start, row.readings, row.readings + row.duplicates))
            .collect();
        let expected: Vec<_> = expected.into_iter()
            .map(|(start, (distinct, all))| (start, distinct.len() as u64, all))
            .collect();
        prop_assert_eq!(counts, expected);
    }
}

#[test]
fn a_restart_forgets_records_and_readings_but_not_evictions() {
    let limits = StateLimits {
        dedup: 2_000,
        ..StateLimits::default()
    };
    let minutes = Tumbling::new(60_000).unwrap();
    let gust = Gust {
        turbine: "a".to_owned(),
        millis: 0,
        watts: 1,
    };
    let mut fold = Farm::new(limits);
    let mut record = begin(&mut fold, 5).unwrap();
    for time in 0..10_000 {
        add(&mut record, minutes.window_of(0), time * 1_000_000, &gust);
    }
    let evicted = fold.evicted();
    assert!(evicted > 0);
    assert_eq!(fold.close().len(), 1);
    assert!(matches!(fold.begin_record("4"), Ok(RecordStep::Restart)));
    fold.restart();
    assert_eq!(fold.evicted(), evicted);
    assert!(begin(&mut fold, 4).is_some());
    let mut record = begin(&mut fold, 5).unwrap();
    assert!(add(
        &mut record,
        minutes.window_of(0),
        9_999 * 1_000_000,
        &gust
    ));
    assert_eq!(fold.close()[0].dedup_from.as_str(), "4");
}
