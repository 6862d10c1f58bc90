//! Lengths of time as flags write them: `500ms`, `90s`, `5m`, `2h`.

use std::time::Duration;

use thiserror::Error;

/// Text that is not a length of time, or not one that fits.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidDuration {
    /// It is no number and unit.
    #[error(
        "`{0}` is not a length of time: write a number and ms, s, m or h, as in 500ms, 90s, 5m or 2h"
    )]
    Form(String),
    /// It is no window.
    #[error("a window is of whole seconds, from 1s to 15m, and not {0:?}")]
    Window(Duration),
}

/// Reads a length of time.
///
/// # Errors
///
/// [`InvalidDuration`], which repeats the text.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration::Form(text.to_owned());
    let unit = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(invalid)?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(invalid)
}

/// Reads the length of a tumbling window: whole seconds, 1 s to 15 minutes, as Lambda has it.
///
/// # Errors
///
/// [`InvalidDuration`], which repeats the text.
pub fn parse_window(text: &str) -> Result<Duration, InvalidDuration> {
    let window = parse(text)?;
    let whole = window.subsec_nanos() == 0;
    if !whole || !(1..=900).contains(&window.as_secs()) {
        return Err(InvalidDuration::Window(window));
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)));
        }
        for text in [
            "",
            "90",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1d",
            "１s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse(text), Err(InvalidDuration::Form(text.to_owned())));
        }
    }

    #[test]
    fn a_window_is_of_whole_seconds() {
        assert_eq!(parse_window("15m"), Ok(Duration::from_secs(900)));
        for text in ["0s", "16m", "1500ms"] {
            assert!(
                matches!(parse_window(text), Err(InvalidDuration::Window(_))),
                "{text}"
            );
        }
    }
}
