//! The programs as a person runs them: what they print, what they exit with, and that nothing sent
//! is missing.

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
use unicorn::summary::{Summary, summaries};

fn rows(out: &str) -> Vec<Summary> {
    summaries(out.as_bytes())
        .map(|(line, row)| row.unwrap_or_else(|error| panic!("{error}: {line:?}")))
        .collect()
}

/// Readings, micrometres, and extremes of each unicorn.
type Fleet = BTreeMap<String, (u64, i128, [i64; 4])>;

/// Folds rows by unicorn, over all windows.
fn by_unicorn(rows: Vec<Summary>) -> Fleet {
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
        take(&mut fleet, minute.name, minute.readings, distance, points);
    }
    fleet
}

fn take(fleet: &mut Fleet, name: String, readings: u64, distance: i128, points: [i64; 4]) {
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

/// The number before `text`; 0 where there is no such text.
fn number_before(told: &str, text: &str) -> u64 {
    let before = told.split_once(text).and_then(|(before, _)| {
        let number = before.rsplit(|c: char| !c.is_ascii_digit()).next();
        number.map(|number| number.parse().unwrap())
    });
    before.unwrap_or(0)
}

/// Writes a file of distinct readings; gives what they fold to by unicorn.
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
        take(
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
fn a_fleets_rows_sum_to_what_was_sent() {
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
    let ran = run(&mut embedded(folder.path(), "2s", &fleet));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let readings: u64 = rows(&ran.out).iter().map(|row| row.readings).sum();
    // A machine that is held up for more than a second leaves readings out, and says how many.
    let left_out = number_before(&ran.err, " readings were never taken");
    assert_eq!(readings + left_out, 50 * 10 * 5, "{}", ran.err);
    let told = format!("sent {readings} readings, 0 failed");
    assert!(readings > 0 && ran.err.contains(&told), "{}", ran.err);
}

#[test]
fn a_replays_rows_are_the_fold_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.jsonl");
    let expected = recording(&file, 50_000);
    let ran = run(embedded(folder.path(), "2s", &["--shards", "4", "--replay"]).arg(&file));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.err.contains("sent 50000 readings, 0 failed"),
        "{}",
        ran.err
    );
    assert_eq!(by_unicorn(rows(&ran.out)), expected);
}

#[test]
fn a_broken_line_in_a_replay_is_told_and_the_rest_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.jsonl");
    recording(&file, 10);
    let mut lines = std::fs::read_to_string(&file).unwrap();
    lines.push_str("{\"Name\":\"Shadowfax\"}\n");
    std::fs::write(&file, lines).unwrap();
    let ran = run(embedded(folder.path(), "2s", &["--replay"]).arg(&file));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.err.contains("11") && ran.err.contains("StatusTime is missing"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("sent 10 readings, 1 failed"),
        "{}",
        ran.err
    );
    let readings: u64 = rows(&ran.out).iter().map(|row| row.readings).sum();
    assert_eq!(readings, 10);
}

#[test]
fn ctrl_c_drains_the_open_window() {
    let folder = tempfile::tempdir().unwrap();
    let flight = ["--name", "Shadowfax", "--rate", "20"];
    let mut producer = Running::start(&mut embedded(folder.path(), "15m", &flight));
    let url = endpoint(&producer.until("http://"));

    // A second terminal: another producer, and two consumers.
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

    let ran = producer.interrupt();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let sent: u64 = ran
        .err
        .split("sent ")
        .last()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let fleet = by_unicorn(rows(&ran.out));
    assert_eq!(fleet["Shadowfax"].0, sent, "{}", ran.err);
    assert_eq!(fleet["Bucephalus"].0, 5);
}

#[test]
fn the_local_cloud_serves_the_other_programs_and_drains_at_its_end() {
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
    // What was sent is in the archive's files.
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
fn the_local_cloud_loses_nothing_where_faults_strike_its_services() {
    let folder = tempfile::tempdir().unwrap();
    let faults = "put-failed=0.2,throttled=0.05,answer-dropped=0.05,unprocessed=0.5,\
                  delayed=0.1,iterator-expired=0.1,rejects-failed=0.2";
    let mut command = program("local");
    command
        .args(["--port", "0", "--window", "15m", "--shards", "2"])
        .args(["--faults", faults, "--seed", "7", "--data-dir"])
        .arg(folder.path());
    let mut local = Running::start(&mut command);
    let told = local.until("faults:");
    assert!(told.contains(faults) && told.contains("seed 7"), "{told}");
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

    // A repeat, sent because an answer was lost, is archived but counts once.
    let archived = files(&folder.path().join("archive/wildrydes"));
    let distinct: BTreeSet<&str> = archived.iter().flat_map(|text| text.lines()).collect();
    assert_eq!(distinct.len(), 20 * 30);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rows = runtime.block_on(async {
        let cloud = TestCloud::on(folder).await;
        let rows = cloud.rows().await;
        cloud.stop().await;
        rows
    });
    let windows: BTreeSet<_> = rows.iter().map(|row| row.window_start).collect();
    let readings: u64 = by_unicorn(rows).values().map(|unicorn| unicorn.0).sum();
    // One that was sent twice, before and after a window's end, counts twice.
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
fn a_seed_that_is_not_given_is_drawn_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("local");
    command.args(["--port", "0", "--faults", "crash=1e-9", "--data-dir"]);
    let mut local = Running::start(command.arg(folder.path()));
    let told = local.until("faults:");
    let seed = told.trim().rsplit_once("seed ").unwrap().1;
    assert!(seed.parse::<u32>().is_ok(), "{told}");
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
fn a_standard_error_that_is_gone_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("local");
    command.args(["--port", "0", "--window", "15m", "--data-dir"]);
    let mut local = command
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(local.stderr.take().unwrap()).lines();
    let url = endpoint(&told.next().unwrap().unwrap());
    drop(told);
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
fn a_port_in_use_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for name in ["local", "producer"] {
        let ran = run(program(name)
            .args(["--port", &port, "--data-dir"])
            .arg(folder.path()));
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.err);
        assert!(
            ran.err.contains(&port) && ran.err.contains("--port"),
            "{name}: {}",
            ran.err
        );
    }
}

#[test]
fn a_data_directory_that_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "").unwrap();
    for name in ["local", "producer"] {
        let ran = run(program(name)
            .args(["--port", "0", "--data-dir"])
            .arg(file.join("data")));
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.err);
        assert!(ran.err.contains("a file"), "{name}: {}", ran.err);
    }
}

#[test]
fn without_a_server_it_is_told_what_to_do() {
    // Nothing listens on port 9 here.
    let ran = run(program("consumer").args(["--endpoint-url", "http://127.0.0.1:9"]));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.err.contains("http://127.0.0.1:9 gives no answer"),
        "{}",
        ran.err
    );
    // A local cloud that happens to run on this machine is found, rightly. Else the port is this
    // test's, without a listener, so that nobody's cloud comes in between.
    let bound = TcpSocket::new_v4().unwrap();
    if bound.bind("127.0.0.1:4566".parse().unwrap()).is_ok() {
        let ran = run(program("consumer").args(["--target", "local"]));
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(ran.err.contains("cargo run -p"), "{}", ran.err);
    }
}

#[test]
fn bad_usage_exits_with_2_and_names_the_flag() {
    for (name, arguments, told) in [
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
            "there are all, put-failed",
        ),
        ("local", &["--faults", "crash=2"], "--faults"),
        ("local", &["--faults", "split=0.1"], "--faults"),
        ("local", &["--seed", "7"], "--faults"),
    ] {
        let ran = run(program(name).args(arguments));
        assert_eq!(ran.code, Some(2), "{name} {arguments:?}: {}", ran.err);
        assert!(ran.err.contains(told), "{name} {arguments:?}: {}", ran.err);
    }
}

#[test]
fn help_teaches() {
    for name in ["producer", "consumer", "local"] {
        let ran = run(program(name).arg("--help"));
        assert_eq!(ran.code, Some(0));
        assert!(ran.out.contains("Examples:"), "{name}: {}", ran.out);
    }
    let ran = run(program("local").arg("--help"));
    for part in [
        "--faults all=0.01",
        "put-failed, throttled,",
        "ended-early.",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[test]
fn a_function_without_its_settings_says_which() {
    for (name, variable) in [
        ("aggregator", "SUMMARY_STREAM"),
        ("processor", "TABLE_NAME"),
    ] {
        let ran = run(program(name)
            .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
            .env("AWS_LAMBDA_FUNCTION_NAME", name));
        assert_ne!(ran.code, Some(0));
        let told = format!("the environment variable {variable} is not set");
        assert!(
            ran.err.contains(&told) || ran.out.contains(&told),
            "{name}: {} {}",
            ran.err,
            ran.out
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_binaries_serve_the_local_program() {
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
    let ran = run(program("producer").args([
        "--endpoint-url",
        &url,
        "--unicorns",
        "4",
        "--count",
        "5",
        "--rate",
        "50",
    ]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(local.interrupt().code, Some(0));
    // The table is read by another cloud on the same folder.
    let cloud = TestCloud::on(folder).await;
    let readings: u64 = cloud.rows().await.iter().map(|row| row.readings).sum();
    assert_eq!(readings, 20);
    cloud.stop().await;
}
