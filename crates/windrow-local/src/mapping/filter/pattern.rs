//! The patterns of Lambda's event filtering: which JSON values match.
//!
//! Source: Lambda Developer Guide, "Control which events Lambda sends to your function" (filter rule
//! syntax), and Amazon EventBridge User Guide, "NumericComparison operators for use in event patterns". What
//! they leave open, such as lists of objects, follows EventBridge's own matcher, `aws/event-ruler`.

mod parse;

use std::collections::BTreeMap;

use super::json::FilterValue;
pub(super) use parse::{at, parse};

type JsonObject = BTreeMap<String, FilterValue>;

/// An object of a pattern: all of its fields must match.
#[derive(Clone, Debug, Default)]
pub(super) struct PatternFields {
    fields: Vec<(String, FieldRule)>,
    /// The values of `$or`: one of each must match.
    any_of: Vec<Vec<PatternFields>>,
}

#[derive(Clone, Debug)]
enum FieldRule {
    Object(PatternFields),
    /// One of these must match.
    Values(Vec<ValueTest>),
}

#[derive(Clone, Debug)]
enum ValueTest {
    Is(TextTest),
    IsNot(Vec<TextTest>),
    Numeric(Vec<(NumericComparison, f64)>),
    Exists(bool),
}

/// A test of one value. All but `Equals` match strings alone.
#[derive(Clone, Debug)]
enum TextTest {
    Equals(FilterValue),
    EqualsIgnoreCase(String),
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumericComparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl PatternFields {
    /// Whether an object matches.
    pub(super) fn matches(&self, object: &JsonObject) -> bool {
        self.matches_element(Some(object), &[object])
    }

    /// The keys of the fields, those in `$or` too.
    pub(super) fn keys(&self) -> Vec<&str> {
        let own = self.fields.iter().map(|(key, _)| key.as_str());
        let any_of = self.any_of.iter().flatten().flat_map(Self::keys);
        own.chain(any_of).collect()
    }

    /// Whether a field, also one in `$or`, has a list of values.
    pub(super) fn has_values_of(&self, key: &str) -> bool {
        let is_list =
            |(own, rule): &(String, FieldRule)| own == key && matches!(rule, FieldRule::Values(_));
        let mut any_of = self.any_of.iter().flatten();
        self.fields.iter().any(is_list) || any_of.any(|fields| fields.has_values_of(key))
    }

    /// Whether one of `objects` matches. If there are several, they are elements of a list, and one of
    /// them must have all the fields. `all` are those of all elements of the lists around them.
    fn matches_any(&self, objects: &[&JsonObject], all: &[&JsonObject]) -> bool {
        if objects.is_empty() {
            // A field may match by its absence.
            return self.matches_element(None, all);
        }
        let mut objects = objects.iter();
        objects.any(|object| self.matches_element(Some(object), all))
    }

    fn matches_element(&self, object: Option<&JsonObject>, all: &[&JsonObject]) -> bool {
        let mut fields = self.fields.iter();
        fields.all(|(key, rule)| {
            let own = object.and_then(|object| object.get(key)).into_iter();
            let all = all.iter().filter_map(|object| object.get(key));
            let own: Vec<&FilterValue> = own.flat_map(FilterValue::flat).collect();
            let all: Vec<&FilterValue> = all.flat_map(FilterValue::flat).collect();
            match rule {
                FieldRule::Object(fields) => fields.matches_any(&objects(&own), &objects(&all)),
                FieldRule::Values(tests) => {
                    let (own, all) = (leaves(&own), leaves(&all));
                    tests.iter().any(|test| test.matches(&own, &all))
                }
            }
        }) && self.any_of.iter().all(|alternatives| {
            let mut alternatives = alternatives.iter();
            alternatives.any(|fields| fields.matches_element(object, all))
        })
    }
}

fn objects<'a>(values: &[&'a FilterValue]) -> Vec<&'a JsonObject> {
    let objects = values.iter().filter_map(|value| match value {
        FilterValue::Object(object) => Some(object),
        _ => None,
    });
    objects.collect()
}

/// The values that are no objects: operators see only these.
fn leaves<'a>(values: &[&'a FilterValue]) -> Vec<&'a FilterValue> {
    let mut leaves = values.to_vec();
    leaves.retain(|value| !matches!(value, FilterValue::Object(_)));
    leaves
}

impl ValueTest {
    /// Whether one of a field's values matches. A field that is absent from `all` elements of a list
    /// does not exist.
    fn matches(&self, own: &[&FilterValue], all: &[&FilterValue]) -> bool {
        let any = |test: &dyn Fn(&FilterValue) -> bool| own.iter().any(|value| test(value));
        match self {
            Self::Exists(false) => all.is_empty(),
            Self::Exists(true) => !own.is_empty(),
            Self::Is(test) => any(&|value| test.matches(value)),
            Self::IsNot(tests) => any(&|value| !tests.iter().any(|test| test.matches(value))),
            Self::Numeric(range) => any(&|value| {
                let FilterValue::Number(number) = value else {
                    return false;
                };
                let number: f64 = number.parse().unwrap_or(f64::NAN);
                range
                    .iter()
                    .all(|(comparison, limit)| comparison.holds(number, *limit))
            }),
        }
    }
}

impl TextTest {
    fn matches(&self, value: &FilterValue) -> bool {
        let text = match (self, value) {
            (Self::Equals(expected), value) => return expected == value,
            (_, FilterValue::Text(text)) => text,
            _ => return false,
        };
        match self {
            Self::Equals(_) => false,
            Self::EqualsIgnoreCase(lower) => text.to_lowercase() == *lower,
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::PrefixIgnoreCase(lower) => text.to_lowercase().starts_with(lower),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::SuffixIgnoreCase(lower) => text.to_lowercase().ends_with(lower),
        }
    }
}

impl NumericComparison {
    fn holds(self, number: f64, limit: f64) -> bool {
        match self {
            Self::Equal => number == limit,
            Self::Less => number < limit,
            Self::LessOrEqual => number <= limit,
            Self::Greater => number > limit,
            Self::GreaterOrEqual => number >= limit,
        }
    }
}
