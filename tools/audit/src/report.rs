//! Prints differences and the result.

use std::io::{self, Write};
use std::sync::Arc;

use clap::ValueEnum;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use windrow_connect::terminal::{counted, printable};
use windrow_core::schema::Schema;
use windrow_core::time::Timestamp;
use windrow_core::value::FieldValue;

use crate::compare::Difference;
use crate::measures::AuditTotals;

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
    schema: Arc<Schema>,
    format: AuditFormat,
    output: W,
    differences: u64,
}

/// A difference as JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DifferenceLine<'a> {
    key: &'a str,
    window_start: Option<String>,
    kind: &'a str,
    difference: String,
    log: Option<TotalsLine<'a>>,
    rows: Option<TotalsLine<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TotalsLine<'a> {
    readings: u64,
    measures: MeasuresLine<'a>,
}

/// The values that readers see, by column.
struct MeasuresLine<'a> {
    schema: &'a Schema,
    totals: &'a AuditTotals,
}

impl<W: Write> AuditReport<W> {
    /// A report without differences, of rows with the columns of this schema.
    pub fn new(schema: &Arc<Schema>, format: AuditFormat, output: W) -> Self {
        Self {
            schema: Arc::clone(schema),
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
        let key = printable(&difference.key);
        let kind = printable(&difference.kind.to_string());
        let start = difference.start.map(Timestamp::from_millis);
        let start = start.map(|start| format!("  {start}")).unwrap_or_default();
        writeln!(self.output, "{key}{start}  {kind}")?;
        let log = describe(&self.schema, difference.log.as_ref());
        let rows = describe(&self.schema, difference.rows.as_ref());
        writeln!(self.output, "  log   {log}\n  rows  {rows}")
    }

    fn print_json(&mut self, difference: &Difference) -> io::Result<()> {
        let schema = &self.schema;
        let totals = |totals| TotalsLine::of(schema, totals);
        let line = DifferenceLine {
            key: &difference.key,
            window_start: difference
                .start
                .map(|start| Timestamp::from_millis(start).to_string()),
            kind: difference.kind.name(),
            difference: difference.kind.to_string(),
            log: difference.log.as_ref().map(totals),
            rows: difference.rows.as_ref().map(totals),
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
                writeln!(self.output, "and {unprinted} more differences")?;
            }
            writeln!(self.output, "{result}")?;
        }
        self.output.flush()?;
        Ok(unprinted)
    }
}

impl<'a> TotalsLine<'a> {
    fn of(schema: &'a Schema, totals: &'a AuditTotals) -> Self {
        Self {
            readings: totals.readings,
            measures: MeasuresLine { schema, totals },
        }
    }
}

/// Numbers have all their digits.
impl Serialize for MeasuresLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.totals.values(self.schema);
        let mut map = serializer.serialize_map(Some(values.len()))?;
        for (column, value) in self.schema.measures().iter().zip(&values) {
            let mut json = Vec::new();
            FieldValue::from(value).write_json(&mut json);
            let json = String::from_utf8(json).map_err(serde::ser::Error::custom)?;
            let json = RawValue::from_string(json).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(&column.name, &json)?;
        }
        map.end()
    }
}

/// The totals as text: `2 readings, Distance 59.5, MinMagicPoints 149`.
fn describe(schema: &Schema, totals: Option<&AuditTotals>) -> String {
    let Some(totals) = totals else {
        return "nothing".to_owned();
    };
    let mut text = counted(totals.readings, "reading");
    for (column, measure) in schema.measures().iter().zip(&totals.measures) {
        let (name, value) = (&column.name, measure.describe(column));
        text.push_str(&printable(&format!(", {name} {value}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use unicorn::row::schema;
    use windrow_core::decimal::Decimal;
    use windrow_core::value::Value;

    use super::*;
    use crate::compare::DifferenceKind;
    use crate::measures::AuditMeasure;

    fn difference(kind: DifferenceKind) -> Difference {
        let points = |unscaled| Value::Number(Decimal { unscaled, scale: 0 });
        let log = AuditTotals {
            readings: 60,
            measures: vec![
                AuditMeasure::Sum(1_789_250_000),
                AuditMeasure::Lowest(points(148)),
                AuditMeasure::Highest(points(152)),
                AuditMeasure::Lowest(points(-1)),
                AuditMeasure::Highest(points(0)),
            ],
        };
        Difference {
            key: "Shadow\u{1b}fax".to_owned(),
            // date -u -d '2026-11-20 09:17:00' +%s
            start: Some(1_795_166_220_000),
            kind,
            log: Some(log),
            rows: None,
        }
    }

    fn printed(format: AuditFormat, differences: &[Difference]) -> String {
        let mut report = AuditReport::new(schema(), format, Vec::new());
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
  log   60 readings, Distance 1789.25, MinMagicPoints 148, MaxMagicPoints 152, MinHealthPoints -1, MaxHealthPoints 0
  rows  nothing
the result
";
        let differences = [difference];
        assert_eq!(printed(AuditFormat::Table, &differences), expected);
        let line = r#"{"Key":"Shadow\u001bfax","WindowStart":"2026-11-20 09:17:00.000","Kind":"NoRow","Difference":"no row","Log":{"Readings":60,"Measures":{"Distance":1789.25,"MinMagicPoints":148,"MaxMagicPoints":152,"MinHealthPoints":-1,"MaxHealthPoints":0}},"Rows":null}"#;
        let printed = printed(AuditFormat::Jsonl, &differences);
        assert_eq!(printed, format!("{line}\n"));
    }

    #[test]
    fn a_hundred_differences_are_printed() {
        let differences = vec![difference(DifferenceKind::NotInLog); 1_234];
        let text = printed(AuditFormat::Table, &differences);
        assert_eq!(text.matches("rows of no reading").count(), 100);
        assert!(text.ends_with("\nand 1134 more differences\nthe result\n"));
        let lines = printed(AuditFormat::Jsonl, &differences);
        assert_eq!(lines.lines().count(), 100);
    }
}
