//! A segment: one file of a shard's log. It has a header and then blocks.

use std::ffi::OsStr;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Buf as _;

use crate::files;
use crate::sequence::LAST_PLACE;

/// A segment longer than this gets no more blocks.
pub(crate) const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// The length of a segment's header.
pub(crate) const SEGMENT_HEADER: u64 = 40;

const MAGIC: [u8; 8] = *b"windrow1";
const EXTENSION: &str = "log";

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Random, and in the header of each of its blocks.
    pub(crate) salt: u64,
    /// The place of the first record, or a smaller one.
    pub(crate) first: u64,
    /// How many records the shard had before.
    pub(crate) records_before: u64,
}

impl SegmentHeader {
    pub(crate) fn new(first: u64, records_before: u64) -> Self {
        Self {
            // Seeded by the system, for each value of its own.
            salt: RandomState::new().hash_one(first),
            first,
            records_before,
        }
    }

    fn encode(&self) -> [u8; SEGMENT_HEADER as usize] {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.records_before.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..32]);
        bytes[32..36].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SEGMENT_HEADER as usize]) -> Option<Self> {
        let mut fields = &bytes[8..];
        let header = Self {
            salt: fields.get_u64_le(),
            first: fields.get_u64_le(),
            records_before: fields.get_u64_le(),
        };
        let valid = bytes[..8] == MAGIC && fields.get_u32_le() == crc32fast::hash(&bytes[..32]);
        valid.then_some(header)
    }

    /// Creates the file of a new segment.
    ///
    /// # Errors
    ///
    /// The system's error. No file is left then.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        let mut file = files::create(path)?;
        let written = file.write_all(&self.encode());
        let written = written.and_then(|()| path.parent().map_or(Ok(()), files::sync_folder));
        if let Err(error) = written {
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(file)
    }

    /// Reads the header of a segment. `None` if it is damaged.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        match files::read_exact_at(file, &mut bytes, 0) {
            Ok(()) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The file of the segment whose first place is `first`.
pub(crate) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.{EXTENSION}"))
}

/// The first place that is in the name of a segment's file. `None` for any other file.
pub(crate) fn first_of(path: &Path) -> Option<u64> {
    if path.extension() != Some(OsStr::new(EXTENSION)) {
        return None;
    }
    let name = path.file_stem()?.to_str()?;
    let first: u64 = (name.len() == 20).then(|| name.parse().ok())??;
    // So that no place after it overflows.
    (first <= LAST_PLACE / 2).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_from_the_file_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file_path = path(folder.path(), 42);
        assert_eq!(first_of(&file_path), Some(42));
        let header = SegmentHeader::new(42, 41);
        drop(header.create(&file_path).unwrap());
        let read = |path: &Path| SegmentHeader::read(&files::open_to_read(path).unwrap()).unwrap();
        assert_eq!(read(&file_path), Some(header));

        let whole = std::fs::read(&file_path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&file_path, &whole[..length]).unwrap();
            assert_eq!(read(&file_path), None);
        }
        for at in 0..36 {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&file_path, &changed).unwrap();
            assert_eq!(read(&file_path), None, "byte {at}");
        }
    }

    #[test]
    fn only_segments_have_a_first_place() {
        for name in [
            "lock",
            "1.log",
            "00000000000000000001.log.new",
            "0000000000000000000x.log",
            "18446744073709551615.log",
        ] {
            assert_eq!(first_of(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn salts_differ() {
        assert_ne!(SegmentHeader::new(1, 0).salt, SegmentHeader::new(1, 0).salt);
    }
}
