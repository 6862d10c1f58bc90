use clap::{CommandFactory, Parser};
use serde_json::json;
use tempfile::TempDir;
use windrow_event::{EventSource, RecordData, Timestamp, encode};
use windrow_write::{BatchLimits, Collected, InvalidItem, ItemFailure, SendError};

use super::*;

const STREAM: &str = "wildrydes-summary";

fn parse(arguments: &[&str]) -> Result<RedriveArgs, clap::Error> {
    RedriveArgs::try_parse_from([&["redrive"], arguments].concat())
}

/// An event with one record per key, whose data is the key.
fn event(stream: &str, keys: &[&str]) -> String {
    let stream_arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}");
    let source = EventSource {
        stream_arn: &stream_arn,
        region: "us-east-1",
        shard_id: "shardId-000000000000",
    };
    let records = keys.iter().map(|key| RecordData {
        partition_key: key,
        sequence_number: "7",
        arrival: Timestamp::from_millis(1_790_000_045_000),
        data: key.as_bytes(),
    });
    let records: Vec<RecordData<'_>> = records.collect();
    String::from_utf8(encode(&source, &records, None)).unwrap()
}

/// The object that Lambda writes to S3, as in the developer guide.
fn failed_batches(event: &str) -> String {
    json!({
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:06.021Z",
        "KinesisBatchInfo": {"shardId": "shardId-000000000000", "batchSize": 1},
        "payload": event,
    })
    .to_string()
}

/// Accepts all records except `failed`, and fails permanently at the record `fatal`.
#[derive(Default)]
struct Stream(Collected<KinesisRecord>);

impl Stream {
    fn keys(&self) -> Vec<String> {
        let key = |record: KinesisRecord| {
            assert_eq!(record.data, record.partition_key.as_bytes());
            record.partition_key
        };
        self.0.take().into_iter().map(key).collect()
    }
}

impl Destination for Stream {
    type Item = KinesisRecord;

    fn limits(&self) -> BatchLimits {
        self.0.limits()
    }

    fn size(&self, record: &KinesisRecord) -> usize {
        self.0.size(record)
    }

    fn check(&self, record: &KinesisRecord) -> Result<(), InvalidItem> {
        match record.partition_key.as_str() {
            "failed" => Err(InvalidItem::new("not that one")),
            _ => Ok(()),
        }
    }

    async fn send(&self, chunk: &[&KinesisRecord]) -> Result<Vec<ItemFailure>, SendError> {
        if chunk.iter().any(|record| record.partition_key == "fatal") {
            return Err(SendError::Fatal("no such stream".to_owned()));
        }
        self.0.send(chunk).await
    }
}

struct TestBucket {
    folder: TempDir,
    stream: Stream,
}

impl TestBucket {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self {
            folder,
            stream: Stream::default(),
        }
    }

    async fn redrive(&self, again: bool) -> (Redriven, String) {
        let folder = self.folder.path();
        let found = FailedBatchFiles::in_folder(folder, again).unwrap();
        let mut notes = Vec::new();
        let redriven = redrive_files(folder, found, STREAM, &self.stream, &mut notes).await;
        let notes = String::from_utf8(notes).unwrap();
        (
            redriven,
            notes.replace(&format!("{}/", folder.display()), ""),
        )
    }

    fn has(&self, path: &str) -> bool {
        self.folder.path().join(path).is_file()
    }
}

fn counts(records: usize, files: usize, left: usize) -> Redriven {
    Redriven {
        records,
        files,
        left,
    }
}

#[test]
fn command_line_is_valid() {
    RedriveArgs::command().debug_assert();
    assert_eq!(parse(&[]).unwrap().data_dir, Path::new(".wildrydes"));
    let both = parse(&["failed", "--data-dir", "elsewhere"]).unwrap_err();
    assert_eq!(both.exit_code(), 2);
}

#[tokio::test]
async fn redriven_files_are_moved_and_skipped_unless_requested() {
    let path = "aws/lambda/mapping/shardId-000000000000/2026/11/20/2026-11-20T09.17.00-uuid";
    let first = failed_batches(&event(STREAM, &["a", "b"]));
    let second = failed_batches(&event(STREAM, &["c"]));
    let bucket = TestBucket::new(&[(path, &first), ("other.json", &second)]);

    let (redriven, notes) = bucket.redrive(false).await;
    assert_eq!(redriven, counts(3, 2, 0));
    assert_eq!(
        notes,
        format!("{path}: 2 records redriven\nother.json: 1 record redriven\n")
    );
    assert_eq!(bucket.stream.keys(), ["a", "b", "c"]);
    let moved = format!("{DONE}/{path}");
    assert!(!bucket.has(path) && bucket.has(&moved) && bucket.has("redriven/other.json"));

    assert_eq!(
        bucket.redrive(false).await,
        (counts(0, 0, 0), String::new())
    );
    assert_eq!(bucket.redrive(true).await.0, counts(3, 2, 0));
    assert_eq!(bucket.stream.keys().len(), 3);
    assert!(bucket.has(&moved), "a moved file stays where it is");
}

#[tokio::test]
async fn invalid_files_are_reported_and_stay_in_place() {
    let damaged = event(STREAM, &["a", "b"]).replace("\"Yg==\"", "\"Y?==\"");
    let empty = failed_batches(&event(STREAM, &[]));
    let no_event = failed_batches("{}");
    let other = failed_batches(&event("wildrydes", &["a"]));
    let good = failed_batches(&event(STREAM, &["good"]));
    let bucket = TestBucket::new(&[
        ("a", "nonsense"),
        ("b", "{\"version\":\"1.0\"}"),
        ("c", &no_event),
        ("d", &empty),
        ("e", &failed_batches(&damaged)),
        ("f", &other),
        ("g.tmp", &good),
        ("h", "\u{1f}\u{8b}"),
        ("z", &good),
    ]);

    let (redriven, notes) = bucket.redrive(false).await;
    assert_eq!(redriven, counts(1, 1, 8));
    assert_eq!(bucket.stream.keys(), ["good"]);
    for (file, problem) in notes.lines().zip([
        "a: not an invocation record: ",
        "b: no payload; only S3 destinations",
        "c: the payload is not a Kinesis event: missing field `Records`",
        "d: the payload has no records",
        "e: record 7 cannot be read: the data is not base64",
        "f: the records are of stream \"wildrydes\", but --stream names another",
        "g.tmp: still being written",
        "h: not an invocation record: ",
        "z: 1 record redriven",
    ]) {
        assert!(file.starts_with(problem), "{file}");
    }
    assert_eq!(notes.lines().count(), 9);
    assert!(["a", "b", "c", "d", "e", "f", "g.tmp", "h"].map(|file| bucket.has(file)) == [true; 8]);
}

#[tokio::test]
async fn partly_redriven_file_stays_in_place() {
    let partial = failed_batches(&event(STREAM, &["a", "failed", "b"]));
    let whole = failed_batches(&event(STREAM, &["c"]));
    let bucket = TestBucket::new(&[("a", &partial), ("b", &whole)]);
    let (redriven, notes) = bucket.redrive(false).await;
    assert_eq!(redriven, counts(3, 1, 1));
    assert_eq!(
        notes,
        "a: 2 of 3 records redriven; the first failure: rejected: not that one\n\
         b: 1 record redriven\n"
    );
    assert_eq!(bucket.stream.keys(), ["a", "b", "c"]);
    assert!(bucket.has("a") && bucket.has("redriven/b"));
}

#[tokio::test]
async fn fatal_error_ends_the_run() {
    let file = |key| failed_batches(&event(STREAM, &[key]));
    let bucket = TestBucket::new(&[
        ("a", &file("a")),
        ("b", &file("fatal")),
        ("c", &file("c")),
        ("d", &file("d")),
    ]);
    let (redriven, notes) = bucket.redrive(false).await;
    assert_eq!(redriven, counts(1, 1, 3));
    assert!(
        notes.ends_with(
            "b: 0 of 1 record redriven; the first failure: stopped: no such stream\n\
             the stream accepts no more records; 2 more files were not tried\n"
        ),
        "{notes}"
    );
    assert!(["b", "c", "d"].map(|file| bucket.has(file)) == [true; 3]);
}

#[tokio::test]
async fn missing_folder_is_an_error_only_if_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").display().to_string();
    let environment = Environment::default();
    let args = parse(&["--data-dir", &missing]).unwrap();
    let redriven = redrive(&args, &environment, io::sink()).await.unwrap();
    assert_eq!(redriven, Redriven::default());

    let args = parse(&[&missing]).unwrap();
    let error = redrive(&args, &environment, io::sink()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the folder {missing} cannot be read")
    );
}

#[tokio::test]
async fn aws_must_be_requested_explicitly() {
    let bucket = TestBucket::new(&[("a", &failed_batches(&event(STREAM, &["a"])))]);
    let folder = bucket.folder.path().display().to_string();
    let environment = Environment::from_iter(
        [
            ("AWS_ACCESS_KEY_ID", "made-up"),
            ("AWS_SECRET_ACCESS_KEY", "made-up"),
            ("AWS_REGION", "us-east-1"),
            ("HOME", "/nonexistent"),
        ]
        .map(|(name, value)| (name.into(), value.into())),
    );
    let args = parse(&[&folder]).unwrap();
    let error = redrive(&args, &environment, io::sink()).await.unwrap_err();
    assert!(matches!(error, RedriveError::AmbiguousTarget), "{error}");
    assert!(bucket.has("a"));
}
