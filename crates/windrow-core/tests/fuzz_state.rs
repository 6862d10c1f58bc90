//! Fuzz tests of the state codec. Decoding any text returns a value or an error, in bounded memory.
//! A decoded fold continues exactly as the fold that was encoded.
//!
//! A normal run has about 20,000 cases and takes less than 20 seconds. For more, set
//! `PROPTEST_CASES` to the number of cases per property:
//!
//! ```text
//! PROPTEST_CASES=100000 cargo test -p windrow-core --test fuzz_state
//! ```
//!
//! A global allocator counts memory. It does not see the memory of zstd itself, which has a fixed
//! size: a state is decompressed in one call, directly into counted memory.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use windrow_core::aggregate::{Aggregate, Max, Min, Sum};
use windrow_core::codec::CodecError;
use windrow_core::fold::{Fold, StateLimits};
use windrow_core::window::{Tumbling, Window};
use windrow_testkit::cases::cases;
use windrow_testkit::choices::Choices;
use windrow_testkit::frames::{columns, frame, state, state_of, varint};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Runs one test at a time; otherwise each would count the memory of the others.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

type FuzzedFold = Fold<String, (Sum, Min<i64>, Max<i64>)>;

const MIB: usize = 1 << 20;
/// The maximum length of a state before compression.
const LIMIT: usize = 16 * MIB;
/// The maximum memory that decoding takes for any text.
const MAX_MEMORY: usize = 192 * MIB;
/// The maximum memory that decoding takes for a text of a few kilobytes: the announced length and
/// little more.
const MAX_MEMORY_SMALL: usize = LIMIT + 2 * MIB;

/// Runs a property for `PROPTEST_CASES` cases, or for `default` if that is not set.
fn check(default: u32, longest: usize, property: impl Fn(&mut Choices<'_>)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = prop::collection::vec(any::<u8>(), 0..longest);
    let result = TestRunner::new(cases(default)).run(&bytes, |choices| {
        property(&mut Choices::new(&choices));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Decodes a state. Panics if that takes more than `max` bytes of memory.
fn decode(text: &str, limits: StateLimits, max: usize) -> Result<FuzzedFold, CodecError> {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = FuzzedFold::decode(text, limits);
    let used = MEMORY.peak_usage() - before;
    assert!(used <= max, "used {used} bytes, more than {max}");
    result
}

/// Often small limits, so that a few readings are enough to evict some.
fn limits(choices: &mut Choices<'_>) -> StateLimits {
    StateLimits {
        dedup: choices.choose(&[256_000, 200, 400, 1_000]),
        ..StateLimits::default()
    }
}

/// One step of a fold: a record with some readings, sometimes a redelivered one.
struct FoldStep {
    sequence_number: String,
    readings: Vec<(Window, String, i128, i64)>,
}

/// The next step after those of the `numbers` so far, or one of these again.
fn step(choices: &mut Choices<'_>, numbers: &mut Vec<u64>) -> FoldStep {
    let last = numbers.last().copied().unwrap_or_default();
    let sequence_number = if !numbers.is_empty() && choices.one_in(10) {
        choices.choose(numbers)
    } else {
        let next = last + 1 + choices.number() % 1_000;
        numbers.push(next);
        next
    };
    let minutes = Tumbling::new(60_000).unwrap();
    let reading = |choices: &mut Choices<'_>| {
        let millis = if choices.one_in(8) {
            choices.number() as i64
        } else {
            choices.below(200) as i64 * 1_000
        };
        let key = if choices.one_in(8) {
            String::from_utf8_lossy(choices.piece(20)).into_owned()
        } else {
            choices
                .choose(&["Shadowfax", "Franky", "🦄", ""])
                .to_owned()
        };
        let time = if choices.one_in(16) {
            i128::from(choices.number()) << choices.below(64)
        } else {
            i128::from(millis) * 1_000_000
        };
        let time = if choices.one_in(8) { -time } else { time };
        let value = choices.number() as i64;
        (minutes.window_of(millis), key, time, value)
    };
    FoldStep {
        sequence_number: format!("4959{sequence_number:020}"),
        readings: (0..choices.below(4)).map(|_| reading(choices)).collect(),
    }
}

/// Applies a step. Returns whether the record, and then each reading, is new.
fn apply(fold: &mut FuzzedFold, step: &FoldStep) -> Vec<bool> {
    let record = fold.begin_record(&step.sequence_number).unwrap();
    let record = record.into_record();
    let mut counted = vec![record.is_some()];
    if let Some(mut record) = record {
        for (window, key, time, value) in &step.readings {
            let add = |aggregate: &mut _| Aggregate::add(aggregate, value);
            counted.push(record.add(*window, key.as_str(), Some(*time), add));
        }
    }
    counted
}

fn any_fold(choices: &mut Choices<'_>, limits: StateLimits) -> FuzzedFold {
    let mut fold = FuzzedFold::new(limits);
    let mut numbers = vec![choices.number() >> 1];
    for _ in 0..choices.below(12) {
        let step = step(choices, &mut numbers);
        apply(&mut fold, &step);
        if choices.one_in(10) {
            fold.close();
        }
    }
    fold
}

/// Text that is a state, almost one, or neither.
fn any_state(choices: &mut Choices<'_>, limits: StateLimits) -> String {
    let kind = choices.below(8);
    match kind {
        0 => return String::from_utf8_lossy(choices.rest()).into_owned(),
        1 => return base64_simd::STANDARD.encode_to_string(choices.rest()),
        2 => return state_of(choices.rest()),
        3 => {
            // Columns of small numbers, of which decoding gets further than of arbitrary bytes.
            let columns: Vec<u8> = choices.rest().iter().map(|byte| byte % 4).collect();
            return state_of(&columns);
        }
        _ => {}
    }
    let text = any_fold(choices, limits).encode();
    let base64 = base64_simd::STANDARD;
    match kind {
        4 => {
            let mut columns = columns(&text);
            choices.damage(&mut columns, 4);
            let size = if choices.one_in(4) {
                Some(choices.number())
            } else {
                None
            };
            if choices.one_in(4) {
                state(choices.number().into(), &frame(size, &columns, 0, 0))
            } else {
                state_of(&columns)
            }
        }
        5 => {
            let mut packed = base64.decode_to_vec(&text).unwrap();
            choices.damage(&mut packed, 3);
            base64.encode_to_string(&packed)
        }
        6 => {
            let mut bytes = text.into_bytes();
            choices.damage(&mut bytes, 3);
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => {
            let columns = columns(&text);
            let end = choices.number() as usize % (columns.len() + 1);
            state_of(&columns[..end])
        }
    }
}

#[test]
fn any_text_is_a_fold_or_an_error() {
    check(14_000, 240, |choices| {
        let limits = limits(choices);
        let text = any_state(choices, limits);
        let Ok(mut fold) = decode(&text, limits, MAX_MEMORY_SMALL) else {
            return;
        };
        // A decoded fold can be encoded and continued like any other.
        let written = fold.encode();
        let mut again = decode(&written, limits, MAX_MEMORY_SMALL).unwrap();
        assert_eq!(again.encode(), written);
        let last = "9".repeat(129);
        let begun = [&mut fold, &mut again].map(|fold| {
            let step = fold.begin_record(&last).unwrap();
            let mut record = step.into_record()?;
            let counted = [0, 1, -1_000_000, i128::MAX, i128::MIN].map(|time| {
                let window = Window { start: 0, end: 1 };
                let add = |aggregate: &mut _| Aggregate::add(aggregate, &i64::MIN);
                record.add(window, "", Some(time), add)
            });
            Some(counted)
        });
        assert_eq!(begun[0], begun[1]);
        let _ = fold.is_full();
        assert_eq!(fold.close(), again.close());
    });
}

#[test]
fn a_decoded_fold_continues_as_the_original() {
    check(8_000, 400, |choices| {
        let limits = limits(choices);
        let mut fold = FuzzedFold::new(limits);
        let mut carried = FuzzedFold::new(limits);
        let mut evicted = 0;
        let mut numbers = vec![choices.number() >> 1];
        for _ in 0..choices.below(12) {
            let step = step(choices, &mut numbers);
            assert_eq!(apply(&mut carried, &step), apply(&mut fold, &step));
            assert_eq!(carried.open(), fold.open());
            if choices.one_in(4) {
                let _ = carried.is_full();
            }
            if choices.one_in(3) {
                evicted += carried.evicted();
                carried = decode(&carried.encode(), limits, MAX_MEMORY_SMALL).unwrap();
            }
            if choices.one_in(6) {
                assert_eq!(carried.close(), fold.close());
            }
        }
        assert_eq!(carried.evicted() + evicted, fold.evicted());
        assert_eq!(carried.close(), fold.close());
    });
}

/// Runs a test that takes no choices, once.
fn once(test: impl Fn()) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    test();
}

#[test]
fn a_frame_of_gigabytes_is_rejected_in_bounded_memory() {
    const GIGABYTES: usize = 4 << 30;
    once(|| {
        let sizes = [
            None,
            Some(GIGABYTES as u64),
            Some(10),
            Some(1 << 62),
            Some(u64::MAX),
        ];
        let announced = [
            0,
            10,
            LIMIT as u128,
            LIMIT as u128 + 1,
            GIGABYTES as u128,
            u128::MAX,
        ];
        for size in sizes {
            let bomb = frame(size, &[], 0, GIGABYTES);
            let header_alone = frame(size, &[], 0, 0);
            for announced in announced {
                for frame in [&bomb, &header_alone] {
                    let text = state(announced, frame);
                    let max = MAX_MEMORY_SMALL + text.len();
                    let result = decode(&text, StateLimits::default(), max);
                    assert!(result.is_err(), "{announced} {size:?}");
                }
            }
        }
    });
}

/// Each column in turn is as long as the state allows, so that its values take far more memory than
/// their encoded bytes.
#[test]
fn a_column_of_millions_takes_bounded_memory() {
    once(|| {
        for zeros in 0..12 {
            for count in [100_000, LIMIT / 16, LIMIT / 16 - 20, LIMIT / 2, LIMIT - 30] {
                for fill in [0, 2] {
                    let mut columns = vec![0; zeros];
                    columns.extend(varint(count as u128));
                    let frame = frame(None, &columns, fill, LIMIT);
                    let text = state(LIMIT as u128, &frame);
                    assert!(decode(&text, StateLimits::default(), MAX_MEMORY).is_err());
                }
            }
        }
    });
}

/// A dedup cache of one key with millions of times. It is preceded by three or four sequence
/// numbers, a table of one empty key, and no windows.
#[test]
fn a_dedup_cache_of_millions_takes_bounded_memory() {
    once(|| {
        for sequence_numbers in [3, 4] {
            for count in [100_000, LIMIT / 16 - 3, LIMIT - 40] {
                let mut columns = vec![0; sequence_numbers];
                columns.extend([1, 0, 0, 1, 0]);
                columns.extend(varint(count as u128));
                columns.push(0);
                // A step of a millisecond.
                let length = columns.len() + count - 1;
                columns.extend(vec![2; count - 1]);
                columns.push(0);
                let frame = frame(None, &columns, 0, 0);
                let text = state(length as u128 + 1, &frame);
                let _ = decode(&text, StateLimits::default(), MAX_MEMORY);
            }
        }
    });
}

/// A key is in the text once, but counts towards the limit for each of its accumulators.
#[test]
fn a_long_key_in_many_windows_takes_bounded_memory() {
    once(|| {
        let minutes = Tumbling::new(60_000).unwrap();
        let key = "a".repeat(MIB);
        let mut fold = FuzzedFold::new(StateLimits::default());
        let mut record = fold.begin_record("1").unwrap().into_record().unwrap();
        for minute in 0..400 {
            let window = minutes.window_of(minute * 60_000);
            let add = |aggregate: &mut _| Aggregate::add(aggregate, &0);
            record.add(window, key.as_str(), Some(minute.into()), add);
        }
        let text = fold.encode();
        drop(fold);
        assert!(text.len() < 10_000, "{}", text.len());
        let result = decode(&text, StateLimits::default(), MAX_MEMORY);
        assert!(matches!(result, Err(CodecError::TooLong { .. })));
    });
}
