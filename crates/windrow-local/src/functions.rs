//! Ways to run a Lambda function on this machine, behind one trait.
//!
//! - [`Embedded`]: the handler in this process. Nothing to build, easy to debug.
//! - [`Bootstrap`]: the deployed binary, or a program in any language, over Lambda's Runtime API. It
//!   starts, sees its environment and crashes as on AWS.
//! - [`CargoLambda`]: a running `cargo lambda watch`, which rebuilds the function whenever its
//!   source changes.
//!
//! [`Faulty`] wraps any of them and injects faults: it crashes, times out or runs twice.
//! [`Replaceable`] wraps one that is replaced while it is mapped.

mod bootstrap;
mod cargo_lambda;
mod command;
mod embedded;
mod faulty;
mod replaceable;
mod runtime_api;

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

pub use bootstrap::{Bootstrap, BootstrapOptions, FunctionLog};
pub use cargo_lambda::CargoLambda;
pub use command::CommandError;
pub use embedded::Embedded;
pub use faulty::Faulty;
pub use replaceable::Replaceable;

/// The most bytes of a synchronous invocation's request, and of its response.
/// Source: Lambda Developer Guide, "Lambda quotas" (6 MB each).
pub const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// A Lambda function that can be invoked.
pub trait Function: Send + Sync {
    /// The function's name, for logs and metadata.
    fn name(&self) -> &str;

    /// Runs the function once on an event and returns its response. Both are JSON, which is not
    /// parsed here.
    ///
    /// `timeout` is the function's own. It starts when the function gets the event: starting a
    /// process or waiting for an earlier invocation does not count. Dropping the future aborts the
    /// invocation, but the function may have done any part of its work by then, and may continue if
    /// it runs in another process.
    ///
    /// # Errors
    ///
    /// [`InvokeError`]. After any of them, the function can be invoked again.
    fn invoke(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>>;

    /// Runs the function, and aborts it `after` this time unless it has ended by then. Discards its
    /// response. The time starts when the function gets the event. The function still sees its
    /// whole `timeout`, since a function that crashes does not know so in advance. A function that
    /// cannot be aborted is not run at all.
    fn cut_off(&self, payload: Vec<u8>, timeout: Duration, after: Duration) -> BoxFuture<'_, ()> {
        let invocation = self.invoke(payload, timeout);
        async move {
            // Dropping the future aborts the function.
            let _ = tokio::time::timeout(after, invocation).await;
        }
        .boxed()
    }
}

/// Why an invocation has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The function returned an error, or the event or the response is too large.
    #[error("the function failed: {error_type}: {message}")]
    Failed {
        /// The error's type, as Lambda reports it in `errorType`.
        error_type: String,
        /// The error's text, as Lambda reports it in `errorMessage`.
        message: String,
    },
    /// It exceeded its timeout, and was stopped if possible.
    #[error("the function timed out after {} ms", after.as_millis())]
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// Its process started, but did not ask for an event in time.
    #[error(
        "the function did not ask for an event within {} ms of its start: it must ask the Runtime API \
         at AWS_LAMBDA_RUNTIME_API for one",
        after.as_millis()
    )]
    NeverAsked {
        /// How long a process may take.
        after: Duration,
    },
    /// It ended without a response: an exit, a signal or a panic.
    #[error("the function crashed: {status}")]
    Crashed {
        /// The exit status or the panic's message.
        status: String,
    },
    /// It never got the event, because nothing can run it.
    #[error("the function cannot be reached: {message}")]
    Unreachable {
        /// What to do about it.
        message: String,
    },
}

fn check_request(payload: &[u8]) -> Result<(), InvokeError> {
    if payload.len() <= MAX_PAYLOAD_BYTES {
        return Ok(());
    }
    Err(InvokeError::Failed {
        error_type: "RequestTooLargeException".to_owned(),
        message: format!(
            "the event has {} bytes, and the limit is {MAX_PAYLOAD_BYTES}",
            payload.len()
        ),
    })
}

fn check_response(payload: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
    if payload.len() <= MAX_PAYLOAD_BYTES {
        return Ok(payload);
    }
    Err(response_too_large())
}

fn response_too_large() -> InvokeError {
    InvokeError::Failed {
        error_type: "Function.ResponseSizeTooLarge".to_owned(),
        message: format!("the response is larger than {MAX_PAYLOAD_BYTES} bytes"),
    }
}
