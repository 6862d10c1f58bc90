//! Tests of the object files.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{prop_assert_eq, proptest};
use windrow_testkit::files::{files, texts};

use super::super::committed::StateFolder;
use super::super::definition::{DeliverySettings, DeliverySource};
use super::*;

const HINTS: BufferingHints = BufferingHints {
    bytes: 10,
    interval: Duration::from_secs(60),
};

pub(super) fn arrival(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The paths and the texts of the files below a folder.
fn objects(folder: &Path) -> Vec<(String, String)> {
    let paths = files(folder).into_iter();
    let paths = paths.map(|path| path.to_string_lossy().into_owned());
    paths.zip(texts(folder)).collect()
}

fn open(folder: &Path) -> ObjectWriter {
    reopen(folder).0
}

/// Opens the writer of plain objects, and returns what was found.
fn reopen(folder: &Path) -> (ObjectWriter, ObjectsFound) {
    open_with(folder, |_| {})
}

pub(super) fn open_with(
    folder: &Path,
    set: impl FnOnce(&mut DeliverySettings),
) -> (ObjectWriter, ObjectsFound) {
    let mut settings = DeliverySettings::plain(DeliverySource::DirectPut, HINTS);
    set(&mut settings);
    let stream = DeliveryStream {
        name: "rides".to_owned(),
        arn: String::new(),
        settings,
        created: Timestamp::UNIX_EPOCH,
    };
    let state = StateFolder::new(&folder.join("firehose"), "rides");
    let committed = state.read_committed().unwrap();
    ObjectWriter::open(
        &folder.join("incoming"),
        &folder.join("archive"),
        state.committed(),
        &stream,
        committed,
    )
    .unwrap()
}

#[test]
fn an_object_is_named_by_its_oldest_record_and_delivered_when_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(folder.path());
    let now = Instant::now();
    writer
        .append(b"first ", arrival("2026-11-20T09:59:58Z"), now, None)
        .unwrap();
    assert_eq!(objects(&folder.path().join("archive")), []);
    writer
        .append(b"second", arrival("2026-11-20T10:00:01Z"), now, None)
        .unwrap();

    let archived = objects(&folder.path().join("archive/rides/2026/11/20/09"));
    let [(path, text)] = archived.as_slice() else {
        panic!("{archived:?}")
    };
    assert_eq!(text, "first second");
    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
    let random = name.strip_prefix("rides-1-2026-11-20-09-59-58-").unwrap();
    Uuid::parse_str(random).unwrap();
    assert_eq!(objects(&folder.path().join("incoming")), []);
}

#[test]
fn an_object_is_due_an_interval_after_its_first_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(folder.path());
    let start = Instant::now();
    writer
        .append(b"a", arrival("2026-11-20T09:00:00Z"), start, None)
        .unwrap();
    writer
        .append(
            b"b",
            arrival("2026-11-20T09:00:50Z"),
            start + Duration::from_secs(50),
            None,
        )
        .unwrap();
    writer
        .deliver_if_due(start + Duration::from_secs(59))
        .unwrap();
    assert_eq!(objects(&folder.path().join("archive")), []);
    writer
        .deliver_if_due(start + Duration::from_secs(60))
        .unwrap();
    assert_eq!(objects(&folder.path().join("archive")).len(), 1);
    writer
        .deliver_if_due(start + Duration::from_secs(600))
        .unwrap();
    assert_eq!(objects(&folder.path().join("archive")).len(), 1);
}

#[test]
fn objects_of_a_killed_process_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let mut killed = open(folder.path());
    killed
        .append(
            b"kept",
            arrival("2026-11-20T09:00:00Z"),
            Instant::now(),
            None,
        )
        .unwrap();
    drop(killed);
    fs::write(folder.path().join("incoming/rides/foreign"), "not ours").unwrap();
    fs::write(
        folder
            .path()
            .join("incoming/rides/rides-1-2026-11-20-09-00-00-empty"),
        "",
    )
    .unwrap();

    open(folder.path());
    let archived = objects(&folder.path().join("archive/rides/2026/11/20/09"));
    assert_eq!(archived.len(), 1, "{archived:?}");
    assert_eq!(archived[0].1, "kept");
    assert_eq!(
        objects(&folder.path().join("incoming")).len(),
        1,
        "the foreign file stays"
    );
}

#[test]
fn a_cleared_data_directory_does_not_stop_later_objects() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(folder.path());
    let at = arrival("2026-11-20T09:00:00Z");
    writer.append(b"cleared", at, Instant::now(), None).unwrap();
    fs::remove_dir_all(folder.path().join("incoming")).unwrap();
    fs::remove_dir_all(folder.path().join("archive")).unwrap();
    writer.deliver().unwrap();

    writer.append(b"later", at, Instant::now(), None).unwrap();
    writer.deliver().unwrap();
    let archived = objects(&folder.path().join("archive"));
    assert_eq!(archived.len(), 1, "{archived:?}");
    assert_eq!(archived[0].1, "later");
}

proptest! {
    #[test]
    fn joined_objects_equal_the_joined_puts(
        puts in vec(("[a-z]{0,30}", 1_i64..4_000), 1..20),
        restart_at in 0_usize..20,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(folder.path());
        let mut second = 1_795_166_228;
        for (index, (data, gap)) in puts.iter().enumerate() {
            second += gap;
            let arrival = Timestamp::from_second(second).unwrap();
            writer.append(data.as_bytes(), arrival, Instant::now(), None).unwrap();
            if index == restart_at {
                writer = open(folder.path());
            }
        }
        writer.deliver().unwrap();

        // Arrivals are seconds apart, so names sort in the order of creation.
        let archived: String = objects(&folder.path().join("archive")).into_iter().map(|(_, text)| text).collect();
        let put: String = puts.into_iter().map(|(data, _)| data).collect();
        prop_assert_eq!(archived, put);
    }
}

#[test]
fn an_undeliverable_object_is_kept_and_stops_growing() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(folder.path());
    let archive = folder.path().join("archive/rides");
    fs::remove_dir(&archive).unwrap();
    fs::write(&archive, "in the way").unwrap();

    let now = Instant::now();
    let at = arrival("2026-11-20T09:00:00Z");
    writer.append(b"acknowledged", at, now, None).unwrap();
    writer.append(b"failed", at, now, None).unwrap_err();
    writer.deliver_if_due(now + HINTS.interval).unwrap_err();

    fs::remove_file(&archive).unwrap();
    writer.append(b"later", at, now, None).unwrap();
    writer.deliver().unwrap();
    let mut texts: Vec<_> = objects(&archive)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    texts.sort();
    assert_eq!(texts, ["acknowledged", "later"]);
}

fn position(shard: &str, number: usize) -> Option<ShardPosition> {
    Some(ShardPosition {
        shard: shard.to_owned(),
        sequence_number: number.to_string(),
    })
}

#[test]
fn what_was_not_acknowledged_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let incoming = folder.path().join("incoming/rides");
    let mut killed = open(folder.path());
    let at = arrival("2026-11-20T09:00:00Z");
    killed
        .append(b"kept", at, Instant::now(), position("a", 7))
        .unwrap();
    drop(killed);
    let object = objects(&incoming).pop().unwrap().0;
    fs::write(&object, "kept and to").unwrap();
    fs::write(incoming.join("rides-1-2026-11-20-09-00-00-other"), "never").unwrap();

    let (mut writer, found) = reopen(folder.path());
    let expected = ObjectsFound {
        objects: 1,
        bytes: 4,
        removed: 7 + 5,
    };
    assert_eq!(found, expected);
    let archived = objects(&folder.path().join("archive"));
    assert_eq!(archived.len(), 1, "{archived:?}");
    assert_eq!(archived[0].1, "kept");
    assert_eq!(objects(&incoming), []);
    // Without a creation time, the positions may be those of another stream.
    assert_eq!(writer.positions(5), BTreeMap::new());
}

#[cfg(unix)]
#[test]
fn a_put_that_cannot_be_committed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(folder.path());
    let (at, now) = (arrival("2026-11-20T09:00:00Z"), Instant::now());
    assert_eq!(writer.positions(5), BTreeMap::new());
    writer.append(b"one ", at, now, position("a", 1)).unwrap();
    let state = folder.path().join("firehose");
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "in the way").unwrap();
    writer
        .append(b"two ", at, now, position("a", 2))
        .unwrap_err();
    assert_eq!(
        writer.positions(5),
        BTreeMap::from([("a".to_owned(), "1".to_owned())])
    );
    fs::remove_file(&state).unwrap();
    writer.append(b"two ", at, now, position("a", 2)).unwrap();
    writer.deliver().unwrap();
    assert_eq!(objects(&folder.path().join("archive"))[0].1, "one two ");

    // Another stream of the same name has other positions.
    let mut writer = open(folder.path());
    assert_eq!(
        writer.positions(5),
        BTreeMap::from([("a".to_owned(), "2".to_owned())])
    );
    assert_eq!(writer.positions(6), BTreeMap::new());
}

#[test]
fn a_put_that_cannot_be_written_commits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(folder.path());
    let (at, now) = (arrival("2026-11-20T09:00:00Z"), Instant::now());
    assert_eq!(writer.positions(5), BTreeMap::new());
    writer.append(b"one ", at, now, position("a", 1)).unwrap();
    // A file that is open to read stands for a full disk.
    let path = files(&folder.path().join("incoming")).pop().unwrap();
    writer.open.as_mut().unwrap().file = File::open(path).unwrap();
    writer
        .append(b"two ", at, now, position("a", 2))
        .unwrap_err();
    drop(writer);

    let (mut writer, found) = reopen(folder.path());
    assert_eq!((found.bytes, found.removed), (4, 0));
    let one = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    assert_eq!(writer.positions(5), one, "the second put would be lost");
    assert_eq!(texts(&folder.path().join("archive")), ["one "]);
}

proptest! {
    /// However often the process is killed, and wherever in a put, the archive has the records of
    /// each shard once, in order.
    #[test]
    fn every_record_is_archived_once(
        records in vec((0_usize..3, "[a-z]{1,6}"), 1..60),
        pages in vec((0_usize..3, 1_usize..5), 60),
        kills in vec((0_usize..60, 0_usize..3), 0..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let shard = |index: usize| format!("shard{index}");
        let mut logs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (number, (index, text)) in records.iter().enumerate() {
            logs.entry(shard(*index)).or_default().push(format!("{index}{text}{number} "));
        }
        let mut writer = open(folder.path());
        let mut read = writer.positions(5);
        let at = arrival("2026-11-20T09:00:00Z");
        let end = (0..3).map(|index| (index, usize::MAX));
        for (step, (index, count)) in pages.iter().copied().chain(end).enumerate() {
            let shard = shard(index);
            let Some(log) = logs.get(&shard) else { continue };
            let from = read.get(&shard).map_or(0, |last| last.parse::<usize>().unwrap());
            let to = from.saturating_add(count).min(log.len());
            let data = log[from..to].concat();
            let kill = kills.iter().find(|(at, _)| *at == step).map(|(_, kind)| *kind);
            if kill == Some(0) {
                // In the middle of the write: the object has some of the data.
                let incoming = objects(&folder.path().join("incoming"));
                let object = incoming.into_iter().next().map_or_else(
                    || folder.path().join("incoming/rides/rides-1-2026-11-20-09-00-00-new"),
                    |(path, _)| PathBuf::from(path),
                );
                let mut file = OpenOptions::new().create(true).append(true).open(object).unwrap();
                file.write_all(&data.as_bytes()[..data.len() / 2]).unwrap();
            } else if to > from {
                let position = position(&shard, to);
                writer.append(data.as_bytes(), at, Instant::now(), position.clone()).unwrap();
                read.insert(shard, position.unwrap().sequence_number);
            }
            if kill == Some(1) {
                writer.deliver().unwrap();
            }
            if kill.is_some() {
                writer = open(folder.path());
                read = writer.positions(5);
            }
        }
        for index in 0..3 {
            let shard = shard(index);
            let Some(log) = logs.get(&shard) else { continue };
            let from = read.get(&shard).map_or(0, |last| last.parse::<usize>().unwrap());
            let data = log[from..].concat();
            writer.append(data.as_bytes(), at, Instant::now(), position(&shard, log.len())).unwrap();
        }
        writer.deliver().unwrap();
        let archived: String = objects(&folder.path().join("archive")).into_iter().map(|(_, text)| text).collect();
        let mut archived: Vec<&str> = archived.split_inclusive(' ').collect();
        let mut expected: Vec<&str> = logs.values().flatten().map(String::as_str).collect();
        archived.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(archived, expected);
    }
}
