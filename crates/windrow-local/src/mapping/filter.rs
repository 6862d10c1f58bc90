//! Filter criteria: which records the function gets.
//!
//! Source: Lambda Developer Guide, "Using event filtering with a Kinesis event source".

mod json;
mod pattern;

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;
use windrow_read::ShardRecord;

use json::FilterValue;
use pattern::PatternFields;

/// The most filters of a mapping. Lambda allows five, and ten on request.
const MAX_FILTERS: usize = 10;

/// The field that is decoded and parsed.
const DATA: &str = "data";

/// The longest pattern, in characters. Source: the Lambda API's `Filter`.
const MAX_PATTERN: usize = 4_096;

/// The filters of a mapping (`FilterCriteria`). The function gets the records that match one of them;
/// without any filter, all records. The others count as done.
///
/// A pattern is matched with the `kinesis` object of the record as the function sees it, in which
/// `data` is decoded and parsed as JSON. A record whose data is not JSON matches no pattern of `data`.
///
/// ```
/// use windrow_local::mapping::FilterCriteria;
///
/// let criteria = FilterCriteria::from_json(
///     r#"{ "Filters": [{ "Pattern": "{\"data\": {\"speed\": [{\"numeric\": [\">\", 80]}]}}" }] }"#,
/// );
/// assert!(criteria.is_ok());
///
/// let error = FilterCriteria::new([r#"{"data": {"speed": [{"above": 80}]}}"#]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "Filters[0].Pattern.data.speed[0].above: Lambda documents no operator `above`"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct FilterCriteria {
    filters: Vec<CompiledFilter>,
}

#[derive(Clone, Debug)]
struct CompiledFilter {
    text: String,
    fields: PatternFields,
    /// Whether it has a pattern of the data.
    has_data: bool,
}

/// Why filter criteria are invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {problem}")]
pub struct FilterError {
    /// Where, such as `Filters[0].Pattern.data.speed[1].numeric`.
    pub place: String,
    /// What is wrong there.
    pub problem: FilterProblem,
}

/// What is wrong with filter criteria.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FilterProblem {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// It is not of the type that it must be.
    #[error("expected {0}, and it is {1}")]
    Expected(&'static str, &'static str),
    /// It has nothing in it, and would match nothing.
    #[error("empty")]
    Empty,
    /// A value is not in a list.
    #[error("expected an object or a list of values, and it is {0}: put it in a list")]
    NotAList(&'static str),
    /// A list of values has a list in it.
    #[error("a list in a list of values")]
    NestedList,
    /// Two operators are in one object.
    #[error("more than one operator: put each in an object of its own")]
    SeveralOperators,
    /// The operator is not one of those that Lambda documents.
    #[error("Lambda documents no operator `{0}`")]
    UnknownOperator(String),
    /// The list of `anything-but` has values of different types, or neither strings nor numbers.
    #[error("expected strings alone or numbers alone")]
    MixedList,
    /// A comparison is none of `=`, `<`, `<=`, `>` and `>=`.
    #[error("expected one of `=`, `<`, `<=`, `>` and `>=`")]
    UnknownComparison,
    /// A number cannot be compared.
    #[error("expected a number from -5.0e9 to 5.0e9")]
    LargeNumber,
    /// The numbers are not one limit, or a lower and then an upper one.
    #[error("expected one comparison, or a lower limit and then an upper one that is larger")]
    Range,
    /// The pattern of the data is for text. Lambda filters the data of Kinesis records as JSON alone.
    #[error("expected an object: the data of Kinesis records is filtered as JSON alone")]
    DataNotJson,
    /// There are more filters than a mapping may have.
    #[error("{0} filters, and a mapping has at most {MAX_FILTERS}")]
    TooManyFilters(usize),
    /// The pattern is longer than the API allows.
    #[error("{0} characters, and a pattern has at most {MAX_PATTERN}")]
    TooLong(usize),
}

/// `FilterCriteria` as the API and templates have it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CriteriaJson {
    #[serde(default, rename = "Filters")]
    filters: Vec<FilterJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterJson {
    #[serde(rename = "Pattern")]
    pattern: String,
}

impl FilterCriteria {
    /// Criteria as the API and templates have them: `{"Filters": [{"Pattern": "..."}]}`, where each
    /// pattern is JSON in a string.
    ///
    /// # Errors
    ///
    /// [`FilterError`] names the place.
    pub fn from_json(text: &str) -> Result<Self, FilterError> {
        let criteria: CriteriaJson = serde_json::from_str(text).map_err(|error| FilterError {
            place: "FilterCriteria".to_owned(),
            problem: FilterProblem::NotJson(error.to_string()),
        })?;
        Self::new(criteria.filters.iter().map(|filter| &filter.pattern))
    }

    /// Criteria with these patterns, each of which is JSON.
    ///
    /// # Errors
    ///
    /// [`FilterError`] names the place.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, FilterError> {
        let filters = patterns.into_iter().enumerate();
        let filters = filters.map(|(index, pattern)| compile(pattern.as_ref(), index));
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        if filters.len() > MAX_FILTERS {
            return Err(FilterError {
                place: "Filters".to_owned(),
                problem: FilterProblem::TooManyFilters(filters.len()),
            });
        }
        Ok(Self { filters })
    }

    /// The fields other than `data` that the patterns have.
    pub(super) fn metadata(&self) -> Vec<&str> {
        let keys = self.filters.iter().flat_map(|filter| filter.fields.keys());
        keys.filter(|key| *key != DATA).collect()
    }

    /// Whether the function gets a record.
    pub(super) fn matches(&self, record: &ShardRecord) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        let mut fields = metadata_of(record);
        let needs_data = self.filters.iter().any(|filter| filter.has_data);
        let data = needs_data
            .then(|| FilterValue::parse(&record.data).ok())
            .flatten();
        let is_json = data.is_some();
        fields.extend(data.map(|data| (DATA.to_owned(), data)));
        let mut filters = self.filters.iter();
        filters.any(|filter| (is_json || !filter.has_data) && filter.fields.matches(&fields))
    }
}

/// The patterns are the same.
impl PartialEq for FilterCriteria {
    fn eq(&self, other: &Self) -> bool {
        let texts = self.filters.iter().map(|filter| &filter.text);
        texts.eq(other.filters.iter().map(|filter| &filter.text))
    }
}

impl Eq for FilterCriteria {}

fn compile(text: &str, index: usize) -> Result<CompiledFilter, FilterError> {
    let place = format!("Filters[{index}].Pattern");
    let fail = |place: &str, problem| {
        Err(FilterError {
            place: place.to_owned(),
            problem,
        })
    };
    let length = text.chars().count();
    if length > MAX_PATTERN {
        return fail(&place, FilterProblem::TooLong(length));
    }
    let pattern = match FilterValue::parse(text.as_bytes()) {
        Ok(pattern) => pattern,
        Err(error) => return fail(&place, FilterProblem::NotJson(error.to_string())),
    };
    let fields = pattern::parse(&pattern, &place)?;
    if fields.has_values_of(DATA) {
        return fail(&pattern::at(&place, DATA), FilterProblem::DataNotJson);
    }
    Ok(CompiledFilter {
        text: text.to_owned(),
        has_data: fields.keys().contains(&DATA),
        fields,
    })
}

/// The fields of a record other than its data, as the function sees them.
fn metadata_of(record: &ShardRecord) -> BTreeMap<String, FilterValue> {
    let text = |text: &str| FilterValue::Text(text.to_owned());
    let arrival = record.arrival.millis();
    let (seconds, millis) = (arrival.div_euclid(1000), arrival.rem_euclid(1000));
    [
        ("kinesisSchemaVersion", text("1.0")),
        ("partitionKey", text(&record.partition_key)),
        ("sequenceNumber", text(&record.sequence_number)),
        (
            "approximateArrivalTimestamp",
            FilterValue::Number(format!("{seconds}.{millis:03}")),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests;
