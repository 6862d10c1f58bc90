//! A SELECT with GROUP BY: its keys, its window, and the aggregates that it computes.

use sqlparser::ast::Expr;

use crate::compile::{self, AVERAGE_PLACES, AggregateCall, AggregateFunction, Grouping, Ungrouped};
use crate::exact;
use crate::expression::{Call, Node, NodeKind, Type};
use crate::problem::{Position, SqlProblem};
use crate::scope::{ROWTIME, Scope};
use crate::select::SelectParts;
use crate::statement::identifier;
use crate::types::SqlType;

/// A term of GROUP BY.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) node: Node,
    /// Its text.
    pub(crate) name: String,
}

/// An aggregate that a SELECT computes.
#[derive(Clone, Debug)]
pub(crate) struct ComputedAggregate {
    pub(crate) aggregate: AggregateFunction,
    /// What it aggregates; all rows if there is none.
    pub(crate) arg: Option<Node>,
    /// The text of its argument.
    pub(crate) arg_name: String,
    pub(crate) value_type: Type,
}

/// The groups of a SELECT. Its expressions are compiled to columns in this order: the terms, then
/// the aggregates.
pub(crate) struct Groups<'s> {
    scope: &'s Scope,
    pub(crate) terms: Vec<Term>,
    /// Which of the terms is the window, and its length in milliseconds.
    pub(crate) window: usize,
    pub(crate) window_millis: i64,
    pub(crate) aggregates: Vec<ComputedAggregate>,
    /// Whether all terms are known. Otherwise, any column may be one.
    is_complete: bool,
}

/// What AWS says about SELECTs with aggregates.
const RULE: &str =
    "an aggregate over a stream needs a GROUP BY term on ROWTIME, or its groups would never end";

/// The longest window: a day.
pub(crate) const LONGEST: i64 = 86_400_000;

impl<'s> Groups<'s> {
    /// The groups of a SELECT, and the problems of its terms, or that none is a window. With one, they
    /// are only good for finding those of the other clauses.
    pub(crate) fn new(parts: &SelectParts<'_>, scope: &'s Scope) -> (Self, Vec<SqlProblem>) {
        let mut problems = Vec::new();
        let mut terms: Vec<Term> = Vec::new();
        for expr in parts.group_by {
            match term(expr, scope) {
                Ok(node) if terms.iter().any(|term| term.node == node) => {}
                Ok(node) => terms.push(Term {
                    node,
                    name: compile::canonical(expr),
                }),
                Err(others) => problems.extend(others),
            }
        }
        Self::of_terms("GROUP BY", terms, problems, parts, scope)
    }

    /// The groups of `SELECT DISTINCT`: each has the rows that are equal.
    ///
    /// # Errors
    ///
    /// [`SqlProblem`] if no term is a window, or one that is not supported.
    pub(crate) fn distinct(
        terms: Vec<Term>,
        parts: &SelectParts<'_>,
        scope: &'s Scope,
    ) -> Result<Self, Vec<SqlProblem>> {
        let of_terms = Self::of_terms("SELECT DISTINCT", terms, Vec::new(), parts, scope);
        match of_terms {
            (groups, problems) if problems.is_empty() => Ok(groups),
            (_, problems) => Err(problems),
        }
    }

    fn of_terms(
        clause: &'static str,
        terms: Vec<Term>,
        mut problems: Vec<SqlProblem>,
        parts: &SelectParts<'_>,
        scope: &'s Scope,
    ) -> (Self, Vec<SqlProblem>) {
        let windows = terms
            .iter()
            .enumerate()
            .filter_map(|(index, term)| Some((compile::window_millis(&term.node)?, index)));
        let shortest = windows.min();
        // Beside a window, other functions of ROWTIME are keys.
        let is_wrong = |term: &&Term| shortest.is_none() || term.node.kind == NodeKind::RowTime;
        problems.extend(
            terms
                .iter()
                .filter(is_wrong)
                .filter_map(|term| of_row_time(clause, term)),
        );
        match shortest {
            Some((millis, _)) if millis % 1000 != 0 => {
                let reason = "windows of whole seconds are supported";
                problems.push(SqlProblem::new(parts.at, clause, reason));
            }
            Some((millis, _)) if millis > LONGEST => {
                let reason = "windows of up to a day are supported";
                problems.push(SqlProblem::new(parts.at, clause, reason));
            }
            None if problems.is_empty() => problems.push(without_window(clause, &terms, parts)),
            _ => {}
        }
        let (window_millis, window) = shortest.unwrap_or_default();
        let groups = Self {
            scope,
            terms,
            window,
            window_millis,
            aggregates: Vec::new(),
            is_complete: problems.is_empty(),
        };
        (groups, problems)
    }

    /// The index of an aggregate, which is added if it is new.
    fn aggregate(&mut self, call: &AggregateCall<'_>) -> Result<Node, Vec<SqlProblem>> {
        let arg = match call.arg {
            Some(arg) => Some(compile::compile(arg, self.scope, &mut Ungrouped)?),
            None => None,
        };
        let computed = ComputedAggregate {
            aggregate: call.aggregate,
            value_type: result_type(call.aggregate, arg.as_ref(), call.at)?,
            arg,
            arg_name: call.arg.map_or_else(String::new, compile::canonical),
        };
        let known = self
            .aggregates
            .iter()
            .position(|known| known.aggregate == computed.aggregate && known.arg == computed.arg);
        let value_type = computed.value_type;
        let index = known.unwrap_or(self.aggregates.len());
        if known.is_none() {
            self.aggregates.push(computed);
        }
        let column = NodeKind::Column(self.terms.len() + index);
        if call.aggregate != AggregateFunction::Sum || value_type != Type::BIGINT {
            return Ok(Node::leaf(column, value_type, call.at));
        }
        // The sum is exact, and may be more than a BIGINT holds.
        let exact = SqlType::Decimal {
            precision: exact::MOST_DIGITS,
            scale: 0,
        };
        let sum = Node::leaf(column, Type::Sql(exact), call.at);
        let kind = NodeKind::Convert(Box::new(sum));
        Ok(Node::new(kind, value_type, call.at)?)
    }
}

impl Grouping for Groups<'_> {
    fn of_term(&self, column: Node) -> Node {
        match self.terms.iter().position(|term| term.node == column) {
            Some(index) => Node::leaf(NodeKind::Column(index), column.value_type, column.at),
            None => column,
        }
    }

    fn column(&mut self, expr: &Expr) -> Result<Option<Node>, Vec<SqlProblem>> {
        if let Some(call) = compile::aggregate_of(expr)? {
            return self.aggregate(&call).map(Some);
        }
        if matches!(expr, Expr::Value(_) | Expr::Nested(_)) {
            return Ok(None);
        }
        let Ok(node) = term(expr, self.scope) else {
            return Ok(None);
        };
        let term = self.terms.iter().position(|term| term.node == node);
        if let Some(index) = term {
            let column = NodeKind::Column(index);
            return Ok(Some(Node::leaf(column, node.value_type, node.at)));
        }
        let is_column = matches!(node.kind, NodeKind::Column(_) | NodeKind::ArrivalTime);
        if self.is_complete && (is_column || names_distinct(expr, self.scope)) {
            let construct = format!("column {}", compile::canonical(expr));
            let reason = "it is neither in GROUP BY nor in an aggregate";
            return Err(SqlProblem::new(node.at, construct, reason).into());
        }
        Ok(None)
    }
}

/// Compiles a term of GROUP BY. Rounding a window's start down once more is rounding once, to the
/// longer of two lengths of which one is a multiple of the other.
fn term(expr: &Expr, scope: &Scope) -> Result<Node, Vec<SqlProblem>> {
    let node = compile::compile(expr, scope, &mut Ungrouped)?;
    if scope.distinct.is_none() {
        return Ok(node);
    }
    let NodeKind::Call(Call::FloorTime(millis), args) = &node.kind else {
        return Ok(node);
    };
    let [inner] = args.as_slice() else {
        return Ok(node);
    };
    let NodeKind::Call(Call::FloorTime(_), of_inner) = &inner.kind else {
        return Ok(node);
    };
    match compile::window_millis(inner) {
        Some(of_window) if *millis > 0 && of_window % millis == 0 => Ok(inner.clone()),
        Some(of_window) if millis % of_window == 0 && of_inner[0].kind == NodeKind::RowTime => {
            let call = NodeKind::Call(Call::FloorTime(*millis), of_inner.clone());
            Ok(Node::new(call, node.value_type, node.at)?)
        }
        _ => Ok(node),
    }
}

/// Whether an expression is the name of a column of a subquery, and not its time.
fn names_distinct(expr: &Expr, scope: &Scope) -> bool {
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    };
    let name = name.map(|name| identifier(&name.value, name.quote_style));
    let column = scope.distinct.as_ref().zip(name);
    column.is_some_and(|(rows, name)| name != ROWTIME && rows.column(&name).is_some())
}

/// Terms on ROWTIME that are no window of a fixed length.
fn of_row_time(clause: &str, term: &Term) -> Option<SqlProblem> {
    if !term.node.is_of_row_time() || compile::window_millis(&term.node).is_some() {
        return None;
    }
    let reason = match &term.node.kind {
        NodeKind::RowTime => "windows of one millisecond are not supported",
        NodeKind::Call(Call::FloorCalendar(_), _) => {
            "windows of weeks, months and years are not supported"
        }
        _ => "this function of ROWTIME is no tumbling window",
    };
    let construct = format!("{clause} {}", term.name);
    let problem = SqlProblem::new(term.node.at, construct, reason);
    Some(problem.rewrite("use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)"))
}

fn without_window(clause: &str, terms: &[Term], parts: &SelectParts<'_>) -> SqlProblem {
    let problem = if clause != "GROUP BY" {
        let construct = format!("{clause} without a ROWTIME term");
        let reason = "the distinct rows of a stream need a column with a term on ROWTIME, or they would never be complete";
        SqlProblem::new(parts.at, construct, reason)
    } else if let Some(first) = terms.first() {
        SqlProblem::new(first.node.at, "GROUP BY without a ROWTIME term", RULE)
    } else {
        SqlProblem::new(parts.at, "an aggregate without GROUP BY", RULE)
    };
    let is_time = |term: &Term| matches!(term.node.kind, NodeKind::Call(Call::FloorTime(_), _));
    let stream = match (&parts.subquery, &parts.alias) {
        (Some(_), Some(alias)) => alias,
        _ => &parts.from.text,
    };
    problem.rewrite(if terms.iter().any(is_time) {
        format!("add STEP(\"{stream}\".ROWTIME BY INTERVAL '1' MINUTE) to the terms on other times")
    } else {
        format!("add STEP(\"{stream}\".ROWTIME BY INTERVAL '1' MINUTE)")
    })
}

/// The type of an aggregate's result.
///
/// * COUNT and SUM of integers: BIGINT.
/// * SUM of decimals: a decimal with as many digits after the point, and 38 in all.
/// * AVG of exact numbers: the same with at least 6 digits after the point.
/// * SUM and AVG of floats: DOUBLE.
/// * MIN and MAX: the type of the argument.
fn result_type(
    aggregate: AggregateFunction,
    arg: Option<&Node>,
    at: Position,
) -> Result<Type, SqlProblem> {
    let Some(arg) = arg.filter(|_| aggregate != AggregateFunction::Count) else {
        return Ok(Type::BIGINT);
    };
    let name = match aggregate {
        AggregateFunction::Count => "COUNT",
        AggregateFunction::Sum => "SUM",
        AggregateFunction::Min => "MIN",
        AggregateFunction::Max => "MAX",
        AggregateFunction::Average => "AVG",
    };
    let decimal = |scale| SqlType::Decimal {
        precision: exact::MOST_DIGITS,
        scale,
    };
    let Type::Sql(sql_type) = arg.value_type else {
        let reason = format!("it does not take a value of type {}", arg.value_type);
        return Err(SqlProblem::new(at, name, reason));
    };
    let result = match aggregate {
        AggregateFunction::Min | AggregateFunction::Max if sql_type != SqlType::Boolean => sql_type,
        AggregateFunction::Sum if sql_type.is_integer() => SqlType::BigInt,
        AggregateFunction::Sum if sql_type.is_exact() => decimal(sql_type.scale()),
        AggregateFunction::Average if sql_type.is_exact() => {
            decimal(sql_type.scale().max(AVERAGE_PLACES))
        }
        AggregateFunction::Sum | AggregateFunction::Average if sql_type.is_float() => {
            SqlType::Double
        }
        _ => {
            let reason = format!("it does not take a value of type {sql_type}");
            return Err(SqlProblem::new(at, name, reason).rewrite("convert with CAST"));
        }
    };
    Ok(Type::Sql(result))
}
