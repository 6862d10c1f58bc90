//! The lines of a file, plain or compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use flate2::bufread::MultiGzDecoder;

use super::{ArchiveError, ArchiveFile, Meter};

/// The first bytes of compressed data. Source: RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How much is read at once.
const BUFFER: usize = 256 * 1024;

/// The longest line that is looked at. A record of Kinesis has 10 MiB at most, so no reading is longer.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueriedLine<'a> {
    /// Its bytes, without the newline.
    Text(&'a [u8]),
    /// One that is longer than anything we write.
    TooLong,
}

/// Hands every line of a file to `each` that is not blank, until it breaks.
///
/// # Errors
/// [`ArchiveError`], which names the file.
pub(super) fn read(
    file: &ArchiveFile,
    meter: &Meter,
    each: impl FnMut(QueriedLine<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ArchiveError> {
    let outcome = File::open(&file.path).and_then(|opened| {
        let counted = Counted { opened, meter };
        let mut raw = BufReader::with_capacity(BUFFER, counted);
        if raw.fill_buf()?.starts_with(&GZIP) {
            let unpacked = MultiGzDecoder::new(raw);
            return lines(BufReader::with_capacity(BUFFER, unpacked), each);
        }
        lines(raw, each)
    });
    outcome.map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::Cut {
            path: file.path.clone(),
        },
        _ => ArchiveError::Unreadable {
            path: file.path.clone(),
            source,
        },
    })
}

fn lines(
    mut input: impl BufRead,
    mut each: impl FnMut(QueriedLine<'_>) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = input.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let ends = line.ends_with(b"\n");
        let outcome = if !ends && length as u64 == LONGEST {
            input.skip_until(b'\n')?;
            each(QueriedLine::TooLong)
        } else if line.trim_ascii().is_empty() {
            continue;
        } else {
            each(QueriedLine::Text(line.strip_suffix(b"\n").unwrap_or(&line)))
        };
        if outcome.is_break() {
            return Ok(outcome);
        }
    }
}

/// Tells the meter what is read.
struct Counted<'a> {
    opened: File,
    meter: &'a Meter,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.opened.read(buffer)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<String>, ArchiveError> {
        let folder = tempfile::tempdir().unwrap();
        let file = ArchiveFile {
            path: folder.path().join("file"),
            bytes: bytes.len() as u64,
            day: None,
        };
        fs::write(&file.path, bytes).unwrap();
        let meter = Meter::default();
        let mut found = Vec::new();
        let _ = read(&file, &meter, |line| {
            found.push(match line {
                QueriedLine::Text(text) => String::from_utf8_lossy(text).into_owned(),
                QueriedLine::TooLong => "too long".to_owned(),
            });
            ControlFlow::Continue(())
        })?;
        assert_eq!(meter.bytes().0, bytes.len() as u64);
        Ok(found)
    }

    #[test]
    fn lines_are_read_plain_and_from_several_compressed_members() {
        assert_eq!(
            read_all(b"one\n\n \ntwo\nthree").unwrap(),
            ["one", "two", "three"]
        );
        let members = [gzip(b"one\ntw"), gzip(b"o\n"), gzip(b""), gzip(b"three")].concat();
        assert_eq!(read_all(&members).unwrap(), ["one", "two", "three"]);
        for nothing in [&b""[..], b"\n", b"\x1f"] {
            assert!(read_all(nothing).unwrap().len() <= 1);
        }
    }

    #[test]
    fn a_cut_or_spoilt_file_is_an_error_that_names_it() {
        let whole = gzip(b"one\ntwo\nthree\n");
        for length in 2..whole.len() {
            let error = read_all(&whole[..length]).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("file is cut off: its compressed data ends in the middle")
            );
        }
        let mut spoilt = whole.clone();
        let end = spoilt.len() - 6;
        spoilt[end] ^= 0xff;
        let error = read_all(&spoilt).unwrap_err();
        assert!(
            error.to_string().ends_with("file cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_hides_none_after_it() {
        let mut text = vec![b'x'; LONGEST as usize + 100];
        text.extend_from_slice(b"\nnext\n");
        assert_eq!(read_all(&gzip(&text)).unwrap(), ["too long", "next"]);
    }
}
