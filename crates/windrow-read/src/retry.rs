//! Retries of transient errors.

use std::error::Error;
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use windrow_service::{Backoff, ServiceError, chain};

use crate::call::CallEndpoint;
use crate::error::{ReadError, ReadFailure, failure};

/// The maximum number of attempts per read. With the waits below, they take ten seconds on average.
const ATTEMPTS: u32 = 10;
/// A shard allows five reads per second for all its readers together, so a throttled read soon
/// succeeds.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(100),
    cap: Duration::from_secs(5),
};

/// Counts the failed attempts of one read.
pub(crate) struct RetryBudget {
    stream: String,
    endpoint: CallEndpoint,
    failed_attempts: u32,
    /// Whether a warning has been logged.
    warned: bool,
}

impl RetryBudget {
    pub(crate) fn new(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            endpoint: CallEndpoint::default(),
            failed_attempts: 0,
            warned: false,
        }
    }

    /// What each call must be intercepted by, so that errors name its endpoint.
    pub(crate) fn endpoint(&self) -> CallEndpoint {
        self.endpoint.clone()
    }

    /// Waits before the next attempt after one of `call` failed, with full jitter. Returns whether
    /// that attempt needs a new iterator or token.
    ///
    /// The first attempt that ran out of time is logged as a warning, because the others can take
    /// minutes.
    ///
    /// # Errors
    /// If the error is permanent, or all attempts are used up.
    pub(crate) async fn wait<E>(
        &mut self,
        call: &'static str,
        error: SdkError<E, HttpResponse>,
    ) -> Result<bool, ReadError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let name = self.stream.clone();
        let failure = failure(&error);
        match failure {
            ReadFailure::NotFound => return Err(ReadError::NoSuchStream { name }),
            ReadFailure::Permanent => {
                return Err(ReadError::Permanent {
                    name,
                    source: ServiceError::of_call(&error),
                });
            }
            ReadFailure::Expired | ReadFailure::Transient => {}
        }
        let wait = BACKOFF.wait(self.failed_attempts);
        self.failed_attempts += 1;
        if self.failed_attempts >= ATTEMPTS {
            return Err(ReadError::Unavailable {
                name,
                call,
                endpoint: self.endpoint.url().to_owned(),
                tries: ATTEMPTS,
                source: ServiceError::of_call(&error),
            });
        }
        if timed_out(&error) && !self.warned {
            self.warned = true;
            tracing::warn!(
                stream = name,
                call,
                endpoint = self.endpoint.url(),
                error = chain(&error),
                "no response in time, retrying"
            );
        }
        tracing::debug!(
            stream = name,
            call,
            failed_attempts = self.failed_attempts,
            ?wait,
            code = error.code(),
            "retrying"
        );
        tokio::time::sleep(wait).await;
        Ok(failure == ReadFailure::Expired)
    }
}

/// Whether the time limit of the call has passed, or that of connecting.
fn timed_out<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_timeout(),
        _ => false,
    }
}
