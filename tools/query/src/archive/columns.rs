//! How lines become columns.

use datafusion::arrow::array::ArrayRef;

/// Columns that are built line by line.
pub(super) trait LineColumns: Send {
    /// Takes a line in; false where it cannot be made sense of, and then nothing is added.
    fn push(&mut self, line: &[u8], day: Option<&str>) -> bool;

    /// The columns so far; empty again afterwards.
    fn take(&mut self) -> Vec<ArrayRef>;
}
