//! Reads a resource's properties, each with its type and its bounds.

use std::ops::RangeInclusive;

use crate::error::TemplateError;
use crate::node::{NodeEntry, NodeValue, TemplateNode};
use crate::scope::StackScope;

/// The properties of a resource, or of a part of one. Each is resolved when it is read.
pub(crate) struct Properties<'s, 't> {
    scope: &'s StackScope<'t>,
    /// The resource, for messages.
    owner: String,
    /// Its line.
    pub(crate) line: usize,
    entries: Vec<NodeEntry>,
}

impl<'s, 't> Properties<'s, 't> {
    /// The properties in a map. `line` is that of the owner.
    pub(crate) fn new(
        scope: &'s StackScope<'t>,
        owner: impl Into<String>,
        line: usize,
        node: Option<&TemplateNode>,
    ) -> Result<Self, TemplateError> {
        let owner = owner.into();
        let node = node.map(|node| scope.shallow(node)).transpose()?;
        let entries = match node.map(|node| node.value) {
            None | Some(NodeValue::Absent) => Vec::new(),
            Some(NodeValue::Map(entries)) => entries,
            Some(_) => {
                let message = format!("the properties of {owner} must be a map");
                return Err(TemplateError::invalid(line, message));
            }
        };
        Ok(Self {
            scope,
            owner,
            line,
            entries,
        })
    }

    /// The line of a property, or of the owner if it is missing.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let mut entries = self.entries.iter().filter(|entry| entry.key == key);
        entries.next().map_or(self.line, |entry| entry.line)
    }

    /// The first of these properties that is set.
    pub(crate) fn first_of<'k>(&self, keys: &[&'k str]) -> Result<Option<&'k str>, TemplateError> {
        for key in keys {
            if self.get(key)?.is_some() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// What has them, for messages.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// A property whose parts are not resolved yet.
    pub(crate) fn get(&self, key: &str) -> Result<Option<TemplateNode>, TemplateError> {
        let mut entries = self.entries.iter().filter(|entry| entry.key == key);
        match entries.next() {
            None => Ok(None),
            Some(entry) => {
                let value = self.scope.shallow(&entry.value)?;
                Ok((!value.is_absent()).then_some(value))
            }
        }
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, TemplateError> {
        match self.get(key)? {
            None => Ok(None),
            Some(TemplateNode {
                value: NodeValue::Text(text),
                ..
            }) => Ok(Some(text)),
            Some(node) => {
                let message = format!("must be text, and this is {}", node.kind());
                Err(self.error(key, &message))
            }
        }
    }

    pub(crate) fn required(&self, key: &str) -> Result<String, TemplateError> {
        let text = self.text(key)?;
        text.ok_or_else(|| self.error(key, "is missing"))
    }

    /// A whole number within `bounds`.
    pub(crate) fn number(
        &self,
        key: &str,
        bounds: RangeInclusive<i64>,
    ) -> Result<Option<i64>, TemplateError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = bounds.into_inner();
                let message =
                    format!("is {text}; it must be a whole number from {least} to {most}");
                Err(self.error(key, &message))
            }
        }
    }

    /// A whole number within `bounds`, which must fit the type.
    pub(crate) fn unsigned(
        &self,
        key: &str,
        bounds: RangeInclusive<u32>,
    ) -> Result<Option<u32>, TemplateError> {
        let (least, most) = bounds.into_inner();
        let number = self.number(key, i64::from(least)..=i64::from(most))?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, TemplateError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        match text.to_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(self.error(key, &format!("is {text}; it must be true or false"))),
        }
    }

    /// The properties in a property, none if it is missing.
    pub(crate) fn section(&self, key: &str) -> Result<Self, TemplateError> {
        let owner = format!("{key} of {}", self.owner);
        let node = self.get(key)?;
        Self::new(self.scope, owner, self.line_of(key), node.as_ref())
    }

    /// The items of a list, none if it is missing.
    pub(crate) fn list(&self, key: &str) -> Result<Vec<TemplateNode>, TemplateError> {
        let Some(node) = self.get(key)? else {
            return Ok(Vec::new());
        };
        let NodeValue::List(items) = node.value else {
            let message = format!("must be a list, and this is {}", node.kind());
            return Err(self.error(key, &message));
        };
        let mut resolved = Vec::with_capacity(items.len());
        for item in items {
            let item = self.scope.shallow(&item)?;
            if !item.is_absent() {
                resolved.push(item);
            }
        }
        Ok(resolved)
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, TemplateError> {
        let texts = self.list(key)?.into_iter().map(|item| match item.value {
            NodeValue::Text(text) => Ok(text),
            _ => Err(self.error(key, "must be a list of texts")),
        });
        texts.collect()
    }

    /// The properties in each item of a list.
    pub(crate) fn sections(&self, key: &str) -> Result<Vec<Self>, TemplateError> {
        let items = self.list(key)?;
        let sections = items.iter().map(|item| {
            let owner = format!("{key} of {}", self.owner);
            Self::new(self.scope, owner, item.line, Some(item))
        });
        sections.collect()
    }

    /// The names and values of all, which are not resolved yet.
    pub(crate) fn entries(&self) -> &[NodeEntry] {
        &self.entries
    }

    pub(crate) fn error(&self, key: &str, message: &str) -> TemplateError {
        let message = format!("{key} of {} {message}", self.owner);
        TemplateError::invalid(self.line_of(key), message)
    }
}
