//! Sensors that are not unicorns: several key columns, every function, other identities, a filter.

use std::fs;
use std::path::Path;

use recompute::output::RecomputeFormat;
use recompute::table::table_row;
use serde_json::json;
use windrow_archive::list;
use windrow_archive::windows::{PieceSizes, ScanOptions, ScanReport, WindowRows, scan};
use windrow_core::row::{merge, rows as parse_rows};
use windrow_core::sensor::{Aggregation, DeclaredSensor, Field, Sensor};
use windrow_core::value::{ColumnType, NumberType};

use crate::{gzip, text};

const CELSIUS: ColumnType = ColumnType::Number(NumberType::decimal(2));

fn field(name: &str, column_type: ColumnType) -> Field {
    Field::new(name, column_type)
}

/// The thermometers of several sites.
fn fields() -> Vec<Field> {
    vec![
        field("Site", ColumnType::Text).key(),
        field("Room", ColumnType::Text).nullable().key(),
        field("Time", ColumnType::Timestamp).time(),
        field("Celsius", CELSIUS)
            .nullable()
            .measure("Lowest", Aggregation::Min)
            .measure("Average", Aggregation::Average { places: 3 })
            .measure("Sum", Aggregation::Sum)
            .measure("First", Aggregation::First)
            .measure("Last", Aggregation::Last),
        field("Note", ColumnType::Text)
            .nullable()
            .measure("LastNote", Aggregation::Last),
    ]
}

fn thermometers() -> DeclaredSensor {
    DeclaredSensor::new(fields()).unwrap()
}

fn line(site: &str, room: Option<&str>, second: &str, celsius: &str, note: Option<&str>) -> String {
    let (site, room, note) = (json!(site), json!(room), json!(note));
    let time = format!("2026-11-20 09:17:{second}");
    format!(r#"{{"Note":{note},"Celsius":{celsius},"Site":{site},"Room":{room},"Time":"{time}"}}"#)
}

fn recompute<'s, S: Sensor>(
    sensor: &'s S,
    folder: &Path,
    threads: usize,
) -> (WindowRows<'s, S>, ScanReport) {
    let listing = list(&[folder.to_owned()]).unwrap();
    let sizes = PieceSizes {
        plain: 100,
        compressed: 100,
        read_ahead: 1 << 20,
    };
    let options = ScanOptions::new(60, threads).unwrap();
    let options = options.with_piece_sizes(sizes);
    scan(sensor, &listing.files, options, &|_| ()).unwrap()
}

/// A folder with these lines in two files, one of them compressed.
fn archive(lines: &[String]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = lines.split_at(lines.len() / 2);
    fs::write(
        folder.path().join("a.gz"),
        gzip(first.join("\n").as_bytes()),
    )
    .unwrap();
    fs::write(folder.path().join("b"), second.join("\n")).unwrap();
    folder
}

#[test]
fn a_declared_sensor_is_printed_in_three_formats() {
    let folder = archive(&[
        line("Berlin", Some("Attic"), "30.5", "21.75", Some("a, b")),
        line("Berlin", Some("Attic"), "10", "20.5", Some("early")),
        line("Berlin", Some("Attic"), "10.0", "99", None),
        line("Berlin", None, "59", "null", None),
        line("Berlin", Some("Attic"), "20", "-1.05", None),
        line("Berlin", Some("A\u{7}"), "20", "1", None),
    ]);
    let sensor = thermometers();
    for threads in 1..=4 {
        let (rows, report) = recompute(&sensor, folder.path(), threads);
        assert_eq!(report.reasons, []);
        assert_eq!((report.readings, report.duplicates), (5, 1));
        assert_eq!(
            text(&rows, RecomputeFormat::Lines),
            r#"{"Site":"Berlin","Room":"A\u0007","Time":"2026-11-20 09:17:00.000","Lowest":1,"Average":1,"Sum":1,"First":1,"Last":1,"Readings":1,"WindowSeconds":60}
{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:00.000","Lowest":-1.05,"Average":13.733,"Sum":41.2,"First":20.5,"Last":21.75,"LastNote":"a, b","Readings":3,"WindowSeconds":60}
{"Site":"Berlin","Time":"2026-11-20 09:17:00.000","Readings":1,"WindowSeconds":60}
"#
        );
        assert_eq!(
            text(&rows, RecomputeFormat::Csv),
            "Site,Room,Time,Lowest,Average,Sum,First,Last,LastNote,Readings,WindowSeconds
Berlin,A\u{7},2026-11-20 09:17:00.000,1,1,1,1,1,,1,60
Berlin,Attic,2026-11-20 09:17:00.000,-1.05,13.733,41.2,20.5,21.75,\"a, b\",3,60
Berlin,,2026-11-20 09:17:00.000,,,,,,,1,60
"
        );
        assert_eq!(
            text(&rows, RecomputeFormat::Table),
            "\
2026-11-20 09:17:00.000, 60 s
  Site    Room   Lowest  Average   Sum  First   Last  LastNote  Readings
  Berlin  A�          1        1     1      1      1                   1
  Berlin  Attic   -1.05   13.733  41.2   20.5  21.75  a, b             3
  Berlin                                                               1
"
        );
    }
}

/// A sensor whose readings have an ID.
#[test]
fn one_reading_of_an_identity_counts_per_window() {
    let mut fields = fields();
    fields.push(field("Id", ColumnType::Text).identity());
    let sensor = DeclaredSensor::new(fields).unwrap();
    let reading = |id: &str, second: &str, celsius: &str| {
        let line = line("Berlin", Some("Attic"), second, celsius, None);
        line.replacen('{', &format!(r#"{{"Id":"{id}","#), 1)
    };
    let next_minute = |line: String| line.replace("09:17", "09:18");
    let folder = archive(&[
        // Equal times do not matter, equal IDs do.
        reading("a", "10", "1"),
        reading("b", "10", "2"),
        reading("a", "11", "100"),
        next_minute(reading("a", "10", "4")),
        reading("b", "12", "100"),
        reading("c", "09", "8"),
    ]);
    for threads in 1..=4 {
        let (rows, report) = recompute(&sensor, folder.path(), threads);
        assert_eq!((report.readings, report.duplicates), (4, 2));
        let rows: Vec<_> = rows.iter().map(|row| table_row(row).unwrap()).collect();
        let counts: Vec<_> = rows
            .iter()
            .map(|row| (row.readings, row.duplicates))
            .collect();
        assert_eq!(counts, [(3, 2), (1, 0)]);
        let line = String::from_utf8(rows[0].to_line(sensor.schema())).unwrap();
        assert!(line.contains(r#""Sum":11,"First":8,"Last":1,"#), "{line}");
    }
}

#[test]
fn readings_without_an_identity_are_never_duplicates() {
    let sensor = thermometers().without_identity();
    let same = || line("Berlin", None, "10", "1.5", None);
    let folder = archive(&[same(), same(), same()]);
    for threads in [1, 3] {
        let (rows, report) = recompute(&sensor, folder.path(), threads);
        assert_eq!((report.readings, report.duplicates), (3, 0));
        assert!(text(&rows, RecomputeFormat::Lines).contains(r#""Sum":4.5"#));
    }
}

#[test]
fn filtered_readings_are_counted_apart() {
    let sensor = thermometers().with_filter(|reading| !reading.values[1].is_null());
    let folder = archive(&[
        line("Berlin", None, "10", "1", None),
        line("Berlin", Some("Attic"), "10", "1", None),
        line("Berlin", None, "11", "1.005", None),
    ]);
    let (_, report) = recompute(&sensor, folder.path(), 2);
    assert_eq!(
        (report.readings, report.filtered, report.rejected),
        (1, 1, 1)
    );
}

#[test]
fn readings_without_a_time_are_rejected() {
    let fields = vec![
        field("Site", ColumnType::Text).key(),
        field("Celsius", CELSIUS).measure("Highest", Aggregation::Max),
    ];
    let sensor = DeclaredSensor::new(fields).unwrap();
    let folder = archive(&[line("Berlin", None, "10", "1", None)]);
    let (rows, report) = recompute(&sensor, folder.path(), 1);
    assert!(rows.is_empty());
    assert_eq!((report.readings, report.rejected), (0, 1));
    assert_eq!(
        report.reasons[0].reason,
        "the reading has no time, so it is in no window by time"
    );
}

/// The sensor's own columns have precedence over the program's.
#[test]
fn columns_have_distinct_names() {
    let fields = vec![
        field("Site", ColumnType::Text).key(),
        field("Time", ColumnType::Timestamp).time(),
        field("Celsius", CELSIUS)
            .nullable()
            .measure("Readings", Aggregation::Count),
    ];
    let sensor = DeclaredSensor::new(fields).unwrap();
    let folder = archive(&[
        line("Berlin", None, "10", "1", None),
        line("Berlin", None, "11", "null", None),
    ]);
    let (rows, _) = recompute(&sensor, folder.path(), 1);
    assert_eq!(
        text(&rows, RecomputeFormat::Csv),
        "Site,Time,Readings,WindowSeconds\nBerlin,2026-11-20 09:17:00.000,1,60\n"
    );
    assert_eq!(
        text(&rows, RecomputeFormat::Lines),
        "{\"Site\":\"Berlin\",\"Time\":\"2026-11-20 09:17:00.000\",\"Readings\":1,\"WindowSeconds\":60}\n"
    );
}

/// The rows of a table are those that any reader of rows takes, parts of averages included.
#[test]
fn rows_of_the_table_can_be_read() {
    let folder = archive(&[
        line("Berlin", Some("Attic"), "30", "21.75", Some("x")),
        line("Berlin", None, "10", "20.5", None),
    ]);
    let sensor = thermometers();
    let (rows, _) = recompute(&sensor, folder.path(), 2);
    let schema = sensor.schema();
    let rows: Vec<_> = rows.iter().map(|row| table_row(row).unwrap()).collect();
    let lines: Vec<u8> = rows.iter().flat_map(|row| row.to_line(schema)).collect();
    let read: Vec<_> = parse_rows(schema, &lines)
        .map(|(_, row)| row.unwrap())
        .collect();
    assert_eq!(read, rows);
    assert_eq!(merge(schema, read).len(), 2);
}
