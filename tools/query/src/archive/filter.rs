//! Selects the files that a query needs: the names of their folders decide conditions on the day of
//! arrival.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, BooleanArray, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::Expr;

use windrow_archive::ArchiveFile;

/// Whether a condition depends on the column `day` alone, so that the folders' names decide it.
pub(super) fn depends_on_day_alone(condition: &Expr, day: &str) -> bool {
    let columns = condition.column_refs();
    if columns.is_empty() || columns.iter().any(|column| column.name != day) {
        return false;
    }
    let needs_more = |part: &Expr| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        ))
    };
    let alone = matches!(condition.exists(needs_more), Ok(false));
    alone && !condition.is_volatile()
}

/// The files whose days meet every condition that depends on the column `day` alone.
pub(super) fn needed(
    files: &[ArchiveFile],
    conditions: &[Expr],
    day: &str,
    session: &dyn Session,
) -> Result<Vec<ArchiveFile>> {
    let conditions: Vec<_> = conditions
        .iter()
        .filter(|part| depends_on_day_alone(part, day))
        .collect();
    if conditions.is_empty() {
        return Ok(files.to_vec());
    }
    let mut wanted: BTreeMap<Option<&str>, bool> = BTreeMap::new();
    for file in files {
        wanted.insert(file.day.as_deref(), true);
    }
    let days: StringViewArray = wanted.keys().copied().collect();
    let schema = Arc::new(Schema::new(vec![Field::new(day, DataType::Utf8View, true)]));
    let plain = DFSchema::try_from(Arc::clone(&schema))?;
    let batch = RecordBatch::try_new(schema, vec![Arc::new(days)])?;
    for condition in conditions {
        let unqualified = condition.clone().transform(|part| {
            Ok(match part {
                Expr::Column(column) => {
                    Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
                }
                other => Transformed::no(other),
            })
        })?;
        let results = session
            .create_physical_expr(unqualified.data, &plain)?
            .evaluate(&batch)?
            .into_array(batch.num_rows())?;
        let Some(results) = results.as_any().downcast_ref::<BooleanArray>() else {
            continue;
        };
        for (wanted, result) in wanted.values_mut().zip(results) {
            *wanted &= result == Some(true);
        }
    }
    let is_wanted = |file: &&ArchiveFile| wanted.get(&file.day.as_deref()) == Some(&true);
    Ok(files.iter().filter(is_wanted).cloned().collect())
}
