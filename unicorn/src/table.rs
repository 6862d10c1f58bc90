//! Rows of one window as a text table.

use std::fmt::Write;

use crate::totals::Measures;
use windrow_core::time::Timestamp;

/// The maximum width of the name column; a longer name shifts the rest of its line to the right.
const WIDEST_NAME: usize = 32;

/// A line of the table.
#[derive(Clone, Debug)]
pub struct TableLine<'a> {
    /// The unicorn's name. It must not have control characters, which would control a terminal.
    pub name: String,
    /// Its measures in the window.
    pub measures: &'a Measures,
    /// The number of its readings.
    pub readings: u64,
    /// Follows the columns.
    pub note: &'a str,
}

/// Formats lines as aligned columns below a line with the window's start and length.
pub fn table(start: Timestamp, seconds: u32, lines: &[TableLine<'_>]) -> String {
    let width = lines.iter().map(|line| line.name.chars().count()).max();
    let width = width.unwrap_or(0).clamp("Name".len(), WIDEST_NAME);

    let mut text = format!("{start}, {seconds} s\n");
    let mut push = |name: &str, columns: [String; 4], note: &str| {
        let [distance, magic, health, readings] = columns;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {name:<width$}  {distance:>14}  {magic:>13}  {health:>13}  {readings:>8}{note}"
        );
    };
    let headings = ["Distance m", "Magic", "Health", "Readings"];
    push("Name", headings.map(str::to_owned), "");
    for line in lines {
        let measures = line.measures;
        let range = |lowest: i32, highest: i32| format!("{lowest}–{highest}");
        let columns = [
            measures.distance.to_string(),
            range(measures.min_magic_points, measures.max_magic_points),
            range(measures.min_health_points, measures.max_health_points),
            line.readings.to_string(),
        ];
        push(&line.name, columns, line.note);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Distance;

    #[test]
    fn columns_are_aligned() {
        let measures = |micrometres| Measures {
            distance: Distance::from_micrometres(micrometres),
            min_magic_points: 148,
            max_magic_points: 152,
            min_health_points: -1,
            max_health_points: 0,
        };
        let (far, near) = (measures(1_789_250_000), measures(1));
        let line = |name: &str, measures, readings, note| TableLine {
            name: name.to_owned(),
            measures,
            readings,
            note,
        };
        let lines = [
            line("Shadowfax", &far, 60, ""),
            line("Zoë", &near, 1, "  gap"),
        ];
        let expected = "\
2026-11-20 09:17:00.000, 60 s
  Name           Distance m          Magic         Health  Readings
  Shadowfax         1789.25        148–152           -1–0        60
  Zoë              0.000001        148–152           -1–0         1  gap
";
        let start = "2026-11-20 09:17:00.000".parse().unwrap();
        assert_eq!(table(start, 60, &lines), expected);
    }
}
