//! Rows as text: a table, CSV or JSON lines.

mod cells;
mod table;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use crate::args::QueryFormat;
use table::TableSheet;

pub(crate) use cells::shorten;
pub use cells::{headings, rows};

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Its name.
    pub name: String,
    /// What stands below it.
    pub kind: CellKind,
}

/// What a column's cells are in JSON, and to which side they are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Text, and whatever else is no number and not true or false.
    Text,
    /// A number; the cell is its shortest decimal.
    Number,
    /// `true` or `false`.
    Flag,
}

/// A cell's text; none where there is no value.
pub type Cell = Option<String>;

/// Where rows go: headings first, then row by row, then the end.
///
/// An error says that the output takes no more.
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
    /// Prints to `output` in a format, `limit` rows at most.
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

    /// Takes the headings.
    ///
    /// # Errors
    ///
    /// What the operating system reports of the output.
    pub fn begin(&mut self, headings: &[Heading]) -> io::Result<()> {
        match &mut self.sheet {
            Sheet::Table(table) => table.begin(headings),
            Sheet::Csv(csv) => csv.write_record(headings.iter().map(|heading| &heading.name))?,
            Sheet::Lines(lines) => lines.begin(headings)?,
        }
        Ok(())
    }

    /// Takes a row, with as many cells as there are headings. Breaks where it is one too many: it is
    /// not printed, and no more need come.
    ///
    /// # Errors
    ///
    /// What the operating system reports of the output.
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

    /// Prints what can be printed so far: a table's columns are as wide as their widest cell, so it is
    /// printed at its end.
    ///
    /// # Errors
    ///
    /// What the operating system reports of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.sheet {
            Sheet::Table(_) => Ok(()),
            Sheet::Csv(csv) => csv.flush(),
            Sheet::Lines(lines) => lines.output.flush(),
        }
    }

    /// Prints the rest.
    ///
    /// # Errors
    ///
    /// What the operating system reports of the output.
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

    /// Whether a row came that was one too many.
    pub fn left_out(&self) -> bool {
        self.left_out
    }
}

/// JSON objects, one a line.
#[derive(Debug)]
struct LineFormatter<W: Write> {
    output: BufWriter<W>,
    /// What comes before each value: the comma, the key and the colon.
    keys: Vec<(String, CellKind)>,
}

impl<W: Write> LineFormatter<W> {
    /// A second column of the same name has its number behind it, since an object's keys differ.
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

/// Whether the text is a value of JSON as it is. A number may be `NaN`, which is not.
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
            heading("Exact", CellKind::Flag),
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
    fn csv_quotes_what_needs_it_and_leaves_out_what_is_not_there() {
        let (text, left_out) = printed(QueryFormat::Csv, None);
        assert_eq!(
            text,
            "Name,Distance,Exact,Name\nShadowfax,1789.25,true,\n\
             \"a \"\"b\"\",\u{1b}[31m\",NaN,,7\n三,30,false,\n"
        );
        assert!(!left_out);
    }

    #[test]
    fn lines_are_json_with_numbers_as_numbers_and_keys_that_differ() {
        let (text, _) = printed(QueryFormat::Lines, None);
        assert_eq!(
            text,
            "{\"Name\":\"Shadowfax\",\"Distance\":1789.25,\"Exact\":true,\"Name_2\":null}\n\
             {\"Name\":\"a \\\"b\\\",\\u001b[31m\",\"Distance\":\"NaN\",\"Exact\":null,\"Name_2\":\"7\"}\n\
             {\"Name\":\"三\",\"Distance\":30,\"Exact\":false,\"Name_2\":\"\"}\n"
        );
    }

    #[test]
    fn a_table_is_aligned_and_steers_no_terminal() {
        let (text, _) = printed(QueryFormat::Table, None);
        assert_eq!(
            text,
            concat!(
                "Name         Distance  Exact  Name\n",
                "-----------  --------  -----  ----\n",
                "Shadowfax     1789.25  true\n",
                "a \"b\",\u{fffd}[31m       NaN         7\n",
                "三                 30  false\n",
            )
        );
    }

    #[test]
    fn a_row_past_the_limit_is_not_printed_and_known_of() {
        let (text, left_out) = printed(QueryFormat::Csv, Some(1));
        assert_eq!(text.lines().count(), 2);
        assert!(left_out);
        let (_, left_out) = printed(QueryFormat::Csv, Some(3));
        assert!(!left_out);
    }
}
