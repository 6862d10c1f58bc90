//! Indented JSON.

use serde_json::value::RawValue;

const INDENT: &str = "    ";

/// The maximum nesting depth. With deeper nesting, most of the output would be indentation.
const DEEPEST: usize = 64;

/// Indents one JSON value by 4 spaces per level, without a trailing newline.
///
/// Only white space between tokens changes. The order of keys and the text of numbers and strings
/// are preserved; parsing and printing 29.999999999999996 or a 128-bit number could change it.
///
/// # Errors
/// Why the line cannot be indented, without its subject: `is not JSON: ...`.
pub(crate) fn pretty(line: &[u8]) -> Result<String, String> {
    let value: &RawValue =
        serde_json::from_slice(line).map_err(|error| format!("is not JSON: {error}"))?;
    let line = value.get();

    let mut indented = String::with_capacity(line.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    // Whether the last token opened an object or an array; an empty one stays on its line.
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
    fn reading_is_indented_by_four_spaces() {
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
    fn digits_and_escapes_are_preserved() {
        let line = br#"[ 340282366920938463463374607431768211457 , 1.00e+999, "\u00e9\\" ]"#;
        let expected = "[\n    340282366920938463463374607431768211457,\n    1.00e+999,\n    \"\\u00e9\\\\\"\n]";
        assert_eq!(pretty(line).unwrap(), expected);
    }

    #[test]
    fn flat_values_are_unchanged() {
        for line in ["1", "\"a b\"", "null", "{}", "[]"] {
            assert_eq!(pretty(line.as_bytes()).unwrap(), line);
        }
    }

    #[test]
    fn invalid_json_is_an_error() {
        for line in ["", "{", "Shadowfax", "{\"a\":1} x", "{'a':1}", "[1,]", "]"] {
            let reason = pretty(line.as_bytes()).unwrap_err();
            assert!(reason.starts_with("is not JSON: "), "{line}: {reason}");
        }
        assert!(pretty(b"\"\xff\"").is_err());
    }

    #[test]
    fn deep_nesting_is_an_error() {
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
        fn output_equals_serde_json(value in value()) {
            let mut expected = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(INDENT.as_bytes());
            let mut serializer = serde_json::Serializer::with_formatter(&mut expected, formatter);
            serde::Serialize::serialize(&value, &mut serializer).unwrap();
            let pretty = pretty(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(pretty.as_bytes(), expected.as_slice());
        }

        #[test]
        fn any_line_is_handled(line: Vec<u8>) {
            let _ = pretty(&line);
        }
    }
}
