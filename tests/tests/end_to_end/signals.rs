//! Signals that end the programs: what was acknowledged is in the rows and in the archive, or the program
//! says what is in none. And the log of a program whose standard error is no terminal.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use end_to_end::TestCloud;
use end_to_end::programs::{Ran, Running, embedded, endpoint, program, run};
use tempfile::TempDir;
use unicorn::merge::merge;
use unicorn::summary::summaries;

/// What ends a program in good order.
const SIGNALS: [&str; 3] = ["INT", "TERM", "HUP"];

/// The distinct lines of the archive, and how many there are in all.
fn archived(data: &Path) -> (BTreeSet<String>, usize) {
    let (mut lines, mut count) = (BTreeSet::new(), 0);
    let mut folders = vec![data.join("archive/wildrydes")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in std::fs::read_to_string(path).unwrap().lines() {
                lines.insert(line.to_owned());
                count += 1;
            }
        }
    }
    (lines, count)
}

/// How many readings it says that it sent.
fn sent(ran: &Ran) -> usize {
    let last = ran.err.lines().last().unwrap_or_default();
    let (sent, failed) = last
        .strip_prefix("sent ")
        .and_then(|rest| rest.split_once(" readings, "))
        .unwrap_or_else(|| panic!("{}", ran.err));
    assert_eq!(failed, "0 failed", "{}", ran.err);
    sent.parse().unwrap()
}

fn in_rows(lines: &str) -> usize {
    let rows = summaries(lines.as_bytes()).map(|(_, row)| row.unwrap());
    let minutes = merge(rows);
    minutes.iter().map(|minute| minute.readings as usize).sum()
}

/// How many readings the rows of a data directory hold.
fn in_table(folder: TempDir) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cloud = TestCloud::on(folder).await;
        let minutes = merge(cloud.rows().await);
        cloud.stop().await;
        minutes.iter().map(|minute| minute.readings as usize).sum()
    })
}

/// Sends a signal as often as it takes, and gives what became of the program.
fn insist(mut running: Running, signal: &str) -> Ran {
    while running.runs() {
        running.signal(signal);
        std::thread::sleep(Duration::from_millis(50));
    }
    running.end()
}

/// The line that says why it was ended at once.
fn last_words(ran: &Ran) -> &str {
    let line = ran
        .err
        .lines()
        .find(|line| line.starts_with("error: ended"));
    line.unwrap_or_else(|| panic!("{}", ran.err))
}

#[test]
fn a_producers_open_window_is_drained_whichever_signal_ends_it() {
    for signal in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        let flight = ["--unicorns", "3", "--rate", "20"];
        let mut producer = Running::start(&mut embedded(folder.path(), "15m", &flight));
        let url = endpoint(&producer.until("http://"));
        // Its readings are under way, and so are another's.
        let other = ["--endpoint-url", &url, "--name", "Llamrei", "--rate", "20"];
        let mut other = Running::start(program("producer").args(other));
        let read = ["--endpoint-url", &url, "--from", "start", "--count", "40"];
        let read = run(program("consumer").args(read));
        assert_eq!(read.code, Some(0), "{}", read.err);
        assert!(other.signal(signal));
        other.until("sent ");
        let other = other.end();
        assert_eq!(other.code, Some(0), "{signal}: {}", other.err);
        assert!(producer.signal(signal));
        let ran = producer.end();
        assert_eq!(ran.code, Some(0), "{signal}: {}", ran.err);
        let all = sent(&ran) + sent(&other);
        assert_eq!(in_rows(&ran.out), all, "{signal}: {}", ran.err);
        let (lines, count) = archived(&folder.path().join("data"));
        assert_eq!((lines.len(), count), (all, all), "{signal}");
    }
}

#[test]
fn a_local_clouds_open_window_is_drained_whichever_signal_ends_it() {
    for signal in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, url) = local(&folder, &[]);
        let flight = ["--endpoint-url", &url, "--unicorns", "3", "--count", "20"];
        let sent = run(program("producer").args(flight).args(["--rate", "20"]));
        assert_eq!(sent.code, Some(0), "{}", sent.err);
        assert!(local.signal(signal));
        local.until("closing the open windows");
        let ran = local.end();
        assert_eq!(ran.code, Some(0), "{signal}: {}", ran.err);
        let (lines, count) = archived(folder.path());
        assert_eq!((lines.len(), count), (60, 60), "{signal}");
        assert_eq!(in_table(folder), 60, "{signal}");
    }
}

/// A local cloud with a window that stays open.
fn local(folder: &TempDir, arguments: &[&str]) -> (Running, String) {
    let mut command = program("local");
    command
        .args([
            "--port",
            "0",
            "--dashboard-port",
            "0",
            "--window",
            "15m",
            "--data-dir",
        ])
        .arg(folder.path())
        .args(arguments);
    let mut local = Running::start(&mut command);
    let url = endpoint(&local.until("http://"));
    local.until("Ctrl-C");
    (local, url)
}

#[test]
fn a_terminal_that_is_gone_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = embedded(folder.path(), "15m", &["--rate", "20"]);
    // Much is logged, to nobody.
    let mut producer = Running::start(command.env("RUST_LOG", "debug"));
    producer.until("rows are printed every");
    producer.until("PutRecords");
    producer.hang_up();
    // A shell and then the kernel send one each.
    assert!(producer.signal("HUP"));
    producer.signal("HUP");
    let ran = producer.end();
    assert_eq!(ran.code, Some(0));
    let (lines, count) = archived(&folder.path().join("data"));
    assert!(count > 0);
    assert_eq!((lines.len(), in_rows(&ran.out)), (count, count));
}

#[test]
fn what_nohup_starts_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let command = embedded(folder.path(), "15m", &["--rate", "20"]);
    let mut nohup = Command::new("nohup");
    nohup
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mut producer = Running::start(&mut nohup);
    producer.until("rows are printed every");
    assert!(producer.signal("HUP"));
    // The drain would say so, after some dots at most.
    let dots = producer.until_text("..........");
    assert!(!dots.contains("closing"), "{dots}");
    let ran = producer.interrupt();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(in_rows(&ran.out), sent(&ran));
}

#[test]
fn a_local_cloud_that_is_told_twice_ends_at_once_and_says_what_is_lost() {
    // Functions that never answer hold the drain up.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for (first, second, code) in [
        ("TERM", "TERM", 143),
        ("INT", "HUP", 129),
        ("HUP", "INT", 130),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let functions = ["--functions", "cargo-lambda", "--lambda-address", &address];
        let (mut local, url) = local(&folder, &functions);
        let flight = ["--endpoint-url", &url, "--count", "3", "--rate", "50"];
        let sent = run(program("producer").args(flight));
        assert_eq!(sent.code, Some(0), "{}", sent.err);
        assert!(local.signal(first));
        local.until("closing the open windows");
        let ran = insist(local, second);
        assert_eq!(ran.code, Some(code), "{first} {second}: {}", ran.err);
        let told = format!(
            "error: ended at once by a second signal, SIG{second}; readings of the windows"
        );
        let last = last_words(&ran);
        assert!(last.starts_with(&told), "{last}");
        assert!(last.contains("are in no row"), "{last}");
    }
}

#[test]
fn a_producer_that_is_told_twice_says_how_many_readings_are_in_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut producer = Running::start(&mut embedded(folder.path(), "15m", &["--rate", "20"]));
    producer.until("rows are printed every");
    producer.until_text(".....");
    // Both are there when it goes on, so no drain is over in between.
    for signal in ["STOP", "TERM", "INT", "CONT"] {
        assert!(producer.signal(signal));
    }
    let ran = producer.end();
    assert!(
        matches!(ran.code, Some(130 | 143)),
        "{:?}: {}",
        ran.code,
        ran.err
    );
    let last = last_words(&ran);
    let (cut, lost) = last
        .split_once("; up to ")
        .unwrap_or_else(|| panic!("{}", ran.err));
    assert!(
        cut.starts_with("error: ended at once by a second signal, SIG"),
        "{cut}"
    );
    let numbers: Vec<u64> = lost
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(numbers[0] >= 5 && numbers[0] == numbers[1], "{lost}");
    assert!(lost.contains("are in no row"), "{lost}");
    assert_eq!(ran.out, "");
}

#[test]
fn a_producer_to_another_cloud_that_is_told_twice_says_what_it_sent() {
    let folder = tempfile::tempdir().unwrap();
    // The first reading is not taken, so its call is tried for a minute; the next is due much later.
    let (local, url) = local(&folder, &["--faults", "put-failed=1"]);
    let mut command = program("producer");
    command.args(["--endpoint-url", &url, "--rate", "0.001"]);
    let mut producer = Running::start(command.env("RUST_LOG", "debug"));
    producer.until("PutRecords");
    assert!(producer.signal("HUP"));
    let told = insist(producer, "TERM");
    // Two that come while it is busy come in any order.
    let last = last_words(&told);
    let signal = match told.code {
        Some(129) => "SIGHUP",
        Some(143) => "SIGTERM",
        _ => panic!("{:?}: {}", told.code, told.err),
    };
    let expected = format!("error: ended at once by a second signal, {signal}; sent 0 readings, ");
    assert!(last.starts_with(&expected), "{last}");
    assert_eq!(local.interrupt().code, Some(0));
}

#[test]
fn a_consumer_prints_whole_lines_whichever_signal_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (local, url) = local(&folder, &[]);
    let flight = ["--endpoint-url", &url, "--count", "3", "--rate", "50"];
    assert_eq!(run(program("producer").args(flight)).code, Some(0));
    for signal in SIGNALS {
        let arguments = [
            "--endpoint-url",
            &url,
            "--from",
            "start",
            "--format",
            "lines",
        ];
        let mut consumer = Running::start(program("consumer").args(arguments));
        let lines: Vec<String> = (0..3).map(|_| consumer.line()).collect();
        assert!(lines.iter().all(|line| line.ends_with("}\n")), "{lines:?}");
        assert!(consumer.signal(signal));
        let ran = consumer.end();
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (Some(0), ""),
            "{signal}: {}",
            ran.err
        );
    }
    assert_eq!(local.interrupt().code, Some(0));
}

#[test]
fn logs_have_no_colours_where_nobody_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = Vec::new();
    let mut command = embedded(folder.path(), "1s", &["--count", "3", "--rate", "50"]);
    let ran = run(command.env("RUST_LOG", "debug"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("PutRecords"), "{}", ran.err);
    logs.push(("producer", ran.err));

    let mut command = program("consumer");
    command.args(["--endpoint-url", "http://127.0.0.1:9"]);
    let ran = run(command.env("RUST_LOG", "debug"));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    logs.push(("consumer", ran.err));

    let mut command = program("local");
    command
        .args(["--port", "0", "--dashboard-port", "0", "--data-dir"])
        .arg(folder.path().join("local"));
    let mut local = Running::start(command.env("RUST_LOG", "debug"));
    local.until("Ctrl-C");
    logs.push(("local", local.interrupt().err));

    for name in ["aggregator", "processor"] {
        for format in ["Text", "JSON"] {
            let mut command = program(name);
            command
                .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
                .env("AWS_LAMBDA_LOG_FORMAT", format);
            let ran = run(&mut command);
            assert!(
                ran.out.contains("cannot run"),
                "{name}: {} {}",
                ran.out,
                ran.err
            );
            logs.push((name, ran.out + &ran.err));
        }
    }
    for (name, log) in logs {
        assert!(
            log.contains("DEBUG") || log.contains("ERROR"),
            "{name}: {log}"
        );
        assert!(!log.contains('\x1b'), "{name}: {log}");
    }
}
