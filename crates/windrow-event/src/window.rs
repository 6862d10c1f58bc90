//! The bounds of a tumbling window.

use serde::{Deserialize, Serialize, Serializer};

use crate::time;

/// A tumbling window of arrival times, from its start up to but not including its end.
///
/// In JSON both are RFC 3339 in UTC:
/// `{"start":"2020-12-09T07:04:00Z","end":"2020-12-09T07:06:00Z"}`. Fractions of a second are read
/// and written as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventWindow {
    /// Milliseconds since the epoch. In JSON, times are clamped to the years -9999 to 9999.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub start: i64,
    /// Milliseconds since the epoch, with the same bounds.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub end: i64,
}

fn write<S: Serializer>(millis: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time::rfc3339(*millis))
}

fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    time::parse_rfc3339(&text).map_err(|error| {
        serde::de::Error::custom(format_args!(
            "`window` has an invalid time {text:?}: {error}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_as_in_the_lambda_guide() {
        let json = r#"{"start":"2020-12-09T07:04:00Z","end":"2020-12-09T07:06:00Z"}"#;
        let window: EventWindow = serde_json::from_str(json).unwrap();
        assert_eq!(
            window,
            EventWindow {
                start: 1_607_497_440_000,
                end: 1_607_497_560_000
            }
        );
        assert_eq!(serde_json::to_string(&window).unwrap(), json);
    }
}
