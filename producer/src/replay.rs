//! Recorded readings, read from a file or the standard input.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;
use unicorn::reading::Reading;
use windrow_archive::{ArchivePart, ArchiveText, InputProblem, Unpacked};
use windrow_core::decimal::Decimal;
use windrow_core::json;
use windrow_core::rejection::Rejection;
use windrow_core::schema::key_array;
use windrow_core::value::FieldValue;
use windrow_write::KinesisRecord;

use crate::send::partition_key;

/// The longest reading that is sent, in bytes.
const LONGEST_READING: usize = 1024 * 1024;

/// Recorded readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    input: RecordingInput,
    partition_by: PartitionBy,
}

/// Where recorded readings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RecordingInput {
    /// The standard input: `-`.
    StandardInput,
    /// A file.
    File(PathBuf),
}

/// What the readings are, and so what their partition key is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PartitionBy {
    /// A unicorn's readings: its name.
    #[default]
    Name,
    /// The readings of any sensor, which are JSON objects: the values of these fields. The text
    /// itself if it is one field with a text, otherwise the canonical JSON array of the values, as in
    /// [`windrow_core::schema`].
    Fields(Vec<String>),
}

impl PartitionBy {
    fn partition_key(&self, line: &[u8]) -> Result<String, Rejection> {
        let fields = match self {
            Self::Name => return Ok(partition_key(&Reading::parse(line)?.name)),
            Self::Fields(fields) => fields,
        };
        let values = json::split_by_name(line, fields)?;
        if let ([field], [value]) = (fields.as_slice(), values.as_slice())
            && let Ok(text) = json::text(field, *value)
            && !text.is_empty()
        {
            return Ok(partition_key(&text));
        }
        if values.iter().all(Option::is_none) {
            let field = fields.join(", ");
            return Err(Rejection::Missing { field });
        }
        let values = fields.iter().zip(values);
        let values = values.map(|(field, value)| canonical(field, value));
        Ok(partition_key(&key_array(values)))
    }
}

/// A value of a field, however it is spelled: `1.50` is `1.5`, and a missing one is null.
fn canonical<'a>(field: &str, value: json::RawField<'a>) -> FieldValue<'a> {
    let Some(raw) = value else {
        return FieldValue::Null;
    };
    if let Ok(text) = json::text(field, value) {
        return FieldValue::Text(text);
    }
    match json::number(field, value, i64::from(MOST_PLACES)) {
        Ok(number) if number.exact => FieldValue::Number(Decimal {
            unscaled: number.value,
            scale: MOST_PLACES,
        }),
        _ if raw.get() == "true" => FieldValue::Boolean(true),
        _ if raw.get() == "false" => FieldValue::Boolean(false),
        _ => FieldValue::Text(raw.get().into()),
    }
}

/// The most digits after the point of a number whose spelling does not matter.
const MOST_PLACES: u8 = 12;

impl fmt::Display for Recording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.input {
            RecordingInput::StandardInput => formatter.write_str("the standard input"),
            RecordingInput::File(path) => write!(formatter, "the recording {}", path.display()),
        }
    }
}

impl FromStr for Recording {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            input: match text {
                "-" => RecordingInput::StandardInput,
                path => RecordingInput::File(path.into()),
            },
            partition_by: PartitionBy::default(),
        })
    }
}

impl Recording {
    /// Sets what the partition keys are made of.
    pub fn partitioned_by(self, partition_by: PartitionBy) -> Self {
        Self {
            partition_by,
            ..self
        }
    }

    /// Whether the readings are not unicorns'.
    pub(crate) fn is_of_another_sensor(&self) -> bool {
        self.partition_by != PartitionBy::Name
    }

    /// Checks that the recording can be opened.
    ///
    /// # Errors
    ///
    /// If a file cannot be opened.
    pub fn check(&self) -> io::Result<()> {
        match &self.input {
            RecordingInput::StandardInput => Ok(()),
            RecordingInput::File(path) => File::open(path).map(drop),
        }
    }

    /// Opens the recording, and decompresses it if it is a gzip file.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or its first bytes cannot be read.
    pub fn open(&self) -> io::Result<ReplayParts<Box<dyn Read + Send>>> {
        let input: Box<dyn Read + Send> = match &self.input {
            RecordingInput::StandardInput => Box::new(io::stdin()),
            RecordingInput::File(path) => Box::new(File::open(path)?),
        };
        ReplayParts::new(input, self.partition_by.clone())
    }
}

/// A part of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayPart {
    /// A reading, byte by byte as recorded.
    Reading(KinesisRecord),
    /// Anything else.
    Broken {
        /// Number of its first line, from 1.
        number: u64,
        /// Why it is not a reading.
        reason: String,
    },
    /// The recording was not read to its end, or may have been read wrongly. The last item.
    Damaged(InputProblem),
}

/// The readings of a recording.
///
/// Memory is bounded: one of more than 1 MiB is [broken](ReplayPart::Broken). If the input
/// fails, the error is the last item.
#[derive(Debug)]
pub struct ReplayParts<R: Read> {
    text: ArchiveText<Unpacked<R>>,
    partition_by: PartitionBy,
    ended: bool,
}

impl<R: Read> ReplayParts<R> {
    /// The parts of `input`, which may be compressed with gzip.
    ///
    /// # Errors
    ///
    /// If its first bytes cannot be read.
    pub fn new(input: R, partition_by: PartitionBy) -> io::Result<Self> {
        Ok(Self {
            partition_by,
            text: ArchiveText::all(Unpacked::new(input)?, Vec::new()).counting_lines(),
            ended: false,
        })
    }

    /// The next part of the recording, or `None` at the end.
    fn read(&mut self) -> io::Result<Option<ReplayPart>> {
        if self.text.find_part()? {
            let number = self.text.line();
            let parsed = match self.text.next_part()? {
                Some(ArchivePart::Object(part) | ArchivePart::Other(part))
                    if part.len() <= LONGEST_READING =>
                {
                    record(part, &self.partition_by)
                }
                _ => Err(format!("is longer than {LONGEST_READING} bytes")),
            };
            return Ok(Some(match parsed {
                Ok(record) => ReplayPart::Reading(record),
                Err(reason) => ReplayPart::Broken { number, reason },
            }));
        }
        let problem = self.text.input().problem();
        self.ended = problem.is_some();
        Ok(problem.map(ReplayPart::Damaged))
    }
}

fn record(line: &[u8], partition_by: &PartitionBy) -> Result<KinesisRecord, String> {
    let partition_key = partition_by.partition_key(line);
    let partition_key = partition_key.map_err(|rejection| rejection.to_string())?;
    let mut data = Vec::with_capacity(line.len() + 1);
    data.extend_from_slice(line);
    data.push(b'\n');
    Ok(KinesisRecord {
        partition_key,
        data: Bytes::from(data),
    })
}

impl<R: Read> Iterator for ReplayParts<R> {
    type Item = io::Result<ReplayPart>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = self.read().transpose();
        self.ended |= matches!(line, Some(Err(_)));
        line
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:08.189","Distance":175,"MagicPoints":110,"HealthPoints":150}"#;

    fn lines(input: &[u8]) -> Vec<ReplayPart> {
        let lines = ReplayParts::new(input, PartitionBy::Name).unwrap();
        lines.map(Result::unwrap).collect()
    }

    fn reading(line: &str) -> ReplayPart {
        ReplayPart::Reading(KinesisRecord {
            partition_key: "Shadowfax".to_owned(),
            data: Bytes::from(format!("{line}\n")),
        })
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn readings_are_sent_as_recorded() {
        let spaced = LINE
            .replace(':', " : ")
            .replace("2026-11-20 09 : 17 : 08", "2026-11-20 09:17:08");
        let input = format!("{LINE}\r\n\n  \n{spaced}");
        assert_eq!(lines(input.as_bytes()), [reading(LINE), reading(&spaced)]);
    }

    #[test]
    fn a_broken_line_is_numbered_and_the_rest_is_read() {
        let input = format!("\nneigh\n{LINE}\n{{\"Name\":\"Franky\"}}\n\u{feff}{LINE}\n{LINE}\n");
        let found = lines(input.as_bytes());
        let numbers: Vec<Option<u64>> = found
            .iter()
            .map(|line| match line {
                ReplayPart::Broken { number, .. } => Some(*number),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [Some(2), None, Some(4), None, None]);
        let reason = "StatusTime is missing".to_owned();
        assert_eq!(found[2], ReplayPart::Broken { number: 4, reason });
    }

    #[test]
    fn readings_may_be_framed_in_any_way() {
        let pretty = LINE.replace('{', "{\n  ").replace(",\"", ",\n  \"");
        for input in [
            format!("{pretty}\n\n{pretty}\n"),
            format!("\u{feff}[{pretty},\n{pretty}]"),
            format!("{pretty}{pretty}"),
        ] {
            assert_eq!(
                lines(input.as_bytes()),
                [reading(&pretty), reading(&pretty)]
            );
        }
    }

    #[test]
    fn readings_of_any_sensor_are_partitioned_by_their_fields() {
        let keys = |fields: &[&str], line: &str| {
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            let partition_by = PartitionBy::Fields(fields);
            partition_by
                .partition_key(line.as_bytes())
                .map_err(|rejection| rejection.to_string())
        };
        let line = r#"{"site":"Z\u00fcrich","room":7,"note":null}"#;
        assert_eq!(keys(&["site"], line), Ok("Zürich".to_owned()));
        assert_eq!(keys(&["room"], line), Ok("[7]".to_owned()));
        assert_eq!(
            keys(&["room", "site"], line),
            Ok("[7,\"Zürich\"]".to_owned())
        );
        assert_eq!(keys(&["note"], line), Err("note is missing".to_owned()));
        assert_eq!(keys(&["note", "room"], line), Ok("[null,7]".to_owned()));
        for (spelling, key) in [
            (r#"{"a":"Z\u00fcrich","b":7.50}"#, "[\"Zürich\",7.5]"),
            (r#"{"b":75e-1,"a":"Z\u00FCrich"}"#, "[\"Zürich\",7.5]"),
            (r#"{"a":true,"b":1e300}"#, "[true,\"1e300\"]"),
        ] {
            assert_eq!(keys(&["a", "b"], spelling), Ok(key.to_owned()));
        }
        assert!(keys(&["site"], "7").is_err());
        let long = format!(r#"{{"site":"{}"}}"#, "a".repeat(300));
        assert!(keys(&["site"], &long).is_ok_and(|key| key.len() <= 256));
    }

    #[test]
    fn a_line_that_is_too_long_is_broken() {
        let spaces = |count| LINE.replacen(':', &format!("{}:", " ".repeat(count)), 1);
        let long = |number| ReplayPart::Broken {
            number,
            reason: "is longer than 1048576 bytes".to_owned(),
        };
        let fits = spaces(LONGEST_READING - LINE.len());
        let input = format!(
            "{}\n{LINE}\n{fits}{}",
            spaces(3 << 20),
            "y".repeat(11 << 20)
        );
        assert_eq!(lines(input.as_bytes()), [long(1), reading(LINE), long(3)]);
        assert_eq!(lines(fits.as_bytes()), [reading(&fits)]);
        let over = spaces(LONGEST_READING - LINE.len() + 1);
        assert_eq!(lines(over.as_bytes()), [long(1)]);
    }

    #[test]
    fn a_compressed_recording_is_decompressed() {
        let compressed = gzip(&format!("{LINE}\n{LINE}\n"));
        assert_eq!(lines(&compressed), [reading(LINE), reading(LINE)]);
    }

    #[test]
    fn a_truncated_recording_is_damaged_after_its_readings() {
        let mut bytes = gzip(&format!("{LINE}\n"));
        bytes.truncate(bytes.len() - 4);
        let mut lines = ReplayParts::new(bytes.as_slice(), PartitionBy::Name).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), reading(LINE));
        let damaged = ReplayPart::Damaged(InputProblem::CutOff);
        assert_eq!(lines.next().unwrap().unwrap(), damaged);
        assert!(lines.next().is_none());
    }

    proptest! {
        #[test]
        fn every_line_of_an_object_is_a_reading_or_broken(input in prop::collection::vec("\\{[a-z🦄,:\"\\\\]{0,20}", 0..20)) {
            let text = input.join("\n");
            prop_assert_eq!(lines(text.as_bytes()).len(), input.len());
        }
    }
}
