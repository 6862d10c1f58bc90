//! Prints records as lines.

use std::borrow::Cow;
use std::io::{self, Write};
use std::num::NonZeroU64;

use windrow_core::framing::{self, Part};
use windrow_record::{Payload, Unpacker};

use crate::args::ConsumerFormat;
use crate::pretty::pretty;

/// Prints records line by line, up to a number of lines.
#[derive(Debug)]
pub struct Printer<O, N> {
    output: O,
    notes: N,
    format: ConsumerFormat,
    /// How many more lines to print; `None` for no limit.
    left: Option<u64>,
    unpacker: Unpacker,
}

/// Whether printing is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// More lines may be printed.
    SoFar,
    /// The requested number of lines was printed; the output is flushed.
    Everything,
}

impl<O: Write, N: Write> Printer<O, N> {
    /// Prints at most `count` lines to `output`, and notes about lines that are not JSON to
    /// `notes`.
    pub fn new(output: O, notes: N, format: ConsumerFormat, count: Option<NonZeroU64>) -> Self {
        Self {
            output,
            notes,
            format,
            left: count.map(NonZeroU64::get),
            unpacker: Unpacker::default(),
        }
    }

    /// Prints a record's JSON objects, one per line, up to the limit, and the lines of anything else.
    /// Blank lines are skipped. A compressed record, or an
    /// aggregated one of the Kinesis Producer Library, is unpacked; if it cannot be, there is a note
    /// instead.
    ///
    /// # Errors
    /// If the output or the notes cannot be written.
    pub fn print(
        &mut self,
        shard: &str,
        sequence_number: &str,
        record: &[u8],
    ) -> io::Result<Printed> {
        let mut unpacker = std::mem::take(&mut self.unpacker);
        let mut printed = Ok(Printed::SoFar);
        unpacker.unpack(record, |payload| {
            if matches!(printed, Ok(Printed::SoFar)) {
                printed = self.print_payload(shard, sequence_number, &payload);
            }
        });
        self.unpacker = unpacker;
        printed
    }

    fn print_payload(
        &mut self,
        shard: &str,
        sequence_number: &str,
        payload: &Payload<'_>,
    ) -> io::Result<Printed> {
        let name = match payload.user_record {
            None => format!("record {sequence_number} of {shard}"),
            Some(user_record) => format!(
                "user record {} of record {sequence_number} of {shard}",
                user_record.sub_sequence_number
            ),
        };
        let data = match &payload.data {
            Ok(data) => *data,
            Err(error) => {
                self.note(&format!("{name} cannot be read: {error}"))?;
                return Ok(Printed::SoFar);
            }
        };
        let mut rest = data;
        while let Some(part) = framing::next_part(&mut rest) {
            let printed = match part {
                Part::Object(object) => self.print_line(&name, &one_line(object))?,
                Part::Other(text) => self.print_lines(&name, text)?,
            };
            if printed == Printed::Everything {
                return Ok(Printed::Everything);
            }
        }
        Ok(Printed::SoFar)
    }

    /// Prints a text that is not JSON objects, line by line.
    fn print_lines(&mut self, record: &str, text: &[u8]) -> io::Result<Printed> {
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if !line.is_empty() && self.print_line(record, line)? == Printed::Everything {
                return Ok(Printed::Everything);
            }
        }
        Ok(Printed::SoFar)
    }

    fn print_line(&mut self, record: &str, line: &[u8]) -> io::Result<Printed> {
        match self.format {
            ConsumerFormat::Lines => self.output.write_all(line)?,
            ConsumerFormat::Pretty => match pretty(line) {
                Ok(text) => self.output.write_all(text.as_bytes())?,
                Err(reason) => {
                    self.note(&format!("a line of {record} {reason}"))?;
                    self.output.write_all(line)?;
                }
            },
        }
        self.output.write_all(b"\n")?;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.output.flush()?;
                return Ok(Printed::Everything);
            }
        }
        Ok(Printed::SoFar)
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn flush(&mut self) -> io::Result<Printed> {
        self.output.flush()?;
        Ok(Printed::SoFar)
    }

    /// Writes a note.
    ///
    /// # Errors
    /// If the notes cannot be written.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.notes, "note: {text}")
    }
}

/// An object on one line: line breaks in JSON are white space between its tokens.
fn one_line(object: &[u8]) -> Cow<'_, [u8]> {
    if !object.contains(&b'\n') {
        return Cow::Borrowed(object);
    }
    let byte = |byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        byte => *byte,
    };
    Cow::Owned(object.iter().map(byte).collect())
}

#[cfg(test)]
mod tests {
    use windrow_record::kpl::AggregateBuilder;

    use super::*;

    fn print(
        format: ConsumerFormat,
        count: Option<u64>,
        records: &[&[u8]],
    ) -> (String, String, Printed) {
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let count = count.and_then(NonZeroU64::new);
        let mut printer = Printer::new(&mut output, &mut notes, format, count);
        let mut printed = Printed::SoFar;
        for record in records {
            printed = printer.print("shardId-000000000000", "7", record).unwrap();
            if printed == Printed::Everything {
                break;
            }
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(output), text(notes), printed)
    }

    #[test]
    fn record_may_hold_several_lines() {
        let records: [&[u8]; 2] = [b"{\"a\":1}\n\r\n{\"a\":2}\n", b"{\"a\":3}"];
        let (output, notes, _) = print(ConsumerFormat::Lines, None, &records);
        assert_eq!(output, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
        assert_eq!(notes, "");
    }

    #[test]
    fn objects_are_one_line_each_however_they_are_framed() {
        let records: [&[u8]; 2] = [b"[{\"a\":1},{\n\"a\":2\r\n}]", b"{\"a\":3}{\"a\":4}"];
        let (output, notes, _) = print(ConsumerFormat::Lines, None, &records);
        assert_eq!(output, "{\"a\":1}\n{ \"a\":2  }\n{\"a\":3}\n{\"a\":4}\n");
        assert_eq!(notes, "");
    }

    #[test]
    fn invalid_json_is_printed_unchanged_with_a_note() {
        let (output, notes, _) = print(ConsumerFormat::Pretty, None, &[b"neigh\n{\"a\":1}\n"]);
        assert_eq!(output, "neigh\n{\n    \"a\": 1\n}\n");
        assert!(
            notes.starts_with("note: a line of record 7 of shardId-000000000000 is not JSON: "),
            "{notes}"
        );
        let (output, notes, _) = print(ConsumerFormat::Lines, None, &[b"neigh"]);
        assert_eq!((output.as_str(), notes.as_str()), ("neigh\n", ""));
    }

    #[test]
    fn aggregated_records_are_unpacked() {
        let mut aggregate = AggregateBuilder::default();
        aggregate.add("Shadowfax", b"{\"a\":1}\n{\"a\":2}");
        aggregate.add("Franky", &[0x1f, 0x8b, 8]);
        aggregate.add("Shadowfax", b"{\"a\":3}");
        let record = aggregate.finish();
        let (output, notes, _) = print(ConsumerFormat::Lines, None, &[&record]);
        assert_eq!(output, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
        let expected = "note: user record 1 of record 7 of shardId-000000000000 cannot be read: \
                        the gzip data is truncated\n";
        assert_eq!(notes, expected);
        let (output, _, printed) = print(ConsumerFormat::Lines, Some(2), &[&record]);
        assert_eq!(output, "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(printed, Printed::Everything);
    }

    #[test]
    fn count_limits_lines() {
        let records: [&[u8]; 2] = [b"1\n2\n", b"3\n4\n"];
        let (output, _, printed) = print(ConsumerFormat::Lines, Some(3), &records);
        assert_eq!(
            (output.as_str(), printed),
            ("1\n2\n3\n", Printed::Everything)
        );
        let (output, _, printed) = print(ConsumerFormat::Lines, Some(5), &records);
        assert_eq!((output.as_str(), printed), ("1\n2\n3\n4\n", Printed::SoFar));
    }
}
