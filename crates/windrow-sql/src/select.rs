//! What a pump's SELECT consists of.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByKind, Query, Select, SelectItem, SetExpr,
    Spanned, TableAlias, TableFactor,
};

use crate::problem::{Position, SqlProblem};
use crate::statement::{Name, identifier};
use crate::top::{self, TopCall, TopValues};

/// The parts of a SELECT that are supported.
pub(crate) struct SelectParts<'q> {
    /// The stream that it reads.
    pub(crate) from: Name,
    pub(crate) alias: Option<String>,
    /// The subquery between it and the stream.
    pub(crate) subquery: Option<Box<Self>>,
    /// What the rows of the subquery go through first.
    pub(crate) top: Option<TopValues>,
    pub(crate) is_distinct: bool,
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

/// Takes a SELECT apart. Clauses that are not supported are left out, and their problems are beside it.
///
/// # Errors
///
/// [`SqlProblem`] for each part that is not supported, if the others depend on one.
pub(crate) fn parts<'q>(
    query: &'q Query,
    pump: &Name,
) -> Result<(SelectParts<'q>, Vec<SqlProblem>), Vec<SqlProblem>> {
    let SetExpr::Select(select) = &*query.body else {
        let reason = "it is not a SELECT";
        return Err(vec![SqlProblem::new(pump.at, "the pump", reason)]);
    };
    let at = Position::from(select.select_token.0.span.start);
    let at = if at.line == 0 { pump.at } else { at };
    let leftovers = leftovers(query, select, at);
    let mut problems = Vec::new();
    let from = match source(select, pump, at) {
        Ok(from) => Some(from),
        Err(others) => {
            problems.extend(others);
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
    let (Some(source), true) = (from, problems.is_empty()) else {
        problems.extend(leftovers);
        return Err(problems);
    };
    let parts = SelectParts {
        from: source.stream,
        alias: source.alias,
        subquery: source.subquery,
        top: source.top,
        is_distinct: matches!(select.distinct, Some(Distinct::Distinct)),
        items,
        filter: select.selection.as_ref(),
        group_by,
        having: select.having.as_ref(),
        order_by: order(query),
        at,
    };
    Ok((parts, leftovers))
}

/// The parts of a SELECT in another one.
fn inner_parts<'q>(query: &'q Query, pump: &Name) -> Result<SelectParts<'q>, Vec<SqlProblem>> {
    match parts(query, pump)? {
        (parts, leftovers) if leftovers.is_empty() => Ok(parts),
        (_, leftovers) => Err(leftovers),
    }
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
            "SELECT DISTINCT ON",
            matches!(select.distinct, Some(Distinct::On(_))),
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

/// What a SELECT reads.
struct SelectSource<'q> {
    stream: Name,
    alias: Option<String>,
    subquery: Option<Box<SelectParts<'q>>>,
    top: Option<TopValues>,
}

/// The one stream or subquery after FROM.
fn source<'q>(
    select: &'q Select,
    pump: &Name,
    at: Position,
) -> Result<SelectSource<'q>, Vec<SqlProblem>> {
    let [table] = select.from.as_slice() else {
        let reason = match select.from.len() {
            0 => "it is missing",
            _ => "joins are not supported",
        };
        return Err(SqlProblem::new(at, "FROM", reason).into());
    };
    if let Some(join) = table.joins.first() {
        let at = join.relation.span().start;
        return Err(SqlProblem::new(at, "JOIN", "joins are not supported").into());
    }
    if let TableFactor::Derived {
        lateral: false,
        subquery,
        alias,
        sample: None,
    } = &table.relation
    {
        return of_subquery(subquery, alias.as_ref(), pump, at);
    }
    if let TableFactor::TableFunction { expr, alias } = &table.relation
        && let Some(call) = top::call(expr)?
    {
        return of_top(&call, alias.as_ref(), pump);
    }
    let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = &table.relation
    else {
        return Err(SqlProblem::new(at, "FROM", "only a stream can be read").into());
    };
    let last = name.0.last().and_then(|part| part.as_ident());
    let Some(last) = last else {
        return Err(SqlProblem::new(at, "FROM", "only a stream can be read").into());
    };
    let stream = Name {
        text: identifier(&last.value, last.quote_style),
        at: last.span.start.into(),
    };
    let alias = alias
        .as_ref()
        .map(|alias| identifier(&alias.name.value, alias.name.quote_style));
    Ok(SelectSource {
        stream,
        alias,
        subquery: None,
        top: None,
    })
}

/// The rows of `TOP_K_ITEMS_TUMBLING`.
fn of_top<'q>(
    call: &TopCall<'q>,
    alias: Option<&TableAlias>,
    pump: &Name,
) -> Result<SelectSource<'q>, Vec<SqlProblem>> {
    let cursor = inner_parts(call.cursor, pump)?;
    let reason = if cursor.is_distinct || cursor.subquery.is_some() {
        Some("only a SELECT of a stream can be one")
    } else if !cursor.order_by.is_empty() {
        Some("its rows have no order")
    } else {
        None
    };
    if let Some(reason) = reason {
        return Err(SqlProblem::new(cursor.at, "CURSOR", reason).into());
    }
    if let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) {
        let at = alias.name.span.start;
        return Err(SqlProblem::new(at, "a list of aliases", "it is not supported").into());
    }
    Ok(SelectSource {
        stream: cursor.from.clone(),
        alias: alias.map(|alias| identifier(&alias.name.value, alias.name.quote_style)),
        subquery: Some(Box::new(cursor)),
        top: Some(call.top.clone()),
    })
}

fn of_subquery<'q>(
    query: &'q Query,
    alias: Option<&TableAlias>,
    pump: &Name,
    at: Position,
) -> Result<SelectSource<'q>, Vec<SqlProblem>> {
    let inner = inner_parts(query, pump)?;
    if let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) {
        let at = alias.name.span.start;
        return Err(SqlProblem::new(at, "a list of aliases", "it is not supported").into());
    }
    if !inner.is_distinct || inner.subquery.is_some() {
        let reason = "only one SELECT DISTINCT can be a subquery";
        return Err(SqlProblem::new(at, "a subquery", reason).into());
    }
    if let Some((expr, _)) = inner.order_by.first() {
        let at = expr.span().start;
        let reason = "the rows of a subquery have no order";
        return Err(SqlProblem::new(at, "ORDER BY in a subquery", reason).into());
    }
    Ok(SelectSource {
        stream: inner.from.clone(),
        alias: alias.map(|alias| identifier(&alias.name.value, alias.name.quote_style)),
        subquery: Some(Box::new(inner)),
        top: None,
    })
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
