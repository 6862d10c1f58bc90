//! YAML and JSON to a tree. Short forms of functions become their long forms.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::error::TemplateError;
use crate::node::{NodeEntry, NodeValue, TemplateNode};

/// The longest text. CloudFormation takes 1 MB.
const LONGEST: usize = 4 * 1024 * 1024;

/// How deeply values may be nested.
const DEEPEST: usize = 64;

/// How many values there may be once each alias is replaced by its value.
const MOST_VALUES: usize = 500_000;

/// Parses the text of a template.
pub(crate) fn parse(text: &str) -> Result<TemplateNode, TemplateError> {
    if text.len() > LONGEST {
        let message = format!("the template is larger than {LONGEST} bytes");
        return Err(TemplateError::syntax(1, message));
    }
    let text = without_json_tabs(text);
    let mut builder = TreeBuilder::default();
    for event in Parser::new_from_str(&text) {
        let (event, span) = event
            .map_err(|error| TemplateError::syntax(error.marker().line().max(1), error.info()))?;
        builder.add(event, span.start.line().max(1))?;
    }
    let root = builder.root;
    root.ok_or_else(|| TemplateError::syntax(1, "the template is empty"))
}

/// JSON may be indented with tabs, and YAML may not. No string of JSON contains the start of a line.
fn without_json_tabs(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with('{') || !text.contains('\t') {
        return Cow::Borrowed(text);
    }
    let mut spaced = String::with_capacity(text.len());
    let mut in_indentation = true;
    for character in text.chars() {
        in_indentation = match character {
            '\n' => true,
            ' ' | '\t' => in_indentation,
            _ => false,
        };
        spaced.push(if in_indentation && character == '\t' {
            ' '
        } else {
            character
        });
    }
    Cow::Owned(spaced)
}

/// Builds the tree from the parser's events.
#[derive(Default)]
struct TreeBuilder {
    open: Vec<OpenNode>,
    anchors: HashMap<usize, TemplateNode>,
    values: usize,
    root: Option<TemplateNode>,
}

/// A list or a map whose end has not come yet.
struct OpenNode {
    line: usize,
    tag: Option<Tag>,
    anchor: usize,
    content: OpenContent,
}

enum OpenContent {
    List(Vec<TemplateNode>),
    Map(Vec<NodeEntry>, Option<(String, usize)>),
}

impl TreeBuilder {
    fn add(&mut self, event: Event<'_>, line: usize) -> Result<(), TemplateError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_key = matches!(
                    self.open.last(),
                    Some(OpenNode {
                        content: OpenContent::Map(_, None),
                        ..
                    })
                );
                let value = if is_key {
                    // Names such as `null` are keys as they are.
                    NodeValue::Text(text.into_owned())
                } else {
                    scalar(text, style)
                };
                let node = TemplateNode::new(line, value);
                self.put(tagged(tag.map(Cow::into_owned), node)?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(line, tag, anchor, OpenContent::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.open(line, tag, anchor, OpenContent::Map(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(TemplateError::syntax(line, "the alias contains itself"));
                };
                let node = node.clone();
                let (depth, values) = node.extent();
                self.check(depth, values, line)?;
                self.put(node, 0)
            }
            Event::DocumentStart(_) if self.root.is_some() => Err(TemplateError::syntax(
                line,
                "a template is one document, and a second one starts here",
            )),
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        line: usize,
        tag: Option<Cow<'_, Tag>>,
        anchor: usize,
        content: OpenContent,
    ) -> Result<(), TemplateError> {
        self.check(1, 0, line)?;
        self.open.push(OpenNode {
            line,
            tag: tag.map(Cow::into_owned),
            anchor,
            content,
        });
        Ok(())
    }

    fn check(&mut self, depth: usize, values: usize, line: usize) -> Result<(), TemplateError> {
        if self.open.len() + depth > DEEPEST {
            let message = format!("values are nested more than {DEEPEST} levels deep");
            return Err(TemplateError::syntax(line, message));
        }
        self.values += values;
        if self.values > MOST_VALUES {
            let message = format!("the template has more than {MOST_VALUES} values");
            return Err(TemplateError::syntax(line, message));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), TemplateError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            OpenContent::List(items) => NodeValue::List(items),
            OpenContent::Map(entries, _) => NodeValue::Map(merged(entries)?),
        };
        let node = tagged(open.tag, TemplateNode::new(open.line, value))?;
        self.put(node, open.anchor)
    }

    /// Adds a complete value to what is open.
    fn put(&mut self, node: TemplateNode, anchor: usize) -> Result<(), TemplateError> {
        self.check(0, 1, node.line)?;
        if anchor > 0 {
            let (_, values) = node.extent();
            self.check(0, values, node.line)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(OpenContent::List(items)) => items.push(node),
            Some(OpenContent::Map(entries, key)) => match key.take() {
                Some((key, line)) => entries.push(NodeEntry {
                    key,
                    line,
                    value: node,
                }),
                None => {
                    let Some(text) = node.as_text() else {
                        let message = format!("a key must be text, and this is {}", node.kind());
                        return Err(TemplateError::syntax(node.line, message));
                    };
                    *key = Some((text.to_owned(), node.line));
                }
            },
        }
        Ok(())
    }
}

/// The value of a scalar: all are text, except `null`.
fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> NodeValue {
    if style != ScalarStyle::Plain {
        return NodeValue::Text(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Absent,
        // As CloudFormation writes booleans where it compares them with text.
        "True" | "TRUE" => NodeValue::Text("true".to_owned()),
        "False" | "FALSE" => NodeValue::Text("false".to_owned()),
        _ => NodeValue::Text(text.into_owned()),
    }
}

/// `!Sub x` as `{Fn::Sub: x}`.
fn tagged(tag: Option<Tag>, node: TemplateNode) -> Result<TemplateNode, TemplateError> {
    let Some(tag) = tag else {
        return Ok(node);
    };
    if tag.is_yaml_core_schema() || (tag.handle == "!" && tag.suffix.is_empty()) {
        return Ok(node);
    }
    if tag.handle != "!" {
        let message = format!("unknown tag `{tag}`");
        return Err(TemplateError::syntax(node.line, message));
    }
    let function = match tag.suffix.as_str() {
        "Ref" | "Condition" => tag.suffix,
        _ => format!("Fn::{}", tag.suffix),
    };
    Ok(TemplateNode::single(function, node))
}

/// A map's entries, with those of its merge keys. Its own count, then those of the first map merged.
fn merged(entries: Vec<NodeEntry>) -> Result<Vec<NodeEntry>, TemplateError> {
    let mut lines: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    let (merges, mut own): (Vec<NodeEntry>, Vec<NodeEntry>) =
        entries.into_iter().partition(|entry| entry.key == "<<");
    for entry in &own {
        if let Some(first) = lines.insert(entry.key.clone(), entry.line) {
            let message = format!("`{}` is already set in line {first}", entry.key);
            return Err(TemplateError::invalid(entry.line, message));
        }
    }
    for merge in merges {
        let sources = match merge.value.value {
            NodeValue::List(sources) => sources,
            _ => vec![merge.value],
        };
        for source in sources {
            let NodeValue::Map(more) = source.value else {
                let message = "only a map can be merged with `<<`";
                return Err(TemplateError::syntax(merge.line, message));
            };
            for entry in more {
                if !lines.contains_key(&entry.key) {
                    lines.insert(entry.key.clone(), entry.line);
                    own.push(entry);
                }
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn short_forms_are_long_forms() {
        let short = parse("a: !Sub '${B}'\nc: !Join ['', [!Ref D, !GetAtt E.F]]\n").unwrap();
        let long = parse(
            "a: {'Fn::Sub': '${B}'}\nc: {'Fn::Join': ['', [{Ref: D}, {'Fn::GetAtt': E.F}]]}\n",
        )
        .unwrap();
        assert_eq!(short, long);
    }

    #[test]
    fn lines_are_those_of_the_text() {
        let tree = parse("a:\n  b: 1\n\n  c:\n    - x\n    - !Ref y\n").unwrap();
        let items = tree.get("a").unwrap().get("c").unwrap();
        assert_eq!(items.as_list().unwrap()[1].line, 6);
    }

    #[test]
    fn json_with_tabs_is_read() {
        let tree = parse("{\n\t\"a\":\t\"b\\tc\",\n\t\t\"d\":[1,2]\n}\n").unwrap();
        assert_eq!(tree.get("a").unwrap().as_text(), Some("b\tc"));
        assert_eq!(tree.get("d").unwrap().as_list().unwrap().len(), 2);
    }

    #[test]
    fn merge_keys_add_what_is_missing() {
        let tree = parse("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n").unwrap();
        let own = tree.get("own").unwrap();
        assert_eq!(own.get("x").unwrap().as_text(), Some("1"));
        assert_eq!(own.get("y").unwrap().as_text(), Some("3"));
        assert!(own.get("<<").is_none());
    }

    #[test]
    fn a_key_may_be_set_once() {
        assert_eq!(
            message("a: 1\nb: 2\na: 3\n"),
            "line 3: `a` is already set in line 1"
        );
    }

    #[test]
    fn aliases_cannot_grow_without_limit() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert!(message(&text).contains("more than 500000 values"));
        assert!(message("a: &a [*a]\n").contains("contains itself"));
    }

    #[test]
    fn nesting_is_bounded() {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            for levels in [65, 20_000] {
                let text = open.repeat(levels) + &close.repeat(levels);
                assert!(parse(&text).is_err());
            }
            let text = open.repeat(64) + "x" + &close.repeat(64);
            assert!(parse(&text).is_ok(), "{open}");
        }
    }

    #[test]
    fn one_document_is_read() {
        assert!(message("a: 1\n---\nb: 2\n").contains("a second one starts here"));
        assert_eq!(message(""), "line 1: the template is empty");
    }
}
