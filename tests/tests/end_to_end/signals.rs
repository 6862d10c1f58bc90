//! Signals that end the programs: every acknowledged reading is in the rows and in the archive, or
//! the program reports which are in no row. Also tests the log of a program whose standard error is
//! not a terminal.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use end_to_end::TestCloud;
use end_to_end::programs::{ProgramOutput, Running, embedded, endpoint, program, run};
use tempfile::TempDir;
use unicorn::merge::merge;
use unicorn::row;

/// The signals that drain a program.
const SIGNALS: [&str; 3] = ["INT", "TERM", "HUP"];

/// The distinct lines of the archive, and the total number of lines.
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

/// The number of readings that the producer reports as sent.
fn sent(output: &ProgramOutput) -> usize {
    let last = output.err.lines().last().unwrap_or_default();
    let (sent, failed) = last
        .strip_prefix("sent ")
        .and_then(|rest| rest.split_once(" readings, "))
        .unwrap_or_else(|| panic!("{}", output.err));
    assert_eq!(failed, "0 failed", "{}", output.err);
    sent.parse().unwrap()
}

fn in_rows(lines: &str) -> usize {
    let rows = row::rows(lines.as_bytes()).map(|(_, row)| row.unwrap());
    let minutes = merge(rows);
    minutes.iter().map(|minute| minute.readings as usize).sum()
}

/// The number of readings in the rows of a data directory.
fn in_table(folder: TempDir) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cloud = TestCloud::start_on(folder).await;
        let minutes = merge(cloud.rows().await);
        cloud.stop().await;
        minutes.iter().map(|minute| minute.readings as usize).sum()
    })
}

/// Sends a signal repeatedly until the program exits.
fn signal_until_exit(mut running: Running, signal: &str) -> ProgramOutput {
    while running.is_running() {
        running.signal(signal);
        std::thread::sleep(Duration::from_millis(50));
    }
    running.end()
}

/// The error line of a program that was ended by a second signal.
fn error_line(output: &ProgramOutput) -> &str {
    let line = output
        .err
        .lines()
        .find(|line| line.starts_with("error: ended"));
    line.unwrap_or_else(|| panic!("{}", output.err))
}

#[test]
fn every_signal_drains_the_producer() {
    for signal in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        let flight = ["--unicorns", "3", "--rate", "20"];
        let mut producer = Running::start(&mut embedded(folder.path(), "15m", &flight));
        let url = endpoint(&producer.until("http://"));
        // Another producer sends too.
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
        let output = producer.end();
        assert_eq!(output.code, Some(0), "{signal}: {}", output.err);
        let all = sent(&output) + sent(&other);
        assert_eq!(in_rows(&output.out), all, "{signal}: {}", output.err);
        let (lines, count) = archived(&folder.path().join("data"));
        assert_eq!((lines.len(), count), (all, all), "{signal}");
    }
}

#[test]
fn every_signal_drains_local() {
    for signal in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, url) = local(&folder, &[]);
        let flight = ["--endpoint-url", &url, "--unicorns", "3", "--count", "20"];
        let sent = run(program("producer").args(flight).args(["--rate", "20"]));
        assert_eq!(sent.code, Some(0), "{}", sent.err);
        assert!(local.signal(signal));
        local.until("closing the open windows");
        let output = local.end();
        assert_eq!(output.code, Some(0), "{signal}: {}", output.err);
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
fn closed_terminal_loses_no_readings() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = embedded(folder.path(), "15m", &["--rate", "20"]);
    // Log a lot, so that writes to the closed terminal fail.
    let mut producer = Running::start(command.env("RUST_LOG", "debug"));
    producer.until("rows are printed every");
    producer.until("PutRecords");
    producer.hang_up();
    // The shell and then the kernel each send SIGHUP.
    assert!(producer.signal("HUP"));
    producer.signal("HUP");
    let output = producer.end();
    assert_eq!(output.code, Some(0));
    let (lines, count) = archived(&folder.path().join("data"));
    assert!(count > 0);
    assert_eq!((lines.len(), in_rows(&output.out)), (count, count));
}

#[test]
fn nohup_ignores_hangup() {
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
    // A drain would be logged after a few dots at most.
    let dots = producer.until_text("..........");
    assert!(!dots.contains("closing"), "{dots}");
    let output = producer.interrupt();
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert_eq!(in_rows(&output.out), sent(&output));
}

#[test]
fn second_signal_ends_local_and_reports_lost_readings() {
    // Functions that never respond block the drain.
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
        let output = signal_until_exit(local, second);
        assert_eq!(output.code, Some(code), "{first} {second}: {}", output.err);
        let message = format!(
            "error: ended at once by a second signal, SIG{second}; readings of the windows"
        );
        let last = error_line(&output);
        assert!(last.starts_with(&message), "{last}");
        assert!(last.contains("are in no row"), "{last}");
    }
}

#[test]
fn second_signal_ends_producer_and_reports_lost_readings() {
    let folder = tempfile::tempdir().unwrap();
    let mut producer = Running::start(&mut embedded(folder.path(), "15m", &["--rate", "20"]));
    producer.until("rows are printed every");
    producer.until_text(".....");
    // Both signals are pending when it continues, so no drain can complete in between.
    for signal in ["STOP", "TERM", "INT", "CONT"] {
        assert!(producer.signal(signal));
    }
    let output = producer.end();
    assert!(
        matches!(output.code, Some(130 | 143)),
        "{:?}: {}",
        output.code,
        output.err
    );
    let last = error_line(&output);
    let (cut, lost) = last
        .split_once("; up to ")
        .unwrap_or_else(|| panic!("{}", output.err));
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
    assert_eq!(output.out, "");
}

#[test]
fn second_signal_ends_remote_producer_and_reports_sent() {
    let folder = tempfile::tempdir().unwrap();
    // The first call fails and is retried for a minute; the next reading is due much later.
    let (local, url) = local(&folder, &["--faults", "put-failed=1"]);
    let mut command = program("producer");
    command.args(["--endpoint-url", &url, "--rate", "0.001"]);
    let mut producer = Running::start(command.env("RUST_LOG", "debug"));
    producer.until("PutRecords");
    assert!(producer.signal("HUP"));
    let output = signal_until_exit(producer, "TERM");
    // Two signals that arrive while it is busy may be handled in any order.
    let last = error_line(&output);
    let signal = match output.code {
        Some(129) => "SIGHUP",
        Some(143) => "SIGTERM",
        _ => panic!("{:?}: {}", output.code, output.err),
    };
    let expected = format!("error: ended at once by a second signal, {signal}; sent 0 readings, ");
    assert!(last.starts_with(&expected), "{last}");
    assert_eq!(local.interrupt().code, Some(0));
}

#[test]
fn every_signal_ends_the_consumer_after_a_whole_line() {
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
        let output = consumer.end();
        assert_eq!(
            (output.code, output.out.as_str()),
            (Some(0), ""),
            "{signal}: {}",
            output.err
        );
    }
    assert_eq!(local.interrupt().code, Some(0));
}

#[test]
fn logs_to_a_pipe_have_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = Vec::new();
    let mut command = embedded(folder.path(), "1s", &["--count", "3", "--rate", "50"]);
    let output = run(command.env("RUST_LOG", "debug"));
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(output.err.contains("PutRecords"), "{}", output.err);
    logs.push(("producer", output.err));

    let mut command = program("consumer");
    command.args(["--endpoint-url", "http://127.0.0.1:9"]);
    let output = run(command.env("RUST_LOG", "debug"));
    assert_eq!(output.code, Some(1), "{}", output.err);
    logs.push(("consumer", output.err));

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
            let output = run(&mut command);
            assert!(
                output.out.contains("cannot run"),
                "{name}: {} {}",
                output.out,
                output.err
            );
            logs.push((name, output.out + &output.err));
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
