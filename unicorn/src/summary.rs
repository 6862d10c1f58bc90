//! Rows: a unicorn's totals of one window, from one source range of one shard's log.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use windrow_core::merge::RangedRow;
use windrow_core::sequence::{SequenceNumber, SequenceRange};

use crate::distance::Distance;
use crate::field::{self, RawField};
use crate::reading;
use crate::rejection::Rejection;
use crate::status_time::StatusTime;
use crate::totals::Measures;

/// One row of the summary stream and of the table.
///
/// A row is the exact fold of one unicorn's distinct readings of one window in its source range,
/// without duplicates of earlier readings that were in the dedup cache (see
/// [`SourceRange::dedup_from`]). It never changes: written again, it overwrites itself with equal
/// values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The unicorn.
    pub name: String,
    /// Start of the window.
    pub window_start: StatusTime,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// The number of distinct readings.
    pub readings: u64,
    /// The number of further readings in the source range, which were left out as duplicates.
    pub duplicates: u64,
    /// The measures of the distinct readings; `None` if the row has only duplicates.
    pub measures: Option<Measures>,
    /// The part of the log the row was computed from.
    pub source: SourceRange,
}

/// The range of one shard's log that a row was computed from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRange {
    /// Name of the stream.
    pub stream: String,
    /// Id of the shard.
    pub shard: String,
    /// The first and last record.
    pub range: SequenceRange,
    /// The first record whose readings were in the dedup cache, if it comes before `range`: then
    /// this is not the first source range of its window.
    pub dedup_from: Option<SequenceNumber>,
}

impl SourceRange {
    /// 16 hex digits that identify this source range: the start of the SHA-256 of stream, shard,
    /// window length, first and last sequence number, and `dedup_from` if there is one, each
    /// followed by a newline.
    pub fn hash(&self, window_seconds: u32) -> String {
        let (from, to) = (self.range.from(), self.range.to());
        let mut text = format!(
            "{}\n{}\n{window_seconds}\n{from}\n{to}\n",
            self.stream, self.shard
        );
        if let Some(dedup_from) = &self.dedup_from {
            text.push_str(dedup_from.as_str());
            text.push('\n');
        }
        let digest = Sha256::digest(text);
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Exactly as on the wire; `SourceRange` nests.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryLine<'a> {
    name: &'a str,
    status_time: String,
    #[serde(flatten)]
    measures: Option<MeasuresLine>,
    readings: u64,
    #[serde(rename = "Repeats", skip_serializing_if = "is_zero")]
    duplicates: u64,
    window_seconds: u32,
    #[serde(rename = "Part")]
    source: SourceLine<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MeasuresLine {
    distance: Distance,
    min_magic_points: i32,
    max_magic_points: i32,
    min_health_points: i32,
    max_health_points: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SourceLine<'a> {
    stream: &'a str,
    shard: &'a str,
    from: &'a str,
    to: &'a str,
    #[serde(rename = "Since", skip_serializing_if = "Option::is_none")]
    dedup_from: Option<&'a str>,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Summary {
    /// The table's sort key: the window's start, `#`, and the [source range's
    /// hash](SourceRange::hash).
    pub fn sort_key(&self) -> String {
        format!(
            "{}#{}",
            self.window_start,
            self.source.hash(self.window_seconds)
        )
    }

    /// Formats the row as it is sent: a JSON object and a newline.
    pub fn to_line(&self) -> Vec<u8> {
        reading::to_line(&SummaryLine {
            name: &self.name,
            status_time: self.window_start.to_string(),
            measures: self.measures.map(|measures| MeasuresLine {
                distance: measures.distance,
                min_magic_points: measures.min_magic_points,
                max_magic_points: measures.max_magic_points,
                min_health_points: measures.min_health_points,
                max_health_points: measures.max_health_points,
            }),
            readings: self.readings,
            duplicates: self.duplicates,
            window_seconds: self.window_seconds,
            source: SourceLine {
                stream: &self.source.stream,
                shard: &self.source.shard,
                from: self.source.range.from().as_str(),
                to: self.source.range.to().as_str(),
                dedup_from: self.source.dedup_from.as_ref().map(SequenceNumber::as_str),
            },
        })
    }

    /// Parses one JSON object.
    ///
    /// # Errors
    ///
    /// [`Rejection`], which names the first invalid field.
    pub fn parse(line: &[u8]) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct SummaryFields<'a> {
            #[serde(borrow)]
            name: RawField<'a>,
            #[serde(borrow)]
            status_time: RawField<'a>,
            #[serde(borrow)]
            distance: RawField<'a>,
            #[serde(borrow)]
            min_magic_points: RawField<'a>,
            #[serde(borrow)]
            max_magic_points: RawField<'a>,
            #[serde(borrow)]
            min_health_points: RawField<'a>,
            #[serde(borrow)]
            max_health_points: RawField<'a>,
            #[serde(borrow)]
            readings: RawField<'a>,
            #[serde(borrow, default, rename = "Repeats")]
            duplicates: RawField<'a>,
            #[serde(borrow)]
            window_seconds: RawField<'a>,
            #[serde(borrow, rename = "Part")]
            source: RawField<'a>,
        }

        let fields: SummaryFields<'_> = field::split(line)?;
        let readings = field::integer("Readings", fields.readings)?;
        let duplicates = match fields.duplicates {
            None => 0,
            duplicates => field::integer("Repeats", duplicates)?,
        };
        let summary = Self {
            name: reading::name(fields.name)?.into_owned(),
            window_start: reading::status_time(fields.status_time)?,
            window_seconds: field::integer("WindowSeconds", fields.window_seconds)?,
            readings,
            duplicates,
            measures: match readings {
                0 => None,
                _ => Some(Measures {
                    distance: reading::distance(
                        fields.distance,
                        Distance::from_micrometres(i128::MAX),
                    )?,
                    min_magic_points: field::integer("MinMagicPoints", fields.min_magic_points)?,
                    max_magic_points: field::integer("MaxMagicPoints", fields.max_magic_points)?,
                    min_health_points: field::integer("MinHealthPoints", fields.min_health_points)?,
                    max_health_points: field::integer("MaxHealthPoints", fields.max_health_points)?,
                }),
            },
            source: parse_source(field::required("Part", fields.source)?)?,
        };
        if summary.window_seconds == 0 {
            return Err(Rejection::field("WindowSeconds", "is 0"));
        }
        if readings == 0 && duplicates == 0 {
            return Err(Rejection::field(
                "Readings",
                "is 0, and there are no Repeats",
            ));
        }
        Ok(summary)
    }
}

fn parse_source(text: &str) -> Result<SourceRange, Rejection> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct SourceFields<'a> {
        #[serde(borrow)]
        stream: RawField<'a>,
        #[serde(borrow)]
        shard: RawField<'a>,
        #[serde(borrow)]
        from: RawField<'a>,
        #[serde(borrow)]
        to: RawField<'a>,
        #[serde(borrow, default, rename = "Since")]
        dedup_from: RawField<'a>,
    }

    let fields: SourceFields<'_> =
        field::split(text.as_bytes()).map_err(|_| Rejection::field("Part", "is not an object"))?;
    let sequence_number = |field, raw| -> Result<SequenceNumber, Rejection> {
        let text = field::text(field, raw)?;
        text.parse()
            .map_err(|_| Rejection::field(field, "is not a sequence number"))
    };
    let from = sequence_number("Part.From", fields.from)?;
    let to = sequence_number("Part.To", fields.to)?;
    let range = SequenceRange::new(from, to)
        .ok_or_else(|| Rejection::field("Part.To", "comes before Part.From"))?;
    let dedup_from = match fields.dedup_from {
        None => None,
        dedup_from => Some(sequence_number("Part.Since", dedup_from)?),
    };
    if dedup_from
        .as_ref()
        .is_some_and(|dedup_from| dedup_from >= range.from())
    {
        return Err(Rejection::field(
            "Part.Since",
            "does not come before Part.From",
        ));
    }
    Ok(SourceRange {
        stream: field::text("Part.Stream", fields.stream)?.into_owned(),
        shard: field::text("Part.Shard", fields.shard)?.into_owned(),
        range,
        dedup_from,
    })
}

/// Parses the summaries in a record, one per line. Returns each with the line it was parsed from.
/// Blank lines are skipped.
pub fn summaries(record: &[u8]) -> impl Iterator<Item = (&[u8], Result<Summary, Rejection>)> {
    reading::lines(record).map(|(line, plain)| (line, plain.and_then(|()| Summary::parse(line))))
}

impl RangedRow for Summary {
    fn range(&self) -> &SequenceRange {
        &self.source.range
    }

    fn dedup_from(&self) -> &SequenceNumber {
        self.source
            .dedup_from
            .as_ref()
            .unwrap_or(self.source.range.from())
    }

    fn readings(&self) -> u64 {
        self.readings
    }

    fn duplicates(&self) -> u64 {
        self.duplicates
    }
}
