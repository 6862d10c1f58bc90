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
    match text {
        [b'"', ..] => {
            let (kind, length) = string(text)?;
            token(text, kind, length)
        }
        [b'-' | b'0'..=b'9', ..] => match decimal(text) {
            Some((is_negative, decimal, rest)) => {
                let kind = if is_negative {
                    TokenKind::NegativeDecimal
                } else {
                    TokenKind::Decimal
                };
                let raw = text.get(..text.len() - rest.len())?;
                Some((FieldToken::new(kind, raw, decimal), rest))
            }
            None => token(text, TokenKind::LongNumber, number(text)?),
        },
        _ => {
            let (kind, length) = other_value(text)?;
            token(text, kind, length)
        }
    }
}

/// A value that is no number of the usual form, and the text after it.
#[inline(always)]
fn token(text: &[u8], kind: TokenKind, length: usize) -> Option<(FieldToken<'_>, &[u8])> {
    let (raw, rest) = text.split_at_checked(length)?;
    let token = FieldToken::new(kind, raw, ShortDecimal::default());
    Some((token, rest))
}

/// Takes the number of the usual form at the start of a text: whether it has a minus, and the rest
/// of it.
#[inline(always)]
pub(super) fn decimal(text: &[u8]) -> Option<(bool, ShortDecimal, &[u8])> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    let (decimal, length) = ShortDecimal::read::<true>(digits)?;
    let rest = digits.get(length..)?;
    if let [b'e' | b'E', ..] = rest {
        return None;
    }
    Some((is_negative, decimal, rest))
}

/// The text after the value at its start, and whether the value has a line break.
#[inline(always)]
pub(super) fn skip(text: &[u8]) -> Option<(&[u8], bool)> {
    let length = match text {
        [b'"', ..] => string(text)?.1,
        [b'-' | b'0'..=b'9', ..] => match usual_number(text) {
            Some(length) => length,
            None => number(text)?,
        },
        _ => {
            let (token, rest) = value(text)?;
            return Some((rest, token.has_newline()));
        }
    };
    Some((text.get(length..)?, false))
}

/// The length of the number at the start of a text, if it has no exponent.
#[inline(always)]
fn usual_number(text: &[u8]) -> Option<usize> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits.iter().take_while(|digit| digit.is_ascii_digit());
    let whole = whole.count();
    if whole == 0 || (whole > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let mut rest = digits.get(whole..)?;
    if let [b'.', fraction @ ..] = rest {
        let mut places = 0;
        loop {
            let (_, marks) = swar::digits(swar::at::<true>(fraction, places)?);
            places += swar::before_first(marks);
            if marks != 0 {
                break;
            }
        }
        if places == 0 {
            return None;
        }
        rest = fraction.get(places..)?;
    }
    match rest {
        [b'e' | b'E', ..] => None,
        _ => Some(text.len() - rest.len()),
    }
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

/// Takes the string without escapes at the start of a text, without its quotes.
#[inline(always)]
pub(super) fn plain_text(text: &[u8]) -> Option<(&str, &[u8])> {
    let content = text.strip_prefix(b"\"")?;
    let mut length = 0;
    loop {
        let marks = swar::special(swar::at::<true>(content, length)?);
        length += swar::before_first(marks);
        if marks != 0 {
            break;
        }
    }
    let (plain, rest) = content.split_at_checked(length)?;
    let rest = rest.strip_prefix(b"\"")?;
    Some((std::str::from_utf8(plain).ok()?, rest))
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
