//! Opens files, and decompresses gzip files.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::lines::ArchiveLines;

/// Called after every read with the number of bytes read from the file.
pub type ReadProgress<'a> = &'a (dyn Fn(u64) + Sync);

/// The first bytes of a gzip file. Source: RFC 1952, section 2.3.1.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How many compressed bytes to read at once.
const COMPRESSED_BUFFER: usize = 256 << 10;

/// An input, decompressed if its first bytes are those of a gzip file.
#[derive(Debug)]
pub enum Unpacked<R: Read> {
    /// An input that is not compressed.
    Plain(Peeked<R>),
    /// One or more gzip members.
    Gzip(Box<MultiGzDecoder<BufReader<Peeked<R>>>>),
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
        let is_gzip = start == GZIP_MAGIC;
        let whole = Cursor::new(start).chain(input);
        if is_gzip {
            let compressed = BufReader::with_capacity(COMPRESSED_BUFFER, whole);
            return Ok(Self::Gzip(Box::new(MultiGzDecoder::new(compressed))));
        }
        Ok(Self::Plain(whole))
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

/// The lines of a file.
pub type FileLines<'a> = ArchiveLines<Unpacked<FileInput<'a>>>;

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

/// The lines of a whole file. `buffer` is used as the line buffer, so that it can be reused.
///
/// # Errors
///
/// If the file cannot be opened or read.
pub fn open<'a>(
    path: &Path,
    buffer: Vec<u8>,
    progress: ReadProgress<'a>,
) -> io::Result<FileLines<'a>> {
    let file = File::open(path)?;
    let input = Unpacked::new(FileInput { file, progress })?;
    Ok(ArchiveLines::all(input, buffer))
}

/// The lines that begin in `range` of a file, in bytes; all lines of a compressed file, which can
/// only be read from its start.
///
/// # Errors
///
/// If the file cannot be opened or read.
pub fn open_range<'a>(
    path: &Path,
    range: &Range<u64>,
    buffer: Vec<u8>,
    progress: ReadProgress<'a>,
) -> io::Result<FileLines<'a>> {
    let mut file = File::open(path)?;
    if range.start == 0 {
        return Ok(match Unpacked::new(FileInput { file, progress })? {
            input @ Unpacked::Plain(_) => ArchiveLines::until(input, buffer, 0, range.end),
            input @ Unpacked::Gzip(_) => ArchiveLines::all(input, buffer),
        });
    }
    let before = range.start - 1;
    file.seek(SeekFrom::Start(before))?;
    let rest = Cursor::new(Vec::new()).chain(FileInput { file, progress });
    ArchiveLines::between(Unpacked::Plain(rest), buffer, before, range.end)
}

/// Whether a file's first bytes are those of a gzip file.
///
/// # Errors
///
/// If it cannot be opened or read.
pub fn is_compressed(path: &Path) -> io::Result<bool> {
    Ok(first_bytes(&mut File::open(path)?)? == GZIP_MAGIC)
}

fn first_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(GZIP_MAGIC.len());
    let length = GZIP_MAGIC.len() as u64;
    input.by_ref().take(length).read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::lines::ArchiveLine;

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
    fn a_truncated_or_corrupt_gzip_file_is_an_error() {
        let whole = gzip("one\ntwo\nthree\n");
        for length in 2..whole.len() {
            let error = unpacked(&whole[..length]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        let mut corrupt = whole.clone();
        let checksum = corrupt.len() - 6;
        corrupt[checksum] ^= 0xff;
        assert_eq!(
            unpacked(&corrupt).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn every_byte_of_a_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readings");
        for bytes in [b"one\ntwo\n".to_vec(), gzip("one\ntwo\n")] {
            std::fs::write(&path, &bytes).unwrap();
            let reported = std::sync::atomic::AtomicU64::new(0);
            let progress = |bytes| {
                reported.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            };
            let mut lines = open(&path, Vec::new(), &progress).unwrap();
            let mut found = Vec::new();
            while let Some(ArchiveLine::Whole(line)) = lines.next_line().unwrap() {
                found.push(String::from_utf8(line.to_vec()).unwrap());
            }
            assert_eq!(found, ["one", "two"]);
            assert_eq!(reported.into_inner(), bytes.len() as u64);
        }
    }
}
