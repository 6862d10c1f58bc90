//! Durations in flags: `500ms`, `1.5s`, `90s`, `1h30m`.

use std::time::Duration;

use jiff::SignedDuration;
use thiserror::Error;

/// Text that is not a duration, or not an allowed one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidDuration {
    /// The text is not a number and a unit, or is negative.
    #[error(
        "`{0}` is not a duration: write a number and ms, s, m or h, as in 500ms, 90s, 5m or 1h30m"
    )]
    Form(String),
    /// The duration cannot be the length of a window.
    #[error("the length of a window must be whole seconds, from 1s to 15m, not {0:?}")]
    Window(Duration),
}

/// Parses a duration in [jiff]'s friendly format, or in ISO 8601.
///
/// # Errors
///
/// [`InvalidDuration::Form`], with the text.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let parsed: Option<SignedDuration> = text.parse().ok();
    parsed
        .and_then(|duration| duration.try_into().ok())
        .ok_or_else(|| InvalidDuration::Form(text.to_owned()))
}

/// The duration in whole seconds as a flag would have it: `1h 30m`.
pub fn readable(duration: Duration) -> String {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

/// Parses the length of a tumbling window: whole seconds, from 1 s to 15 minutes, as in Lambda.
///
/// # Errors
///
/// [`InvalidDuration`], with the text or the duration.
pub fn parse_window(text: &str) -> Result<Duration, InvalidDuration> {
    let window = parse(text)?;
    let is_whole = window.subsec_nanos() == 0;
    if !is_whole || !(1..=900).contains(&window.as_secs()) {
        return Err(InvalidDuration::Window(window));
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("1.5s", 1_500),
            ("90s", 90_000),
            ("90 seconds", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
            ("PT5M", 300_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "90",
            "s",
            "-1s",
            "1d",
            "１s",
            "90s later",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse(text), Err(InvalidDuration::Form(text.to_owned())));
        }
    }

    #[test]
    fn a_window_has_whole_seconds() {
        assert_eq!(parse_window("15m"), Ok(Duration::from_secs(900)));
        for text in ["0s", "16m", "1500ms", "1.5s"] {
            assert!(
                matches!(parse_window(text), Err(InvalidDuration::Window(_))),
                "{text}"
            );
        }
    }
}
