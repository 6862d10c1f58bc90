//! The wall clock is set while a local cloud runs: no reading is lost, and nothing waits until the
//! clock has caught up.

use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::programs::{Running, embedded, endpoint, program};

use crate::signals::{archived, in_rows, sent};

/// Compiles the library that shifts a program's clock. Linking a Rust program needs `cc` too.
fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/set_clock.c");
    let library = folder.join("set_clock.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library);
    assert!(compiler.arg(source).status().unwrap().success());
    library
}

/// Runs an embedded cloud whose clock is shifted by these numbers of seconds, one after the other,
/// each after 60 more readings. All of its readings must be in the rows and in the archive, and
/// read by a consumer.
fn set_clock_to(shifts: &[i64]) {
    let folder = tempfile::tempdir().unwrap();
    let shift = folder.path().join("shift");
    let flight = ["--unicorns", "3", "--rate", "20"];
    let mut producer = embedded(folder.path(), "15m", &flight);
    producer.env("LD_PRELOAD", library(folder.path()));
    let mut producer = Running::start(producer.env("SET_CLOCK", &shift));
    let url = endpoint(&producer.until("http://"));
    let count = 60 * (shifts.len() + 1);
    let read = [
        "--endpoint-url",
        &url,
        "--format",
        "lines",
        "--from",
        "start",
    ];
    let mut consumer = program("consumer");
    consumer.args(read).args(["--count", &count.to_string()]);
    let mut consumer = Running::start(&mut consumer);
    for seconds in shifts {
        for _ in 0..60 {
            consumer.line();
        }
        // Replaces the file at once, so that the program never reads half a number.
        let new = folder.path().join("new-shift");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(&new, &shift).unwrap();
    }
    let read = consumer.end();
    assert_eq!(read.code, Some(0), "{shifts:?}: {}", read.err);
    assert_eq!(read.out.lines().count(), 60, "{shifts:?}: {}", read.err);

    let output = producer.interrupt();
    assert_eq!(output.code, Some(0), "{shifts:?}: {}", output.err);
    let sent = sent(&output);
    assert!(sent >= count, "{shifts:?}: {sent}");
    assert_eq!(in_rows(&output.out), sent, "{shifts:?}: {}", output.err);
    let (lines, count) = archived(&folder.path().join("data"));
    assert_eq!((lines.len(), count), (sent, sent), "{shifts:?}");
}

#[test]
fn setting_the_clock_back_loses_nothing() {
    set_clock_to(&[-3600]);
}

#[test]
fn setting_the_clock_forward_loses_nothing() {
    set_clock_to(&[3600]);
}

#[test]
fn setting_the_clock_forward_and_back_loses_nothing() {
    set_clock_to(&[3600, 0, -7200, -3600]);
}
