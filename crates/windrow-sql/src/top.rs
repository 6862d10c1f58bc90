//! `TOP_K_ITEMS_TUMBLING`: the most frequent values of a column in a tumbling window.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Value as Literal,
};

use crate::compile;
use crate::problem::{Position, SqlProblem};
use crate::statement::identifier;

const NAME: &str = "TOP_K_ITEMS_TUMBLING";

/// The most values and seconds that AWS allows.
pub(crate) const MOST_VALUES: usize = 100_000;
pub(crate) const MOST_SECONDS: usize = 3600;

/// A call of the function.
pub(crate) struct TopCall<'q> {
    /// The rows whose values are counted.
    pub(crate) cursor: &'q Query,
    pub(crate) top: TopValues,
}

/// Which values are kept.
#[derive(Clone)]
pub(crate) struct TopValues {
    /// The column, as the cursor names it.
    pub(crate) column: String,
    /// How many are kept.
    pub(crate) most: usize,
    /// The length of the window.
    pub(crate) millis: i64,
    pub(crate) at: Position,
}

/// The call, if an expression is one.
///
/// # Errors
///
/// [`SqlProblem`] if it has other arguments than AWS documents.
pub(crate) fn call(expr: &Expr) -> Result<Option<TopCall<'_>>, SqlProblem> {
    let Expr::Function(function) = expr else {
        return Ok(None);
    };
    if !is_named(function, NAME) {
        return Ok(None);
    }
    let at = compile::position(expr);
    let wrong = |reason: String| {
        let problem = SqlProblem::new(at, NAME, reason);
        problem.rewrite(
            "write TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM \"SOURCE_SQL_STREAM_001\"), 'column', 10, 60)",
        )
    };
    let args = arguments(function).ok_or_else(|| wrong("its arguments are not values".into()))?;
    let [cursor, column, most, seconds] = args.as_slice() else {
        return Err(wrong(format!(
            "it takes 4 arguments, and has {}",
            args.len()
        )));
    };
    let cursor = match cursor {
        Expr::Function(function) if is_named(function, "CURSOR") => match &function.args {
            FunctionArguments::Subquery(query) => Some(&**query),
            _ => None,
        },
        _ => None,
    };
    let cursor = cursor.ok_or_else(|| wrong("its first argument is not a CURSOR".into()))?;
    let column = match column {
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(name) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    let column = column.ok_or_else(|| wrong("its second argument is not a text".into()))?;
    let most = number(most, MOST_VALUES);
    let most = most.ok_or_else(|| wrong("it keeps from 1 to 100000 values".into()))?;
    let seconds = number(seconds, MOST_SECONDS);
    let seconds = seconds.ok_or_else(|| wrong("its windows last from 1 to 3600 s".into()))?;
    Ok(Some(TopCall {
        cursor,
        top: TopValues {
            column,
            most,
            // At most an hour.
            millis: seconds as i64 * 1000,
            at,
        },
    }))
}

fn is_named(function: &Function, expected: &str) -> bool {
    let name = match function.name.0.as_slice() {
        [part] => part.as_ident(),
        _ => None,
    };
    let is_expected =
        name.is_some_and(|name| identifier(&name.value, name.quote_style) == expected);
    is_expected
        && function.over.is_none()
        && function.filter.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
}

fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    args.collect()
}

fn number(expr: &Expr, most: usize) -> Option<usize> {
    let Expr::Value(value) = expr else {
        return None;
    };
    let Literal::Number(text, _) = &value.value else {
        return None;
    };
    text.parse()
        .ok()
        .filter(|number| (1..=most).contains(number))
}
