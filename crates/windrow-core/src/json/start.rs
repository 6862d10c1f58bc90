//! The text from a value of an object on, for callers that know what the value should be.

use std::borrow::Cow;

use super::escape;
use super::scan;
use super::short::ShortDecimal;
use super::token::FieldToken;
use crate::time::Timestamp;

/// The text of an object from one of its values on.
///
/// A caller that expects a number reads a number, which takes less time than to find out what the
/// value is. [`token`](Self::token) reads any value.
#[derive(Clone, Copy, Debug)]
pub struct ValueStart<'a> {
    text: &'a [u8],
}

/// What follows a value of an object.
#[derive(Clone, Copy, Debug)]
pub struct ValueEnd<'a> {
    pub(super) rest: &'a [u8],
    /// Whether the value has a line break.
    pub(super) has_newline: bool,
}

/// Reads the values of an object's fields as [`visit`](super::visit) finds them.
///
/// A trait, since a closure is not always inlined, and a call per value takes a tenth of the time of
/// parsing.
pub trait FieldVisitor<'a> {
    /// Reads the value of the field with this index, and returns where it ends; `None` to stop.
    fn visit(&mut self, field: usize, start: ValueStart<'a>) -> Option<ValueEnd<'a>>;
}

impl<'a> ValueEnd<'a> {
    /// The text after the value.
    #[inline(always)]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// The end of a value that is no object or array, and so has no line break.
    #[inline(always)]
    fn of_scalar(rest: &'a [u8]) -> Self {
        Self {
            rest,
            has_newline: false,
        }
    }
}

impl<'a> ValueStart<'a> {
    /// The text from a value on.
    #[inline(always)]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// Any value; `None` if there is none.
    #[inline(always)]
    pub fn token(self) -> Option<(FieldToken<'a>, ValueEnd<'a>)> {
        let (token, rest) = scan::value(self.text)?;
        let has_newline = token.has_newline();
        Some((token, ValueEnd { rest, has_newline }))
    }

    /// The end of any value; `None` if there is none.
    #[inline(always)]
    pub(super) fn skip(self) -> Option<ValueEnd<'a>> {
        let (rest, has_newline) = scan::skip(self.text)?;
        Some(ValueEnd { rest, has_newline })
    }

    /// The end of a `null`.
    #[inline(always)]
    pub fn null(self) -> Option<ValueEnd<'a>> {
        self.text.strip_prefix(b"null").map(ValueEnd::of_scalar)
    }

    /// `true` or `false`.
    #[inline]
    pub fn boolean(self) -> Option<(bool, ValueEnd<'a>)> {
        let (value, rest) = match self.text {
            [b't', b'r', b'u', b'e', rest @ ..] => (true, rest),
            [b'f', b'a', b'l', b's', b'e', rest @ ..] => (false, rest),
            _ => return None,
        };
        Some((value, ValueEnd::of_scalar(rest)))
    }

    /// A number of the usual form: whether it has a minus, and the rest of it.
    #[inline(always)]
    pub fn decimal(self) -> Option<(bool, ShortDecimal, ValueEnd<'a>)> {
        let (is_negative, decimal, rest) = scan::decimal(self.text)?;
        Some((is_negative, decimal, ValueEnd::of_scalar(rest)))
    }

    /// A string. `None` if it is something else, or has half of a surrogate pair.
    #[inline(always)]
    pub fn text(self) -> Option<(Cow<'a, str>, ValueEnd<'a>)> {
        if let Some((text, end)) = self.plain_text() {
            return Some((Cow::Borrowed(text), end));
        }
        let (text, rest) = escape::text(self.text.strip_prefix(b"\"")?)?;
        Some((Cow::Owned(text), ValueEnd::of_scalar(rest)))
    }

    /// A string without escapes.
    #[inline(always)]
    pub fn plain_text(self) -> Option<(&'a str, ValueEnd<'a>)> {
        let (text, rest) = scan::plain_text(self.text)?;
        Some((text, ValueEnd::of_scalar(rest)))
    }

    /// The time of a value of a usual form. `None` if the value has another form, or is no time.
    #[inline(always)]
    pub fn timestamp(self) -> Option<(Timestamp, ValueEnd<'a>)> {
        if let Some(formatted) = self.formatted_time() {
            return Some(formatted);
        }
        let (token, end) = self.token()?;
        Some((token.timestamp()?, end))
    }

    /// The time of a string as times are [formatted](Timestamp), which is a whole millisecond.
    #[inline(always)]
    pub fn formatted_time(self) -> Option<(Timestamp, ValueEnd<'a>)> {
        let (formatted, rest) = self.text.strip_prefix(b"\"")?.split_first_chunk()?;
        let rest = rest.strip_prefix(b"\"")?;
        let time = Timestamp::from_formatted(formatted)?;
        Some((time, ValueEnd::of_scalar(rest)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::TokenKind;

    /// Every way to read a value agrees with the token of the value.
    fn check(text: &[u8]) -> Result<(), TestCaseError> {
        let start = ValueStart::new(text);
        let any = start.token();
        let rest = any.map(|(_, end)| end.rest);
        let skipped = start.skip();
        prop_assert_eq!(skipped.map(|end| end.rest), rest);
        prop_assert_eq!(
            skipped.map(|end| end.has_newline),
            any.map(|(_, end)| end.has_newline)
        );
        let token = any.map(|(token, _)| token).unwrap_or_default();
        let is = |kinds: &[TokenKind]| kinds.contains(&token.kind());
        let with_rest = |end: ValueEnd<'_>| end.rest == rest.unwrap_or_default();
        let null = start.null();
        prop_assert_eq!(null.is_some(), is(&[TokenKind::Null]));
        prop_assert!(null.is_none_or(with_rest));
        let boolean = start.boolean();
        prop_assert_eq!(boolean.is_some(), is(&[TokenKind::True, TokenKind::False]));
        prop_assert_eq!(
            boolean.map(|(value, _)| value),
            boolean.map(|_| is(&[TokenKind::True]))
        );
        prop_assert!(boolean.is_none_or(|(_, end)| with_rest(end)));
        let decimal = start.decimal();
        prop_assert_eq!(
            decimal.map(|(is_negative, decimal, _)| (is_negative, decimal)),
            token.decimal()
        );
        prop_assert!(decimal.is_none_or(|(_, _, end)| with_rest(end)));
        let plain = start.plain_text();
        prop_assert_eq!(plain.map(|(plain, _)| plain), token.plain_text());
        prop_assert!(plain.is_none_or(|(_, end)| with_rest(end)));
        let found = start.text();
        prop_assert!(found.as_ref().is_none_or(|(_, end)| with_rest(*end)));
        prop_assert_eq!(found.map(|(found, _)| found), token.text());
        let time = start.timestamp();
        prop_assert_eq!(time.map(|(time, _)| time), token.timestamp());
        prop_assert!(time.is_none_or(|(_, end)| with_rest(end)));
        let formatted = start.formatted_time();
        prop_assert_eq!(formatted.map(|(time, _)| time), token.formatted_time());
        Ok(())
    }

    #[test]
    fn values_are_those_of_their_tokens() {
        for text in [
            "",
            "-",
            "--1",
            "-1,",
            "0}",
            "01",
            "1.",
            "1.5,",
            "-0.25}",
            "1e5,",
            "1.5E-3,",
            "12345678901234567890123,",
            "1.12345678901234567890123,",
            "null,",
            "nul",
            "true}",
            "false",
            "\"\"",
            "\"a\",",
            "\"a",
            "\"a\\n\",",
            "\"\\ud83e\",",
            "\"\t\",",
            "\"2026-11-20 09:17:08.189\",",
            "\"2026-11-20 09:17:08.189Z\",",
            "\"2026-11-20T09:17:08Z\",",
            "1795166228.189,",
            "{\"a\":[1,\n2]},",
            "[1,",
        ] {
            check(text.as_bytes()).unwrap();
        }
        check(b"\"a\xff\",").unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_value_is_that_of_its_token(
            text in prop_oneof![
                "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?[,}]?",
                "\"([a-zé🦄]|\\\\[\"nu/x]|\\\\u[0-9a-f]{4}){0,12}\"?,?",
                "\"[0-9]{4}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,4})?Z?\",?",
                "[\\[\\]{},:\"a1tfn.e-]{0,12}",
            ],
        ) {
            check(text.as_bytes())?;
        }
    }
}
