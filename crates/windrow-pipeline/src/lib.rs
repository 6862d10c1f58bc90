#![doc = include_str!("../README.md")]

mod application;
mod page;
mod program;
mod template;

pub use application::{
    ByEventTime, Functions, OutputFunction, SensorApplication, embedded_finisher, log_metrics,
};
pub use page::PageFiles;
pub use program::{LocalProgram, advise, from_template, main};
pub use template::PipelineTemplateError;
pub use windrow_local::{CloudSettings, LocalCloud, ResourceNames};
