//! Converts lines to columns.

use datafusion::arrow::array::ArrayRef;

use crate::tables::Table;

/// What the lines of an archive contain.
pub trait ArchiveContents: Send + Sync {
    /// Builds the columns of `table` with these indexes, in this order.
    fn columns(&self, table: &Table, projection: &[usize]) -> Box<dyn LineColumns>;
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is a row.
    Row,
    /// It is a reading that the sensor's filter leaves out.
    Filtered,
    /// It cannot be parsed.
    Broken,
}

/// Columns that are built line by line.
pub trait LineColumns: Send {
    /// Appends a line, or nothing if it is no row.
    fn push(&mut self, line: &[u8], day: Option<&str>) -> Pushed;

    /// Removes and returns the columns so far.
    fn take(&mut self) -> Vec<ArrayRef>;
}
