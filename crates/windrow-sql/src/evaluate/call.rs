//! Evaluates functions.

use std::borrow::Cow;

use windrow_core::decimal::Decimal;
use windrow_core::value::FieldValue;

use super::{EvalRow, Evaluated, OUT_OF_RANGE, decimal, evaluate, float, order};
use crate::convert;
use crate::exact;
use crate::expression::{Call, Node, Type};
use crate::moment;
use crate::types::SqlType;

/// The value of a call. All functions but COALESCE are NULL if an argument is.
pub(super) fn call<'r>(
    function: Call,
    args: &'r [Node],
    node: &'r Node,
    row: EvalRow<'r>,
) -> Evaluated<'r> {
    match function {
        Call::Coalesce => return coalesce(args, row),
        Call::NullIf => return null_if(args, row),
        _ => {}
    }
    let first = evaluate(&args[0], row)?;
    if first.is_null() {
        return Ok(first);
    }
    match function {
        Call::Upper
        | Call::Lower
        | Call::InitCap
        | Call::CharLength
        | Call::Trim { .. }
        | Call::Substring
        | Call::Position
        | Call::Overlay
        | Call::Concat => text_call(function, text(first), args, node, row),
        Call::FloorTime(_)
        | Call::CeilTime(_)
        | Call::FloorCalendar(_)
        | Call::Extract(_)
        | Call::UnixTimestamp
        | Call::ToTimestamp => time_call(function, &first, node),
        Call::Step | Call::Power => {
            let second = evaluate(&args[1], row)?;
            number_call(function, &first, &second, node)
        }
        _ => number_call(function, &first, &FieldValue::Null, node),
    }
}

fn coalesce<'r>(args: &'r [Node], row: EvalRow<'r>) -> Evaluated<'r> {
    for arg in args {
        let value = evaluate(arg, row)?;
        if !value.is_null() {
            return Ok(value);
        }
    }
    Ok(FieldValue::Null)
}

fn null_if<'r>(args: &'r [Node], row: EvalRow<'r>) -> Evaluated<'r> {
    let (left, right) = (evaluate(&args[0], row)?, evaluate(&args[1], row)?);
    let is_char = |node: &Node| matches!(node.value_type, Type::Sql(SqlType::Char(_)));
    match order(&left, &right, args.iter().any(is_char)) {
        Some(ordering) if ordering.is_eq() => Ok(FieldValue::Null),
        _ => Ok(left),
    }
}

fn text(value: FieldValue<'_>) -> Cow<'_, str> {
    match value {
        FieldValue::Text(text) => text,
        _ => Cow::Borrowed(""),
    }
}

fn integer(value: i64) -> FieldValue<'static> {
    FieldValue::Number(Decimal {
        unscaled: value.into(),
        scale: 0,
    })
}

fn length(text: &str) -> i64 {
    text.chars().count().try_into().unwrap_or(i64::MAX)
}

fn text_call<'r>(
    function: Call,
    first: Cow<'r, str>,
    args: &'r [Node],
    node: &'r Node,
    row: EvalRow<'r>,
) -> Evaluated<'r> {
    let Some(second) = args.get(1) else {
        return Ok(match function {
            Call::Upper => FieldValue::Text(first.to_uppercase().into()),
            Call::Lower => FieldValue::Text(first.to_lowercase().into()),
            Call::InitCap => FieldValue::Text(initials(&first).into()),
            _ => integer(length(&first)),
        });
    };
    let second = evaluate(second, row)?;
    let third = match args.get(2) {
        Some(third) => Some(evaluate(third, row)?),
        None => None,
    };
    let fourth = match args.get(3) {
        Some(fourth) => Some(evaluate(fourth, row)?),
        None => None,
    };
    if second.is_null()
        || [&third, &fourth]
            .into_iter()
            .flatten()
            .any(FieldValue::is_null)
    {
        return Ok(FieldValue::Null);
    }
    match function {
        Call::Trim { leading, trailing } => trim(first, &text(second), [leading, trailing], node),
        Call::Substring => {
            let (start, count) = (whole(&second), third.as_ref().map(whole));
            if count.is_some_and(|count| count < 0) {
                return Err(node.failure("the length of a substring is below zero"));
            }
            Ok(FieldValue::Text(substring(first, start, count)))
        }
        Call::Position => Ok(integer(position(&first, &text(second)))),
        Call::Overlay => {
            let start = third.as_ref().map_or(1, whole);
            let put = text(second);
            let count = fourth.as_ref().map_or_else(|| length(&put), whole);
            if start < 1 || count < 0 {
                return Err(
                    node.failure("the start of OVERLAY is below one, or its length below zero")
                );
            }
            let before = substring(Cow::Borrowed(&first), 1, Some(start - 1));
            let after = substring(Cow::Borrowed(&first), start.saturating_add(count), None);
            Ok(FieldValue::Text(format!("{before}{put}{after}").into()))
        }
        _ => Ok(FieldValue::Text(first + text(second))),
    }
}

/// Each word with an upper-case initial; the rest in lower case.
fn initials(text: &str) -> String {
    let mut in_word = false;
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if in_word {
            result.extend(character.to_lowercase());
        } else {
            result.extend(character.to_uppercase());
        }
        in_word = character.is_alphanumeric();
    }
    result
}

fn trim<'r>(
    first: Cow<'r, str>,
    characters: &str,
    [leading, trailing]: [bool; 2],
    node: &Node,
) -> Evaluated<'r> {
    let mut all = characters.chars();
    let (Some(character), None) = (all.next(), all.next()) else {
        return Err(node.failure("TRIM takes exactly one character"));
    };
    let cut = |text: &str| {
        let start = if leading {
            text.len() - text.trim_start_matches(character).len()
        } else {
            0
        };
        let rest = &text[start..];
        let end = if trailing {
            rest.trim_end_matches(character).len()
        } else {
            rest.len()
        };
        start..start + end
    };
    Ok(FieldValue::Text(match first {
        Cow::Borrowed(text) => Cow::Borrowed(&text[cut(text)]),
        Cow::Owned(text) => Cow::Owned(text[cut(&text)].to_owned()),
    }))
}

/// A number cut to a whole one.
fn whole(value: &FieldValue<'_>) -> i64 {
    let number = decimal(value).and_then(|number| exact::whole(number, false));
    let unscaled = number.map_or(0, |number| number.unscaled);
    let clamped = unscaled.clamp(i64::MIN.into(), i64::MAX.into());
    clamped as i64
}

/// The characters from `start`, which counts from 1. Those before the first count, too, but there
/// are none.
fn substring(text: Cow<'_, str>, start: i64, count: Option<i64>) -> Cow<'_, str> {
    let end = count.map(|count| start.saturating_add(count).max(1));
    let start = start.max(1);
    let byte = |text: &str, character: i64| {
        let skipped = usize::try_from(character - 1).unwrap_or(0);
        let found = text.char_indices().nth(skipped);
        found.map_or(text.len(), |(byte, _)| byte)
    };
    let range = |text: &str| {
        let from = byte(text, start);
        let to = end.map_or(text.len(), |end| byte(text, end));
        from..to.max(from)
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range(text)]),
        Cow::Owned(text) => Cow::Owned(text[range(&text)].to_owned()),
    }
}

/// Where a text is in another, from 1; 0 if it is not.
fn position(searched: &str, text: &str) -> i64 {
    match text.find(searched) {
        Some(byte) => length(&text[..byte]) + 1,
        None => 0,
    }
}

fn time_call<'r>(function: Call, first: &FieldValue<'r>, node: &'r Node) -> Evaluated<'r> {
    let out_of_range = || node.failure(OUT_OF_RANGE);
    match (function, first) {
        (Call::FloorTime(millis), FieldValue::Timestamp(time)) => {
            let floored = moment::floor(*time, millis).ok_or_else(out_of_range)?;
            Ok(FieldValue::Timestamp(floored))
        }
        (Call::CeilTime(millis), FieldValue::Timestamp(time)) => {
            let ceiled = moment::ceil(*time, millis).ok_or_else(out_of_range)?;
            Ok(FieldValue::Timestamp(ceiled))
        }
        (Call::FloorTime(millis), FieldValue::Number(interval)) => {
            Ok(FieldValue::Number(Decimal {
                unscaled: interval.unscaled - interval.unscaled.rem_euclid(millis.into()),
                scale: 0,
            }))
        }
        (Call::CeilTime(millis), FieldValue::Number(interval)) => {
            let to_next = (-interval.unscaled).rem_euclid(millis.into());
            Ok(FieldValue::Number(Decimal {
                unscaled: interval.unscaled + to_next,
                scale: 0,
            }))
        }
        (Call::FloorCalendar(field), FieldValue::Timestamp(time)) => {
            let floored = moment::floor_calendar(*time, field).ok_or_else(out_of_range)?;
            Ok(FieldValue::Timestamp(floored))
        }
        (Call::Extract(field), FieldValue::Timestamp(time)) => Ok(integer(
            moment::extract(*time, field).ok_or_else(out_of_range)?,
        )),
        (Call::UnixTimestamp, FieldValue::Timestamp(time)) => Ok(integer(time.millis())),
        (Call::ToTimestamp, FieldValue::Number(millis)) => {
            let time = i64::try_from(millis.unscaled)
                .ok()
                .and_then(moment::of_millis);
            Ok(FieldValue::Timestamp(time.ok_or_else(out_of_range)?))
        }
        _ => Ok(FieldValue::Null),
    }
}

fn number_call<'r>(
    function: Call,
    first: &FieldValue<'r>,
    second: &FieldValue<'r>,
    node: &'r Node,
) -> Evaluated<'r> {
    let sql_type = node.value_type.sql().unwrap_or(SqlType::BigInt);
    let result = match decimal(first) {
        Some(number) if sql_type.is_exact() => exact_call(function, number, second, sql_type),
        _ => match float(first) {
            Some(number) => float_call(function, number, second, sql_type),
            None => Ok(FieldValue::Null),
        },
    };
    result.map_err(|reason| node.failure(reason))
}

fn exact_call(
    function: Call,
    number: Decimal,
    second: &FieldValue<'_>,
    sql_type: SqlType,
) -> Result<FieldValue<'static>, String> {
    let result = match function {
        Call::Absolute if number.unscaled < 0 => exact::negate(number),
        Call::Absolute => Some(number),
        Call::Ceiling => exact::whole(number, true),
        Call::Floor => exact::whole(number, false),
        Call::Sign => Some(Decimal {
            unscaled: number.unscaled.signum(),
            scale: 0,
        }),
        _ => {
            let Some(step) = decimal(second) else {
                return Ok(FieldValue::Null);
            };
            if step.unscaled <= 0 {
                return Err("the step is not above zero".to_owned());
            }
            let rest = number.unscaled.rem_euclid(step.unscaled);
            let unscaled = number.unscaled.checked_sub(rest);
            unscaled.map(|unscaled| Decimal { unscaled, scale: 0 })
        }
    };
    convert::in_range(result, sql_type).map(FieldValue::Number)
}

fn float_call(
    function: Call,
    number: f64,
    second: &FieldValue<'_>,
    sql_type: SqlType,
) -> Result<FieldValue<'static>, String> {
    let result = match function {
        Call::Absolute => number.abs(),
        Call::Ceiling => number.ceil(),
        Call::Floor => number.floor(),
        Call::Sign if number == 0.0 => 0.0,
        Call::Sign => number.signum(),
        Call::SquareRoot if number < 0.0 => return Err(of_negative("square root")),
        Call::SquareRoot => number.sqrt(),
        Call::Exponential => number.exp(),
        Call::Logarithm | Call::Logarithm10 if number <= 0.0 => {
            return Err("the logarithm of a number that is not above zero".to_owned());
        }
        Call::Logarithm => number.ln(),
        Call::Logarithm10 => number.log10(),
        _ => match float(second) {
            Some(second) => number.powf(second),
            None => return Ok(FieldValue::Null),
        },
    };
    convert::finite(result, sql_type)
}

fn of_negative(function: &str) -> String {
    format!("the {function} of a number below zero")
}
