//! Rows: a unicorn's totals of one window in one interval of one shard's log.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use windowing::log::{Interval, Position};
use windowing::merge::LogRow;

use crate::distance::Distance;
use crate::field::{self, Raw};
use crate::reading;
use crate::rejection::Rejection;
use crate::status_time::StatusTime;
use crate::totals::Figures;

/// One row: what stands in the summary stream, and in the table.
///
/// A row is the exact fold of one unicorn's distinct readings of one window in its part of the log.
/// It never changes: written again, it overwrites itself with equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The unicorn.
    pub name: String,
    /// Start of the window.
    pub window_start: StatusTime,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// How many readings are in the row.
    pub readings: u64,
    /// Their figures.
    pub figures: Figures,
    /// Where they stand.
    pub part: Part,
}

/// The run of one shard's log that a row is the fold of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// Name of the stream.
    pub stream: String,
    /// Id of the shard.
    pub shard: String,
    /// The first and last record.
    pub interval: Interval,
}

impl Part {
    /// 16 hex digits that tell this part from any other: the start of the SHA-256 of stream, shard,
    /// window length, first and last sequence number, each ended by a newline.
    pub fn hash(&self, window_seconds: u32) -> String {
        let (from, to) = (self.interval.from(), self.interval.to());
        let text = format!(
            "{}\n{}\n{window_seconds}\n{from}\n{to}\n",
            self.stream, self.shard
        );
        let digest = Sha256::digest(text);
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Exactly as on the wire; `Part` nests.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    name: &'a str,
    status_time: String,
    distance: Distance,
    min_magic_points: i32,
    max_magic_points: i32,
    min_health_points: i32,
    max_health_points: i32,
    readings: u64,
    window_seconds: u32,
    part: PartLine<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PartLine<'a> {
    stream: &'a str,
    shard: &'a str,
    from: &'a str,
    to: &'a str,
}

impl Summary {
    /// The table's sort key: the window's start, `#`, and the [part's hash](Part::hash).
    pub fn sort_key(&self) -> String {
        format!(
            "{}#{}",
            self.window_start,
            self.part.hash(self.window_seconds)
        )
    }

    /// The row as it is sent: a JSON object and a newline.
    pub fn to_line(&self) -> Vec<u8> {
        reading::to_line(&Line {
            name: &self.name,
            status_time: self.window_start.to_string(),
            distance: self.figures.distance,
            min_magic_points: self.figures.min_magic_points,
            max_magic_points: self.figures.max_magic_points,
            min_health_points: self.figures.min_health_points,
            max_health_points: self.figures.max_health_points,
            readings: self.readings,
            window_seconds: self.window_seconds,
            part: PartLine {
                stream: &self.part.stream,
                shard: &self.part.shard,
                from: self.part.interval.from().as_str(),
                to: self.part.interval.to().as_str(),
            },
        })
    }

    /// Reads one JSON object.
    pub fn parse(line: &[u8]) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Fields<'a> {
            #[serde(borrow)]
            name: Raw<'a>,
            #[serde(borrow)]
            status_time: Raw<'a>,
            #[serde(borrow)]
            distance: Raw<'a>,
            #[serde(borrow)]
            min_magic_points: Raw<'a>,
            #[serde(borrow)]
            max_magic_points: Raw<'a>,
            #[serde(borrow)]
            min_health_points: Raw<'a>,
            #[serde(borrow)]
            max_health_points: Raw<'a>,
            #[serde(borrow)]
            readings: Raw<'a>,
            #[serde(borrow)]
            window_seconds: Raw<'a>,
            #[serde(borrow)]
            part: Raw<'a>,
        }

        let fields: Fields<'_> = field::split(line)?;
        let summary = Self {
            name: reading::name(fields.name)?.into_owned(),
            window_start: reading::status_time(fields.status_time)?,
            window_seconds: field::integer("WindowSeconds", fields.window_seconds)?,
            readings: field::integer("Readings", fields.readings)?,
            figures: Figures {
                distance: reading::distance(
                    fields.distance,
                    Distance::from_micrometres(i128::MAX),
                )?,
                min_magic_points: field::integer("MinMagicPoints", fields.min_magic_points)?,
                max_magic_points: field::integer("MaxMagicPoints", fields.max_magic_points)?,
                min_health_points: field::integer("MinHealthPoints", fields.min_health_points)?,
                max_health_points: field::integer("MaxHealthPoints", fields.max_health_points)?,
            },
            part: parse_part(field::required("Part", fields.part)?)?,
        };
        for (field, value) in [
            ("WindowSeconds", u64::from(summary.window_seconds)),
            ("Readings", summary.readings),
        ] {
            if value == 0 {
                return Err(Rejection::field(field, "is 0"));
            }
        }
        Ok(summary)
    }
}

fn parse_part(text: &str) -> Result<Part, Rejection> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Fields<'a> {
        #[serde(borrow)]
        stream: Raw<'a>,
        #[serde(borrow)]
        shard: Raw<'a>,
        #[serde(borrow)]
        from: Raw<'a>,
        #[serde(borrow)]
        to: Raw<'a>,
    }

    let fields: Fields<'_> =
        field::split(text.as_bytes()).map_err(|_| Rejection::field("Part", "is not an object"))?;
    let position = |field, raw| -> Result<Position, Rejection> {
        let text = field::text(field, raw)?;
        text.parse()
            .map_err(|_| Rejection::field(field, "is not a sequence number"))
    };
    let from = position("Part.From", fields.from)?;
    let to = position("Part.To", fields.to)?;
    let interval = Interval::new(from, to)
        .ok_or_else(|| Rejection::field("Part.To", "comes before Part.From"))?;
    Ok(Part {
        stream: field::text("Part.Stream", fields.stream)?.into_owned(),
        shard: field::text("Part.Shard", fields.shard)?.into_owned(),
        interval,
    })
}

/// The summaries in a record, one a line, each beside the line it was read from; blank lines are
/// passed over.
pub fn summaries(record: &[u8]) -> impl Iterator<Item = (&[u8], Result<Summary, Rejection>)> {
    reading::lines(record).map(|(line, plain)| (line, plain.and_then(|()| Summary::parse(line))))
}

impl LogRow for Summary {
    fn interval(&self) -> &Interval {
        &self.part.interval
    }

    fn readings(&self) -> u64 {
        self.readings
    }
}
