//! A SELECT with GROUP BY: its keys, its window, and the aggregates that it computes.

use sqlparser::ast::Expr;

use crate::compile::{self, AVERAGE_PLACES, AggregateCall, AggregateFunction, Grouping, Ungrouped};
use crate::exact;
use crate::expression::{Call, Node, NodeKind, Type};
use crate::problem::{Position, SqlProblem};
use crate::scope::Scope;
use crate::select::SelectParts;
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
}

/// What AWS says about SELECTs with aggregates.
const RULE: &str =
    "an aggregate over a stream needs a GROUP BY term on ROWTIME, or its groups would never end";

/// The longest window: a day.
const LONGEST: i64 = 86_400_000;

impl<'s> Groups<'s> {
    /// The groups of a SELECT.
    ///
    /// # Errors
    ///
    /// [`SqlProblem`] for each term that is not supported, or if none is a window.
    pub(crate) fn new(parts: &SelectParts<'_>, scope: &'s Scope) -> Result<Self, Vec<SqlProblem>> {
        let mut problems = Vec::new();
        let mut terms: Vec<Term> = Vec::new();
        for expr in parts.group_by {
            match compile::compile(expr, scope, &mut Ungrouped) {
                Ok(node) if terms.iter().any(|term| term.node == node) => {}
                Ok(node) => terms.push(Term {
                    node,
                    name: compile::canonical(expr),
                }),
                Err(problem) => problems.push(problem),
            }
        }
        let windows = terms
            .iter()
            .enumerate()
            .filter_map(|(index, term)| Some((compile::window_millis(&term.node)?, index)));
        let shortest = windows.min();
        // Beside a window, other functions of ROWTIME are keys.
        let is_wrong = |term: &&Term| shortest.is_none() || term.node.kind == NodeKind::RowTime;
        problems.extend(terms.iter().filter(is_wrong).filter_map(of_row_time));
        match shortest {
            Some((millis, _)) if millis % 1000 != 0 => {
                let reason = "windows of whole seconds are supported";
                problems.push(SqlProblem::new(parts.at, "GROUP BY", reason));
            }
            Some((millis, _)) if millis > LONGEST => {
                let reason = "windows of up to a day are supported";
                problems.push(SqlProblem::new(parts.at, "GROUP BY", reason));
            }
            Some((window_millis, window)) if problems.is_empty() => {
                return Ok(Self {
                    scope,
                    terms,
                    window,
                    window_millis,
                    aggregates: Vec::new(),
                });
            }
            None if problems.is_empty() => problems.push(without_window(&terms, parts)),
            _ => {}
        }
        Err(problems)
    }

    /// The index of an aggregate, which is added if it is new.
    fn aggregate(&mut self, call: &AggregateCall<'_>) -> Result<Node, SqlProblem> {
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
        Node::new(NodeKind::Convert(Box::new(sum)), value_type, call.at)
    }
}

impl Grouping for Groups<'_> {
    fn column(&mut self, expr: &Expr) -> Result<Option<Node>, SqlProblem> {
        if let Some(call) = compile::aggregate_of(expr)? {
            return self.aggregate(&call).map(Some);
        }
        if matches!(expr, Expr::Value(_) | Expr::Nested(_)) {
            return Ok(None);
        }
        let Ok(node) = compile::compile(expr, self.scope, &mut Ungrouped) else {
            return Ok(None);
        };
        let term = self.terms.iter().position(|term| term.node == node);
        if let Some(index) = term {
            let column = NodeKind::Column(index);
            return Ok(Some(Node::leaf(column, node.value_type, node.at)));
        }
        if matches!(node.kind, NodeKind::Column(_) | NodeKind::ArrivalTime) {
            let construct = format!("column {}", compile::canonical(expr));
            let reason = "it is neither in GROUP BY nor in an aggregate";
            return Err(SqlProblem::new(node.at, construct, reason));
        }
        Ok(None)
    }
}

/// Terms on ROWTIME that are no window of a fixed length.
fn of_row_time(term: &Term) -> Option<SqlProblem> {
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
    let construct = format!("GROUP BY {}", term.name);
    let problem = SqlProblem::new(term.node.at, construct, reason);
    Some(problem.rewrite("use FLOOR(ROWTIME TO MINUTE) or STEP(ROWTIME BY INTERVAL '10' SECOND)"))
}

fn without_window(terms: &[Term], parts: &SelectParts<'_>) -> SqlProblem {
    let construct = if terms.is_empty() {
        "an aggregate without GROUP BY"
    } else {
        "GROUP BY without a ROWTIME term"
    };
    let at = terms.first().map_or(parts.at, |term| term.node.at);
    let problem = SqlProblem::new(at, construct, RULE);
    let is_time = |term: &Term| matches!(term.node.kind, NodeKind::Call(Call::FloorTime(_), _));
    let stream = &parts.from.text;
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
