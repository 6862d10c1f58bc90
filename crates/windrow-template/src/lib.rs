#![doc = include_str!("../README.md")]

mod build;
mod error;
mod evaluate;
mod identity;
mod model;
mod node;
mod options;
mod parameters;
mod parse;
mod properties;
mod scope;

pub use error::TemplateError;
pub use model::{
    AttributeKind, DeliveryResource, FailureDestination, FunctionBuild, FunctionCode,
    FunctionResource, IndexProjection, LeftOut, MappingResource, MappingStart, NamedResource,
    ScheduleResource, StackModel, StreamResource, TableAttribute, TableIndex, TableResource,
    TemplateProblem,
};
pub use options::StackOptions;

/// The text of a template, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackTemplate {
    root: node::TemplateNode,
}

impl StackTemplate {
    /// Parses a template in YAML or JSON.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Syntax`], and [`TemplateError::Invalid`] for a key that is set twice.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let root = parse::parse(text)?;
        Ok(Self { root })
    }

    /// Resolves the names, references and settings of all resources.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], for the first value that makes no sense. What makes sense but does not run
    /// in a local cloud is no error: see [`StackModel::problems`].
    pub fn resolve(&self, options: &StackOptions) -> Result<StackModel, TemplateError> {
        build::build(&self.root, options)
    }
}
