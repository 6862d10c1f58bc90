//! JSON, indented.

use serde_json::value::RawValue;

const INDENT: &str = "    ";

/// The deepest nesting that is indented; deeper, the indentation would outgrow the line by far.
const DEEPEST: usize = 64;

/// Indents one JSON value by 4 spaces a level, without a newline at its end.
///
/// Only white space between tokens changes. Keys keep their order, and numbers and strings every
/// character: a parsed 29.999999999999996 or a number of 128 bits would not come back the same.
///
/// # Errors
/// Why the line is not printed so, as a clause without a subject.
pub(crate) fn pretty(line: &[u8]) -> Result<String, String> {
    let value: &RawValue =
        serde_json::from_slice(line).map_err(|error| format!("is not JSON: {error}"))?;
    let line = value.get();

    let mut indented = String::with_capacity(line.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    // Whether the last token opened an object or an array, which stays on the line if empty.
    let mut opened = false;
    for character in line.chars() {
        if in_string {
            indented.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(character, '}' | ']');
        depth -= usize::from(closes);
        if opened != closes {
            break_line(&mut indented, depth);
        }
        opened = matches!(character, '{' | '[');
        depth += usize::from(opened);
        if depth > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST} levels"));
        }
        in_string = character == '"';
        indented.push(character);
        match character {
            ',' => break_line(&mut indented, depth),
            ':' => indented.push(' '),
            _ => {}
        }
    }
    Ok(indented)
}

fn break_line(text: &mut String, depth: usize) {
    text.push('\n');
    for _ in 0..depth {
        text.push_str(INDENT);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_reading_is_indented_by_four() {
        let line = br#"{"Name":"Shadow\"fa{x}","Distance":29.999999999999996,"Part":{"To":[1,2]},"Empty":{},"None":[]}"#;
        let expected = r#"{
    "Name": "Shadow\"fa{x}",
    "Distance": 29.999999999999996,
    "Part": {
        "To": [
            1,
            2
        ]
    },
    "Empty": {},
    "None": []
}"#;
        assert_eq!(pretty(line).unwrap(), expected);
    }

    #[test]
    fn every_digit_and_escape_stays() {
        let line = br#"[ 340282366920938463463374607431768211457 , 1.00e+999, "\u00e9\\" ]"#;
        let expected = "[\n    340282366920938463463374607431768211457,\n    1.00e+999,\n    \"\\u00e9\\\\\"\n]";
        assert_eq!(pretty(line).unwrap(), expected);
    }

    #[test]
    fn values_that_nest_nothing_stay_as_they_are() {
        for line in ["1", "\"a b\"", "null", "{}", "[]"] {
            assert_eq!(pretty(line.as_bytes()).unwrap(), line);
        }
    }

    #[test]
    fn what_is_not_json_is_told() {
        for line in ["", "{", "Shadowfax", "{\"a\":1} x", "{'a':1}", "[1,]", "]"] {
            let reason = pretty(line.as_bytes()).unwrap_err();
            assert!(reason.starts_with("is not JSON: "), "{line}: {reason}");
        }
        assert!(pretty(b"\"\xff\"").is_err());
    }

    #[test]
    fn deep_nesting_does_not_blow_up() {
        let line = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(
            pretty(line.as_bytes()).unwrap_err(),
            "is nested deeper than 64 levels"
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_a_json_library_writes(value in value()) {
            let mut expected = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(INDENT.as_bytes());
            let mut serializer = serde_json::Serializer::with_formatter(&mut expected, formatter);
            serde::Serialize::serialize(&value, &mut serializer).unwrap();
            let pretty = pretty(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(pretty.as_bytes(), expected.as_slice());
        }

        #[test]
        fn any_line_is_indented_or_rejected(line: Vec<u8>) {
            let _ = pretty(&line);
        }
    }
}
