//! A local cloud made from a SAM or CloudFormation template.
//!
//! [`StackCloud::start`] creates the streams, tables and delivery streams of a
//! [`StackModel`], and starts its event source mappings and schedules.
//! The caller says how each function runs: as any [`Function`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use windrow_local::endpoint::EndpointOptions;
//! use windrow_local::functions::{Embedded, Function};
//! use windrow_local::stack::{StackCloud, StackSettings};
//! use windrow_template::{StackOptions, StackTemplate};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let template = StackTemplate::parse(
//!     "
//! Transform: AWS::Serverless-2016-10-31
//! Resources:
//!   Ticks: {Type: AWS::Kinesis::Stream, Properties: {Name: ticks, ShardCount: 1}}
//!   Print:
//!     Type: AWS::Serverless::Function
//!     Properties:
//!       Events:
//!         Ticks: {Type: Kinesis, Properties: {Stream: !GetAtt Ticks.Arn, StartingPosition: TRIM_HORIZON}}
//! ",
//! )?;
//! let stack = template.resolve(&StackOptions::default())?;
//! let mut endpoint = EndpointOptions::new(folder.path());
//! endpoint.port = 0;
//! let cloud = StackCloud::start(StackSettings::new(endpoint), &stack, |function, _config| {
//!     let print = Embedded::new(&function.name, async |event, _deadline| {
//!         println!("{}", String::from_utf8_lossy(&event));
//!         Ok(b"null".to_vec())
//!     });
//!     Ok(Some(Arc::new(print) as Arc<dyn Function>))
//! })
//! .await?;
//! println!("AWS_ENDPOINT_URL={}", cloud.endpoint_url());
//! cloud.stop().await;
//! # Ok(())
//! # }
//! ```

mod create;
mod mappings;
mod parts;

use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use windrow_template::{FunctionResource, StackModel};

use crate::clock::Clock;
use crate::cloud::DrainError;
use crate::endpoint::{Endpoint, EndpointOptions};
use crate::functions::Function;
use crate::restart::RestartReport;
use crate::start_error::StartError;
pub use mappings::mapping_options;
use parts::StackParts;

/// What a template does not say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StackSettings {
    /// The settings of the endpoint. The region and the account are the stack's.
    pub endpoint: EndpointOptions,
    /// How many shards every stream starts with, instead of what the template says.
    pub shards: Option<u32>,
}

impl StackSettings {
    /// The settings with this endpoint, and the shards that the template says.
    #[must_use]
    pub fn new(endpoint: EndpointOptions) -> Self {
        Self {
            endpoint,
            shards: None,
        }
    }
}

/// A running local cloud of a template.
///
/// Dropping it aborts everything. To end it cleanly, call [`drain`](Self::drain), then
/// [`stop`](Self::stop).
#[derive(Debug)]
pub struct StackCloud {
    endpoint: Endpoint,
    endpoint_stop: CancellationToken,
    parts: StackParts,
}

impl StackCloud {
    /// Starts the endpoint, creates what the stack has unless an earlier run has, and starts the
    /// mappings and schedules. When it returns, records can be sent.
    ///
    /// `run` creates each function; `config` points the AWS SDK at the endpoint. The mappings and
    /// schedules of a function for which it returns `None` do not run.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start<F>(
        settings: StackSettings,
        stack: &StackModel,
        run: F,
    ) -> Result<Self, StartError>
    where
        F: Fn(&FunctionResource, &SdkConfig) -> Result<Option<Arc<dyn Function>>, StartError>,
    {
        let options = EndpointOptions {
            region: stack.region.clone(),
            account: stack.account.clone(),
            ..settings.endpoint
        };
        let endpoint_stop = CancellationToken::new();
        let endpoint = Endpoint::start(options.clone(), endpoint_stop.clone()).await?;
        match StackParts::start(&options, settings.shards, stack, &endpoint, run).await {
            Ok(parts) => Ok(Self {
                endpoint,
                endpoint_stop,
                parts,
            }),
            Err(error) => {
                endpoint.abandon().await;
                Err(error)
            }
        }
    }

    /// The endpoint URL of Kinesis, DynamoDB and Firehose, for an AWS SDK.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        self.endpoint.url()
    }

    /// The clock of the arrival times.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.endpoint.clock()
    }

    /// What the data directory had of an earlier run, if there was one, and what becomes of it.
    #[must_use]
    pub fn restart_report(&self) -> Option<&RestartReport> {
        self.parts.report.as_ref()
    }

    /// Waits until every record that was acknowledged before the call is handled: open windows are
    /// closed early, and so are those of the records that functions sent meanwhile. Records are
    /// accepted all the time, since functions may send them.
    ///
    /// # Errors
    ///
    /// [`DrainError`] if something has not caught up within `timeout`.
    pub async fn drain(&self, timeout: Duration) -> Result<(), DrainError> {
        let deadline = Instant::now() + timeout;
        let drained = self.parts.drain(self.clock(), deadline, timeout).await;
        if let Err(error) = self.endpoint.firehose().flush().await {
            tracing::warn!(%error, "the last objects are not delivered yet");
        }
        drained
    }

    /// Stops everything, after the invocations in flight.
    pub async fn stop(self) {
        self.parts.stop().await;
        self.endpoint_stop.cancel();
        self.endpoint.stopped().await;
    }
}
