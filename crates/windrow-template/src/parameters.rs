//! A template's parameters: their values, and the constraints on these.

use std::collections::BTreeMap;

use crate::error::{TemplateError, hint};
use crate::node::{NodeValue, TemplateNode};

/// The value of a parameter.
#[derive(Clone, Debug)]
pub(crate) enum ParameterValue {
    Text(String),
    List(Vec<String>),
    /// It is in the Parameter Store. An error only if something needs it.
    InParameterStore,
    /// The parameter at this line has neither a value nor a default. An error only if something needs
    /// it: many are for resources that do not run here.
    Missing(usize),
}

impl ParameterValue {
    /// The value of the parameter `name` where the template needs it.
    ///
    /// # Errors
    ///
    /// If it is not known.
    pub(crate) fn node(&self, name: &str, line: usize) -> Result<TemplateNode, TemplateError> {
        let value = match self {
            Self::Text(text) => NodeValue::Text(text.clone()),
            Self::List(items) => {
                let items = items.iter().map(|item| TemplateNode::text(line, item));
                NodeValue::List(items.collect())
            }
            Self::InParameterStore => {
                let message = format!(
                    "the value of the parameter `{name}` is in the Parameter Store: give it with \
                     --parameter-overrides {name}=VALUE"
                );
                return Err(TemplateError::unsupported(line, message));
            }
            Self::Missing(defined) => {
                let message = format!(
                    "the parameter `{name}` (line {defined}) has no default: give it a value with \
                     --parameter-overrides {name}=VALUE"
                );
                return Err(failed(name, message));
            }
        };
        Ok(TemplateNode::new(line, value))
    }
}

fn failed(name: &str, message: String) -> TemplateError {
    TemplateError::Parameter {
        name: name.to_owned(),
        message,
    }
}

/// The values of all parameters, from the overrides or the defaults.
pub(crate) fn parameter_values(
    section: Option<&TemplateNode>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, ParameterValue>, TemplateError> {
    let definitions = match section {
        None => &[],
        Some(section) => section.as_map().ok_or_else(|| {
            TemplateError::invalid(section.line, "`Parameters` must be a map of parameters")
        })?,
    };
    for name in overrides.keys() {
        if !definitions.iter().any(|entry| entry.key == *name) {
            let names = definitions.iter().map(|entry| entry.key.as_str());
            let hint = hint(name, names);
            let message = format!("the template has no parameter `{name}`{hint}");
            return Err(failed(name, message));
        }
    }
    let values = definitions.iter().map(|entry| {
        let overridden = overrides.get(&entry.key).map(String::as_str);
        let definition = ParameterDefinition {
            name: &entry.key,
            line: entry.line,
            node: &entry.value,
        };
        Ok((entry.key.clone(), definition.value(overridden)?))
    });
    values.collect()
}

struct ParameterDefinition<'t> {
    name: &'t str,
    line: usize,
    node: &'t TemplateNode,
}

impl ParameterDefinition<'_> {
    fn value(&self, overridden: Option<&str>) -> Result<ParameterValue, TemplateError> {
        let kind = self.text("Type").unwrap_or("String");
        let is_stored = kind.starts_with("AWS::SSM::Parameter::Value<");
        let default = self.text("Default");
        let text = match (overridden, default) {
            (Some(text), _) => text,
            (None, _) if is_stored => return Ok(ParameterValue::InParameterStore),
            (None, Some(text)) => text,
            (None, None) => return Ok(ParameterValue::Missing(self.line)),
        };
        if kind == "CommaDelimitedList" || kind.contains("List<") {
            let items: Vec<String> = match text.trim() {
                "" => Vec::new(),
                text => text.split(',').map(|item| item.trim().to_owned()).collect(),
            };
            for item in &items {
                self.check(item, kind)?;
            }
            return Ok(ParameterValue::List(items));
        }
        self.check(text, kind)?;
        Ok(ParameterValue::Text(text.to_owned()))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.node.get(key).and_then(TemplateNode::as_text)
    }

    /// Checks a value against the type and the constraints.
    fn check(&self, value: &str, kind: &str) -> Result<(), TemplateError> {
        if kind.contains("Number") {
            let Ok(number) = value.parse::<f64>() else {
                return Err(self.rejected(value, "a number"));
            };
            if self.bound("MinValue").is_some_and(|least| number < least)
                || self.bound("MaxValue").is_some_and(|most| number > most)
            {
                return Err(self.rejected(value, &self.range("MinValue", "MaxValue", "")));
            }
        } else {
            // A text has far fewer characters than a float counts exactly.
            let length = u32::try_from(value.chars().count()).map_or(f64::INFINITY, f64::from);
            if self.bound("MinLength").is_some_and(|least| length < least)
                || self.bound("MaxLength").is_some_and(|most| length > most)
            {
                let range = self.range("MinLength", "MaxLength", " characters long");
                return Err(self.rejected(value, &range));
            }
        }
        if let Some(allowed) = self
            .node
            .get("AllowedValues")
            .and_then(TemplateNode::as_list)
        {
            let allowed: Vec<&str> = allowed.iter().filter_map(TemplateNode::as_text).collect();
            if !allowed.contains(&value) {
                let wanted = format!("one of {}", allowed.join(", "));
                return Err(self.rejected(value, &wanted));
            }
        }
        let Some(pattern) = self.text("AllowedPattern") else {
            return Ok(());
        };
        // CloudFormation's patterns are Java's, which has more than this library does. Such a
        // pattern is not checked here.
        let compiled = regex_lite::Regex::new(&format!("^(?:{pattern})$"));
        if compiled.is_ok_and(|compiled| !compiled.is_match(value)) {
            return Err(self.rejected(value, &format!("a match of {pattern}")));
        }
        Ok(())
    }

    fn bound(&self, key: &str) -> Option<f64> {
        self.text(key)?.parse().ok()
    }

    fn range(&self, least: &str, most: &str, unit: &str) -> String {
        match (self.text(least), self.text(most)) {
            (Some(least), Some(most)) => format!("{least} to {most}{unit}"),
            (Some(least), None) => format!("at least {least}{unit}"),
            (None, most) => format!("at most {}{unit}", most.unwrap_or_default()),
        }
    }

    fn rejected(&self, value: &str, wanted: &str) -> TemplateError {
        let Self { name, line, .. } = self;
        let wanted = self.text("ConstraintDescription").unwrap_or(wanted);
        let is_secret = self.text("NoEcho").is_some_and(|secret| secret == "true");
        let given = if is_secret {
            "has a value that is not allowed".to_owned()
        } else {
            format!("is `{value}`")
        };
        let message = format!("the parameter `{name}` (line {line}) {given}; it must be {wanted}");
        failed(name, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    fn values(
        definitions: &str,
        overrides: &[(&str, &str)],
    ) -> Result<BTreeMap<String, ParameterValue>, TemplateError> {
        let overrides = overrides.iter();
        let overrides = overrides.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        parameter_values(Some(&parse(definitions).unwrap()), &overrides.collect())
    }

    fn message(definitions: &str, overrides: &[(&str, &str)]) -> String {
        values(definitions, overrides).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_value_says_how_to_give_it_where_it_is_needed() {
        let missing = values("Stage:\n  Type: String\n", &[]).unwrap();
        let error = missing["Stage"].node("Stage", 9).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the parameter `Stage` (line 1) has no default: give it a value with \
             --parameter-overrides Stage=VALUE"
        );
        assert!(values("Stage:\n  Type: String\n", &[("Stage", "x")]).is_ok());
    }

    #[test]
    fn an_unknown_override_has_a_hint() {
        assert_eq!(
            message(
                "StreamName: {Type: String, Default: a}\n",
                &[("Streamname", "b")]
            ),
            "the template has no parameter `Streamname`; did you mean `StreamName`?"
        );
    }

    #[test]
    fn constraints_are_checked() {
        let cases = [
            (
                "{Type: Number, MinValue: 1, MaxValue: 9}",
                "10",
                "it must be 1 to 9",
            ),
            ("{Type: Number}", "x", "it must be a number"),
            (
                "{Type: String, AllowedValues: [a, b]}",
                "c",
                "it must be one of a, b",
            ),
            (
                "{Type: String, AllowedPattern: '[a-z]+'}",
                "ab1",
                "a match of [a-z]+",
            ),
            (
                "{Type: String, MinLength: 2}",
                "a",
                "at least 2 characters long",
            ),
            (
                "{Type: String, NoEcho: true, MaxLength: 2, ConstraintDescription: short}",
                "secret",
                "`P` (line 1) has a value that is not allowed; it must be short",
            ),
        ];
        for (definition, value, expected) in cases {
            let found = message(&format!("P: {definition}\n"), &[("P", value)]);
            assert!(found.contains(expected), "{found}");
        }
        assert!(
            values(
                "P: {Type: String, AllowedPattern: '(?=a).*'}",
                &[("P", "b")]
            )
            .is_ok()
        );
    }

    #[test]
    fn a_list_is_split_at_commas() {
        let found = values("P: {Type: CommaDelimitedList, Default: 'a, b'}", &[]).unwrap();
        let ParameterValue::List(items) = &found["P"] else {
            panic!("{found:?}");
        };
        assert_eq!(items, &["a", "b"]);
    }
}
