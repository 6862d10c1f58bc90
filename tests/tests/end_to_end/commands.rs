//! Tests of the programs: their output, their exit codes, and that no reading is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use end_to_end::programs::{Running, embedded, endpoint, program, run};
use end_to_end::{TestCloud, reading};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use unicorn::merge::merge;
use unicorn::row;
use windrow_core::row::Row;

fn rows(out: &str) -> Vec<Row> {
    row::rows(out.as_bytes())
        .map(|(line, row)| row.unwrap_or_else(|error| panic!("{error}: {line:?}")))
        .collect()
}

/// Readings, micrometres, and lowest and highest points of each unicorn.
type Fleet = BTreeMap<String, (u64, i128, [i64; 4])>;

/// Folds rows by unicorn, over all windows.
fn by_unicorn(rows: Vec<Row>) -> Fleet {
    let mut fleet = Fleet::new();
    for minute in merge(rows) {
        let measures = minute.measures;
        let points = [
            measures.min_magic_points,
            measures.max_magic_points,
            measures.min_health_points,
            measures.max_health_points,
        ]
        .map(i64::from);
        let distance = measures.distance.micrometres();
        add(&mut fleet, minute.name, minute.readings, distance, points);
    }
    fleet
}

fn add(fleet: &mut Fleet, name: String, readings: u64, distance: i128, points: [i64; 4]) {
    let unicorn = fleet.entry(name).or_insert((0, 0, points));
    unicorn.0 += readings;
    unicorn.1 += distance;
    let [low_magic, high_magic, low_health, high_health] = unicorn.2;
    unicorn.2 = [
        low_magic.min(points[0]),
        high_magic.max(points[1]),
        low_health.min(points[2]),
        high_health.max(points[3]),
    ];
}

/// The number before `text`, or 0 if `text` is missing.
fn number_before(log: &str, text: &str) -> u64 {
    let before = log.split_once(text).and_then(|(before, _)| {
        let number = before.rsplit(|c: char| !c.is_ascii_digit()).next();
        number.map(|number| number.parse().unwrap())
    });
    before.unwrap_or(0)
}

/// Writes a file of distinct readings. Returns their totals by unicorn.
fn recording(path: &Path, count: u32) -> Fleet {
    let mut fleet = Fleet::new();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for number in 0..count {
        let name = format!("unicorn {}", number.wrapping_mul(2_654_435_761) % 97);
        let micrometres = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) % 60_000_000;
        let points = (number % 200) as i32;
        let metres = format!("{}.{:06}", micrometres / 1_000_000, micrometres % 1_000_000);
        let (_, line) = reading(&name, number, &metres, points);
        file.write_all(line.as_bytes()).unwrap();
        let (magic, health) = (i64::from(points), i64::from(points) + 40);
        add(
            &mut fleet,
            name,
            1,
            micrometres.into(),
            [magic, magic, health, health],
        );
    }
    fleet
}

#[test]
fn rows_contain_every_sent_reading() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = [
        "--unicorns",
        "50",
        "--rate",
        "10",
        "--duration",
        "5s",
        "--seed",
        "7",
    ];
    let output = run(&mut embedded(folder.path(), "2s", &fleet));
    assert_eq!(output.code, Some(0), "{}", output.err);
    let readings: u64 = rows(&output.out).iter().map(|row| row.readings).sum();
    // If the machine stalls for more than a second, the producer skips readings and reports how
    // many.
    let skipped = number_before(&output.err, " readings were skipped");
    assert_eq!(readings + skipped, 50 * 10 * 5, "{}", output.err);
    let report = format!("sent {readings} readings, 0 failed");
    assert!(
        readings > 0 && output.err.contains(&report),
        "{}",
        output.err
    );
}

#[test]
fn replayed_rows_are_the_fold_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.jsonl");
    let expected = recording(&file, 50_000);
    let output = run(embedded(folder.path(), "2s", &["--shards", "4", "--replay"]).arg(&file));
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(
        output.err.contains("sent 50000 readings, 0 failed"),
        "{}",
        output.err
    );
    assert_eq!(by_unicorn(rows(&output.out)), expected);
}

#[test]
fn replay_reports_a_broken_line_and_sends_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.jsonl");
    recording(&file, 10);
    let mut lines = std::fs::read_to_string(&file).unwrap();
    lines.push_str("{\"Name\":\"Shadowfax\"}\n");
    std::fs::write(&file, lines).unwrap();
    let output = run(embedded(folder.path(), "2s", &["--replay"]).arg(&file));
    assert_eq!(output.code, Some(1), "{}", output.err);
    assert!(
        output.err.contains("11") && output.err.contains("StatusTime is missing"),
        "{}",
        output.err
    );
    assert!(
        output.err.contains("sent 10 readings, 1 failed"),
        "{}",
        output.err
    );
    let readings: u64 = rows(&output.out).iter().map(|row| row.readings).sum();
    assert_eq!(readings, 10);
}

#[test]
fn ctrl_c_drains_the_open_window() {
    let folder = tempfile::tempdir().unwrap();
    let flight = ["--name", "Shadowfax", "--rate", "20"];
    let mut producer = Running::start(&mut embedded(folder.path(), "15m", &flight));
    let url = endpoint(&producer.until("http://"));

    // Another producer and a consumer connect to it.
    let other = run(program("producer").args([
        "--endpoint-url",
        &url,
        "--name",
        "Bucephalus",
        "--count",
        "5",
        "--rate",
        "50",
    ]));
    assert_eq!(
        (other.code, other.out.as_str()),
        (Some(0), ""),
        "{}",
        other.err
    );
    assert!(
        other.err.contains("sent 5 readings, 0 failed"),
        "{}",
        other.err
    );
    let consumer =
        run(program("consumer").args(["--endpoint-url", &url, "--from", "start", "--count", "3"]));
    assert_eq!(consumer.code, Some(0), "{}", consumer.err);
    assert!(
        consumer.out.starts_with("{\n    \"Name\": \""),
        "{}",
        consumer.out
    );
    assert_eq!(consumer.out.matches("\"HealthPoints\"").count(), 3);

    let output = producer.interrupt();
    assert_eq!(output.code, Some(0), "{}", output.err);
    let sent: u64 = output
        .err
        .split("sent ")
        .last()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let fleet = by_unicorn(rows(&output.out));
    assert_eq!(fleet["Shadowfax"].0, sent, "{}", output.err);
    assert_eq!(fleet["Bucephalus"].0, 5);
}

#[test]
fn local_serves_the_other_programs_and_drains_on_exit() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("local");
    command
        .args(["--port", "0", "--window", "15m", "--data-dir"])
        .arg(folder.path());
    let mut local = Running::start(&mut command);
    let url = endpoint(&local.until("http://"));
    let producer =
        run(program("producer").args(["--endpoint-url", &url, "--count", "3", "--rate", "50"]));
    assert_eq!(producer.code, Some(0), "{}", producer.err);
    let unknown = run(program("consumer").args(["--endpoint-url", &url, "--stream", "wildrides"]));
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.err.contains("wildrides") && unknown.err.contains("wildrydes-summary"),
        "{}",
        unknown.err
    );
    let unknown = run(program("producer").args(["--endpoint-url", &url, "--stream", "wildrides"]));
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("wildrydes-summary"), "{}", unknown.err);
    assert_eq!(local.interrupt().code, Some(0));
    let archived = files(&folder.path().join("archive/wildrydes"));
    assert_eq!(
        archived
            .iter()
            .map(|text| text.lines().count())
            .sum::<usize>(),
        3
    );
}

#[test]
fn service_faults_lose_no_readings() {
    let folder = tempfile::tempdir().unwrap();
    let faults = "put-failed=0.2,throttled=0.05,response-dropped=0.05,unprocessed=0.5,\
                  delayed=0.1,iterator-expired=0.1,rejects-failed=0.2";
    let mut command = program("local");
    command
        .args(["--port", "0", "--window", "15m", "--shards", "2"])
        .args(["--faults", faults, "--seed", "7", "--data-dir"])
        .arg(folder.path());
    let mut local = Running::start(&mut command);
    let line = local.until("faults:");
    assert!(line.contains(faults) && line.contains("seed 7"), "{line}");
    let url = endpoint(&local.until("http://"));
    let fleet = ["--unicorns", "20", "--count", "30", "--rate", "10"];
    let producer = run(program("producer")
        .args(["--endpoint-url", &url])
        .args(fleet));
    assert_eq!(producer.code, Some(0), "{}", producer.err);
    let ended = local.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let injected = ended.err.lines().last().unwrap();
    assert!(
        injected.starts_with("faults injected: put-failed "),
        "{injected}"
    );
    assert!(injected.contains("iterator-expired "), "{injected}");

    // A duplicate, sent because a response was lost, is archived but counts once.
    let archived = files(&folder.path().join("archive/wildrydes"));
    let distinct: BTreeSet<&str> = archived.iter().flat_map(|text| text.lines()).collect();
    assert_eq!(distinct.len(), 20 * 30);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rows = runtime.block_on(async {
        let cloud = TestCloud::start_on(folder).await;
        let rows = cloud.rows().await;
        cloud.stop().await;
        rows
    });
    let windows: BTreeSet<_> = rows.iter().map(|row| row.window_start).collect();
    let readings: u64 = by_unicorn(rows).values().map(|unicorn| unicorn.0).sum();
    // A reading that was sent both before and after the end of a window counts twice.
    let most = match windows.len() {
        1 => 20 * 30,
        _ => archived
            .iter()
            .map(|text| text.lines().count() as u64)
            .sum(),
    };
    assert!((20 * 30..=most).contains(&readings), "{readings} {most}");
}

#[test]
fn a_random_seed_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("local");
    command.args(["--port", "0", "--faults", "crash=1e-9", "--data-dir"]);
    let mut local = Running::start(command.arg(folder.path()));
    let line = local.until("faults:");
    let seed = line.trim().rsplit_once("seed ").unwrap().1;
    assert!(seed.parse::<u32>().is_ok(), "{line}");
    local.until("Ctrl-C");
    let ended = local.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.err.ends_with("faults injected: crash 0\n"),
        "{}",
        ended.err
    );
}

#[test]
fn closed_stderr_loses_no_readings() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("local");
    command.args(["--port", "0", "--window", "15m", "--data-dir"]);
    let mut local = command
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(local.stderr.take().unwrap()).lines();
    let url = endpoint(&stderr.next().unwrap().unwrap());
    drop(stderr);
    let sent = ["--endpoint-url", &url, "--count", "3", "--rate", "50"];
    let producer = run(program("producer").args(sent));
    assert_eq!(producer.code, Some(0), "{}", producer.err);
    let id = local.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(local.wait().unwrap().code(), Some(0));
    let archived = files(&folder.path().join("archive/wildrydes"));
    let lines = archived.iter().map(|text| text.lines().count());
    assert_eq!(lines.sum::<usize>(), 3);
}

fn files(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(files(&path));
        } else {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    texts
}

#[test]
fn port_in_use_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for name in ["local", "producer"] {
        let output = run(program(name)
            .args(["--port", &port, "--data-dir"])
            .arg(folder.path()));
        assert_eq!(output.code, Some(1), "{name}: {}", output.err);
        assert!(
            output.err.contains(&port) && output.err.contains("--port"),
            "{name}: {}",
            output.err
        );
    }
}

#[test]
fn unusable_data_directory_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "").unwrap();
    for name in ["local", "producer"] {
        let output = run(program(name)
            .args(["--port", "0", "--data-dir"])
            .arg(file.join("data")));
        assert_eq!(output.code, Some(1), "{name}: {}", output.err);
        assert!(output.err.contains("a file"), "{name}: {}", output.err);
    }
}

#[test]
fn missing_server_is_reported_with_advice() {
    // Nothing listens on port 9.
    let output = run(program("consumer").args(["--endpoint-url", "http://127.0.0.1:9"]));
    assert_eq!(output.code, Some(1), "{}", output.err);
    assert!(
        output.err.contains("http://127.0.0.1:9 does not respond"),
        "{}",
        output.err
    );
    // Skip this if a local cloud happens to run on this machine. Otherwise bind the port without
    // listening, so that no cloud can start on it during the test.
    let bound = TcpSocket::new_v4().unwrap();
    if bound.bind("127.0.0.1:4566".parse().unwrap()).is_ok() {
        let output = run(program("consumer").args(["--target", "local"]));
        assert_eq!(output.code, Some(1), "{}", output.err);
        assert!(output.err.contains("cargo run -p"), "{}", output.err);
    }
}

#[test]
fn bad_usage_exits_with_2_and_names_the_flag() {
    for (name, arguments, message) in [
        ("producer", &["--rate", "0"][..], "--rate"),
        ("producer", &["--rate", "fast"], "--rate"),
        ("producer", &["--unicorns", "0"], "--unicorns"),
        ("producer", &["--window", "1500ms"], "--window"),
        ("producer", &["--duration", "10"], "--duration"),
        (
            "producer",
            &["--count", "1", "--duration", "1s"],
            "--duration",
        ),
        ("producer", &["--name", ""], "--name"),
        ("producer", &["--nmae", "Shadowfax"], "--nmae"),
        ("consumer", &["--from", "yesterday"], "--from"),
        ("consumer", &["--format", "xml"], "--format"),
        ("local", &["--shards", "0"], "--shards"),
        ("local", &["--window", "0s"], "--window"),
        ("local", &["--functions", "docker"], "--functions"),
        (
            "local",
            &["--faults", "crush=1"],
            "choose from all, put-failed",
        ),
        ("local", &["--faults", "crash=2"], "--faults"),
        ("local", &["--faults", "split=0.1"], "--faults"),
        ("local", &["--seed", "7"], "--faults"),
    ] {
        let output = run(program(name).args(arguments));
        assert_eq!(output.code, Some(2), "{name} {arguments:?}: {}", output.err);
        assert!(
            output.err.contains(message),
            "{name} {arguments:?}: {}",
            output.err
        );
    }
}

#[test]
fn help_has_examples() {
    for name in ["producer", "consumer", "local"] {
        let output = run(program(name).arg("--help"));
        assert_eq!(output.code, Some(0));
        assert!(output.out.contains("Examples:"), "{name}: {}", output.out);
    }
    let output = run(program("local").arg("--help"));
    for text in [
        "--faults all=0.01",
        "put-failed, throttled,",
        "batch-failed.",
    ] {
        assert!(output.out.contains(text), "{text}: {}", output.out);
    }
}

#[test]
fn function_reports_a_missing_setting() {
    for (name, variable) in [
        ("aggregator", "SUMMARY_STREAM"),
        ("processor", "TABLE_NAME"),
    ] {
        let output = run(program(name)
            .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
            .env("AWS_LAMBDA_FUNCTION_NAME", name));
        assert_ne!(output.code, Some(0));
        let message = format!("the environment variable {variable} is not set");
        assert!(
            output.err.contains(&message) || output.out.contains(&message),
            "{name}: {} {}",
            output.err,
            output.out
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn local_runs_the_deployed_binaries() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let mut command = program("local");
    command.args([
        "--port",
        "0",
        "--window",
        "15m",
        "--functions",
        "bootstrap",
        "--data-dir",
    ]);
    let mut local = Running::start(command.arg(folder.path()));
    let url = endpoint(&local.until("http://"));
    let output = run(program("producer").args([
        "--endpoint-url",
        &url,
        "--unicorns",
        "4",
        "--count",
        "5",
        "--rate",
        "50",
    ]));
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert_eq!(local.interrupt().code, Some(0));
    // Read the table with another cloud on the same folder.
    let cloud = TestCloud::start_on(folder).await;
    let readings: u64 = cloud.rows().await.iter().map(|row| row.readings).sum();
    assert_eq!(readings, 20);
    cloud.stop().await;
}
