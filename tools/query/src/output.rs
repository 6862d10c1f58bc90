//! Prints rows as a table, CSV or JSON lines.

mod cells;
mod table;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use crate::args::QueryFormat;
use table::TableSheet;

pub(crate) use cells::shorten;
pub use cells::{headings, rows};

/// A column heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Its name.
    pub name: String,
    /// The kind of its cells.
    pub kind: CellKind,
}

/// How a column's cells are written in JSON, and how they are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Text, and everything else that is not a number or a boolean.
    Text,
    /// A number, in its shortest decimal form.
    Number,
    /// `true` or `false`.
    Flag,
}

/// A cell's text; `None` for no value.
pub type Cell = Option<String>;

/// Prints the rows of one result: call [`begin`](Self::begin), then [`row`](Self::row) for each
/// row, then [`end`](Self::end).
#[derive(Debug)]
pub struct Output<W: Write> {
    sheet: Sheet<W>,
    limit: Option<usize>,
    printed: usize,
    left_out: bool,
}

#[derive(Debug)]
enum Sheet<W: Write> {
    Table(TableSheet<W>),
    Csv(Box<csv::Writer<W>>),
    Lines(LineFormatter<W>),
}

impl<W: Write> Output<W> {
    /// Prints at most `limit` rows to `output`.
    pub fn new(output: W, format: QueryFormat, limit: Option<usize>) -> Self {
        let sheet = match format {
            QueryFormat::Table => Sheet::Table(TableSheet::new(output)),
            QueryFormat::Csv => Sheet::Csv(Box::new(csv::Writer::from_writer(output))),
            QueryFormat::Lines => Sheet::Lines(LineFormatter {
                output: BufWriter::new(output),
                keys: Vec::new(),
            }),
        };
        Self {
            sheet,
            limit,
            printed: 0,
            left_out: false,
        }
    }

    /// Sets the headings.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn begin(&mut self, headings: &[Heading]) -> io::Result<()> {
        match &mut self.sheet {
            Sheet::Table(table) => table.begin(headings),
            Sheet::Csv(csv) => csv.write_record(headings.iter().map(|heading| &heading.name))?,
            Sheet::Lines(lines) => lines.begin(headings)?,
        }
        Ok(())
    }

    /// Prints a row, with one cell per heading. Returns `Break` if the row exceeds the limit: it is
    /// not printed, and no further rows are needed.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<ControlFlow<()>> {
        if self.limit == Some(self.printed) {
            self.left_out = true;
            return Ok(ControlFlow::Break(()));
        }
        self.printed += 1;
        match &mut self.sheet {
            Sheet::Table(table) => table.row(cells),
            Sheet::Csv(csv) => {
                csv.write_record(cells.iter().map(|cell| cell.as_deref().unwrap_or("")))?;
            }
            Sheet::Lines(lines) => lines.row(cells)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Flushes the rows so far. A table is printed only at its end, because its columns are as wide
    /// as their widest cell.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.sheet {
            Sheet::Table(_) => Ok(()),
            Sheet::Csv(csv) => csv.flush(),
            Sheet::Lines(lines) => lines.output.flush(),
        }
    }

    /// Prints the remaining output.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn end(&mut self) -> io::Result<()> {
        match &mut self.sheet {
            Sheet::Table(table) => table.end(),
            Sheet::Csv(_) | Sheet::Lines(_) => self.flush(),
        }
    }

    /// How many rows were printed.
    pub fn printed(&self) -> usize {
        self.printed
    }

    /// Whether a row was left out because of the limit.
    pub fn left_out(&self) -> bool {
        self.left_out
    }
}

/// Writes one JSON object per line.
#[derive(Debug)]
struct LineFormatter<W: Write> {
    output: BufWriter<W>,
    /// The text before each value: comma, key and colon.
    keys: Vec<(String, CellKind)>,
}

impl<W: Write> LineFormatter<W> {
    /// Columns with the same name get a number appended, because an object's keys must differ.
    fn begin(&mut self, headings: &[Heading]) -> io::Result<()> {
        let mut names: Vec<String> = Vec::new();
        for heading in headings {
            let mut name = heading.name.clone();
            let mut number = 1;
            while names.contains(&name) {
                number += 1;
                name = format!("{}_{number}", heading.name);
            }
            let comma = if names.is_empty() { "" } else { "," };
            let key = format!("{comma}{}:", serde_json::to_string(&name)?);
            self.keys.push((key, heading.kind));
            names.push(name);
        }
        Ok(())
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.output.write_all(b"{")?;
        for ((key, kind), cell) in self.keys.iter().zip(cells) {
            self.output.write_all(key.as_bytes())?;
            match cell {
                None => self.output.write_all(b"null")?,
                Some(text) if is_json(text, *kind) => self.output.write_all(text.as_bytes())?,
                Some(text) => serde_json::to_writer(&mut self.output, text)?,
            }
        }
        self.output.write_all(b"}\n")
    }
}

/// Whether the text can be written to JSON unquoted. `NaN`, for example, cannot.
fn is_json(text: &str, kind: CellKind) -> bool {
    match kind {
        CellKind::Text => false,
        CellKind::Number => serde_json::from_str::<serde_json::Number>(text).is_ok(),
        CellKind::Flag => matches!(text, "true" | "false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: QueryFormat, limit: Option<usize>) -> (String, bool) {
        let heading = |name: &str, kind| Heading {
            name: name.to_owned(),
            kind,
        };
        let headings = [
            heading("Name", CellKind::Text),
            heading("Distance", CellKind::Number),
            heading("Gap", CellKind::Flag),
            heading("Name", CellKind::Text),
        ];
        let cell = |text: &str| Some(text.to_owned());
        let rows = [
            [cell("Shadowfax"), cell("1789.25"), cell("true"), None],
            [cell("a \"b\",\u{1b}[31m"), cell("NaN"), None, cell("7")],
            [cell("三"), cell("30"), cell("false"), cell("")],
        ];
        let mut text = Vec::new();
        let mut output = Output::new(&mut text, format, limit);
        output.begin(&headings).unwrap();
        for row in &rows {
            if output.row(row).unwrap().is_break() {
                break;
            }
            output.flush().unwrap();
        }
        output.end().unwrap();
        let left_out = output.left_out();
        assert_eq!(output.printed(), limit.unwrap_or(3));
        drop(output);
        (String::from_utf8(text).unwrap(), left_out)
    }

    #[test]
    fn csv_quotes_if_needed_and_leaves_nulls_empty() {
        let (text, left_out) = printed(QueryFormat::Csv, None);
        assert_eq!(
            text,
            "Name,Distance,Gap,Name\nShadowfax,1789.25,true,\n\
             \"a \"\"b\"\",\u{1b}[31m\",NaN,,7\n三,30,false,\n"
        );
        assert!(!left_out);
    }

    #[test]
    fn lines_are_json_with_distinct_keys() {
        let (text, _) = printed(QueryFormat::Lines, None);
        assert_eq!(
            text,
            "{\"Name\":\"Shadowfax\",\"Distance\":1789.25,\"Gap\":true,\"Name_2\":null}\n\
             {\"Name\":\"a \\\"b\\\",\\u001b[31m\",\"Distance\":\"NaN\",\"Gap\":null,\"Name_2\":\"7\"}\n\
             {\"Name\":\"三\",\"Distance\":30,\"Gap\":false,\"Name_2\":\"\"}\n"
        );
    }

    #[test]
    fn table_is_aligned_without_control_characters() {
        let (text, _) = printed(QueryFormat::Table, None);
        assert_eq!(
            text,
            concat!(
                "Name         Distance  Gap    Name\n",
                "-----------  --------  -----  ----\n",
                "Shadowfax     1789.25  true\n",
                "a \"b\",\u{fffd}[31m       NaN         7\n",
                "三                 30  false\n",
            )
        );
    }

    #[test]
    fn rows_past_the_limit_are_left_out() {
        let (text, left_out) = printed(QueryFormat::Csv, Some(1));
        assert_eq!(text.lines().count(), 2);
        assert!(left_out);
        let (_, left_out) = printed(QueryFormat::Csv, Some(3));
        assert!(!left_out);
    }
}
