//! Which columns the rows of a declared sensor have, and which fields cannot make any.

use thiserror::Error;

use crate::schema::{MeasureColumn, SchemaError};
use crate::sensor::field::{Aggregation, Field, FieldRole};
use crate::value::{ColumnType, NumberType};

/// Why fields are not a sensor.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SensorError {
    /// The columns are not a schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Two fields have the same name.
    #[error("two fields are called {0}")]
    SameName(String),
    /// There are two times.
    #[error("{0} and {1} are both marked as the time of the reading")]
    TwoTimes(String, String),
    /// The time of the reading is not always there, or not a timestamp.
    #[error("{0} cannot be the time of the reading: it is not a timestamp that is always there")]
    Time(String),
    /// An average has too many digits.
    #[error(
        "the average of {0} can have at most {MOST_FURTHER_PLACES} digits more than its values"
    )]
    Places(String),
    /// A field has a type that cannot be aggregated like this.
    #[error(
        "{field} cannot be {function}: only integers and decimals can, since sums of floats depend on their order"
    )]
    NotExact {
        /// The field.
        field: String,
        /// What cannot be done with it.
        function: &'static str,
    },
}

/// The field among the marked ones that is the time of the readings.
pub(super) fn time_field(fields: &[Field], marked: &[usize]) -> Result<Option<usize>, SensorError> {
    match *marked {
        [] => Ok(None),
        [time] => {
            let Field {
                name,
                column_type,
                is_nullable,
                ..
            } = &fields[time];
            if *column_type != ColumnType::Timestamp || *is_nullable {
                return Err(SensorError::Time(name.clone()));
            }
            Ok(Some(time))
        }
        [one, other, ..] => {
            let name = |index: usize| fields[index].name.clone();
            Err(SensorError::TwoTimes(name(one), name(other)))
        }
    }
}

/// The column of a measure of a field.
pub(super) fn measure_column(
    field: &Field,
    name: &str,
    function: Aggregation,
) -> Result<MeasureColumn, SensorError> {
    let of = field.column_type;
    let exact = |function| match of {
        ColumnType::Number(number) => Ok(number),
        _ => Err(SensorError::NotExact {
            field: field.name.clone(),
            function,
        }),
    };
    let column = match function {
        // The bounds of the values are no bounds of their sum.
        Aggregation::Sum => MeasureColumn::sum(name, NumberType::any(exact("summed")?.scale)),
        Aggregation::Count => return Ok(MeasureColumn::sum(name, NumberType::U64)),
        Aggregation::Average { places } => MeasureColumn::average(name, exact("averaged")?, places),
        Aggregation::Min => MeasureColumn::min(name, of),
        Aggregation::Max => MeasureColumn::max(name, of),
        Aggregation::First => MeasureColumn::first(name, of),
        Aggregation::Last => MeasureColumn::last(name, of),
    };
    Ok(if field.is_nullable {
        column.nullable()
    } else {
        column
    })
}

/// The digits of a number that is summed or averaged, at most. Even of as many values as a window can
/// have, the sum fits the 38 digits of DynamoDB's numbers.
const MOST_SUMMED_DIGITS: u8 = 28;

/// How many digits more than its values an average may have, at most.
const MOST_FURTHER_PLACES: u8 = 10;

/// Narrows the type of a field that is summed or averaged, so that no result is too long for a table.
pub(super) fn narrowed(mut field: Field) -> Result<Field, SensorError> {
    let ColumnType::Number(number) = &mut field.column_type else {
        return Ok(field);
    };
    let mut further = None;
    for role in &field.roles {
        let FieldRole::Measure { function, .. } = role else {
            continue;
        };
        let places = match function {
            Aggregation::Sum => 0,
            Aggregation::Average { places } => places.saturating_sub(number.scale),
            _ => continue,
        };
        further = further.max(Some(places));
    }
    let Some(further) = further else {
        return Ok(field);
    };
    if further > MOST_FURTHER_PLACES {
        return Err(SensorError::Places(field.name));
    }
    let highest = 10_i128.pow((MOST_SUMMED_DIGITS - further).into()) - 1;
    number.highest = number.highest.min(highest);
    number.lowest = number.lowest.max(-highest);
    Ok(field)
}
