//! Recorded readings, read back from a file.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use unicorn::reading::Reading;
use windrow_write::KinesisRecord;

use crate::send::partition_key;

/// The longest line that is read, in bytes: what a record may hold.
const LONGEST_LINE: usize = 1024 * 1024;

/// The first bytes of a gzip file (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where recorded readings are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recording {
    /// On the standard input: `-`.
    StandardInput,
    /// In a file.
    File(PathBuf),
}

impl fmt::Display for Recording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandardInput => formatter.write_str("the standard input"),
            Self::File(path) => write!(formatter, "the recording {}", path.display()),
        }
    }
}

impl FromStr for Recording {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-" => Ok(Self::StandardInput),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl Recording {
    /// Whether there is something to open.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn check(&self) -> io::Result<()> {
        match self {
            Self::StandardInput => Ok(()),
            Self::File(path) => File::open(path).map(drop),
        }
    }

    /// Opens it for reading, and unpacks it if it begins as a gzip file does.
    ///
    /// # Errors
    /// When it cannot be opened, or its first bytes cannot be read.
    pub fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        match self {
            Self::StandardInput => unpack(io::stdin()),
            Self::File(path) => unpack(File::open(path)?),
        }
    }
}

/// The input, or what is packed in it.
fn unpack(mut input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut start = Vec::new();
    input.by_ref().take(2).read_to_end(&mut start)?;
    let packed = start == GZIP_MAGIC;
    let whole = BufReader::new(Cursor::new(start).chain(input));
    if packed {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(whole))));
    }
    Ok(Box::new(whole))
}

/// What stands on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayLine {
    /// A reading, as it came, under its unicorn's name.
    Reading(KinesisRecord),
    /// Something else.
    Broken {
        /// Which line, from 1.
        number: u64,
        /// Why it is no reading.
        reason: String,
    },
}

/// The readings of a recording, line by line; blank lines are passed over.
///
/// It holds one line at a time, of at most 1 MiB. An input that fails ends it with the error.
#[derive(Debug)]
pub struct ReplayLines<R> {
    input: R,
    number: u64,
    failed: bool,
}

impl<R: BufRead> ReplayLines<R> {
    /// The lines of `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            number: 0,
            failed: false,
        }
    }

    /// The number of the last line, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line with what ends it, or `None` at the end.
    fn read(&mut self) -> io::Result<Option<RawReading>> {
        let mut line = Vec::new();
        let limit = LONGEST_LINE + 1;
        let read = self
            .input
            .by_ref()
            .take(limit as u64)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read == limit && line.last() != Some(&b'\n') {
            self.input.skip_until(b'\n')?;
            return Ok(Some(RawReading::TooLong));
        }
        Ok(Some(RawReading::Whole(line)))
    }

    fn parse(&self, line: &[u8]) -> ReplayLine {
        let reading = match Reading::parse(line) {
            Ok(reading) => reading,
            Err(rejection) => return self.broken(rejection.to_string()),
        };
        let mut data = Vec::with_capacity(line.len() + 1);
        data.extend_from_slice(line);
        data.push(b'\n');
        ReplayLine::Reading(KinesisRecord {
            partition_key: partition_key(&reading.name),
            data: Bytes::from(data),
        })
    }

    fn broken(&self, reason: String) -> ReplayLine {
        ReplayLine::Broken {
            number: self.number,
            reason,
        }
    }
}

enum RawReading {
    Whole(Vec<u8>),
    TooLong,
}

impl<R: BufRead> Iterator for ReplayLines<R> {
    type Item = io::Result<ReplayLine>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.read() {
                Ok(None) => return None,
                Ok(Some(RawReading::TooLong)) => {
                    let reason = format!("is longer than {LONGEST_LINE} bytes");
                    return Some(Ok(self.broken(reason)));
                }
                Ok(Some(RawReading::Whole(line))) => {
                    let line = line.trim_ascii();
                    if !line.is_empty() {
                        return Some(Ok(self.parse(line)));
                    }
                }
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:08.189","Distance":175,"MagicPoints":110,"HealthPoints":150}"#;

    fn lines(input: &[u8]) -> Vec<ReplayLine> {
        ReplayLines::new(input).map(Result::unwrap).collect()
    }

    fn reading(line: &str) -> ReplayLine {
        ReplayLine::Reading(KinesisRecord {
            partition_key: "Shadowfax".to_owned(),
            data: Bytes::from(format!("{line}\n")),
        })
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        unpack(Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn readings_are_sent_as_they_came() {
        let spaced = LINE
            .replace(':', " : ")
            .replace("2026-11-20 09 : 17 : 08", "2026-11-20 09:17:08");
        let input = format!("{LINE}\r\n\n  \n{spaced}");
        assert_eq!(lines(input.as_bytes()), [reading(LINE), reading(&spaced)]);
    }

    #[test]
    fn a_broken_line_is_told_and_the_rest_goes_on() {
        let input = format!("\nneigh\n{LINE}\n{{\"Name\":\"Franky\"}}\n\u{feff}{LINE}\n{LINE}\n");
        let found = lines(input.as_bytes());
        let numbers: Vec<Option<u64>> = found
            .iter()
            .map(|line| match line {
                ReplayLine::Reading(_) => None,
                ReplayLine::Broken { number, .. } => Some(*number),
            })
            .collect();
        assert_eq!(numbers, [Some(2), None, Some(4), Some(5), None]);
        let reason = "StatusTime is missing".to_owned();
        assert_eq!(found[2], ReplayLine::Broken { number: 4, reason });
    }

    #[test]
    fn too_long_a_line_is_passed_over() {
        let input = format!("{}\n{LINE}\n{}", "x".repeat(3 << 20), "y".repeat(2 << 20));
        let found = lines(input.as_bytes());
        let long = |number| ReplayLine::Broken {
            number,
            reason: "is longer than 1048576 bytes".to_owned(),
        };
        assert_eq!(found, [long(1), reading(LINE), long(3)]);

        let padded = format!("{LINE}{}", " ".repeat(LONGEST_LINE - LINE.len()));
        assert_eq!(lines(padded.as_bytes()), [reading(LINE)]);
        assert_eq!(lines(format!("{padded}\n").as_bytes()), [reading(LINE)]);
        assert_eq!(lines(format!("{padded} }}\n").as_bytes()), [long(1)]);
    }

    #[test]
    fn gzip_is_told_by_its_first_bytes() {
        assert_eq!(unpacked(packed("neigh\n")).unwrap(), "neigh\n");
        let mut twice = packed("one\n");
        twice.extend(packed("two\n"));
        assert_eq!(unpacked(twice).unwrap(), "one\ntwo\n");
        for text in ["", "n", "ne", "neigh"] {
            assert_eq!(unpacked(text.into()).unwrap(), text);
        }
    }

    #[test]
    fn an_archive_that_is_cut_off_is_an_error_after_what_it_held() {
        let mut bytes = packed(&format!("{LINE}\n"));
        bytes.truncate(bytes.len() - 4);
        let mut lines = ReplayLines::new(unpack(Cursor::new(bytes)).unwrap());
        assert_eq!(lines.next().unwrap().unwrap(), reading(LINE));
        assert!(lines.next().unwrap().is_err());
        assert!(lines.next().is_none());
    }

    proptest! {
        #[test]
        fn every_line_is_read_or_told(input in prop::collection::vec("[\\PC]{0,20}", 0..20)) {
            let text = input.join("\n");
            let filled = input.iter().filter(|line| !line.as_bytes().trim_ascii().is_empty());
            prop_assert_eq!(lines(text.as_bytes()).len(), filled.count());
        }
    }
}
