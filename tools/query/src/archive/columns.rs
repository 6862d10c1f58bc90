//! Converts lines to columns.

use datafusion::arrow::array::ArrayRef;

/// Columns that are built line by line.
pub(super) trait LineColumns: Send {
    /// Appends a line. Returns false, and appends nothing, if it cannot be parsed.
    fn push(&mut self, line: &[u8], day: Option<&str>) -> bool;

    /// Removes and returns the columns so far.
    fn take(&mut self) -> Vec<ArrayRef>;
}
