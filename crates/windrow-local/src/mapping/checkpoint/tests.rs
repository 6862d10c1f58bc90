//! Tests of what a mapping keeps on disk.

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
