//! Parses rows.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Measure, ReadingOrder, Row, ShardWatermark, SourceRange};
use crate::framing::{self, Part};
use crate::json::{self, RawField};
use crate::rejection::Rejection;
use crate::schema::{MeasureColumn, MeasureType, SOURCE, Schema};
use crate::sequence::{SequenceNumber, SequenceRange};
use crate::value::{NumberType, Value, decimal};

impl Row {
    /// Parses one JSON object. Ignores fields that rows do not have.
    ///
    /// # Errors
    ///
    /// [`Rejection`], which names the first invalid field.
    pub fn parse(schema: &Schema, line: &[u8]) -> Result<Self, Rejection> {
        Self::parse_after(schema, line, None)
    }

    /// Parses one JSON object. If it has the same source range as the row before it, as most rows
    /// of a record do, the two share it.
    fn parse_after(
        schema: &Schema,
        line: &[u8],
        before: Option<&Arc<SourceRange>>,
    ) -> Result<Self, Rejection> {
        let mut fields = json::split_by_name(line, schema.fields())?;
        let source = fields.pop().flatten();
        let mut fields = fields.into_iter();
        let mut next = || fields.next().flatten();

        let mut key = Vec::with_capacity(schema.key().len());
        for column in schema.key() {
            let value = Value::parse(column.column_type, &column.name, next())?;
            check_null(&column.name, column.is_nullable, &value)?;
            // The table's partition attribute has a value.
            if schema.has_text_key() && value == Value::Text(String::new()) {
                return Err(Rejection::field(&column.name, "is empty"));
            }
            key.push(value);
        }
        let time = json::text(schema.time(), next())?;
        let window_start = time.parse().map_err(|error| {
            Rejection::field(schema.time(), format!("{} {error}", json::quote(&time)))
        })?;
        let source = parse_source(source, before)?;

        let mut measures = Vec::new();
        if source.readings > 0 {
            measures.reserve_exact(schema.measures().len());
            for column in schema.measures() {
                measures.push(parse_measure(column, next(), source.parts)?);
            }
        }
        Ok(Self {
            key,
            window_start,
            window_seconds: source.window_seconds,
            readings: source.readings,
            duplicates: source.duplicates,
            measures,
            source: source.range,
        })
    }
}

fn check_null(field: &str, is_nullable: bool, value: &Value) -> Result<(), Rejection> {
    if value.is_null() && !is_nullable {
        return Err(Rejection::Missing {
            field: field.to_owned(),
        });
    }
    Ok(())
}

fn parse_measure(
    column: &MeasureColumn,
    raw: RawField<'_>,
    parts: Option<&str>,
) -> Result<Measure, Rejection> {
    let name = &column.name;
    let value = Value::parse(column.column_type(), name, raw)?;
    match column.measure_type {
        MeasureType::Sum(_) | MeasureType::Min(_) | MeasureType::Max(_) => {
            check_null(name, column.is_nullable, &value)?;
            Ok(Measure::Value(value))
        }
        MeasureType::First(_) | MeasureType::Last(_) => {
            check_null(name, column.is_nullable, &value)?;
            if value.is_null() {
                return Ok(Measure::Value(value));
            }
            let order = Box::new(parse_order(&ColumnParts::of(name, parts)?)?);
            Ok(Measure::Ordered { value, order })
        }
        MeasureType::Average { of, .. } => {
            let measure = parse_average(&ColumnParts::of(name, parts)?, of)?;
            // The finished value is for those who read the table by hand; it must not contradict
            // the parts.
            let finished = measure.finish(column.measure_type);
            check_null(name, column.is_nullable, &finished)?;
            if value != finished {
                return Err(Rejection::field(
                    name,
                    "is not the average that Source.Parts says",
                ));
            }
            Ok(measure)
        }
    }
}

/// The parts of one column's measure.
struct ColumnParts<'a> {
    column: &'a str,
    json: &'a str,
}

impl<'a> ColumnParts<'a> {
    /// Finds the parts of a column in `Source.Parts`.
    fn of(column: &'a str, parts: Option<&'a str>) -> Result<Self, Rejection> {
        let this = Self { column, json: "" };
        let parts = parts.ok_or_else(|| Rejection::Missing {
            field: this.name(""),
        })?;
        let parts = json::split_by_name(parts.as_bytes(), &[column]);
        let parts = parts.map_err(|_| this.not_an_object())?;
        let json = json::required(&this.name(""), parts.first().copied().flatten())?;
        Ok(Self { json, ..this })
    }

    fn name(&self, field: &str) -> String {
        format!("Source.Parts.{}{field}", self.column)
    }

    fn not_an_object(&self) -> Rejection {
        Rejection::field(self.name(""), "is not an object")
    }

    fn fields(&self, names: &[&str]) -> Result<Vec<RawField<'a>>, Rejection> {
        let fields = json::split_by_name(self.json.as_bytes(), names);
        fields.map_err(|_| self.not_an_object())
    }
}

fn parse_average(parts: &ColumnParts<'_>, of: NumberType) -> Result<Measure, Rejection> {
    let mut fields = parts.fields(&["Sum", "Count"])?.into_iter();
    let mut next = || fields.next().flatten();
    Ok(Measure::Average {
        sum: decimal(&parts.name(".Sum"), next(), NumberType::any(of.scale))?,
        count: json::integer(&parts.name(".Count"), next())?,
    })
}

fn parse_order(parts: &ColumnParts<'_>) -> Result<ReadingOrder<'static>, Rejection> {
    let mut fields = parts
        .fields(&["SequenceNumber", "Index", "Time"])?
        .into_iter();
    let mut next = || fields.next().flatten();
    let name = parts.name(".SequenceNumber");
    let sequence_number = sequence_number(&name, &json::text(&name, next())?)?;
    let index = json::integer(&parts.name(".Index"), next())?;
    let name = parts.name(".Time");
    let time = json::text(&name, next())?;
    let time = time
        .parse()
        .map_err(|error| Rejection::field(name, format!("{} {error}", json::quote(&time))))?;
    Ok(ReadingOrder {
        sequence_number: sequence_number.to_string().into(),
        index,
        time,
    })
}

/// What is in a row's `Source`.
struct ParsedSource<'a> {
    range: Arc<SourceRange>,
    readings: u64,
    duplicates: u64,
    window_seconds: u32,
    parts: Option<&'a str>,
}

fn parse_source<'a>(
    raw: RawField<'a>,
    before: Option<&Arc<SourceRange>>,
) -> Result<ParsedSource<'a>, Rejection> {
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
        #[serde(borrow, default)]
        dedup_from: RawField<'a>,
        #[serde(borrow)]
        readings: RawField<'a>,
        #[serde(borrow, default)]
        duplicates: RawField<'a>,
        #[serde(borrow)]
        window_seconds: RawField<'a>,
        #[serde(borrow, default)]
        parts: RawField<'a>,
    }

    let text = json::required(SOURCE, raw)?;
    let fields: SourceFields<'_> =
        json::split(text.as_bytes()).map_err(|_| Rejection::field(SOURCE, "is not an object"))?;
    let (readings, duplicates) = counts(fields.readings, fields.duplicates)?;
    let window_seconds = json::integer("Source.WindowSeconds", fields.window_seconds)?;
    if window_seconds == 0 {
        return Err(Rejection::field("Source.WindowSeconds", "is 0"));
    }
    let texts = SourceTexts {
        stream: json::text("Source.Stream", fields.stream)?,
        shard: json::text("Source.Shard", fields.shard)?,
        from: json::text("Source.From", fields.from)?,
        to: json::text("Source.To", fields.to)?,
        dedup_from: match fields.dedup_from {
            None => None,
            dedup_from => Some(json::text("Source.DedupFrom", dedup_from)?),
        },
    };
    let range = match before {
        Some(before) if texts.are_of(before) => Arc::clone(before),
        _ => Arc::new(texts.parse()?),
    };
    Ok(ParsedSource {
        range,
        readings,
        duplicates,
        window_seconds,
        parts: fields.parts.map(RawValue::get),
    })
}

/// The number of readings and of duplicates.
fn counts(readings: RawField<'_>, duplicates: RawField<'_>) -> Result<(u64, u64), Rejection> {
    let readings = json::integer("Source.Readings", readings)?;
    let duplicates = match duplicates {
        None => 0,
        duplicates => json::integer("Source.Duplicates", duplicates)?,
    };
    if readings == 0 && duplicates == 0 {
        return Err(Rejection::field(
            "Source.Readings",
            "is 0, and there are no Duplicates",
        ));
    }
    Ok((readings, duplicates))
}

/// The texts of a source range.
struct SourceTexts<'a> {
    stream: Cow<'a, str>,
    shard: Cow<'a, str>,
    from: Cow<'a, str>,
    to: Cow<'a, str>,
    dedup_from: Option<Cow<'a, str>>,
}

impl SourceTexts<'_> {
    fn are_of(&self, range: &SourceRange) -> bool {
        self.to == range.range.to().as_str()
            && self.from == range.range.from().as_str()
            && self.dedup_from.as_deref() == range.dedup_from.as_ref().map(SequenceNumber::as_str)
            && self.shard == range.shard
            && self.stream == range.stream
    }

    fn parse(self) -> Result<SourceRange, Rejection> {
        let from = sequence_number("Source.From", &self.from)?;
        let to = sequence_number("Source.To", &self.to)?;
        let dedup_from = self.dedup_from.as_deref();
        let dedup_from = dedup_from
            .map(|text| sequence_number("Source.DedupFrom", text))
            .transpose()?;
        if dedup_from.as_ref().is_some_and(|first| *first >= from) {
            return Err(Rejection::field(
                "Source.DedupFrom",
                "does not come before Source.From",
            ));
        }
        let range = SequenceRange::new(from, to)
            .ok_or_else(|| Rejection::field("Source.To", "comes before Source.From"))?;
        Ok(SourceRange {
            stream: self.stream.into_owned(),
            shard: self.shard.into_owned(),
            range,
            dedup_from,
        })
    }
}

fn sequence_number(field: &str, text: &str) -> Result<SequenceNumber, Rejection> {
    text.parse()
        .map_err(|_| Rejection::field(field, "is not a sequence number"))
}

/// Parses the rows in a record. Returns each with the JSON it was parsed from, and what is not a row
/// with the reason. Leaves out [watermarks](ShardWatermark).
pub fn rows<'a>(
    schema: &'a Schema,
    record: &'a [u8],
) -> impl Iterator<Item = (&'a [u8], Result<Row, Rejection>)> {
    summaries(schema, record).filter_map(|summary| match summary {
        Summary::Row(part, row) => Some((part, row)),
        Summary::Watermark(_) => None,
    })
}

/// What a record of the summary stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summary<'a> {
    /// A row, or why it is not one, with the JSON it was parsed from.
    Row(&'a [u8], Result<Row, Rejection>),
    /// How far the rows of a shard are complete.
    Watermark(ShardWatermark),
}

/// Parses the rows and the watermarks in a record.
pub fn summaries<'a>(schema: &'a Schema, record: &'a [u8]) -> impl Iterator<Item = Summary<'a>> {
    let mut rejection = framing::rejection_of(record);
    let mut rest = record;
    let mut before = None;
    std::iter::from_fn(move || {
        if let Some(rejection) = rejection.take() {
            rest = &[];
            return Some(Summary::Row(record, Err(rejection)));
        }
        let (Part::Object(part) | Part::Other(part)) = framing::next_part(&mut rest)?;
        if let Some(watermark) = ShardWatermark::parse(part) {
            return Some(Summary::Watermark(watermark));
        }
        let row = Row::parse_after(schema, part, before.as_ref());
        if let Ok(row) = &row {
            before = Some(Arc::clone(&row.source));
        }
        Some(Summary::Row(part, row))
    })
}
