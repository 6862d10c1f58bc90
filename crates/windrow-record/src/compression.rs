//! Compression formats: recognised by the first bytes, and undone within a limit.

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

use crate::error::UnpackError;

/// The first bytes of a gzip member. Source: RFC 1952, section 2.3.1.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The first bytes of a Zstandard frame. Source: RFC 8878, section 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The logarithm of the largest window of a Zstandard frame that is read: 8 MiB, which RFC 8878,
/// section 3.1.1.1.2, recommends to support. The window is allocated whatever the frame holds.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The logarithm of the window of gzip and zlib.
const WINDOW_BITS: u8 = 15;

/// How many times its size data is first expected to unpack to.
const EXPECTED_RATIO: usize = 8;

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Gzip,
    Zlib,
    Zstd,
}

impl Format {
    /// The format that the first bytes of `data` are those of; `None` if it is not compressed.
    #[inline]
    pub(crate) fn of(data: &[u8]) -> Option<Self> {
        let [first, second, ..] = *data else {
            return None;
        };
        if [first, second] == GZIP_MAGIC {
            return Some(Self::Gzip);
        }
        if first & 0x0f == 8 && is_zlib_header(first, second) {
            return Some(Self::Zlib);
        }
        data.starts_with(&ZSTD_MAGIC).then_some(Self::Zstd)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Zstd => "Zstandard",
        }
    }

    fn corrupt(self) -> UnpackError {
        let format = self.name();
        UnpackError::Corrupt { format }
    }

    fn truncated(self) -> UnpackError {
        let format = self.name();
        UnpackError::Truncated { format }
    }
}

/// Whether these are the bytes CMF and FLG of zlib, for a stream that needs no dictionary. Source:
/// RFC 1950, section 2.2.
///
/// No JSON text starts like this: of its first characters only `8` has the right method, and the
/// check then rules out a digit, a point, an `e` and white space.
fn is_zlib_header(cmf: u8, flg: u8) -> bool {
    let is_deflate = cmf & 0x0f == 8 && cmf >> 4 <= 7;
    let needs_dictionary = flg & 0x20 != 0;
    is_deflate && !needs_dictionary && u16::from_be_bytes([cmf, flg]).is_multiple_of(31)
}

/// Replaces `output` by what `data` unpacks to, which is at most `most` bytes. What follows the members
/// of gzip is text as it is, as in a file of the archive.
///
/// # Errors
///
/// [`UnpackError`] if `data` is not valid in its format, if anything follows the data of another one
/// than gzip, or if it unpacks to more than `most` bytes. `output` then holds anything.
pub(crate) fn decompress(
    format: Format,
    data: &[u8],
    most: usize,
    output: &mut Vec<u8>,
) -> Result<(), UnpackError> {
    output.clear();
    output.reserve((data.len().saturating_mul(EXPECTED_RATIO)).min(most));
    match format {
        Format::Gzip => {
            let mut rest = data;
            while rest.starts_with(&GZIP_MAGIC) {
                let member = Decompress::new_gzip(WINDOW_BITS);
                rest = inflate(format, member, rest, most, output)?;
                // Zeros after a member are padding.
                let zeros = rest.iter().take_while(|byte| **byte == 0).count();
                rest = rest.get(zeros..).unwrap_or_default();
            }
            if rest.len() > most.saturating_sub(output.len()) {
                return Err(UnpackError::TooLarge);
            }
            output.extend_from_slice(rest);
            Ok(())
        }
        Format::Zlib => match inflate(format, Decompress::new(true), data, most, output)? {
            [] => Ok(()),
            _ => Err(format.corrupt()),
        },
        Format::Zstd => decompress_zstd(data, most, output),
    }
}

/// Appends a gzip member or a zlib stream. Returns what follows it.
fn inflate<'a>(
    format: Format,
    mut stream: Decompress,
    data: &'a [u8],
    most: usize,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], UnpackError> {
    let mut rest = data;
    loop {
        let (read, written) = (stream.total_in(), output.len());
        let status = stream.decompress_vec(rest, output, FlushDecompress::None);
        let status = status.map_err(|_| format.corrupt())?;
        let used = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
        rest = rest.get(used..).unwrap_or_default();
        if output.len() > most {
            return Err(UnpackError::TooLarge);
        }
        if status == Status::StreamEnd {
            return Ok(rest);
        }
        let is_full = output.len() == output.capacity();
        if is_full {
            grow(output, most);
        } else if rest.is_empty() || (used == 0 && output.len() == written) {
            return Err(format.truncated());
        }
    }
}

/// Makes room for more: as much again, or one byte more than the limit.
fn grow(output: &mut Vec<u8>, most: usize) {
    let limit = most.saturating_add(1).saturating_sub(output.len());
    output.reserve_exact(output.len().clamp(256, limit.max(256)));
}

fn decompress_zstd(data: &[u8], most: usize, output: &mut Vec<u8>) -> Result<(), UnpackError> {
    let format = Format::Zstd;
    let mut frames = Decoder::new().map_err(|_| format.corrupt())?;
    let window = DParameter::WindowLogMax(ZSTD_WINDOW_LOG);
    frames.set_parameter(window).map_err(|_| format.corrupt())?;
    let mut input = InBuffer::around(data);
    loop {
        if output.len() == output.capacity() {
            grow(output, most);
        }
        let written = output.len();
        let read = input.pos();
        let mut buffer = OutBuffer::around_pos(output, written);
        let left = frames.run(&mut input, &mut buffer);
        let left = left.map_err(|_| format.corrupt())?;
        if output.len() > most {
            return Err(UnpackError::TooLarge);
        }
        let is_at_end = input.pos() == data.len();
        if is_at_end && left == 0 {
            return Ok(());
        }
        let is_stuck = input.pos() == read && output.len() == written;
        if is_at_end && (is_stuck || output.len() < output.capacity()) {
            return Err(format.truncated());
        }
    }
}
