//! Tables that are computed from merged rows.

use std::sync::Arc;

use windrow_core::row::MergedRow;
use windrow_core::value::Value;

use crate::tables::{TableColumn, TableLabel};

/// A table that is computed from the merged rows whenever a query reads it.
///
/// ```
/// use query::{RowView, TableColumn};
/// use windrow_core::value::{ColumnType, NumberType, Value};
///
/// let columns = vec![
///     TableColumn::new("Start", ColumnType::Timestamp, "Start of the window, UTC"),
///     TableColumn::new("Incomplete", ColumnType::Boolean, "Whether readings are missing"),
/// ];
/// let view = RowView::new("incomplete", "Windows, and whether they miss readings", columns, |rows| {
///     let row = rows.iter().map(|row| {
///         vec![Value::Timestamp(row.window_start), Value::Boolean(row.gap)]
///     });
///     row.collect()
/// });
/// assert_eq!(view.label.name, "incomplete");
/// ```
#[derive(Clone)]
pub struct RowView {
    /// Its name and meaning.
    pub label: TableLabel,
    /// Its columns, in the order of `SELECT *`.
    pub columns: Vec<TableColumn>,
    rows: Arc<ViewFunction>,
}

/// Computes the rows of a view, each with a value per column.
type ViewFunction = dyn Fn(&[MergedRow]) -> Vec<Vec<Value>> + Send + Sync;

impl RowView {
    /// A view whose rows the function `rows` computes: a value per column, of the column's type, or
    /// [`Value::Null`]. It gets all merged rows, ordered by window, key and length of the window. A
    /// query fails if a row has other columns or a value has another type.
    pub fn new(
        name: impl Into<String>,
        meaning: impl Into<String>,
        columns: Vec<TableColumn>,
        rows: impl Fn(&[MergedRow]) -> Vec<Vec<Value>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            label: TableLabel::new(name, meaning),
            columns,
            rows: Arc::new(rows),
        }
    }

    /// The rows of the view.
    pub fn rows(&self, merged: &[MergedRow]) -> Vec<Vec<Value>> {
        (self.rows)(merged)
    }
}

impl std::fmt::Debug for RowView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("RowView");
        debug.field("label", &self.label);
        debug
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}
