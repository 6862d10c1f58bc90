//! Strings with escapes.

use crate::swar;

/// Takes the characters of a string up to its closing quote, which is taken as well. `None` if the
/// string has an invalid escape, half of a surrogate pair or no end, or is not UTF-8.
#[inline(never)]
pub(super) fn text(content: &[u8]) -> Option<(String, &[u8])> {
    let mut text = String::with_capacity(USUAL_LENGTH);
    let mut rest = content;
    loop {
        let mut plain = 0;
        loop {
            let marks = swar::special(swar::at::<true>(rest, plain)?);
            plain += swar::before_first(marks);
            if marks != 0 {
                break;
            }
        }
        let (plain, special) = rest.split_at_checked(plain)?;
        text.push_str(std::str::from_utf8(plain).ok()?);
        let (character, after) = match special {
            [b'"', after @ ..] => return Some((text, after)),
            [b'\\', b'u', digits @ ..] => character(digits)?,
            [b'\\', escape, after @ ..] => (simple(*escape)?, after),
            _ => return None,
        };
        text.push(character);
        rest = after;
    }
}

/// Most texts with escapes are names, and no longer.
const USUAL_LENGTH: usize = 64;

/// The character of an escape of one letter.
fn simple(escape: u8) -> Option<char> {
    Some(match escape {
        b'"' | b'\\' | b'/' => escape.into(),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

/// Takes the hex digits after `\u`, and the second half of a surrogate pair if they are the first.
fn character(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = code_unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, rest));
    }
    let (second, rest) = code_unit(rest.strip_prefix(b"\\u")?)?;
    if !(0xD800..0xDC00).contains(&first) || !(0xDC00..0xE000).contains(&second) {
        return None;
    }
    let character = char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
    Some((character, rest))
}

/// Takes four hex digits.
fn code_unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let mut unit = 0;
    for digit in digits {
        unit = 16 * unit + char::from(*digit).to_digit(16)?;
    }
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What serde_json reads of a string, and what is after it here.
    fn check(raw: &str) -> Result<(), TestCaseError> {
        let theirs = serde_json::from_str::<String>(raw).ok();
        let more = format!("{raw},1");
        let ours = text(&more.as_bytes()[1..]);
        prop_assert_eq!(&ours, &theirs.map(|theirs| (theirs, &b",1"[..])), "{}", raw);
        Ok(())
    }

    #[test]
    fn escapes_are_characters() {
        for (raw, expected) in [
            (r#""""#, Some("")),
            (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r#""Sh\u00e9dowf\u00E0x 1""#, Some("Shédowfàx 1")),
            (r#""é\ud83e\udd84!""#, Some("é🦄!")),
            (r#""\ud83e""#, None),
            (r#""\ud83e\ud83e""#, None),
            (r#""\udd84\ud83e""#, None),
            (r#""\ud83e\n""#, None),
        ] {
            let found = text(&raw.as_bytes()[1..]);
            assert_eq!(found.map(|found| found.0).as_deref(), expected, "{raw}");
            check(raw).unwrap();
        }
    }

    #[test]
    fn other_texts_are_no_strings() {
        for content in [
            &b""[..],
            b"a",
            b"a\\",
            b"\\u12",
            b"\t\"",
            b"\xff\"",
            b"\\x\"",
        ] {
            assert_eq!(text(content), None, "{}", content.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn strings_are_those_of_serde(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("\\ud83e".to_owned()),
                    Just("\\udd84".to_owned()),
                    "\\\\[\"\\\\/bfnrtux]",
                    "\\\\u[0-9a-fA-F]{4}",
                    "[^\"\\\\\\x00-\\x1f]{0,12}",
                ],
                0..6,
            ),
        ) {
            check(&format!("\"{}\"", pieces.concat()))?;
        }
    }
}
