//! Formats times by the patterns of Java's `SimpleDateFormat`, which AWS documents. Zones are UTC,
//! names English, and weeks begin on Sunday, the first of them with January 1.

use std::fmt::Write as _;

use jiff::civil::Date;

use crate::types::MOST_CHARACTERS;

/// The pattern of a text that a time becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimePattern(Vec<PatternPiece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternPiece {
    Text(String),
    /// A letter, and how often it is repeated.
    Letter(char, usize),
}

/// The letters that AWS documents.
const LETTERS: &str = "yYMwWDdFEuaHkKhmsSzZX";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The letters of a short name, such as `Jan`.
const SHORT: usize = 3;

/// How often a letter is repeated for a full name.
const FULL: usize = 4;

const ZONE: &str = "Coordinated Universal Time";

impl TimePattern {
    /// Parses a pattern. Characters that are not Latin letters stand for themselves, letters between
    /// quotes too, and two quotes for one.
    ///
    /// # Errors
    ///
    /// Why it is no pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces: Vec<PatternPiece> = Vec::new();
        let mut is_quoted = false;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\'' if rest.next_if_eq(&'\'').is_some() => push_text(&mut pieces, '\''),
                '\'' => is_quoted = !is_quoted,
                letter if letter.is_ascii_alphabetic() && !is_quoted => {
                    if !LETTERS.contains(letter) {
                        return Err(format!("the letter {letter} has no meaning in it"));
                    }
                    let mut count = 1;
                    while rest.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    if letter == 'X' && count > SHORT {
                        return Err("X is repeated more than 3 times".to_owned());
                    }
                    pieces.push(PatternPiece::Letter(letter, count));
                }
                other => push_text(&mut pieces, other),
            }
        }
        if is_quoted {
            return Err("a quote is not closed".to_owned());
        }
        let pattern = Self(pieces);
        if pattern.longest() > MOST_CHARACTERS as usize {
            return Err(format!(
                "texts of it have more than {MOST_CHARACTERS} characters"
            ));
        }
        Ok(pattern)
    }

    /// The most characters of a text of this pattern.
    pub(crate) fn longest(&self) -> usize {
        let lengths = self.0.iter().map(|piece| match piece {
            PatternPiece::Text(text) => text.chars().count(),
            // The longest names are September and Wednesday; no number has more digits than a year
            // and a sign.
            PatternPiece::Letter('z', count) if *count >= FULL => ZONE.len(),
            PatternPiece::Letter(_, count) => (*count).max("Wednesday".len()),
        });
        lengths.fold(0, usize::saturating_add)
    }

    /// The text of a time, given as its day and the milliseconds of that.
    pub(crate) fn format(&self, date: Date, of_day: i64) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                PatternPiece::Text(piece) => text.push_str(piece),
                PatternPiece::Letter(letter, count) => {
                    write_letter(*letter, *count, date, of_day, &mut text);
                }
            }
        }
        text
    }
}

fn push_text(pieces: &mut Vec<PatternPiece>, character: char) {
    match pieces.last_mut() {
        Some(PatternPiece::Text(text)) => text.push(character),
        _ => pieces.push(PatternPiece::Text(character.into())),
    }
}

fn write_letter(letter: char, count: usize, date: Date, of_day: i64, text: &mut String) {
    let hour = of_day / 3_600_000;
    let name = |names: &[&'static str], index: i8| {
        let name = names.get(usize::try_from(index).unwrap_or_default());
        let name = name.copied().unwrap_or_default();
        if count >= FULL { name } else { &name[..SHORT] }
    };
    let number: i64 = match letter {
        'M' if count >= SHORT => return text.push_str(name(&MONTHS, date.month() - 1)),
        'E' => return text.push_str(name(&DAYS, date.weekday().to_sunday_zero_offset())),
        'a' => return text.push_str(if hour < 12 { "AM" } else { "PM" }),
        'z' => return text.push_str(if count >= FULL { ZONE } else { "UTC" }),
        'Z' => return text.push_str("+0000"),
        'X' => return text.push('Z'),
        'y' => year(date.year().into(), count),
        'Y' => year(week_of_year(date).0, count),
        'M' => date.month().into(),
        'w' => week_of_year(date).1,
        'W' => week(date.day().into(), date),
        'D' => date.day_of_year().into(),
        'd' => date.day().into(),
        'F' => i64::from((date.day() - 1) / 7 + 1),
        'u' => date.weekday().to_monday_one_offset().into(),
        'H' => hour,
        'k' => (hour + 23) % 24 + 1,
        'K' => hour % 12,
        'h' => (hour + 11) % 12 + 1,
        'm' => of_day / 60_000 % 60,
        's' => of_day / 1000 % 60,
        // `S`: other letters are rejected.
        _ => of_day % 1000,
    };
    // Writing to a string cannot fail.
    let _ = write!(text, "{number:0count$}");
}

/// Two digits of a year if two are asked for.
fn year(year: i64, count: usize) -> i64 {
    if count == 2 {
        year.rem_euclid(100)
    } else {
        year
    }
}

/// The year that the week of a day belongs to, and the week's number in it: the week that January 1
/// is in belongs to the new year.
fn week_of_year(date: Date) -> (i64, i64) {
    let to_saturday = 6 - i64::from(date.weekday().to_sunday_zero_offset());
    let day = i64::from(date.day_of_year());
    let year = i64::from(date.year());
    if day + to_saturday > date.days_in_year().into() {
        return (year + 1, 1);
    }
    (year, week(day, date))
}

/// The week of a day of a year or month that counts from 1, if weeks begin on Sunday.
fn week(day: i64, date: Date) -> i64 {
    let to_saturday = 6 - i64::from(date.weekday().to_sunday_zero_offset());
    (day + to_saturday + 6) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment;
    use crate::types::SqlType;

    fn format(pattern: &str, time: &str) -> String {
        let time = moment::parse(time, SqlType::Timestamp).unwrap();
        let pattern = TimePattern::parse(pattern).unwrap();
        let of_day = time.millis().rem_euclid(moment::DAY);
        let text = pattern.format(moment::date(time).unwrap(), of_day);
        assert!(text.chars().count() <= pattern.longest(), "{text}");
        text
    }

    /// What `java.text.SimpleDateFormat` makes of them, for `Locale.US` and UTC.
    #[test]
    fn texts_are_those_of_java() {
        let time = "2026-03-01 09:07:05.042";
        for (pattern, expected) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2026-03-01 09:07:05.042"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-03-01T09:07:05.042Z"),
            (
                "EEE, d MMM yyyy HH:mm:ss Z",
                "Sun, 1 Mar 2026 09:07:05 +0000",
            ),
            (
                "EEEE, MMMM d, yy h:mm a zzz",
                "Sunday, March 1, 26 9:07 AM UTC",
            ),
            ("h 'o''clock' a", "9 o'clock AM"),
            ("y yyyyy S SSSSSS", "2026 02026 42 000042"),
            ("D DDD w ww W F u E", "60 060 10 10 1 1 7 Sun"),
            ("H HH k K h m s", "9 09 9 9 9 7 5"),
            ("zzzz", "Coordinated Universal Time"),
            ("''yyyy''", "'2026'"),
            ("日 d, y", "日 1, 2026"),
        ] {
            assert_eq!(format(pattern, time), expected, "{pattern}");
        }
        assert_eq!(format("H k K h a", "2026-03-01 00:00:00"), "0 24 0 12 AM");
        assert_eq!(format("H k K h a", "2026-03-01 12:30:00"), "12 12 0 12 PM");
        assert_eq!(format("H k K h a", "2026-03-01 23:30:00"), "23 23 11 11 PM");
    }

    #[test]
    fn the_week_of_january_1_is_the_first() {
        for (day, expected) in [
            // A Thursday.
            ("2026-01-01", "2026 1 1 2026"),
            ("2026-01-03", "2026 1 1 2026"),
            ("2026-01-04", "2026 2 2 2026"),
            ("2025-12-27", "2025 52 4 2025"),
            ("2025-12-28", "2026 1 5 2025"),
            // A Saturday, and the end of a year of 53 weeks.
            ("2022-01-01", "2022 1 1 2022"),
            ("2022-12-31", "2022 53 5 2022"),
            ("2023-01-01", "2023 1 1 2023"),
            ("2024-12-31", "2025 1 5 2024"),
        ] {
            let time = format!("{day} 12:00:00");
            assert_eq!(format("YYYY w W yyyy", &time), expected, "{day}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        let longest = "y".repeat(65_536);
        for (pattern, reason) in [
            ("yyyy G", "the letter G has no meaning in it"),
            ("yyyy-MM-ddThh", "the letter T has no meaning in it"),
            ("'yyyy", "a quote is not closed"),
            ("XXXX", "X is repeated more than 3 times"),
            (&longest, "texts of it have more than 65535 characters"),
        ] {
            assert_eq!(TimePattern::parse(pattern), Err(reason.to_owned()));
        }
        assert_eq!(format("", "2026-03-01 00:00:00"), "");
    }
}
