//! What a pump's SELECT consists of.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByKind, Query, Select, SelectItem, SetExpr,
    Spanned, TableFactor,
};

use crate::problem::{Position, SqlProblem};
use crate::statement::{Name, identifier};

/// The parts of a SELECT that are supported.
pub(crate) struct SelectParts<'q> {
    /// The stream that it reads.
    pub(crate) from: Name,
    pub(crate) alias: Option<String>,
    pub(crate) items: Vec<SelectListItem<'q>>,
    pub(crate) filter: Option<&'q Expr>,
    pub(crate) group_by: &'q [Expr],
    pub(crate) having: Option<&'q Expr>,
    /// Expressions, and whether the order is descending.
    pub(crate) order_by: Vec<(&'q Expr, bool)>,
    pub(crate) at: Position,
}

/// An item of the SELECT list.
pub(crate) enum SelectListItem<'q> {
    /// An expression, and its alias.
    Expr(&'q Expr, Option<String>),
    /// `*`.
    All(Position),
}

/// Takes a SELECT apart.
///
/// # Errors
///
/// [`SqlProblem`] for each part that is not supported.
pub(crate) fn parts<'q>(query: &'q Query, pump: &Name) -> Result<SelectParts<'q>, Vec<SqlProblem>> {
    let SetExpr::Select(select) = &*query.body else {
        let reason = "it is not a SELECT";
        return Err(vec![SqlProblem::new(pump.at, "the pump", reason)]);
    };
    let at = Position::from(select.select_token.0.span.start);
    let at = if at.line == 0 { pump.at } else { at };
    let mut problems = leftovers(query, select, at);
    let from = match source(select, at) {
        Ok(from) => Some(from),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let mut items = Vec::with_capacity(select.projection.len());
    for projected in &select.projection {
        match item(projected, at) {
            Ok(item) => items.push(item),
            Err(problem) => problems.push(problem),
        }
    }
    let group_by: &[Expr] = match &select.group_by {
        GroupByExpr::Expressions(terms, modifiers) if modifiers.is_empty() => terms,
        _ => {
            problems.push(SqlProblem::new(
                at,
                "this form of GROUP BY",
                "it is not supported",
            ));
            &[]
        }
    };
    let (Some((from, alias)), true) = (from, problems.is_empty()) else {
        return Err(problems);
    };
    Ok(SelectParts {
        from,
        alias,
        items,
        filter: select.selection.as_ref(),
        group_by,
        having: select.having.as_ref(),
        order_by: order(query),
        at,
    })
}

fn order(query: &Query) -> Vec<(&Expr, bool)> {
    match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(terms)) => terms
            .iter()
            .map(|term| (&term.expr, term.options.asc == Some(false)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The clauses that the parser knows and Kinesis does not.
fn leftovers(query: &Query, select: &Select, at: Position) -> Vec<SqlProblem> {
    let has_limit = match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset { .. } | LimitClause::OffsetCommaLimit { .. }) => true,
    };
    let orders_all = query
        .order_by
        .as_ref()
        .is_some_and(|order| matches!(order.kind, OrderByKind::All(_)));
    let clauses = [
        ("WITH", query.with.is_some()),
        ("LIMIT", has_limit || query.fetch.is_some()),
        ("FOR", !query.locks.is_empty() || query.for_clause.is_some()),
        ("ORDER BY ALL", orders_all),
        (
            "SELECT DISTINCT",
            matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))),
        ),
        ("TOP", select.top.is_some()),
        ("INTO", select.into.is_some()),
        ("QUALIFY", select.qualify.is_some()),
        ("LATERAL VIEW", !select.lateral_views.is_empty()),
        ("CONNECT BY", !select.connect_by.is_empty()),
        (
            "this clause of the SELECT",
            select.prewhere.is_some()
                || select.exclude.is_some()
                || select.value_table_mode.is_some()
                || select.select_modifiers.is_some()
                || !select.cluster_by.is_empty()
                || !select.distribute_by.is_empty()
                || !select.sort_by.is_empty()
                || !select.named_window.is_empty()
                || !query.pipe_operators.is_empty()
                || query.settings.is_some()
                || query.format_clause.is_some(),
        ),
    ];
    let found = clauses.iter().filter(|(_, is_there)| *is_there);
    found
        .map(|(clause, _)| SqlProblem::new(at, *clause, "it is not supported"))
        .collect()
}

/// The one stream after FROM, and its alias.
fn source(select: &Select, at: Position) -> Result<(Name, Option<String>), SqlProblem> {
    let [table] = select.from.as_slice() else {
        let reason = match select.from.len() {
            0 => "it is missing",
            _ => "joins are not supported",
        };
        return Err(SqlProblem::new(at, "FROM", reason));
    };
    if let Some(join) = table.joins.first() {
        let at = join.relation.span().start;
        return Err(SqlProblem::new(at, "JOIN", "joins are not supported"));
    }
    let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = &table.relation
    else {
        return Err(SqlProblem::new(at, "FROM", "only a stream can be read"));
    };
    let last = name.0.last().and_then(|part| part.as_ident());
    let Some(last) = last else {
        return Err(SqlProblem::new(at, "FROM", "only a stream can be read"));
    };
    let from = Name {
        text: identifier(&last.value, last.quote_style),
        at: last.span.start.into(),
    };
    let alias = alias
        .as_ref()
        .map(|alias| identifier(&alias.name.value, alias.name.quote_style));
    Ok((from, alias))
}

fn item<'q>(item: &'q SelectItem, at: Position) -> Result<SelectListItem<'q>, SqlProblem> {
    match item {
        SelectItem::UnnamedExpr(expr) => Ok(SelectListItem::Expr(expr, None)),
        SelectItem::ExprWithAlias { expr, alias } => {
            let alias = identifier(&alias.value, alias.quote_style);
            Ok(SelectListItem::Expr(expr, Some(alias)))
        }
        SelectItem::Wildcard(options) => {
            let at = Position::from(options.wildcard_token.0.span.start);
            Ok(SelectListItem::All(at))
        }
        SelectItem::QualifiedWildcard(_, options) => {
            let at = Position::from(options.wildcard_token.0.span.start);
            Ok(SelectListItem::All(at))
        }
        SelectItem::ExprWithAliases { .. } => Err(SqlProblem::new(
            at,
            "a list of aliases",
            "it is not supported",
        )),
    }
}
