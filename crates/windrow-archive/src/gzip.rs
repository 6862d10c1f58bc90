//! Decompresses gzip files, as far as they are whole.

use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::problem::InputProblem;

/// The first bytes of a member. Source: RFC 1952, section 2.3.1.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The only compression method: deflate.
const DEFLATE: u8 = 8;

/// The most data of a damaged member that is searched for what follows the member: the size of a
/// record.
const MOST_REREAD: usize = 1 << 20;

/// How many bytes must be text, after damage, to be taken for it.
const SURELY_TEXT: usize = 16;

/// The same at the end of the input: a newline and an empty object.
const SHORTEST_LINE: usize = 3;

/// The text of the members of a gzip file, one after the other, and then what follows them as it is:
/// Firehose writes compressed and other records into one file. Zero bytes after a member are
/// padding.
///
/// Damage is no error: everything before it is read, and after it what comes next that is surely a
/// member or a line with an object or array. [`problem`](Self::problem) says what is wrong.
///
/// The decoders of `flate2` fail instead, and lose what they decompressed in the same call.
#[derive(Debug)]
pub struct GzipText<R> {
    input: Rereadable<R>,
    at: MemberPart,
    inflate: Decompress,
    checksum: Crc,
    problem: Option<InputProblem>,
    /// The data of the member so far, unless that is more than [`MOST_REREAD`] bytes.
    data: Vec<u8>,
    /// Whether a newline is to be returned, to end what was cut by damage.
    is_newline_next: bool,
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
    /// In data that cannot be decompressed.
    Damaged,
    /// After the last member, in text that is not compressed.
    Plain,
    /// At the end, or where the rest cannot be read.
    End,
}

impl<R: BufRead> GzipText<R> {
    /// The text of `input`, which starts with a member.
    pub(crate) fn new(input: R) -> Self {
        Self {
            input: Rereadable::new(input),
            at: MemberPart::Header { is_first: true },
            inflate: Decompress::new(false),
            checksum: Crc::new(),
            problem: None,
            data: Vec::new(),
            is_newline_next: false,
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
        let mut start = Vec::with_capacity(HEADER_START);
        while start.len() < HEADER_START {
            let Some([byte]) = self.bytes()? else {
                self.end(Some(InputProblem::CutOff));
                return Ok(());
            };
            start.push(byte);
            if !may_be_header(&start) {
                self.input.push_back(&start);
                self.at = MemberPart::Plain;
                return Ok(());
            }
        }
        self.rest_of_header(start.last().copied().unwrap_or_default())
    }

    /// Reads a header after its flags. Source: RFC 1952, section 2.3.
    fn rest_of_header(&mut self, flags: u8) -> io::Result<()> {
        const HEADER_CHECKSUM: u8 = 1 << 1;
        const EXTRA: u8 = 1 << 2;
        const NAME: u8 = 1 << 3;
        const COMMENT: u8 = 1 << 4;

        let mut is_whole = self.bytes::<6>()?.is_some();
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
        if !is_whole {
            self.end(Some(InputProblem::CutOff));
            return Ok(());
        }
        self.inflate.reset(false);
        self.checksum.reset();
        self.data.clear();
        self.at = MemberPart::Data;
        Ok(())
    }

    /// Skips data that cannot be decompressed, up to the start of a member, or to a line that starts
    /// with an object or array and goes on as text.
    fn skip_damage(&mut self) -> io::Result<()> {
        // The last bytes, if they may be the start of either.
        let mut last = Vec::with_capacity(SURELY_TEXT);
        while let Some([byte]) = self.bytes()? {
            last.push(byte);
            if may_be_header(&last) {
                if last.len() == HEADER_START {
                    self.is_newline_next = true;
                    return self.rest_of_header(byte);
                }
            } else if !may_be_line(&last) {
                last.clear();
                if byte == b'\n' || may_be_header(&[byte]) {
                    last.push(byte);
                }
            }
            if last.len() == SURELY_TEXT {
                break;
            }
        }
        if last.len() < SHORTEST_LINE || !may_be_line(&last) {
            last.clear();
        }
        self.input.push_back(&last);
        self.at = MemberPart::Plain;
        Ok(())
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
            if self.data.len() <= MOST_REREAD {
                self.data.extend_from_slice(&input[..read]);
            }
            self.input.consume(read);
            self.checksum.update(&output[..written]);
            match status {
                Ok(Status::StreamEnd) => self.at = MemberPart::Trailer,
                Err(_) => self.damaged(InputProblem::Corrupt),
                Ok(_) if written > 0 => {}
                Ok(_) if is_end => self.damaged(InputProblem::CutOff),
                Ok(_) if read > 0 => continue,
                // There is data, and room for more text.
                Ok(_) => self.damaged(InputProblem::Corrupt),
            }
            return Ok(written);
        }
    }

    /// Ends a member that cannot be decompressed. It may have ended long before that is seen, since
    /// most bytes mean something to the decompressor, so its data is searched for what follows it.
    fn damaged(&mut self, problem: InputProblem) {
        if self.data.len() <= MOST_REREAD {
            self.input.push_back(&self.data);
        }
        self.problem = self.problem.or(Some(problem));
        self.at = MemberPart::Damaged;
    }

    /// Compares the checksum and the length of a member.
    fn trailer(&mut self) -> io::Result<()> {
        let Some(trailer) = self.bytes::<8>()? else {
            self.end(Some(InputProblem::CutOff));
            return Ok(());
        };
        let [a, b, c, d, length @ ..] = trailer;
        let checksum = u32::from_le_bytes([a, b, c, d]);
        if (checksum, u32::from_le_bytes(length)) != (self.checksum.sum(), self.checksum.amount()) {
            let is_next = |bytes| bytes == b"\n{" || bytes == GZIP_MAGIC;
            if trailer.windows(2).any(is_next) {
                // It is cut off, and these are from the line or the member after it.
                self.input.push_back(&trailer);
                self.problem = self.problem.or(Some(InputProblem::CutOff));
                self.at = MemberPart::Damaged;
                return Ok(());
            }
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

/// An input to which bytes can be given back.
#[derive(Debug)]
struct Rereadable<R> {
    back: Vec<u8>,
    at: usize,
    input: R,
}

impl<R> Rereadable<R> {
    fn new(input: R) -> Self {
        let (back, at) = (Vec::new(), 0);
        Self { back, at, input }
    }

    /// Reads these bytes next.
    fn push_back(&mut self, bytes: &[u8]) {
        self.back.splice(..self.at, bytes.iter().copied());
        self.at = 0;
    }
}

impl<R: BufRead> Read for Rereadable<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if self.at == self.back.len() {
            return self.input.read(output);
        }
        let read = (&self.back[self.at..]).read(output)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Rereadable<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.back.len() {
            return self.input.fill_buf();
        }
        Ok(&self.back[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        if self.at == self.back.len() {
            return self.input.consume(bytes);
        }
        self.at += bytes;
    }
}

/// The length of the start of a header that tells whether it is one: magic, method and flags.
const HEADER_START: usize = 4;

/// Whether a text of up to [`HEADER_START`] bytes is the start of a header. Source: RFC 1952,
/// section 2.3.
fn may_be_header(text: &[u8]) -> bool {
    const RESERVED: u8 = 0b1110_0000;
    match text {
        [magic @ .., DEFLATE, flags] if magic == GZIP_MAGIC => flags & RESERVED == 0,
        [magic @ .., DEFLATE] if magic == GZIP_MAGIC => true,
        _ => GZIP_MAGIC.starts_with(text),
    }
}

/// Whether a text may be a newline and a line that starts with an object or array.
fn may_be_line(text: &[u8]) -> bool {
    match text {
        [] => false,
        [b'\n'] => true,
        [b'\n', b'{' | b'[', rest @ ..] => {
            let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
            // The last character may not be whole.
            let is_utf8 =
                str::from_utf8(rest).map_or_else(|error| error.error_len().is_none(), |_| true);
            is_utf8 && !rest.iter().any(is_control)
        }
        _ => false,
    }
}

impl<R: BufRead> Read for GzipText<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            if std::mem::take(&mut self.is_newline_next) {
                output[0] = b'\n';
                return Ok(1);
            }
            match self.at {
                MemberPart::Header { is_first } => self.header(is_first)?,
                MemberPart::Data => match self.data(output)? {
                    0 => {}
                    written => return Ok(written),
                },
                MemberPart::Trailer => self.trailer()?,
                MemberPart::Damaged => self.skip_damage()?,
                MemberPart::Plain => return self.input.read(output),
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
    fn other_bytes_after_a_member_are_text() {
        for bytes in [
            &b"x"[..],
            b"{}\n{}\n",
            b"\x1f\x8b\x07\0\0\0\0\0\0\0",
            b"\x1fx",
        ] {
            for (zeros, piece) in [("", 1), ("\0\0", 1), ("\0\0", 512)] {
                let file = [&gzip(b"one\n"), zeros.as_bytes(), bytes].concat();
                let expected = [b"one\n", bytes].concat();
                assert_eq!(
                    text(&file, piece),
                    (expected, None),
                    "{}",
                    bytes.escape_ascii()
                );
            }
        }
        for bytes in [&b"\x1f"[..], b"\x1f\x8b", b"\x1f\x8b\x08\0\0"] {
            let cut = (b"one\n".to_vec(), Some(InputProblem::CutOff));
            assert_eq!(text(&[&gzip(b"one\n"), bytes].concat(), 512), cut);
        }
    }

    #[test]
    fn what_follows_a_damaged_member_is_read() {
        let whole = gzip(&long());
        let line = "{\"a\":1}\n{\"b\":\"\u{1f984}\"}\n".repeat(100);
        for length in [whole.len() / 2, whole.len() - 2] {
            for after in [format!("\n{line}").into_bytes(), gzip(line.as_bytes())] {
                for piece in [1, 512, 1 << 20] {
                    let file = [&whole[..length], &after].concat();
                    let (read, problem) = text(&file, piece);
                    assert!(read.ends_with(format!("\n{line}").as_bytes()));
                    assert!(problem.is_some());
                }
            }
        }
    }

    #[test]
    fn only_text_is_taken_for_what_follows_damage() {
        // A block of the type 3, which there is not.
        let damaged = [&gzip(b"")[..10], &[0xff; 40]].concat();
        for (after, expected) in [
            (&b"\n{}"[..], &b"\n{}"[..]),
            (b"\n[{\"a\":1},\n{\"a\":2}]", b"\n[{\"a\":1},\n{\"a\":2}]"),
            (b"\n{\"a\":\x01\xff}\n{}\n", b"\n{}\n"),
            (b"\n{\x01\xff", b""),
            (b"neigh", b""),
        ] {
            let (read, problem) = text(&[&damaged, after].concat(), 512);
            assert_eq!(
                (read.as_slice(), problem),
                (expected, Some(InputProblem::Corrupt))
            );
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
