//! What is aggregated of a declared sensor's reading.

use super::Field;
use crate::decimal::Decimal;
use crate::row::ReadingOrder;
use crate::sensor::OpenMeasures;
use crate::value::{ColumnType, FieldValue, Value};

/// What a declared sensor aggregates of a reading.
///
/// Usually a few numbers, which take no memory of the heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredInputs(AggregatedInputs);

#[derive(Clone, Debug, PartialEq, Eq)]
enum AggregatedInputs {
    Numbers(FewNumbers),
    /// A value per measure.
    Values(Vec<Value>),
}

/// The numbers of the fields that are aggregated, without their points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FewNumbers {
    numbers: [i64; MOST_NUMBERS],
    /// A bit for each that is known.
    known: u8,
}

/// How many fields of a reading have a number, at most.
const MOST_NUMBERS: usize = 4;

/// What the measures aggregate.
#[derive(Clone, Debug)]
pub(super) struct InputPlan {
    measures: Vec<MeasuredField>,
    /// The fields of the [`FewNumbers`]; `None` if there are too many, or if some have other values.
    numbers: Option<Vec<usize>>,
}

/// What a measure aggregates.
#[derive(Clone, Copy, Debug)]
struct MeasuredField {
    field: usize,
    /// Ones are aggregated instead of values.
    is_count: bool,
    /// The index of its number.
    slot: usize,
    /// The scale of its number.
    scale: u8,
}

impl InputPlan {
    /// The plan for measures of these fields, which count them or aggregate their values.
    pub(super) fn new(fields: &[Field], measures: Vec<(usize, bool)>) -> Self {
        let mut numbers: Vec<usize> = measures.iter().map(|(field, _)| *field).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let measures = measures.into_iter().map(|(field, is_count)| MeasuredField {
            field,
            is_count,
            slot: numbers.binary_search(&field).unwrap_or(MOST_NUMBERS),
            scale: scale(&fields[field]).unwrap_or(0),
        });
        let measures = measures.collect();
        let is_usual = numbers.len() <= MOST_NUMBERS
            && numbers.iter().all(|field| scale(&fields[*field]).is_some());
        Self {
            measures,
            numbers: is_usual.then_some(numbers),
        }
    }

    /// What is aggregated of a reading with these values.
    #[inline]
    pub(super) fn of(&self, values: &[FieldValue<'_>]) -> DeclaredInputs {
        let numbers = self.numbers.as_deref();
        DeclaredInputs(
            match numbers.and_then(|fields| few_numbers(fields, values)) {
                Some(numbers) => AggregatedInputs::Numbers(numbers),
                None => AggregatedInputs::Values(self.any(values)),
            },
        )
    }

    #[inline(never)]
    fn any(&self, values: &[FieldValue<'_>]) -> Vec<Value> {
        let measures = self.measures.iter();
        let input = |measure: &MeasuredField| {
            let value = values.get(measure.field).unwrap_or(&FieldValue::Null);
            if !measure.is_count {
                return value.to_value();
            }
            Value::Number(count(!value.is_null()))
        };
        measures.map(input).collect()
    }

    /// The value that each measure aggregates.
    pub(super) fn values(&self, inputs: &DeclaredInputs) -> Vec<Value> {
        match &inputs.0 {
            AggregatedInputs::Values(values) => values.clone(),
            AggregatedInputs::Numbers(numbers) => {
                let number = |measure: &MeasuredField| numbers.number(measure);
                let values = self.measures.iter().map(number);
                values
                    .map(|number| number.map_or(Value::Null, Value::Number))
                    .collect()
            }
        }
    }

    /// Adds the inputs to the measures of their accumulator.
    #[inline]
    pub(super) fn add_to(
        &self,
        inputs: &DeclaredInputs,
        opened: &mut OpenMeasures<'_>,
        order: &ReadingOrder<'_>,
    ) {
        match &inputs.0 {
            AggregatedInputs::Numbers(numbers) => {
                for (index, measure) in self.measures.iter().enumerate() {
                    if let Some(number) = numbers.number(measure) {
                        opened.add_number(index, number, order);
                    }
                }
            }
            AggregatedInputs::Values(values) => {
                for (index, value) in values.iter().enumerate() {
                    opened.add(index, value, order);
                }
            }
        }
    }
}

impl FewNumbers {
    /// What a measure aggregates, if there is a value.
    #[inline]
    fn number(&self, measure: &MeasuredField) -> Option<Decimal> {
        let is_known = self.known >> measure.slot & 1 == 1;
        if measure.is_count {
            return Some(count(is_known));
        }
        let number = self.numbers.get(measure.slot).filter(|_| is_known)?;
        Some(Decimal {
            unscaled: (*number).into(),
            scale: measure.scale,
        })
    }
}

/// The numbers of these fields; `None` if one has more than 64 bits.
#[inline]
fn few_numbers(fields: &[usize], values: &[FieldValue<'_>]) -> Option<FewNumbers> {
    let mut few = FewNumbers::default();
    for (slot, field) in fields.iter().enumerate() {
        match values.get(*field) {
            Some(FieldValue::Number(number)) => {
                *few.numbers.get_mut(slot)? = i64::try_from(number.unscaled).ok()?;
                few.known |= 1 << slot;
            }
            Some(FieldValue::Null) => {}
            _ => return None,
        }
    }
    Some(few)
}

/// One or zero.
#[inline]
fn count(is_known: bool) -> Decimal {
    Decimal {
        unscaled: is_known.into(),
        scale: 0,
    }
}

/// How many digits after its point a field's number has; `None` if its values are no numbers.
fn scale(field: &Field) -> Option<u8> {
    match field.column_type {
        ColumnType::Number(number) => Some(number.scale),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::NumberType;

    fn number(unscaled: i128) -> FieldValue<'static> {
        FieldValue::Number(Decimal { unscaled, scale: 2 })
    }

    fn field(column_type: ColumnType) -> Field {
        Field::new("A", column_type)
    }

    /// A field that is counted and one that is both counted and aggregated.
    const MEASURES: [(usize, bool); 3] = [(2, true), (0, false), (0, true)];

    #[test]
    fn a_few_numbers_are_the_values_of_all_measures() {
        let decimal = ColumnType::Number(NumberType::decimal(2));
        let fields = [decimal, ColumnType::Text, decimal].map(field);
        let plan = InputPlan::new(&fields, MEASURES.to_vec());
        let text = || FieldValue::Text("x".into());
        for (values, are_few) in [
            ([number(150), text(), number(-7)], true),
            ([number(i64::MAX.into()), text(), FieldValue::Null], true),
            ([FieldValue::Null, FieldValue::Null, number(0)], true),
            ([number(i128::from(i64::MAX) + 1), text(), number(1)], false),
        ] {
            let inputs = plan.of(&values);
            let is_few = matches!(inputs.0, AggregatedInputs::Numbers(_));
            assert_eq!(is_few, are_few, "{values:?}");
            assert_eq!(plan.values(&inputs), plan.any(&values), "{values:?}");
        }
    }

    #[test]
    fn other_values_are_kept_as_they_are() {
        let fields = [ColumnType::Float, ColumnType::Text, ColumnType::Text].map(field);
        let plan = InputPlan::new(&fields, MEASURES.to_vec());
        let values = [
            FieldValue::Boolean(true),
            FieldValue::Null,
            FieldValue::Null,
        ];
        let inputs = plan.of(&values);
        assert_eq!(plan.values(&inputs), plan.any(&values));
        assert_eq!(plan.values(&inputs)[1], Value::Boolean(true));
    }

    #[test]
    fn many_numbers_are_values() {
        let decimal = ColumnType::Number(NumberType::decimal(2));
        for count in [MOST_NUMBERS, MOST_NUMBERS + 1] {
            let fields: Vec<Field> = (0..count).map(|_| field(decimal)).collect();
            let plan = InputPlan::new(&fields, (0..count).map(|field| (field, false)).collect());
            let values = vec![number(5); count];
            let inputs = plan.of(&values);
            let is_few = matches!(inputs.0, AggregatedInputs::Numbers(_));
            assert_eq!(is_few, count == MOST_NUMBERS);
            assert_eq!(plan.values(&inputs), plan.any(&values));
        }
    }
}
