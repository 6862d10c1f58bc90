//! From a template's resources to the model.

mod deliveries;
mod functions;
mod mappings;
mod schedules;
mod storage;

use crate::error::TemplateError;
use crate::model::{LeftOut, NamedResource, StackModel, TemplateProblem};
use crate::node::{NodeEntry, TemplateNode};
use crate::options::StackOptions;
use crate::properties::Properties;
use crate::scope::{SAM, StackScope, transforms};
use mappings::{add_event, add_mapping};

/// Resolves a template.
pub(crate) fn build(
    root: &TemplateNode,
    options: &StackOptions,
) -> Result<StackModel, TemplateError> {
    let scope = StackScope::new(root, options)?;
    let model = StackModel {
        region: options.region.clone(),
        account: options.account.clone(),
        ..StackModel::default()
    };
    let mut builder = ModelBuilder {
        scope: &scope,
        model,
        later: Vec::new(),
    };
    for (name, line) in transforms(root) {
        if name != SAM {
            let message = format!("the transform `{name}` is not applied");
            builder.problem(line, message);
        }
    }
    for resource in scope.resources {
        builder.add(resource)?;
    }
    // Mappings refer to functions, which may come after them.
    for later in std::mem::take(&mut builder.later) {
        match later {
            Deferred::Event { function, event } => add_event(&mut builder, &function, &event)?,
            Deferred::Resource(resource) => builder.connect(resource)?,
        }
    }
    let mut model = builder.model;
    model.problems.extend(scope.into_unknown());
    model.problems.sort_by_key(|problem| problem.line);
    model.problems.dedup();
    Ok(model)
}

/// The model as far as it is built.
struct ModelBuilder<'s, 't> {
    scope: &'s StackScope<'t>,
    model: StackModel,
    later: Vec<Deferred<'t>>,
}

/// What is read once all functions are known.
enum Deferred<'t> {
    /// An event in the properties of the function of this logical id.
    Event {
        function: String,
        event: NodeEntry,
    },
    Resource(&'t NodeEntry),
}

/// Names become those of files, so what AWS does not allow in them must not get there.
fn check_logical_id(logical_id: &str, line: usize) -> Result<(), TemplateError> {
    let is_valid = logical_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_valid && (1..=255).contains(&logical_id.len()) {
        return Ok(());
    }
    let message = format!("`{logical_id}` must have letters and digits only");
    Err(TemplateError::invalid(line, message))
}

/// What is wrong with a type that one would expect to run.
fn why_not(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::CloudFormation::Stack" | "AWS::Serverless::Application" => {
            "nested stacks are not read; start the local cloud with the nested template instead"
        }
        "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" | "AWS::Serverless::GraphQLApi" => {
            "the local cloud has no API gateway"
        }
        "AWS::Serverless::StateMachine" | "AWS::StepFunctions::StateMachine" => {
            "the local cloud has no state machines"
        }
        "AWS::KinesisAnalytics::Application" | "AWS::KinesisAnalyticsV2::Application" => {
            "applications of Kinesis Data Analytics do not run; windrow runs the SQL of one"
        }
        "AWS::Pipes::Pipe" => "the local cloud has no pipes",
        "AWS::Lambda::Url" => "the local cloud has no function URLs",
        "AWS::CloudFormation::CustomResource" => "custom resources are not created",
        _ if kind.starts_with("Custom::") => "custom resources are not created",
        _ => return None,
    })
}

impl<'s, 't> ModelBuilder<'s, 't> {
    fn add(&mut self, resource: &'t NodeEntry) -> Result<(), TemplateError> {
        let logical_id = &resource.key;
        if logical_id.starts_with("Fn::ForEach") {
            self.problem(resource.line, format!("{logical_id} is not expanded"));
            return Ok(());
        }
        check_logical_id(logical_id, resource.line)?;
        let Some(kind) = resource.value.get("Type").and_then(TemplateNode::as_text) else {
            let message = format!("the resource `{logical_id}` has no type");
            return Err(TemplateError::invalid(resource.line, message));
        };
        if kind.starts_with("AWS::Serverless::") && !self.scope.is_sam() {
            let message =
                format!("`{logical_id}` is of a type of SAM, which needs `Transform: {SAM}`");
            return Err(TemplateError::invalid(resource.line, message));
        }
        if !self.scope.exists(resource)? {
            return Ok(());
        }
        match kind {
            "AWS::Kinesis::Stream" => self.add_stream(resource)?,
            "AWS::DynamoDB::Table" => self.add_table(resource)?,
            "AWS::DynamoDB::GlobalTable" => self.add_table(resource)?,
            "AWS::Serverless::SimpleTable" => self.add_simple_table(resource)?,
            "AWS::KinesisFirehose::DeliveryStream" => self.add_delivery_stream(resource)?,
            "AWS::Lambda::Function" | "AWS::Serverless::Function" => {
                self.add_function(resource, kind)?;
            }
            "AWS::Lambda::EventSourceMapping"
            | "AWS::Events::Rule"
            | "AWS::Scheduler::Schedule" => {
                self.later.push(Deferred::Resource(resource));
            }
            "AWS::SQS::Queue" => {
                let queue = self.named(resource)?;
                self.model.queues.push(queue);
            }
            "AWS::SNS::Topic" => {
                let topic = self.named(resource)?;
                self.model.topics.push(topic);
            }
            "AWS::S3::Bucket" => {
                let bucket = self.named(resource)?;
                self.model.buckets.push(bucket);
            }
            // Part of the mapping that reads through it.
            "AWS::Kinesis::StreamConsumer" => {}
            _ => match why_not(kind) {
                Some(why) => self.problem(resource.line, format!("{logical_id} ({kind}): {why}")),
                None => self.model.left_out.push(LeftOut {
                    resource_type: kind.to_owned(),
                    logical_id: logical_id.clone(),
                    line: resource.line,
                }),
            },
        }
        Ok(())
    }

    /// Reads a resource that refers to functions.
    fn connect(&mut self, resource: &NodeEntry) -> Result<(), TemplateError> {
        match resource.value.get("Type").and_then(TemplateNode::as_text) {
            Some("AWS::Lambda::EventSourceMapping") => add_mapping(self, resource),
            Some("AWS::Events::Rule") => self.add_rule(resource),
            _ => self.add_schedule(resource),
        }
    }

    fn properties(&self, resource: &NodeEntry) -> Result<Properties<'s, 't>, TemplateError> {
        let node = resource.value.get("Properties");
        Properties::new(self.scope, &resource.key, resource.line, node)
    }

    fn name(&self, resource: &NodeEntry) -> Result<String, TemplateError> {
        self.scope.name(resource, resource.line)
    }

    fn named(&self, resource: &NodeEntry) -> Result<NamedResource, TemplateError> {
        Ok(NamedResource {
            logical_id: resource.key.clone(),
            name: self.name(resource)?,
            line: resource.line,
        })
    }

    fn problem(&mut self, line: usize, message: impl Into<String>) {
        let message = message.into();
        self.model.problems.push(TemplateProblem { line, message });
    }

    /// The logical id of the function with this name or ARN.
    fn function(&self, reference: &str) -> Option<String> {
        // NAME, NAME:ALIAS, ACCOUNT:function:NAME or the ARN, each with or without an alias.
        let name = match reference.split_once(":function:") {
            Some((_, name)) => name,
            None => reference.strip_prefix("function:").unwrap_or(reference),
        };
        let name = name.split(':').next().unwrap_or(name);
        let mut functions = self.model.functions.iter();
        let function = functions.find(|function| function.name == name)?;
        Some(function.logical_id.clone())
    }
}
