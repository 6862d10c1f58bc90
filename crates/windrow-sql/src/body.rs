//! What a pump does with a row of the stream that it reads.

use sqlparser::ast::Expr;
use windrow_core::value::Value;

use crate::compile::{self, AggregateFunction, Grouping, Ungrouped};
use crate::distinct::{self, DistinctColumn};
use crate::expression::{Call, Node, NodeKind, Type};
use crate::group::{ComputedAggregate, Groups, Term};
use crate::problem::{Position, SqlProblem};
use crate::scope::{DistinctRows, Scope};
use crate::select::{SelectListItem, SelectParts};
use crate::statement::Name;
use crate::top::TopValues;
use crate::types::SqlType;

/// An expression and its text.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) node: Node,
    pub(crate) text: String,
}

/// A filter and a projection: rows in, rows out.
#[derive(Clone, Debug)]
pub(crate) struct Stateless {
    pub(crate) filter: Option<Program>,
    /// One per column of the stream that it writes.
    pub(crate) outputs: Vec<Program>,
}

/// A SELECT with GROUP BY. The expressions after the filter are those of a group: its columns are
/// the terms, then the aggregates; its time is the window's end.
#[derive(Clone, Debug)]
pub(crate) struct Windowed {
    pub(crate) filter: Option<Program>,
    pub(crate) terms: Vec<Term>,
    /// Which of the terms is the window.
    pub(crate) window: usize,
    pub(crate) window_millis: i64,
    pub(crate) aggregates: Vec<ComputedAggregate>,
    pub(crate) having: Option<Program>,
    /// One per column of the stream that it writes.
    pub(crate) outputs: Vec<Program>,
    /// What rows of a window are ordered by, and whether the order is descending.
    pub(crate) order: Vec<(Program, bool)>,
    /// The SELECT of which this is the subquery. Its filter, terms and aggregates are those of the
    /// merged rows of this: the columns are the terms, the time is the window's start.
    pub(crate) outer: Option<Box<Self>>,
    /// How many merged rows of a window are kept: those with the most readings.
    pub(crate) most: Option<usize>,
}

/// What a pump does.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Stateless(Stateless),
    Windowed(Box<Windowed>),
}

/// The stream that a pump writes, and which columns.
pub(crate) struct InsertTarget<'t> {
    pub(crate) stream: &'t str,
    pub(crate) columns: &'t [(String, SqlType)],
    pub(crate) listed: Option<&'t [Name]>,
}

/// Compiles a SELECT.
///
/// # Errors
///
/// [`SqlProblem`] for each part that is not supported.
pub(crate) fn body(
    parts: &SelectParts<'_>,
    scope: &Scope,
    target: &InsertTarget<'_>,
) -> Result<Body, Vec<SqlProblem>> {
    if let Some(inner) = &parts.subquery {
        let windowed = match &parts.top {
            Some(top) => of_top(parts, inner, top, scope, target)?,
            None => of_subquery(parts, inner, scope, target)?,
        };
        return Ok(Body::Windowed(Box::new(windowed)));
    }
    if parts.is_distinct || is_grouped(parts) {
        let windowed = windowed(parts, scope, target)?;
        return Ok(Body::Windowed(Box::new(windowed)));
    }
    let mut problems = Problems::default();
    let filter = filter(parts, scope, &mut problems);
    let outputs = outputs(parts, scope, target, &mut Ungrouped, &mut problems);
    // The order of single rows is that in which they arrive.
    for (expr, _) in &parts.order_by {
        problems.keep(compile::compile(expr, scope, &mut Ungrouped));
    }
    problems.or(Body::Stateless(Stateless { filter, outputs }))
}

fn filter(parts: &SelectParts<'_>, scope: &Scope, problems: &mut Problems) -> Option<Program> {
    let expr = parts.filter?;
    let node = problems.keep(compile::condition(expr, scope, &mut Ungrouped))?;
    Some(program(node, expr))
}

/// A SELECT with GROUP BY, or with DISTINCT: the rows that are equal are a group.
fn windowed(
    parts: &SelectParts<'_>,
    scope: &Scope,
    target: &InsertTarget<'_>,
) -> Result<Windowed, Vec<SqlProblem>> {
    let mut problems = Problems::default();
    let filter = filter(parts, scope, &mut problems);
    let mut groups = if parts.is_distinct {
        match distinct_groups(parts, scope) {
            Ok((groups, _)) => groups,
            Err(others) => {
                problems.0.extend(others);
                return Err(problems.0);
            }
        }
    } else {
        let (groups, others) = Groups::new(parts, scope);
        problems.0.extend(others);
        groups
    };
    let outputs = outputs(parts, scope, target, &mut groups, &mut problems);
    let having = parts.having.and_then(|expr| {
        problems.keep(compile::condition(expr, scope, &mut groups).map(|node| program(node, expr)))
    });
    let mut order = Vec::new();
    for (expr, is_descending) in &parts.order_by {
        let expr = aliased(expr, parts);
        let node = problems.keep(compile::compile(expr, scope, &mut groups));
        order.extend(node.map(|node| (program(node, expr), *is_descending)));
    }
    problems.or(Windowed {
        filter,
        terms: groups.terms,
        window: groups.window,
        window_millis: groups.window_millis,
        aggregates: groups.aggregates,
        having,
        outputs,
        order,
        outer: None,
        most: None,
    })
}

fn distinct_groups<'s>(
    parts: &SelectParts<'_>,
    scope: &'s Scope,
) -> Result<(Groups<'s>, Vec<DistinctColumn>), Vec<SqlProblem>> {
    if is_grouped(parts) {
        let reason = "groups are distinct already";
        let problem = SqlProblem::new(parts.at, "SELECT DISTINCT with groups", reason);
        return Err(problem.rewrite("leave DISTINCT out").into());
    }
    let columns = distinct::columns(parts, scope)?;
    let groups = Groups::distinct(distinct::terms(&columns), parts, scope)?;
    Ok((groups, columns))
}

/// `SELECT ... FROM (SELECT DISTINCT ...) GROUP BY ...`.
fn of_subquery(
    parts: &SelectParts<'_>,
    inner: &SelectParts<'_>,
    scope: &Scope,
    target: &InsertTarget<'_>,
) -> Result<Windowed, Vec<SqlProblem>> {
    let mut problems = Problems::default();
    let filter = filter(inner, scope, &mut problems);
    let rows = distinct_groups(inner, scope).and_then(|(groups, columns)| {
        let rows = distinct::rows(&columns, &groups, inner.at)?;
        Ok((groups, rows))
    });
    let (groups, rows) = match rows {
        Ok(rows) => rows,
        Err(others) => {
            problems.0.extend(others);
            return Err(problems.0);
        }
    };
    if parts.is_distinct || !is_grouped(parts) {
        let reason = "only a SELECT with GROUP BY can read its rows";
        let problem = SqlProblem::new(parts.at, "SELECT DISTINCT in a subquery", reason);
        problems
            .0
            .push(problem.rewrite("write SELECT DISTINCT without the subquery"));
        return Err(problems.0);
    }
    let outer_scope = Scope {
        names: parts.alias.iter().cloned().collect(),
        columns: Vec::new(),
        is_input: false,
        distinct: Some(rows),
    };
    let outer = windowed(parts, &outer_scope, target).and_then(|outer| {
        let filter = outer.filter.iter().map(|filter| &filter.node);
        let terms = outer.terms.iter().map(|term| &term.node);
        let args = outer
            .aggregates
            .iter()
            .filter_map(|computed| computed.arg.as_ref());
        let nodes = filter.chain(terms).chain(args);
        distinct::check(nodes, outer.window_millis, groups.window_millis, inner.at)?;
        Ok(outer)
    });
    match outer {
        Ok(outer) => problems.or(Windowed {
            filter,
            terms: groups.terms,
            window: groups.window,
            window_millis: groups.window_millis,
            aggregates: Vec::new(),
            having: None,
            outputs: Vec::new(),
            order: Vec::new(),
            outer: Some(Box::new(outer)),
            most: None,
        }),
        Err(others) => {
            problems.0.extend(others);
            Err(problems.0)
        }
    }
}

/// `SELECT ... FROM TABLE(TOP_K_ITEMS_TUMBLING(...))`: rows are counted by the column, and those of
/// the most frequent values are kept. They have the columns ITEM and ITEM_COUNT.
fn of_top(
    parts: &SelectParts<'_>,
    cursor: &SelectParts<'_>,
    top: &TopValues,
    scope: &Scope,
    target: &InsertTarget<'_>,
) -> Result<Windowed, Vec<SqlProblem>> {
    check_top(parts, cursor)?;
    let mut problems = Problems::default();
    let filter = filter(cursor, scope, &mut problems);
    let columns = distinct::columns(cursor, scope)?;
    let mut columns = columns.into_iter();
    let Some(counted) = columns.find(|column| column.name.as_ref() == Some(&top.column)) else {
        let construct = format!("column \"{}\"", top.column);
        let reason = "the CURSOR has no such column";
        problems.0.push(SqlProblem::new(top.at, construct, reason));
        return Err(problems.0);
    };
    let counted = counted.value;
    let row_time = Node::leaf(NodeKind::RowTime, Type::TIMESTAMP, top.at);
    let floor = NodeKind::Call(Call::FloorTime(top.millis), vec![row_time]);
    let window = Term {
        node: Node::new(floor, Type::TIMESTAMP, top.at)?,
        name: "ROWTIME".to_owned(),
    };
    let leaf = |index, value_type| Node::leaf(NodeKind::Column(index), value_type, top.at);
    let (item, count) = (leaf(0, counted.node.value_type), leaf(2, Type::BIGINT));
    let order = |node: &Node, text: &str, is_descending| {
        let (node, text) = (node.clone(), text.to_owned());
        (Program { node, text }, is_descending)
    };
    let order = vec![
        order(&count, "ITEM_COUNT", true),
        order(&item, "ITEM", false),
    ];
    let rows = Scope {
        names: parts.alias.iter().cloned().collect(),
        columns: Vec::new(),
        is_input: false,
        distinct: Some(DistinctRows {
            columns: vec![("ITEM".to_owned(), item), ("ITEM_COUNT".to_owned(), count)],
        }),
    };
    let outputs = outputs(parts, &rows, target, &mut Ungrouped, &mut problems);
    problems.or(Windowed {
        filter: Some(with_value(filter, &counted)?),
        terms: vec![counted, window],
        window: 1,
        window_millis: top.millis,
        aggregates: vec![ComputedAggregate {
            aggregate: AggregateFunction::Count,
            arg: None,
            arg_name: String::new(),
            value_type: Type::BIGINT,
        }],
        having: None,
        outputs,
        order,
        outer: None,
        most: Some(top.most),
    })
}

/// Checks the SELECT that reads the most frequent values, and the one whose rows are counted.
fn check_top(parts: &SelectParts<'_>, cursor: &SelectParts<'_>) -> Result<(), SqlProblem> {
    let has_clauses = parts.filter.is_some() || !parts.order_by.is_empty() || parts.is_distinct;
    if has_clauses || is_grouped(parts) {
        let reason =
            "the SELECT that reads it has only a list, without other clauses and aggregates";
        let problem = SqlProblem::new(parts.at, "TOP_K_ITEMS_TUMBLING", reason);
        return Err(problem.rewrite("write a pump that reads the stream of its rows"));
    }
    if is_grouped(cursor) {
        let reason = "only a SELECT without GROUP BY and aggregates can be one";
        return Err(SqlProblem::new(cursor.at, "CURSOR", reason));
    }
    Ok(())
}

/// A filter that leaves out the rows without a value as well.
fn with_value(filter: Option<Program>, counted: &Term) -> Result<Program, SqlProblem> {
    let at = counted.node.at;
    let boolean = |kind| Node::new(kind, Type::BOOLEAN, at);
    let is_null = boolean(NodeKind::IsNull(Box::new(counted.node.clone())))?;
    let has_value = boolean(NodeKind::Not(Box::new(is_null)))?;
    let text = format!("{} IS NOT NULL", counted.name);
    Ok(match filter {
        None => Program {
            node: has_value,
            text,
        },
        Some(filter) => Program {
            node: boolean(NodeKind::And(vec![filter.node, has_value]))?,
            text: format!("{} AND {text}", filter.text),
        },
    })
}

#[derive(Default)]
struct Problems(Vec<SqlProblem>);

impl Problems {
    fn keep<T>(&mut self, result: Result<T, impl Into<Vec<SqlProblem>>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problems) => {
                self.0.extend(problems.into());
                None
            }
        }
    }

    fn or<T>(self, compiled: T) -> Result<T, Vec<SqlProblem>> {
        if self.0.is_empty() {
            return Ok(compiled);
        }
        Err(self.0)
    }
}

fn program(node: Node, expr: &Expr) -> Program {
    Program {
        node,
        text: compile::canonical(expr),
    }
}

fn is_grouped(parts: &SelectParts<'_>) -> bool {
    let calls_aggregate = |item: &SelectListItem<'_>| match item {
        SelectListItem::Expr(expr, _) => has_aggregate(expr),
        SelectListItem::All(_) => false,
    };
    !parts.group_by.is_empty() || parts.having.is_some() || parts.items.iter().any(calls_aggregate)
}

/// Whether an expression of the SELECT list is an aggregate, or arithmetic with one.
fn has_aggregate(expr: &Expr) -> bool {
    let mut expr = expr;
    loop {
        match expr {
            Expr::BinaryOp { left, right, .. } => {
                if has_aggregate_itself(right) {
                    return true;
                }
                expr = left;
            }
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => expr = inner,
            other => return has_aggregate_itself(other),
        }
    }
}

fn has_aggregate_itself(expr: &Expr) -> bool {
    !matches!(compile::aggregate_of(expr), Ok(None))
}

/// The expression that an alias or a number of the SELECT list stands for.
fn aliased<'q>(expr: &'q Expr, parts: &SelectParts<'q>) -> &'q Expr {
    let text = compile::canonical(expr);
    let ordinal = match expr {
        Expr::Value(_) => text.parse::<usize>().ok(),
        _ => None,
    };
    for (index, item) in parts.items.iter().enumerate() {
        if let SelectListItem::Expr(item, alias) = item
            && (ordinal == Some(index + 1)
                || (alias.as_ref() == Some(&text) && matches!(expr, Expr::Identifier(_))))
        {
            return item;
        }
    }
    expr
}

/// The values of the SELECT list, without those that have a problem; `None` if it is not known how
/// many there are.
fn selected(
    parts: &SelectParts<'_>,
    scope: &Scope,
    grouping: &mut dyn Grouping,
    problems: &mut Problems,
) -> Option<Vec<Option<Program>>> {
    let mut selected = Vec::new();
    let mut is_complete = true;
    for item in &parts.items {
        match item {
            SelectListItem::Expr(expr, _) => {
                let node = problems.keep(compile::compile(expr, scope, grouping));
                selected.push(node.map(|node| program(node, expr)));
            }
            SelectListItem::All(at) if is_grouped(parts) && !parts.is_distinct => {
                let reason = "a SELECT with GROUP BY lists its columns";
                problems.0.push(SqlProblem::new(*at, "*", reason));
                is_complete = false;
            }
            SelectListItem::All(at) => {
                let rows = scope.distinct.iter().flat_map(|rows| &rows.columns);
                selected.extend(rows.map(|(name, node)| {
                    let (node, text) = (node.clone(), name.clone());
                    Some(Program { node, text })
                }));
                for (index, (column, sql_type)) in scope.columns.iter().enumerate() {
                    let node = Node::leaf(NodeKind::Column(index), Type::Sql(*sql_type), *at);
                    let text = column.clone();
                    let node = grouping.of_term(node);
                    selected.push(Some(Program { node, text }));
                }
            }
        }
    }
    is_complete.then_some(selected)
}

/// The values of the columns of the stream that is written. Columns that are not in the list of
/// INSERT are NULL.
fn outputs(
    parts: &SelectParts<'_>,
    scope: &Scope,
    target: &InsertTarget<'_>,
    grouping: &mut dyn Grouping,
    problems: &mut Problems,
) -> Vec<Program> {
    let selected = selected(parts, scope, grouping, problems);
    let indexes = problems.keep(target.indexes(parts.at));
    let (Some(selected), Some(indexes)) = (selected, indexes) else {
        return Vec::new();
    };
    if indexes.len() != selected.len() {
        let reason = format!(
            "it has {} values for {} columns of stream \"{}\"",
            selected.len(),
            indexes.len(),
            target.stream
        );
        problems
            .0
            .push(SqlProblem::new(parts.at, "the SELECT list", reason));
        return Vec::new();
    }
    let null = |at: Position| Program {
        node: Node::leaf(NodeKind::Constant(Value::Null), Type::Null, at),
        text: "NULL".to_owned(),
    };
    let mut outputs: Vec<Program> = target.columns.iter().map(|_| null(parts.at)).collect();
    for (index, selected) in indexes.into_iter().zip(selected) {
        let (Some(program), Some((column, to))) = (selected, target.columns.get(index)) else {
            continue;
        };
        let text = program.text;
        let assigned = problems.keep(compile::assign(program.node, column, *to));
        if let Some(node) = assigned {
            outputs[index] = Program { node, text };
        }
    }
    outputs
}

impl InsertTarget<'_> {
    /// The indexes of the columns that are written, in the order of the SELECT list.
    fn indexes(&self, at: Position) -> Result<Vec<usize>, SqlProblem> {
        let Some(listed) = self.listed else {
            return Ok((0..self.columns.len()).collect());
        };
        let mut indexes = Vec::with_capacity(listed.len());
        for name in listed {
            let found = self
                .columns
                .iter()
                .position(|(column, _)| *column == name.text);
            let construct = format!("column \"{}\"", name.text);
            let Some(index) = found else {
                let reason = format!("stream \"{}\" has no such column", self.stream);
                let problem = SqlProblem::new(name.at, construct, reason).or_at(at);
                let columns = self.columns.iter().map(|(column, _)| column.as_str());
                return Err(match crate::scope::similar(&name.text, columns) {
                    Some(similar) => problem.rewrite(crate::scope::did_you_mean(similar)),
                    None => problem,
                });
            };
            if indexes.contains(&index) {
                return Err(SqlProblem::new(name.at, construct, "it is listed twice"));
            }
            indexes.push(index);
        }
        Ok(indexes)
    }
}
