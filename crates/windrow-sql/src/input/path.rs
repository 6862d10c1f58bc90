//! Where in a record the value of a column is.

use std::fmt;

use thiserror::Error;

/// A path of JSON, as `$.vehicle.speed`, `$['the speed']` or `$.orders[0:].id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// The fields down to the value, or to the array whose elements are rows.
    fields: Vec<String>,
    /// The fields within an element of the array.
    within: Option<Vec<String>>,
}

/// Why a text is not a path that is supported.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// It does not start at the root.
    #[error("`{0}` does not start with `$.`")]
    NoRoot(String),
    /// Something is not a name.
    #[error("`{0}` is not a path such as `$.vehicle.speed`")]
    Invalid(String),
    /// It has an index.
    #[error("`{0}` has another index than `[0:]`, which is all elements")]
    Index(String),
    /// It flattens an array in an array.
    #[error("`{0}` has more than one array; only one level is supported")]
    Nested(String),
}

impl JsonPath {
    /// The path of a field of the record itself.
    pub fn field(name: impl Into<String>) -> Self {
        Self::of_fields(vec![name.into()])
    }

    /// The path of a value within objects.
    pub(super) fn of_fields(fields: Vec<String>) -> Self {
        Self {
            fields,
            within: None,
        }
    }

    /// Parses a path.
    ///
    /// # Errors
    ///
    /// [`PathError`] if it is something else.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let invalid = || PathError::Invalid(text.to_owned());
        let mut rest = text
            .trim()
            .strip_prefix('$')
            .ok_or_else(|| PathError::NoRoot(text.to_owned()))?;
        let mut path = Self {
            fields: Vec::new(),
            within: None,
        };
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(invalid)?;
            rest = after;
            match step {
                PathStep::Field(name) => match &mut path.within {
                    Some(within) => within.push(name),
                    None => path.fields.push(name),
                },
                PathStep::All if path.within.is_some() => {
                    return Err(PathError::Nested(text.to_owned()));
                }
                PathStep::All => path.within = Some(Vec::new()),
                PathStep::Index => return Err(PathError::Index(text.to_owned())),
            }
        }
        if path.fields.is_empty() {
            return Err(invalid());
        }
        // All elements as one value are the array itself.
        path.within = path.within.filter(|within| !within.is_empty());
        Ok(path)
    }

    /// The fields down to the value, or to the array whose elements are rows.
    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The fields within an element of the array, if its elements are rows.
    pub(super) fn within(&self) -> Option<&[String]> {
        self.within.as_deref()
    }

    /// The fields down to the array whose elements are rows.
    pub(super) fn flattened(&self) -> Option<&[String]> {
        self.within.as_ref().map(|_| self.fields.as_slice())
    }
}

enum PathStep {
    Field(String),
    /// All elements of an array.
    All,
    Index,
}

/// The first step of a path without its root, and the rest.
fn step(text: &str) -> Option<(PathStep, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        return (!name.is_empty()).then(|| (PathStep::Field(name.to_owned()), rest));
    }
    let inner = text.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (name, rest) = quoted.split_once(quote)?;
            let rest = rest.strip_prefix(']')?;
            return (!name.is_empty()).then(|| (PathStep::Field(name.to_owned()), rest));
        }
    }
    let (index, rest) = inner.split_once(']')?;
    let step = match index.trim() {
        "0:" | "*" => PathStep::All,
        _ => PathStep::Index,
    };
    Some((step, rest))
}

/// Formats the path as it is parsed.
impl fmt::Display for JsonPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("$")?;
        write_fields(&self.fields, formatter)?;
        if let Some(within) = &self.within {
            formatter.write_str("[0:]")?;
            write_fields(within, formatter)?;
        }
        Ok(())
    }
}

fn write_fields(fields: &[String], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    for field in fields {
        if field.contains(['.', '[', '"', '\'']) {
            let quote = if field.contains('\'') { '"' } else { '\'' };
            write!(formatter, "[{quote}{field}{quote}]")?;
        } else {
            write!(formatter, ".{field}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_formatted_as_they_are_parsed() {
        for (text, formatted) in [
            ("$.Name", "$.Name"),
            (" $.a.b.c ", "$.a.b.c"),
            ("$['a'][\"b c\"]", "$.a.b c"),
            ("$['a.b'].c", "$['a.b'].c"),
            ("$[\"it's\"]", "$[\"it's\"]"),
            ("$.orders[0:].id", "$.orders[0:].id"),
            ("$.orders[*].item.id", "$.orders[0:].item.id"),
            ("$.orders[0:]", "$.orders"),
        ] {
            let path = JsonPath::parse(text).unwrap();
            assert_eq!(path.to_string(), formatted, "{text}");
            assert_eq!(JsonPath::parse(formatted), Ok(path));
        }
    }

    #[test]
    fn errors_say_what_is_not_supported() {
        for (text, problem) in [
            ("Name", "`Name` does not start with `$.`"),
            ("$", "`$` is not a path such as `$.vehicle.speed`"),
            ("$..a", "`$..a` is not a path such as `$.vehicle.speed`"),
            ("$.a.", "`$.a.` is not a path such as `$.vehicle.speed`"),
            ("$['a", "`$['a` is not a path such as `$.vehicle.speed`"),
            (
                "$.a[1]",
                "`$.a[1]` has another index than `[0:]`, which is all elements",
            ),
            (
                "$.a[0:].b[0:].c",
                "`$.a[0:].b[0:].c` has more than one array; only one level is supported",
            ),
        ] {
            assert_eq!(JsonPath::parse(text).unwrap_err().to_string(), problem);
        }
    }
}
