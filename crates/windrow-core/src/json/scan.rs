//! Values at the start of a text: where they end, by JSON's grammar.

use super::short::ShortDecimal;
use super::token::{FieldToken, TokenKind};
use crate::swar;

/// Objects and arrays within each other, at most: those in a value of an object, which is one more
/// itself.
const DEEPEST: u32 = 127;

/// Takes the value at the start of a text. Returns it with the text after it; `None` if there is no
/// value, or if it is nested too deep.
#[inline(always)]
pub(super) fn value(text: &[u8]) -> Option<(FieldToken<'_>, &[u8])> {
    let mut decimal = ShortDecimal::default();
    let (kind, length) = match text {
        [b'"', ..] => string(text)?,
        [first @ (b'-' | b'0'..=b'9'), after @ ..] => {
            let (kind, digits) = if *first == b'-' {
                (TokenKind::NegativeDecimal, after)
            } else {
                (TokenKind::Decimal, text)
            };
            match ShortDecimal::read::<true>(digits) {
                Some((short, length)) if !has_exponent(digits, length) => {
                    decimal = short;
                    (kind, length + text.len() - digits.len())
                }
                _ => (TokenKind::LongNumber, number(text)?),
            }
        }
        _ => other_value(text)?,
    };
    let (raw, rest) = text.split_at_checked(length)?;
    Some((FieldToken::new(kind, raw, decimal), rest))
}

#[inline(always)]
fn has_exponent(text: &[u8], length: usize) -> bool {
    matches!(text.get(length), Some(b'e' | b'E'))
}

/// The length of a literal, an object or an array.
#[inline(never)]
fn other_value(text: &[u8]) -> Option<(TokenKind, usize)> {
    let literals: [(&[u8], TokenKind); 3] = [
        (b"null", TokenKind::Null),
        (b"true", TokenKind::True),
        (b"false", TokenKind::False),
    ];
    for (literal, kind) in literals {
        if text.starts_with(literal) {
            return Some((kind, literal.len()));
        }
    }
    let rest = after_nested(text)?;
    Some((TokenKind::Nested, text.len() - rest.len()))
}

/// The length of the string at the start of a text.
#[inline(always)]
fn string(text: &[u8]) -> Option<(TokenKind, usize)> {
    let (b'"', content) = text.split_first()? else {
        return None;
    };
    let (mut length, mut all) = (0, 0);
    loop {
        let word = swar::at::<true>(content, length)?;
        let marks = swar::special(word);
        if marks == 0 {
            all |= word;
            length += 8;
            continue;
        }
        let before = swar::before_first(marks);
        all |= word & !(u64::MAX << (8 * before));
        length += before;
        break;
    }
    if content.get(length) != Some(&b'"') {
        return escaped_string(content, length, all);
    }
    let is_utf8 = all & swar::HIGHEST == 0 || is_utf8(content, length);
    is_utf8.then_some((TokenKind::Text, length + 2))
}

#[inline(never)]
fn is_utf8(content: &[u8], length: usize) -> bool {
    content
        .get(..length)
        .is_some_and(|content| std::str::from_utf8(content).is_ok())
}

/// The length of a string, with its quotes, that has neither a quote nor an escape in its first
/// `length` bytes. `all` has the bits of these.
#[inline(never)]
fn escaped_string(content: &[u8], mut length: usize, mut all: u64) -> Option<(TokenKind, usize)> {
    loop {
        let word = swar::at::<true>(content, length)?;
        // The end of the word may be after that of the string, which only makes the check below
        // happen where it need not.
        all |= word;
        let marks = swar::special(word);
        length += swar::before_first(marks);
        if marks == 0 {
            continue;
        }
        match content.get(length..)? {
            [b'"', ..] => break,
            [b'\\', b'u', rest @ ..] => {
                let digits = rest.first_chunk::<4>()?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                length += 6;
            }
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => length += 2,
            _ => return None,
        }
    }
    let is_utf8 = all & swar::HIGHEST == 0 || is_utf8(content, length);
    is_utf8.then_some((TokenKind::EscapedText, length + 2))
}

/// The length of the number at the start of a text, in any form.
#[inline(never)]
fn number(text: &[u8]) -> Option<usize> {
    fn after_digits(text: &[u8]) -> Option<&[u8]> {
        let count = text.iter().take_while(|digit| digit.is_ascii_digit());
        match count.count() {
            0 => None,
            count => text.get(count..),
        }
    }

    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match digits {
        [b'0', rest @ ..] => rest,
        digits => after_digits(digits)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = after_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = after_digits(match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        })?;
    }
    Some(text.len() - rest.len())
}

/// The text without white space at its start.
#[inline(always)]
pub(super) fn after_space(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [b' ' | b'\t' | b'\n' | b'\r', after @ ..] = rest {
        rest = after;
    }
    rest
}

/// Whether there is a line break in the text before `rest`, which is its end.
pub(super) fn has_newline(text: &[u8], rest: &[u8]) -> bool {
    let before = text.get(..text.len() - rest.len()).unwrap_or_default();
    memchr::memchr(b'\n', before).is_some()
}

/// Takes a key, which is a string, its colon, and white space around them.
#[inline(always)]
pub(super) fn key(text: &[u8]) -> Option<(FieldToken<'_>, &[u8])> {
    let text = after_space(text);
    let (kind, length) = string(text)?;
    let (raw, rest) = text.split_at_checked(length)?;
    let rest = after_space(rest).strip_prefix(b":")?;
    let key = FieldToken::new(kind, raw, ShortDecimal::default());
    Some((key, after_space(rest)))
}

/// What is after the object or array at the start of a text.
///
/// A loop, so that no text overflows the stack. The lowest bit of `open` says whether the innermost
/// value is an object, the next bit whether that around it is, and so on.
fn after_nested(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    let (mut open, mut depth) = (0_u128, 0);
    loop {
        // A value starts here.
        let is_empty = match rest {
            [start @ (b'{' | b'['), inner @ ..] => {
                let is_object = *start == b'{';
                if depth == DEEPEST {
                    return None;
                }
                depth += 1;
                open = open << 1 | u128::from(is_object);
                rest = after_space(inner);
                let end = if is_object { b'}' } else { b']' };
                let is_empty = rest.first() == Some(&end);
                if is_object && !is_empty {
                    (_, rest) = key(rest)?;
                }
                is_empty
            }
            _ => {
                rest = scalar(rest)?;
                true
            }
        };
        if !is_empty {
            continue;
        }
        // It ends here, and perhaps those around it.
        loop {
            if depth == 0 {
                return Some(rest);
            }
            let is_object = open & 1 == 1;
            rest = match (after_space(rest), is_object) {
                ([b',', next @ ..], true) => key(next)?.1,
                ([b',', next @ ..], false) => after_space(next),
                ([b'}', after @ ..], true) | ([b']', after @ ..], false) => {
                    open >>= 1;
                    depth -= 1;
                    rest = after;
                    continue;
                }
                _ => return None,
            };
            break;
        }
    }
}

/// What is after the string, number or literal at the start of a text.
#[inline(always)]
fn scalar(text: &[u8]) -> Option<&[u8]> {
    let length = match text {
        [b'"', ..] => string(text)?.1,
        [b'-' | b'0'..=b'9', ..] => number(text)?,
        [b't', ..] => return text.strip_prefix(b"true"),
        [b'f', ..] => return text.strip_prefix(b"false"),
        _ => return text.strip_prefix(b"null"),
    };
    text.get(length..)
}
