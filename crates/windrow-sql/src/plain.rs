//! Readings without memory of their own, for applications whose keys and aggregates are columns.
//!
//! Most applications are of this form. Then what counts of a reading is a few numbers and the texts
//! of its key, and nothing can fail that was not checked when it was parsed. Parsing a reading and
//! adding it to its group takes no memory of the heap. All other applications, and readings with
//! values of unusual forms, are evaluated in general ([`Pump::groups`](crate::pump::Pump::groups)),
//! with the same results.

mod plan;

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use windrow_core::decimal::Decimal;
use windrow_core::json::short::ShortDecimal;
use windrow_core::json::{FieldVisitor, ValueEnd, ValueStart};
use windrow_core::row::ReadingOrder;
use windrow_core::sensor::OpenMeasures;
use windrow_core::time::Timestamp;
use windrow_core::value::{Finite, Value};

use crate::input::RecordColumn;
use crate::input::coerce::{coerce, usual_float, usual_timestamp};
use crate::pump::LONGEST_TEXT;
use crate::types::FLOAT_SUM_PLACES;

/// How readings become groups, if all keys and aggregates are columns of the input.
#[derive(Clone, Debug)]
pub(crate) struct PlainPlan {
    /// One per column of the input.
    steps: Vec<PlainStep>,
    /// Those of columns that are kept in more than one form.
    further_steps: Vec<PlainStep>,
    /// Whether the time in a column stands for the arrival.
    has_rowtime: bool,
    pumps: Vec<PlainPump>,
}

/// What is kept of the value of a column.
#[derive(Clone, Copy, Debug)]
struct PlainStep {
    column: usize,
    form: PlainForm,
    /// The index of the number or of the text.
    slot: usize,
}

/// The form in which a value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainForm {
    /// Not at all, but it is checked.
    Checked,
    /// As the time that stands for the arrival.
    RowTime,
    /// An exact number without its point.
    Exact {
        scale: u8,
        lowest: i64,
        highest: i64,
    },
    /// The digits of a float, to sum.
    Digits,
    /// The bits of a float, to compare.
    Bits,
    /// The milliseconds of a time.
    Millis,
    /// A text of up to so many characters.
    Text { length: usize },
}

/// A pump's keys and aggregates.
#[derive(Clone, Debug)]
struct PlainPump {
    key: Vec<PlainKeyPiece>,
    measures: Vec<PlainMeasure>,
}

/// A piece of the text of a key.
#[derive(Clone, Debug)]
enum PlainKeyPiece {
    /// What all keys of the pump have.
    Always(String),
    /// The JSON of the text in this slot.
    Text(usize),
    /// The JSON of the exact number in this slot, with this scale.
    Number(usize, u8),
}

/// What a measure aggregates.
#[derive(Clone, Copy, Debug)]
struct PlainMeasure {
    measure: usize,
    slot: usize,
    input: PlainInput,
}

/// What a number in a slot is to a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainInput {
    /// One, if there is a value.
    One,
    /// An exact number with this scale.
    Exact(u8),
    /// The digits of a float.
    Digits,
    /// The bits of a float.
    Bits,
    /// The milliseconds of a time.
    Millis,
}

/// How many numbers of a reading are kept, at most.
const MOST_NUMBERS: usize = 6;

/// How many texts of a reading are kept, at most.
const MOST_TEXTS: usize = 3;

/// What is kept of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRow<'a> {
    values: PlainValues,
    texts: [Option<&'a str>; MOST_TEXTS],
    /// Milliseconds since the epoch: the time in the column that stands for the arrival, or the
    /// arrival.
    pub(crate) millis: i64,
}

/// The numbers of a reading, and the index of the pump that aggregates them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainValues {
    pump: u16,
    /// By slot, [`MISSING`], or by which power of ten the digits of a float are multiplied.
    shifts: [u8; MOST_NUMBERS],
    numbers: [i64; MOST_NUMBERS],
}

/// What stands for the arrival before it is known; no time has these milliseconds.
const NO_TIME: i64 = i64::MIN;

/// The shift of a slot without a value.
const MISSING: u8 = u8::MAX;

/// A float has as many digits at most if its digits are kept. Any decimal of so many is the shortest
/// text of the float next to it, which is what a float is summed as.
const DIGITS_LIMIT: u64 = 10_u64.pow(15);

/// What digits are multiplied by to have [`FLOAT_SUM_PLACES`].
const FLOAT_SUM_POWERS: [i64; FLOAT_SUM_PLACES as usize + 1] = {
    let mut powers = [1; FLOAT_SUM_PLACES as usize + 1];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = 10 * powers[power - 1];
        power += 1;
    }
    powers
};

/// Reads what is kept of the columns of a row.
pub(crate) struct PlainColumns<'p, 'r, 'a> {
    pub(crate) plan: &'p PlainPlan,
    pub(crate) columns: &'p [RecordColumn],
    pub(crate) reading: &'r mut PlainRow<'a>,
}

impl<'a> FieldVisitor<'a> for PlainColumns<'_, '_, 'a> {
    /// Stops if the value is invalid or has an unusual form.
    #[inline(always)]
    fn visit(&mut self, column: usize, start: ValueStart<'a>) -> Option<ValueEnd<'a>> {
        let step = self.plan.steps.get(column)?;
        let Some(end) = step.take(self.columns, start, self.reading) else {
            return step.take_null(start);
        };
        for step in &self.plan.further_steps {
            if step.column == column {
                step.take_again(self.columns, start, self.reading)?;
            }
        }
        Some(end)
    }
}

impl PlainColumns<'_, '_, '_> {
    /// Whether all values that a reading must have were read.
    #[inline]
    pub(crate) fn are_complete(&self) -> bool {
        !self.plan.has_rowtime || self.reading.millis != NO_TIME
    }
}

impl PlainPlan {
    /// How many pumps there are.
    #[inline]
    pub(crate) fn pumps(&self) -> u16 {
        self.pumps.len() as u16
    }

    /// Appends the text of the key.
    #[inline]
    pub(crate) fn write_key(&self, reading: &PlainRow<'_>, key: &mut String) {
        let pieces = self.pump(&reading.values).map(|pump| pump.key.iter());
        for piece in pieces.into_iter().flatten() {
            match piece {
                PlainKeyPiece::Always(text) => key.push_str(text),
                // What is between quotes in JSON, and has no escapes, needs none.
                PlainKeyPiece::Text(slot) => match reading.texts.get(*slot) {
                    Some(Some(text)) => {
                        key.push('"');
                        key.push_str(text);
                        key.push('"');
                    }
                    _ => key.push_str("null"),
                },
                PlainKeyPiece::Number(slot, scale) => {
                    match reading.values.value(*slot, PlainInput::Exact(*scale)) {
                        // Writing to a string cannot fail.
                        Value::Number(number) => {
                            let _ = write!(key, "{number}");
                        }
                        _ => key.push_str("null"),
                    }
                }
            }
        }
    }

    /// Passes on the measures that a reading adds to, and what to each.
    pub(crate) fn inputs(&self, values: &PlainValues, mut take: impl FnMut(usize, Value)) {
        let measures = self.pump(values).map(|pump| pump.measures.iter());
        for measure in measures.into_iter().flatten() {
            take(measure.measure, values.value(measure.slot, measure.input));
        }
    }

    /// Adds a reading to its measures.
    #[inline]
    pub(crate) fn add_to(
        &self,
        values: &PlainValues,
        opened: &mut OpenMeasures<'_>,
        order: &ReadingOrder<'_>,
    ) {
        let measures = self.pump(values).map(|pump| pump.measures.iter());
        for measure in measures.into_iter().flatten() {
            match values.number(measure.slot, measure.input) {
                Some(number) => opened.add_number(measure.measure, number, order),
                None => {
                    let value = values.value(measure.slot, measure.input);
                    opened.add(measure.measure, &value, order);
                }
            }
        }
    }

    #[inline]
    fn pump(&self, values: &PlainValues) -> Option<&PlainPump> {
        self.pumps.get(usize::from(values.pump))
    }
}

impl PlainStep {
    /// The end of a null, unless it would stand for the arrival.
    #[cold]
    fn take_null<'a>(&self, start: ValueStart<'a>) -> Option<ValueEnd<'a>> {
        start.null().filter(|_| self.form != PlainForm::RowTime)
    }

    /// As [`take`](Self::take), which is inlined only once.
    #[inline(never)]
    fn take_again<'a>(
        &self,
        columns: &[RecordColumn],
        start: ValueStart<'a>,
        reading: &mut PlainRow<'a>,
    ) -> Option<()> {
        self.take(columns, start, reading).map(drop)
    }

    /// Keeps the value of its column, and returns its end; `None` if it is null or invalid or has an
    /// unusual form.
    #[inline(always)]
    fn take<'a>(
        &self,
        columns: &[RecordColumn],
        start: ValueStart<'a>,
        reading: &mut PlainRow<'a>,
    ) -> Option<ValueEnd<'a>> {
        let (shift, number, end) = match self.form {
            PlainForm::Exact {
                scale,
                lowest,
                highest,
            } => {
                let (is_negative, decimal, end) = start.decimal()?;
                (
                    0,
                    exact(is_negative, decimal, scale, lowest..=highest)?,
                    end,
                )
            }
            PlainForm::Digits => {
                let (is_negative, decimal, end) = start.decimal()?;
                let (shift, digits) = digits(is_negative, decimal)?;
                (shift, digits, end)
            }
            PlainForm::Text { length } => {
                let (text, end) = start.plain_text()?;
                *reading.texts.get_mut(self.slot)? = Some(shortened(text, length)?);
                return Some(end);
            }
            PlainForm::RowTime => {
                let (millis, end) = millis(start)?;
                reading.millis = millis;
                return Some(end);
            }
            PlainForm::Millis => {
                let (millis, end) = millis(start)?;
                (0, millis, end)
            }
            PlainForm::Bits => {
                let (token, end) = start.token()?;
                let bits = usual_float(&token)?.value().to_bits();
                (0, bits.cast_signed(), end)
            }
            PlainForm::Checked => {
                let (token, end) = start.token()?;
                coerce(columns.get(self.column)?, &token).ok()?;
                return Some(end);
            }
        };
        *reading.values.shifts.get_mut(self.slot)? = shift;
        *reading.values.numbers.get_mut(self.slot)? = number;
        Some(end)
    }
}

impl<'a> PlainRow<'a> {
    /// Nothing, in a group of the first pump.
    pub(crate) const EMPTY: Self = Self {
        values: PlainValues {
            pump: 0,
            shifts: [MISSING; MOST_NUMBERS],
            numbers: [0; MOST_NUMBERS],
        },
        texts: [None; MOST_TEXTS],
        millis: NO_TIME,
    };

    /// The index of the pump in whose group it counts.
    #[inline]
    pub(crate) fn pump(&self) -> usize {
        self.values.pump.into()
    }

    /// Makes it count in a group of this pump.
    #[inline]
    pub(crate) fn enter(&mut self, pump: u16) {
        // To write what is copied soon after takes longer than to check.
        if self.values.pump != pump {
            self.values.pump = pump;
        }
    }

    /// What is aggregated of it.
    #[inline]
    pub(crate) fn values(&self) -> PlainValues {
        self.values
    }
}

impl PlainValues {
    /// What a measure aggregates, if that is an exact number.
    #[inline]
    fn number(&self, slot: usize, input: PlainInput) -> Option<Decimal> {
        let (shift, kept) = (*self.shifts.get(slot)?, *self.numbers.get(slot)?);
        if shift == MISSING {
            return None;
        }
        let (unscaled, scale) = match input {
            PlainInput::One => (1, 0),
            PlainInput::Exact(scale) => (kept.into(), scale),
            PlainInput::Digits => {
                let power = *FLOAT_SUM_POWERS.get(usize::from(shift))?;
                (i128::from(kept) * i128::from(power), FLOAT_SUM_PLACES)
            }
            PlainInput::Bits | PlainInput::Millis => return None,
        };
        Some(Decimal { unscaled, scale })
    }

    /// What a measure aggregates.
    fn value(&self, slot: usize, input: PlainInput) -> Value {
        if let Some(number) = self.number(slot, input) {
            return Value::Number(number);
        }
        let (Some(&shift), Some(&kept)) = (self.shifts.get(slot), self.numbers.get(slot)) else {
            return Value::Null;
        };
        match input {
            _ if shift == MISSING => Value::Null,
            PlainInput::Bits => {
                let float = Finite::new(f64::from_bits(kept.cast_unsigned()));
                float.map_or(Value::Null, Value::Float)
            }
            PlainInput::Millis => Value::Timestamp(Timestamp::from_millis(kept)),
            PlainInput::One | PlainInput::Exact(_) | PlainInput::Digits => Value::Null,
        }
    }
}

#[inline(always)]
fn exact(
    is_negative: bool,
    decimal: ShortDecimal,
    scale: u8,
    range: RangeInclusive<i64>,
) -> Option<i64> {
    let unscaled = i64::try_from(decimal.scale_exactly(scale.into())?).ok()?;
    let unscaled = if is_negative { -unscaled } else { unscaled };
    range.contains(&unscaled).then_some(unscaled)
}

/// The digits of a float, and the power of ten to multiply them by.
#[inline(always)]
fn digits(is_negative: bool, decimal: ShortDecimal) -> Option<(u8, i64)> {
    let shift = usize::from(FLOAT_SUM_PLACES).checked_sub(decimal.places())?;
    if decimal.digits() >= DIGITS_LIMIT {
        return None;
    }
    let digits = decimal.digits().cast_signed();
    Some((shift as u8, if is_negative { -digits } else { digits }))
}

/// The milliseconds of a time.
#[inline(always)]
fn millis(start: ValueStart<'_>) -> Option<(i64, ValueEnd<'_>)> {
    if let Some((time, end)) = start.formatted_time() {
        return Some((time.millis(), end));
    }
    let (token, end) = start.token()?;
    Some((usual_timestamp(&token)?.millis(), end))
}

/// The first characters of a text.
#[inline(always)]
fn shortened(text: &str, length: usize) -> Option<&str> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    // A byte or more per character: most texts are short enough without counting.
    if text.len() <= length {
        return Some(text);
    }
    let end = text.char_indices().nth(length);
    end.map_or(Some(text), |(end, _)| text.get(..end))
}
