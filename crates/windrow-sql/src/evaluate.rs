//! Evaluates expressions.

mod call;

use std::borrow::Cow;
use std::cmp::Ordering;

use windrow_core::decimal::Decimal;
use windrow_core::time::Timestamp;
use windrow_core::value::FieldValue;

use crate::convert;
use crate::exact;
use crate::expression::{Arithmetic, Comparison, Node, NodeKind, Type};
use crate::moment;
use crate::problem::Position;
use crate::types::SqlType;

/// What an expression is evaluated on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvalRow<'r> {
    /// The values of the columns.
    pub(crate) values: &'r [FieldValue<'r>],
    /// The time of the row.
    pub(crate) time: Timestamp,
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EvalFailure {
    /// Where the expression is.
    pub(crate) at: Position,
    /// Why.
    pub(crate) reason: String,
}

type Evaluated<'r> = Result<FieldValue<'r>, EvalFailure>;

/// What is wrong with a time beyond the years 0 to 9999.
const OUT_OF_RANGE: &str = "the time is out of range";

/// The value of an expression.
///
/// # Errors
///
/// [`EvalFailure`] for a division by zero, a number out of range and the like.
#[inline]
pub(crate) fn evaluate<'r>(node: &'r Node, row: EvalRow<'r>) -> Evaluated<'r> {
    // Most keys and aggregates are of columns.
    if let NodeKind::Column(index) = node.kind
        && let Some(value) = row.values.get(index)
    {
        return Ok(borrowed(value));
    }
    compute(node, row)
}

fn compute<'r>(node: &'r Node, row: EvalRow<'r>) -> Evaluated<'r> {
    match &node.kind {
        NodeKind::Constant(value) => Ok(value.into()),
        NodeKind::Column(index) => Ok(row.values.get(*index).map_or(FieldValue::Null, borrowed)),
        NodeKind::RowTime | NodeKind::ArrivalTime => Ok(FieldValue::Timestamp(row.time)),
        NodeKind::Compare(comparison, is_padded, pair) => {
            compare(*comparison, *is_padded, pair, row)
        }
        NodeKind::And(nodes) => all(nodes, false, row),
        NodeKind::Or(nodes) => all(nodes, true, row),
        NodeKind::Not(inner) => Ok(negated(evaluate(inner, row)?)),
        NodeKind::IsNull(inner) => Ok(FieldValue::Boolean(evaluate(inner, row)?.is_null())),
        NodeKind::Is(expected, inner) => {
            let value = evaluate(inner, row)?;
            Ok(FieldValue::Boolean(value == FieldValue::Boolean(*expected)))
        }
        NodeKind::Matches(text, pattern) => Ok(match evaluate(&text[0], row)? {
            FieldValue::Text(text) => FieldValue::Boolean(pattern.matches(&text)),
            _ => FieldValue::Null,
        }),
        NodeKind::Format(time, pattern, of_null) => Ok(match evaluate(&time[0], row)? {
            FieldValue::Timestamp(time) => {
                let date = moment::date(time).ok_or_else(|| node.failure(OUT_OF_RANGE))?;
                let of_day = time.millis().rem_euclid(moment::DAY);
                FieldValue::Text(pattern.format(date, of_day).into())
            }
            _ => of_null.map_or(FieldValue::Null, |text| FieldValue::Text(text.into())),
        }),
        NodeKind::Case(branches, otherwise) => case(branches, otherwise, row),
        NodeKind::Convert(inner) => converted(node, inner, row),
        NodeKind::Call(function, args) => call::call(*function, args, node, row),
        NodeKind::Arithmetic(operator, pair) => arithmetic(*operator, pair, node, row),
        NodeKind::Negate(inner) => negate(node, inner, row),
        NodeKind::Shift(sign, pair) => shift(*sign, pair, node, row),
        NodeKind::Difference(pair) => difference(pair, row),
    }
}

/// Whether a condition is true; unknown is not.
///
/// # Errors
///
/// [`EvalFailure`] as in [`evaluate`].
pub(crate) fn is_true(node: &Node, row: EvalRow<'_>) -> Result<bool, EvalFailure> {
    // The lifetimes of the condition and of the row need not be the same.
    let row = EvalRow { ..row };
    Ok(evaluate(node, row)? == FieldValue::Boolean(true))
}

#[inline]
fn borrowed<'r>(value: &'r FieldValue<'r>) -> FieldValue<'r> {
    match value {
        FieldValue::Text(text) => FieldValue::Text(Cow::Borrowed(text)),
        FieldValue::Null => FieldValue::Null,
        FieldValue::Boolean(value) => FieldValue::Boolean(*value),
        FieldValue::Number(number) => FieldValue::Number(*number),
        FieldValue::Float(float) => FieldValue::Float(*float),
        FieldValue::Timestamp(time) => FieldValue::Timestamp(*time),
    }
}

impl Node {
    /// A failure of this expression.
    fn failure(&self, reason: impl Into<String>) -> EvalFailure {
        EvalFailure {
            at: self.at,
            reason: reason.into(),
        }
    }
}

/// The value of `AND`, or of `OR` if `decisive` is true: the value that decides without the rest.
fn all<'r>(nodes: &'r [Node], decisive: bool, row: EvalRow<'r>) -> Evaluated<'r> {
    let mut is_unknown = false;
    for node in nodes {
        match evaluate(node, row)? {
            FieldValue::Boolean(value) if value == decisive => {
                return Ok(FieldValue::Boolean(decisive));
            }
            FieldValue::Boolean(_) => {}
            _ => is_unknown = true,
        }
    }
    Ok(if is_unknown {
        FieldValue::Null
    } else {
        FieldValue::Boolean(!decisive)
    })
}

fn negated(value: FieldValue<'_>) -> FieldValue<'_> {
    match value {
        FieldValue::Boolean(value) => FieldValue::Boolean(!value),
        _ => FieldValue::Null,
    }
}

fn case<'r>(branches: &'r [[Node; 2]], otherwise: &'r Node, row: EvalRow<'r>) -> Evaluated<'r> {
    for [condition, result] in branches {
        if is_true(condition, row)? {
            return evaluate(result, row);
        }
    }
    evaluate(otherwise, row)
}

fn converted<'r>(node: &'r Node, inner: &'r Node, row: EvalRow<'r>) -> Evaluated<'r> {
    let value = evaluate(inner, row)?;
    match node.value_type {
        Type::Sql(to) => {
            convert::convert(value, inner.value_type, to).map_err(|error| inner.failure(error))
        }
        _ => Ok(value),
    }
}

fn compare<'r>(
    comparison: Comparison,
    is_padded: bool,
    [left, right]: &'r [Node; 2],
    row: EvalRow<'r>,
) -> Evaluated<'r> {
    let (left, right) = (evaluate(left, row)?, evaluate(right, row)?);
    let Some(ordering) = order(&left, &right, is_padded) else {
        return Ok(FieldValue::Null);
    };
    Ok(FieldValue::Boolean(match comparison {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    }))
}

/// How two values compare; `None` if one is missing. Exact numbers are compared with floats as
/// floats, and texts by their characters, without the blanks at their ends if `is_padded`.
pub(crate) fn order(
    left: &FieldValue<'_>,
    right: &FieldValue<'_>,
    is_padded: bool,
) -> Option<Ordering> {
    use FieldValue::{Boolean, Float, Number, Text, Timestamp};
    Some(match (left, right) {
        (Number(left), Number(right)) => exact::compare(*left, *right),
        (Float(left), Float(right)) => left.cmp(right),
        (Number(left), Float(right)) => exact::to_float(*left).total_cmp(&right.value()),
        (Float(left), Number(right)) => left.value().total_cmp(&exact::to_float(*right)),
        (Text(left), Text(right)) if is_padded => {
            left.trim_end_matches(' ').cmp(right.trim_end_matches(' '))
        }
        (Text(left), Text(right)) => left.cmp(right),
        (Timestamp(left), Timestamp(right)) => left.cmp(right),
        (Boolean(left), Boolean(right)) => left.cmp(right),
        _ => return None,
    })
}

/// A number as a float; `None` if it is missing.
fn float(value: &FieldValue<'_>) -> Option<f64> {
    match value {
        FieldValue::Float(float) => Some(float.value()),
        FieldValue::Number(number) => Some(exact::to_float(*number)),
        _ => None,
    }
}

/// A number as a decimal; `None` if it is missing.
fn decimal(value: &FieldValue<'_>) -> Option<Decimal> {
    match value {
        FieldValue::Number(number) => Some(*number),
        _ => None,
    }
}

fn arithmetic<'r>(
    operator: Arithmetic,
    [left_node, right_node]: &'r [Node; 2],
    node: &'r Node,
    row: EvalRow<'r>,
) -> Evaluated<'r> {
    let (left, right) = (evaluate(left_node, row)?, evaluate(right_node, row)?);
    if left.is_null() || right.is_null() {
        return Ok(FieldValue::Null);
    }
    let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Modulo);
    if divides && float(&right) == Some(0.0) {
        return Err(right_node.failure("division by zero"));
    }
    let result = match node.value_type {
        Type::Sql(sql_type) if sql_type.is_float() => {
            floats(operator, float(&left), float(&right), sql_type)
        }
        // Intervals are whole milliseconds, and may be multiplied and divided by any number.
        Type::Interval(_)
            if left_node.value_type.is_float() || right_node.value_type.is_float() =>
        {
            floats(operator, float(&left), float(&right), SqlType::Double)
                .and_then(|value| convert::convert(value, Type::DOUBLE, SqlType::BigInt))
        }
        value_type => {
            let sql_type = value_type.sql().unwrap_or(SqlType::BigInt);
            match (decimal(&left), decimal(&right)) {
                (Some(left), Some(right)) => decimals(operator, left, right, sql_type),
                _ => Ok(FieldValue::Null),
            }
        }
    };
    result.map_err(|reason| node.failure(reason))
}

fn floats(
    operator: Arithmetic,
    left: Option<f64>,
    right: Option<f64>,
    sql_type: SqlType,
) -> Result<FieldValue<'static>, String> {
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(FieldValue::Null);
    };
    let result = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left % right,
    };
    convert::finite(result, sql_type)
}

fn decimals(
    operator: Arithmetic,
    left: Decimal,
    right: Decimal,
    sql_type: SqlType,
) -> Result<FieldValue<'static>, String> {
    let scale = sql_type.scale();
    let result = match operator {
        Arithmetic::Add => exact::add(left, right, scale),
        Arithmetic::Subtract => {
            exact::negate(right).and_then(|right| exact::add(left, right, scale))
        }
        Arithmetic::Multiply => exact::multiply(left, right, scale),
        Arithmetic::Divide => exact::divide(left, right, scale, sql_type.is_integer()),
        Arithmetic::Modulo => exact::modulo(left, right, scale),
    };
    convert::in_range(result, sql_type).map(FieldValue::Number)
}

fn negate<'r>(node: &'r Node, inner: &'r Node, row: EvalRow<'r>) -> Evaluated<'r> {
    match evaluate(inner, row)? {
        FieldValue::Float(float) => {
            convert::finite(-float.value(), SqlType::Double).map_err(|reason| node.failure(reason))
        }
        FieldValue::Number(number) => {
            let sql_type = node.value_type.sql().unwrap_or(SqlType::BigInt);
            convert::in_range(exact::negate(number), sql_type)
                .map(FieldValue::Number)
                .map_err(|reason| node.failure(reason))
        }
        _ => Ok(FieldValue::Null),
    }
}

fn shift<'r>(
    sign: i8,
    [time, interval]: &'r [Node; 2],
    node: &'r Node,
    row: EvalRow<'r>,
) -> Evaluated<'r> {
    let (FieldValue::Timestamp(time), FieldValue::Number(interval)) =
        (evaluate(time, row)?, evaluate(interval, row)?)
    else {
        return Ok(FieldValue::Null);
    };
    let nanos = interval.unscaled.checked_mul(i128::from(sign) * 1_000_000);
    let shifted = nanos.and_then(|nanos| time.nanos().checked_add(nanos));
    let shifted = shifted.and_then(Timestamp::from_nanos);
    let sql_type = node.value_type.sql().unwrap_or(SqlType::Timestamp);
    let shifted = match sql_type {
        SqlType::Time => shifted.and_then(|time| moment::round_to(time, sql_type)),
        _ => shifted,
    };
    let shifted = shifted.ok_or_else(|| node.failure(OUT_OF_RANGE))?;
    Ok(FieldValue::Timestamp(shifted))
}

fn difference<'r>([left, right]: &'r [Node; 2], row: EvalRow<'r>) -> Evaluated<'r> {
    let (FieldValue::Timestamp(left), FieldValue::Timestamp(right)) =
        (evaluate(left, row)?, evaluate(right, row)?)
    else {
        return Ok(FieldValue::Null);
    };
    // Milliseconds of ten thousand years.
    Ok(FieldValue::Number(Decimal {
        unscaled: i128::from(left.millis()) - i128::from(right.millis()),
        scale: 0,
    }))
}
