//! Names of every allowed script and length pass through the whole pipeline.

use std::collections::BTreeMap;

use end_to_end::programs::{embedded, run};
use end_to_end::{TestCloud, by_window, reading};
use unicorn::row;

/// 86 characters in 258 bytes; and 256 characters in 512 UTF-16 units or 1,024 bytes.
fn long_names() -> [String; 2] {
    ["\u{99ac}".repeat(86), "\u{1f984}".repeat(256)]
}

#[tokio::test(flavor = "multi_thread")]
async fn long_multibyte_names_do_not_block_others() {
    let cloud = TestCloud::start(|_| ()).await;
    let [horse, emoji] = long_names();
    // Other names sort before and after the long ones.
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
fn producer_sends_long_names() {
    for name in long_names() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--name", &name, "--count", "3", "--rate", "100"];
        let output = run(&mut embedded(folder.path(), "1s", &arguments));
        assert_eq!(output.code, Some(0), "{}", output.err);
        assert!(
            output.err.contains("sent 3 readings, 0 failed"),
            "{}",
            output.err
        );
        let rows = row::rows(output.out.as_bytes()).map(|(_, row)| row.unwrap());
        let readings: u64 = rows
            .filter(|row| row::name(&row.key) == Some(name.as_str()))
            .map(|row| row.readings)
            .sum();
        assert_eq!(readings, 3, "{}", output.out);
    }
}
