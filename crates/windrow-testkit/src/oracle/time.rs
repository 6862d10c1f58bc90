//! A simple parser of the times of readings.

/// Parses `YYYY-MM-DD`, a space or a `T`, `HH:MM:SS`, an optional fraction of any length after a point
/// or a comma, then nothing, `Z`, or hours and perhaps minutes with a sign, with or without a colon.
/// Letters may be of either case. Second 60 is in the last millisecond of a month in UTC. Returns
/// nanoseconds since the epoch.
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
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }

    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
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
        [] | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let digits = match digits {
                [_, _] => format!("{}00", &zone[1..]),
                [_, _, b':', _, _] => zone[1..].replace(':', ""),
                [_, _, _, _] => zone[1..].to_owned(),
                _ => return None,
            };
            let (hours, minutes) = (number(&digits[..2])?, number(&digits[2..])?);
            if digits.len() != 4 || hours > 23 || minutes > 59 {
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
    let nanos = if second == 60 {
        let next_minute = date_of((minutes + 1).div_euclid(24 * 60));
        if (minutes + 1) % (24 * 60) != 0 || next_minute != 1 {
            return None;
        }
        (minutes + 1) * 60 * NANOS - 1_000_000 + (nano / 1000).max(1)
    } else {
        (minutes * 60 + second) * NANOS + nano
    };
    let in_range = (0..DAYS_OF_ALL_YEARS * 86_400 * NANOS).contains(&nanos);
    in_range.then_some(nanos - DAYS_TO_EPOCH * 86_400 * NANOS)
}

/// Parses a JSON number, as its digits before and after the point: seconds since the epoch, or
/// milliseconds from 10^11 on. Returns nanoseconds, rounded down.
pub(super) fn nanos_of_number(negative: bool, whole: &str, fraction: &str) -> Option<i128> {
    let scaled = |places: usize| {
        let digits = format!("{whole}{fraction:0<places$}");
        let (kept, cut) = digits.split_at(whole.len() + places);
        let is_cut = cut.bytes().any(|digit| digit != b'0');
        let kept: i128 = format!("0{kept}").parse().ok()?;
        Some(if negative {
            -kept - i128::from(is_cut)
        } else {
            kept
        })
    };
    if whole.len() > 20 {
        return None;
    }
    let seconds = scaled(9)?;
    let is_seconds = (-100_000_000_000 * NANOS..100_000_000_000 * NANOS).contains(&seconds);
    let nanos = if is_seconds { seconds } else { scaled(6)? };
    let first = -DAYS_TO_EPOCH * 86_400 * NANOS;
    let years = first..first + DAYS_OF_ALL_YEARS * 86_400 * NANOS;
    years.contains(&nanos).then_some(nanos)
}

/// The day of the month of a day since the year 0.
fn date_of(mut days: i128) -> i128 {
    days = days.rem_euclid(146_097);
    let mut year = 0;
    while days >= 365 + i128::from(is_leap(year)) {
        days -= 365 + i128::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    while days >= days_of(year, month) {
        days -= days_of(year, month);
        month += 1;
    }
    days + 1
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
