//! Checks a pattern, and compiles it.

use super::{FieldRule, JsonObject, NumericComparison, PatternFields, TextTest, ValueTest};
use crate::mapping::filter::json::FilterValue;
use crate::mapping::filter::{FilterError, FilterProblem};

/// The largest number that can be compared, either way.
const LARGEST: f64 = 5.0e9;

/// The operators that Lambda documents.
const OPERATORS: [&str; 6] = [
    "anything-but",
    "equals-ignore-case",
    "exists",
    "numeric",
    "prefix",
    "suffix",
];

type Parsed<T> = Result<T, FilterError>;

/// Compiles an object of a pattern. `place` is where it is, for errors.
pub(in crate::mapping::filter) fn parse(
    pattern: &FilterValue,
    place: &str,
) -> Parsed<PatternFields> {
    let FilterValue::Object(object) = pattern else {
        return fail(place, FilterProblem::Expected("an object", pattern.kind()));
    };
    if object.is_empty() {
        return fail(place, FilterProblem::Empty);
    }
    let mut fields = PatternFields::default();
    for (key, value) in object {
        let place = at(place, key);
        if let Some(alternatives) = alternatives(key, value) {
            let parsed = alternatives.iter().enumerate();
            let parsed = parsed.map(|(index, value)| parse(value, &format!("{place}[{index}]")));
            fields.any_of.push(parsed.collect::<Parsed<_>>()?);
            continue;
        }
        let rule = match value {
            FilterValue::Object(_) => FieldRule::Object(parse(value, &place)?),
            FilterValue::List(values) if values.is_empty() => {
                return fail(&place, FilterProblem::Empty);
            }
            FilterValue::List(values) => {
                let tests = values.iter().enumerate();
                let tests = tests.map(|(index, value)| test(value, &format!("{place}[{index}]")));
                FieldRule::Values(tests.collect::<Parsed<_>>()?)
            }
            value => return fail(&place, FilterProblem::NotAList(value.kind())),
        };
        fields.fields.push((key.clone(), rule));
    }
    Ok(fields)
}

/// The place of a field.
pub(in crate::mapping::filter) fn at(place: &str, key: &str) -> String {
    format!("{place}.{key}")
}

fn fail<T>(place: &str, problem: FilterProblem) -> Parsed<T> {
    Err(FilterError {
        place: place.to_owned(),
        problem,
    })
}

/// The alternatives of `$or`. As in EventBridge, it is a field like others unless its value is a list
/// of two objects or more, none of which is an operator.
fn alternatives<'a>(key: &str, value: &'a FilterValue) -> Option<&'a [FilterValue]> {
    let FilterValue::List(values) = value else {
        return None;
    };
    let is_pattern = |value: &FilterValue| match value {
        FilterValue::Object(object) => !object.keys().any(|key| OPERATORS.contains(&key.as_str())),
        _ => false,
    };
    (key == "$or" && values.len() > 1 && values.iter().all(is_pattern)).then_some(values.as_slice())
}

/// Compiles one value of a list.
fn test(value: &FilterValue, place: &str) -> Parsed<ValueTest> {
    match value {
        FilterValue::Object(operator) => operator_test(operator, place),
        FilterValue::List(_) => fail(place, FilterProblem::NestedList),
        value => Ok(ValueTest::Is(TextTest::Equals(value.clone()))),
    }
}

/// The only operator of an object, its operand, and where that is.
fn operation<'a>(
    object: &'a JsonObject,
    place: &str,
) -> Parsed<(&'a str, &'a FilterValue, String)> {
    match (object.iter().next(), object.len()) {
        (Some((operator, operand)), 1) => Ok((operator, operand, at(place, operator))),
        (None, _) => fail(place, FilterProblem::Empty),
        _ => fail(place, FilterProblem::SeveralOperators),
    }
}

fn operator_test(object: &JsonObject, place: &str) -> Parsed<ValueTest> {
    let (operator, operand, place) = operation(object, place)?;
    match (operator, operand) {
        ("exists", FilterValue::Bool(exists)) => Ok(ValueTest::Exists(*exists)),
        ("exists", other) => fail(&place, FilterProblem::Expected("a boolean", other.kind())),
        ("numeric", operand) => numeric(operand, &place),
        ("anything-but", operand) => anything_but(operand, &place),
        (operator, operand) => Ok(ValueTest::Is(text_test(operator, operand, &place)?)),
    }
}

/// `prefix`, `suffix` or `equals-ignore-case`. The first two may hold the last one.
fn text_test(operator: &str, operand: &FilterValue, place: &str) -> Parsed<TextTest> {
    if !["prefix", "suffix", "equals-ignore-case"].contains(&operator) {
        return fail(place, FilterProblem::UnknownOperator(operator.to_owned()));
    }
    let (text, ignores_case) = match operand {
        FilterValue::Text(text) => (text, operator == "equals-ignore-case"),
        FilterValue::Object(object) if operator != "equals-ignore-case" => {
            match operation(object, place)? {
                ("equals-ignore-case", FilterValue::Text(text), _) => (text, true),
                ("equals-ignore-case", other, place) => {
                    return fail(&place, FilterProblem::Expected("a string", other.kind()));
                }
                (other, _, place) => {
                    return fail(&place, FilterProblem::UnknownOperator(other.to_owned()));
                }
            }
        }
        other => return fail(place, FilterProblem::Expected("a string", other.kind())),
    };
    Ok(match (operator, ignores_case) {
        ("prefix", false) => TextTest::Prefix(text.clone()),
        ("prefix", true) => TextTest::PrefixIgnoreCase(text.to_lowercase()),
        ("suffix", false) => TextTest::Suffix(text.clone()),
        ("suffix", true) => TextTest::SuffixIgnoreCase(text.to_lowercase()),
        _ => TextTest::EqualsIgnoreCase(text.to_lowercase()),
    })
}

/// Values that must not match: one or a list, of strings or of numbers, or those of an operator.
fn anything_but(operand: &FilterValue, place: &str) -> Parsed<ValueTest> {
    let tests = match operand {
        FilterValue::Object(object) => {
            let (operator, operand, place) = operation(object, place)?;
            let operands = match operand {
                FilterValue::List(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            let tests = operands.iter();
            let tests = tests.map(|operand| text_test(operator, operand, &place));
            tests.collect::<Parsed<Vec<_>>>()?
        }
        FilterValue::List(values) => {
            let all = |of: fn(&FilterValue) -> bool| values.iter().all(of);
            if !all(|value| matches!(value, FilterValue::Text(_)))
                && !all(|value| matches!(value, FilterValue::Number(_)))
            {
                return fail(place, FilterProblem::MixedList);
            }
            values.iter().cloned().map(TextTest::Equals).collect()
        }
        FilterValue::Text(_) | FilterValue::Number(_) => vec![TextTest::Equals(operand.clone())],
        other => {
            return fail(
                place,
                FilterProblem::Expected("strings or numbers", other.kind()),
            );
        }
    };
    if tests.is_empty() {
        return fail(place, FilterProblem::Empty);
    }
    Ok(ValueTest::IsNot(tests))
}

/// `["=", 1]`, one limit, or a lower and an upper limit.
fn numeric(operand: &FilterValue, place: &str) -> Parsed<ValueTest> {
    use NumericComparison::{Greater, GreaterOrEqual, Less, LessOrEqual};

    let FilterValue::List(values) = operand else {
        return fail(place, FilterProblem::Expected("a list", operand.kind()));
    };
    let mut range = Vec::new();
    for (index, pair) in values.chunks(2).enumerate() {
        let index = 2 * index;
        let comparison = match &pair[0] {
            FilterValue::Text(text) => comparison(text),
            _ => None,
        };
        let Some(comparison) = comparison else {
            return fail(
                &format!("{place}[{index}]"),
                FilterProblem::UnknownComparison,
            );
        };
        let place = format!("{place}[{}]", index + 1);
        let limit: f64 = match pair.get(1) {
            Some(FilterValue::Number(number)) => number.parse().unwrap_or(f64::NAN),
            Some(other) => return fail(&place, FilterProblem::Expected("a number", other.kind())),
            None => return fail(&place, FilterProblem::Expected("a number", "missing")),
        };
        if !(-LARGEST..=LARGEST).contains(&limit) {
            return fail(&place, FilterProblem::LargeNumber);
        }
        range.push((comparison, limit));
    }
    match range.as_slice() {
        [_] => {}
        [
            (Greater | GreaterOrEqual, lower),
            (Less | LessOrEqual, upper),
        ] if lower < upper => {}
        [] => return fail(place, FilterProblem::Empty),
        _ => return fail(place, FilterProblem::Range),
    }
    Ok(ValueTest::Numeric(range))
}

fn comparison(text: &str) -> Option<NumericComparison> {
    Some(match text {
        "=" => NumericComparison::Equal,
        "<" => NumericComparison::Less,
        "<=" => NumericComparison::LessOrEqual,
        ">" => NumericComparison::Greater,
        ">=" => NumericComparison::GreaterOrEqual,
        _ => return None,
    })
}
