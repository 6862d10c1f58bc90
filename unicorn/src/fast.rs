//! One-pass parsers for readings in the usual formats.
//!
//! Nearly every incoming line was formatted by [`Reading::to_line`] or looks the same: the keys in
//! that order, no spaces between them, no escapes in the name, numbers without an exponent.
//! [`reading`] parses only such lines. [`reading_in_any_order`] parses the other formats that JSON
//! libraries produce for the same fields: another order, spaces in between. Neither ever rejects a
//! line: what they do not recognize is left to the general parser, which takes any JSON and can
//! name the invalid field. All parsers that accept a line return the same value;
//! `tests/fuzz_reading.rs` checks that.
//!
//! The parsers allocate nothing and need no `unsafe`. [`reading`] takes about 70 ns per line, of
//! which 24 ns are for the coordinates, and [`reading_in_any_order`] takes 140 ns (`cargo bench -p
//! bench -- parse`). Fixed text is compared at once, as an array; names and digits are scanned
//! eight bytes at a time ([`swar`]); numbers stay integers ([`ShortDecimal`]). Slices of a length
//! known to the compiler are bounds-checked once, and `inline(always)` keeps the position in the
//! line in registers, which saves a fifth of the time.

use std::borrow::Cow;

use crate::decimal::{self, ShortDecimal};
use crate::distance::Distance;
use crate::reading::model::{LONGEST_NAME, Reading};
use windrow_core::swar;
use windrow_core::time::Timestamp;

/// Parses the reading at the start of the text and returns it with the rest of the text. Returns
/// `None` if the text starts with anything else, or with a reading in another format.
///
/// The parsed text has no line break, so the line does not end before the reading does.
#[inline(always)]
pub(crate) fn reading(text: &[u8]) -> Option<(Reading<'_>, &[u8])> {
    let mut text = FieldScanner::<false> { rest: text };
    text.take(br#"{"Name":""#)?;
    let name = text.name()?;
    text.take(br#"","StatusTime":""#)?;
    let status_time = text.status_time()?;
    text.take(br#"","#)?;
    let (mut latitude, mut longitude) = (None, None);
    if text.take(br#""Latitude":"#).is_some() {
        latitude = Some(text.degrees(90)?);
        text.take(br#","Longitude":"#)?;
        longitude = Some(text.degrees(180)?);
        text.take(b",")?;
    }
    text.take(br#""Distance":"#)?;
    let distance = text.distance()?;
    text.take(br#","MagicPoints":"#)?;
    let magic_points = text.points()?;
    text.take(br#","HealthPoints":"#)?;
    let health_points = text.points()?;
    text.take(b"}")?;
    let reading = Reading {
        name: Cow::Borrowed(name),
        status_time,
        latitude,
        longitude,
        distance,
        magic_points,
        health_points,
    };
    Some((reading, text.rest))
}

/// Parses a text that is a reading with its fields in any order, each once, and white space
/// wherever JSON allows it. Returns `None` if the text is anything else.
#[inline(never)]
pub(crate) fn reading_in_any_order(text: &[u8]) -> Option<Reading<'_>> {
    let mut text = FieldScanner::<true> { rest: text };
    let (mut name, mut status_time) = (None, None);
    let (mut latitude, mut longitude, mut distance) = (None, None, None);
    let (mut magic_points, mut health_points) = (None, None);
    text.skip_space();
    text.take(b"{")?;
    loop {
        match text.key()? {
            b"Name" => once(&mut name, text.quoted(FieldScanner::name)?),
            b"StatusTime" => once(&mut status_time, text.quoted(FieldScanner::status_time)?),
            b"Latitude" => once(&mut latitude, text.degrees(90)?),
            b"Longitude" => once(&mut longitude, text.degrees(180)?),
            b"Distance" => once(&mut distance, text.distance()?),
            b"MagicPoints" => once(&mut magic_points, text.points()?),
            b"HealthPoints" => once(&mut health_points, text.points()?),
            _ => None,
        }?;
        text.skip_space();
        if text.take(b",").is_none() {
            break;
        }
    }
    text.take(b"}")?;
    text.skip_space();
    text.rest.is_empty().then_some(Reading {
        name: Cow::Borrowed(name?),
        status_time: status_time?,
        latitude,
        longitude,
        distance: distance?,
        magic_points: magic_points?,
        health_points: health_points?,
    })
}

/// Sets a field. Returns `None` if it was set before.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// The text that is left to parse.
///
/// `PADDED` says whether values within eight bytes of the end of the text are parsed. Mostly other
/// fields or the next line follow a value, and checking for the end takes 5 % longer for a line in
/// the producer's format.
struct FieldScanner<'a, const PADDED: bool> {
    rest: &'a [u8],
}

impl<'a, const PADDED: bool> FieldScanner<'a, PADDED> {
    #[inline(always)]
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Takes a key and everything up to its value. Returns the key without quotes.
    #[inline(always)]
    fn key(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let key = self.quoted(|text| text.skip(text.before_special()?))?;
        self.skip_space();
        self.take(b":")?;
        self.skip_space();
        Some(key)
    }

    #[inline(always)]
    fn quoted<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.take(b"\"")?;
        let value = read(self)?;
        self.take(b"\"")?;
        Some(value)
    }

    /// Takes the expected bytes. Returns `None` if the text does not continue with them.
    #[inline(always)]
    fn take<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let (next, rest) = self.rest.split_first_chunk()?;
        if next != expected {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    #[inline(always)]
    fn skip(&mut self, length: usize) -> Option<&'a [u8]> {
        let (skipped, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(skipped)
    }

    /// The number of bytes before the next quote, backslash or control character.
    #[inline(always)]
    fn before_special(&self) -> Option<usize> {
        let mut length = 0;
        loop {
            let special = swar::special(swar::at::<PADDED>(self.rest, length)?);
            length += swar::before_first(special);
            if special != 0 {
                return Some(length);
            }
        }
    }

    /// Takes a name, up to the closing quote.
    #[inline(always)]
    fn name(&mut self) -> Option<&'a str> {
        let length = self.before_special()?;
        // A longer name may still be short enough in characters; the general parser counts them.
        if length == 0 || length > LONGEST_NAME {
            return None;
        }
        std::str::from_utf8(self.skip(length)?).ok()
    }

    #[inline(always)]
    fn status_time(&mut self) -> Option<Timestamp> {
        let (text, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Timestamp::from_formatted(text)
    }

    #[inline(always)]
    fn decimal(&mut self) -> Option<ShortDecimal> {
        let (decimal, length) = ShortDecimal::read::<PADDED>(self.rest)?;
        self.skip(length)?;
        Some(decimal)
    }

    #[inline(always)]
    fn degrees(&mut self, limit: u8) -> Option<f64> {
        let negative = self.take(b"-").is_some();
        let degrees = self.decimal()?.nearest_up_to(limit)?;
        Some(if negative { -degrees } else { degrees })
    }

    #[inline(always)]
    fn distance(&mut self) -> Option<Distance> {
        let micrometres = self.decimal()?.scale(6)?;
        let distance = Distance::from_micrometres(micrometres.into());
        (distance <= Distance::FARTHEST).then_some(distance)
    }

    #[inline(always)]
    fn points(&mut self) -> Option<i32> {
        let negative = self.take(b"-").is_some();
        let (points, length) = decimal::integer(self.rest)?;
        self.skip(length)?;
        let points = i64::try_from(points).ok()?;
        i32::try_from(if negative { -points } else { points }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:08.189","Latitude":42.264444250051326,"Longitude":-71.97582884770408,"Distance":175,"MagicPoints":110,"HealthPoints":150}"#;

    fn is_parsed(old: &str, new: &str) -> bool {
        assert!(PLAIN.contains(old), "{old}");
        reading(PLAIN.replacen(old, new, 1).as_bytes()).is_some()
    }

    #[test]
    fn usual_formats_are_parsed() {
        for (old, new) in [
            ("175", "29.123456"),
            ("175", "29.999999999999996"),
            ("175", "9223372036854.775807"),
            ("42.264444250051326", "0.5"),
            ("42.264444250051326", "-90"),
            ("Shadowfax", "F"),
            ("Shadowfax", "Bucephalus 12345"),
            ("Shadowfax", "الخيل 🦄"),
            ("110", "-2147483648"),
            (
                "\"Latitude\":42.264444250051326,\"Longitude\":-71.97582884770408,",
                "",
            ),
        ] {
            assert!(is_parsed(old, new), "{new}");
        }
        let long = "x".repeat(LONGEST_NAME);
        assert!(is_parsed("Shadowfax", &long));
        let two = format!("{PLAIN}\n{PLAIN}");
        let (_, rest) = reading(two.as_bytes()).unwrap();
        assert_eq!(rest.len(), PLAIN.len() + 1);
    }

    #[test]
    fn other_formats_and_invalid_lines_are_not_parsed() {
        for (old, new) in [
            ("{", " {"),
            ("{", "{ "),
            ("Shadowfax", ""),
            ("Shadowfax", r"Shadowf\u0061x"),
            ("Shadowfax", "Shadow\tfax"),
            ("Shadowfax", "Shadow\0fax"),
            (":42", ": 42"),
            ("\"Latitude\":42.264444250051326,", ""),
            ("42.264444250051326", "null"),
            ("42.264444250051326", "90.0000000000000001"),
            ("175", "-1"),
            ("175", "01"),
            ("175", "1e2"),
            ("175", "9223372036854.775808"),
            ("110", "110.0"),
            ("110", "2147483648"),
            ("2026-11-20", "2026-02-30"),
            ("09:17", "24:00"),
            ("08.189", "08.1890"),
            (" 09", "T09"),
            ("\"Distance\":175", "\"Distance\":175,\"Distance\":175"),
        ] {
            assert!(!is_parsed(old, new), "{new}");
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        assert!(!is_parsed("Shadowfax", &long));
        for end in 0..PLAIN.len() {
            assert!(reading(&PLAIN.as_bytes()[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn any_order_and_spaces_are_parsed() {
        let is_parsed = |line: &str| reading_in_any_order(line.as_bytes()).is_some();
        let (expected, _) = reading(PLAIN.as_bytes()).unwrap();
        for line in [
            PLAIN,
            r#"{"HealthPoints": 150, "MagicPoints": 110, "Distance": 175, "Longitude": -71.97582884770408, "Latitude": 42.264444250051326, "StatusTime": "2026-11-20 09:17:08.189", "Name": "Shadowfax"}"#,
            "\t{\n\"Name\" :\"Shadowfax\"  ,\"HealthPoints\"\r:150,\"MagicPoints\":110,\"Distance\":175,\"StatusTime\":\"2026-11-20 09:17:08.189\",\"Longitude\":-71.97582884770408, \"Latitude\":42.264444250051326} \r\n",
        ] {
            assert_eq!(
                reading_in_any_order(line.as_bytes()),
                Some(expected.clone())
            );
        }
        let without_latitude = PLAIN.replacen("\"Latitude\":42.264444250051326,", "", 1);
        assert!(is_parsed(&without_latitude));
        for (old, new) in [
            ("{", "[{"),
            ("{", "{,"),
            ("{", "{\u{a0}"),
            ("}", ",}"),
            ("}", "}}"),
            ("}", ""),
            ("Shadowfax", ""),
            ("\"Name\"", "\"name\""),
            ("\"Name\"", "Name"),
            ("\"Name\":", "\"Name\""),
            ("\"Name\"", r#""Nam\u0065""#),
            ("110", "null"),
            ("110", "\"110\""),
            ("110", "+110"),
            (":110", ": 110,\"Model\":1"),
            (":110", ":110,\"MagicPoints\":110"),
            ("\"MagicPoints\":110,", ""),
            (",\"HealthPoints\":150", ""),
        ] {
            assert!(PLAIN.contains(old), "{old}");
            assert!(!is_parsed(&PLAIN.replacen(old, new, 1)), "{new}");
        }
        for end in 0..PLAIN.len() {
            assert!(!is_parsed(&PLAIN[..end]), "{end}");
        }
    }

    proptest! {
        #[test]
        fn producer_lines_are_parsed(
            name in "[^\"\\\\\\x00-\\x1f\\x7f]{1,64}",
            millis in -60_000_000_000_000..250_000_000_000_000_i64,
            position in proptest::option::of((0.001..=90.0_f64, -180.0..=-0.001_f64)),
            micrometres in 0..=i64::MAX,
            points: [i32; 2],
        ) {
            let sent = Reading {
                name: name.into(),
                status_time: Timestamp::from_millis(millis),
                latitude: position.map(|(latitude, _)| latitude),
                longitude: position.map(|(_, longitude)| longitude),
                distance: Distance::from_micrometres(micrometres.into()),
                magic_points: points[0],
                health_points: points[1],
            };
            let line = sent.to_line();
            prop_assert_eq!(reading(&line), Some((sent, &b"\n"[..])));
        }
    }
}
