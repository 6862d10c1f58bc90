//! The two Lambda functions of a windrow application, and what their mains need.
//!
//! * [`aggregator`] (a feature of that name): folds the records of a tumbling window and emits one row per
//!   key.
//! * [`processor`] (a feature of that name): writes rows to DynamoDB.
//! * [`payload`]: an invocation's payload as its bytes, without a detour through serde.
//! * [`metrics`]: an invocation's metrics in CloudWatch's embedded metric format.
//! * [`log`]: the log of a function. [`handler_deadline`]: when a handler must be done.
//!
//! Both handlers are generic over where they send, so a test passes a vector and Lambda passes the SDK.

#[cfg(feature = "aggregator")]
pub mod aggregator;
mod deadline;
pub mod log;
pub mod metrics;
pub mod payload;
#[cfg(feature = "processor")]
pub mod processor;
mod variables;

pub use deadline::handler_deadline;
pub use variables::MissingVariable;
