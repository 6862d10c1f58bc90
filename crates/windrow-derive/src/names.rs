//! Names of fields and columns.

use syn::{Error, LitStr, Result};

/// How the names of all fields are spelled in JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum NameCase {
    /// As in Rust.
    #[default]
    Snake,
    Camel,
    Pascal,
}

impl NameCase {
    pub(crate) fn parse(literal: &LitStr) -> Result<Self> {
        match literal.value().as_str() {
            "snake_case" => Ok(Self::Snake),
            "camelCase" => Ok(Self::Camel),
            "PascalCase" => Ok(Self::Pascal),
            _ => Err(Error::new_spanned(
                literal,
                "expected snake_case, camelCase or PascalCase",
            )),
        }
    }

    /// The name of a field that Rust calls `name`.
    pub(crate) fn apply(self, name: &str) -> String {
        if matches!(self, Self::Snake) {
            return name.to_owned();
        }
        let words = name.split('_').filter(|word| !word.is_empty());
        let mut cased = String::new();
        for word in words {
            let is_first = cased.is_empty();
            match self {
                Self::Camel if is_first => cased.push_str(word),
                _ => cased.push_str(&capitalized(word)),
            }
        }
        cased
    }
}

/// The column of a measure that its field does not name: `MinCelsius` for a field `Celsius`, and
/// `min_celsius` for a field `celsius`.
pub(crate) fn measure_name(function: &str, field: &str) -> String {
    if field.starts_with(char::is_uppercase) {
        return format!("{}{field}", capitalized(function));
    }
    format!("{function}_{field}")
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next();
    first
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(characters)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_asked_for() {
        for (case, expected) in [
            (NameCase::Snake, "air_quality"),
            (NameCase::Camel, "airQuality"),
            (NameCase::Pascal, "AirQuality"),
        ] {
            assert_eq!(case.apply("air_quality"), expected);
        }
    }

    #[test]
    fn measures_are_spelled_as_their_field() {
        assert_eq!(measure_name("min", "Celsius"), "MinCelsius");
        assert_eq!(measure_name("min", "celsius"), "min_celsius");
    }
}
