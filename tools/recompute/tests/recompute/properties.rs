//! Properties that hold for any archive and any number of threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use recompute::output::RecomputeFormat;
use recompute::table::table_row;
use serde_json::Value;
use unicorn::merge::{FleetRow, merge};
use unicorn::row::schema;
use windrow_archive::windows::{PieceSizes, ScanOptions};
use windrow_core::row::Row;

use crate::oracle::oracle;
use crate::{FleetRows, gzip, line, recompute, run, text};

fn lines(rows: &FleetRows) -> Vec<Value> {
    let text = text(rows, RecomputeFormat::Lines);
    text.lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            // `30` and `30.0` are the same distance.
            value["Distance"] = value["Distance"].as_f64().unwrap().into();
            value
        })
        .collect()
}

fn table_rows(rows: &FleetRows) -> Vec<Row> {
    rows.iter().map(|row| table_row(row).unwrap()).collect()
}

fn without_gaps(merged_rows: Vec<FleetRow>) -> Vec<FleetRow> {
    assert!(!merged_rows.iter().any(|merged| merged.gap));
    merged_rows
}

/// A line of an archive, valid or broken.
#[derive(Clone, Debug)]
enum Written {
    Reading {
        name: usize,
        time: String,
        micrometres: u32,
        points: i32,
    },
    Broken(Vec<u8>),
}

const NAMES: [&str; 4] = ["Shadowfax", "Rocinante", "Zoë, \"the\" 2nd\n", "x"];

impl Written {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Broken(bytes) => bytes.clone(),
            Self::Reading {
                name,
                time,
                micrometres,
                points,
            } => {
                let (metres, rest) = (micrometres / 1_000_000, micrometres % 1_000_000);
                let metres = format!("{metres}.{rest:06}");
                line(NAMES[*name], time, &metres, *points).into_bytes()
            }
        }
    }
}

fn any_time() -> impl Strategy<Value = String> {
    let near = (0..180_u32).prop_map(|second| {
        let (minute, second) = (17 + second / 60, second % 60);
        format!("2026-11-20 09:{minute:02}:{second:02}.000")
    });
    let fine = (0..3_u32, 0..3_u32)
        .prop_map(|(second, nanos)| format!("2026-11-20 09:17:{second:02}.00000000{nanos}"));
    let extreme = (1970..=9999_u32, 1..=12_u32, 1..=28_u32, 0..1000_u32).prop_map(
        |(year, month, day, milli)| format!("{year:04}-{month:02}-{day:02} 23:59:59.{milli:03}"),
    );
    prop_oneof![6 => near, 2 => fine, 1 => extreme]
}

fn any_line() -> impl Strategy<Value = Written> {
    let reading = (
        0..NAMES.len(),
        any_time(),
        0..100_000_000_u32,
        -200..200_i32,
    )
        .prop_map(|(name, time, micrometres, points)| Written::Reading {
            name,
            time,
            micrometres,
            points,
        });
    let broken = prop_oneof![
        Just(b"".to_vec()),
        Just(b" \t\r".to_vec()),
        Just(b"{".to_vec()),
        Just(b"{\"Name\":1}".to_vec()),
        Just(b"x\xff\xfe".to_vec()),
        Just(b"[1,2]".to_vec()),
    ];
    prop_oneof![9 => reading, 1 => broken.prop_map(Written::Broken)]
}

#[derive(Clone, Debug)]
struct Archived {
    folder: usize,
    lines: Vec<Written>,
    packed: bool,
    members: bool,
    carriage_returns: bool,
    ended: bool,
}

prop_compose! {
    fn any_file()(
        folder in 0..4_usize,
        lines in prop::collection::vec(any_line(), 0..40),
        packed: bool,
        members: bool,
        carriage_returns: bool,
        ended: bool,
    ) -> Archived {
        Archived { folder, lines, packed, members, carriage_returns, ended }
    }
}

impl Archived {
    fn write(&self, root: &Path, number: usize) {
        let end: &[u8] = if self.carriage_returns {
            b"\r\n"
        } else {
            b"\n"
        };
        let mut lines: Vec<Vec<u8>> = self
            .lines
            .iter()
            .map(|line| [&line.bytes(), end].concat())
            .collect();
        if let (false, Some(last)) = (self.ended, lines.last_mut()) {
            last.truncate(last.len() - end.len());
        }
        let bytes = match (self.packed, self.members) {
            (false, _) => lines.concat(),
            (true, false) => gzip(&lines.concat()),
            (true, true) => lines.iter().flat_map(|line| gzip(line)).collect(),
        };
        let folder = root.join(format!("2026/11/20/{:02}", self.folder));
        fs::create_dir_all(&folder).unwrap();
        // The order of paths differs from the order of writing.
        let path = folder.join(format!("wildrydes-{:03}", (number * 37) % 101));
        fs::write(path, bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_equal_the_oracle(
        files in prop::collection::vec(any_file(), 0..8),
        threads in 1..=8_usize,
        window in prop_oneof![Just(1), Just(7), Just(60), Just(900), Just(86_400)],
        (plain, compressed, read_ahead) in prop_oneof![
            Just((1 << 20, 128 << 20, 32 << 20)),
            (1..400_u64, 1..3_000_u64, 1..100_000_u64),
        ],
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (number, file) in files.iter().enumerate() {
            file.write(folder.path(), number);
        }
        let sizes = PieceSizes { plain, compressed, read_ahead };
        let options = ScanOptions::new(window, threads).unwrap().with_piece_sizes(sizes);
        let (rows, report) = run(folder.path(), options).unwrap();
        let (expected, duplicates) = oracle(folder.path(), window.into());
        prop_assert_eq!(report.duplicates, duplicates);
        prop_assert_eq!(lines(&rows), expected);
    }

    /// However an archive grows, the rows of an earlier and a later run merge into those of the
    /// later one. The same holds for a run over part of the archive.
    #[test]
    fn rows_of_two_runs_merge_into_those_of_the_larger_archive(
        files in prop::collection::vec(any_file(), 1..6),
        earlier in 0..6_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path().join("small");
        let large = folder.path().join("large");
        fs::create_dir_all(&small).unwrap();
        fs::create_dir_all(&large).unwrap();
        for (number, file) in files.iter().enumerate() {
            file.write(&large, number);
            // Any of the files: a later file may come first by path.
            if number % 6 != earlier {
                file.write(&small, number);
            }
        }
        let before = table_rows(&recompute(&small).0);
        let after = table_rows(&recompute(&large).0);
        let expected = without_gaps(merge(after.clone()));
        prop_assert_eq!(expected.len(), after.len());
        let both = [before.clone(), after.clone()].concat();
        prop_assert_eq!(without_gaps(merge(both)), expected.clone());
        // In a table, a row replaces the one with the same key.
        let mut table = BTreeMap::new();
        for row in [before.clone(), after, before].concat() {
            table.insert((row.key.clone(), row.sort_value(schema())), row);
        }
        prop_assert_eq!(without_gaps(merge(table.into_values())), expected);
    }
}
