//! Finds the JSON objects in a text: a record, or a file of an archive.
//!
//! Objects may follow each other with or without newlines, other white space or commas between
//! them, may be elements of arrays, and may be pretty-printed. A byte order mark is skipped, and so
//! are zeros, with which some devices pad.
//!
//! Whatever else a text contains is returned as it is, so that nothing is lost:
//!
//! * It extends to the next line that starts with an object or array. That line may be indented,
//!   but less than the members of a damaged object that is pretty-printed, so that the objects in it
//!   are not taken for its neighbours.
//! * Where an object is damaged, it ends earlier if another object follows on the same line.
//! * Bytes that only look like a separator (`;`, `|` or `&`, several of them too) are a part of
//!   their own.
//!
//! So one damaged object does not hide its neighbours, and neither does a wrong separator.
//!
//! An object is only delimited here, not validated: brackets must be balanced, and text must be
//! where JSON can have text.

use memchr::{memchr, memchr2, memchr3};

use crate::rejection::Rejection;
use crate::signature::Signature;

/// The deepest nesting of an object, as in `serde_json`.
const DEEPEST: u32 = 128;

/// A byte order mark. Editors write one at the start of a file, and files may be joined.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The first bytes of what a record may be packed as, beside zlib: gzip, Zstandard, and aggregated
/// records of the KPL. Firehose writes records one after the other, with nothing between them.
const RECORD_MAGICS: [&[u8]; 3] = [b"\x1F\x8B", b"\x28\xB5\x2F\xFD", b"\xF3\x89\x9A\xC2"];

/// The most white space before an object at the start of a line, in bytes.
pub const DEEPEST_INDENT: usize = 1024;

/// The next part of a text, which starts with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An object of this length.
    Object(usize),
    /// This many bytes that are not an object.
    Other(usize),
    /// More of the text is needed to find the end of the part.
    Incomplete,
}

/// The length of what may stand between two objects, at the start of `text`.
#[inline]
pub fn separators(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some(first) = rest.first() {
        rest = match first {
            b' ' | b'\t' | b'\n' | 0x0C | b'\r' | b',' | b'[' | b']' => &rest[1..],
            // 0x1E separates the texts of an `application/json-seq` (RFC 7464).
            0 | 0x1E => &rest[1..],
            0xEF if rest.starts_with(BYTE_ORDER_MARK) => &rest[BYTE_ORDER_MARK.len()..],
            _ => break,
        };
    }
    text.len() - rest.len()
}

/// Whether an object may end before `after`.
#[inline]
pub fn may_follow(after: &[u8]) -> bool {
    match after.first() {
        Some(b'\n' | b'{') | None => true,
        Some(_) => {
            separators(after) > 0
                || wrong_separators(after) > 0
                || RECORD_MAGICS.iter().any(|magic| after.starts_with(magic))
        }
    }
}

/// Whether text that follows `after` decides what `after` is: a separator, the start of a packed
/// record, or damage.
fn is_open(after: &[u8]) -> bool {
    let is_wrong = |byte: &&u8| matches!(byte, b';' | b'|' | b'&');
    let wrong = after.iter().take_while(is_wrong).count();
    let rest = after.get(wrong..).unwrap_or_default();
    let mut magics = RECORD_MAGICS.iter().filter(|_| wrong == 0);
    rest.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(rest)
        || magics.any(|magic| rest.len() < magic.len() && magic.starts_with(rest))
}

/// The length of the bytes at the start of `text` that only look like a separator, if another
/// object, a separator or nothing follows them; else 0.
pub(crate) fn wrong_separators(text: &[u8]) -> usize {
    let is_wrong = |byte: &&u8| matches!(byte, b';' | b'|' | b'&');
    let length = text.iter().take_while(is_wrong).count();
    let after = text.get(length..).unwrap_or_default();
    let is_over = after.first().is_none_or(|byte| *byte == b'{') || separators(after) > 0;
    if is_over { length } else { 0 }
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// An object, which may be invalid inside.
    Object(&'a [u8]),
    /// Anything else, without white space at its end.
    Other(&'a [u8]),
}

/// Takes the next part of a whole text; `None` at its end.
pub fn next_part<'a>(rest: &mut &'a [u8]) -> Option<Part<'a>> {
    let text = rest.get(separators(rest)..)?;
    *rest = text;
    if text.is_empty() {
        return None;
    }
    let (length, is_object) = match frame(text, true) {
        Frame::Object(length) => (length, true),
        Frame::Other(length) => (length, false),
        Frame::Incomplete => (text.len(), false),
    };
    let (part, after) = text.split_at_checked(length)?;
    *rest = after;
    Some(if is_object {
        Part::Object(part)
    } else {
        Part::Other(part.trim_ascii_end())
    })
}

/// Why a record as a whole is rejected, if it is.
pub fn rejection_of(record: &[u8]) -> Option<Rejection> {
    if let Some(signature) = Signature::of(record) {
        return Some(signature.into());
    }
    (separators(record) == record.len()).then_some(Rejection::Empty)
}

/// The part at the start of `text`, which is not empty and starts with no
/// [separator](separators). `is_whole` says that no more text follows.
pub fn frame(text: &[u8], is_whole: bool) -> Frame {
    if !is_whole && is_open(text) {
        return Frame::Incomplete;
    }
    let wrong = wrong_separators(text);
    if wrong > 0 {
        return Frame::Other(wrong);
    }
    let damaged_at = match object(text) {
        ObjectScan::Ends(length) => {
            let after = text.get(length..).unwrap_or_default();
            if !is_whole && is_open(after) {
                return Frame::Incomplete;
            }
            if may_follow(after) {
                return Frame::Object(length);
            }
            length
        }
        ObjectScan::Damaged(at) => at,
        ObjectScan::Unfinished if is_whole => text.len(),
        ObjectScan::Unfinished => return Frame::Incomplete,
    };
    match next_start(text, damaged_at) {
        Some(length) => Frame::Other(length),
        None if is_whole => Frame::Other(text.len()),
        None => Frame::Incomplete,
    }
}

/// Where the next object may start after a part that is not one: behind a closing brace on the
/// same line, after `damaged_at`; else at the start of a line.
///
/// Searches no further than that, since a line may have many damaged objects.
fn next_start(text: &[u8], damaged_at: usize) -> Option<usize> {
    if let Some(newline) = memchr(b'\n', text.get(..damaged_at)?) {
        return line_start(text, newline, indent_limit(text));
    }
    if !text.starts_with(b"{") {
        return next_line(text, DEEPEST_INDENT);
    }
    // What is damaged may be the start of the next object itself.
    let mut at = damaged_at.saturating_sub(1);
    loop {
        at += memchr2(b'}', b'\n', text.get(at..)?)?;
        if text.get(at) == Some(&b'\n') {
            return line_start(text, at, indent_limit(text));
        }
        at += 1;
        let after = text.get(at..)?;
        let between = after.get(..separators(after))?;
        if let Some(newline) = memchr(b'\n', between) {
            return line_start(text, at + newline, indent_limit(text));
        }
        let start = at + between.len();
        if text.get(start) == Some(&b'{') {
            return Some(start);
        }
    }
}

/// How far the line after a part may be indented: less than this. `text` starts with the part.
///
/// If the part is the start of a pretty-printed object, its members are indented at least this far.
pub fn indent_limit(text: &[u8]) -> usize {
    let members = text.strip_prefix(b"{").and_then(|rest| {
        let line = rest.trim_ascii_start();
        let before = rest.get(..rest.len() - line.len())?;
        let indent = before.len() - (memchr::memrchr(b'\n', before)? + 1);
        line.starts_with(b"\"").then_some(indent)
    });
    members.map_or(DEEPEST_INDENT, |indent| indent.clamp(1, DEEPEST_INDENT))
}

/// The start of the first line after this one that begins with an object or array, and is indented
/// by less than `limit` bytes. Its indentation is before the start.
pub fn next_line(text: &[u8], limit: usize) -> Option<usize> {
    line_start(text, memchr(b'\n', text)?, limit)
}

/// The start of the next line that begins with an object or array. `newline` ends a line.
fn line_start(text: &[u8], mut newline: usize, limit: usize) -> Option<usize> {
    loop {
        let start = newline + 1;
        let line = text.get(start..)?;
        if let Some(indent) = indent_of_start(line)
            && indent < limit
        {
            return Some(start + indent);
        }
        newline = start + memchr(b'\n', line)?;
    }
}

/// How far the object or array is indented with which a line begins. `None` if it begins with
/// anything else.
fn indent_of_start(line: &[u8]) -> Option<usize> {
    match line.first()? {
        b'{' | b'[' => Some(0),
        b' ' | b'\t' => {
            let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
            let blanks = line
                .iter()
                .take(DEEPEST_INDENT)
                .take_while(is_blank)
                .count();
            matches!(line.get(blanks)?, b'{' | b'[').then_some(blanks)
        }
        0xEF => {
            let line = line.strip_prefix(BYTE_ORDER_MARK)?;
            matches!(line.first()?, b'{' | b'[').then_some(0)
        }
        _ => None,
    }
}

/// Whether more text can tell whether a line begins with an object or array. `line` is its start.
pub fn may_begin(line: &[u8]) -> bool {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    (line.len() < DEEPEST_INDENT && line.iter().all(is_blank)) || BYTE_ORDER_MARK.starts_with(line)
}

/// The end of an object.
enum ObjectScan {
    /// The object has this length.
    Ends(usize),
    /// It cannot be an object, because of what is at this offset.
    Damaged(usize),
    /// The text ends before the object.
    Unfinished,
}

/// Finds the end of the object at the start of a text.
fn object(text: &[u8]) -> ObjectScan {
    let mut open = OpenBrackets::default();
    // The last byte that is neither white space nor in a string.
    let mut before = b':';
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let length = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'{' | b'[' => (open.may_start(before) && open.push(byte)).then_some(1),
            b'}' | b']' => open.pop(byte).then_some(1),
            b'"' if open.depth > 0 && matches!(before, b'{' | b',' | b':' | b'[') => {
                match string(text, at) {
                    StringScan::Ends(end) => Some(end - at),
                    StringScan::Damaged(at) => return ObjectScan::Damaged(at),
                    StringScan::Unfinished => return ObjectScan::Unfinished,
                }
            }
            b'"' => None,
            _ => (open.depth > 0).then_some(1),
        };
        let Some(length) = length else {
            return ObjectScan::Damaged(at);
        };
        at += length;
        before = byte;
        if open.depth == 0 {
            return ObjectScan::Ends(at);
        }
    }
    ObjectScan::Unfinished
}

/// The end of a string.
enum StringScan {
    /// Offset of the byte after the closing quote.
    Ends(usize),
    /// Offset of a newline, which a string cannot contain.
    Damaged(usize),
    /// The text ends before the string.
    Unfinished,
}

/// Finds the end of the string whose opening quote is at `quote`.
fn string(text: &[u8], quote: usize) -> StringScan {
    let mut at = quote + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(length) = memchr3(b'"', b'\\', b'\n', rest) else {
            return StringScan::Unfinished;
        };
        at += length;
        match text.get(at) {
            Some(b'"') => return StringScan::Ends(at + 1),
            Some(b'\\') => at += 2,
            _ => return StringScan::Damaged(at),
        }
    }
}

/// The brackets that are open at a place in an object.
#[derive(Default)]
struct OpenBrackets {
    depth: u32,
    /// One bit per bracket, the innermost in the lowest: whether it is of an array.
    arrays: u128,
}

impl OpenBrackets {
    /// Whether a bracket may open after `before`.
    fn may_start(&self, before: u8) -> bool {
        match before {
            b':' => true,
            b'[' => true,
            b',' => self.arrays & 1 == 1,
            _ => false,
        }
    }

    /// Opens a bracket. Returns whether it may: the first one must be of an object, and the nesting
    /// is limited.
    fn push(&mut self, bracket: u8) -> bool {
        let is_array = bracket == b'[';
        if self.depth == DEEPEST || (self.depth == 0 && is_array) {
            return false;
        }
        self.depth += 1;
        self.arrays = self.arrays << 1 | u128::from(is_array);
        true
    }

    /// Closes a bracket. Returns whether it closes the innermost one.
    fn pop(&mut self, bracket: u8) -> bool {
        let is_array = bracket == b']';
        if self.depth == 0 || is_array != (self.arrays & 1 == 1) {
            return false;
        }
        self.depth -= 1;
        self.arrays >>= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts of a text; those that are not objects in parentheses.
    fn parts(text: &str) -> Vec<String> {
        let mut rest = text.as_bytes();
        let next = || {
            Some(match next_part(&mut rest)? {
                Part::Object(part) => String::from_utf8_lossy(part).into_owned(),
                Part::Other(part) => format!("({})", String::from_utf8_lossy(part)),
            })
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn objects_follow_each_other_in_any_way() {
        let pretty = "{\n  \"a\": [\n    {}\n  ],\n  \"b\": \"x]}{\\\"\"\n}";
        for between in [
            "", " ", "\n", "\r\n\n", ",", ",\n", "\u{1e}", "\u{feff}", "]\n[",
        ] {
            for (first, last) in [("", ""), ("[", "]"), ("\u{feff}\n", "\n \t")] {
                let text = [first, pretty, between, "{}", between, "{\"a\":1}", last].concat();
                assert_eq!(parts(&text), [pretty, "{}", "{\"a\":1}"], "{text}");
            }
        }
        assert_eq!(parts("\n\n [] \n"), [""; 0]);
    }

    #[test]
    fn a_damaged_object_ends_before_the_next_one() {
        for (text, expected) in [
            ("neigh\n{}", &["(neigh)", "{}"][..]),
            ("1 2\n3\n\n{}\n4", &["(1 2\n3)", "{}", "(4)"]),
            ("{}x\n{}", &["({}x)", "{}"]),
            ("{}}\n{}", &["({}})", "{}"]),
            ("{\"a\":1\n{}", &["({\"a\":1)", "{}"]),
            ("{\"a\":\"x\n{}", &["({\"a\":\"x)", "{}"]),
            ("{\"a\":1,\n{}", &["({\"a\":1,)", "{}"]),
            ("{\"a\":[\n{}", &["({\"a\":[)", "{}"]),
            ("{\"a\":[}\n\u{feff}{}", &["({\"a\":[})", "{}"]),
            ("{\"a\":{}{\"b\":1}{}", &["({\"a\":{})", "{\"b\":1}", "{}"]),
            (
                "{\"a\":\"x{\"b\":1} , {}",
                &["({\"a\":\"x{\"b\":1} ,)", "{}"],
            ),
            ("[{},{\"a\":]},{}]", &["{}", "({\"a\":]},)", "{}"]),
            ("[{},{\"a\":[1", &["{}", "({\"a\":[1)"]),
            ("\"a\" {}\n{}", &["(\"a\" {})", "{}"]),
            (
                "{\n\"a\":1,,\n\"b\":{}\n]\n{}",
                &["({\n\"a\":1,,\n\"b\":{}\n])", "{}"],
            ),
            ("{ neigh }", &["{ neigh }"]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    /// This would take hours if the rest of the line was searched for each of them.
    #[test]
    fn a_line_may_have_many_damaged_objects() {
        const MANY: usize = 1 << 20;
        for damaged in ["{\"a\":]}", "{}x{}"] {
            assert_eq!(parts(&damaged.repeat(MANY)).len(), MANY, "{damaged}");
        }
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth: usize| format!("{}{{}}{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert_eq!(parts(&nested(127)).len(), 1);
        assert!(parts(&nested(127))[0].starts_with('{'));
        assert!(parts(&nested(128))[0].starts_with('('));
        let arrays = format!("{{\"a\":{}", "[\n".repeat(1 << 20));
        assert_eq!(parts(&arrays)[0].len(), arrays.find("\n[").unwrap() + 2);
    }

    #[test]
    fn a_damaged_element_of_an_indented_array_ends_before_the_next_one() {
        let array = "[\n  {\"a\":1},\n  {\"a\":]},\n\t{\"b\":{}}\n]\n";
        assert_eq!(parts(array), ["{\"a\":1}", "({\"a\":]},)", "{\"b\":{}}"]);
        let damaged = "{\n    \"a\":1,,\"x,\n    \"b\": [\n      {}\n    ]\n  }";
        let array = format!("[\n  {damaged},\n  {{}}\n]");
        assert_eq!(parts(&array), [&format!("({damaged},)"), "{}"]);
        let far = " ".repeat(DEEPEST_INDENT);
        assert_eq!(parts(&format!("a\n{far}{{}}\n{}", &far[1..])).len(), 1);
        assert_eq!(parts(&format!("a\n{}{{}}", &far[1..])), ["(a)", "{}"]);
    }

    #[test]
    fn zeros_are_white_space_and_wrong_separators_stand_alone() {
        for (text, expected) in [
            ("{}\0{}\0\0\n\0{}\0", &["{}", "{}", "{}"][..]),
            ("{\"a\":\0}{}", &["{\"a\":\0}", "{}"]),
            ("{};{}", &["{}", "(;)", "{}"]),
            ("{} ; {};\n{};", &["{}", "(;)", "{}", "(;)", "{}", "(;)"]),
            ("{}||{}&\0{}", &["{}", "(||)", "{}", "(&)", "{}"]),
            ("{};x{}\n{}", &["({};x{})", "{}"]),
            ("{}\u{1f};{}\n{}", &["({}\u{1f};{})", "{}"]),
            (";neigh{}\n{}", &["(;neigh{})", "{}"]),
        ] {
            assert_eq!(parts(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_and_separators_are_the_whole_text(text in "[{}\\[\\]\":,a\\\\ \n\0;\u{feff}]{0,60}") {
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                let skipped = separators(rest);
                rest = &rest[skipped..];
                if rest.is_empty() {
                    break;
                }
                let (Frame::Object(length) | Frame::Other(length)) = frame(rest, true) else {
                    panic!("incomplete at the end of the text");
                };
                prop_assert!((1..=rest.len()).contains(&length));
                rest = &rest[length..];
            }
        }

        /// More text changes a part only where more text was asked for.
        #[test]
        fn a_part_does_not_depend_on_what_was_read_ahead(
            text in "[{}\\[\\]\":,a\\\\ \n\0;\u{feff}]{1,40}",
            cut in 1..40_usize,
        ) {
            let text = text.as_bytes();
            let start = separators(text);
            if start < text.len() {
                let start = &text[start..];
                let cut = &start[..cut.min(start.len())];
                let read = frame(cut, false);
                if read != Frame::Incomplete {
                    prop_assert_eq!(read, frame(start, true));
                }
            }
        }

        #[test]
        fn valid_objects_are_found(
            objects in prop::collection::vec(object_json(), 0..5),
            between in "[ \n,]{0,2}",
        ) {
            prop_assert_eq!(parts(&objects.join(&between)), objects);
        }
    }

    /// Any JSON object, as text.
    fn object_json() -> impl Strategy<Value = String> {
        use serde_json::Value;

        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        (
            prop::collection::hash_map(".{0,3}", value, 0..4),
            any::<bool>(),
        )
            .prop_map(|(map, is_pretty)| {
                let object = Value::Object(map.into_iter().collect());
                if is_pretty {
                    format!("{object:#}")
                } else {
                    object.to_string()
                }
            })
    }
}
