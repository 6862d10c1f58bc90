//! Prints differences and the result.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;
use unicorn::distance::Distance;
use windrow_connect::terminal::printable;
use windrow_core::time::Timestamp;

use crate::compare::Difference;
use crate::totals::AuditTotals;

/// How differences are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// A few lines per difference, and the result
    #[default]
    Table,
    /// One JSON object per difference
    Jsonl,
}

/// How many differences are printed. All are counted.
const MOST_PRINTED: u64 = 100;

/// Prints differences, and counts them.
#[derive(Debug)]
pub struct AuditReport<W> {
    format: AuditFormat,
    output: W,
    differences: u64,
}

/// A difference as JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DifferenceLine<'a> {
    name: &'a str,
    status_time: Option<String>,
    kind: &'a str,
    difference: String,
    log: Option<TotalsLine>,
    rows: Option<TotalsLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TotalsLine {
    readings: u64,
    distance: Distance,
    #[serde(flatten)]
    points: Option<PointsLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PointsLine {
    min_magic_points: i32,
    max_magic_points: i32,
    min_health_points: i32,
    max_health_points: i32,
}

impl<W: Write> AuditReport<W> {
    /// A report without differences.
    pub fn new(format: AuditFormat, output: W) -> Self {
        Self {
            format,
            output,
            differences: 0,
        }
    }

    /// How many differences there are.
    pub fn differences(&self) -> u64 {
        self.differences
    }

    /// Adds a difference. Prints it, unless there are too many.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn add(&mut self, difference: &Difference) -> io::Result<()> {
        self.differences += 1;
        if self.differences > MOST_PRINTED {
            return Ok(());
        }
        match self.format {
            AuditFormat::Table => self.print_text(difference),
            AuditFormat::Jsonl => self.print_json(difference),
        }
    }

    fn print_text(&mut self, difference: &Difference) -> io::Result<()> {
        let name = printable(&difference.name);
        let kind = printable(&difference.kind.to_string());
        let start = difference.start.map(Timestamp::from_millis);
        let start = start.map(|start| format!("  {start}")).unwrap_or_default();
        writeln!(self.output, "{name}{start}  {kind}")?;
        let log = described(difference.log.as_ref());
        let rows = described(difference.rows.as_ref());
        writeln!(self.output, "  log   {log}\n  rows  {rows}")
    }

    fn print_json(&mut self, difference: &Difference) -> io::Result<()> {
        let line = DifferenceLine {
            name: &difference.name,
            status_time: difference
                .start
                .map(|start| Timestamp::from_millis(start).to_string()),
            kind: difference.kind.name(),
            difference: difference.kind.to_string(),
            log: difference.log.as_ref().map(TotalsLine::of),
            rows: difference.rows.as_ref().map(TotalsLine::of),
        };
        serde_json::to_writer(&mut self.output, &line)?;
        writeln!(self.output)
    }

    /// Ends the list of differences and returns the number of those that were not printed.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn finish(&mut self, result: &str) -> io::Result<u64> {
        let unprinted = self.differences.saturating_sub(MOST_PRINTED);
        if self.format == AuditFormat::Table {
            if unprinted > 0 {
                let unprinted = grouped(unprinted);
                writeln!(self.output, "and {unprinted} more differences")?;
            }
            writeln!(self.output, "{result}")?;
        }
        self.output.flush()?;
        Ok(unprinted)
    }
}

impl TotalsLine {
    fn of(totals: &AuditTotals) -> Self {
        let has_points = totals.readings > 0;
        Self {
            readings: totals.readings,
            distance: Distance::from_micrometres(totals.micrometres),
            points: has_points.then_some(PointsLine {
                min_magic_points: totals.magic[0],
                max_magic_points: totals.magic[1],
                min_health_points: totals.health[0],
                max_health_points: totals.health[1],
            }),
        }
    }
}

fn described(totals: Option<&AuditTotals>) -> String {
    let Some(totals) = totals else {
        return "nothing".to_owned();
    };
    let readings = windrow_connect::terminal::counted(totals.readings, "reading");
    if totals.readings == 0 {
        return readings;
    }
    let (metres, [low_magic, high_magic], [low_health, high_health]) =
        (totals.metres(), totals.magic, totals.health);
    format!(
        "{readings}, {metres} m, magic {low_magic}–{high_magic}, health {low_health}–{high_health}"
    )
}

/// A number with commas between thousands: `1,440`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::DifferenceKind;

    fn difference(kind: DifferenceKind) -> Difference {
        let log = AuditTotals {
            readings: 60,
            micrometres: 1_789_250_000,
            magic: [148, 152],
            health: [-1, 0],
        };
        Difference {
            name: "Shadow\u{1b}fax".to_owned(),
            // date -u -d '2026-11-20 09:17:00' +%s
            start: Some(1_795_166_220_000),
            kind,
            log: Some(log),
            rows: None,
        }
    }

    fn printed(format: AuditFormat, differences: &[Difference]) -> String {
        let mut report = AuditReport::new(format, Vec::new());
        for difference in differences {
            report.add(difference).unwrap();
        }
        report.finish("the result").unwrap();
        String::from_utf8(report.output).unwrap()
    }

    #[test]
    fn differences_say_what_both_sides_have() {
        let difference = difference(DifferenceKind::NoRow);
        let expected = "\
Shadow\u{fffd}fax  2026-11-20 09:17:00.000  no row
  log   60 readings, 1789.25 m, magic 148–152, health -1–0
  rows  nothing
the result
";
        let differences = [difference];
        assert_eq!(printed(AuditFormat::Table, &differences), expected);
        let line = r#"{"Name":"Shadow\u001bfax","StatusTime":"2026-11-20 09:17:00.000","Kind":"NoRow","Difference":"no row","Log":{"Readings":60,"Distance":1789.25,"MinMagicPoints":148,"MaxMagicPoints":152,"MinHealthPoints":-1,"MaxHealthPoints":0},"Rows":null}"#;
        let printed = printed(AuditFormat::Jsonl, &differences);
        assert_eq!(printed, format!("{line}\n"));
    }

    #[test]
    fn a_hundred_differences_are_printed() {
        let differences = vec![difference(DifferenceKind::Changed); 1_234];
        let text = printed(AuditFormat::Table, &differences);
        assert_eq!(text.matches("rows changed").count(), 100);
        assert!(text.ends_with("\nand 1,134 more differences\nthe result\n"));
        let lines = printed(AuditFormat::Jsonl, &differences);
        assert_eq!(lines.lines().count(), 100);
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
