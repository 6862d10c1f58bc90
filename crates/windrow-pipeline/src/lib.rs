#![doc = include_str!("../README.md")]

mod application;
mod page;
mod program;

pub use application::{
    ByEventTime, Functions, OutputFunction, SensorApplication, embedded_finisher, log_metrics,
};
pub use page::PageFiles;
pub use program::{LocalProgram, advise, main};
pub use windrow_local::{CloudSettings, LocalCloud, ResourceNames};
