//! A one-pass parser for readings in the producer's format.
//!
//! Nearly every incoming line was formatted by [`Reading::to_line`] or looks the same: the keys in
//! that order, no spaces between them, numbers without an exponent.
//! [`reading`] parses only such lines. It never rejects a line: what it does not recognize is left
//! to the general parser ([`project`](windrow_core::json::project())), which takes any JSON, and 1.5
//! times as long. Both return the same value for a line that both accept; `tests/fuzz_reading.rs`
//! checks that.
//!
//! The parser allocates nothing and needs no `unsafe`. It takes about 65 ns per line, of which 24 ns
//! are for the coordinates (`cargo bench -p bench -- parse`). Fixed text is compared at once, as an
//! array; names and digits are scanned eight bytes at a time ([`swar`](windrow_core::swar)); numbers stay integers
//! ([`ShortDecimal`]). Slices of a length known to the compiler are bounds-checked once, and
//! `inline(always)` keeps the position in the line in registers, which saves a fifth of the time.

use std::borrow::Cow;

use crate::distance::Distance;
use crate::reading::model::{LONGEST_NAME, Reading};
use windrow_core::json::ValueStart;
use windrow_core::json::short::{self, ShortDecimal};
use windrow_core::time::Timestamp;

/// Parses the reading at the start of the text and returns it with the rest of the text. Returns
/// `None` if the text starts with anything else, or with a reading in another format.
///
/// The parsed text has no line break, so the line does not end before the reading does.
#[inline(always)]
pub(crate) fn reading(text: &[u8]) -> Option<(Reading<'_>, &[u8])> {
    let mut text = FieldScanner { rest: text };
    text.take(br#"{"Name":"#)?;
    let name = text.name()?;
    text.take(br#","StatusTime":""#)?;
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
        name,
        status_time,
        latitude,
        longitude,
        distance,
        magic_points,
        health_points,
    };
    Some((reading, text.rest))
}

/// The text that is left to parse.
///
/// Values within eight bytes of its end are not parsed. Mostly other fields or the next line follow
/// a value, and checking for the end takes 5 % longer.
struct FieldScanner<'a> {
    rest: &'a [u8],
}

impl<'a> FieldScanner<'a> {
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

    /// Takes a name, with its quotes.
    #[inline(always)]
    fn name(&mut self) -> Option<Cow<'a, str>> {
        let (name, end) = ValueStart::new(self.rest).text()?;
        self.rest = end.rest();
        // A longer name may still be short enough in characters; the general parser counts them.
        (1..=LONGEST_NAME).contains(&name.len()).then_some(name)
    }

    #[inline(always)]
    fn status_time(&mut self) -> Option<Timestamp> {
        let (text, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Timestamp::from_formatted(text)
    }

    #[inline(always)]
    fn decimal(&mut self) -> Option<ShortDecimal> {
        let (decimal, length) = ShortDecimal::read::<false>(self.rest)?;
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
        let (points, length) = short::integer(self.rest)?;
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
            ("Shadowfax", r"Shadowf\u0061x"),
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
            ("Shadowfax", r"Shadowf\ud83ex"),
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

    proptest! {
        #[test]
        fn producer_lines_are_parsed(
            name in "[^\"\\\\\\x00-\\x1f\\x7f]{1,64}",
            millis in -60_000_000_000_000..250_000_000_000_000_i64,
            position in proptest::option::of((0.01..=90.0_f64, -180.0..=-0.01_f64)),
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
