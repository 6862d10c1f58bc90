//! The program `sql` as people run it. What it prints is in `tests/golden`; `UPDATE_GOLDEN=1` rewrites
//! it.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The folder of an application among the examples.
fn example(name: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sql");
    examples.join(name)
}

/// Runs it in a folder: the exit code, standard output and standard error.
fn sql(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sql"))
        .args(args)
        .current_dir(folder)
        // The width of a help text that is not printed to a terminal.
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Compares what a run in the folder of golden files prints with one of them.
fn is_golden(file: &str, args: &[&str], code: i32) {
    is_golden_in(&folder(), file, args, code);
}

/// Compares what a run in a folder prints with a golden file.
fn is_golden_in(current: &Path, file: &str, args: &[&str], code: i32) {
    let (exit, output, errors) = sql(current, args);
    let found = format!(
        "$ sql {}\n{output}{}{errors}exit code {exit}\n",
        args.join(" "),
        if errors.is_empty() {
            ""
        } else {
            "-- standard error\n"
        }
    );
    is_content(&folder().join(file), &found);
    assert_eq!(exit, code, "{file}");
}

fn is_content(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn check_says_what_a_text_computes_or_why_it_is_not_supported() {
    let mut texts: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sql"))
        .collect();
    texts.sort();
    assert_eq!(texts.len(), 12);
    for (index, text) in texts.iter().enumerate() {
        let golden = text.replace(".sql", ".txt");
        // The first ones are supported.
        let code = i32::from(index >= 6);
        is_golden(&golden, &["check", text, "--schema", "schema.json"], code);
    }
}

#[test]
fn run_prints_rows_and_rejects() {
    let args = ["run", "01-device-average.sql", "--schema", "schema.json"];
    is_golden(
        "run.txt",
        &[&args[..], &["--input", "records.jsonl"]].concat(),
        0,
    );
    // Without a schema, one is made of the records.
    is_golden(
        "run-discovered.txt",
        &["run", args[1], "--input", "clean-records.jsonl"],
        0,
    );
    is_golden(
        "run-of-other-lines.txt",
        &[&args[..], &["--input", "sample.jsonl"]].concat(),
        1,
    );
    // What is not a record is reported, and the rest is read.
    is_golden(
        "run-of-some-other-lines.txt",
        &[&args[..], &["--input", "some-records.jsonl"]].concat(),
        1,
    );
}

#[test]
fn run_prints_rows_without_windows() {
    let args = ["run", "00-filters.sql", "--schema", "schema.json"];
    let args = [&args[..], &["--input", "requests.jsonl"]].concat();
    is_golden("run-filters.txt", &args, 0);
    let of_stream = |stream| [&args[..], &["--stream", stream]].concat();
    is_golden("run-of-stream.txt", &of_stream("LARGE"), 0);
    is_golden("run-of-no-stream.txt", &of_stream("TRAFFIC"), 1);
}

#[test]
fn examples_give_the_rows_beside_them() {
    for name in ["alarms", "page-views", "visitors"] {
        let (example, golden) = (example(name), format!("example-{name}.txt"));
        let files = ["application.sql", "--schema", "schema.json"];
        is_golden_in(&example, &golden, &[&["check"], &files[..]].concat(), 0);
        let args = [&["run"], &files[..], &["--input", "records.jsonl"]].concat();
        let (code, rows, _) = sql(&example, &args);
        is_content(&example.join("rows.jsonl"), &rows);
        assert_eq!(code, 0, "{name}");
        // The schema of the readings that the soak sends has the same columns, and others.
        let soak = format!("../../../tools/soak/sql/{name}.json");
        let identity = ["--identity", "Name,StatusTime"];
        let args = [&["check", files[0], "--schema", &soak], &identity[..]].concat();
        let (code, _, errors) = sql(&example, &args);
        assert_eq!(code, 0, "{name}: {errors}");
    }
}

#[test]
fn discover_prints_a_schema() {
    is_golden("discover.txt", &["discover", "sample.jsonl"], 0);
    is_golden("discover-of-sql.txt", &["discover", "06-sliding.sql"], 1);
}

#[test]
fn what_is_missing_is_named() {
    is_golden("without-schema.txt", &["check", "06-sliding.sql"], 1);
    is_golden(
        "without-file.txt",
        &["check", "no.sql", "--schema", "schema.json"],
        1,
    );
    is_golden(
        "schema-of-something-else.txt",
        &["check", "06-sliding.sql", "--schema", "sample.jsonl"],
        1,
    );
    is_golden(
        "unknown-identity.txt",
        &[
            "check",
            "02-status-codes.sql",
            "--schema",
            "schema.json",
            "--identity",
            "status",
        ],
        1,
    );
    is_golden("without-command.txt", &["chekc"], 2);
}

#[test]
fn help_is_printed() {
    is_golden("help.txt", &["--help"], 0);
    is_golden("help-run.txt", &["run", "--help"], 0);
}
