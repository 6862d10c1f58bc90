//! Sensors made of a list of fields.

mod columns;

use std::borrow::Cow;
use std::sync::Arc;

use super::{Aggregation, Field, FieldRole, Fields, MeasureAccumulators, Sensor, identity_of};
use crate::decimal::Decimal;
use crate::json::{self, FieldLayout, FieldNames, FieldToken, TokenBuffer};
use crate::rejection::Rejection;
use crate::row::{Measure, ReadingOrder};
use crate::schema::{KeyColumn, Schema};
use crate::time::Timestamp;
use crate::value::{FieldValue, Value};

pub use columns::SensorError;
use columns::{measure_column, narrowed, time_field};

/// A sensor made of a list of fields. It reads any JSON object that has them; the order of fields,
/// spacing, unknown fields and escapes do not matter.
///
/// ```
/// use windrow_core::sensor::{DeclaredSensor, Field, Aggregation, Sensor};
/// use windrow_core::value::{ColumnType, NumberType};
///
/// let celsius = ColumnType::Number(NumberType::decimal(2));
/// let sensor = DeclaredSensor::new(vec![
///     Field::new("room", ColumnType::Text).key(),
///     Field::new("celsius", celsius)
///         .measure("highest", Aggregation::Max)
///         .measure("average", Aggregation::Average { places: 1 }),
/// ])?;
/// assert_eq!(sensor.schema().measures().len(), 2);
/// let rejected = sensor.parse(br#"{"room":"attic","celsius":21.505}"#).unwrap_err();
/// assert_eq!(
///     rejected.to_string(),
///     "celsius is `21.505`, with more than 2 digits after the point"
/// );
/// # Ok::<(), windrow_core::sensor::SensorError>(())
/// ```
#[derive(Clone)]
pub struct DeclaredSensor {
    schema: Arc<Schema>,
    fields: Vec<Field>,
    /// The names of the fields.
    names: FieldNames,
    key: Vec<usize>,
    time: Option<usize>,
    identity: ReadingIdentity,
    measures: Vec<Input>,
    check: Option<ReadingCheck>,
    filter: Option<Arc<ReadingFilter>>,
}

/// Whether a reading counts, by the type that declares the sensor.
type ReadingCheck = fn(&DeclaredReading<'_>) -> Result<bool, Rejection>;

/// Whether a reading counts.
type ReadingFilter = dyn Fn(&DeclaredReading<'_>) -> bool + Send + Sync;

/// What tells the readings of a key apart.
#[derive(Clone, Debug)]
enum ReadingIdentity {
    Nothing,
    Time,
    Fields(Vec<usize>),
}

/// What a measure aggregates.
#[derive(Clone, Copy, Debug)]
struct Input {
    field: usize,
    /// Ones are aggregated instead of values.
    is_count: bool,
}

/// A reading of a declared sensor: the values of its fields, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredReading<'a> {
    /// The values.
    pub values: Vec<FieldValue<'a>>,
}

/// The column with the window's start if readings have no time.
const WINDOW_START: &str = "WindowStart";

/// The longest text of a field, in bytes. DynamoDB's keys have up to 2 KB, and the limits of the
/// window state and of a row follow from it.
const LONGEST_TEXT: usize = 2_048;

impl DeclaredSensor {
    /// A sensor whose readings have these fields.
    ///
    /// The rows' time column is called as the time of the readings, or `WindowStart` if they have
    /// none. Readings of a key are duplicates if they are equal in the fields marked for the
    /// identity, and none is a duplicate if all of these are null. If no field is marked, the time is
    /// the identity; if there is no time either, none is a duplicate.
    ///
    /// A number that is summed or averaged has at most 28 digits, and one less for each digit that the
    /// average has more than its values. So no sum has more than the 38 that a table can hold.
    ///
    /// # Errors
    ///
    /// [`SensorError`] if two fields or columns have the same name, if a field cannot be aggregated
    /// as asked for, or if there is not one time at most.
    pub fn new(fields: Vec<Field>) -> Result<Self, SensorError> {
        let fields: Vec<Field> = fields.into_iter().map(narrowed).collect::<Result<_, _>>()?;
        for (index, field) in fields.iter().enumerate() {
            if fields[..index].iter().any(|other| other.name == field.name) {
                return Err(SensorError::SameName(field.name.clone()));
            }
        }
        let marked = |role: FieldRole| -> Vec<usize> {
            let marked = fields.iter().enumerate();
            let marked = marked.filter(|(_, field)| field.roles.contains(&role));
            marked.map(|(index, _)| index).collect()
        };
        let key = marked(FieldRole::Key);
        let time = time_field(&fields, &marked(FieldRole::Time))?;
        let identity = match (marked(FieldRole::Identity), time) {
            (marked, _) if !marked.is_empty() => ReadingIdentity::Fields(marked),
            (_, Some(_)) => ReadingIdentity::Time,
            (_, None) => ReadingIdentity::Nothing,
        };
        let key_columns = key.iter().map(|&index| KeyColumn {
            name: fields[index].name.clone(),
            column_type: fields[index].column_type,
            is_nullable: fields[index].is_nullable,
        });
        let mut columns = Vec::new();
        let mut measures = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            for role in &field.roles {
                if let FieldRole::Measure { name, function } = role {
                    columns.push(measure_column(field, name, *function)?);
                    measures.push(Input {
                        field: index,
                        is_count: *function == Aggregation::Count,
                    });
                }
            }
        }
        let time_column = time.map_or(WINDOW_START, |index| fields[index].name.as_str());
        let schema = Schema::new(key_columns.collect(), time_column, columns)?;
        Ok(Self {
            schema: Arc::new(schema),
            names: FieldNames::new(fields.iter().map(|field| field.name.as_str())),
            fields,
            key,
            time,
            identity,
            measures,
            check: None,
            filter: None,
        })
    }

    /// The sensor whose readings are declared by a type.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of<F: Fields>() -> Result<Self, SensorError> {
        let sensor = Self::new(F::fields())?;
        let check = (F::IS_CHECKED || F::FILTER.is_some()).then_some(check::<F> as ReadingCheck);
        Ok(Self { check, ..sensor })
    }

    /// Leaves out the readings for which `filter` is false, and those that the filter of the type
    /// leaves out that declares the sensor.
    pub fn with_filter(
        self,
        filter: impl Fn(&DeclaredReading<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let filter: Arc<ReadingFilter> = Arc::new(filter);
        Self {
            filter: Some(filter),
            ..self
        }
    }

    /// Makes every reading count: none is a duplicate.
    pub fn without_identity(self) -> Self {
        Self {
            identity: ReadingIdentity::Nothing,
            ..self
        }
    }

    /// The fields of the readings.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The reading with these values, one per field; `None` if the filter leaves it out.
    #[inline]
    fn reading<'a>(
        &self,
        tokens: &[FieldToken<'a>],
    ) -> Result<Option<DeclaredReading<'a>>, Rejection> {
        let mut values = Vec::with_capacity(self.fields.len());
        for (field, token) in self.fields.iter().zip(tokens) {
            match usual_value(field, token) {
                Some(value) => values.push(value),
                None => values.push(any_value(field, token.raw())?),
            }
        }
        let reading = DeclaredReading { values };
        if let Some(check) = self.check
            && !check(&reading)?
        {
            return Ok(None);
        }
        let is_kept = self.filter.as_ref().is_none_or(|keeps| keeps(&reading));
        Ok(is_kept.then_some(reading))
    }
}

impl std::fmt::Debug for DeclaredSensor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("DeclaredSensor");
        debug.field("fields", &self.fields).finish_non_exhaustive()
    }
}

/// Whether the type `F` counts a reading.
fn check<F: Fields>(reading: &DeclaredReading<'_>) -> Result<bool, Rejection> {
    let reading = F::from_values(&reading.values)?;
    Ok(F::FILTER.is_none_or(|filter| filter(&reading)))
}

/// The value of a field; `None` if it is invalid or has an unusual form.
#[inline(always)]
fn usual_value<'a>(field: &Field, token: &FieldToken<'a>) -> Option<FieldValue<'a>> {
    let value = FieldValue::from_usual(field.column_type, token)?;
    let is_valid = match &value {
        FieldValue::Null => field.is_nullable,
        FieldValue::Text(text) => (1..=LONGEST_TEXT).contains(&text.len()),
        _ => true,
    };
    is_valid.then_some(value)
}

/// Parses a value of any form.
#[inline(never)]
fn any_value<'a>(field: &Field, raw: json::RawField<'a>) -> Result<FieldValue<'a>, Rejection> {
    let value = FieldValue::parse(field.column_type, &field.name, raw)?;
    match &value {
        FieldValue::Null if !field.is_nullable => Err(Rejection::Missing {
            field: field.name.clone(),
        }),
        FieldValue::Text(text) if text.is_empty() => Err(Rejection::field(&field.name, "is empty")),
        FieldValue::Text(text) if text.len() > LONGEST_TEXT => {
            let problem = format!("has {} bytes, more than {LONGEST_TEXT}", text.len());
            Err(Rejection::field(&field.name, problem))
        }
        _ => Ok(value),
    }
}

impl Sensor for DeclaredSensor {
    type Reading<'a> = DeclaredReading<'a>;
    type Values = Vec<Value>;
    type Accumulator = MeasureAccumulators;

    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn parse<'a>(&self, json: &'a [u8]) -> Result<Option<DeclaredReading<'a>>, Rejection> {
        let mut tokens = TokenBuffer::new(&self.names);
        let mut layout = FieldLayout::default();
        json::fields(&self.names, &mut layout, json, tokens.tokens())?;
        self.reading(tokens.tokens())
    }

    fn first_line<'a>(
        &self,
        layout: &mut FieldLayout,
        text: &'a [u8],
        reading: &mut Option<DeclaredReading<'a>>,
    ) -> Option<&'a [u8]> {
        let mut tokens = TokenBuffer::new(&self.names);
        let object = json::project(&self.names, layout, text, tokens.tokens())?;
        *reading = self.reading(tokens.tokens()).ok()?;
        object.line_end()
    }

    fn key<'r>(&self, reading: &'r DeclaredReading<'_>) -> Cow<'r, str> {
        let value = |index: &usize| reading.values.get(*index);
        if let [only] = self.key.as_slice()
            && let Some(value) = value(only)
        {
            return self.schema.key_text(std::slice::from_ref(value));
        }
        let values = self.key.iter().filter_map(value).cloned();
        Cow::Owned(crate::schema::key_array(values))
    }

    fn has_time(&self) -> bool {
        self.time.is_some()
    }

    fn time(&self, reading: &DeclaredReading<'_>) -> Option<Timestamp> {
        match reading.values.get(self.time?)? {
            FieldValue::Timestamp(time) => Some(*time),
            _ => None,
        }
    }

    fn identity(&self, reading: &DeclaredReading<'_>) -> Option<i128> {
        match &self.identity {
            ReadingIdentity::Nothing => None,
            ReadingIdentity::Time => self.time(reading).map(Timestamp::nanos),
            ReadingIdentity::Fields(fields) => {
                let values = || fields.iter().filter_map(|index| reading.values.get(*index));
                let is_known = values().any(|value| !value.is_null());
                is_known.then(|| identity_of(values().cloned()))
            }
        }
    }

    fn values(&self, reading: &DeclaredReading<'_>) -> Vec<Value> {
        let input = |Input { field, is_count }: &Input| {
            let value = reading.values.get(*field).unwrap_or(&FieldValue::Null);
            if !is_count {
                return value.to_value();
            }
            Value::Number(Decimal {
                unscaled: i128::from(!value.is_null()),
                scale: 0,
            })
        };
        self.measures.iter().map(input).collect()
    }

    fn inputs(&self, values: &Vec<Value>) -> Vec<Value> {
        values.clone()
    }

    fn add(
        &self,
        accumulator: &mut MeasureAccumulators,
        values: &Vec<Value>,
        order: &ReadingOrder<'_>,
    ) {
        let types = self
            .schema
            .measures()
            .iter()
            .map(|column| column.measure_type);
        accumulator.add(types, values.iter(), order);
    }

    fn measures(&self, accumulator: &MeasureAccumulators) -> Vec<Measure> {
        accumulator.measures()
    }
}

#[cfg(test)]
mod tests;
