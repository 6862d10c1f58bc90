//! Times, intervals and their units.

use sqlparser::ast::{CeilFloorKind, DateTimeField, Expr, Interval, TypedString};
use windrow_core::decimal::Decimal;
use windrow_core::value::Value;

use super::call::check;
use super::{Compiled, unsupported};
use crate::expression::{Arithmetic, Call, Node, NodeKind, TimeField, Type};
use crate::moment;
use crate::problem::{Position, SqlProblem};
use crate::time_pattern::TimePattern;
use crate::types::{MOST_CHARACTERS, SqlType};

/// `TIMESTAMP '2026-03-01 22:49:10'`, `DATE '...'` and `TIME '...'`.
pub(super) fn typed(typed: &TypedString, at: Position) -> Compiled {
    let name = typed.data_type.to_string();
    let sql_type: Result<SqlType, _> = name.parse();
    let text = typed.value.value.clone().into_string().unwrap_or_default();
    match sql_type {
        Ok(sql_type @ (SqlType::Date | SqlType::Time | SqlType::Timestamp)) => {
            let Some(time) = moment::parse(&text, sql_type) else {
                let reason = format!("'{text}' is not a value of {sql_type}");
                return Err(SqlProblem::new(at, format!("a {sql_type} literal"), reason));
            };
            let constant = NodeKind::Constant(Value::Timestamp(time));
            Ok(Node::leaf(constant, Type::Sql(sql_type), at))
        }
        _ => Err(unsupported(at, format!("a {name} literal"))),
    }
}

/// The milliseconds of a unit.
fn millis_of(field: &DateTimeField) -> Option<i64> {
    Some(match field {
        DateTimeField::Millisecond | DateTimeField::Milliseconds => 1,
        DateTimeField::Second | DateTimeField::Seconds => 1000,
        DateTimeField::Minute | DateTimeField::Minutes => 60_000,
        DateTimeField::Hour | DateTimeField::Hours => 3_600_000,
        DateTimeField::Day | DateTimeField::Days => moment::DAY,
        _ => return None,
    })
}

/// `INTERVAL '10' SECOND`, `INTERVAL '1 02:03' DAY TO MINUTE`.
pub(super) fn interval(interval: &Interval, at: Position) -> Compiled {
    let Expr::Value(value) = &*interval.value else {
        return Err(unsupported(at, "an INTERVAL of an expression"));
    };
    let text = value.value.clone().into_string();
    let text = text.unwrap_or_else(|| value.value.to_string());
    let Some(first) = &interval.leading_field else {
        return Err(SqlProblem::new(at, "INTERVAL", "its unit is missing"));
    };
    let last = interval.last_field.as_ref().unwrap_or(first);
    let (Some(unit), Some(last_unit)) = (millis_of(first), millis_of(last)) else {
        let reason = "intervals of days, hours, minutes and seconds are supported";
        let construct = format!("INTERVAL '{text}' {first}");
        return Err(SqlProblem::new(at, construct, reason));
    };
    let Some(millis) = parse_interval(&text, unit, last_unit) else {
        let construct = format!("INTERVAL '{text}' {first}");
        return Err(SqlProblem::new(at, construct, "it is not a valid interval"));
    };
    let value = Value::Number(Decimal {
        unscaled: millis.into(),
        scale: 0,
    });
    Ok(Node::leaf(
        NodeKind::Constant(value),
        Type::Interval(unit),
        at,
    ))
}

/// The milliseconds of `10`, or of `1 02:03:04.5` in the units from the first to the last.
fn parse_interval(text: &str, first: i64, last: i64) -> Option<i64> {
    const UNITS: [i64; 4] = [moment::DAY, 3_600_000, 60_000, 1000];
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest.trim_start()),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if first == 1 && last == 1 {
        return text.parse::<i64>().ok()?.checked_mul(sign);
    }
    let mut units = UNITS
        .into_iter()
        .filter(|unit| (last..=first).contains(unit));
    let mut total = 0_i64;
    for part in text.split([' ', ':']) {
        let unit = units.next()?;
        let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
        let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 3 {
            return None;
        }
        if !fraction.is_empty() && unit != 1000 {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        total = total.checked_add(whole.checked_mul(unit)?)?;
        let millis: i64 = format!("{fraction:0<3}").parse().ok()?;
        total = total.checked_add(millis)?;
    }
    units.next().is_none().then_some(())?;
    total.checked_mul(sign)
}

/// `FLOOR` and `CEIL`, of a number or `TO` a unit of time.
pub(super) fn rounded(node: Node, field: &CeilFloorKind, up: bool, at: Position) -> Compiled {
    let name = if up { "CEIL" } else { "FLOOR" };
    let field = match field {
        CeilFloorKind::DateTimeField(field) => field,
        CeilFloorKind::Scale(_) => return Err(unsupported(at, format!("{name} with a scale"))),
    };
    if *field == DateTimeField::NoDateTime {
        let call = if up { Call::Ceiling } else { Call::Floor };
        return super::call::numbers(name, call, vec![node], at);
    }
    check(name, &node, |arg| {
        arg.is_moment() || matches!(arg, Type::Interval(_))
    })?;
    let value_type = match node.value_type {
        Type::Null => Type::TIMESTAMP,
        other => other,
    };
    if let Some(millis) = millis_of(field) {
        let call = if up {
            Call::CeilTime(millis)
        } else {
            Call::FloorTime(millis)
        };
        return Node::new(NodeKind::Call(call, vec![node]), value_type, at);
    }
    let call = match field {
        DateTimeField::Year => TimeField::Year,
        DateTimeField::Quarter => TimeField::Quarter,
        DateTimeField::Month => TimeField::Month,
        DateTimeField::Week(None) => TimeField::Week,
        other => return Err(unsupported(at, format!("{name} TO {other}"))),
    };
    if up || matches!(value_type, Type::Interval(_)) {
        return Err(unsupported(at, format!("{name} TO {field}")));
    }
    Node::new(
        NodeKind::Call(Call::FloorCalendar(call), vec![node]),
        value_type,
        at,
    )
}

/// `STEP(time BY interval)` and `STEP(integer BY integer)`.
pub(super) fn step(args: Vec<Node>, at: Position) -> Compiled {
    let Ok([value, by]) = <[Node; 2]>::try_from(args) else {
        return Err(SqlProblem::new(at, "STEP", "it takes a value and a step"));
    };
    let Type::Interval(_) = by.value_type else {
        check("STEP", &value, |arg| arg.is(SqlType::is_integer))?;
        check("STEP", &by, |arg| arg.is(SqlType::is_integer))?;
        return Node::new(
            NodeKind::Call(Call::Step, vec![value, by]),
            Type::BIGINT,
            at,
        );
    };
    check("STEP", &value, |arg| {
        arg.is_moment() || matches!(arg, Type::Interval(_))
    })?;
    let Some(millis) = constant_millis(&by).filter(|millis| *millis > 0) else {
        let reason = "the step is not an INTERVAL literal above zero";
        return Err(SqlProblem::new(at, "STEP", reason));
    };
    let value_type = match value.value_type {
        Type::Null => Type::TIMESTAMP,
        other => other,
    };
    Node::new(
        NodeKind::Call(Call::FloorTime(millis), vec![value]),
        value_type,
        at,
    )
}

/// The milliseconds of an interval literal, or another whole number.
pub(crate) fn constant_millis(node: &Node) -> Option<i64> {
    match &node.kind {
        NodeKind::Constant(Value::Number(number)) if number.scale == 0 => {
            i64::try_from(number.unscaled).ok()
        }
        _ => None,
    }
}

/// `EXTRACT(unit FROM time)`.
pub(super) fn extract(node: Node, field: &DateTimeField, at: Position) -> Compiled {
    check("EXTRACT", &node, Type::is_moment)?;
    let field = match field {
        DateTimeField::Year => TimeField::Year,
        DateTimeField::Quarter => TimeField::Quarter,
        DateTimeField::Month => TimeField::Month,
        DateTimeField::Week(None) => TimeField::Week,
        DateTimeField::Day => TimeField::Day,
        DateTimeField::Dow | DateTimeField::DayOfWeek => TimeField::DayOfWeek,
        DateTimeField::Doy | DateTimeField::DayOfYear => TimeField::DayOfYear,
        DateTimeField::Hour => TimeField::Hour,
        DateTimeField::Minute => TimeField::Minute,
        DateTimeField::Second => TimeField::Second,
        DateTimeField::Millisecond => TimeField::Millisecond,
        DateTimeField::Epoch => TimeField::Epoch,
        other => return Err(unsupported(at, format!("EXTRACT of {other}"))),
    };
    Node::new(
        NodeKind::Call(Call::Extract(field), vec![node]),
        Type::BIGINT,
        at,
    )
}

/// `TIMESTAMP_TO_CHAR(pattern, time)`, and those of dates and times of day.
pub(super) fn to_char(name: &str, pattern: &Node, time: Node, at: Position) -> Compiled {
    let NodeKind::Constant(Value::Text(text)) = &pattern.kind else {
        let reason = "its pattern is not a literal, and only literals are supported";
        return Err(SqlProblem::new(pattern.at, name, reason));
    };
    let pattern = TimePattern::parse(text)
        .map_err(|reason| SqlProblem::new(pattern.at, format!("the pattern '{text}'"), reason))?;
    check(name, &time, Type::is_moment)?;
    // AWS documents this text, for this function alone.
    let of_null = (name == "TIMESTAMP_TO_CHAR").then_some("null");
    let shortest = of_null.map_or(1, str::len);
    let length = u32::try_from(pattern.longest().max(shortest)).unwrap_or(MOST_CHARACTERS);
    let value_type = Type::Sql(SqlType::Varchar(length));
    let kind = NodeKind::Format(Box::new([time]), pattern, of_null);
    Node::new(kind, value_type, at)
}

/// `(a - b) SECOND`, of the two times.
pub(super) fn difference(args: Vec<Node>, unit: &str, at: Position) -> Compiled {
    let millis = match unit {
        "SECOND" => 1000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => moment::DAY,
        other => {
            let reason = "differences in days, hours, minutes and seconds are supported";
            return Err(SqlProblem::new(at, format!("(a - b) {other}"), reason));
        }
    };
    let Ok([left, right]) = <[Node; 2]>::try_from(args) else {
        return Err(SqlProblem::new(
            at,
            format!("(...) {unit}"),
            "it is not a difference",
        ));
    };
    check("-", &left, Type::is_moment)?;
    check("-", &right, Type::is_moment)?;
    let pair = Box::new([left, right]);
    Node::new(NodeKind::Difference(pair), Type::Interval(millis), at)
}

/// The milliseconds between two times.
pub(super) fn millis_between(left: Node, right: Node) -> Compiled {
    let at = left.at;
    check("TSDIFF", &left, Type::is_moment)?;
    check("TSDIFF", &right, Type::is_moment)?;
    let pair = Box::new([left, right]);
    Node::new(NodeKind::Difference(pair), Type::BIGINT, at)
}

/// The length in milliseconds of the tumbling window that a term of GROUP BY defines; `None` if it
/// is no such term.
///
/// Terms are FLOOR and STEP of ROWTIME, and the idiom `FLOOR((ROWTIME - TIMESTAMP '1970-01-01
/// 00:00:00') SECOND / 10 TO SECOND)`, whose windows last 10 of its units.
pub(crate) fn window_millis(term: &Node) -> Option<i64> {
    let NodeKind::Call(Call::FloorTime(unit), args) = &term.kind else {
        return None;
    };
    let (inner, count) = match &args[0].kind {
        NodeKind::Arithmetic(Arithmetic::Divide, pair) => (&pair[0], constant_millis(&pair[1])?),
        _ => (&args[0], 1),
    };
    let millis = unit.checked_mul(count).filter(|millis| *millis > 0)?;
    match &inner.kind {
        NodeKind::RowTime if count == 1 => Some(millis),
        NodeKind::Difference(pair) => match &pair[..] {
            [
                Node {
                    kind: NodeKind::RowTime,
                    ..
                },
                Node {
                    kind: NodeKind::Constant(Value::Timestamp(from)),
                    ..
                },
            ] => {
                let is_aligned = from.millis().rem_euclid(millis) == 0;
                is_aligned.then_some(millis)
            }
            _ => None,
        },
        _ => None,
    }
}
