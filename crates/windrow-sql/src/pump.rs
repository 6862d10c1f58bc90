//! Pumps at run time: from an input row to the groups that it counts in.

use std::sync::Arc;

use windrow_core::decimal::Decimal;
use windrow_core::row::MergedRow;
use windrow_core::schema::key_array;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Value};
use windrow_core::window::{InvalidWindow, Tumbling, Window};

use crate::body::{Program, Stateless};
use crate::evaluate::{EvalFailure, EvalRow, evaluate, is_true};
use crate::exact;
use crate::expression::NodeKind;
use crate::problem::Position;
use thiserror::Error;

/// A pump with a window.
#[derive(Clone, Debug)]
pub struct Pump {
    pub(crate) name: String,
    pub(crate) stream: String,
    pub(crate) window: Tumbling,
    pub(crate) window_seconds: u32,
    /// The text of its keys. The columns of other pumps are null in it.
    pub(crate) key_text: Vec<KeyPiece>,
    pub(crate) paths: Vec<Path>,
    pub(crate) is_regrouped: bool,
    pub(crate) filter: Option<Program>,
    pub(crate) keys: Vec<KeyInput>,
    /// What is aggregated, by measure; nothing for those of other pumps.
    pub(crate) inputs: Vec<Option<MeasureInput>>,
}

/// The stateless pumps between the input stream and the window.
#[derive(Clone, Debug)]
pub(crate) struct Path(pub(crate) Vec<Stateless>);

/// A piece of the text of a key.
#[derive(Clone, Debug)]
pub(crate) enum KeyPiece {
    /// What all keys of a pump have.
    Text(Vec<u8>),
    /// The JSON of the value of a term, by its index.
    Term(usize),
}

/// A term of the key, and which column of the key it is.
#[derive(Clone, Debug)]
pub(crate) struct KeyInput {
    pub(crate) program: Program,
    pub(crate) column: usize,
    /// The scale of its numbers.
    pub(crate) scale: u8,
}

/// The largest number to sum, without its point. A sum of a hundred million of them fits 128 bits.
pub(crate) const LARGEST_SUMMED: u128 = 10_u128.pow(30);

/// Why a float has no part in a sum. With its 15 digits after the point, a larger one would leave no
/// room for the sum of as many.
const FLOAT_TOO_LARGE: &str = "a float to sum is 10^15 or more: sum CAST(... AS DECIMAL(19,0))";

/// A part of an aggregate, and which measure it is.
#[derive(Clone, Debug)]
pub(crate) struct MeasureInput {
    pub(crate) program: Program,
    pub(crate) form: InputForm,
}

/// What of an argument is aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputForm {
    /// The value; numbers with this scale.
    Value(u8),
    /// A number to sum, with this scale.
    Sum(u8),
    /// One if there is a value.
    One,
    /// A float as a decimal.
    Float {
        /// Whether it is one of 32 bits.
        is_real: bool,
    },
}

/// A group that an input row counts in.
#[derive(Clone, Debug, PartialEq)]
pub struct RowGroup {
    /// The text of the key ([`Schema::key_text`](windrow_core::schema::Schema::key_text)). The
    /// columns of other pumps are null.
    pub key: String,
    /// The window.
    pub window: Window,
    /// Through which of the pump's chains of pumps the row came, counted from 0.
    pub chain: usize,
    /// What the row adds to the measures. Those of other pumps are null.
    pub inputs: Arc<[Value]>,
}

/// The longest text of a key or a measure, in bytes. The limits of the window state and of a row
/// follow from it.
pub(crate) const LONGEST_TEXT: usize = 2_048;

/// Why an expression has no value for a row.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("pump \"{pump}\": {expression} (line {}, column {}): {reason}{}", at.line, at.column, in_group(group))]
pub struct EvalError {
    /// The pump's name.
    pub pump: String,
    /// The expression as text.
    pub expression: String,
    /// Where it failed.
    pub at: Position,
    /// Why.
    pub reason: String,
    /// The group whose finished row has no value: the start of its window, and the text of its key.
    pub group: Option<Box<(Timestamp, String)>>,
}

fn in_group(group: &Option<Box<(Timestamp, String)>>) -> String {
    match group {
        Some(group) => format!(", in the window of {}, for the key {}", group.0, group.1),
        None => String::new(),
    }
}

impl EvalError {
    pub(crate) fn new(pump: &str, program: &Program, failure: EvalFailure) -> Self {
        Self {
            pump: pump.to_owned(),
            expression: program.text.clone(),
            at: failure.at,
            reason: failure.reason,
            group: None,
        }
    }

    /// Names the group.
    pub(crate) fn of(self, merged: &MergedRow) -> Self {
        let key = key_array(merged.key.iter().map(FieldValue::from));
        Self {
            group: Some(Box::new((merged.window_start, key))),
            ..self
        }
    }
}

impl Pump {
    pub(crate) fn tumbling(millis: i64) -> Result<Tumbling, InvalidWindow> {
        Tumbling::new(millis)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stream that it writes.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The length of its windows.
    pub fn window_seconds(&self) -> u32 {
        self.window_seconds
    }

    /// Whether a finished row depends on several merged rows of its window, so that all of them have
    /// to be finished together, and all again when one of them changes.
    pub fn is_regrouped(&self) -> bool {
        self.is_regrouped
    }

    /// The terms of GROUP BY besides the window, as text.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|input| input.program.text.as_str())
    }

    /// The parts of its aggregates, as text. `COUNT(*)` is the number of readings, and no part.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        let inputs = self.inputs.iter().flatten();
        inputs.map(|input| input.program.text.as_str())
    }

    /// The groups that an input row counts in: none if WHERE leaves it out, and several if the pump
    /// reads a stream that several pumps write. Instead of a group, there is an [`EvalError`] if an
    /// expression has no value.
    ///
    /// `row` has a value per column of the input stream: integers and decimals are numbers with the
    /// scale of the column, `REAL` and `DOUBLE` are floats, dates and times are timestamps.
    #[inline]
    pub fn groups<'r>(
        &'r self,
        row: &'r [FieldValue<'r>],
        arrival: Timestamp,
    ) -> impl Iterator<Item = Result<RowGroup, EvalError>> + 'r {
        let row = EvalRow {
            values: row,
            time: arrival,
        };
        let paths = self.paths.iter().enumerate();
        paths.filter_map(move |(chain, Path(stages))| self.through(chain, stages, row).transpose())
    }

    fn through(
        &self,
        chain: usize,
        stages: &[Stateless],
        row: EvalRow<'_>,
    ) -> Result<Option<RowGroup>, EvalError> {
        let Some((stage, rest)) = stages.split_first() else {
            return self.group(chain, row);
        };
        let Some(values) = projected(&self.name, stage, row)? else {
            return Ok(None);
        };
        let next = EvalRow {
            values: &values,
            time: row.time,
        };
        self.through(chain, rest, next)
    }

    /// The group that a row of the stream that the window reads counts in, if it came through the
    /// chain of this number.
    pub(crate) fn group(
        &self,
        chain: usize,
        row: EvalRow<'_>,
    ) -> Result<Option<RowGroup>, EvalError> {
        if !passes(&self.name, self.filter.as_ref(), row)? {
            return Ok(None);
        }
        let mut key = Vec::with_capacity(64);
        for piece in &self.key_text {
            match piece {
                KeyPiece::Text(text) => key.extend_from_slice(text),
                KeyPiece::Term(index) => self.write_term(&self.keys[*index], row, &mut key)?,
            }
        }
        // Collected at once, since this runs for every reading.
        let mut failed = None;
        let inputs = self.inputs.iter().map(|input| {
            let Some(input) = input else {
                return Value::Null;
            };
            let value = self.with_value(&input.program, row, |value| self.input(input, value));
            value.unwrap_or_else(|error| {
                failed = Some(error);
                Value::Null
            })
        });
        let inputs = inputs.collect();
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(Some(RowGroup {
            // JSON is always UTF-8.
            key: String::from_utf8(key).unwrap_or_default(),
            window: self.window.window_of(row.time.millis()),
            chain,
            inputs,
        }))
    }

    /// Calls `with` with the value of an expression. Most are columns, whose values need no copy.
    #[inline]
    fn with_value<T>(
        &self,
        program: &Program,
        row: EvalRow<'_>,
        with: impl FnOnce(&FieldValue<'_>) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        if let NodeKind::Column(index) = program.node.kind
            && let Some(value) = row.values.get(index)
        {
            return with(value);
        }
        with(&value(&self.name, program, row)?)
    }

    /// Appends the JSON of the value of a term.
    fn write_term(
        &self,
        input: &KeyInput,
        row: EvalRow<'_>,
        key: &mut Vec<u8>,
    ) -> Result<(), EvalError> {
        let program = &input.program;
        self.with_value(program, row, |value| {
            match value {
                FieldValue::Number(number) => {
                    let number = self.scaled(program, *number, input.scale)?;
                    FieldValue::Number(number).write_json(key);
                }
                FieldValue::Text(text) if text.len() > LONGEST_TEXT => {
                    return Err(self.too_long(program, text));
                }
                other => other.write_json(key),
            }
            Ok(())
        })
    }

    #[inline]
    fn input(&self, input: &MeasureInput, value: &FieldValue<'_>) -> Result<Value, EvalError> {
        Ok(match (input.form, value) {
            (_, FieldValue::Null) => Value::Null,
            (InputForm::One, _) => Value::Number(Decimal {
                unscaled: 1,
                scale: 0,
            }),
            (InputForm::Value(scale), FieldValue::Number(number)) => {
                Value::Number(self.scaled(&input.program, *number, scale)?)
            }
            (InputForm::Sum(scale), FieldValue::Number(number)) => {
                let number = self.scaled(&input.program, *number, scale)?;
                if number.unscaled.unsigned_abs() > LARGEST_SUMMED {
                    let reason = format!("{number} is too large to sum");
                    return Err(self.failed(&input.program, reason));
                }
                Value::Number(number)
            }
            (InputForm::Float { is_real }, FieldValue::Float(float)) => {
                let number = exact::of_float(float.value(), is_real);
                let failed = || self.failed(&input.program, FLOAT_TOO_LARGE.to_owned());
                Value::Number(number.ok_or_else(failed)?)
            }
            (_, FieldValue::Text(text)) if text.len() > LONGEST_TEXT => {
                return Err(self.too_long(&input.program, text));
            }
            (_, other) => other.to_value(),
        })
    }

    fn too_long(&self, program: &Program, text: &str) -> EvalError {
        let reason = format!(
            "the text has {} bytes, more than {LONGEST_TEXT}",
            text.len()
        );
        self.failed(program, reason)
    }

    fn scaled(&self, program: &Program, number: Decimal, scale: u8) -> Result<Decimal, EvalError> {
        if number.scale == scale {
            return Ok(number);
        }
        let scaled = exact::rescale(number, scale);
        scaled.ok_or_else(|| self.failed(program, format!("{number} is out of range")))
    }

    fn failed(&self, program: &Program, reason: String) -> EvalError {
        let at = program.node.at;
        EvalError::new(&self.name, program, EvalFailure { at, reason })
    }
}

/// The values that a stateless pump makes of a row; `None` if its WHERE leaves the row out. An error
/// names the pump `pump`.
pub(crate) fn projected<'r>(
    pump: &str,
    stage: &'r Stateless,
    row: EvalRow<'r>,
) -> Result<Option<Vec<FieldValue<'r>>>, EvalError> {
    if !passes(pump, stage.filter.as_ref(), row)? {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(stage.outputs.len());
    for output in &stage.outputs {
        values.push(value(pump, output, row)?);
    }
    Ok(Some(values))
}

fn passes(pump: &str, filter: Option<&Program>, row: EvalRow<'_>) -> Result<bool, EvalError> {
    let Some(filter) = filter else {
        return Ok(true);
    };
    is_true(&filter.node, row).map_err(|failure| EvalError::new(pump, filter, failure))
}

fn value<'r>(
    pump: &str,
    program: &'r Program,
    row: EvalRow<'r>,
) -> Result<FieldValue<'r>, EvalError> {
    evaluate(&program.node, row).map_err(|failure| EvalError::new(pump, program, failure))
}
