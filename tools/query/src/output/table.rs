//! Prints rows in aligned columns.

use std::io::{self, Write};
use windrow_connect::terminal::printable;

use comfy_table::{CellAlignment, Table, presets};

use super::{Cell, CellKind, Heading};

/// The number of spaces between two columns.
const GAP: u16 = 2;

/// Keeps all rows until the end, because a column is as wide as its widest cell.
#[derive(Debug)]
pub(super) struct TableSheet<W> {
    output: W,
    table: Table,
}

impl<W: Write> TableSheet<W> {
    pub(super) fn new(output: W) -> Self {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        Self { output, table }
    }

    pub(super) fn begin(&mut self, headings: &[Heading]) {
        let names = headings.iter().map(|heading| printable(&heading.name));
        self.table.set_header(names);
        for (column, heading) in self.table.column_iter_mut().zip(headings) {
            column.set_padding((0, GAP));
            if heading.kind == CellKind::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }

    pub(super) fn row(&mut self, cells: &[Cell]) {
        let texts = cells
            .iter()
            .map(|cell| printable_lines(cell.as_deref().unwrap_or("")));
        self.table.add_row(texts);
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        let widths = self.table.column_max_content_widths();
        let rule = widths.iter().map(|width| "-".repeat((*width).into()));
        let rule: Vec<String> = rule.collect();
        let mut lines = self.table.lines();
        if let Some(head) = lines.next() {
            writeln!(self.output, "{}", head.trim_end())?;
            writeln!(self.output, "{}", rule.join(&" ".repeat(GAP.into())))?;
        }
        for line in lines {
            writeln!(self.output, "{}", line.trim_end())?;
        }
        self.output.flush()
    }
}

/// The text without control characters except newlines, which query plans have.
fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}
