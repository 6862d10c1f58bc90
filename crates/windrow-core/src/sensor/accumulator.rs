//! The accumulators of a declared sensor.

mod codec;

use crate::aggregate::Merge;
use crate::codec::{CodecError, Columnar, Decoder, Encoder};
use crate::decimal::Decimal;
use crate::row::{Measure, MergeScope, ReadingOrder};
use crate::schema::{MeasureKind, MeasureType};
use crate::value::{Finite, Value};

/// The measures of a declared sensor's readings of one window and key. Empty if there are no
/// readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureAccumulators(Vec<MeasureAccumulator>);

/// The accumulators of all measures, by their index.
#[derive(Debug)]
pub struct OpenMeasures<'m>(&'m mut [MeasureAccumulator]);

impl OpenMeasures<'_> {
    /// Adds the value that a reading has for a measure. Does nothing if there is no such measure.
    #[inline]
    pub fn add(&mut self, measure: usize, value: &Value, order: &ReadingOrder<'_>) {
        if let Some(accumulator) = self.0.get_mut(measure) {
            accumulator.add(value, order);
        }
    }

    /// As [`add`](Self::add) for a number, which takes less time than as a value.
    #[inline]
    pub fn add_number(&mut self, measure: usize, number: Decimal, order: &ReadingOrder<'_>) {
        if let Some(accumulator) = self.0.get_mut(measure) {
            accumulator.add_number(number, order);
        }
    }
}

/// One measure, and how it takes the next value.
///
/// Most measures are numbers, and adding to one mostly waits for memory. So it takes 32 bytes, and has
/// what is larger than a number elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
enum MeasureAccumulator {
    /// A sum, a minimum or a maximum of exact numbers.
    Number {
        kind: MeasureKind,
        scale: u8,
        unscaled: Unscaled,
    },
    /// A minimum or a maximum of floats.
    Float(MeasureKind, Finite),
    /// The parts of an average.
    Average {
        scale: u8,
        sum: Unscaled,
        count: u64,
    },
    /// Nothing yet.
    Empty(MeasureKind),
    /// Any other.
    Other(MeasureKind, Box<Measure>),
}

/// The unscaled number of a [`Decimal`], which is less aligned than other numbers of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed(8))]
struct Unscaled(i128);

impl MeasureAccumulator {
    fn new(measure_type: MeasureType) -> Self {
        match measure_type {
            MeasureType::Average { of, .. } => Self::Average {
                scale: of.scale,
                sum: Unscaled(0),
                count: 0,
            },
            _ => Self::Empty(measure_type.kind()),
        }
    }

    fn from_measure(kind: MeasureKind, measure: Measure) -> Self {
        use MeasureKind::{Max, Min, Sum};
        match (kind, measure) {
            (_, Measure::Value(Value::Null)) => Self::Empty(kind),
            (Sum | Min | Max, Measure::Value(Value::Number(number))) => Self::Number {
                kind,
                scale: number.scale,
                unscaled: Unscaled(number.unscaled),
            },
            (Min | Max, Measure::Value(Value::Float(float))) => Self::Float(kind, float),
            (MeasureKind::Average, Measure::Average { sum, count }) => Self::Average {
                scale: sum.scale,
                sum: Unscaled(sum.unscaled),
                count,
            },
            (_, measure) => Self::Other(kind, Box::new(measure)),
        }
    }

    fn kind(&self) -> MeasureKind {
        match self {
            Self::Number { kind, .. }
            | Self::Float(kind, _)
            | Self::Empty(kind)
            | Self::Other(kind, _) => *kind,
            Self::Average { .. } => MeasureKind::Average,
        }
    }

    fn measure(&self) -> Measure {
        match self {
            Self::Number {
                scale, unscaled, ..
            } => Measure::Value(Value::Number(unscaled.with(*scale))),
            Self::Float(_, float) => Measure::Value(Value::Float(*float)),
            Self::Average { scale, sum, count } => Measure::Average {
                sum: sum.with(*scale),
                count: *count,
            },
            Self::Empty(_) => Measure::Value(Value::Null),
            Self::Other(_, measure) => (**measure).clone(),
        }
    }

    #[inline]
    fn add(&mut self, value: &Value, order: &ReadingOrder<'_>) {
        match value {
            Value::Null => {}
            Value::Number(number) => self.add_number(*number, order),
            _ => self.add_other(value, order),
        }
    }

    #[inline]
    fn add_number(&mut self, number: Decimal, order: &ReadingOrder<'_>) {
        match self {
            Self::Number {
                kind,
                scale,
                unscaled,
            } => {
                let held = unscaled.with(*scale);
                let held = match kind {
                    MeasureKind::Sum => held.plus(number),
                    MeasureKind::Min => held.min(number),
                    _ => held.max(number),
                };
                (*scale, unscaled.0) = (held.scale, held.unscaled);
            }
            Self::Average { scale, sum, count } => {
                sum.0 = sum.with(*scale).plus(number).unscaled;
                *count = count.saturating_add(1);
            }
            _ => self.add_other(&Value::Number(number), order),
        }
    }

    /// Adds the first value, or one of a rarer type.
    #[inline(never)]
    fn add_other(&mut self, value: &Value, order: &ReadingOrder<'_>) {
        let (kind, mut measure) = (self.kind(), self.measure());
        match (kind, &mut measure, value) {
            (MeasureKind::First | MeasureKind::Last, measure, value)
                if takes_place(kind, measure, order) =>
            {
                *measure = Measure::Ordered {
                    value: value.clone(),
                    order: Box::new(order.clone().into_owned()),
                };
            }
            (_, Measure::Value(held @ Value::Null), value) => held.clone_from(value),
            (MeasureKind::Min, Measure::Value(lowest), value) if value < lowest => {
                lowest.clone_from(value);
            }
            (MeasureKind::Max, Measure::Value(highest), value) if value > highest => {
                highest.clone_from(value);
            }
            _ => return,
        }
        *self = Self::from_measure(kind, measure);
    }

    /// An upper bound for the encoded size in bytes, before compression.
    fn cost(&self) -> usize {
        let cost_of = |value: &Value| match value {
            Value::Text(text) => text.len() + 4,
            _ => 24,
        };
        match self {
            Self::Number { .. } | Self::Float(..) | Self::Empty(_) => 24,
            Self::Average { .. } => 32,
            Self::Other(_, measure) => match &**measure {
                Measure::Value(value) => cost_of(value),
                Measure::Average { .. } => 32,
                Measure::Ordered { value, order } => {
                    cost_of(value) + order.sequence_number.len() + 24
                }
            },
        }
    }
}

impl Unscaled {
    fn with(self, scale: u8) -> Decimal {
        Decimal {
            unscaled: self.0,
            scale,
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
        let OpenMeasures(accumulators) = self.open(types);
        for (accumulator, value) in accumulators.iter_mut().zip(values) {
            accumulator.add(value, order);
        }
    }

    /// The accumulators of all measures, to which values can be added one by one.
    #[inline]
    pub fn open(&mut self, types: impl Iterator<Item = MeasureType>) -> OpenMeasures<'_> {
        if self.0.is_empty() {
            self.0.extend(types.map(MeasureAccumulator::new));
        }
        OpenMeasures(&mut self.0)
    }

    /// The measures.
    pub fn measures(&self) -> Vec<Measure> {
        self.0.iter().map(MeasureAccumulator::measure).collect()
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
            let (kind, mut measure) = (accumulator.kind(), accumulator.measure());
            measure.merge(kind, MergeScope::SameShard, &other.measure());
            *accumulator = MeasureAccumulator::from_measure(kind, measure);
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
    use crate::value::{ColumnType, NumberType};

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
