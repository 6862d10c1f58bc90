//! Runs of the producer on one data directory, one after the other.

use std::path::Path;

use end_to_end::programs::{embedded, run};
use unicorn::row;

/// Sends three readings. Returns how many are in the printed rows, and the messages.
fn run_of_three(folder: &Path) -> (u64, String) {
    let flags = ["--name", "Shadowfax", "--rate", "100", "--count", "3"];
    let output = run(&mut embedded(folder, "2s", &flags));
    assert_eq!(output.code, Some(0), "{}", output.err);
    let rows = row::rows(output.out.as_bytes()).map(|(_, row)| row.unwrap().readings);
    (rows.sum(), output.err)
}

#[test]
fn a_run_prints_its_own_rows() {
    let folder = tempfile::tempdir().unwrap();
    for is_first in [true, false] {
        let (readings, messages) = run_of_three(folder.path());
        assert_eq!(readings, 3, "{messages}");
        assert!(
            messages.contains("the rows hold 3 readings\n"),
            "{messages}"
        );
        let goes_on = messages.contains("going on with what the last run has left: 2 streams");
        assert_eq!(goes_on, !is_first, "{messages}");
    }
}
