//! The columns of accumulators. Each begins with its kind, so a state can be read without the
//! schema.

use super::{MeasureAccumulator, MeasureAccumulators};
use crate::codec::{CodecError, Decoder, Encoder};
use crate::decimal::Decimal;
use crate::row::{Measure, ReadingOrder};
use crate::schema::MeasureKind;
use crate::sequence;
use crate::time::Timestamp;
use crate::value::{Finite, Value};

/// By their number in the state.
const KINDS: [MeasureKind; 6] = [
    MeasureKind::Sum,
    MeasureKind::Min,
    MeasureKind::Max,
    MeasureKind::Average,
    MeasureKind::First,
    MeasureKind::Last,
];

pub(super) fn write(values: &[&MeasureAccumulators], out: &mut Encoder) {
    // Every value takes at least this byte.
    for value in values {
        out.raw(&[value.0.len().min(usize::from(u8::MAX)) as u8]);
    }
    let first = values.first().map_or(&[][..], |first| &first.0);
    for (index, first) in first.iter().enumerate() {
        let kind = first.kind();
        let number = KINDS.iter().position(|known| *known == kind);
        out.raw(&[number.unwrap_or_default() as u8]);
        let column = values.iter().filter_map(|value| value.0.get(index));
        let column: Vec<Measure> = column.map(MeasureAccumulator::measure).collect();
        match kind {
            MeasureKind::Average => write_averages(&column, out),
            MeasureKind::First | MeasureKind::Last => write_ordered(&column, out),
            _ => write_values(&column, out),
        }
    }
}

pub(super) fn read(
    count: usize,
    input: &mut Decoder,
) -> Result<Vec<MeasureAccumulators>, CodecError> {
    const MALFORMED: CodecError = CodecError::Malformed("accumulators have different measures");
    let widths = input.raw(count)?;
    let width = widths.first().copied().unwrap_or_default();
    if widths.iter().any(|other| *other != width) {
        return Err(MALFORMED);
    }
    let mut accumulators: Vec<MeasureAccumulators> = Vec::with_capacity(count);
    accumulators.resize_with(count, || MeasureAccumulators(Vec::new()));
    for _ in 0..width {
        input.reserve(count)?;
        let number = *input.raw(1)?.first().ok_or(MALFORMED)?;
        let kind = *KINDS.get(usize::from(number)).ok_or(MALFORMED)?;
        let measures = match kind {
            MeasureKind::Average => (0..count).map(|_| read_average(input)).collect(),
            MeasureKind::First | MeasureKind::Last => read_ordered(count, input),
            _ => read_values(count, input)
                .map(|values| values.into_iter().map(Measure::Value).collect()),
        };
        let measures: Vec<Measure> = measures?;
        for (accumulator, measure) in accumulators.iter_mut().zip(measures) {
            let measure = MeasureAccumulator::from_measure(kind, measure);
            accumulator.0.push(measure);
        }
    }
    Ok(accumulators)
}

fn write_averages(measures: &[Measure], out: &mut Encoder) {
    for measure in measures {
        if let Measure::Average { sum, count } = measure {
            out.raw(&[sum.scale]);
            out.signed(sum.unscaled);
            out.unsigned((*count).into());
        }
    }
}

fn read_average(input: &mut Decoder) -> Result<Measure, CodecError> {
    Ok(Measure::Average {
        sum: read_number(input)?,
        count: input.unsigned_as()?,
    })
}

/// Writes the values, then the orders of those that are not null.
fn write_ordered(measures: &[Measure], out: &mut Encoder) {
    write_values(measures, out);
    for measure in measures {
        if let Measure::Ordered { order, .. } = measure {
            out.unsigned(order.sequence_number.len() as u128);
            out.raw(order.sequence_number.as_bytes());
            out.unsigned(order.index.into());
            out.signed(order.time.nanos());
        }
    }
}

fn read_ordered(count: usize, input: &mut Decoder) -> Result<Vec<Measure>, CodecError> {
    let values = read_values(count, input)?.into_iter();
    let ordered = values.map(|value| {
        if value.is_null() {
            return Ok(Measure::Value(value));
        }
        let sequence_number = read_text(input)?;
        if sequence::check(&sequence_number).is_err() {
            return Err(CodecError::Malformed("it has an invalid sequence number"));
        }
        let order = ReadingOrder {
            sequence_number: sequence_number.into(),
            index: input.unsigned_as()?,
            time: read_time(input)?,
        };
        Ok(Measure::Ordered {
            value,
            order: Box::new(order),
        })
    });
    ordered.collect()
}

/// Writes the types of all values, then the values.
fn write_values(measures: &[Measure], out: &mut Encoder) {
    let values = || {
        measures.iter().map(|measure| match measure {
            Measure::Value(value) | Measure::Ordered { value, .. } => value,
            Measure::Average { .. } => &Value::Null,
        })
    };
    for value in values() {
        out.raw(&[match value {
            Value::Null => 0,
            Value::Boolean(false) => 1,
            Value::Boolean(true) => 2,
            Value::Number(_) => 3,
            Value::Float(_) => 4,
            Value::Timestamp(_) => 5,
            Value::Text(_) => 6,
        }]);
    }
    for value in values() {
        match value {
            Value::Null | Value::Boolean(_) => {}
            Value::Number(number) => {
                out.raw(&[number.scale]);
                out.signed(number.unscaled);
            }
            Value::Float(float) => out.raw(&float.value().to_be_bytes()),
            Value::Timestamp(time) => out.signed(time.nanos()),
            Value::Text(text) => {
                out.unsigned(text.len() as u128);
                out.raw(text.as_bytes());
            }
        }
    }
}

fn read_values(count: usize, input: &mut Decoder) -> Result<Vec<Value>, CodecError> {
    const MALFORMED: CodecError = CodecError::Malformed("a measure has an invalid value");
    let types = input.raw(count)?.to_vec();
    let value = |number| {
        Ok(match number {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::Number(read_number(input)?),
            4 => {
                let bytes = input.raw(8)?.first_chunk().ok_or(MALFORMED)?;
                Value::Float(Finite::new(f64::from_be_bytes(*bytes)).ok_or(MALFORMED)?)
            }
            5 => Value::Timestamp(read_time(input)?),
            6 => Value::Text(read_text(input)?),
            _ => return Err(MALFORMED),
        })
    };
    types.into_iter().map(value).collect()
}

fn read_number(input: &mut Decoder) -> Result<Decimal, CodecError> {
    let scale = input.raw(1)?.first().copied().unwrap_or_default();
    let unscaled = input.signed()?;
    Ok(Decimal { unscaled, scale })
}

fn read_time(input: &mut Decoder) -> Result<Timestamp, CodecError> {
    let time = Timestamp::from_nanos(input.signed()?);
    time.ok_or(CodecError::Malformed("a time is out of range"))
}

fn read_text(input: &mut Decoder) -> Result<String, CodecError> {
    let length = input.unsigned_as()?;
    let text = std::str::from_utf8(input.raw(length)?);
    text.map(str::to_owned)
        .map_err(|_| CodecError::Malformed("a text is not UTF-8"))
}
