//! The values of an object's fields, as they are written.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::RawField;
use super::escape;
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
            let (text, _) = escape::text(self.raw.get(1..)?)?;
            return Some(Cow::Owned(text));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_token_per_name() {
        for count in [0, 1, FEW, FEW + 1, 100] {
            let names = FieldNames::new((0..count).map(|name| name.to_string()));
            let mut buffer = TokenBuffer::new(&names);
            assert_eq!(buffer.tokens(), vec![FieldToken::default(); count]);
        }
    }
}
