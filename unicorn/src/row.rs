//! The columns of the fleet's rows.

use std::sync::{Arc, LazyLock};

use windrow_core::decimal::Decimal;
use windrow_core::rejection::Rejection;
use windrow_core::row::{self, Measure, Row};
use windrow_core::schema::{KeyColumn, MeasureColumn, Schema};
use windrow_core::value::{ColumnType, NumberType, Value};

use crate::distance::Distance;
use crate::totals::{Measures, Totals};

/// Metres, exact to the micrometre.
const DISTANCE: NumberType = NumberType {
    scale: 6,
    ..NumberType::between(0, i128::MAX)
};

/// Magic and health.
const POINTS: ColumnType = ColumnType::Number(NumberType::I32);

#[expect(
    clippy::expect_used,
    reason = "the columns are constant, and every test needs them"
)]
static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let schema = Schema::new(
        vec![KeyColumn::new("Name", ColumnType::Text)],
        "StatusTime",
        vec![
            MeasureColumn::sum("Distance", DISTANCE),
            MeasureColumn::min("MinMagicPoints", POINTS),
            MeasureColumn::max("MaxMagicPoints", POINTS),
            MeasureColumn::min("MinHealthPoints", POINTS),
            MeasureColumn::max("MaxHealthPoints", POINTS),
        ],
    );
    Arc::new(schema.expect("the columns have different names"))
});

/// The columns of the fleet's rows: the unicorn's name, the window's start, and its measures.
pub fn schema() -> &'static Arc<Schema> {
    &SCHEMA
}

/// Parses one row.
///
/// # Errors
///
/// [`Rejection`], which names the first invalid field.
pub fn parse(line: &[u8]) -> Result<Row, Rejection> {
    Row::parse(schema(), line)
}

/// Parses the rows in a record, one per line. Returns each with the line it was parsed from. Blank
/// lines are skipped.
pub fn rows(record: &[u8]) -> impl Iterator<Item = (&[u8], Result<Row, Rejection>)> {
    row::rows(schema(), record)
}

/// The unicorn's name in a row's key.
pub fn name(key: &[Value]) -> Option<&str> {
    match key {
        [Value::Text(name)] => Some(name),
        _ => None,
    }
}

/// The name of the metric that counts the rows for which [`has_low_vitals`] is true.
pub const LOW_VITALS_METRIC: &str = "LowVitals";

/// Whether the unicorn's magic or health was low in the row's window.
pub fn has_low_vitals(row: &Row) -> bool {
    Measures::of_row(row).is_some_and(|measures| measures.vitals_are_low())
}

impl Measures {
    /// The measures of a row; `None` if it has only duplicates.
    pub fn of_row(row: &Row) -> Option<Self> {
        let mut values = row.measures.iter().map(|measure| match measure {
            Measure::Value(value) => value,
            Measure::Average { .. } | Measure::Ordered { .. } => &Value::Null,
        });
        Self::from_values(&mut values)
    }

    /// The measures in the columns of the schema.
    pub(crate) fn from_values<'a>(values: &mut impl Iterator<Item = &'a Value>) -> Option<Self> {
        let mut next = || match values.next() {
            Some(Value::Number(number)) => Some(number.unscaled),
            _ => None,
        };
        let distance = Distance::from_micrometres(next()?);
        let mut points = || i32::try_from(next()?).ok();
        Some(Self {
            distance,
            min_magic_points: points()?,
            max_magic_points: points()?,
            min_health_points: points()?,
            max_health_points: points()?,
        })
    }

    /// The measures as those of a row.
    pub fn to_row(self) -> Vec<Measure> {
        let points = |points: i32| Decimal {
            unscaled: points.into(),
            scale: 0,
        };
        let numbers = [
            self.distance.into(),
            points(self.min_magic_points),
            points(self.max_magic_points),
            points(self.min_health_points),
            points(self.max_health_points),
        ];
        numbers
            .map(|number| Measure::Value(Value::Number(number)))
            .to_vec()
    }
}

impl Totals {
    /// The totals as the measures of a row; empty if there are no readings.
    pub fn to_row(&self) -> Vec<Measure> {
        self.measures().map(Measures::to_row).unwrap_or_default()
    }
}
