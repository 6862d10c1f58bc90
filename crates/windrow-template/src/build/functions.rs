//! Functions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Deferred, ModelBuilder, check_logical_id};
use crate::error::TemplateError;
use crate::identity::ResourceIdentity;
use crate::model::{FunctionBuild, FunctionCode, FunctionResource};
use crate::node::{NodeEntry, NodeValue, TemplateNode};
use crate::properties::Properties;

impl ModelBuilder<'_, '_> {
    pub(super) fn add_function(
        &mut self,
        resource: &NodeEntry,
        kind: &str,
    ) -> Result<(), TemplateError> {
        let is_sam = kind == "AWS::Serverless::Function";
        let node = resource.value.get("Properties");
        let globals = is_sam.then(|| self.scope.root.get("Globals")?.get("Function"));
        let node = match globals.flatten() {
            Some(globals) => Some(with_globals(globals, node)),
            None => node.cloned(),
        };
        let properties = Properties::new(self.scope, &resource.key, resource.line, node.as_ref())?;
        let code = if is_sam {
            serverless_code(&properties)?
        } else {
            lambda_code(&properties)?
        };
        if code == FunctionCode::Image {
            let message = format!(
                "the function {0} is a container image, which does not run here: it needs \
                 --function {0}=COMMAND",
                resource.key
            );
            self.problem(resource.line, message);
        }
        let layers = self.layers(&resource.key, &properties)?;
        let timeout = properties.unsigned("Timeout", 1..=900)?.unwrap_or(3);
        let function = FunctionResource {
            logical_id: resource.key.clone(),
            name: self.function_name(resource, &properties)?,
            handler: properties.text("Handler")?,
            runtime: properties.text("Runtime")?,
            code,
            layers,
            build: self.build_method(resource)?,
            timeout: Duration::from_secs(timeout.into()),
            memory_mb: properties
                .unsigned("MemorySize", 128..=10_240)?
                .unwrap_or(128),
            environment: self.environment(&properties)?,
            line: resource.line,
        };
        self.model.functions.push(function);
        if is_sam {
            for event in properties.section("Events")?.entries() {
                check_logical_id(&event.key, event.line)?;
                self.later.push(Deferred::Event {
                    function: resource.key.clone(),
                    event: event.clone(),
                });
            }
        }
        Ok(())
    }

    /// The folders of a function's layers.
    fn layers(
        &mut self,
        function: &str,
        properties: &Properties<'_, '_>,
    ) -> Result<Vec<String>, TemplateError> {
        let Some(layers) = properties.get("Layers")? else {
            return Ok(Vec::new());
        };
        let NodeValue::List(layers) = layers.value else {
            return Err(properties.error("Layers", "must be a list of ARNs"));
        };
        let mut folders = Vec::new();
        for layer in layers {
            // One whose ARN only AWS knows is like any other that is not here.
            let folder = match self.scope.shallow(&layer) {
                Ok(resolved) if resolved.is_absent() => continue,
                Ok(TemplateNode {
                    value: NodeValue::Text(arn),
                    ..
                }) => self.layer_folder(&arn)?,
                _ => None,
            };
            if let Some(folder) = folder {
                folders.push(folder);
            } else {
                let message = format!(
                    "a layer of the function {function} is no folder beside the template, so its files \
                     are missing here"
                );
                self.problem(layer.line, message);
            }
        }
        Ok(folders)
    }

    /// The folder of the layer with this ARN, if the template has it as a folder.
    fn layer_folder(&self, arn: &str) -> Result<Option<String>, TemplateError> {
        for resource in self.scope.resources {
            let kind = resource.value.get("Type").and_then(TemplateNode::as_text);
            let Some(kind @ "AWS::Serverless::LayerVersion") = kind else {
                continue;
            };
            let name = self.name(resource)?;
            let layer = ResourceIdentity::new(self.scope.options, kind, name, None);
            if layer.reference() != arn {
                continue;
            }
            let node = resource.value.get("Properties");
            let layer = Properties::new(self.scope, &resource.key, resource.line, node)?;
            return Ok(match layer.get("ContentUri")?.map(|node| node.value) {
                Some(NodeValue::Text(uri)) => match code_at(uri) {
                    FunctionCode::Path(folder) => Some(folder),
                    _ => None,
                },
                _ => None,
            });
        }
        Ok(None)
    }

    fn function_name(
        &self,
        resource: &NodeEntry,
        properties: &Properties<'_, '_>,
    ) -> Result<String, TemplateError> {
        let name = self.name(resource)?;
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(is_allowed) {
            let message = format!("is `{name}`; it must have letters, digits, `-` and `_` only");
            return Err(properties.error("FunctionName", &message));
        }
        Ok(name)
    }

    fn build_method(&self, resource: &NodeEntry) -> Result<Option<FunctionBuild>, TemplateError> {
        let Some(metadata) = resource.value.get("Metadata") else {
            return Ok(None);
        };
        let owner = format!("Metadata of {}", resource.key);
        let metadata = Properties::new(self.scope, owner, resource.line, Some(metadata))?;
        let Some(method) = metadata.text("BuildMethod")? else {
            return Ok(None);
        };
        let binary = metadata.section("BuildProperties")?.text("Binary")?;
        Ok(Some(FunctionBuild { method, binary }))
    }

    fn environment(
        &self,
        properties: &Properties<'_, '_>,
    ) -> Result<BTreeMap<String, String>, TemplateError> {
        let variables = properties.section("Environment")?.section("Variables")?;
        let mut environment = BTreeMap::new();
        for entry in variables.entries() {
            if let Some(value) = variables.text(&entry.key)? {
                if value.contains("{{resolve:") {
                    let text = format!("{} of {}", entry.key, properties.owner());
                    self.scope.add_unknown(entry.line, &text);
                }
                environment.insert(entry.key.clone(), value);
            }
        }
        Ok(environment)
    }
}

/// The properties of a function with those of `Globals`: maps are merged, lists are joined, and of
/// other values the function's own counts.
///
/// Source: "Globals section of the AWS SAM template", "Overridable, additive and mergeable".
fn with_globals(global: &TemplateNode, own: Option<&TemplateNode>) -> TemplateNode {
    let Some(own) = own else {
        return global.clone();
    };
    if global.function().is_some() || own.function().is_some() {
        return own.clone();
    }
    let value = match (&global.value, &own.value) {
        (NodeValue::List(global), NodeValue::List(own)) => {
            NodeValue::List(global.iter().chain(own).cloned().collect())
        }
        (NodeValue::Map(global), NodeValue::Map(entries)) => {
            let mut merged: Vec<NodeEntry> = Vec::with_capacity(entries.len());
            for entry in entries {
                let mut globals = global.iter().filter(|global| global.key == entry.key);
                let value = match globals.next() {
                    Some(global) => with_globals(&global.value, Some(&entry.value)),
                    None => entry.value.clone(),
                };
                merged.push(NodeEntry {
                    value,
                    ..entry.clone()
                });
            }
            let missing = global
                .iter()
                .filter(|global| own.get(&global.key).is_none());
            merged.extend(missing.cloned());
            NodeValue::Map(merged)
        }
        _ => own.value.clone(),
    };
    TemplateNode::new(own.line, value)
}

/// The code of an `AWS::Serverless::Function`.
fn serverless_code(properties: &Properties<'_, '_>) -> Result<FunctionCode, TemplateError> {
    if properties.text("PackageType")?.as_deref() == Some("Image")
        || properties.get("ImageUri")?.is_some()
    {
        return Ok(FunctionCode::Image);
    }
    if let Some(source) = properties.text("InlineCode")? {
        return Ok(FunctionCode::Inline(source));
    }
    match properties.get("CodeUri")?.map(|node| node.value) {
        None => Ok(FunctionCode::Missing),
        Some(NodeValue::Text(uri)) => Ok(code_at(uri)),
        Some(_) => {
            let object = properties.section("CodeUri")?;
            Ok(FunctionCode::Object {
                bucket: object.required("Bucket")?,
                key: object.required("Key")?,
            })
        }
    }
}

/// The code of an `AWS::Lambda::Function`. A path is replaced by an object when the template is
/// packaged.
fn lambda_code(properties: &Properties<'_, '_>) -> Result<FunctionCode, TemplateError> {
    let Some(code) = properties.get("Code")? else {
        return Ok(FunctionCode::Missing);
    };
    if let NodeValue::Text(uri) = code.value {
        return Ok(code_at(uri));
    }
    let code = properties.section("Code")?;
    if code.get("ImageUri")?.is_some() {
        return Ok(FunctionCode::Image);
    }
    if let Some(source) = code.text("ZipFile")? {
        return Ok(FunctionCode::Inline(source));
    }
    Ok(FunctionCode::Object {
        bucket: code.required("S3Bucket")?,
        key: code.required("S3Key")?,
    })
}

fn code_at(uri: String) -> FunctionCode {
    match uri
        .strip_prefix("s3://")
        .and_then(|object| object.split_once('/'))
    {
        Some((bucket, key)) => FunctionCode::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        },
        None => FunctionCode::Path(uri),
    }
}
