//! Compares recomputed rows with a naive fold of the same lines.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod line_table;
mod odd_inputs;
mod oracle;
mod original;
mod properties;
mod sensors;

use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use recompute::output::{self, RecomputeFormat};
use unicorn::sensor::Unicorn;
use windrow_archive::windows::{PieceSizes, ScanOptions, ScanReport, WindowRow, WindowRows, scan};
use windrow_archive::{ArchiveReadError, InputProblem, list};
use windrow_core::sensor::Sensor;
use windrow_core::value::Value;

/// The recomputed rows of unicorns.
type FleetRows = WindowRows<'static, Unicorn>;

fn line(name: &str, time: &str, metres: &str, points: i32) -> String {
    let name = serde_json::to_string(name).unwrap();
    format!(
        r#"{{"Name":{name},"StatusTime":"{time}","Distance":{metres},"MagicPoints":{points},"HealthPoints":{}}}"#,
        points + 40
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn run(folder: &Path, options: ScanOptions) -> Result<(FleetRows, ScanReport), ArchiveReadError> {
    let listing = list(&[folder.to_owned()])?;
    scan(&Unicorn, &listing.files, options, &|_| ())
}

fn recompute(folder: &Path) -> (FleetRows, ScanReport) {
    run(folder, ScanOptions::new(60, 2).unwrap()).unwrap()
}

fn text<S: Sensor>(rows: &WindowRows<'_, S>, format: RecomputeFormat) -> String {
    let mut text = Vec::new();
    output::write(rows, format, 1, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The finished measures of a unicorn's row.
fn finished(row: &WindowRow<'_>) -> Vec<String> {
    let columns = Unicorn.schema().measures().iter().zip(&row.measures);
    let values = columns.map(|(column, measure)| measure.finish(column.measure_type));
    values.map(|value: Value| value.to_string()).collect()
}

#[test]
fn rows_are_printed_in_three_formats() {
    let folder = tempfile::tempdir().unwrap();
    let text_of = [
        line("Shadowfax", "2026-11-20 09:17:08.189", "29.5", 110),
        line("Shadowfax", "2026-11-20T09:17:09.189Z", "30.000001", 112),
        line("Fr\"an,ky\u{7}", "2026-11-20 09:18:00.000", "0", -3),
        line("Rocinante", "2026-11-20 09:17:59.999999", "1", 1),
    ];
    fs::write(folder.path().join("a"), text_of.join("\n")).unwrap();
    let (rows, report) = recompute(folder.path());
    assert_eq!(
        (report.readings, report.duplicates, report.rejected),
        (4, 0, 0)
    );
    assert_eq!(
        text(&rows, RecomputeFormat::Lines),
        r#"{"Name":"Rocinante","StatusTime":"2026-11-20 09:17:00.000","Distance":1,"MinMagicPoints":1,"MaxMagicPoints":1,"MinHealthPoints":41,"MaxHealthPoints":41,"Readings":1,"WindowSeconds":60}
{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Distance":59.500001,"MinMagicPoints":110,"MaxMagicPoints":112,"MinHealthPoints":150,"MaxHealthPoints":152,"Readings":2,"WindowSeconds":60}
{"Name":"Fr\"an,ky\u0007","StatusTime":"2026-11-20 09:18:00.000","Distance":0,"MinMagicPoints":-3,"MaxMagicPoints":-3,"MinHealthPoints":37,"MaxHealthPoints":37,"Readings":1,"WindowSeconds":60}
"#
    );
    assert_eq!(
        text(&rows, RecomputeFormat::Csv),
        "Name,StatusTime,Distance,MinMagicPoints,MaxMagicPoints,MinHealthPoints,MaxHealthPoints,Readings,WindowSeconds
Rocinante,2026-11-20 09:17:00.000,1,1,1,41,41,1,60
Shadowfax,2026-11-20 09:17:00.000,59.500001,110,112,150,152,2,60
\"Fr\"\"an,ky\u{7}\",2026-11-20 09:18:00.000,0,-3,-3,37,37,1,60
"
    );
    assert_eq!(
        text(&rows, RecomputeFormat::Table),
        "\
2026-11-20 09:17:00.000, 60 s
  Name        Distance  MinMagicPoints  MaxMagicPoints  MinHealthPoints  MaxHealthPoints  Readings
  Rocinante          1               1               1               41               41         1
  Shadowfax  59.500001             110             112              150              152         2
2026-11-20 09:18:00.000, 60 s
  Name       Distance  MinMagicPoints  MaxMagicPoints  MinHealthPoints  MaxHealthPoints  Readings
  Fr\"an,ky�         0              -3              -3               37               37         1
"
    );
}

/// An output that accepts a number of writes, then fails.
struct LimitedOutput(usize);

impl Write for LimitedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_does_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    // Windows of 1, 3, 5, .. 199 rows: some pieces are within one window, some span several.
    let mut lines = Vec::new();
    for window in 0..100 {
        for unicorn in 0..=2 * window {
            let (hour, minute) = (window / 60, window % 60);
            let time = format!("2026-11-20 {hour:02}:{minute:02}:00.000");
            lines.push(line(&format!("u{unicorn:03}"), &time, "1.5", unicorn));
        }
    }
    fs::write(folder.path().join("a"), lines.join("\n")).unwrap();
    let (rows, _) = recompute(folder.path());
    assert_eq!(rows.len(), 10_000);
    // One thread concatenates pieces too: check that they contain all rows.
    let starts = rows
        .iter()
        .map(|row| format!("{},{},", row.key.text, row.window_start));
    let printed = text(&rows, RecomputeFormat::Csv);
    let printed: Vec<&str> = printed.lines().skip(1).collect();
    assert_eq!(printed.len(), 10_000);
    for (line, start) in printed.iter().zip(starts) {
        assert!(line.starts_with(&start), "{line} {start}");
    }
    for format in [
        RecomputeFormat::Table,
        RecomputeFormat::Lines,
        RecomputeFormat::Csv,
    ] {
        let one = text(&rows, format);
        for threads in [2, 3, 8, 64] {
            let mut text = Vec::new();
            output::write(&rows, format, threads, &mut text).unwrap();
            assert!(
                String::from_utf8(text).unwrap() == one,
                "{format:?}, {threads}"
            );
        }
    }
    for accepted in [0, 1, 2, 5, 15] {
        for threads in [1, 3] {
            let error = output::write(
                &rows,
                RecomputeFormat::Csv,
                threads,
                LimitedOutput(accepted),
            )
            .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }
}

#[test]
fn first_reading_by_path_counts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let time = "2026-11-20 09:17:08.189";
    // The first file is read last: it is compressed, and by far the largest.
    let filler: String = (0..20_000)
        .map(|n| line("Franky", &format!("2026-11-20 10:00:00.{n:06}"), "1", 1) + "\n")
        .collect();
    let first = format!("{filler}{}\n", line("Shadowfax", time, "1.25", 7));
    write("2026/11/20/09/a.gz", &gzip(first.as_bytes()));
    let same_moment = line("Shadowfax", "2026-11-20T10:17:08.189+01:00", "2", 8);
    write("2026/11/20/09/b", same_moment.as_bytes());
    write(
        "2026/11/20/10/a",
        line("Shadowfax", time, "3", 9).as_bytes(),
    );
    for threads in 1..=8 {
        let options = ScanOptions::new(60, threads).unwrap();
        let (rows, report) = run(folder.path(), options).unwrap();
        let row = rows.iter().find(|row| row.key.text == "Shadowfax").unwrap();
        assert_eq!(finished(&row)[..3], ["1.25", "7", "7"]);
        assert_eq!(row.duplicates, 2);
        assert_eq!(report.duplicates, 2);
    }
    // The order of the arguments does not matter either.
    let paths = ["2026/11/20/10/a", "2026/11/20/09/b"].map(|path| folder.path().join(path));
    let listing = list(&paths).unwrap();
    let (rows, _) = scan(
        &Unicorn,
        &listing.files,
        ScanOptions::new(60, 2).unwrap(),
        &|_| (),
    )
    .unwrap();
    assert_eq!(finished(&rows.iter().next().unwrap())[2], "8");
}

#[test]
fn invalid_lines_are_reported_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let good = line("Shadowfax", "2026-11-20 09:17:08.189", "1", 1);
    let mut bytes = format!("\r\n{good}\r\nneigh\n \n").into_bytes();
    bytes.extend_from_slice(b"{\"Name\":\"\xff\"}\n");
    bytes.extend_from_slice(good.as_bytes());
    fs::write(&path, bytes).unwrap();
    for _ in 0..9 {
        let other = folder.path().join("b");
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(other)
            .unwrap();
        writeln!(file, "{{}}").unwrap();
    }
    for plain in [3, 10, 1 << 20] {
        let sizes = PieceSizes {
            plain,
            ..PieceSizes::default()
        };
        let options = ScanOptions::new(60, 3).unwrap().with_piece_sizes(sizes);
        let (rows, report) = run(folder.path(), options).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (report.readings, report.duplicates, report.rejected),
            (1, 1, 11)
        );
        let reported: Vec<(String, u64, &str)> = report
            .reasons
            .iter()
            .map(|rejected| {
                let name = rejected.path.file_name().unwrap().to_str().unwrap();
                (
                    name.to_owned(),
                    rejected.line.unwrap(),
                    rejected.reason.as_str(),
                )
            })
            .collect();
        let missing = |line| ("b".to_owned(), line, "Name is missing");
        assert_eq!(
            reported,
            [
                (
                    "a".to_owned(),
                    3,
                    "the text is not a JSON object: it does not start with {"
                ),
                ("a".to_owned(), 5, "the text is not UTF-8 at byte 9"),
                missing(1),
                missing(2),
                missing(3),
            ]
        );
    }
}

#[test]
fn extreme_times_get_windows() {
    let folder = tempfile::tempdir().unwrap();
    let times = [
        "9999-12-31 23:59:59.999",
        "0000-01-01 00:00:00.000",
        "2026-11-20 09:17:08.189",
        "1969-12-31 23:59:59.999",
    ];
    let text = times.map(|time| line("Shadowfax", time, "1", 1)).join("\n");
    fs::write(folder.path().join("a"), text).unwrap();
    let (rows, _) = recompute(folder.path());
    let starts: Vec<String> = rows
        .iter()
        .map(|row| row.window_start.to_string())
        .collect();
    assert_eq!(
        starts,
        [
            "0000-01-01 00:00:00.000",
            "1969-12-31 23:59:00.000",
            "2026-11-20 09:17:00.000",
            "9999-12-31 23:59:00.000",
        ]
    );
}

#[test]
fn empty_archive_has_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, report) = recompute(folder.path());
    assert!(rows.is_empty());
    assert_eq!(report, ScanReport::default());
    fs::write(folder.path().join("empty"), "").unwrap();
    fs::write(folder.path().join("packed"), gzip(b"")).unwrap();
    let (rows, report) = recompute(folder.path());
    assert_eq!((rows.len(), report), (0, ScanReport::default()));
}

#[test]
fn a_damaged_packed_file_keeps_its_readings() {
    let folder = tempfile::tempdir().unwrap();
    let good = line("Shadowfax", "2026-11-20 09:17:08.189", "1", 1) + "\n";
    let other = line("Shadowfax", "2026-11-20 09:17:09.189", "1", 1) + "\n";
    let whole = [gzip(good.as_bytes()), gzip(other.as_bytes())].concat();
    fs::write(folder.path().join("a"), &good).unwrap();
    fs::write(folder.path().join("z"), &good).unwrap();
    let path = folder.path().join("b.gz");
    let problem_of = |bytes: &[u8], threads| {
        fs::write(&path, bytes).unwrap();
        let (_, report) = run(folder.path(), ScanOptions::new(60, threads).unwrap()).unwrap();
        let problem = report.problems.into_iter().next();
        if let Some(problem) = &problem {
            assert_eq!(problem.path, path);
        }
        (
            report.readings,
            report.duplicates,
            problem.map(|one| one.problem),
        )
    };
    let first_member = gzip(good.as_bytes()).len();
    for length in (2..whole.len()).filter(|length| *length != first_member) {
        for threads in [1, 2] {
            let (readings, duplicates, problem) = problem_of(&whole[..length], threads);
            assert_eq!(problem, Some(InputProblem::CutOff), "{length}");
            assert!(readings >= 1);
            assert!(duplicates == 2 || length < first_member);
        }
    }
    let garbage = problem_of(&[whole.as_slice(), b"garbage"].concat(), 2);
    assert_eq!(garbage, (2, 2, None));
    let plain = problem_of(
        &[gzip(good.as_bytes()).as_slice(), other.as_bytes()].concat(),
        2,
    );
    assert_eq!(plain, (2, 2, None));
    assert_eq!(
        problem_of(&[whole.as_slice(), &[0; 700]].concat(), 2),
        (2, 2, None)
    );
    assert_eq!(problem_of(&whole, 2), (2, 2, None));
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = [&[0xff, 0xfe][..], &utf16].concat();
    assert_eq!(problem_of(&utf16, 1), (1, 1, None));
    let followed = [utf16.as_slice(), b"\n", other.as_bytes()].concat();
    assert_eq!(problem_of(&followed, 1), (2, 1, None));
}

#[test]
fn first_unreadable_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["a", "b", "c", "d"] {
        fs::write(path(name), "x\n".repeat(50)).unwrap();
    }
    let listing = list(&[folder.path().to_owned()]).unwrap();
    // After listing, one file is removed and one truncated.
    fs::remove_file(path("d")).unwrap();
    fs::write(path("c"), "x\n").unwrap();
    for plain in [7, 1 << 20] {
        let sizes = PieceSizes {
            plain,
            ..PieceSizes::default()
        };
        let options = ScanOptions::new(60, 4).unwrap().with_piece_sizes(sizes);
        let error = scan(&Unicorn, &listing.files, options, &|_| ()).unwrap_err();
        assert_eq!(error.path, path("c"));
    }
    fs::write(path("c"), "x\n".repeat(50)).unwrap();
    let error = scan(
        &Unicorn,
        &listing.files,
        ScanOptions::new(60, 4).unwrap(),
        &|_| (),
    )
    .unwrap_err();
    assert_eq!(error.path, path("d"));
}

/// The other threads must not wait for the work of the one that panicked.
#[test]
fn panic_in_a_thread_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let text = line("Shadowfax", "2026-11-20 09:17:08.189", "1", 1) + "\n";
    for number in 0..9 {
        fs::write(folder.path().join(number.to_string()), text.repeat(50)).unwrap();
    }
    let listing = list(&[folder.path().to_owned()]).unwrap();
    for nth in 0..9 {
        let files = listing.files.clone();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || {
            let calls = AtomicU64::new(0);
            let panics = |_| assert_ne!(calls.fetch_add(1, Ordering::Relaxed), nth, "intended");
            let options = ScanOptions::new(60, 3).unwrap();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                scan(&Unicorn, &files, options, &panics).is_ok()
            }));
            sender.send(outcome.is_err()).unwrap();
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(300)), Ok(true));
    }
}

#[test]
fn progress_is_in_bytes_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x\n".repeat(500)).unwrap();
    fs::write(folder.path().join("b"), gzip(&[b'x'; 500])).unwrap();
    let listing = list(&[folder.path().to_owned()]).unwrap();
    let read = AtomicU64::new(0);
    let add = |bytes| {
        read.fetch_add(bytes, Ordering::Relaxed);
    };
    scan(
        &Unicorn,
        &listing.files,
        ScanOptions::new(60, 2).unwrap(),
        &add,
    )
    .unwrap();
    assert_eq!(read.into_inner(), listing.bytes());
}
