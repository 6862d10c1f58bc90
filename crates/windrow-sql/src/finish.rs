//! From merged rows to the rows of the output streams.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use windrow_core::aggregate::Merge as _;
use windrow_core::decimal::Decimal;
use windrow_core::row::{MergedRow, ReadingOrder, key_text};
use windrow_core::schema::Schema;
use windrow_core::sensor::MeasureAccumulators;
use windrow_core::time::Timestamp;
use windrow_core::value::{FieldValue, Finite, Value};

use crate::body::{Program, Stateless};
use crate::compile::{AVERAGE_PLACES, AggregateFunction};
use crate::evaluate::{EvalRow, evaluate, is_true};
use crate::exact;
use crate::expression::Type;
use crate::output::{OutputRow, OutputStream};
use crate::pump::{EvalError, Pump};
use crate::types::SqlType;

/// What becomes of merged rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinishedRows {
    /// The rows: none if HAVING leaves them out, and further ones if other pumps read the first.
    pub rows: Vec<OutputRow>,
    /// Values that could not be computed. They are null in the rows.
    pub problems: Vec<EvalError>,
}

/// How a pump finishes its merged rows.
#[derive(Clone, Debug)]
pub(crate) struct PumpFinisher {
    pub(crate) pump: String,
    pub(crate) stream: Arc<OutputStream>,
    /// Where the values of the terms are.
    pub(crate) terms: Vec<TermSource>,
    pub(crate) aggregates: Vec<AggregateSource>,
    pub(crate) having: Option<Program>,
    pub(crate) outputs: Vec<Program>,
    pub(crate) order: Vec<(Program, bool)>,
    /// Chains of stateless pumps that read the rows.
    pub(crate) after: Vec<Vec<Stage>>,
}

/// How the merged rows of a pump become finished ones.
#[derive(Clone, Debug)]
pub(crate) enum Finishing {
    /// Each by itself.
    Single(PumpFinisher),
    /// Those of a window together.
    Regrouped(Box<Regrouping>),
    /// Of those of a window, so many with the most readings, and each of them by itself.
    Most(PumpFinisher, usize),
}

impl Finishing {
    /// The finished rows of the merged rows of one or more windows, which are all at hand. A row
    /// that is there twice counts once.
    pub(crate) fn finish(&self, rows: &[&MergedRow]) -> FinishedRows {
        match self {
            Self::Single(finisher) => finisher.finish_all(rows),
            Self::Regrouped(regrouping) => regrouping.finish(rows),
            Self::Most(finisher, most) => finisher.finish_all(&with_most(rows, *most)),
        }
    }
}

/// The rows of each window that have the most readings. Of those with as many, the keys in order.
fn with_most<'m>(rows: &[&'m MergedRow], most: usize) -> Vec<&'m MergedRow> {
    let mut windows: BTreeMap<Timestamp, BTreeMap<&[Value], &MergedRow>> = BTreeMap::new();
    for row in rows {
        let of_window = windows.entry(row.window_start).or_default();
        of_window.insert(&row.key, row);
    }
    let mut kept = Vec::new();
    for of_window in windows.into_values() {
        // The sort is stable, so that the order of the keys stays.
        let mut of_window: Vec<&MergedRow> = of_window.into_values().collect();
        of_window.sort_by_key(|row| Reverse(row.readings));
        of_window.truncate(most);
        kept.extend(of_window);
    }
    kept
}

/// How a pump computes groups of merged rows, each of which is a distinct row of a window.
#[derive(Clone, Debug)]
pub(crate) struct Regrouping {
    /// Where the values of the distinct row are.
    pub(crate) terms: Vec<TermSource>,
    /// The groups that a distinct row counts in.
    pub(crate) pump: Pump,
    /// The columns of these groups.
    pub(crate) schema: Arc<Schema>,
    pub(crate) finisher: PumpFinisher,
}

/// A stateless pump after a window.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) pump: String,
    pub(crate) stream: Arc<OutputStream>,
    pub(crate) stateless: Stateless,
}

/// Where the value of a term is.
#[derive(Clone, Debug)]
pub(crate) enum TermSource {
    /// In a column of the key.
    Key(usize),
    /// It is computed of the window's start.
    Window(Program),
}

/// Which measures an aggregate is computed of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AggregateSource {
    pub(crate) aggregate: AggregateFunction,
    pub(crate) value_type: Type,
    /// The sum, lowest or highest value.
    pub(crate) value: Option<usize>,
    /// The number of values; all rows if there is none.
    pub(crate) count: Option<usize>,
}

impl PumpFinisher {
    fn finish_all(&self, rows: &[&MergedRow]) -> FinishedRows {
        let mut finished = FinishedRows::default();
        for row in rows {
            let of_row = self.finish(row);
            finished.rows.extend(of_row.rows);
            let problems = of_row.problems.into_iter();
            finished
                .problems
                .extend(problems.map(|problem| problem.of(row)));
        }
        finished
    }

    /// The rows that a merged row becomes.
    pub(crate) fn finish(&self, merged: &MergedRow) -> FinishedRows {
        let mut finished = FinishedRows::default();
        let start = merged.window_start;
        let length = i64::from(merged.window_seconds).saturating_mul(1000);
        let end = Timestamp::from_millis(start.millis().saturating_add(length));
        let mut values = terms(&self.pump, &self.terms, merged, &mut finished.problems);
        let aggregates = self.aggregates.iter();
        values.extend(aggregates.map(|source| source.finish(merged)));
        let row = EvalRow {
            values: &values,
            time: end,
        };
        if !passes(
            &self.pump,
            self.having.as_ref(),
            row,
            &mut finished.problems,
        ) {
            return finished;
        }
        let outputs = outputs(&self.pump, &self.outputs, row, &mut finished.problems);
        let order = self.order.iter().map(|(program, is_descending)| {
            let value = value(&self.pump, program, row, &mut finished.problems);
            (Value::from(value), *is_descending)
        });
        let first = OutputRow {
            stream: Arc::clone(&self.stream),
            pump: self.pump.as_str().into(),
            id: format!(
                "{}/{start}/{}/{}",
                part_of_id(&self.pump),
                merged.window_seconds,
                key_text(&merged.key)
            ),
            window_start: start,
            values: outputs,
            order: order.collect(),
        };
        for chain in &self.after {
            let row = through(chain, &first, end, &mut finished.problems);
            finished.rows.extend(row);
        }
        finished.rows.insert(0, first);
        finished
    }
}

impl Regrouping {
    fn finish(&self, rows: &[&MergedRow]) -> FinishedRows {
        let mut finished = FinishedRows::default();
        let mut groups: BTreeMap<(Timestamp, String), (MergedRow, MeasureAccumulators)> =
            BTreeMap::new();
        let mut known = BTreeSet::new();
        for (index, row) in rows.iter().enumerate() {
            if !known.insert((row.window_start, &row.key)) {
                continue;
            }
            let name = &self.finisher.pump;
            let values = terms(name, &self.terms, row, &mut finished.problems);
            let distinct = EvalRow {
                values: &values,
                time: row.window_start,
            };
            let group = match self.pump.group(0, distinct) {
                Ok(Some(group)) => group,
                Ok(None) => continue,
                Err(error) => {
                    finished.problems.push(error);
                    continue;
                }
            };
            // It is the text of a key of this schema.
            let Ok(key) = self.schema.key_values(group.key.clone()) else {
                continue;
            };
            let (total, accumulator) = groups
                .entry((row.window_start, group.key))
                .or_insert_with(|| (without_values(row, key), MeasureAccumulators::identity()));
            total.readings += 1;
            let order = ReadingOrder {
                sequence_number: index.to_string().into(),
                index: 0,
                time: row.window_start,
            };
            let types = self.schema.measures().iter();
            let types = types.map(|column| column.measure_type);
            accumulator.add(types, group.inputs.iter(), &order);
        }
        for (mut total, accumulator) in groups.into_values() {
            let measures = accumulator.measures();
            let columns = self.schema.measures().iter().zip(&measures);
            let values = columns.map(|(column, measure)| measure.finish(column.measure_type));
            total.measures = values.collect();
            let of_group = self.finisher.finish(&total);
            finished.rows.extend(of_group.rows);
            finished.problems.extend(of_group.problems);
        }
        finished
    }
}

/// A group of the window of a row, before the first row is added.
fn without_values(row: &MergedRow, key: Vec<Value>) -> MergedRow {
    MergedRow {
        key,
        window_start: row.window_start,
        window_seconds: row.window_seconds,
        readings: 0,
        duplicates: 0,
        measures: Vec::new(),
        gap: false,
    }
}

/// The values of the terms of a merged row.
fn terms<'m>(
    pump: &str,
    terms: &'m [TermSource],
    merged: &'m MergedRow,
    problems: &mut Vec<EvalError>,
) -> Vec<FieldValue<'m>> {
    let row = EvalRow {
        values: &[],
        time: merged.window_start,
    };
    let values = terms.iter().map(|term| match term {
        TermSource::Key(index) => {
            let value = merged.key.get(*index);
            value.map_or(FieldValue::Null, FieldValue::from)
        }
        TermSource::Window(program) => value(pump, program, row, problems),
    });
    values.collect()
}

/// A name as a part of an id: in quotes if it has a slash, which ends a part.
pub(crate) fn part_of_id(name: &str) -> Cow<'_, str> {
    if name.contains(['/', '"']) {
        Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(name)
    }
}

/// The row that a chain of pumps makes of one; the last of them writes it.
fn through(
    chain: &[Stage],
    first: &OutputRow,
    end: Timestamp,
    problems: &mut Vec<EvalError>,
) -> Option<OutputRow> {
    let mut current = OutputRow {
        order: Vec::new(),
        ..first.clone()
    };
    for (index, stage) in chain.iter().enumerate() {
        let values: Vec<FieldValue<'_>> = current.values.iter().map(FieldValue::from).collect();
        let row = EvalRow {
            values: &values,
            time: end,
        };
        // The chains share their beginnings, so each problem is that of the last of one.
        let mut others = Vec::new();
        let is_last = index + 1 == chain.len();
        let into = if is_last { &mut *problems } else { &mut others };
        if !passes(&stage.pump, stage.stateless.filter.as_ref(), row, into) {
            return None;
        }
        let values = outputs(&stage.pump, &stage.stateless.outputs, row, into);
        current = OutputRow {
            stream: Arc::clone(&stage.stream),
            id: format!("{}/{}", part_of_id(&stage.pump), current.id),
            values,
            ..current
        };
    }
    Some(current)
}

fn passes(
    pump: &str,
    filter: Option<&Program>,
    row: EvalRow<'_>,
    problems: &mut Vec<EvalError>,
) -> bool {
    let Some(filter) = filter else {
        return true;
    };
    match is_true(&filter.node, row) {
        Ok(passes) => passes,
        Err(failure) => {
            problems.push(EvalError::new(pump, filter, failure));
            false
        }
    }
}

fn outputs(
    pump: &str,
    programs: &[Program],
    row: EvalRow<'_>,
    problems: &mut Vec<EvalError>,
) -> Vec<Value> {
    let values = programs.iter().map(|program| {
        let row = EvalRow { ..row };
        Value::from(value(pump, program, row, problems))
    });
    values.collect()
}

fn value<'r>(
    pump: &str,
    program: &'r Program,
    row: EvalRow<'r>,
    problems: &mut Vec<EvalError>,
) -> FieldValue<'r> {
    match evaluate(&program.node, row) {
        Ok(value) => value,
        Err(failure) => {
            problems.push(EvalError::new(pump, program, failure));
            FieldValue::Null
        }
    }
}

impl AggregateSource {
    fn finish<'m>(&self, merged: &'m MergedRow) -> FieldValue<'m> {
        let measure = |index: Option<usize>| index.and_then(|index| merged.measures.get(index));
        let value = measure(self.value);
        match self.aggregate {
            AggregateFunction::Count => FieldValue::Number(Decimal {
                unscaled: self.count(merged),
                scale: 0,
            }),
            AggregateFunction::Min | AggregateFunction::Max => {
                value.map_or(FieldValue::Null, FieldValue::from)
            }
            AggregateFunction::Sum => match value {
                Some(Value::Number(sum)) if self.value_type.is_float() => {
                    float(exact::to_float(*sum))
                }
                Some(value) => value.into(),
                None => FieldValue::Null,
            },
            AggregateFunction::Average => match (value, u64::try_from(self.count(merged))) {
                (Some(Value::Number(sum)), Ok(count)) if count > 0 => self.average(*sum, count),
                _ => FieldValue::Null,
            },
        }
    }

    fn count(&self, merged: &MergedRow) -> i128 {
        match self.count {
            None => merged.readings.into(),
            Some(index) => match merged.measures.get(index) {
                Some(Value::Number(count)) => count.unscaled,
                _ => 0,
            },
        }
    }

    fn average(&self, sum: Decimal, count: u64) -> FieldValue<'static> {
        /// As many digits as a decimal has after its point.
        const PLACES: u8 = 18;
        /// From here, that many digits are at least as many as a float has.
        const PRECISE: u128 = 10_u128.pow(17);

        if !self.value_type.is_float() {
            let places = self.value_type.sql().map_or(AVERAGE_PLACES, SqlType::scale);
            let average = sum.divided_by(count, places);
            return average.map_or(FieldValue::Null, FieldValue::Number);
        }
        match sum.divided_by(count, PLACES) {
            Some(average) if average.unscaled.unsigned_abs() >= PRECISE => {
                float(exact::to_float(average))
            }
            _ => float(exact::to_float(sum) / count as f64),
        }
    }
}

fn float(float: f64) -> FieldValue<'static> {
    Finite::new(float).map_or(FieldValue::Null, FieldValue::Float)
}

/// Sorts rows by window, stream and pump, and those of a pump as its ORDER BY has it. NULL comes
/// first.
pub fn sort(rows: &mut [OutputRow]) {
    fn place(row: &OutputRow) -> (Timestamp, &str, &str) {
        (row.window_start, &row.stream.name, &row.pump)
    }

    rows.sort_by(|left, right| {
        // Only rows of one pump have the same terms.
        place(left).cmp(&place(right)).then_with(|| {
            let terms = left.order.iter().zip(&right.order);
            let compared = terms.map(|((left, is_descending), (right, _))| {
                let ordering = left.cmp(right);
                if *is_descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            });
            compared.fold(Ordering::Equal, Ordering::then)
        })
    });
}
