//! Reads the lines of a file that are not blank.

use std::io;
use std::ops::ControlFlow;

use windrow_archive::{ArchiveFile, ArchiveLine, ArchiveReadError, input};

use super::{ArchiveError, Meter};

/// Calls `each` with every line of a file that is not blank, until it breaks.
///
/// # Errors
///
/// [`ArchiveError`], which names the file.
pub(super) fn read(
    file: &ArchiveFile,
    meter: &Meter,
    each: impl FnMut(ArchiveLine<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ArchiveError> {
    read_lines(file, meter, each).map_err(|source| {
        let path = file.path.clone();
        ArchiveReadError { path, source }.into()
    })
}

fn read_lines(
    file: &ArchiveFile,
    meter: &Meter,
    mut each: impl FnMut(ArchiveLine<'_>) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let progress = |bytes| meter.add(bytes);
    let mut lines = input::open(&file.path, Vec::new(), &progress)?;
    while let Some(line) = lines.next_line()? {
        if matches!(line, ArchiveLine::Whole(line) if line.trim_ascii().is_empty()) {
            continue;
        }
        if each(line).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    if let Some(problem) = lines.input().problem() {
        meter.note(file, problem);
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use windrow_archive::InputProblem;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// The lines, and what is wrong with the file.
    fn read_all(bytes: &[u8]) -> (Vec<String>, Option<InputProblem>) {
        let folder = tempfile::tempdir().unwrap();
        let file = ArchiveFile {
            path: folder.path().join("file"),
            bytes: bytes.len() as u64,
            day: None,
        };
        fs::write(&file.path, bytes).unwrap();
        let meter = Meter::default();
        let mut found = Vec::new();
        let read = read(&file, &meter, |line| {
            found.push(match line {
                ArchiveLine::Whole(text) => String::from_utf8_lossy(text).into_owned(),
                ArchiveLine::TooLong => "too long".to_owned(),
            });
            ControlFlow::Continue(())
        });
        assert!(matches!(read, Ok(ControlFlow::Continue(()))));
        assert_eq!(meter.bytes().0, bytes.len() as u64);
        let problem = meter.problems().into_iter().next();
        (found, problem.map(|found| found.problem))
    }

    #[test]
    fn blank_lines_are_skipped() {
        let text = b"one\n\n \ntwo\nthree";
        let lines = ["one", "two", "three"].map(str::to_owned).to_vec();
        assert_eq!(read_all(text), (lines.clone(), None));
        assert_eq!(read_all(&gzip(text)), (lines, None));
        assert_eq!(read_all(b"\n"), (Vec::new(), None));
    }

    #[test]
    fn a_damaged_file_keeps_its_lines() {
        let whole = gzip(b"one\ntwo\nthree\n");
        for length in 2..whole.len() {
            let (lines, problem) = read_all(&whole[..length]);
            assert!("onetwothree".starts_with(&lines.concat()), "{length}");
            assert_eq!(problem, Some(InputProblem::CutOff));
        }
        let mut corrupt = whole.clone();
        let checksum = corrupt.len() - 6;
        corrupt[checksum] ^= 0xff;
        let (lines, problem) = read_all(&corrupt);
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(problem, Some(InputProblem::WrongChecksum));
    }
}
