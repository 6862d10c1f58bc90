//! The program for unicorns.

use unicorn::distance::Distance;
use unicorn::reading::Reading;
use unicorn::sensor::Unicorn;
use windrow_core::value::{ColumnType, NumberType};

use crate::builder::ColumnBuilder;
use crate::columns::ReadingColumns;
use crate::program::{AthenaNames, QueryProgram};
use crate::tables::{TableColumn, TableLabel};

const EXAMPLES: &str = "\
Examples:
  query \"SELECT * FROM wildrydes\"
  query \"SELECT Name, count(*), sum(Distance) FROM wildrydes GROUP BY Name\"
  query \"SELECT * FROM wildrydes WHERE HealthPoints < 100 OR MagicPoints < 100\"
  query \"SELECT * FROM wildrydes WHERE StatusTime >= TIMESTAMP '2026-11-20 09:17:00'\"
  query \"SELECT count(*) FROM wildrydes WHERE day = '2026/11/20'\"        reads only that day
  query \"SELECT * FROM summary WHERE Name = 'Shadowfax' ORDER BY StatusTime\"
  query \"SELECT Reason, count(*) FROM rejects GROUP BY Reason\"
  query --format lines \"SELECT * FROM wildrydes\" | jq .Distance
  query --file track.sql --format csv > track.csv
  query --target aws \"SELECT * FROM wildrydes LIMIT 10\"                 in Athena

Locally, Distance is exact to the micrometre; in Athena's view of the archive it is a double. A
reading that was sent twice is in the archive twice, but counts once in `summary`.";

/// The program for the Wild Rydes fleet.
pub fn program() -> QueryProgram<Unicorn> {
    let names = AthenaNames {
        workgroup: "wildrydes".to_owned(),
        database: "wildrydes".to_owned(),
    };
    let meanings = [
        ("Name", "The unicorn"),
        ("Distance", "Metres moved, exact"),
        ("MinMagicPoints", "Lowest magic"),
        ("MaxMagicPoints", "Highest magic"),
        ("MinHealthPoints", "Lowest health"),
        ("MaxHealthPoints", "Highest health"),
    ];
    let meanings = meanings.map(|(name, meaning)| (name.to_owned(), meaning.to_owned()));
    QueryProgram {
        table: "UnicornSensorData".to_owned(),
        readings: TableLabel::new(
            "wildrydes",
            "A sensor reading of a unicorn, from the archive",
        ),
        rows: TableLabel::new(
            "summary",
            "One unicorn's window, from the table UnicornSensorData, merged",
        ),
        rejects: TableLabel::new("rejects", "A rejected reading or summary, with its reason"),
        row_meanings: meanings.into(),
        athena: Some(names),
        archive_help:
            "create one with `cargo run -p producer -- --name Shadowfax`, whose first file \
                       appears after a minute or at the end of the run"
                .to_owned(),
        examples: EXAMPLES.to_owned(),
        ..QueryProgram::with_columns(Unicorn, "wildrydes", columns())
    }
}

/// The columns of the view in `template.yaml`.
fn columns() -> ReadingColumns<Unicorn> {
    let metres = NumberType {
        scale: 6,
        ..NumberType::between(0, Distance::FARTHEST.micrometres())
    };
    let points = ColumnType::Number(NumberType::I32);
    let moved = "Metres moved since the previous reading, exact";
    let columns = [
        ("Name", ColumnType::Text, "The unicorn"),
        (
            "StatusTime",
            ColumnType::Timestamp,
            "When the reading was taken, UTC",
        ),
        ("Latitude", ColumnType::Float, "Degrees north"),
        ("Longitude", ColumnType::Float, "Degrees east"),
        ("Distance", ColumnType::Number(metres), moved),
        ("HealthPoints", points, "Health"),
        ("MagicPoints", points, "Magic"),
    ];
    let column = |(name, column_type, meaning)| TableColumn::new(name, column_type, meaning);
    ReadingColumns {
        columns: columns.map(column).to_vec(),
        append,
    }
}

fn append(_: &Unicorn, reading: &Reading<'_>, column: usize, values: &mut ColumnBuilder) {
    let is_valid = match column {
        0 => values.text(&reading.name),
        1 => values.time(reading.status_time),
        2 => degrees(reading.latitude, values),
        3 => degrees(reading.longitude, values),
        4 => values.number(reading.distance.into()),
        5 => values.integer(reading.health_points),
        6 => values.integer(reading.magic_points),
        _ => degrees(None, values),
    };
    debug_assert!(is_valid, "column {column} has another type");
}

fn degrees(degrees: Option<f64>, values: &mut ColumnBuilder) -> bool {
    if let Some(degrees) = degrees {
        return values.float(degrees);
    }
    values.null();
    true
}
