//! The values of wanted fields of any JSON object, in one pass.
//!
//! Eight bytes at a time ([`swar`](crate::swar)), not by a crate with SIMD. On x86-64 without wide
//! vector instructions, a unicorn's line takes 68 ns, with `sonic-rs` 0.5 (`LazyValue`) 410 ns and
//! with `serde_json` (`RawValue`) 232 ns; with a nested field 128, 554 and 343 ns. To find quotes
//! and escapes with `memchr2` alone takes 91 and 180 ns, since strings are short; it wins in strings
//! of hundreds of bytes, where control characters would need a second pass.

use super::layout::{FieldLayout, FieldNames, OTHER};
use super::scan;
use super::start::{FieldVisitor, ValueEnd, ValueStart};
use super::token::FieldToken;
use crate::rejection::Rejection;

/// What [`project`] found besides the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projected<'a> {
    /// The text after the object.
    pub rest: &'a [u8],
    /// Whether the object has a line break.
    pub has_newline: bool,
}

impl<'a> Projected<'a> {
    /// What follows the object, if it is all that its line has: nothing, or a newline and the rest
    /// of the text.
    #[inline(always)]
    pub fn line_end(&self) -> Option<&'a [u8]> {
        if self.has_newline {
            return None;
        }
        line_end(self.rest)
    }

    /// Whether nothing but white space follows the object.
    #[inline]
    pub fn is_all(&self) -> bool {
        scan::after_space(self.rest).is_empty()
    }
}

/// A text without the carriage return at its start, if it is empty then or starts with a newline.
#[inline(always)]
pub fn line_end(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"\r").unwrap_or(text);
    matches!(text, [] | [b'\n', ..]).then_some(text)
}

/// Finds the values of wanted fields in the object at the start of a text. `values` has a missing
/// one per name, which is replaced. The text is parsed as strictly as a line: all of the object must be JSON and UTF-8, and
/// none of the names may occur twice.
///
/// Returns `None` if the text does not start with such an object, or with one that is nested deeper
/// than 128 levels. [`fields`] says why.
#[inline(always)]
pub fn project<'a>(
    names: &FieldNames,
    layout: &mut FieldLayout,
    text: &'a [u8],
    values: &mut [FieldToken<'a>],
) -> Option<Projected<'a>> {
    visit(names, layout, text, &mut FoundTokens { values })
}

/// Keeps the values of fields as they are written.
struct FoundTokens<'v, 'a> {
    values: &'v mut [FieldToken<'a>],
}

impl<'a> FieldVisitor<'a> for FoundTokens<'_, 'a> {
    #[inline(always)]
    fn visit(&mut self, field: usize, start: ValueStart<'a>) -> Option<ValueEnd<'a>> {
        let (value, end) = start.token()?;
        *self.values.get_mut(field)? = value;
        Some(end)
    }
}

/// Passes on where the values of wanted fields start in the object at the start of a text, in their
/// order there. Returns `None` if the visitor stops. Everything else is as in [`project`].
#[inline(always)]
pub fn visit<'a>(
    names: &FieldNames,
    layout: &mut FieldLayout,
    text: &'a [u8],
    visitor: &mut impl FieldVisitor<'a>,
) -> Option<Projected<'a>> {
    layout.begin(names);
    let mut rest = text;
    let mut has_newline = false;
    let mut seen = FieldSet::default();
    // The keys that are expected next, after `taken` others. How many of them were taken follows from
    // the length, which is one variable less in the loop.
    let mut keys = layout.keys(names);
    let (mut taken, mut expected) = (0, keys.len());
    loop {
        let known = keys.split_first();
        let known = known.and_then(|(key, after)| Some((key.field, key.take(rest)?, after)));
        let (field, value) = match known {
            Some((field, value, after)) => {
                keys = after;
                (field, value)
            }
            None => {
                let index = taken + expected - keys.len();
                if index > 0
                    && let [b'}', rest @ ..] = rest
                {
                    return Some(Projected { rest, has_newline });
                }
                let next = next_key(names, layout, index, rest)?;
                has_newline |= next.has_newline;
                if next.is_end {
                    let rest = next.rest;
                    return Some(Projected { rest, has_newline });
                }
                taken = next.index;
                keys = layout.keys(names).get(taken..).unwrap_or_default();
                expected = keys.len();
                (next.field, next.rest)
            }
        };
        let start = ValueStart::new(value);
        let end = if field == OTHER {
            start.skip()?
        } else if seen.insert(field) {
            visitor.visit(field, start)?
        } else {
            return None;
        };
        rest = end.rest;
        has_newline |= end.has_newline;
    }
}

/// The fields that an object was found to have.
#[derive(Default)]
struct FieldSet {
    /// A bit for each of the first 64.
    few: u64,
    others: Vec<usize>,
}

impl FieldSet {
    /// Inserts a field. Returns false if it is known.
    #[inline(always)]
    fn insert(&mut self, field: usize) -> bool {
        if field >= u64::BITS as usize {
            return insert_other(&mut self.others, field);
        }
        let bit = 1 << field;
        let is_new = self.few & bit == 0;
        self.few |= bit;
        is_new
    }
}

#[cold]
fn insert_other(others: &mut Vec<usize>, field: usize) -> bool {
    let is_new = !others.contains(&field);
    if is_new {
        others.push(field);
    }
    is_new
}

/// A key that the layout does not predict, or the end of the object.
struct NextKey<'a> {
    is_end: bool,
    /// The index of its name; [`OTHER`] if the field is not wanted.
    field: usize,
    /// The text after it.
    rest: &'a [u8],
    /// The index of the key after it in the layout.
    index: usize,
    has_newline: bool,
}

/// Takes the next key, or the end of the object. No key is taken yet if `index` is zero.
#[inline(never)]
fn next_key<'a>(
    names: &FieldNames,
    layout: &mut FieldLayout,
    index: usize,
    text: &'a [u8],
) -> Option<NextKey<'a>> {
    let start = scan::after_space(text);
    let members = match (index, start) {
        (0, [b'{', members @ ..]) => scan::after_space(members),
        (0, _) => return None,
        _ => start,
    };
    if let [b'}', rest @ ..] = members {
        let has_newline = scan::has_newline(text, rest);
        return Some(NextKey {
            is_end: true,
            field: OTHER,
            rest,
            index,
            has_newline,
        });
    }
    let next = |field, rest, index| NextKey {
        is_end: false,
        field,
        rest,
        index,
        has_newline: scan::has_newline(text, rest),
    };
    // The object may lack fields of the one before.
    if let Some((found, field, rest)) = layout.find(names, index, text) {
        return Some(next(field, rest, found + 1));
    }
    let members = if index == 0 {
        members
    } else {
        members.strip_prefix(b",")?
    };
    let (key, rest) = scan::key(members)?;
    let field = match key.plain_bytes() {
        Some(name) => names.index(name),
        None => names.index(key.text()?.as_bytes()),
    };
    let field = field.unwrap_or(OTHER);
    let next = next(field, rest, index + 1);
    let spelling = text.get(..text.len() - rest.len())?;
    layout.record(names, index, spelling, field);
    Some(next)
}

/// Finds the values of wanted fields in a line, as [`project`] does.
///
/// # Errors
///
/// [`Rejection`] if the line is not a JSON object, is nested deeper than 128 levels, or has one of
/// the fields twice.
#[inline(always)]
pub fn fields<'a>(
    names: &FieldNames,
    layout: &mut FieldLayout,
    line: &'a [u8],
    values: &mut [FieldToken<'a>],
) -> Result<(), Rejection> {
    match project(names, layout, line, values) {
        Some(object) if object.is_all() => Ok(()),
        _ => Err(rejection(names, line)),
    }
}

/// Why a line has no fields that [`project`] can find.
#[cold]
#[inline(never)]
fn rejection(names: &FieldNames, line: &[u8]) -> Rejection {
    match super::split_by_name(line, names.names()) {
        Err(rejection) => rejection,
        // serde_json knows all other reasons, and skips values of any depth.
        Ok(_) => Rejection::NotAnObject("it is nested deeper than 128 levels".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(layout: &mut FieldLayout, text: &'a str) -> Option<(Vec<Option<&'a str>>, usize)> {
        let names = FieldNames::new(["A", "B"]);
        let mut values = [FieldToken::default(); 2];
        let object = project(&names, layout, text.as_bytes(), &mut values)?;
        let raw = values.iter().map(|value| value.raw().map(|raw| raw.get()));
        Some((raw.collect(), text.len() - object.rest.len()))
    }

    /// Each text is parsed with the layouts of all others.
    #[test]
    fn layouts_change_no_value() {
        let texts = [
            (r#"{"A":1,"B":"x"}"#, [Some("1"), Some("\"x\"")]),
            (r#"{"B":[{}],"A":null}"#, [None, Some("[{}]")]),
            (
                r#"{"A": -1.5e3, "C": {"A": 7}, "B": true}"#,
                [Some("-1.5e3"), Some("true")],
            ),
            (
                r#" { "C" : 1 , "\u0041" : 2 , "C" : 3 } "#,
                [Some("2"), None],
            ),
            (
                r#"{"A":12345678901234567890123,"a key that is not wanted":"","B":"\n"}"#,
                [Some("12345678901234567890123"), Some("\"\\n\"")],
            ),
            ("{}", [None, None]),
            ("{\n}", [None, None]),
        ];
        for (first, _) in texts {
            let mut layout = FieldLayout::default();
            found(&mut layout, first).unwrap();
            found(&mut layout, first).unwrap();
            for (text, expected) in texts {
                let more = format!("{text}{{\"A\":1}}");
                let (values, length) = found(&mut layout, &more).unwrap();
                assert_eq!(values, expected, "{text}");
                assert_eq!(length, text.trim_end().len(), "{text}");
            }
        }
    }

    #[test]
    fn a_layout_of_other_names_is_not_used() {
        let mut layout = FieldLayout::default();
        for _ in 0..2 {
            found(&mut layout, r#"{"B":1,"A":2}"#).unwrap();
        }
        let names = FieldNames::new(["B"]);
        let mut values = [FieldToken::default(); 1];
        project(&names, &mut layout, br#"{"B":1,"A":2}"#, &mut values).unwrap();
        assert_eq!(values[0].raw().map(|raw| raw.get()), Some("1"));
    }

    #[test]
    fn other_texts_have_no_values() {
        for text in [
            "",
            "{",
            "[]",
            "{,}",
            r#"{"A":1,}"#,
            r#"{"A" 1}"#,
            r#"{"A":01}"#,
            r#"{"A":1.}"#,
            r#"{"A":1e}"#,
            r#"{"A":tru}"#,
            r#"{"A":1,"A":1}"#,
            r#"{"C":"\x"}"#,
            r#"{"C":"\u12"}"#,
            r#"{"C":[1,]}"#,
            r#"{"C":{"A"}}"#,
            "{\"C\":\"\t\"}",
            r#"{"\ud83e":1}"#,
        ] {
            assert_eq!(found(&mut FieldLayout::default(), text), None, "{text}");
        }
    }

    #[test]
    fn a_line_ends_after_its_object() {
        for (text, rest) in [
            ("{\"A\":1}", Some("")),
            ("{\"A\":1}\r\n{", Some("\n{")),
            ("{\"A\":1}\n", Some("\n")),
            ("{\"A\":1} \n", None),
            ("{\"A\":1}{", None),
            ("{\n\"A\":1}", None),
            ("{\"A\":[\n]}", None),
        ] {
            let names = FieldNames::new(["A"]);
            let mut values = [FieldToken::default(); 1];
            let object = project(
                &names,
                &mut FieldLayout::default(),
                text.as_bytes(),
                &mut values,
            );
            assert_eq!(
                object.unwrap().line_end(),
                rest.map(str::as_bytes),
                "{text}"
            );
        }
    }
}
