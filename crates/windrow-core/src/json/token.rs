//! The values of an object's fields, as they are written.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::RawField;
use super::layout::FieldNames;
use super::short::ShortDecimal;
use crate::time::Timestamp;

/// The value of a wanted field, as it is written.
///
/// All kinds have the same parts: copying an enum whose variants differ would take a third of the
/// time of parsing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldToken<'a> {
    /// All of it, with its quotes if it is a string.
    raw: &'a [u8],
    kind: TokenKind,
    /// The digits of a number of the usual form, and how many of them are after the point.
    digits: u64,
    places: u8,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenKind {
    /// The object has no such field.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// `true`.
    True,
    /// `false`.
    False,
    /// A number of the usual form, zero or above.
    Decimal,
    /// A number of the usual form with a minus.
    NegativeDecimal,
    /// A number of another form: with an exponent, or with many digits.
    LongNumber,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    EscapedText,
    /// An object or an array.
    Nested,
}

impl<'a> FieldToken<'a> {
    #[inline(always)]
    pub(super) fn new(kind: TokenKind, raw: &'a [u8], decimal: ShortDecimal) -> Self {
        Self {
            raw,
            kind,
            digits: decimal.digits,
            places: decimal.places as u8,
        }
    }

    /// What the value is.
    #[inline(always)]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// Whether there is a line break in it.
    #[inline(always)]
    pub(super) fn has_newline(&self) -> bool {
        self.kind == TokenKind::Nested && memchr::memchr(b'\n', self.raw).is_some()
    }

    /// The JSON of the value; `None` if it is missing or null.
    ///
    /// It is parsed again, so this is for values of unusual forms.
    pub fn raw(&self) -> RawField<'a> {
        if let TokenKind::Missing | TokenKind::Null = self.kind {
            return None;
        }
        serde_json::from_slice::<&RawValue>(self.raw).ok()
    }

    /// The characters of a string. `None` if it is something else, or has half of a surrogate pair.
    #[inline(always)]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        if let TokenKind::EscapedText = self.kind {
            return unescaped(std::str::from_utf8(self.raw).ok()?).map(Cow::Owned);
        }
        self.plain_text().map(Cow::Borrowed)
    }

    /// The characters of a string that has no escapes; `None` if it is something else. As all
    /// characters of JSON between quotes, they need no escapes either.
    #[inline(always)]
    pub fn plain_text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.plain_bytes()?).ok()
    }

    /// The bytes of a string that has no escapes.
    #[inline(always)]
    pub(super) fn plain_bytes(&self) -> Option<&'a [u8]> {
        match (self.kind, self.raw) {
            (TokenKind::Text, [_, bytes @ .., _]) => Some(bytes),
            _ => None,
        }
    }

    /// The time of a value of a usual form. `None` if the value has another form, or is no time.
    #[inline(always)]
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.formatted_time().or_else(|| self.other_timestamp())
    }

    /// The time of a string as times are [formatted](Timestamp), which is a whole millisecond. `None`
    /// if the value has another form, or is no time.
    #[inline(always)]
    pub fn formatted_time(&self) -> Option<Timestamp> {
        Timestamp::from_formatted(self.plain_bytes()?.try_into().ok()?)
    }

    #[inline(never)]
    fn other_timestamp(&self) -> Option<Timestamp> {
        match self.kind {
            TokenKind::Decimal | TokenKind::NegativeDecimal | TokenKind::LongNumber => {
                Timestamp::from_number(std::str::from_utf8(self.raw).ok()?).ok()
            }
            _ => self.text()?.parse().ok(),
        }
    }

    /// A number of the usual form: whether it has a minus, and the rest of it.
    #[inline(always)]
    pub fn decimal(&self) -> Option<(bool, ShortDecimal)> {
        let decimal = ShortDecimal {
            digits: self.digits,
            places: self.places.into(),
        };
        match self.kind {
            TokenKind::Decimal => Some((false, decimal)),
            TokenKind::NegativeDecimal => Some((true, decimal)),
            _ => None,
        }
    }
}

/// A missing token per name, without an allocation for few names.
#[derive(Debug)]
pub struct TokenBuffer<'a> {
    count: usize,
    few: [FieldToken<'a>; FEW],
    /// Empty for few names.
    many: Vec<FieldToken<'a>>,
}

/// Few names, at most.
const FEW: usize = 16;

impl<'a> TokenBuffer<'a> {
    /// A token for each of these names.
    #[inline]
    pub fn new(names: &FieldNames) -> Self {
        let token = FieldToken::default();
        let count = names.names().len();
        Self {
            count,
            few: [token; FEW],
            many: if count > FEW {
                vec![token; count]
            } else {
                Vec::new()
            },
        }
    }

    /// The tokens.
    #[inline]
    pub fn tokens(&mut self) -> &mut [FieldToken<'a>] {
        match self.few.get_mut(..self.count) {
            Some(few) => few,
            None => &mut self.many,
        }
    }
}

/// The characters of a string with valid escapes. `None` if it has half of a surrogate pair.
#[inline(never)]
fn unescaped(raw: &str) -> Option<String> {
    let mut rest = raw.get(1..raw.len().checked_sub(1)?)?;
    // No escape is shorter than its character.
    let mut text = String::with_capacity(rest.len());
    // Escapes are mostly close together, where a call of memchr takes longer than this loop.
    while let Some(plain) = rest.bytes().position(|byte| byte == b'\\') {
        text.push_str(rest.get(..plain)?);
        let (escape, after) = rest.get(plain + 1..)?.split_at_checked(1)?;
        rest = after;
        text.push(match escape {
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => {
                let unit = code_unit(&mut rest)?;
                match char::from_u32(unit) {
                    Some(character) => character,
                    None => surrogate_pair(unit, &mut rest)?,
                }
            }
            // A quote, a slash or a backslash.
            itself => itself.chars().next()?,
        });
    }
    text.push_str(rest);
    Some(text)
}

/// Takes four hex digits.
fn code_unit(rest: &mut &str) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(4)?;
    *rest = after;
    digits
        .chars()
        .try_fold(0, |unit, digit| Some(16 * unit + digit.to_digit(16)?))
}

/// The character of a pair whose first half is taken. Takes the second half.
fn surrogate_pair(first: u32, rest: &mut &str) -> Option<char> {
    *rest = rest.strip_prefix("\\u")?;
    let second = code_unit(rest)?;
    if !(0xD800..0xDC00).contains(&first) || !(0xDC00..0xE000).contains(&second) {
        return None;
    }
    char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_characters() {
        for (raw, text) in [
            (r#""""#, Some("")),
            (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r#""Sh\u00e9dowf\u00E0x 1""#, Some("Shédowfàx 1")),
            (r#""é\ud83e\udd84!""#, Some("é🦄!")),
            (r#""\ud83e""#, None),
            (r#""\ud83e\ud83e""#, None),
            (r#""\udd84\ud83e""#, None),
            (r#""\ud83e\n""#, None),
        ] {
            assert_eq!(unescaped(raw).as_deref(), text, "{raw}");
            let theirs = serde_json::from_str::<String>(raw).ok();
            assert_eq!(theirs.as_deref(), text, "{raw}");
        }
    }

    #[test]
    fn there_is_a_token_per_name() {
        for count in [0, 1, FEW, FEW + 1, 100] {
            let names = FieldNames::new((0..count).map(|name| name.to_string()));
            let mut buffer = TokenBuffer::new(&names);
            assert_eq!(buffer.tokens(), vec![FieldToken::default(); count]);
        }
    }
}
