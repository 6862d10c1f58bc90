//! JSON with the text of its numbers, since Lambda compares numbers by their text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// How deep lists and objects may be nested, as in `serde_json`.
const DEEPEST: usize = 128;

/// A value. Of equal keys of an object, the last one counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FilterValue {
    Null,
    Bool(bool),
    /// As it is written: `300`, `300.0` and `3.0e2` are not equal.
    Number(String),
    Text(String),
    List(Vec<FilterValue>),
    Object(BTreeMap<String, FilterValue>),
}

impl FilterValue {
    /// Parses a text that is one JSON value.
    pub(super) fn parse(text: &[u8]) -> serde_json::Result<Self> {
        build(serde_json::from_slice(text)?, DEEPEST)
    }

    /// The value itself, or the elements of a list and of the lists in it.
    pub(super) fn flat(&self) -> Vec<&Self> {
        let (mut flat, mut left) = (Vec::new(), vec![self]);
        while let Some(value) = left.pop() {
            match value {
                Self::List(values) => left.extend(values.iter().rev()),
                value => flat.push(value),
            }
        }
        flat
    }

    /// What the value is, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

fn build(raw: &RawValue, depth: usize) -> serde_json::Result<FilterValue> {
    use serde::de::Error as _;

    let text = raw.get();
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| serde_json::Error::custom("nested too deeply"))?;
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            let fields = fields.into_iter();
            let fields = fields.map(|(key, value)| Ok((key, build(value, depth)?)));
            FilterValue::Object(fields.collect::<serde_json::Result<_>>()?)
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(text)?;
            let values = values.into_iter().map(|value| build(value, depth));
            FilterValue::List(values.collect::<serde_json::Result<_>>()?)
        }
        Some(b'"') => FilterValue::Text(serde_json::from_str(text)?),
        Some(b't') => FilterValue::Bool(true),
        Some(b'f') => FilterValue::Bool(false),
        Some(b'n') => FilterValue::Null,
        _ => FilterValue::Number(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_the_text_of_their_numbers() {
        let parsed = FilterValue::parse(br#" {"a": [1, 1.0, [true, null]], "b": "x\n", "a": {}} "#);
        let fields = [
            ("a".to_owned(), FilterValue::Object(BTreeMap::new())),
            ("b".to_owned(), FilterValue::Text("x\n".to_owned())),
        ];
        assert_eq!(parsed.unwrap(), FilterValue::Object(fields.into()));
        let list = FilterValue::parse(b"[3.0e2, [[false, -1], []], null]").unwrap();
        let number = |text: &str| FilterValue::Number(text.to_owned());
        assert_eq!(
            list.flat(),
            [
                &number("3.0e2"),
                &FilterValue::Bool(false),
                &number("-1"),
                &FilterValue::Null
            ]
        );
    }

    #[test]
    fn what_is_not_json_fails() {
        for text in ["", "a", "{", "[1,]", "1 2", "{\"a\" 1}", "01", "\u{feff}1"] {
            assert!(FilterValue::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(FilterValue::parse(&[b'"', 0xff, b'"']).is_err());
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(FilterValue::parse(nested(DEEPEST - 1).as_bytes()).is_ok());
        assert!(FilterValue::parse(nested(DEEPEST + 1).as_bytes()).is_err());
        assert!(FilterValue::parse(nested(100_000).as_bytes()).is_err());
    }
}
