//! Opens files, and decompresses gzip files.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

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
    /// One or more gzip members, and the text that follows them.
    Gzip(Box<GzipText<BufReader<Peeked<R>>>>),
}

/// An input whose first bytes have been inspected; reads start with them again.
type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

impl<R: Read> Unpacked<R> {
    /// Reads the first bytes of `input` to determine whether it is compressed.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn new(mut input: R) -> io::Result<Self> {
        let start = first_bytes(&mut input)?;
        let is_gzip = start.starts_with(&GZIP_MAGIC);
        let whole = Cursor::new(start).chain(input);
        if !is_gzip {
            return Ok(Self::Plain(whole));
        }
        let input = BufReader::with_capacity(COMPRESSED_BUFFER, whole);
        Ok(Self::Gzip(Box::new(GzipText::new(input))))
    }

    /// What is wrong with the part that was read. All of the input is to be read first.
    pub fn problem(&self) -> Option<InputProblem> {
        match self {
            Self::Plain(_) => None,
            Self::Gzip(text) => text.problem(),
        }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip(input) => input.read(buffer),
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
            input @ Unpacked::Gzip(_) => ArchiveText::all(input, buffer),
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

/// Whether a file can be read from anywhere: it does not start with a gzip member.
///
/// # Errors
///
/// If it cannot be opened or read.
pub fn is_divisible(path: &Path) -> io::Result<bool> {
    let start = first_bytes(&mut File::open(path)?)?;
    Ok(!start.starts_with(&GZIP_MAGIC))
}

/// The first bytes of an input that are inspected, at most.
const INSPECTED: usize = GZIP_MAGIC.len();

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

    use windrow_core::signature::Signature;

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

    /// The objects of a text, and those of the rejected parts that have a signature in parentheses.
    fn parts(bytes: &[u8]) -> Vec<String> {
        let mut text = ArchiveText::all(Unpacked::new(bytes).unwrap(), Vec::new());
        let mut parts = Vec::new();
        while let Some(part) = text.next_part().unwrap() {
            parts.push(match part {
                ArchivePart::Object(object) => String::from_utf8_lossy(object).into_owned(),
                ArchivePart::Other(part) | ArchivePart::TooLong(part) => {
                    let signature = Signature::of_other(part);
                    signature.map_or("other".to_owned(), |signature| format!("({signature})"))
                }
            });
        }
        assert_eq!(text.input().problem(), None);
        parts
    }

    #[test]
    fn members_and_plain_text_may_follow_each_other() {
        let (one, two, three) = (r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#);
        let lines = format!("{two}\n{three}\n");
        for pieces in [
            vec![gzip(one), lines.clone().into()],
            vec![lines.clone().into(), gzip(one)],
            vec![one.into(), gzip(two), gzip(""), three.into()],
            vec![gzip(one), two.into(), gzip(three)],
            // Readings that were compressed before Firehose compressed them.
            vec![{
                let records = [gzip(one), gzip(&lines)].concat();
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&records).unwrap();
                encoder.finish().unwrap()
            }],
        ] {
            let mut found = parts(&pieces.concat());
            found.sort_unstable();
            assert_eq!(found, [one, two, three]);
        }
    }

    #[test]
    fn what_cannot_be_read_is_one_part_and_what_follows_is_read() {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let one = gzip("{}");
        for (foreign, signature) in [
            (utf16("{\"a\":1}\n{\"a\":2}\n"), "(UTF-16)"),
            (utf16("\u{feff}{\"a\":{\"b\":1}}"), "(UTF-16)"),
            (one[..one.len() - 3].to_vec(), "(gzip)"),
            (b"PK\x03\x04\x14\0".to_vec(), "(a ZIP file)"),
            (b"\x28\xb5\x2f\xfd\x04\0".to_vec(), "(Zstandard)"),
            (b"\x78\x9c\xab\x56".to_vec(), "(zlib)"),
            (
                b"\xf3\x89\x9a\xc2\x0a\x01".to_vec(),
                "(an aggregated record of the KPL)",
            ),
            (b"\x01\xff\xfe\x02".to_vec(), "(binary data)"),
        ] {
            let text = [b"{}\n", foreign.as_slice(), b"\n{}{\"a\":1}\n"].concat();
            assert_eq!(parts(&text), ["{}", signature, "{}", "{\"a\":1}"]);
            if !foreign.starts_with(&GZIP_MAGIC) {
                assert_eq!(parts(&text[3..]), [signature, "{}", "{\"a\":1}"]);
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
