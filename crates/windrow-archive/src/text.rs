//! The JSON objects of an input, or those that begin in a range of it.

use std::io::{self, Read};

use memchr::{memchr, memrchr};
use windrow_core::framing::{self, DEEPEST_INDENT, Frame};

use crate::gzip::GZIP_MAGIC;
use crate::member::{MemberRead, read_member};

/// The maximum length of a part, in bytes: that of a Kinesis record.
pub const LONGEST_PART: usize = 10 << 20;

/// How many bytes to read at once.
const BUFFER: usize = 256 << 10;

/// How many bytes to read at once past the end of a range, for the rest of its last part.
const BUFFER_PAST_END: usize = 8 << 10;

/// The length of a byte order mark and what follows it, which may come before the start of a part.
const LONGEST_START: usize = 4;

/// How many bytes are searched for the end of a pretty-printed object that a range begins in.
const MEMBERS_SEARCHED: usize = 8 << 10;

/// How many bytes of a part that is too long are returned.
const LONG_PART_START: usize = 64;

/// A part of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchivePart<'a> {
    /// A JSON object, which may be invalid inside.
    Object(&'a [u8]),
    /// Something else ([`framing`]).
    Other(&'a [u8]),
    /// More than [`LONGEST_PART`] bytes, which are skipped up to the next line that starts with an
    /// object or array. The slice is only its start.
    TooLong(&'a [u8]),
}

/// The parts of an input that begin in a range of it, as [`framing`] finds them.
///
/// Where a part could begin, a gzip member may be instead: its text is read as if it were there. So
/// a file may have compressed records between others. A member of more than [`LONGEST_PART`] bytes,
/// or with a text of more than 16 MiB, is not read.
///
/// Parts are slices of one buffer, which grows only if a part does not fit.
#[derive(Debug)]
pub struct ArchiveText<R> {
    input: R,
    buffer: Vec<u8>,
    /// The start of the bytes of `buffer` that were read but not returned yet.
    from: usize,
    /// Their end.
    to: usize,
    /// Offset of `from` in the input.
    offset: u64,
    /// End of the range. `None` for an input of unknown length.
    end: Option<u64>,
    /// Whether all of the input was read.
    is_read: bool,
    /// The number of newlines before `offset`, if they are counted.
    newlines: Option<u64>,
    /// The text of the gzip member at `offset`.
    member: Vec<u8>,
    /// The start of the bytes of `member` that were not returned yet.
    member_from: usize,
    /// The length of the gzip member at `offset`; 0 if there is none.
    member_length: usize,
    /// The offset of a gzip member that cannot be read.
    bad_member: Option<u64>,
    /// The start of the last part that was too long.
    long_part: Vec<u8>,
}

impl<R: Read> ArchiveText<R> {
    /// All parts of an input.
    pub fn all(input: R, buffer: Vec<u8>) -> Self {
        Self::new(input, buffer, 0, None)
    }

    /// The parts that begin before `end`, of an input that has been read up to `start`, where no
    /// part is cut.
    pub fn until(input: R, buffer: Vec<u8>, start: u64, end: u64) -> Self {
        Self::new(input, buffer, start, Some(end))
    }

    /// The parts that begin before `end`, of an input that has been read up to `before`, from where one
    /// probably begins: at the next line, or if that does not start with an object or array but one
    /// of the lines soon after it does, at the least indented of those. Only who reads up to there
    /// can tell.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn after_newline(input: R, buffer: Vec<u8>, before: u64, end: u64) -> io::Result<Self> {
        let mut text = Self::new(input, buffer, before, Some(end));
        text.skip_line()?;
        text.skip_members()?;
        Ok(text)
    }

    fn new(input: R, mut buffer: Vec<u8>, offset: u64, end: Option<u64>) -> Self {
        buffer.resize(BUFFER.max(buffer.len()), 0);
        Self {
            input,
            buffer,
            from: 0,
            to: 0,
            offset,
            end,
            is_read: false,
            newlines: None,
            member: Vec::new(),
            member_from: 0,
            member_length: 0,
            bad_member: None,
            long_part: Vec::new(),
        }
    }

    /// Counts lines from here, for [`line`](Self::line).
    pub fn counting_lines(self) -> Self {
        Self {
            newlines: Some(0),
            ..self
        }
    }

    /// The number of the line of the next byte, from 1; 0 if lines are not counted.
    pub fn line(&self) -> u64 {
        self.newlines.map_or(0, |newlines| newlines + 1)
    }

    /// Skips what may stand between parts. Returns whether another part begins in the range.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, or ends before the range does.
    pub fn find_part(&mut self) -> io::Result<bool> {
        loop {
            if self.is_in_member() {
                let unread = self.unread();
                let separators = framing::separators(unread);
                let is_found = separators < unread.len();
                self.skip(separators);
                if is_found {
                    return Ok(true);
                }
                self.end_member();
            }
            let unread = self.unread();
            let separators = framing::separators(unread);
            let left = unread.len() - separators;
            // A byte order mark may not be read to its end.
            let is_found = left >= LONGEST_START || (left > 0 && self.is_read);
            self.skip(separators);
            if is_found || !self.fill()? {
                let is_found = left > 0 && self.end.is_none_or(|end| self.offset < end);
                if is_found && self.find_member()? {
                    continue;
                }
                return Ok(is_found);
            }
        }
    }

    /// The next part, or `None` at the end.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, or ends before the range does.
    pub fn next_part(&mut self) -> io::Result<Option<ArchivePart<'_>>> {
        if !self.find_part()? {
            return Ok(None);
        }
        loop {
            let text = self.unread();
            let is_whole = self.is_read || self.is_in_member();
            let (length, is_object) = match framing::frame(text, is_whole) {
                Frame::Object(length) if length <= LONGEST_PART => (length, true),
                Frame::Other(length) if length <= LONGEST_PART => (length, false),
                Frame::Incomplete if text.len() <= LONGEST_PART => {
                    self.fill_twice()?;
                    continue;
                }
                _ => {
                    let start = text.get(..LONG_PART_START).unwrap_or(text).to_vec();
                    self.skip_long_part()?;
                    self.long_part = start;
                    return Ok(Some(ArchivePart::TooLong(&self.long_part)));
                }
            };
            self.skip(length);
            // The bytes before the next one.
            let (buffer, to) = if self.is_in_member() {
                (&self.member, self.member_from)
            } else {
                (&self.buffer, self.from)
            };
            let part = &buffer[to - length..to];
            return Ok(Some(if is_object {
                ArchivePart::Object(part)
            } else {
                ArchivePart::Other(part.trim_ascii_end())
            }));
        }
    }

    /// Reads until twice as much is buffered, since what needs more is searched again.
    fn fill_twice(&mut self) -> io::Result<()> {
        let wanted = (self.to - self.from) * 2;
        while self.to - self.from < wanted && self.fill()? {}
        Ok(())
    }

    /// Reads the text of the gzip member here. Returns false if there is none that can be read.
    fn find_member(&mut self) -> io::Result<bool> {
        if !self.unread().starts_with(&GZIP_MAGIC) || self.bad_member == Some(self.offset) {
            return Ok(false);
        }
        loop {
            let input = &self.buffer[self.from..self.to];
            match read_member(input, &mut self.member) {
                MemberRead::Whole(length) => {
                    (self.member_from, self.member_length) = (0, length);
                    return Ok(true);
                }
                MemberRead::CutOff if !self.is_read && input.len() <= LONGEST_PART => {
                    self.fill_twice()?;
                }
                MemberRead::CutOff | MemberRead::Bad => {
                    self.bad_member = Some(self.offset);
                    return Ok(false);
                }
            }
        }
    }

    #[inline]
    fn is_in_member(&self) -> bool {
        self.member_length > 0
    }

    fn end_member(&mut self) {
        let length = std::mem::take(&mut self.member_length);
        self.skip(length);
    }

    /// The input.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// The bytes of the next parts that were read already. They may end in the middle of a part.
    pub fn buffered(&self) -> &[u8] {
        match self.end {
            Some(end) if self.offset >= end => &[],
            _ => self.unread(),
        }
    }

    #[inline]
    fn unread(&self) -> &[u8] {
        if self.is_in_member() {
            return &self.member[self.member_from..];
        }
        &self.buffer[self.from..self.to]
    }

    /// Offset in the input of the next byte, or of the gzip member that it is in.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes of the input are left in the range, from [`offset`](Self::offset) on.
    pub fn left_in_range(&self) -> u64 {
        self.end
            .map_or(u64::MAX, |end| end.saturating_sub(self.offset))
    }

    /// Whether this is a range of an input.
    pub fn is_range(&self) -> bool {
        self.end.is_some()
    }

    /// The buffer, to be reused for the next input.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Skips the rest of a line and its newline, or as much of it as is in the range.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(length) = memchr(b'\n', self.unread()) {
                self.skip(length + 1);
                return Ok(());
            }
            self.skip(self.to - self.from);
            if self.end.is_some_and(|end| self.offset >= end) || !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Skips the rest of an object that is probably pretty-printed, if a line of it is next.
    fn skip_members(&mut self) -> io::Result<()> {
        while self.to - self.from < MEMBERS_SEARCHED && self.fill()? {}
        let unread = self.unread();
        let unread = unread.get(..MEMBERS_SEARCHED).unwrap_or(unread);
        let line = unread.trim_ascii_start();
        let mut limit = match line.first() {
            Some(b'{' | b'[') => unread.len() - line.len(),
            Some(b'"' | b'}' | b']') => DEEPEST_INDENT,
            _ => return Ok(()),
        };
        let (mut at, mut found) = (0, None);
        while limit > 0
            && let Some(start) = framing::next_line(&unread[at..], limit)
        {
            at += start;
            let indent = at - memrchr(b'\n', &unread[..at]).map_or(0, |newline| newline + 1);
            found = Some(at);
            limit = indent;
        }
        if let Some(start) = found {
            self.skip(start);
        }
        Ok(())
    }

    /// Skips up to the next line that starts with an object or array.
    fn skip_long_part(&mut self) -> io::Result<()> {
        let limit = framing::indent_limit(self.unread());
        loop {
            let unread = self.unread();
            if let Some(start) = framing::next_line(unread, limit) {
                self.skip(start);
                return Ok(());
            }
            let last_line =
                memrchr(b'\n', unread).filter(|newline| framing::may_begin(&unread[newline + 1..]));
            self.skip(last_line.unwrap_or(unread.len()));
            if self.is_in_member() || !self.fill()? {
                self.skip(usize::MAX);
                return Ok(());
            }
        }
    }

    /// Skips the first `bytes` of the [buffered](Self::buffered) ones, or all if there are fewer.
    #[inline]
    pub fn skip(&mut self, bytes: usize) {
        if self.is_in_member() {
            self.member_from = self
                .member
                .len()
                .min(self.member_from.saturating_add(bytes));
            return;
        }
        let bytes = bytes.min(self.to - self.from);
        if let Some(newlines) = &mut self.newlines {
            let skipped = &self.buffer[self.from..self.from + bytes];
            *newlines += memchr::memchr_iter(b'\n', skipped).count() as u64;
        }
        self.from += bytes;
        self.offset += bytes as u64;
    }

    /// Reads more bytes. Returns false at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        let mut room = BUFFER;
        if let Some(end) = self.end {
            let read = self.offset + (self.to - self.from) as u64;
            let left = usize::try_from(end.saturating_sub(read)).unwrap_or(usize::MAX);
            room = left.clamp(BUFFER_PAST_END, BUFFER);
        }
        if self.buffer.len() - self.to < room && self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.buffer.len() == self.to {
            self.buffer.resize(self.to + BUFFER, 0);
        }
        let room = room.min(self.buffer.len() - self.to);
        loop {
            match self.input.read(&mut self.buffer[self.to..self.to + room]) {
                Ok(0) => {
                    self.is_read = true;
                    return self.check_end().map(|()| false);
                }
                Ok(read) => {
                    self.to += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns an error if the input has ended before the range: the file has become shorter since
    /// it was listed.
    fn check_end(&self) -> io::Result<()> {
        let read = self.offset + (self.to - self.from) as u64;
        match self.end {
            Some(end) if read < end => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has become shorter since it was listed",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts of a text; those that are not objects in parentheses.
    fn collect<R: Read>(text: &mut ArchiveText<R>) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(part) = text.next_part().unwrap() {
            found.push(match part {
                ArchivePart::Object(part) => String::from_utf8_lossy(part).into_owned(),
                ArchivePart::Other(part) => format!("({})", String::from_utf8_lossy(part)),
                ArchivePart::TooLong(_) => "too long".to_owned(),
            });
        }
        found
    }

    fn all(text: &[u8]) -> Vec<String> {
        collect(&mut ArchiveText::all(text, Vec::new()))
    }

    /// The parts of the ranges that begin at `cuts`, one range after the other. A range is read
    /// from its first line, and again from where the one before ended if that is elsewhere.
    fn read_in_ranges(text: &[u8], cuts: &[usize]) -> Vec<String> {
        let mut found = Vec::new();
        let mut at = 0;
        for (index, &cut) in cuts.iter().enumerate() {
            let end = cuts.get(index + 1).copied().unwrap_or(text.len()) as u64;
            let exactly = |at: u64| {
                let input = &text[(at as usize).min(text.len())..];
                ArchiveText::until(input, Vec::new(), at, end)
            };
            let mut range = match cut {
                0 => exactly(0),
                _ => {
                    let (before, input) = (cut as u64 - 1, &text[cut - 1..]);
                    ArchiveText::after_newline(input, Vec::new(), before, end).unwrap()
                }
            };
            range.find_part().unwrap();
            if cut > 0 && range.offset() != at {
                range = exactly(at);
            }
            found.extend(collect(&mut range));
            at = range.offset();
        }
        found
    }

    #[test]
    fn a_part_that_is_too_long_is_reported_and_not_buffered() {
        let long = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        let fits = long(LONGEST_PART);
        for (too_long, next) in [
            (long(LONGEST_PART + 1), "\n{}"),
            (long(3 * LONGEST_PART), "\n[{}"),
            ("x\n".repeat(LONGEST_PART), "{}"),
            (format!("{}\n\u{feff}", long(2 * LONGEST_PART)), "{}"),
        ] {
            let text = format!("{fits}\n{too_long}{next}{{\"a\":1}}");
            let mut parts = ArchiveText::all(text.as_bytes(), Vec::new());
            let found = collect(&mut parts);
            assert!(found == [fits.as_str(), "too long", "{}", "{\"a\":1}"]);
            assert!(parts.into_buffer().len() <= 2 * LONGEST_PART + 2 * BUFFER);
            let cuts = [
                0,
                1 << 20,
                LONGEST_PART - 1,
                LONGEST_PART + 1,
                text.len() - 9,
            ];
            assert!(read_in_ranges(text.as_bytes(), &cuts) == found);
        }
    }

    #[test]
    fn a_part_that_is_too_long_does_not_hide_the_rest_of_its_array() {
        let long = "x".repeat(LONGEST_PART);
        let text = format!(
            "[\n  {{\n    \"a\": \"{long}\",\n    \"b\": [\n      {{}}\n    ]\n  }},\n  {{\"c\":1}}\n]\n"
        );
        assert_eq!(all(text.as_bytes()), ["too long", "{\"c\":1}"]);
    }

    #[test]
    fn a_range_of_pretty_printed_objects_begins_with_one() {
        let object = "{\n  \"a\": [\n    {\n      \"b\": 1\n    }\n  ],\n  \"c\": 2\n}";
        let array = format!("[\n{}", format!("{object},\n").replace('{', " {").repeat(9));
        let indented = format!(
            "[\n{}]\n",
            format!("{object},").replace('\n', "\n  ").repeat(9)
        );
        let indented = indented.replace("[\n{", "[\n  {").replace(",{", ",\n  {");
        for text in [format!("{object}\n").repeat(9), array, indented] {
            for cut in 1..text.len() / 2 {
                let cut_input = &text.as_bytes()[cut - 1..];
                let (before, end) = (cut as u64 - 1, text.len() as u64);
                let mut range =
                    ArchiveText::after_newline(cut_input, Vec::new(), before, end).unwrap();
                assert!(range.find_part().unwrap());
                let start = &text[range.offset() as usize..];
                assert!(
                    start.starts_with("{\n") && start.contains("\"a\""),
                    "{cut} {text}"
                );
                let first = range.next_part().unwrap();
                assert!(
                    matches!(first, Some(ArchivePart::Object(_))),
                    "{cut} {first:?}"
                );
            }
        }
    }

    #[test]
    fn lines_are_counted() {
        let text = "\n{}\n{\n}neigh\n\n{}";
        let mut text = ArchiveText::all(text.as_bytes(), Vec::new()).counting_lines();
        let mut lines = Vec::new();
        while text.find_part().unwrap() {
            lines.push(text.line());
            text.next_part().unwrap();
        }
        assert_eq!(lines, [2, 3, 6]);
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        for (text, ends) in [("{}\n", 5), ("{}\n{}", 6)] {
            let mut text = ArchiveText::until(text.as_bytes(), Vec::new(), 0, ends);
            let error = loop {
                match text.next_part() {
                    Ok(part) => assert!(part.is_some()),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    /// An input that is read a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }

    proptest! {
        #[test]
        fn parts_do_not_depend_on_how_they_are_read(
            text in "([{}\\[\\]\":,a \n\0;\u{feff}]|\\{\\}\n|\\{\"a\":1\\}){0,40}",
            mut cuts in prop::collection::vec(1..80_usize, 0..6),
            at_once in 1..4_usize,
        ) {
            let expected = all(text.as_bytes());
            let mut parts = Vec::new();
            let mut rest = text.as_bytes();
            while let Some(part) = framing::next_part(&mut rest) {
                parts.push(match part {
                    framing::Part::Object(part) => String::from_utf8_lossy(part).into_owned(),
                    framing::Part::Other(part) => format!("({})", String::from_utf8_lossy(part)),
                });
            }
            prop_assert_eq!(&parts, &expected);
            let mut trickle = ArchiveText::all(Trickle(text.as_bytes(), at_once), Vec::new());
            prop_assert_eq!(collect(&mut trickle), expected.clone());
            cuts.push(0);
            cuts.retain(|cut| *cut < text.len().max(1));
            cuts.sort_unstable();
            cuts.dedup();
            prop_assert_eq!(read_in_ranges(text.as_bytes(), &cuts), expected);
        }
    }
}
