//! Reads the JSON objects of a file.

use std::io;
use std::ops::ControlFlow;

use windrow_archive::{ArchiveFile, ArchivePart, ArchiveReadError, input};

use super::{ArchiveError, Meter};

/// Calls `each` with every part of a file, until it breaks.
///
/// # Errors
///
/// [`ArchiveError`], which names the file.
pub(super) fn read(
    file: &ArchiveFile,
    meter: &Meter,
    each: impl FnMut(ArchivePart<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ArchiveError> {
    read_lines(file, meter, each).map_err(|source| {
        let path = file.path.clone();
        ArchiveReadError { path, source }.into()
    })
}

fn read_lines(
    file: &ArchiveFile,
    meter: &Meter,
    mut each: impl FnMut(ArchivePart<'_>) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let progress = |bytes| meter.add(bytes);
    let mut text = input::open(&file.path, Vec::new(), &progress)?;
    while let Some(part) = text.next_part()? {
        if each(part).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    if let Some(problem) = text.input().problem() {
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
        let read = read(&file, &meter, |part| {
            found.push(match part {
                ArchivePart::Object(text) => String::from_utf8_lossy(text).into_owned(),
                ArchivePart::Other(_) | ArchivePart::TooLong(_) => "not an object".to_owned(),
            });
            ControlFlow::Continue(())
        });
        assert!(matches!(read, Ok(ControlFlow::Continue(()))));
        assert_eq!(meter.bytes().0, bytes.len() as u64);
        let problem = meter.problems().into_iter().next();
        (found, problem.map(|found| found.problem))
    }

    const OBJECTS: [&str; 3] = [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#];

    #[test]
    fn objects_are_found_in_plain_and_compressed_files() {
        let text = OBJECTS.join("\n\n");
        let objects = OBJECTS.map(str::to_owned).to_vec();
        assert_eq!(read_all(text.as_bytes()), (objects.clone(), None));
        assert_eq!(read_all(&gzip(text.as_bytes())), (objects, None));
        assert_eq!(read_all(b"\n"), (Vec::new(), None));
        assert_eq!(read_all(b"{}neigh").0, ["not an object"]);
    }

    #[test]
    fn a_damaged_file_keeps_its_objects() {
        let whole = gzip(OBJECTS.concat().as_bytes());
        for length in 2..whole.len() {
            let (objects, problem) = read_all(&whole[..length]);
            assert!(
                OBJECTS
                    .concat()
                    .starts_with(objects.concat().trim_end_matches("not an object")),
                "{length}"
            );
            assert_eq!(problem, Some(InputProblem::CutOff));
        }
        let mut corrupt = whole.clone();
        let checksum = corrupt.len() - 6;
        corrupt[checksum] ^= 0xff;
        let (objects, problem) = read_all(&corrupt);
        assert_eq!(objects, OBJECTS);
        assert_eq!(problem, Some(InputProblem::WrongChecksum));
    }
}
