//! A file's text: as it is, or unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::lines::ArchiveLines;

/// What is told of every read, in bytes of the file.
pub(super) type ReadProgress<'a> = &'a (dyn Fn(u64) + Sync);

/// The first bytes of a gzip file (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

const PACKED_BUFFER: usize = 256 << 10;

/// A file that is being read.
pub(super) enum Input<'a> {
    Plain(CountedInput<'a>),
    Packed(Box<MultiGzDecoder<BufReader<CountedInput<'a>>>>),
}

/// A file whose reads are told.
pub(super) struct CountedInput<'a> {
    file: File,
    progress: ReadProgress<'a>,
}

impl Read for CountedInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.progress)(read as u64);
        Ok(read)
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(file) => file.read(buffer),
        }
    }
}

/// Whether a file begins as a gzip file does.
pub(super) fn is_packed(path: &Path) -> io::Result<bool> {
    starts_packed(&mut File::open(path)?)
}

/// Opens the lines that begin in a part of a file; of a packed one, all lines.
pub(super) fn open<'a>(
    path: &Path,
    split: &Range<u64>,
    buffer: Vec<u8>,
    progress: ReadProgress<'a>,
) -> io::Result<ArchiveLines<Input<'a>>> {
    let mut file = File::open(path)?;
    if split.start == 0 {
        let packed = starts_packed(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let counted = CountedInput { file, progress };
        if packed {
            let reader = BufReader::with_capacity(PACKED_BUFFER, counted);
            let input = Input::Packed(Box::new(MultiGzDecoder::new(reader)));
            return Ok(ArchiveLines::all(input, buffer));
        }
        return Ok(ArchiveLines::until(
            Input::Plain(counted),
            buffer,
            0,
            split.end,
        ));
    }
    let before = split.start - 1;
    file.seek(SeekFrom::Start(before))?;
    let input = Input::Plain(CountedInput { file, progress });
    ArchiveLines::between(input, buffer, before, split.end)
}

fn starts_packed(file: &mut File) -> io::Result<bool> {
    let mut start = Vec::new();
    file.take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == GZIP_MAGIC)
}
