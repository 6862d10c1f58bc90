//! The lines of an input, or those that begin in a range of it.

use std::io::{self, Read};

use memchr::memchr;

/// The maximum length of a line, in bytes: that of a Kinesis record.
pub const LONGEST_LINE: usize = 10 << 20;

/// How many bytes to read at once.
const BUFFER: usize = 256 << 10;

/// How many bytes to read at once past the end of a range, for the rest of its last line.
const BUFFER_PAST_END: usize = 8 << 10;

/// A line of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveLine<'a> {
    /// A line without its newline.
    Whole(&'a [u8]),
    /// A line of more than [`LONGEST_LINE`] bytes, which is skipped.
    TooLong,
}

/// The lines of an input that begin in a range of it.
///
/// A line belongs to the range in which it begins, so consecutive ranges of a file yield each line
/// exactly once. Lines are slices of one buffer, which grows only if a line does not fit.
#[derive(Debug)]
pub struct ArchiveLines<R> {
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
}

impl<R: Read> ArchiveLines<R> {
    /// All lines of an input.
    pub fn all(input: R, buffer: Vec<u8>) -> Self {
        Self::new(input, buffer, 0, None)
    }

    /// The lines that begin before `end`, of an input that has been read up to `start`. A line must
    /// begin there.
    pub fn until(input: R, buffer: Vec<u8>, start: u64, end: u64) -> Self {
        Self::new(input, buffer, start, Some(end))
    }

    /// The lines that begin after `before` and before `end`, of an input that has been read up to
    /// `before`, which may be anywhere in a line.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn between(input: R, buffer: Vec<u8>, before: u64, end: u64) -> io::Result<Self> {
        let mut lines = Self::new(input, buffer, before, Some(end));
        lines.skip_line()?;
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

    /// The next line, or `None` at the end.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, or ends before the range does.
    pub fn next_line(&mut self) -> io::Result<Option<ArchiveLine<'_>>> {
        if self.end.is_some_and(|end| self.offset >= end) {
            return Ok(None);
        }
        let mut searched = 0;
        let (length, ended) = loop {
            let unsearched = &self.buffer[self.from + searched..self.to];
            if let Some(length) = memchr(b'\n', unsearched) {
                break (searched + length, true);
            }
            searched = self.to - self.from;
            if searched > LONGEST_LINE {
                self.skip_line()?;
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
        self.skip(length + usize::from(ended));
        if length > LONGEST_LINE {
            return Ok(Some(ArchiveLine::TooLong));
        }
        Ok(Some(ArchiveLine::Whole(&self.buffer[line])))
    }

    /// The input.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// The bytes of the next lines that were read already. They may end in the middle of a line.
    pub fn buffered(&self) -> &[u8] {
        match self.end {
            Some(end) if self.offset >= end => &[],
            _ => &self.buffer[self.from..self.to],
        }
    }

    /// Offset in the input at which the next line begins, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The buffer, to be reused for the next input.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Skips the rest of a line and its newline, or as much of it as is in the range.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(length) = memchr(b'\n', &self.buffer[self.from..self.to]) {
                self.skip(length + 1);
                return Ok(());
            }
            self.skip(self.to - self.from);
            if self.end.is_some_and(|end| self.offset >= end) {
                return Ok(());
            }
            if !self.fill()? {
                return self.check_end(0);
            }
        }
    }

    /// Skips the first `bytes` of the [buffered](Self::buffered) ones, or all if there are fewer.
    pub fn skip(&mut self, bytes: usize) {
        let bytes = bytes.min(self.to - self.from);
        self.from += bytes;
        self.offset += bytes as u64;
    }

    /// Returns an error if the input has ended before the range: the file has become shorter since
    /// it was listed.
    fn check_end(&self, rest: usize) -> io::Result<()> {
        match self.end {
            Some(end) if self.offset + (rest as u64) < end => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has become shorter since it was listed",
            )),
            _ => Ok(()),
        }
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

    /// The lines of the ranges that begin at `cuts`, one range after the other.
    fn read_in_ranges(text: &[u8], cuts: &[usize]) -> Vec<Option<Vec<u8>>> {
        let mut found = Vec::new();
        for (index, &cut) in cuts.iter().enumerate() {
            let end = cuts.get(index + 1).copied().unwrap_or(text.len()) as u64;
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
    fn the_last_line_needs_no_newline() {
        let lines = |text: &'static str| collect(ArchiveLines::all(text.as_bytes(), Vec::new()));
        assert_eq!(lines(""), []);
        assert_eq!(lines("a"), [Some(b"a".to_vec())]);
        assert_eq!(lines("a\n\nb"), lines("a\n\nb\n"));
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_and_not_buffered() {
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
        assert!(read_in_ranges(&text, &cuts) == expected);
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        for (text, ends) in [("ab\n", 5), ("ab\ncd", 6)] {
            let mut lines = ArchiveLines::until(text.as_bytes(), Vec::new(), 0, ends);
            lines.next_line().unwrap();
            let error = lines.next_line().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    proptest! {
        #[test]
        fn consecutive_ranges_yield_each_line_once(
            text in "[ab\n]{0,40}",
            mut cuts in prop::collection::vec(1..40_usize, 0..6),
        ) {
            cuts.push(0);
            cuts.retain(|cut| *cut < text.len().max(1));
            cuts.sort_unstable();
            cuts.dedup();
            let expected: Vec<_> = text.lines().map(|line| Some(line.as_bytes().to_vec())).collect();
            prop_assert_eq!(collect(ArchiveLines::all(text.as_bytes(), Vec::new())), expected.clone());
            prop_assert_eq!(read_in_ranges(text.as_bytes(), &cuts), expected);
        }
    }
}
