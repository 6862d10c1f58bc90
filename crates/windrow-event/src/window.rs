//! The bounds of a tumbling window, as Lambda writes them.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use windrow_core::window::Window;

use crate::time;

/// Reads a window, if there is one:
/// `{"start":"2020-12-09T07:04:00Z","end":"2020-12-09T07:06:00Z"}`. Both are RFC 3339, with or
/// without fractions of a second.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Window>, D::Error> {
    let bounds = Option::<WindowJson>::deserialize(deserializer)?;
    Ok(bounds.map(|WindowJson { start, end }| Window { start, end }))
}

#[derive(Deserialize)]
struct WindowJson {
    #[serde(deserialize_with = "read_bound")]
    start: i64,
    #[serde(deserialize_with = "read_bound")]
    end: i64,
}

fn read_bound<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    time::parse_rfc3339(&text).map_err(|error| {
        D::Error::custom(format_args!(
            "`window` has an invalid time {text:?}: {error}"
        ))
    })
}
