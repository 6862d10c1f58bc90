//! Opens files, and decompresses gzip files.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use windrow_core::framing::is_utf16;

use crate::gzip::{GZIP_MAGIC, GzipText};
use crate::problem::InputProblem;
use crate::text::ArchiveText;

/// Called after every read with the number of bytes read from the file.
pub type ReadProgress<'a> = &'a (dyn Fn(u64) + Sync);

/// How many compressed bytes to read at once.
const COMPRESSED_BUFFER: usize = 256 << 10;

/// An input, decompressed if its first bytes are those of a gzip file.
#[derive(Debug)]
pub enum Unpacked<R: Read> {
    /// An input that is not compressed.
    Plain(Peeked<R>),
    /// One or more gzip members.
    Gzip(Box<Peeked<GzipText<BufReader<Peeked<R>>>>>),
    /// A text in UTF-16, which is not read.
    Utf16,
}

/// An input whose first bytes have been inspected; reads start with them again.
type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

impl<R: Read> Unpacked<R> {
    /// Reads the first bytes of `input` to determine whether it is compressed, or in UTF-16.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn new(mut input: R) -> io::Result<Self> {
        let start = first_bytes(&mut input)?;
        let (is_gzip, has_utf16) = (start.starts_with(&GZIP_MAGIC), is_utf16(&start));
        let whole = Cursor::new(start).chain(input);
        if has_utf16 {
            return Ok(Self::Utf16);
        }
        if !is_gzip {
            return Ok(Self::Plain(whole));
        }
        let mut text = GzipText::new(BufReader::with_capacity(COMPRESSED_BUFFER, whole));
        let start = first_bytes(&mut text)?;
        if is_utf16(&start) {
            return Ok(Self::Utf16);
        }
        Ok(Self::Gzip(Box::new(Cursor::new(start).chain(text))))
    }

    /// What is wrong with the part that was read. All of the input is to be read first.
    pub fn problem(&self) -> Option<InputProblem> {
        match self {
            Self::Plain(_) => None,
            Self::Gzip(text) => text.get_ref().1.problem(),
            Self::Utf16 => Some(InputProblem::Utf16),
        }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip(input) => input.read(buffer),
            Self::Utf16 => Ok(0),
        }
    }
}

/// The text of a file.
pub type FileText<'a> = ArchiveText<Unpacked<FileInput<'a>>>;

/// A file that reports its reads.
pub struct FileInput<'a> {
    file: File,
    progress: ReadProgress<'a>,
}

impl Read for FileInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.progress)(read as u64);
        Ok(read)
    }
}

/// The text of a whole file. `buffer` is used to read it, so that it can be reused.
///
/// # Errors
///
/// If the file cannot be opened or read.
pub fn open<'a>(
    path: &Path,
    buffer: Vec<u8>,
    progress: ReadProgress<'a>,
) -> io::Result<FileText<'a>> {
    let file = File::open(path)?;
    let input = Unpacked::new(FileInput { file, progress })?;
    Ok(ArchiveText::all(input, buffer))
}

/// The text of a range of a file, in bytes; that of the whole file if it is not
/// [divisible](is_divisible), and so can only be read from its start.
///
/// `is_start` says that a part begins at the start of the range, or a separator. Otherwise it is
/// supposed that one begins after the next newline ([`ArchiveText::after_newline`]).
///
/// # Errors
///
/// If the file cannot be opened or read.
pub fn open_range<'a>(
    path: &Path,
    range: &Range<u64>,
    is_start: bool,
    buffer: Vec<u8>,
    progress: ReadProgress<'a>,
) -> io::Result<FileText<'a>> {
    let mut file = File::open(path)?;
    if range.start == 0 {
        return Ok(match Unpacked::new(FileInput { file, progress })? {
            input @ Unpacked::Plain(_) => ArchiveText::until(input, buffer, 0, range.end),
            input @ (Unpacked::Gzip(_) | Unpacked::Utf16) => ArchiveText::all(input, buffer),
        });
    }
    let start = range.start - u64::from(!is_start);
    file.seek(SeekFrom::Start(start))?;
    let rest = Cursor::new(Vec::new()).chain(FileInput { file, progress });
    let rest = Unpacked::Plain(rest);
    if is_start {
        return Ok(ArchiveText::until(rest, buffer, start, range.end));
    }
    ArchiveText::after_newline(rest, buffer, start, range.end)
}

/// The number of the line at an offset of a file's text, from 1.
///
/// # Errors
///
/// If the file cannot be opened or read.
pub fn line_at(path: &Path, offset: u64) -> io::Result<u64> {
    let mut input = Unpacked::new(File::open(path)?)?.take(offset);
    let mut buffer = vec![0; COMPRESSED_BUFFER];
    let mut line = 1;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(line),
            Ok(read) => line += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file can be read from anywhere: it is neither compressed nor in UTF-16.
///
/// # Errors
///
/// If it cannot be opened or read.
pub fn is_divisible(path: &Path) -> io::Result<bool> {
    let start = first_bytes(&mut File::open(path)?)?;
    Ok(!start.starts_with(&GZIP_MAGIC) && !is_utf16(&start))
}

/// The first bytes of an input that are inspected, at most.
const INSPECTED: usize = 4;

fn first_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(INSPECTED);
    input
        .by_ref()
        .take(INSPECTED as u64)
        .read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::text::ArchivePart;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Unpacked::new(bytes)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn gzip_is_recognised_by_its_first_bytes() {
        let members = ["one\ntw", "o\n", "", "three"].map(gzip).concat();
        assert_eq!(unpacked(&members).unwrap(), "one\ntwo\nthree");
        for text in ["", "n", "ne", "neigh", "\u{1f}"] {
            assert_eq!(unpacked(text.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn a_problem_is_known_after_the_text() {
        let problem_of = |bytes: &[u8]| {
            let mut input = Unpacked::new(bytes).unwrap();
            let mut text = String::new();
            input.read_to_string(&mut text).unwrap();
            (text, input.problem())
        };
        let whole = gzip("one\ntwo\n");
        let cut = problem_of(&whole[..whole.len() - 1]);
        assert_eq!(cut, ("one\ntwo\n".to_owned(), Some(InputProblem::CutOff)));
        assert_eq!(problem_of(&whole), ("one\ntwo\n".to_owned(), None));
        assert_eq!(problem_of(b"one"), ("one".to_owned(), None));
    }

    #[test]
    fn utf16_is_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readings");
        assert!(!is_utf16(b"\xff\xfe\n{"));
        for text in [&b"\xff\xfe{\0\n\0"[..], b"\xfe\xff\0{\0\n", b"{\0\n\0"] {
            let text = text.to_vec();
            let packed = {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&text).unwrap();
                encoder.finish().unwrap()
            };
            for bytes in [text, packed] {
                let mut input = Unpacked::new(bytes.as_slice()).unwrap();
                assert_eq!(input.problem(), Some(InputProblem::Utf16));
                assert_eq!(input.read(&mut [0; 9]).unwrap(), 0);
                std::fs::write(&path, &bytes).unwrap();
                assert!(!is_divisible(&path).unwrap());
                let range = 0..bytes.len() as u64;
                let mut text = open_range(&path, &range, true, Vec::new(), &|_| ()).unwrap();
                assert_eq!(text.next_part().unwrap(), None);
            }
        }
    }

    #[test]
    fn every_byte_of_a_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readings");
        for bytes in [b"{}\n{}\n".to_vec(), gzip("{}\n{}\n")] {
            std::fs::write(&path, &bytes).unwrap();
            let reported = std::sync::atomic::AtomicU64::new(0);
            let progress = |bytes| {
                reported.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            };
            let mut text = open(&path, Vec::new(), &progress).unwrap();
            for _ in 0..2 {
                let part = text.next_part().unwrap();
                assert_eq!(part, Some(ArchivePart::Object(b"{}")));
            }
            assert_eq!(text.next_part().unwrap(), None);
            assert_eq!(reported.into_inner(), bytes.len() as u64);
        }
    }
}
