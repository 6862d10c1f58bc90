//! The Wild Rydes application in a local cloud.
//!
//! [`windrow_local`] is a local cloud for any application. This crate adds the Wild Rydes
//! application: the names of its streams and table, both functions, and the live map.
//!
//! ```
//! use std::time::Duration;
//!
//! use local::WildRydes;
//! use windrow_local::LocalCloud;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let mut settings = local::settings();
//! settings.port = 0;
//! # settings.data_dir = folder.path().to_owned();
//! let cloud = LocalCloud::start(settings, &WildRydes::default()).await?;
//! println!("AWS_ENDPOINT_URL={}", cloud.endpoint_url());
//! // Readings sent now are in the table once their window of a minute ends, or the cloud is drained.
//! cloud.drain(Duration::from_secs(30)).await?;
//! cloud.stop().await;
//! # Ok(())
//! # }
//! ```

mod application;
mod page;

pub use application::{Functions, WildRydes};
use unicorn::row::schema;
use windrow_local::{CloudSettings, ResourceNames};

/// The default data directory.
pub const DATA_DIR: &str = ".wildrydes";

/// The names of the application's streams and table, as in the template.
pub fn names() -> ResourceNames {
    ResourceNames {
        stream: "wildrydes".to_owned(),
        summary_stream: "wildrydes-summary".to_owned(),
        table: "UnicornSensorData".to_owned(),
        table_key: schema().table_key().map(str::to_owned),
        rejects: "wildrydes-rejects".to_owned(),
    }
}

/// The default settings of the application's local cloud, with its data in [`DATA_DIR`].
pub fn settings() -> CloudSettings {
    CloudSettings::new(names(), DATA_DIR)
}
