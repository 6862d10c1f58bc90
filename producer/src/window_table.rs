//! A window's merged rows as a text table.

use std::fmt::Write;

use unicorn::merge::MergedRow;

use crate::rows::PrintedWindow;

/// The maximum width of the name column; a longer name shifts the rest of its line to the right.
const WIDEST_NAME: usize = 32;

/// Formats a window's merged rows as aligned columns below a line with the window's start and
/// length.
pub(crate) fn table(window: PrintedWindow, merged_rows: &[MergedRow]) -> String {
    let names: Vec<String> = merged_rows
        .iter()
        .map(|merged| printable(&merged.name))
        .collect();
    let width = names.iter().map(|name| name.chars().count()).max();
    let width = width.unwrap_or(0).clamp("Name".len(), WIDEST_NAME);

    let mut text = format!("{}, {} s\n", window.start, window.seconds);
    let mut line = |name: &str, columns: [String; 4], note: &str| {
        let [distance, magic, health, readings] = columns;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {name:<width$}  {distance:>14}  {magic:>13}  {health:>13}  {readings:>8}{note}"
        );
    };
    line(
        "Name",
        ["Distance m", "Magic", "Health", "Readings"].map(str::to_owned),
        "",
    );
    for (name, merged) in names.iter().zip(merged_rows) {
        let measures = &merged.measures;
        let note = if merged.exact {
            ""
        } else {
            "  inexact: readings were lost"
        };
        let range = |lowest: i32, highest: i32| format!("{lowest}–{highest}");
        line(
            name,
            [
                measures.distance.to_string(),
                range(measures.min_magic_points, measures.max_magic_points),
                range(measures.min_health_points, measures.max_health_points),
                merged.readings.to_string(),
            ],
            note,
        );
    }
    text
}

/// The name with control characters replaced, so that it cannot control the terminal.
fn printable(name: &str) -> String {
    name.chars()
        .map(|character| {
            if character.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use unicorn::distance::Distance;
    use unicorn::totals::Measures;

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let window = PrintedWindow {
            start: "2026-11-20 09:17:00.000".parse().unwrap(),
            seconds: 60,
        };
        let merged = |name: &str, micrometres, readings| MergedRow {
            name: name.to_owned(),
            window_start: window.start,
            window_seconds: window.seconds,
            readings,
            measures: Measures {
                distance: Distance::from_micrometres(micrometres),
                min_magic_points: 148,
                max_magic_points: 152,
                min_health_points: -1,
                max_health_points: 0,
            },
            exact: readings > 1,
        };
        let merged_rows = [
            merged("Shadowfax", 1_789_250_000, 60),
            merged("Zoë\x1b[2J", 1, 1),
        ];
        let expected = "\
2026-11-20 09:17:00.000, 60 s
  Name           Distance m          Magic         Health  Readings
  Shadowfax         1789.25        148–152           -1–0        60
  Zoë�[2J          0.000001        148–152           -1–0         1  inexact: readings were lost
";
        assert_eq!(table(window, &merged_rows), expected);
    }
}
