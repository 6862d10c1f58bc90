//! Decompresses gzip files, as far as they are whole.

use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::problem::InputProblem;

/// The first bytes of a member. Source: RFC 1952, section 2.3.1.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The only compression method: deflate.
const DEFLATE: u8 = 8;

/// The text of the members of a gzip file, one after the other.
///
/// Damage ends the text instead of failing, after everything that could be decompressed before it;
/// [`problem`](Self::problem) then says what is wrong. Zero bytes after a member are padding.
///
/// The decoders of `flate2` fail instead, and lose what they decompressed in the same call.
#[derive(Debug)]
pub struct GzipText<R> {
    input: R,
    at: MemberPart,
    inflate: Decompress,
    checksum: Crc,
    problem: Option<InputProblem>,
}

/// Where the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MemberPart {
    /// Before a member; the flag says whether it is the first.
    Header { is_first: bool },
    /// In the compressed data of a member.
    Data,
    /// Before the checksum and the length of a member.
    Trailer,
    /// At the end, or where the rest cannot be read.
    End,
}

impl<R: BufRead> GzipText<R> {
    /// The text of `input`, which starts with a member.
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            at: MemberPart::Header { is_first: true },
            inflate: Decompress::new(false),
            checksum: Crc::new(),
            problem: None,
        }
    }

    /// What is wrong with the part of the input that was read.
    pub(crate) fn problem(&self) -> Option<InputProblem> {
        self.problem
    }

    fn end(&mut self, problem: Option<InputProblem>) {
        self.at = MemberPart::End;
        self.problem = self.problem.or(problem);
    }

    /// Reads the header of the next member.
    fn header(&mut self, is_first: bool) -> io::Result<()> {
        if !is_first && self.skip_zeros()? {
            self.end(None);
            return Ok(());
        }
        match self.header_problem()? {
            None => {
                self.inflate.reset(false);
                self.checksum.reset();
                self.at = MemberPart::Data;
            }
            Some(InputProblem::Corrupt) if !is_first => self.end(Some(InputProblem::OtherBytes)),
            problem => self.end(problem),
        }
        Ok(())
    }

    /// Reads a header. Source: RFC 1952, section 2.3.
    fn header_problem(&mut self) -> io::Result<Option<InputProblem>> {
        const HEADER_CHECKSUM: u8 = 1 << 1;
        const EXTRA: u8 = 1 << 2;
        const NAME: u8 = 1 << 3;
        const COMMENT: u8 = 1 << 4;
        const RESERVED: u8 = 0b1110_0000;

        for magic in GZIP_MAGIC {
            match self.bytes()? {
                None => return Ok(Some(InputProblem::CutOff)),
                Some([byte]) if byte != magic => return Ok(Some(InputProblem::Corrupt)),
                Some(_) => {}
            }
        }
        let Some([method, flags, ..]) = self.bytes::<8>()? else {
            return Ok(Some(InputProblem::CutOff));
        };
        if method != DEFLATE || flags & RESERVED != 0 {
            return Ok(Some(InputProblem::Corrupt));
        }
        let mut is_whole = true;
        if flags & EXTRA != 0 {
            is_whole &= match self.bytes()? {
                Some(length) => self.skip_extra(u16::from_le_bytes(length))?,
                None => false,
            };
        }
        for text in [NAME, COMMENT] {
            is_whole &= flags & text == 0 || self.skip_text()?;
        }
        is_whole &= flags & HEADER_CHECKSUM == 0 || self.bytes::<2>()?.is_some();
        Ok((!is_whole).then_some(InputProblem::CutOff))
    }

    /// Decompresses some data. Returns 0 at its end.
    fn data(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.fill_buf()?;
            let is_end = input.is_empty();
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, output, FlushDecompress::None);
            // Both are lengths of slices.
            let read = (self.inflate.total_in() - read) as usize;
            let written = (self.inflate.total_out() - written) as usize;
            self.input.consume(read);
            self.checksum.update(&output[..written]);
            match status {
                Ok(Status::StreamEnd) => self.at = MemberPart::Trailer,
                Err(_) => self.end(Some(InputProblem::Corrupt)),
                Ok(_) if written > 0 => {}
                Ok(_) if is_end => self.end(Some(InputProblem::CutOff)),
                Ok(_) if read > 0 => continue,
                // There is data, and room for more text.
                Ok(_) => self.end(Some(InputProblem::Corrupt)),
            }
            return Ok(written);
        }
    }

    /// Compares the checksum and the length of a member.
    fn trailer(&mut self) -> io::Result<()> {
        let Some([a, b, c, d, length @ ..]) = self.bytes::<8>()? else {
            self.end(Some(InputProblem::CutOff));
            return Ok(());
        };
        let checksum = u32::from_le_bytes([a, b, c, d]);
        if (checksum, u32::from_le_bytes(length)) != (self.checksum.sum(), self.checksum.amount()) {
            self.problem = self.problem.or(Some(InputProblem::WrongChecksum));
        }
        self.at = MemberPart::Header { is_first: false };
        Ok(())
    }

    /// The next bytes; `None` if there are fewer.
    fn bytes<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn skip_extra(&mut self, length: u16) -> io::Result<bool> {
        let skipped = io::copy(&mut (&mut self.input).take(length.into()), &mut io::sink())?;
        Ok(skipped == u64::from(length))
    }

    /// Skips a text and the zero byte that ends it. Returns whether it ends.
    fn skip_text(&mut self) -> io::Result<bool> {
        loop {
            match self.bytes()? {
                None => return Ok(false),
                Some([0]) => return Ok(true),
                Some([_]) => {}
            }
        }
    }

    /// Skips zero bytes. Returns whether the input ends after them.
    fn skip_zeros(&mut self) -> io::Result<bool> {
        loop {
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if input.is_empty() {
                return Ok(true);
            }
            let zeros = input.iter().take_while(|byte| **byte == 0).count();
            let is_over = zeros < input.len();
            self.input.consume(zeros);
            if is_over {
                return Ok(false);
            }
        }
    }
}

impl<R: BufRead> Read for GzipText<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            match self.at {
                MemberPart::Header { is_first } => self.header(is_first)?,
                MemberPart::Data => match self.data(output)? {
                    0 => {}
                    written => return Ok(written),
                },
                MemberPart::Trailer => self.trailer()?,
                MemberPart::End => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// The text, read in pieces of up to `piece` bytes, and the problem.
    fn text(file: &[u8], piece: usize) -> (Vec<u8>, Option<InputProblem>) {
        let input = io::BufReader::with_capacity(piece, file);
        let mut members = GzipText::new(input);
        let mut text = Vec::new();
        let mut buffer = vec![0; piece];
        loop {
            match members.read(&mut buffer).unwrap() {
                0 => return (text, members.problem()),
                read => text.extend_from_slice(&buffer[..read]),
            }
        }
    }

    /// Text that compresses to more than a few bytes.
    fn long() -> Vec<u8> {
        let numbers =
            (0_u32..3_000).map(|number| format!("{}\n", number.wrapping_mul(2_654_435_761)));
        numbers.collect::<String>().into_bytes()
    }

    #[test]
    fn members_are_one_text() {
        for piece in [1, 7, 1 << 16] {
            let file = [gzip(b"one\ntw"), gzip(b"o\n"), gzip(b""), gzip(b"three")].concat();
            assert_eq!(text(&file, piece), (b"one\ntwo\nthree".to_vec(), None));
            let header = GzBuilder::new()
                .filename("name")
                .comment("comment")
                .extra(vec![7; 300]);
            let mut encoder = header.write(Vec::new(), Compression::best());
            encoder.write_all(&long()).unwrap();
            assert_eq!(text(&encoder.finish().unwrap(), piece), (long(), None));
        }
    }

    #[test]
    fn zeros_after_a_member_are_padding() {
        let member = gzip(b"one\n");
        for zeros in [1, 7, 512, 100_000] {
            let padded = [member.clone(), vec![0; zeros]].concat();
            assert_eq!(text(&padded, 512), (b"one\n".to_vec(), None));
            let two = [padded, member.clone()].concat();
            assert_eq!(text(&two, 512), (b"one\none\n".to_vec(), None));
        }
    }

    #[test]
    fn other_bytes_after_a_member_end_the_text() {
        let other = [
            &b"x"[..],
            b"garbage",
            b"\0\0x",
            b"\x1f",
            b"\x1f\x8b",
            b"\x1f\x8b\x07\0\0\0\0\0\0\0",
        ];
        for bytes in other {
            let (read, problem) = text(&[&gzip(b"one\n"), bytes].concat(), 512);
            assert_eq!(read, b"one\n");
            let is_cut = matches!(bytes, b"\x1f\x8b" | b"\x1f");
            let expected = if is_cut {
                InputProblem::CutOff
            } else {
                InputProblem::OtherBytes
            };
            assert_eq!(problem, Some(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_file_that_is_cut_off_keeps_what_is_before() {
        let (long, file) = (long(), gzip(&long()));
        let mut longest = 0;
        for length in (2..file.len())
            .step_by(11)
            .chain([file.len() - 9, file.len() - 1])
        {
            let (read, problem) = text(&file[..length], 4096);
            assert!(long.starts_with(&read));
            assert_eq!(problem, Some(InputProblem::CutOff), "{length}");
            assert!(read.len() >= longest);
            longest = read.len();
        }
        assert_eq!(longest, long.len());
        let two = [&file[..], &file[..file.len() / 2]].concat();
        assert!(text(&two, 4096).0.len() > long.len() + long.len() / 3);
    }

    #[test]
    fn a_wrong_checksum_is_reported_and_the_next_member_read() {
        let mut file = gzip(b"one\n");
        let checksum = file.len() - 6;
        file[checksum] ^= 0xff;
        file.extend_from_slice(&gzip(b"two\n"));
        let problem = Some(InputProblem::WrongChecksum);
        assert_eq!(text(&file, 512), (b"one\ntwo\n".to_vec(), problem));
    }

    #[test]
    fn corrupt_data_keeps_what_is_before() {
        let (long, mut file) = (long(), gzip(&long()));
        let middle = file.len() / 2;
        // A block of the type 3, which there is not, somewhere in zeros.
        file[middle..middle + 400].fill(0xff);
        for piece in [512, 1 << 20] {
            let (read, problem) = text(&file, piece);
            let same = read
                .iter()
                .zip(&long)
                .take_while(|(one, other)| one == other);
            assert!(same.count() > long.len() / 3, "{}", read.len());
            assert!(problem.is_some());
        }
    }

    proptest! {
        #[test]
        fn any_damage_ends_the_text(
            at in 2..4_000_usize,
            bytes in prop::collection::vec(any::<u8>(), 1..40),
        ) {
            let mut file = gzip(&long());
            let end = file.len().min(at + bytes.len());
            file.splice(at.min(end)..end, bytes);
            let (_, problem) = text(&file, 777);
            let _ = problem;
        }
    }
}
