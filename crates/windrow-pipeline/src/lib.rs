#![doc = include_str!("../README.md")]

mod application;
mod page;
mod program;

pub use application::{Functions, SensorApplication};
pub use page::PageFiles;
pub use program::{LocalProgram, main};
pub use windrow_local::{CloudSettings, LocalCloud, ResourceNames};
