//! Tests of what a mapping keeps on disk.

use windrow_core::window::Window;

use super::*;

fn load(folder: &Path, version: &str) -> Result<Arc<Checkpoints>, CheckpointError> {
    let disk = DiskTrouble::new();
    let loaded = Checkpoints::load(folder, "function", "a/stream", version, disk);
    loaded.map(Arc::new)
}

async fn save(checkpoints: &Arc<Checkpoints>, shard: &str, number: &str, finished: bool) {
    let state = RawValue::from_string(r#"{"count":3}"#.to_owned()).unwrap();
    let window = Window {
        start: 60_000,
        end: 120_000,
    };
    let opened = SavedStart::After("3".to_owned());
    let progress = ShardToSave {
        start: SavedStart::After(number.to_owned()),
        records: 5,
        finished,
        window: (!finished).then_some((window, &opened, Some(&*state))),
        lanes: Vec::new(),
        now: 99_000,
    };
    let writer = checkpoints.writer(shard);
    assert!(writer.save(progress, &CancellationToken::new()).await);
}

#[tokio::test]
async fn a_shard_goes_on_with_its_window() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), "1").unwrap();
    first.keep_of(7);
    assert!(!first.is_resumed());
    save(&first, "one", "8", false).await;
    save(&first, "two", "9", true).await;

    let next = load(folder.path(), "1").unwrap();
    let totals = SavedTotals {
        records: 10,
        saved_at: 99_000,
    };
    assert_eq!(next.totals(7), Some(totals));
    assert_eq!(next.totals(8), None);
    next.keep_of(7);
    assert!(next.is_resumed() && next.is_finished("two") && !next.is_finished("one"));
    let saved = next.take("one", true).unwrap();
    assert_eq!(saved.start, SavedStart::After("8".to_owned()));
    let window = saved.window.unwrap();
    assert_eq!((window.start, window.end), (60_000, 120_000));
    assert_eq!(window.state.unwrap().get(), r#"{"count":3}"#);

    // A function of another version reads the window's records again.
    let other = load(folder.path(), "2").unwrap();
    other.keep_of(7);
    let saved = other.take("one", true).unwrap();
    assert_eq!(saved.start, SavedStart::After("3".to_owned()));
    assert!(saved.window.is_none());

    // So does a mapping without windows.
    let other = load(folder.path(), "1").unwrap();
    other.keep_of(7);
    let saved = other.take("one", false).unwrap();
    assert_eq!(saved.start, SavedStart::After("3".to_owned()));

    // Another stream of the same name is read from its start.
    let other = load(folder.path(), "1").unwrap();
    other.keep_of(8);
    assert!(!other.is_resumed() && other.take("one", true).is_none() && !other.is_finished("two"));
}

/// The names of the files of the mapping's stream.
fn saved_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("function/a%2Fstream")).into_iter();
    let entries = entries.flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn files_of_another_stream_of_the_same_name_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), "1").unwrap();
    first.keep_of(7);
    save(&first, "one", "8", false).await;
    save(&first, "two", "9", true).await;
    let next = load(folder.path(), "1").unwrap();
    // Until it is known which stream it is, all are kept.
    assert_eq!(saved_files(folder.path()).len(), 2);
    next.keep_of(7);
    assert_eq!(saved_files(folder.path()).len(), 2);
    let other = load(folder.path(), "1").unwrap();
    other.keep_of(8);
    assert_eq!(saved_files(folder.path()), [""; 0]);
    save(&other, "one", "2", false).await;
    assert_eq!(saved_files(folder.path()), ["one.json"]);
}

#[tokio::test]
async fn files_of_shards_that_are_not_there_any_more_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), "1").unwrap();
    first.keep_of(7);
    save(&first, "parent", "8", true).await;
    // Nothing but this file says that the mapping has read the stream before.
    first.keep_listed(["child"].into_iter());
    assert_eq!(saved_files(folder.path()), ["parent.json"]);

    let next = load(folder.path(), "1").unwrap();
    next.keep_of(7);
    next.keep_listed(["parent", "child"].into_iter());
    assert!(next.is_resumed() && next.is_finished("parent"));
    save(&next, "child", "9", false).await;
    next.keep_listed(["parent", "child"].into_iter());
    assert_eq!(saved_files(folder.path()), ["child.json", "parent.json"]);
    next.keep_listed(["child"].into_iter());
    assert_eq!(saved_files(folder.path()), ["child.json"]);

    let last = load(folder.path(), "1").unwrap();
    last.keep_of(7);
    assert!(last.is_resumed() && !last.is_finished("parent"));
    let saved = last.take("child", true).unwrap();
    assert_eq!(saved.start, SavedStart::After("9".to_owned()));
    // A mapping that was replaced removes nothing.
    let replaced = load(folder.path(), "1").unwrap();
    let restarted = Arc::new(replaced.restarted());
    save(&restarted, "child", "1", false).await;
    save(&restarted, "other", "1", false).await;
    replaced.keep_listed(["other"].into_iter());
    assert_eq!(saved_files(folder.path()), ["child.json", "other.json"]);
}

#[tokio::test]
async fn folders_of_missing_streams_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), "1").unwrap();
    save(&first, "one", "8", false).await;
    fs::create_dir(folder.path().join("function/Gone")).unwrap();
    fs::write(folder.path().join("function/Gone/one.json"), "{").unwrap();
    fs::write(folder.path().join("function/file"), "not a folder").unwrap();
    // Capital letters may be small ones.
    let existing = ["A/Stream".to_owned()];
    remove_missing_streams(folder.path(), &existing);
    assert!(!folder.path().join("function/Gone").exists());
    assert!(folder.path().join("function/file").exists());
    assert_eq!(saved_files(folder.path()), ["one.json"]);
    remove_missing_streams(folder.path(), &[]);
    assert_eq!(saved_files(folder.path()), [""; 0]);
    remove_missing_streams(&folder.path().join("missing"), &[]);
}

#[tokio::test]
async fn a_restart_on_purpose_replaces_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), "1").unwrap();
    save(&first, "one", "8", false).await;
    let restarted = Arc::new(first.restarted());
    // The mapping before may still end a batch.
    save(&first, "one", "9", false).await;
    assert_eq!(load(folder.path(), "1").unwrap().totals(0), None);
    save(&restarted, "one", "2", false).await;
    assert!(load(folder.path(), "1").unwrap().totals(0).is_some());
}

#[tokio::test]
async fn an_error_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), "1").unwrap();
    save(&first, "one", "8", false).await;
    let path = folder.path().join("function/a%2Fstream/one.json");
    let content = fs::read_to_string(&path).unwrap();
    let version = content.replace(r#""version":1"#, r#""version":2"#);
    let function = content.replace(r#""mapping":"function""#, r#""mapping":"Function""#);
    for changed in [&content[..content.len() / 2], &version, &function, ""] {
        fs::write(&path, changed).unwrap();
        let error = load(folder.path(), "1").unwrap_err().to_string();
        assert!(
            error.contains("one.json") && error.contains("remove it"),
            "{error}"
        );
    }
    fs::remove_file(&path).unwrap();
    load(folder.path(), "1").unwrap();
}
