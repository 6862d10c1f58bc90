//! Reads one gzip member among other text.

use std::io::{self, Read};

use flate2::bufread::{GzDecoder, MultiGzDecoder};

use crate::gzip::GZIP_MAGIC;

/// The longest text of a member, in bytes: what a record may unpack to.
const LONGEST_TEXT: u64 = 16 << 20;

/// How many times a member's text may be compressed, as in a record.
const MOST_LAYERS: usize = 4;

/// The outcome of reading a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberRead {
    /// It is valid, and has this length.
    Whole(usize),
    /// The input ends before the member.
    CutOff,
    /// It is damaged, or its text is too long.
    Bad,
}

/// Replaces `text` by the text of the member at the start of `input`, which is read whole or not at
/// all: it holds what one record held.
pub(crate) fn read_member(input: &[u8], text: &mut Vec<u8>) -> MemberRead {
    text.clear();
    let mut member = GzDecoder::new(input);
    let read = member.by_ref().take(LONGEST_TEXT + 1).read_to_end(text);
    let outcome = match read {
        Ok(length) if length as u64 > LONGEST_TEXT => MemberRead::Bad,
        Ok(_) if unpack_text(text).is_err() => MemberRead::Bad,
        Ok(_) => MemberRead::Whole(input.len() - member.into_inner().len()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => MemberRead::CutOff,
        Err(_) => MemberRead::Bad,
    };
    if !matches!(outcome, MemberRead::Whole(_)) {
        text.clear();
    }
    outcome
}

/// Unpacks a text that is compressed itself.
fn unpack_text(text: &mut Vec<u8>) -> io::Result<()> {
    for _ in 1..MOST_LAYERS {
        if !text.starts_with(&GZIP_MAGIC) {
            break;
        }
        let mut unpacked = Vec::new();
        let mut members = MultiGzDecoder::new(text.as_slice()).take(LONGEST_TEXT + 1);
        if members.read_to_end(&mut unpacked)? as u64 > LONGEST_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        *text = unpacked;
    }
    if text.starts_with(&GZIP_MAGIC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(())
}
