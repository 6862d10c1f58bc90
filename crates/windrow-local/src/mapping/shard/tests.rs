//! Pollers that are killed at any moment: none of the shard's records is lost or counts twice.

mod fake_shard;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Mutex;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use windrow_event::Event;
use windrow_read::Timestamp;

use super::*;
use crate::mapping::filter::FilterCriteria;
use fake_shard::{FakeShard, Misbehaviour, checkpoints, run};

const SHARD: &str = "shardId-000000000000";
const WINDOW: i64 = 60_000;

/// Runs pollers until one is done.
fn run_all(
    world: FakeShard,
    faults: &str,
    is_exact: bool,
) -> Result<(Arc<FakeShard>, tempfile::TempDir), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let world = Arc::new(world);
    let faults = match faults {
        "" => Faults::none(),
        faults => Faults::parse(faults, 3).unwrap(),
    };
    let faults = Arc::new(faults);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(async {
        let mut saved_before = BTreeSet::new();
        loop {
            let (is_done, watermark) = run(&world, folder.path(), &faults).await;
            for (start, (from, to)) in windows(&world.log) {
                let is_filtered = world.criteria != FilterCriteria::default();
                if world.is_windowed && !is_filtered && start + WINDOW <= watermark {
                    prop_assert!(is_covered(&world, start, from, to), "{start} is not done");
                }
            }
            let again = world.effects.lock().unwrap().delivered.split_off(0);
            for index in &again {
                prop_assert!(!saved_before.contains(index), "{index} was done: {again:?}");
            }
            world.effects.lock().unwrap().all.extend(again);
            saved_before = done_records(&world, folder.path());
            if is_done {
                break;
            }
            if is_exact {
                // What the watermark has passed is saved, so it is not delivered again.
                let again = checkpoints(folder.path()).take(SHARD, world.is_windowed);
                let next = again.map_or(0, |saved| match saved.start {
                    SavedStart::After(number) => world.index(&number) + 1,
                    _ => 0,
                });
                let done = windows(&world.log)
                    .into_iter()
                    .filter(|(start, _)| start + WINDOW <= watermark);
                let passed = done.map(|(_, (_, to))| to + 1).max().unwrap_or(0);
                prop_assert!(next >= passed, "{next} {passed}");
            }
        }
        prop_assert!(checkpoints(folder.path()).is_finished(SHARD));
        Ok(())
    })?;
    Ok((world, folder))
}

/// The records that are saved as done. Those of an open window may be delivered again.
fn done_records(world: &FakeShard, folder: &Path) -> BTreeSet<usize> {
    let Some(saved) = checkpoints(folder).take(SHARD, world.is_windowed) else {
        return BTreeSet::new();
    };
    if world.has_faults {
        return BTreeSet::new();
    }
    let start = match saved.start {
        SavedStart::After(number) => world.index(&number) + 1,
        _ => 0,
    };
    let is_done = |index: &usize| {
        let record = &world.log[*index];
        let mut lanes = saved.lanes.iter();
        *index < start || lanes.any(|lanes| lanes::is_done(record, lanes))
    };
    (0..world.log.len()).filter(is_done).collect()
}

/// The first and the last record of each window.
fn windows(log: &[ShardRecord]) -> BTreeMap<i64, (usize, usize)> {
    let mut windows = BTreeMap::new();
    for (index, record) in log.iter().enumerate() {
        let start = record.arrival.millis().div_euclid(WINDOW) * WINDOW;
        windows.entry(start).or_insert((index, index)).1 = index;
    }
    windows
}

/// Whether some rows of a window that do not overlap cover its records.
fn is_covered(world: &FakeShard, window: i64, from: usize, to: usize) -> bool {
    let effects = world.effects.lock().unwrap();
    let mut reached = BTreeSet::from([from]);
    for (_, first, last) in effects.rows.iter().filter(|(start, ..)| *start == window) {
        if reached.contains(first) {
            reached.insert(last + 1);
        }
    }
    reached.contains(&(to + 1))
}

fn log(gaps: &[i64]) -> Vec<ShardRecord> {
    let mut arrival = 1_795_166_228_189;
    let record = |(index, gap): (usize, &i64)| {
        arrival += gap;
        ShardRecord {
            sequence_number: (1000 + index).to_string(),
            partition_key: "key".to_owned(),
            data: Default::default(),
            arrival: Timestamp::from_millis(arrival),
        }
    };
    gaps.iter().enumerate().map(record).collect()
}

fn gaps() -> impl Strategy<Value = Vec<i64>> {
    vec(prop_oneof![4 => 0..2_000_i64, 1 => 0..2 * WINDOW], 0..40)
}

fn misbehaviour() -> impl Strategy<Value = Misbehaviour> {
    prop_oneof![
        8 => Just(Misbehaviour::None),
        2 => Just(Misbehaviour::Late),
        2 => (0..5_usize).prop_map(Misbehaviour::Partial),
        1 => Just(Misbehaviour::LargeState),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The rows of each window cover its records once, and the watermark never passes a window that
    /// is not done. With injected faults as well.
    #[test]
    fn a_killed_poller_goes_on_with_its_window(
        gaps in gaps(),
        kills in vec(0..12_usize, 0..8),
        pages in vec(0..9_usize, 40),
        failures in vec(misbehaviour(), 60),
        faults in prop_oneof![
            Just(""),
            Just("recut=0.3,redelivered=0.3"),
            Just("state-lost=0.5,redelivered=0.3,recut=0.3"),
            Just("out-of-order=0.7,redelivered-after-window=0.5"),
        ],
    ) {
        let world = FakeShard {
            log: log(&gaps),
            kills: Mutex::new(kills.into()),
            pages: Mutex::new(pages.into()),
            failures: Mutex::new(failures.into()),
            is_windowed: true,
            has_faults: !faults.is_empty(),
            ..FakeShard::default()
        };
        let (world, _folder) = run_all(world, faults, faults.is_empty())?;
        for (start, (from, to)) in windows(&world.log) {
            let rows = &world.effects.lock().unwrap().rows.clone();
            prop_assert!(is_covered(&world, start, from, to), "{start} {from} {to}: {rows:?}");
        }
    }

    /// With several lanes, and another number of them after each kill, every record is delivered, those
    /// of a partition key in order, and none again that was saved as done; or it goes to the on-failure
    /// destination.
    #[test]
    fn killed_lanes_go_on_where_each_was(
        gaps in gaps(),
        keys in vec(0..6_u8, 40),
        kills in vec(0..20_usize, 0..8),
        pages in vec(0..9_usize, 40),
        lanes in vec(1..5_usize, 9),
        misbehaviour in vec(misbehaviour(), 60),
    ) {
        let mut log = log(&gaps);
        for (record, key) in log.iter_mut().zip(&keys) {
            record.partition_key = key.to_string();
        }
        let mut failures: VecDeque<Misbehaviour> = misbehaviour.into();
        // What a function has done before it failed is delivered again, as it must be.
        failures.retain(|failure| !matches!(failure, Misbehaviour::Late));
        let world = FakeShard {
            log,
            kills: Mutex::new(kills.into()),
            pages: Mutex::new(pages.into()),
            failures: Mutex::new(failures),
            lanes: Mutex::new(lanes.into()),
            ..FakeShard::default()
        };
        let (world, folder) = run_all(world, "", false)?;
        let delivered = world.effects.lock().unwrap().all.clone();
        let mut first = BTreeMap::new();
        for (position, index) in delivered.iter().enumerate() {
            first.entry(*index).or_insert(position);
        }
        let failed = failed_records(&folder.path().join("on-failure"), &world);
        let all: BTreeSet<usize> = first.keys().copied().chain(failed).collect();
        prop_assert_eq!(all.len(), world.log.len());
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, position) in first {
            let before = last.insert(&world.log[index].partition_key, position);
            prop_assert!(before.is_none_or(|before| before < position), "{delivered:?}");
        }
        let totals = checkpoints(folder.path()).totals(7).unwrap();
        prop_assert_eq!(totals.records, world.log.len() as u64);
    }

    /// The function gets the records that match the filters, all of them and in order; the others
    /// count as done. With windows as well.
    #[test]
    fn a_killed_poller_skips_what_the_filters_exclude(
        gaps in gaps(),
        matches in vec(prop_oneof![1 => Just(true), 2 => Just(false)], 40),
        kills in vec(0..12_usize, 0..8),
        pages in vec(0..9_usize, 40),
        is_windowed: bool,
    ) {
        let mut log = log(&gaps);
        for (record, matches) in log.iter_mut().zip(&matches) {
            record.data = if *matches { "{\"a\": 1}" } else { "1" }.into();
        }
        let world = FakeShard {
            log,
            kills: Mutex::new(kills.into()),
            pages: Mutex::new(pages.into()),
            is_windowed,
            criteria: FilterCriteria::new([r#"{"data": {"a": [1]}}"#]).unwrap(),
            ..FakeShard::default()
        };
        let expected: Vec<usize> = (0..world.log.len()).filter(|index| matches[*index]).collect();
        let (world, folder) = run_all(world, "", false)?;
        let mut delivered = world.effects.lock().unwrap().all.clone();
        let again = delivered.windows(2).filter(|pair| pair[1] <= pair[0]).count();
        prop_assert!(again <= 8, "{delivered:?}");
        delivered.sort_unstable();
        delivered.dedup();
        prop_assert_eq!(delivered, expected);
        let totals = checkpoints(folder.path()).totals(7).unwrap();
        prop_assert_eq!(totals.records, world.log.len() as u64);
    }

    /// Without windows, every record is delivered, the first time in order, or goes to the on-failure
    /// destination. A kill alone delivers again only what was not saved: at most one batch.
    #[test]
    fn a_killed_poller_without_windows_goes_on(
        gaps in gaps(),
        kills in vec(0..12_usize, 0..8),
        pages in vec(0..9_usize, 40),
        failures in vec(misbehaviour(), 60),
        poison in proptest::option::of(0..40_usize),
    ) {
        let killed = kills.len();
        let late = failures.iter().filter(|failure| matches!(failure, Misbehaviour::Late)).count();
        let world = FakeShard {
            log: log(&gaps),
            kills: Mutex::new(kills.into()),
            pages: Mutex::new(pages.into()),
            failures: Mutex::new(failures.into()),
            poison,
            ..FakeShard::default()
        };
        let (world, folder) = run_all(world, "", true)?;
        let delivered = std::mem::take(&mut world.effects.lock().unwrap().all);
        let all: BTreeSet<usize> = delivered.iter().copied().collect();
        let failed = failed_records(&folder.path().join("on-failure"), &world);
        let expected: BTreeSet<usize> = (0..world.log.len()).collect();
        prop_assert_eq!(&all | &failed, expected);
        let mut first: Vec<usize> = Vec::new();
        for index in &delivered {
            if !first.contains(index) {
                first.push(*index);
            }
        }
        prop_assert!(first.is_sorted(), "{:?}", first);
        prop_assert!(delivered.len() <= first.len() + 5 * (killed + 2 * late), "{:?}", delivered);
    }
}

/// The records of the batches in the on-failure destination.
fn failed_records(folder: &Path, world: &FakeShard) -> BTreeSet<usize> {
    let mut failed = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            failed.extend(failed_records(&path, world));
        } else {
            let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let event = Event::from_json(file["payload"].as_str().unwrap().as_bytes()).unwrap();
            failed.extend(
                event
                    .records()
                    .map(|record| world.index(record.sequence_number)),
            );
        }
    }
    failed
}
