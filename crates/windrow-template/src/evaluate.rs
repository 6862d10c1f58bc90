//! The intrinsic functions that return values.

use crate::error::TemplateError;
use crate::node::{NodeEntry, NodeValue, TemplateNode};
use crate::scope::StackScope;

impl StackScope<'_> {
    /// A value with all functions in it replaced by what they return.
    pub(crate) fn evaluate(&self, node: &TemplateNode) -> Result<TemplateNode, TemplateError> {
        let line = node.line;
        self.deeper(line, || {
            let node = self.shallow(node)?;
            let value = match node.value {
                NodeValue::List(items) => {
                    let items = items.iter().map(|item| self.evaluate(item));
                    let mut items = items.collect::<Result<Vec<_>, _>>()?;
                    items.retain(|item| !item.is_absent());
                    NodeValue::List(items)
                }
                NodeValue::Map(entries) => {
                    let mut evaluated = Vec::with_capacity(entries.len());
                    for NodeEntry { key, line, value } in entries {
                        let value = self.evaluate(&value)?;
                        if !value.is_absent() {
                            evaluated.push(NodeEntry { key, line, value });
                        }
                    }
                    NodeValue::Map(evaluated)
                }
                value => value,
            };
            Ok(TemplateNode::new(line, value))
        })
    }

    /// A value that is no function itself. What is in a list or a map is as in the template, so that
    /// only what is needed has to make sense here.
    pub(crate) fn shallow(&self, node: &TemplateNode) -> Result<TemplateNode, TemplateError> {
        match node.function() {
            None => Ok(node.clone()),
            Some((function, argument)) => {
                self.deeper(node.line, || self.call(function, argument, node.line))
            }
        }
    }

    fn call(
        &self,
        function: &str,
        argument: &TemplateNode,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        let arguments = argument.as_list().unwrap_or_default();
        match (function, arguments) {
            ("Ref", _) => {
                let name = self.text_of(argument, function)?;
                self.reference(&name, line)
            }
            ("Fn::GetAtt", _) => self.get_attribute(argument, line),
            ("Fn::Sub", _) => self.substitute(argument, line),
            ("Fn::If", [condition, then, otherwise]) => {
                let name = self.text_of(condition, function)?;
                let holds = self.holds(&name, line)?;
                self.shallow(if holds { then } else { otherwise })
            }
            ("Fn::FindInMap", [map, first, second, rest @ ..]) => {
                self.find_in_map([map, first, second], rest.first(), line)
            }
            ("Fn::Join", [delimiter, items]) => {
                let delimiter = self.text_of(delimiter, function)?;
                let items = self.texts_of(items, function)?;
                let text = self.bounded(line, items.join(&delimiter))?;
                Ok(TemplateNode::text(line, text))
            }
            ("Fn::Split", [delimiter, text]) => {
                let delimiter = self.text_of(delimiter, function)?;
                let text = self.text_of(text, function)?;
                self.split(&delimiter, &text, line)
            }
            ("Fn::Select", [index, items]) => self.select(index, items, line),
            ("Fn::Base64", _) => {
                let text = self.text_of(argument, function)?;
                let text = self.bounded(
                    line,
                    base64_simd::STANDARD.encode_to_string(text.as_bytes()),
                )?;
                Ok(TemplateNode::text(line, text))
            }
            ("Fn::GetAZs", _) => {
                let region = &self.options.region;
                let zones = ["a", "b", "c"];
                let zones = zones.map(|zone| TemplateNode::text(line, format!("{region}{zone}")));
                Ok(TemplateNode::new(line, NodeValue::List(zones.into())))
            }
            ("Fn::ImportValue", _) => {
                let name = self.text_of(argument, function)?;
                self.add_unknown(line, &name);
                Ok(TemplateNode::text(line, self.bounded(line, name)?))
            }
            ("Fn::If" | "Fn::FindInMap" | "Fn::Join" | "Fn::Split" | "Fn::Select", _) => {
                let message = format!("{function} has the wrong number of arguments");
                Err(TemplateError::invalid(line, message))
            }
            _ => {
                let message = format!("{function} cannot be resolved here");
                Err(TemplateError::unsupported(line, message))
            }
        }
    }

    /// The value of an argument that must be text.
    fn text_of(&self, node: &TemplateNode, function: &str) -> Result<String, TemplateError> {
        let node = self.shallow(node)?;
        match node.value {
            NodeValue::Text(text) => Ok(text),
            _ => {
                let message = format!("{function} needs text here, and this is {}", node.kind());
                Err(TemplateError::invalid(node.line, message))
            }
        }
    }

    /// The value of an argument that must be a list of texts.
    fn texts_of(&self, node: &TemplateNode, function: &str) -> Result<Vec<String>, TemplateError> {
        let node = self.evaluate(node)?;
        let NodeValue::List(items) = node.value else {
            let message = format!("{function} needs a list here, and this is {}", node.kind());
            return Err(TemplateError::invalid(node.line, message));
        };
        let texts = items.into_iter().map(|item| self.text_of(&item, function));
        texts.collect()
    }

    fn get_attribute(
        &self,
        argument: &TemplateNode,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        let (resource, attribute) = match &argument.value {
            NodeValue::List(_) => {
                let parts = self.texts_of(argument, "Fn::GetAtt")?;
                let [resource, attribute @ ..] = parts.as_slice() else {
                    let message = "Fn::GetAtt needs a resource and an attribute";
                    return Err(TemplateError::invalid(line, message));
                };
                (resource.clone(), attribute.join("."))
            }
            _ => {
                let text = self.text_of(argument, "Fn::GetAtt")?;
                let Some((resource, attribute)) = text.split_once('.') else {
                    let message =
                        format!("`{text}` must be a resource and an attribute, as in `Stream.Arn`");
                    return Err(TemplateError::invalid(line, message));
                };
                (resource.to_owned(), attribute.to_owned())
            }
        };
        self.attribute(&resource, &attribute, line)
    }

    /// `Fn::Sub`, with or without a map of variables.
    fn substitute(
        &self,
        argument: &TemplateNode,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        let (text, variables) = match &argument.value {
            NodeValue::Text(text) => (text, None),
            NodeValue::List(items) => match items.as_slice() {
                [
                    TemplateNode {
                        value: NodeValue::Text(text),
                        ..
                    },
                    variables,
                ] => (text, Some(variables)),
                _ => {
                    return Err(TemplateError::invalid(
                        line,
                        "Fn::Sub needs a text and a map",
                    ));
                }
            },
            _ => return Err(TemplateError::invalid(line, "Fn::Sub needs text")),
        };
        let mut filled = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else {
                break;
            };
            filled.push_str(&rest[..start]);
            let name = &rest[start + 2..start + length];
            rest = &rest[start + length + 1..];
            if let Some(literal) = name.strip_prefix('!') {
                filled.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let value = self.variable(name.trim(), variables, line)?;
            filled.push_str(&self.text_of(&value, "Fn::Sub")?);
            if filled.len() > text.len() + (1 << 20) {
                return Err(TemplateError::invalid(line, "the value is too long"));
            }
        }
        filled.push_str(rest);
        Ok(TemplateNode::text(line, self.bounded(line, filled)?))
    }

    /// The value of a name in the text of `Fn::Sub`.
    fn variable(
        &self,
        name: &str,
        variables: Option<&TemplateNode>,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        if let Some(variable) = variables.and_then(|variables| variables.get(name)) {
            return self.evaluate(variable);
        }
        match name.split_once('.') {
            Some((resource, attribute)) => self.attribute(resource, attribute, line),
            None => self.reference(name, line),
        }
    }

    fn find_in_map(
        &self,
        keys: [&TemplateNode; 3],
        options: Option<&TemplateNode>,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        let mut found = self.root.get("Mappings");
        let mut path = Vec::new();
        for key in keys {
            let key = self.text_of(key, "Fn::FindInMap")?;
            found = found.and_then(|map| map.get(&key));
            path.push(key);
        }
        let default = options.and_then(|options| options.get("DefaultValue"));
        match (found, default) {
            (Some(value), _) => self.evaluate(value),
            (None, Some(default)) => self.shallow(default),
            (None, None) => {
                let message = format!("the mappings have no `{}`", path.join("` with `"));
                Err(TemplateError::invalid(line, message))
            }
        }
    }

    fn split(
        &self,
        delimiter: &str,
        text: &str,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        if delimiter.is_empty() {
            let message = "the delimiter of Fn::Split must not be empty";
            return Err(TemplateError::invalid(line, message));
        }
        self.bounded(line, text.to_owned())?;
        let parts = text.split(delimiter);
        let parts = parts.map(|part| TemplateNode::text(line, part));
        Ok(TemplateNode::new(line, NodeValue::List(parts.collect())))
    }

    fn select(
        &self,
        index: &TemplateNode,
        items: &TemplateNode,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        let index = self.text_of(index, "Fn::Select")?;
        let items = self.evaluate(items)?;
        let items = items.as_list().unwrap_or_default();
        let item = index.parse().ok().and_then(|index: usize| items.get(index));
        item.cloned().ok_or_else(|| {
            let message = format!("there is no item {index} in a list of {}", items.len());
            TemplateError::invalid(line, message)
        })
    }
}
