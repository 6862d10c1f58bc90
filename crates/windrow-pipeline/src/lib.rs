//! The pipeline of one sensor in a local cloud.
//!
//! [`windrow_local`] is a local cloud for any functions, and [`windrow_lambda`] has the functions of
//! any sensor. This crate puts them together: [`SensorApplication`] is what runs in the local cloud,
//! and [`main`](main()) is the whole program.
//!
//! ```
//! use std::time::Duration;
//!
//! use windrow_core::sensor::{DeclaredSensor, Field, Aggregation};
//! use windrow_core::value::{ColumnType, NumberType};
//! use windrow_local::LocalCloud;
//! use windrow_pipeline::{LocalProgram, SensorApplication};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let celsius = ColumnType::Number(NumberType::decimal(2));
//! let sensor = DeclaredSensor::new(vec![
//!     Field::new("Room", ColumnType::Text).key(),
//!     Field::new("Celsius", celsius).measure("Highest", Aggregation::Max),
//! ])?;
//! let program = LocalProgram::new(SensorApplication::new(sensor), "thermometer");
//! let mut settings = program.settings();
//! settings.port = 0;
//! # settings.data_dir = folder.path().to_owned();
//! let cloud = LocalCloud::start(settings, &program.application).await?;
//! // Readings sent now are in the table `thermometer` once their window ends, or the cloud is drained.
//! cloud.drain(Duration::from_secs(30)).await?;
//! cloud.stop().await;
//! # Ok(())
//! # }
//! ```

mod application;
mod program;

pub use application::{Functions, PageRouter, SensorApplication};
pub use program::{LocalProgram, main};
pub use windrow_local::{CloudSettings, LocalCloud, ResourceNames};
