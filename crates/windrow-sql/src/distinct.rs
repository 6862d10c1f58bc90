//! `SELECT DISTINCT`: rows that are equal are a group, and its columns are the keys.

use sqlparser::ast::Expr;

use crate::compile::{self, Ungrouped};
use crate::expression::{Node, NodeKind, Type};
use crate::group::{Groups, Term};
use crate::problem::{Position, SqlProblem};
use crate::scope::{DistinctRows, Scope};
use crate::select::{SelectListItem, SelectParts};
use crate::statement::identifier;

/// A column of `SELECT DISTINCT`.
pub(crate) struct DistinctColumn {
    /// Its alias, or the name of the column that it is.
    pub(crate) name: Option<String>,
    pub(crate) value: Term,
}

/// The columns of a SELECT.
///
/// # Errors
///
/// [`SqlProblem`] for each that is not supported.
pub(crate) fn columns(
    parts: &SelectParts<'_>,
    scope: &Scope,
) -> Result<Vec<DistinctColumn>, Vec<SqlProblem>> {
    let mut columns = Vec::new();
    let mut problems = Vec::new();
    for item in &parts.items {
        match item {
            SelectListItem::Expr(expr, alias) => {
                match compile::compile(expr, scope, &mut Ungrouped) {
                    Ok(node) => columns.push(DistinctColumn {
                        name: alias.clone().or_else(|| name(expr)),
                        value: Term {
                            node,
                            name: compile::canonical(expr),
                        },
                    }),
                    Err(others) => problems.extend(others),
                }
            }
            SelectListItem::All(at) => {
                let of_stream = scope.columns.iter().enumerate();
                columns.extend(of_stream.map(|(index, (column, sql_type))| DistinctColumn {
                    name: Some(column.clone()),
                    value: Term {
                        node: Node::leaf(NodeKind::Column(index), Type::Sql(*sql_type), *at),
                        name: column.clone(),
                    },
                }));
            }
        }
    }
    if problems.is_empty() {
        Ok(columns)
    } else {
        Err(problems)
    }
}

/// The name of a column without an alias.
fn name(expr: &Expr) -> Option<String> {
    let name = match expr {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(names) => names.last()?,
        _ => return None,
    };
    Some(identifier(&name.value, name.quote_style))
}

/// What the rows are told apart by. That is not `ROWTIME` by itself, as AWS documents.
pub(crate) fn terms(columns: &[DistinctColumn]) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for DistinctColumn { value, .. } in columns {
        let is_known = value.node.is_constant() || value.node.kind == NodeKind::RowTime;
        if !is_known && terms.iter().all(|term| term.node != value.node) {
            terms.push(value.clone());
        }
    }
    terms
}

/// The rows as a SELECT reads them whose subquery this is.
///
/// # Errors
///
/// [`SqlProblem`] for each name that two columns have.
pub(crate) fn rows(
    columns: &[DistinctColumn],
    groups: &Groups<'_>,
    at: Position,
) -> Result<DistinctRows, Vec<SqlProblem>> {
    let mut rows = DistinctRows {
        columns: Vec::new(),
    };
    let mut problems = Vec::new();
    for DistinctColumn { name, value } in columns {
        let Some(name) = name else {
            continue;
        };
        if rows.column(name).is_some() {
            let reason = "another column of the subquery has this name";
            problems.push(SqlProblem::new(at, format!("column \"{name}\""), reason));
            continue;
        }
        let node = &value.node;
        let index = groups.terms.iter().position(|term| term.node == *node);
        let node = match index {
            Some(index) if !is_known(node, groups.window_millis) => {
                Node::leaf(NodeKind::Column(index), node.value_type, node.at)
            }
            _ => node.clone(),
        };
        rows.columns.push((name.clone(), node));
    }
    if problems.is_empty() {
        Ok(rows)
    } else {
        Err(problems)
    }
}

/// Whether a function of ROWTIME is the same for all rows of a window.
fn is_known(node: &Node, window_millis: i64) -> bool {
    compile::window_millis(node).is_some_and(|millis| millis % window_millis == 0)
}

/// Checks the SELECT around the subquery: its window, and what it computes of rows.
///
/// # Errors
///
/// [`SqlProblem`] if its window is another one, or if it depends on the times of single readings.
pub(crate) fn check<'n>(
    nodes: impl IntoIterator<Item = &'n Node>,
    outer_millis: i64,
    window_millis: i64,
    at: Position,
) -> Result<(), Vec<SqlProblem>> {
    if outer_millis != window_millis {
        let reason = format!(
            "its windows last {} s, and those of the SELECT around it {} s",
            window_millis / 1000,
            outer_millis / 1000
        );
        let problem = SqlProblem::new(at, "SELECT DISTINCT in a subquery", reason);
        return Err(problem
            .rewrite("use the same term on ROWTIME in both")
            .into());
    }
    let is_known = |node: &Node| is_known(node, window_millis);
    let unknown = |node: &&Node| !node.uses_time_only_where(&is_known);
    let problems: Vec<SqlProblem> = nodes
        .into_iter()
        .filter(unknown)
        .map(|node| {
            let reason = "the readings of a distinct row have several times, of which only the window is known";
            let problem = SqlProblem::new(node.at, "ROWTIME of a distinct row", reason);
            problem.rewrite("use the term on ROWTIME that is the window")
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}
