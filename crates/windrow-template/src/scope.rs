//! What a template's functions refer to: parameters, mappings, conditions and resources.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use crate::error::{TemplateError, hint};
use crate::identity::{ResourceIdentity, name_property};
use crate::model::TemplateProblem;
use crate::node::{NodeEntry, NodeValue, TemplateNode};
use crate::options::StackOptions;
use crate::parameters::{ParameterValue, parameter_values};

/// How deeply calls may be nested, those behind references included.
const DEEPEST: usize = 120;

/// The most bytes of text that a function may return.
const LONGEST_TEXT: usize = 256 * 1024;

/// The most bytes of text that all functions together may return.
const MOST_TEXT: usize = 64 * 1024 * 1024;

/// The most values that are resolved, each as often as something needs it.
const MOST_STEPS: usize = 4_000_000;

/// The transform of SAM.
pub(crate) const SAM: &str = "AWS::Serverless-2016-10-31";

/// A template with the values of its parameters.
pub(crate) struct StackScope<'t> {
    pub(crate) options: &'t StackOptions,
    pub(crate) root: &'t TemplateNode,
    pub(crate) resources: &'t [NodeEntry],
    parameters: BTreeMap<String, ParameterValue>,
    is_sam: bool,
    by_id: HashMap<&'t str, &'t NodeEntry>,
    conditions: RefCell<HashMap<String, bool>>,
    names: RefCell<HashMap<String, String>>,
    /// What is being resolved, so that a circle is found.
    open: RefCell<Vec<String>>,
    depth: Cell<usize>,
    steps: Cell<usize>,
    text_bytes: Cell<usize>,
    unknown: RefCell<Vec<TemplateProblem>>,
}

impl<'t> StackScope<'t> {
    pub(crate) fn new(
        root: &'t TemplateNode,
        options: &'t StackOptions,
    ) -> Result<Self, TemplateError> {
        let Some(resources) = root.get("Resources").and_then(TemplateNode::as_map) else {
            let message = "a template must have a map of `Resources`";
            return Err(TemplateError::invalid(root.line, message));
        };
        let parameters = parameter_values(root.get("Parameters"), &options.parameters)?;
        let by_id = resources.iter().map(|entry| (entry.key.as_str(), entry));
        Ok(Self {
            options,
            root,
            resources,
            parameters,
            is_sam: transforms(root).iter().any(|(name, _)| name == SAM),
            by_id: by_id.collect(),
            conditions: RefCell::default(),
            names: RefCell::default(),
            open: RefCell::default(),
            depth: Cell::new(0),
            steps: Cell::new(0),
            text_bytes: Cell::new(0),
            unknown: RefCell::default(),
        })
    }

    pub(crate) fn is_sam(&self) -> bool {
        self.is_sam
    }

    /// Notes a value that only AWS knows, or another stack.
    pub(crate) fn add_unknown(&self, line: usize, text: &str) {
        let message = format!("only AWS knows `{text}`; the value here is the text itself");
        let mut unknown = self.unknown.borrow_mut();
        unknown.push(TemplateProblem { line, message });
    }

    /// References whose value only AWS knows.
    pub(crate) fn into_unknown(self) -> Vec<TemplateProblem> {
        self.unknown.into_inner()
    }

    /// Runs `resolve` one level deeper.
    pub(crate) fn deeper<T>(
        &self,
        line: usize,
        resolve: impl FnOnce() -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.depth.get() >= DEEPEST {
            let message = format!("values refer to each other more than {DEEPEST} levels deep");
            return Err(TemplateError::invalid(line, message));
        }
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MOST_STEPS {
            return Err(TemplateError::invalid(
                line,
                "the template takes too long to resolve",
            ));
        }
        self.depth.set(self.depth.get() + 1);
        let resolved = resolve();
        self.depth.set(self.depth.get() - 1);
        resolved
    }

    /// Runs `resolve` for `name`, which must not be needed for that.
    fn once<T>(
        &self,
        name: &str,
        line: usize,
        resolve: impl FnOnce() -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        let circle = {
            let open = self.open.borrow();
            let start = open.iter().position(|other| other == name);
            start.map(|start| [&open[start..], &[name.to_owned()]].concat().join(" -> "))
        };
        if let Some(circle) = circle {
            let message = format!("a value depends on itself: {circle}");
            return Err(TemplateError::invalid(line, message));
        }
        self.open.borrow_mut().push(name.to_owned());
        let resolved = self.deeper(line, resolve);
        self.open.borrow_mut().pop();
        resolved
    }

    /// A text that a function returns, unless it or all of them are too long.
    pub(crate) fn bounded(&self, line: usize, text: String) -> Result<String, TemplateError> {
        let total = self.text_bytes.get() + text.len();
        self.text_bytes.set(total);
        if text.len() > LONGEST_TEXT || total > MOST_TEXT {
            return Err(TemplateError::invalid(line, "the value is too long"));
        }
        Ok(text)
    }

    /// Whether a condition is true.
    pub(crate) fn holds(&self, name: &str, line: usize) -> Result<bool, TemplateError> {
        if let Some(known) = self.conditions.borrow().get(name) {
            return Ok(*known);
        }
        let conditions = self.root.get("Conditions");
        let Some(condition) = conditions.and_then(|section| section.get(name)) else {
            let names = conditions
                .and_then(TemplateNode::as_map)
                .unwrap_or_default();
            let hint = hint(name, names.iter().map(|entry| entry.key.as_str()));
            let message = format!("there is no condition `{name}`{hint}");
            return Err(TemplateError::invalid(line, message));
        };
        let holds = self.once(&format!("condition {name}"), line, || self.test(condition))?;
        let mut conditions = self.conditions.borrow_mut();
        conditions.insert(name.to_owned(), holds);
        Ok(holds)
    }

    /// Evaluates a function that is true or false.
    fn test(&self, node: &TemplateNode) -> Result<bool, TemplateError> {
        let line = node.line;
        let unknown = || {
            TemplateError::invalid(
                line,
                "a condition must be Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition",
            )
        };
        let Some([entry]) = node.as_map() else {
            return Err(unknown());
        };
        let arguments = entry.value.as_list().unwrap_or_default();
        self.deeper(line, || match (entry.key.as_str(), arguments) {
            ("Condition", _) => match entry.value.as_text() {
                Some(name) => self.holds(name, line),
                None => Err(unknown()),
            },
            ("Fn::Equals", [one, other]) => {
                let (one, other) = (self.evaluate(one)?, self.evaluate(other)?);
                Ok(same_value(&one, &other))
            }
            ("Fn::Not", [one]) => Ok(!self.test(one)?),
            ("Fn::And", [_, ..]) => all(arguments.iter().map(|one| self.test(one))),
            ("Fn::Or", [_, ..]) => {
                let none = all(arguments
                    .iter()
                    .map(|one| self.test(one).map(|holds| !holds)))?;
                Ok(!none)
            }
            _ => Err(unknown()),
        })
    }

    /// Whether a resource exists, as far as its condition says.
    pub(crate) fn exists(&self, resource: &NodeEntry) -> Result<bool, TemplateError> {
        match resource.value.get("Condition") {
            None => Ok(true),
            Some(node) => match node.as_text() {
                Some(name) => self.holds(name, node.line),
                None => Err(TemplateError::invalid(
                    node.line,
                    "`Condition` must be a name",
                )),
            },
        }
    }

    pub(crate) fn resource(&self, logical_id: &str) -> Option<&'t NodeEntry> {
        self.by_id.get(logical_id).copied()
    }

    /// The value of `Ref`.
    pub(crate) fn reference(&self, name: &str, line: usize) -> Result<TemplateNode, TemplateError> {
        if let Some(value) = self.pseudo_parameter(name, line) {
            return Ok(value);
        }
        if let Some(value) = self.parameters.get(name) {
            return value.node(name, line);
        }
        let text = self.identity(name, line)?.reference();
        Ok(TemplateNode::text(line, self.bounded(line, text)?))
    }

    /// The value of `Fn::GetAtt`.
    pub(crate) fn attribute(
        &self,
        logical_id: &str,
        attribute: &str,
        line: usize,
    ) -> Result<TemplateNode, TemplateError> {
        let identity = self.identity(logical_id, line)?;
        let text = identity.attribute(attribute).unwrap_or_else(|| {
            let text = format!("{logical_id}.{attribute}");
            self.add_unknown(line, &text);
            text
        });
        Ok(TemplateNode::text(line, self.bounded(line, text)?))
    }

    fn pseudo_parameter(&self, name: &str, line: usize) -> Option<TemplateNode> {
        let options = self.options;
        let text = match name {
            "AWS::Region" => options.region.clone(),
            "AWS::AccountId" => options.account.clone(),
            "AWS::StackName" => options.stack_name.clone(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackId" => format!(
                "arn:aws:cloudformation:{}:{}:stack/{}/local",
                options.region, options.account, options.stack_name
            ),
            "AWS::NoValue" => return Some(TemplateNode::absent(line)),
            "AWS::NotificationARNs" => {
                return Some(TemplateNode::new(line, NodeValue::List(Vec::new())));
            }
            _ => return None,
        };
        Some(TemplateNode::text(line, text))
    }

    /// A resource's type and name.
    fn identity(
        &self,
        logical_id: &str,
        line: usize,
    ) -> Result<ResourceIdentity<'_>, TemplateError> {
        let Some(resource) = self.resource(logical_id) else {
            return self.generated(logical_id, line);
        };
        let kind = resource.value.get("Type").and_then(TemplateNode::as_text);
        let kind = kind.unwrap_or_default();
        if !self.exists(resource)? {
            let message = format!(
                "`{logical_id}` (line {}) does not exist, since its condition is false",
                resource.line
            );
            return Err(TemplateError::invalid(line, message));
        }
        let name = self.name(resource, line)?;
        let stream = match kind {
            "AWS::Kinesis::StreamConsumer" => {
                let properties = resource.value.get("Properties");
                let stream = properties.and_then(|properties| properties.get("StreamARN"));
                match stream {
                    None => None,
                    Some(stream) => {
                        let arn = self.once(logical_id, line, || self.evaluate(stream))?;
                        arn.as_text().map(str::to_owned)
                    }
                }
            }
            _ => None,
        };
        Ok(ResourceIdentity::new(self.options, kind, name, stream))
    }

    /// A resource that SAM adds: a role, a mapping, an alias or a version of a function, an API.
    fn generated(&self, name: &str, line: usize) -> Result<ResourceIdentity<'_>, TemplateError> {
        let owner = self.is_sam.then(|| {
            let owners = self.resources.iter().filter(|resource| {
                let suffix = name.strip_prefix(&resource.key);
                suffix.is_some_and(|suffix| is_generated(resource, suffix))
            });
            owners.max_by_key(|resource| resource.key.len())
        });
        let mut name = name.to_owned();
        let kind = match owner.flatten() {
            Some(_) if name.ends_with("Role") => "AWS::IAM::Role",
            Some(owner) if name[owner.key.len()..].starts_with('.') => {
                let qualifier = name.split_off(owner.key.len());
                name = self.name(owner, line)? + &qualifier;
                "AWS::Serverless::Function"
            }
            Some(_) => "",
            None if self.is_sam && is_implicit_api(&name) => "",
            None => {
                let parameters = self.parameters.keys().map(String::as_str);
                let resources = self.resources.iter().map(|resource| resource.key.as_str());
                let hint = hint(&name, parameters.chain(resources));
                let message = format!("`{name}` is neither a parameter nor a resource{hint}");
                return Err(TemplateError::invalid(line, message));
            }
        };
        Ok(ResourceIdentity::new(self.options, kind, name, None))
    }

    /// A resource's own name. Where the template sets none, it is the logical id, in lowercase for a
    /// bucket. CloudFormation would add the stack's name and a random suffix.
    pub(crate) fn name(&self, resource: &NodeEntry, line: usize) -> Result<String, TemplateError> {
        let logical_id = resource.key.as_str();
        if let Some(known) = self.names.borrow().get(logical_id) {
            return Ok(known.clone());
        }
        let kind = resource.value.get("Type").and_then(TemplateNode::as_text);
        let property = name_property(kind.unwrap_or_default());
        let properties = resource.value.get("Properties");
        let node = property.and_then(|property| properties?.get(property));
        let set = match node {
            None => None,
            Some(node) => {
                let value = self.once(logical_id, line, || self.evaluate(node))?;
                if !value.is_absent() && value.as_text().is_none() {
                    let message = format!("the name of `{logical_id}` must be text");
                    return Err(TemplateError::invalid(node.line, message));
                }
                value.as_text().map(str::to_owned)
            }
        };
        let name = match set {
            Some(name) => name,
            None if kind == Some("AWS::S3::Bucket") => logical_id.to_lowercase(),
            None => logical_id.to_owned(),
        };
        let mut names = self.names.borrow_mut();
        names.insert(logical_id.to_owned(), name.clone());
        Ok(name)
    }
}

/// Whether SAM makes a resource with this suffix for one of its own.
///
/// Source: "Generated CloudFormation resources for AWS SAM".
fn is_generated(resource: &NodeEntry, suffix: &str) -> bool {
    let kind = resource.value.get("Type").and_then(TemplateNode::as_text);
    let is_sam = kind.is_some_and(|kind| kind.starts_with("AWS::Serverless::"));
    let starts = [".", "Alias", "Version", "Deployment"];
    let events = resource.value.get("Properties");
    let events = events.and_then(|properties| properties.get("Events")?.as_map());
    let is_event = |suffix: &str| {
        let mut events = events.unwrap_or_default().iter();
        events.any(|event| suffix.starts_with(&event.key))
    };
    is_sam
        && (starts.iter().any(|start| suffix.starts_with(start))
            || suffix.ends_with("Role")
            || suffix.ends_with("Stage")
            || is_event(suffix))
}

/// Whether this is an API that SAM makes for the events of functions.
fn is_implicit_api(name: &str) -> bool {
    name.starts_with("ServerlessRestApi") || name.starts_with("ServerlessHttpApi")
}

/// The transforms of a template, with their lines.
pub(crate) fn transforms(root: &TemplateNode) -> Vec<(String, usize)> {
    let Some(transform) = root.get("Transform") else {
        return Vec::new();
    };
    let all = transform
        .as_list()
        .unwrap_or(std::slice::from_ref(transform));
    let names = all.iter().map(|node| {
        let name = node.as_text().or_else(|| node.get("Name")?.as_text());
        (name.unwrap_or("Fn::Transform").to_owned(), node.line)
    });
    names.collect()
}

/// Whether all hold, without short cuts, so that an error in any is found.
fn all(
    conditions: impl Iterator<Item = Result<bool, TemplateError>>,
) -> Result<bool, TemplateError> {
    let mut all = true;
    for holds in conditions {
        all &= holds?;
    }
    Ok(all)
}

/// Whether two values are equal, wherever they are.
fn same_value(one: &TemplateNode, other: &TemplateNode) -> bool {
    match (&one.value, &other.value) {
        (NodeValue::List(one), NodeValue::List(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| same_value(one, other))
        }
        (NodeValue::Map(one), NodeValue::Map(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| {
                    one.key == other.key && same_value(&one.value, &other.value)
                })
        }
        (one, other) => one == other,
    }
}
