//! Sensors made of a list of fields.

mod columns;
mod inputs;

use std::borrow::Cow;
use std::sync::Arc;

use super::{Aggregation, Field, FieldRole, Fields, MeasureAccumulators, Sensor, identity_of};
use crate::json::{
    self, FieldLayout, FieldNames, FieldVisitor, Projected, TokenBuffer, ValueEnd, ValueStart,
};
use crate::rejection::Rejection;
use crate::row::{Measure, ReadingOrder};
use crate::schema::{self, KeyColumn, Schema};
use crate::time::Timestamp;
use crate::value::{FieldValue, Value};

pub use columns::SensorError;
use columns::{measure_column, narrowed, time_field};
pub use inputs::DeclaredInputs;
use inputs::InputPlan;

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
    inputs: InputPlan,
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
                    measures.push((index, *function == Aggregation::Count));
                }
            }
        }
        let time_column = time.map_or(WINDOW_START, |index| fields[index].name.as_str());
        let schema = Schema::new(key_columns.collect(), time_column, columns)?;
        Ok(Self {
            schema: Arc::new(schema),
            names: FieldNames::new(fields.iter().map(|field| field.name.as_str())),
            inputs: InputPlan::new(&fields, measures),
            fields,
            key,
            time,
            identity,
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
        values: Vec<FieldValue<'a>>,
    ) -> Result<Option<DeclaredReading<'a>>, Rejection> {
        let reading = DeclaredReading { values };
        if let Some(check) = self.check
            && !check(&reading)?
        {
            return Ok(None);
        }
        let is_kept = self.filter.as_ref().is_none_or(|keeps| keeps(&reading));
        Ok(is_kept.then_some(reading))
    }

    /// Parses the values of the object at the start of a text; `None` if it is none, or if one of
    /// them is invalid.
    #[inline(always)]
    fn visit<'a>(
        &self,
        layout: &mut FieldLayout,
        text: &'a [u8],
    ) -> Option<(Vec<FieldValue<'a>>, Projected<'a>)> {
        let mut declared = VisitedFields {
            fields: &self.fields,
            values: Vec::with_capacity(self.fields.len()),
        };
        declared.values.resize(self.fields.len(), FieldValue::Null);
        let object = json::visit(&self.names, layout, text, &mut declared)?;
        let values = declared.values;
        let is_complete = |(field, value): (&Field, &FieldValue<'_>)| {
            field.is_nullable || !matches!(value, FieldValue::Null)
        };
        let is_complete = self.fields.iter().zip(&values).all(is_complete);
        is_complete.then_some((values, object))
    }

    /// Parses an object that is no reading, or has too much white space.
    #[cold]
    fn parse_any<'a>(&self, json: &'a [u8]) -> Result<Option<DeclaredReading<'a>>, Rejection> {
        let mut tokens = TokenBuffer::new(&self.names);
        json::fields(
            &self.names,
            &mut FieldLayout::default(),
            json,
            tokens.tokens(),
        )?;
        let fields = self.fields.iter().zip(tokens.tokens());
        let values = fields.map(|(field, token)| any_value(field, token.raw()));
        self.reading(values.collect::<Result<_, _>>()?)
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

/// The values of the fields that were found so far; null for others.
struct VisitedFields<'f, 'a> {
    fields: &'f [Field],
    values: Vec<FieldValue<'a>>,
}

/// Stops at an invalid value.
impl<'a> FieldVisitor<'a> for VisitedFields<'_, 'a> {
    #[inline(always)]
    fn visit(&mut self, field: usize, start: ValueStart<'a>) -> Option<ValueEnd<'a>> {
        let value = self.values.get_mut(field)?;
        let field = self.fields.get(field)?;
        if let Some((usual, end)) = FieldValue::from_usual(field.column_type, start)
            && is_short(&usual)
        {
            *value = usual;
            return Some(end);
        }
        let (token, end) = start.token()?;
        *value = any_value(field, token.raw()).ok()?;
        Some(end)
    }
}

/// Whether a text is neither empty nor too long.
#[inline(always)]
fn is_short(value: &FieldValue<'_>) -> bool {
    match value {
        FieldValue::Text(text) => (1..=LONGEST_TEXT).contains(&text.len()),
        _ => true,
    }
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
    type Values = DeclaredInputs;
    type Accumulator = MeasureAccumulators;

    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn parse<'a>(&self, json: &'a [u8]) -> Result<Option<DeclaredReading<'a>>, Rejection> {
        match self.visit(&mut FieldLayout::default(), json) {
            Some((values, object)) if object.is_all() => self.reading(values),
            _ => self.parse_any(json),
        }
    }

    fn first_line<'a>(
        &self,
        layout: &mut FieldLayout,
        text: &'a [u8],
        reading: &mut Option<DeclaredReading<'a>>,
    ) -> Option<&'a [u8]> {
        let (values, object) = self.visit(layout, text)?;
        *reading = self.reading(values).ok()?;
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
        Cow::Owned(schema::key_array(values))
    }

    #[inline]
    fn key_in<'r>(&self, reading: &'r DeclaredReading<'_>, memory: &'r mut String) -> &'r str {
        let value = |index: &usize| reading.values.get(*index);
        if let [only] = self.key.as_slice()
            && let Some(FieldValue::Text(text)) = value(only)
            && self.schema.has_text_key()
        {
            return text;
        }
        memory.clear();
        schema::write_key_array(self.key.iter().filter_map(value), memory);
        memory
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

    #[inline]
    fn values(&self, reading: &DeclaredReading<'_>) -> DeclaredInputs {
        self.inputs.of(&reading.values)
    }

    fn inputs(&self, values: &DeclaredInputs) -> Vec<Value> {
        self.inputs.values(values)
    }

    #[inline]
    fn add(
        &self,
        accumulator: &mut MeasureAccumulators,
        values: &DeclaredInputs,
        order: &ReadingOrder<'_>,
    ) {
        let columns = self.schema.measures().iter();
        let mut opened = accumulator.open(columns.map(|column| column.measure_type));
        self.inputs.add_to(values, &mut opened, order);
    }

    fn measures(&self, accumulator: &MeasureAccumulators) -> Vec<Measure> {
        accumulator.measures()
    }
}

#[cfg(test)]
mod tests;
