//! What a local cloud found in its data directory, and goes on with.

use std::fmt::{self, Write as _};

use windrow_kinesis::OpenReport;

use crate::firehose::ObjectsFound;

/// What an earlier run has left in the data directory, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartReport {
    /// Whether the earlier run ended without a clean stop: its process was killed, or the machine
    /// stopped.
    pub is_unclean: bool,
    /// What the streams hold, if they are kept.
    pub streams: Option<StreamsFound>,
    /// Where each function goes on.
    pub functions: Vec<ResumedFunction>,
    /// The unfinished objects of delivery streams: the archive and the rejects.
    pub objects: ObjectsFound,
}

/// What the streams of a data directory hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamsFound {
    /// How many streams there are.
    pub streams: u64,
    /// How many records they have.
    pub records: u64,
    /// How many bytes of unacknowledged puts were removed.
    pub removed: u64,
}

impl From<&OpenReport> for StreamsFound {
    fn from(report: &OpenReport) -> Self {
        Self {
            streams: report.streams as u64,
            records: report.records,
            removed: report.cut_off_bytes(),
        }
    }
}

/// Where a function goes on in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumedFunction {
    /// The function's name.
    pub function: String,
    /// The stream's name.
    pub stream: String,
    /// How many of its records are done.
    pub records: u64,
}

impl fmt::Display for RestartReport {
    /// A few lines in plain English, without a newline at the end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_unclean {
            "the last run ended without a clean stop"
        } else {
            "going on with what the last run has left"
        })?;
        let mut separator = ": ";
        let mut item = |text: &str| {
            formatter.write_str(separator)?;
            separator = "; ";
            formatter.write_str(text)
        };
        if let Some(found) = self.streams {
            let streams = counted(found.streams, "stream");
            item(&format!(
                "{streams} with {}",
                counted(found.records, "record")
            ))?;
            if found.removed > 0 {
                let removed = counted(found.removed, "byte");
                item(&format!(
                    "{removed} of unacknowledged puts removed from them"
                ))?;
            }
        }
        for resumed in &self.functions {
            item(&format!(
                "the {} goes on after {} of {}",
                resumed.function,
                counted(resumed.records, "record"),
                resumed.stream
            ))?;
        }
        if !self.objects.is_empty() {
            item(&self.objects.to_string())?;
        }
        if self.streams.is_none() && self.functions.is_empty() && self.objects.is_empty() {
            item("the table and the archive are kept")?;
        }
        Ok(())
    }
}

/// `1 record`, `48,201 records`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + what.len() + 8);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    // Writing to a string cannot fail.
    let _ = write!(text, " {what}{}", if count == 1 { "" } else { "s" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_what_goes_on_where() {
        let resumed = |function: &str, stream: &str, records| ResumedFunction {
            function: function.to_owned(),
            stream: stream.to_owned(),
            records,
        };
        let mut report = RestartReport {
            is_unclean: true,
            streams: Some(StreamsFound {
                streams: 3,
                records: 48_201,
                removed: 17,
            }),
            functions: vec![
                resumed("aggregator", "wildrydes", 47_900),
                resumed("processor", "wildrydes-summary", 1),
            ],
            ..RestartReport::default()
        };
        report.objects.objects = 1;
        report.objects.bytes = 12_345;
        report.objects.removed = 230;
        assert_eq!(
            report.to_string(),
            "the last run ended without a clean stop: 3 streams with 48,201 records; 17 bytes of \
             unacknowledged puts removed from them; the aggregator goes on after 47,900 records of wildrydes; the processor goes on after 1 record of \
             wildrydes-summary; 1 object of 12,345 bytes completed, 230 bytes of unacknowledged puts \
             removed"
        );
        assert_eq!(
            RestartReport::default().to_string(),
            "going on with what the last run has left: the table and the archive are kept"
        );
        assert_eq!(counted(1_234_567, "byte"), "1,234,567 bytes");
    }
}
