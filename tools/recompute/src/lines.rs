//! A file's lines, or those of a part of it.

use std::io::{self, Read};

use memchr::memchr;

/// The longest line that is read, in bytes: the most that a Kinesis record can hold.
pub const LONGEST_LINE: usize = 10 << 20;

/// How much is read at once.
const BUFFER: usize = 256 << 10;

/// How much is read at once past the end of a part, for what is left of its last line.
const BUFFER_PAST_END: usize = 8 << 10;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveLine<'a> {
    /// Without its newline.
    Whole(&'a [u8]),
    /// More than [`LONGEST_LINE`] bytes.
    TooLong,
}

/// The lines of an input that begin in a part of it. A line belongs to the part it begins in, so that
/// the parts of a file hold each line once.
///
/// Nothing is allocated a line; the buffer grows only where a line does not fit.
#[derive(Debug)]
pub struct ArchiveLines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What was read and not given out yet.
    from: usize,
    to: usize,
    /// Where `from` stands in the input.
    offset: u64,
    /// Where the part ends; none for an input whose length is not known.
    end: Option<u64>,
}

impl<R: Read> ArchiveLines<R> {
    /// All lines of an input that ends where it ends.
    pub fn all(input: R, buffer: Vec<u8>) -> Self {
        Self::new(input, buffer, 0, None)
    }

    /// The lines that begin before `end` of an input that stands at `start`, which is a line's
    /// beginning.
    pub fn until(input: R, buffer: Vec<u8>, start: u64, end: u64) -> Self {
        Self::new(input, buffer, start, Some(end))
    }

    /// The lines that begin after `before` and before `end`, of an input that stands at `before`,
    /// anywhere in a line.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn between(input: R, buffer: Vec<u8>, before: u64, end: u64) -> io::Result<Self> {
        let mut lines = Self::new(input, buffer, before, Some(end));
        lines.skip()?;
        Ok(lines)
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
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// When the input cannot be read, or ends before the part does.
    pub fn next_line(&mut self) -> io::Result<Option<ArchiveLine<'_>>> {
        if self.end.is_some_and(|end| self.offset >= end) {
            return Ok(None);
        }
        let mut searched = 0;
        let (length, ended) = loop {
            let unsearched = &self.buffer[self.from + searched..self.to];
            if let Some(place) = memchr(b'\n', unsearched) {
                break (searched + place, true);
            }
            searched = self.to - self.from;
            if searched > LONGEST_LINE {
                self.skip()?;
                return Ok(Some(ArchiveLine::TooLong));
            }
            if !self.fill()? {
                break (searched, false);
            }
        };
        if !ended {
            self.check_end(length)?;
            if length == 0 {
                return Ok(None);
            }
        }
        let line = self.from..self.from + length;
        self.pass(length + usize::from(ended));
        if length > LONGEST_LINE {
            return Ok(Some(ArchiveLine::TooLong));
        }
        Ok(Some(ArchiveLine::Whole(&self.buffer[line])))
    }

    /// What of the next lines was read already; it may end anywhere in one.
    pub(super) fn buffered(&self) -> &[u8] {
        match self.end {
            Some(end) if self.offset >= end => &[],
            _ => &self.buffer[self.from..self.to],
        }
    }

    /// Where in the input the next line begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The buffer, to be used again.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Passes over the rest of a line and its newline, or as much of it as lies in the part.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            if let Some(place) = memchr(b'\n', &self.buffer[self.from..self.to]) {
                self.pass(place + 1);
                return Ok(());
            }
            self.pass(self.to - self.from);
            if self.end.is_some_and(|end| self.offset >= end) {
                return Ok(());
            }
            if !self.fill()? {
                return self.check_end(0);
            }
        }
    }

    /// Passes over bytes that are [buffered](Self::buffered).
    pub(super) fn pass(&mut self, bytes: usize) {
        self.from += bytes;
        self.offset += bytes as u64;
    }

    /// A file that has become shorter since it was listed is no whole archive.
    fn check_end(&self, rest: usize) -> io::Result<()> {
        match self.end {
            Some(end) if self.offset + (rest as u64) < end => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it has become shorter",
            )),
            _ => Ok(()),
        }
    }

    /// Reads on; false at the end of the input.
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
                Ok(read) => {
                    self.to += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collect<R: Read>(mut lines: ArchiveLines<R>) -> Vec<Option<Vec<u8>>> {
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(match line {
                ArchiveLine::Whole(line) => Some(line.to_vec()),
                ArchiveLine::TooLong => None,
            });
        }
        found
    }

    /// The lines of the parts that begin at `cuts`, one after the other.
    fn in_parts(text: &[u8], cuts: &[usize]) -> Vec<Option<Vec<u8>>> {
        let mut found = Vec::new();
        for (place, &cut) in cuts.iter().enumerate() {
            let end = cuts.get(place + 1).copied().unwrap_or(text.len()) as u64;
            let lines = match cut {
                0 => ArchiveLines::until(text, Vec::new(), 0, end),
                _ => ArchiveLines::between(&text[cut - 1..], Vec::new(), cut as u64 - 1, end)
                    .unwrap(),
            };
            found.extend(collect(lines));
        }
        found
    }

    #[test]
    fn a_line_that_does_not_end_is_a_line() {
        let lines = |text: &'static str| collect(ArchiveLines::all(text.as_bytes(), Vec::new()));
        assert_eq!(lines(""), []);
        assert_eq!(lines("a"), [Some(b"a".to_vec())]);
        assert_eq!(lines("a\n\nb"), lines("a\n\nb\n"));
    }

    #[test]
    fn too_long_a_line_is_told_and_not_held() {
        let mut text = vec![b'x'; 3 * LONGEST_LINE];
        text[LONGEST_LINE] = b'\n';
        text.extend_from_slice(b"\nshort\n");
        let expected = [
            Some(vec![b'x'; LONGEST_LINE]),
            None,
            Some(b"short".to_vec()),
        ];
        let mut lines = ArchiveLines::all(text.as_slice(), Vec::new());
        for expected in &expected {
            let line = match lines.next_line().unwrap().unwrap() {
                ArchiveLine::Whole(line) => Some(line.to_vec()),
                ArchiveLine::TooLong => None,
            };
            assert!(line == *expected);
        }
        assert_eq!(lines.next_line().unwrap(), None);
        assert!(lines.into_buffer().len() <= LONGEST_LINE + 2 * BUFFER);

        let cuts = [0, LONGEST_LINE, LONGEST_LINE + 1, 2 * LONGEST_LINE];
        assert!(in_parts(&text, &cuts) == expected);
    }

    #[test]
    fn an_input_that_became_shorter_is_an_error() {
        for (text, ends) in [("ab\n", 5), ("ab\ncd", 6)] {
            let mut lines = ArchiveLines::until(text.as_bytes(), Vec::new(), 0, ends);
            lines.next_line().unwrap();
            let error = lines.next_line().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    proptest! {
        #[test]
        fn parts_hold_each_line_once(
            text in "[ab\n]{0,40}",
            mut cuts in prop::collection::vec(1..40_usize, 0..6),
        ) {
            cuts.push(0);
            cuts.retain(|cut| *cut < text.len().max(1));
            cuts.sort_unstable();
            cuts.dedup();
            let expected: Vec<_> = text.lines().map(|line| Some(line.as_bytes().to_vec())).collect();
            prop_assert_eq!(collect(ArchiveLines::all(text.as_bytes(), Vec::new())), expected.clone());
            prop_assert_eq!(in_parts(text.as_bytes(), &cuts), expected);
        }
    }
}
