//! A simple parser of the times of readings.

/// Parses `YYYY-MM-DD`, a space or a `T`, `HH:MM:SS`, an optional fraction of any length, then `Z`,
/// `+HH:MM` or `-HH:MM`. The zone may be missing after a space. Letters may be of either case.
/// Returns nanoseconds since the epoch.
pub(super) fn nanos(text: &str) -> Option<i128> {
    if !text.is_ascii() || text.len() < 19 {
        return None;
    }
    let (start, rest) = text.split_at(19);
    let bytes = start.as_bytes();
    let separators = [bytes[4], bytes[7], bytes[13], bytes[16]];
    if separators != *b"--::" || !b" tT".contains(&bytes[10]) {
        return None;
    }
    let year = number(&start[..4])?;
    let month = number(&start[5..7])?;
    let day = number(&start[8..10])?;
    let hour = number(&start[11..13])?;
    let minute = number(&start[14..16])?;
    let second = number(&start[17..19])?;
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }

    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|digit: char| !digit.is_ascii_digit());
            rest.split_at(end.unwrap_or(rest.len()))
        }
        None => ("0", rest),
    };
    let nano = number(&format!("{fraction:0<9}")[..9])?;
    if fraction.is_empty() {
        return None;
    }
    let offset = match zone.as_bytes() {
        [] if bytes[10] == b' ' => 0,
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(&zone[1..3])?, number(&zone[4..6])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };

    // The year 0 is a leap year.
    let leap_years = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let months: i128 = (1..month).map(|month| days_of(year, month)).sum();
    let days = year * 365 + leap_years + months + day - 1;
    let minutes = (days * 24 + hour) * 60 + minute - offset;
    let nanos = (minutes * 60 + second) * NANOS + nano;
    let in_range = (0..DAYS_OF_ALL_YEARS * 86_400 * NANOS).contains(&nanos);
    in_range.then_some(nanos - DAYS_TO_EPOCH * 86_400 * NANOS)
}

const NANOS: i128 = 1_000_000_000;
/// From the year 0 to 1970: 1,970 years, of which 478 are leap years.
const DAYS_TO_EPOCH: i128 = 1_970 * 365 + 478;
/// The years 0 to 9999, which are 25 times four centuries.
const DAYS_OF_ALL_YEARS: i128 = 25 * 146_097;

fn number(digits: &str) -> Option<i128> {
    let all_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

fn is_leap(year: i128) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i128, month: i128) -> i128 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}
