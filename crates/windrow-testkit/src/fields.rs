//! The general parser of readings, compared with `serde_json`.

use windrow_core::json::{self, FieldLayout, FieldNames, FieldToken};
use windrow_core::rejection::Rejection;
use windrow_core::sensor::{DeclaredSensor, Field, Sensor};
use windrow_core::value::{ColumnType, FieldValue, NumberType};

use crate::choices::Choices;

/// How deep the general parser goes.
const DEEPEST: usize = 128;

/// Checks that the general parser finds the same values in a line as `serde_json`, or rejects it
/// with the same message. `layout` is that of any line before.
///
/// # Panics
///
/// If it does not.
pub fn check_fields(names: &FieldNames, layout: &mut FieldLayout, line: &[u8]) {
    let expected = json::split_by_name(line, names.names());
    let expected = expected.map(|fields| {
        let raw = fields.iter().map(|field| field.map(|raw| raw.get()));
        raw.collect::<Vec<_>>()
    });
    let mut tokens = vec![FieldToken::default(); names.names().len()];
    let actual = json::fields(names, layout, line, &mut tokens);
    let raw = || tokens.iter().map(|token| token.raw().map(|raw| raw.get()));
    if is_too_deep(&actual) {
        assert!(
            expected.is_ok() && depth(line) > DEEPEST,
            "{}",
            line.escape_ascii()
        );
        return;
    }
    let actual = actual.map(|()| raw().collect::<Vec<_>>());
    assert_eq!(actual, expected, "{}", line.escape_ascii());
    assert!(
        actual.is_err() || depth(line) <= DEEPEST,
        "{}",
        line.escape_ascii()
    );
}

fn is_too_deep<T>(parsed: &Result<T, Rejection>) -> bool {
    let error = parsed.as_ref().err();
    error.is_some_and(|error| error.to_string().contains("is nested deeper than"))
}

/// How many objects and arrays of a JSON text are within each other, at most.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string) = (0_usize, 0, false);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => drop(bytes.next()),
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A sensor whose fields have some of the names of [`line`](crate::oracle::generate::line), and
/// any types.
pub fn sensor(choices: &mut Choices<'_>) -> DeclaredSensor {
    let mut names = [
        "Name",
        "StatusTime",
        "Latitude",
        "Longitude",
        "Distance",
        "MagicPoints",
        "HealthPoints",
        "Altitude",
        "Part",
        "Name\u{e9}",
        "A name of more than sixteen letters",
    ];
    choices.shuffle(&mut names);
    let count = 1 + choices.below(names.len());
    let types = [
        ColumnType::Text,
        ColumnType::Number(NumberType::I32),
        ColumnType::Number(NumberType::U64),
        ColumnType::Number(NumberType::decimal(2)),
        ColumnType::Number(NumberType::decimal(18)),
        ColumnType::Float,
        ColumnType::Boolean,
        ColumnType::Timestamp,
    ];
    let mut fields: Vec<Field> = Vec::new();
    for name in &names[..count] {
        // Mostly the type that lines have.
        let usual = match *name {
            "StatusTime" => ColumnType::Timestamp,
            "Latitude" | "Longitude" => ColumnType::Float,
            "Distance" => ColumnType::Number(NumberType::decimal(18)),
            "MagicPoints" | "HealthPoints" => ColumnType::Number(NumberType::I32),
            _ => ColumnType::Text,
        };
        let column_type = if choices.one_in(4) {
            choices.choose(&types)
        } else {
            usual
        };
        let field = Field::new(*name, column_type);
        fields.push(if choices.one_in(4) {
            field
        } else {
            field.nullable()
        });
    }
    DeclaredSensor::new(fields).expect("the names differ")
}

/// Checks that a sensor parses a line as the values that `serde_json` finds in it are parsed one by
/// one, and the same where another line follows.
///
/// # Panics
///
/// If it does not.
pub fn check_sensor(sensor: &DeclaredSensor, layout: &mut FieldLayout, line: &[u8]) {
    let actual = sensor
        .parse(line)
        .map(|reading| reading.map(|it| it.values));
    if is_too_deep(&actual) {
        return;
    }
    let expected = values(sensor.fields(), line).map(Some);
    assert_eq!(actual, expected, "{}", line.escape_ascii());

    let text = [line, b"\n{\"Name\":\"another\"}"].concat();
    let mut reading = None;
    let first = sensor.first_line(layout, &text, &mut reading);
    let end = line.strip_suffix(b"\r").unwrap_or(line);
    let is_one_line = !line.contains(&b'\n') && end.ends_with(b"}");
    if is_one_line && expected.is_ok() {
        assert!(first.is_some(), "{}", line.escape_ascii());
    }
    if let Some(rest) = first {
        // A damaged line may have a line break.
        let first_line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        assert_eq!(
            rest.len(),
            text.len() - first_line.len(),
            "{}",
            line.escape_ascii()
        );
        let expected = values(sensor.fields(), first_line).map(Some);
        assert_eq!(
            Ok(reading.map(|it| it.values)),
            expected,
            "{}",
            line.escape_ascii()
        );
    }
}

/// The values of a line, by way of `serde_json`.
fn values<'a>(fields: &[Field], line: &'a [u8]) -> Result<Vec<FieldValue<'a>>, Rejection> {
    /// As in the sensor.
    const LONGEST_TEXT: usize = 2_048;

    let raw = json::split_by_name(line, fields)?;
    let mut values = Vec::new();
    for (field, raw) in fields.iter().zip(raw) {
        let value = FieldValue::parse(field.column_type, &field.name, raw)?;
        if value == FieldValue::Text("".into()) {
            return Err(Rejection::field(&field.name, "is empty"));
        }
        match &value {
            FieldValue::Null if !field.is_nullable => {
                let field = field.name.clone();
                return Err(Rejection::Missing { field });
            }
            FieldValue::Text(text) if text.len() > LONGEST_TEXT => {
                let problem = format!("has {} bytes, more than {LONGEST_TEXT}", text.len());
                return Err(Rejection::field(&field.name, problem));
            }
            _ => values.push(value),
        }
    }
    Ok(values)
}

/// Formats a value as JSON with any white space, and any characters of its strings escaped.
pub fn write(choices: &mut Choices<'_>, value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::String(text) => write_text(choices, text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                *out += if index > 0 { "," } else { "" };
                *out += space(choices);
                write(choices, item, out);
                *out += space(choices);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                *out += if index > 0 { "," } else { "" };
                *out += space(choices);
                write_text(choices, name, out);
                *out += space(choices);
                out.push(':');
                *out += space(choices);
                write(choices, member, out);
                *out += space(choices);
            }
            out.push('}');
        }
        other => *out += &other.to_string(),
    }
}

fn space(choices: &mut Choices<'_>) -> &'static str {
    choices.choose(&["", "", "", " ", "  ", "\t", "\r", "\n  "])
}

fn write_text(choices: &mut Choices<'_>, text: &str, out: &mut String) {
    let escapes = choices.one_in(3);
    out.push('"');
    for character in text.chars() {
        if escapes && choices.one_in(3) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                *out += &format!("\\u{unit:04x}");
            }
            continue;
        }
        let quoted = serde_json::Value::from(character.to_string()).to_string();
        *out += &quoted[1..quoted.len() - 1];
    }
    out.push('"');
}
