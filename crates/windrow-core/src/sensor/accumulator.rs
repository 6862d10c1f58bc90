//! The accumulators of a declared sensor.

mod codec;

use crate::aggregate::Merge;
use crate::codec::{CodecError, Columnar, Decoder, Encoder};
use crate::decimal::Decimal;
use crate::row::{Measure, MergeScope, ReadingOrder};
use crate::schema::{MeasureKind, MeasureType};
use crate::value::Value;

/// The measures of a declared sensor's readings of one window and key. Empty if there are no
/// readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureAccumulators(Vec<MeasureAccumulator>);

/// One measure, and how it takes the next value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MeasureAccumulator {
    kind: MeasureKind,
    measure: Measure,
}

impl MeasureAccumulator {
    fn new(measure_type: MeasureType) -> Self {
        let measure = match measure_type {
            MeasureType::Average { of, .. } => Measure::Average {
                sum: Decimal {
                    unscaled: 0,
                    scale: of.scale,
                },
                count: 0,
            },
            _ => Measure::Value(Value::Null),
        };
        Self {
            kind: measure_type.kind(),
            measure,
        }
    }

    fn add(&mut self, value: &Value, order: &ReadingOrder<'_>) {
        match (self.kind, &mut self.measure, value) {
            (_, _, Value::Null) => {}
            (_, Measure::Average { sum, count }, Value::Number(number)) => {
                *sum = sum.plus(*number);
                *count = count.saturating_add(1);
            }
            (MeasureKind::First | MeasureKind::Last, measure, value)
                if takes_place(self.kind, measure, order) =>
            {
                *measure = Measure::Ordered {
                    value: value.clone(),
                    order: Box::new(order.clone().into_owned()),
                };
            }
            (_, Measure::Value(held @ Value::Null), value) => held.clone_from(value),
            (MeasureKind::Sum, Measure::Value(Value::Number(sum)), Value::Number(number)) => {
                *sum = sum.plus(*number);
            }
            (MeasureKind::Min, Measure::Value(lowest), value) if value < lowest => {
                lowest.clone_from(value);
            }
            (MeasureKind::Max, Measure::Value(highest), value) if value > highest => {
                highest.clone_from(value);
            }
            _ => {}
        }
    }

    /// An upper bound for the encoded size in bytes, before compression.
    fn cost(&self) -> usize {
        let cost_of = |value: &Value| match value {
            Value::Text(text) => text.len() + 4,
            _ => 24,
        };
        match &self.measure {
            Measure::Value(value) => cost_of(value),
            Measure::Average { .. } => 32,
            Measure::Ordered { value, order } => cost_of(value) + order.sequence_number.len() + 24,
        }
    }
}

/// Whether a reading of this order is the first or last one, compared with the one held.
fn takes_place(kind: MeasureKind, held: &Measure, order: &ReadingOrder<'_>) -> bool {
    let Measure::Ordered { order: held, .. } = held else {
        return true;
    };
    let compared = order.compare(held, MergeScope::SameShard);
    match kind {
        MeasureKind::First => compared.is_lt(),
        _ => compared.is_gt(),
    }
}

/// What a fold reckons with for any accumulator.
const RECKONED: usize = 64;

impl MeasureAccumulators {
    /// Adds the values of a reading, one per measure.
    pub fn add<'v>(
        &mut self,
        types: impl Iterator<Item = MeasureType>,
        values: impl Iterator<Item = &'v Value>,
        order: &ReadingOrder<'_>,
    ) {
        if self.0.is_empty() {
            self.0.extend(types.map(MeasureAccumulator::new));
        }
        for (accumulator, value) in self.0.iter_mut().zip(values) {
            accumulator.add(value, order);
        }
    }

    /// The measures.
    pub fn measures(&self) -> Vec<Measure> {
        let measures = self.0.iter().map(|accumulator| &accumulator.measure);
        measures.cloned().collect()
    }
}

impl Merge for MeasureAccumulators {
    fn identity() -> Self {
        Self(Vec::new())
    }

    fn merge(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.clone_from(other);
            return;
        }
        for (accumulator, other) in self.0.iter_mut().zip(&other.0) {
            let MeasureAccumulator { kind, measure } = accumulator;
            measure.merge(*kind, MergeScope::SameShard, &other.measure);
        }
    }
}

impl Columnar for MeasureAccumulators {
    fn write(values: &[&Self], out: &mut Encoder) {
        codec::write(values, out);
    }

    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
        codec::read(count, input)
    }

    fn cost(&self) -> usize {
        let cost: usize = self.0.iter().map(MeasureAccumulator::cost).sum();
        cost.saturating_sub(RECKONED)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;
    use crate::value::{ColumnType, Finite, NumberType};

    const KINDS: usize = 6;

    fn types(width: usize) -> impl Iterator<Item = MeasureType> {
        let number = NumberType::decimal(2);
        let column = ColumnType::Number(number);
        let types = [
            MeasureType::Sum(number),
            MeasureType::Min(column),
            MeasureType::Max(column),
            MeasureType::Average {
                of: number,
                places: 3,
            },
            MeasureType::First(column),
            MeasureType::Last(column),
        ];
        types.into_iter().cycle().take(width)
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            (any::<i64>(), 0..9_u8).prop_map(|(unscaled, scale)| Value::Number(Decimal {
                unscaled: unscaled.into(),
                scale
            })),
            any::<f64>().prop_map(|float| Finite::new(float).map_or(Value::Null, Value::Float)),
            (0..4_000_000_000_000_i64)
                .prop_map(|millis| Value::Timestamp(Timestamp::from_millis(millis))),
            ".{0,20}".prop_map(Value::Text),
        ]
    }

    fn order(number: u32, time: i64) -> ReadingOrder<'static> {
        ReadingOrder {
            sequence_number: (number + 1).to_string().into(),
            index: number % 3,
            time: Timestamp::from_millis(time),
        }
    }

    fn fold(readings: &[(Vec<Value>, u32)], width: usize) -> MeasureAccumulators {
        let mut accumulators = MeasureAccumulators::identity();
        for (values, number) in readings {
            accumulators.add(types(width), values.iter(), &order(*number, 7));
        }
        accumulators
    }

    fn any_readings(width: usize) -> impl Strategy<Value = Vec<(Vec<Value>, u32)>> {
        let values = prop::collection::vec(any_value(), width);
        prop::collection::vec((values, any::<u16>().prop_map(u32::from)), 1..8)
    }

    proptest! {
        #[test]
        fn accumulators_survive_the_codec(
            (width, keys) in (0..=2 * KINDS).prop_flat_map(|width| {
                (Just(width), prop::collection::vec(any_readings(width), 0..6))
            }),
        ) {
            let keys: Vec<_> = keys.iter().map(|readings| fold(readings, width)).collect();
            let mut out = Encoder::default();
            MeasureAccumulators::write(&keys.iter().collect::<Vec<_>>(), &mut out);
            let mut input = Decoder::unpack(&out.pack(), 1 << 20).unwrap();
            let read = MeasureAccumulators::read(keys.len(), &mut input).unwrap();
            prop_assert!(input.finish().is_ok());
            prop_assert_eq!(read, keys);
        }

        /// Numbers only, since a column has one type.
        #[test]
        fn order_and_split_do_not_matter(
            readings in prop::collection::vec(-99..99_i64, 1..20),
            cut in 0..20_usize,
        ) {
            let readings: Vec<(Vec<Value>, u32)> = readings.iter().zip(0..).map(|(value, number)| {
                let number_value = Value::Number(Decimal { unscaled: (*value).into(), scale: 2 });
                (vec![number_value; KINDS], number)
            }).collect();
            let expected = fold(&readings, KINDS);
            let (left, right) = readings.split_at(cut.min(readings.len()));
            let mut merged = fold(right, KINDS);
            merged.merge(&fold(left, KINDS));
            prop_assert_eq!(&merged, &expected);
            let reversed: Vec<_> = readings.iter().rev().cloned().collect();
            prop_assert_eq!(fold(&reversed, KINDS), expected);
        }
    }

    #[test]
    fn longer_values_cost_more() {
        let text = |length: usize| {
            let values = vec![Value::Null, Value::Text("a".repeat(length))];
            fold(&[(values, 0)], 2).cost()
        };
        assert_eq!(text(10), 0);
        assert!(text(2_000) > 1_900);
    }
}
