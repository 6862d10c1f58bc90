//! The totals of a window, as this program computes them.
//!
//! The code is independent of the pipeline's accumulators and of its merge: it needs no more of a
//! sensor than the value that each measure aggregates.

use std::cmp::Ordering;

use windrow_core::decimal::Decimal;
use windrow_core::row::Measure;
use windrow_core::schema::{MeasureColumn, MeasureType, Schema};
use windrow_core::time::Timestamp;
use windrow_core::value::Value;

use crate::position::LogPosition;

/// The totals of one key's readings in a window, or in a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditTotals {
    /// How many readings there are.
    pub readings: u64,
    /// One per measure of the schema; none if there are no readings.
    pub measures: Vec<AuditMeasure>,
}

/// A measure of some readings, of which those without a value do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditMeasure {
    /// No reading has a value.
    Nothing,
    /// The sum of the numbers, each without its point.
    Sum(i128),
    /// The sum likewise, and how many numbers there are.
    Average {
        /// The sum.
        sum: i128,
        /// The number of numbers.
        count: u64,
    },
    /// The lowest value.
    Lowest(Value),
    /// The highest value.
    Highest(Value),
    /// The value of the first reading.
    First(Box<PlacedValue>),
    /// The value of the last reading.
    Last(Box<PlacedValue>),
}

/// A value, and the place of its reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedValue {
    /// The value.
    pub value: Value,
    /// The place.
    pub place: ReadingPlace,
}

/// Where a reading is in its shard's log, and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingPlace {
    /// The position of its record.
    pub position: LogPosition,
    /// Its index in the record.
    pub index: u32,
    /// When the sensor took it, or when the record arrived if readings have no time.
    pub time: Timestamp,
}

/// What tells the earlier of two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceOrder {
    /// The log: they are of one shard.
    Log,
    /// Their times: they may be of several shards.
    Time,
}

impl AuditTotals {
    /// The totals of one reading, from the value that each measure of the schema aggregates.
    pub fn of(schema: &Schema, inputs: Vec<Value>, place: ReadingPlace) -> Self {
        let columns = schema.measures().iter().zip(inputs);
        let measures =
            columns.map(|(column, input)| AuditMeasure::of(column.measure_type, input, place));
        Self {
            readings: 1,
            measures: measures.collect(),
        }
    }

    /// Adds the totals of other readings.
    pub fn add(&mut self, other: &Self, order: PlaceOrder) {
        self.readings = self.readings.saturating_add(other.readings);
        if self.measures.is_empty() {
            self.measures.clone_from(&other.measures);
            return;
        }
        for (measure, other) in self.measures.iter_mut().zip(&other.measures) {
            measure.add(other, order);
        }
    }

    /// The values that readers see, one per measure of the schema; none if there are no readings.
    pub fn values(&self, schema: &Schema) -> Vec<Value> {
        let columns = schema.measures().iter().zip(&self.measures);
        columns
            .map(|(column, measure)| measure.value(column.measure_type))
            .collect()
    }
}

impl AuditMeasure {
    fn of(measure_type: MeasureType, input: Value, place: ReadingPlace) -> Self {
        let placed = |value| Box::new(PlacedValue { value, place });
        match (measure_type, input) {
            (MeasureType::Average { .. }, Value::Number(number)) => Self::Average {
                sum: number.unscaled,
                count: 1,
            },
            (_, Value::Null) => Self::Nothing,
            (MeasureType::Sum(_), Value::Number(number)) => Self::Sum(number.unscaled),
            // No sensor has other sums and averages.
            (MeasureType::Sum(_) | MeasureType::Average { .. }, _) => Self::Nothing,
            (MeasureType::Min(_), value) => Self::Lowest(value),
            (MeasureType::Max(_), value) => Self::Highest(value),
            (MeasureType::First(_), value) => Self::First(placed(value)),
            (MeasureType::Last(_), value) => Self::Last(placed(value)),
        }
    }

    /// The measure of a row; `None` if it is not one of this type.
    pub fn of_row(measure_type: MeasureType, measure: &Measure) -> Option<Self> {
        Some(match (measure_type, measure) {
            (MeasureType::Average { .. }, Measure::Average { count: 0, .. })
            | (_, Measure::Value(Value::Null)) => Self::Nothing,
            (MeasureType::Average { of, .. }, Measure::Average { sum, count }) => {
                let count = *count;
                (sum.scale == of.scale).then_some(Self::Average {
                    sum: sum.unscaled,
                    count,
                })?
            }
            (MeasureType::Sum(of), Measure::Value(Value::Number(sum))) => {
                (sum.scale == of.scale).then_some(Self::Sum(sum.unscaled))?
            }
            (MeasureType::Min(_), Measure::Value(value)) => Self::Lowest(value.clone()),
            (MeasureType::Max(_), Measure::Value(value)) => Self::Highest(value.clone()),
            (MeasureType::First(_) | MeasureType::Last(_), Measure::Ordered { value, order }) => {
                let place = ReadingPlace {
                    position: LogPosition::parse(&order.sequence_number)?,
                    index: order.index,
                    time: order.time,
                };
                let value = value.clone();
                let placed = Box::new(PlacedValue { value, place });
                match measure_type {
                    MeasureType::First(_) => Self::First(placed),
                    _ => Self::Last(placed),
                }
            }
            _ => return None,
        })
    }

    /// Adds the measure of other readings.
    fn add(&mut self, other: &Self, order: PlaceOrder) {
        if *self == Self::Nothing {
            self.clone_from(other);
            return;
        }
        match (self, other) {
            // No log is long enough for a sum to exceed 128 bits, but a row can claim any.
            (Self::Sum(sum), Self::Sum(other)) => *sum = sum.wrapping_add(*other),
            (
                Self::Average { sum, count },
                Self::Average {
                    sum: other,
                    count: more,
                },
            ) => {
                *sum = sum.wrapping_add(*other);
                *count = count.saturating_add(*more);
            }
            (Self::Lowest(value), Self::Lowest(other)) if other < value => value.clone_from(other),
            (Self::Highest(value), Self::Highest(other)) if other > value => {
                value.clone_from(other);
            }
            (Self::First(held), Self::First(other)) if other.compare(held, order).is_lt() => {
                held.clone_from(other);
            }
            (Self::Last(held), Self::Last(other)) if other.compare(held, order).is_gt() => {
                held.clone_from(other);
            }
            _ => {}
        }
    }

    /// The value that readers see; [`Value::Null`] if there is none.
    pub fn value(&self, measure_type: MeasureType) -> Value {
        let number = |unscaled, scale| Value::Number(Decimal { unscaled, scale });
        match (self, measure_type) {
            (Self::Sum(sum), MeasureType::Sum(of)) => number(*sum, of.scale),
            (Self::Average { sum, count }, MeasureType::Average { of, places }) => {
                let average = average(*sum, of.scale, *count, places);
                average.map_or(Value::Null, |average| number(average, places))
            }
            (Self::Lowest(value) | Self::Highest(value), _) => value.clone(),
            (Self::First(placed) | Self::Last(placed), _) => placed.value.clone(),
            _ => Value::Null,
        }
    }

    /// Whether readers see the same. Averages must be of the same numbers.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::First(placed), Self::First(other)) | (Self::Last(placed), Self::Last(other)) => {
                placed.value == other.value
            }
            _ => self == other,
        }
    }

    /// The sum of the numbers, without its point; 0 if the measure is none of numbers.
    pub fn sum(&self) -> i128 {
        match self {
            Self::Sum(sum) | Self::Average { sum, .. } => *sum,
            _ => 0,
        }
    }

    /// The value as text, with the sum and the count of an average.
    pub fn describe(&self, column: &MeasureColumn) -> String {
        let value = match self.value(column.measure_type) {
            Value::Null => "nothing".to_owned(),
            // Quoted, so that a text is not taken for anything else.
            Value::Text(text) => format!("{text:?}"),
            value => value.to_string(),
        };
        match (self, column.measure_type) {
            (Self::Average { sum, count }, MeasureType::Average { of, .. }) => {
                let (unscaled, scale) = (*sum, of.scale);
                let sum = Decimal { unscaled, scale };
                format!("{value} ({sum} / {count})")
            }
            _ => value,
        }
    }
}

impl PlacedValue {
    fn compare(&self, other: &Self, order: PlaceOrder) -> Ordering {
        let log = |place: &ReadingPlace| (place.position, place.index);
        let by_log = log(&self.place).cmp(&log(&other.place));
        let by_time = self.place.time.cmp(&other.place.time);
        let compared = match order {
            PlaceOrder::Log => by_log.then(by_time),
            PlaceOrder::Time => by_time.then(by_log),
        };
        // Readings of several shards may have one place; then the value decides.
        compared.then_with(|| self.value.cmp(&other.value))
    }
}

/// A sum with `scale` digits after the point, divided by a count: the average with `places` digits
/// after the point, rounded half away from zero. `None` if the count is 0 or the average exceeds
/// 128 bits.
///
/// It is a long division, digit by digit.
pub fn average(sum: i128, scale: u8, count: u64, places: u8) -> Option<i128> {
    let mut divisor = u128::from(count);
    for _ in places..scale {
        divisor = divisor.checked_mul(10)?;
    }
    let mut quotient = sum.unsigned_abs().checked_div(divisor)?;
    let mut rest = sum.unsigned_abs() % divisor;
    for _ in scale..places {
        // The rest is less than a count, which has 64 bits.
        rest *= 10;
        quotient = quotient.checked_mul(10)?.checked_add(rest / divisor)?;
        rest %= divisor;
    }
    if rest >= divisor - rest {
        quotient = quotient.checked_add(1)?;
    }
    if sum < 0 {
        return 0_i128.checked_sub_unsigned(quotient);
    }
    i128::try_from(quotient).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use windrow_core::value::{ColumnType, NumberType};

    use super::*;

    #[test]
    fn averages_are_rounded_half_away_from_zero() {
        for (sum, scale, count, places, expected) in [
            (10, 0, 4, 1, 25),
            (10, 0, 4, 0, 3),
            (-10, 0, 4, 0, -3),
            (9, 0, 4, 0, 2),
            (1, 0, 3, 4, 3_333),
            (-2, 0, 3, 4, -6_667),
            (12_345, 2, 1, 1, 1_235),
            (25, 2, 5, 1, 1),
            (24, 2, 5, 1, 0),
            (i128::MAX, 0, 1, 0, i128::MAX),
            (i128::MIN, 0, 1, 0, i128::MIN),
            (i128::MIN, 18, u64::MAX, 0, -9),
        ] {
            assert_eq!(
                average(sum, scale, count, places),
                Some(expected),
                "{sum} / {count}"
            );
        }
        assert_eq!(average(1, 0, 0, 0), None);
        assert_eq!(average(1, 2, 0, 0), None);
        assert_eq!(average(i128::MAX, 0, 1, 1), None);
    }

    proptest! {
        /// Both divide; neither knows how the other does.
        #[test]
        fn averages_are_those_of_the_pipeline(
            sum in any::<i128>(), shift in 0..128_u32, scale in 0..=18_u8, count in any::<u64>(),
            fewer in 0..64_u32, places in 0..=18_u8,
        ) {
            let (sum, count) = (sum >> shift, count >> fewer);
            let decimal = Decimal { unscaled: sum, scale };
            let expected = decimal.divided_by(count, places).map(|average| average.unscaled);
            prop_assert_eq!(average(sum, scale, count, places), expected);
        }
    }

    fn place(position: u32, index: u32, millis: i64) -> ReadingPlace {
        ReadingPlace {
            position: LogPosition::parse(&position.to_string()).unwrap(),
            index,
            time: Timestamp::from_millis(millis),
        }
    }

    fn schema() -> Schema {
        let (number, text) = (NumberType::decimal(1), ColumnType::Text);
        let columns = vec![
            MeasureColumn::sum("Sum", number),
            MeasureColumn::average("Average", number, 2),
            MeasureColumn::min("Lowest", text).nullable(),
            MeasureColumn::max("Highest", text).nullable(),
            MeasureColumn::first("First", text).nullable(),
            MeasureColumn::last("Last", text).nullable(),
        ];
        Schema::new(Vec::new(), "Minute", columns).unwrap()
    }

    fn totals(unscaled: i128, text: &str, place: ReadingPlace) -> AuditTotals {
        let number = Value::Number(Decimal { unscaled, scale: 1 });
        let text = match text {
            "" => Value::Null,
            text => Value::Text(text.to_owned()),
        };
        let inputs = [
            [number.clone(), number],
            [text.clone(), text.clone()],
            [text.clone(), text],
        ];
        AuditTotals::of(&schema(), inputs.concat(), place)
    }

    fn described(totals: &AuditTotals) -> Vec<String> {
        let schema = schema();
        let columns = schema.measures().iter().zip(&totals.measures);
        columns
            .map(|(column, measure)| measure.describe(column))
            .collect()
    }

    #[test]
    fn every_measure_is_computed() {
        let mut all = totals(15, "m", place(2, 1, 300));
        for (number, text, place) in [
            (-5, "a", place(2, 0, 500)),
            (10, "z", place(10, 0, 100)),
            (1, "", place(1, 0, 0)),
        ] {
            all.add(&totals(number, text, place), PlaceOrder::Log);
        }
        let expected = ["2.1", "0.53 (2.1 / 4)", "\"a\"", "\"z\"", "\"a\"", "\"z\""];
        assert_eq!(described(&all), expected);
        assert_eq!(all.readings, 4);
    }

    #[test]
    fn times_order_the_readings_of_several_shards() {
        let of_shards = [
            totals(0, "later", place(1, 0, 200)),
            totals(0, "earlier", place(9, 0, 100)),
            totals(0, "also later", place(1, 0, 200)),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut all = AuditTotals::default();
            for index in order {
                all.add(&of_shards[index], PlaceOrder::Time);
            }
            assert_eq!(described(&all)[4..], ["\"earlier\"", "\"later\""]);
        }
    }
}
