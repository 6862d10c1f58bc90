//! Names of every script and length that the contract allows go through the whole pipeline.

use std::collections::BTreeMap;

use end_to_end::programs::{embedded, run};
use end_to_end::{TestCloud, by_window, reading};
use unicorn::summary::summaries;

/// 86 characters and 258 bytes; 256 characters, 512 UTF-16 units and 1,024 bytes.
fn long_names() -> [String; 2] {
    ["\u{99ac}".repeat(86), "\u{1f984}".repeat(256)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_name_in_a_wide_script_holds_nobody_up() {
    let cloud = TestCloud::start(|_| ()).await;
    let [horse, emoji] = long_names();
    // It is the first of its record's rows as well: rows are in the order of names.
    let names = [horse.as_str(), &emoji, "Shadowfax", "\u{1f985}"];
    for name in names {
        let (_, line) = reading(name, 1, "30", 150);
        cloud.send("wildrydes", [("key".to_owned(), line)]).await;
    }
    let rows = by_window(cloud.drained_rows().await);
    let mut readings: BTreeMap<&str, u64> = BTreeMap::new();
    for ((name, _), measures) in &rows {
        *readings.entry(name).or_default() += measures.readings;
    }
    assert_eq!(readings, names.into_iter().map(|name| (name, 1)).collect());
    assert!(cloud.archived("wildrydes-rejects").is_empty());
    cloud.stop().await;
}

#[test]
fn the_producer_sends_readings_of_any_name() {
    for name in long_names() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--name", &name, "--count", "3", "--rate", "100"];
        let ran = run(&mut embedded(folder.path(), "1s", &arguments));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains("sent 3 readings, 0 failed"), "{}", ran.err);
        let rows = summaries(ran.out.as_bytes()).map(|(_, row)| row.unwrap());
        let readings: u64 = rows
            .filter(|row| row.name == name)
            .map(|row| row.readings)
            .sum();
        assert_eq!(readings, 3, "{}", ran.out);
    }
}
