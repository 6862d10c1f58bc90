//! Retries of transient errors.

use std::error::Error;
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use windrow_service::{Backoff, ServiceError};

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
    failed_attempts: u32,
}

impl RetryBudget {
    pub(crate) fn new(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            failed_attempts: 0,
        }
    }

    /// Waits before the next attempt, with full jitter. Returns whether that attempt needs a new
    /// iterator or token.
    ///
    /// # Errors
    /// If the error is permanent, or all attempts are used up.
    pub(crate) async fn wait<E>(
        &mut self,
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
                    source: ServiceError::from(&error),
                });
            }
            ReadFailure::Expired | ReadFailure::Transient => {}
        }
        let wait = BACKOFF.wait(self.failed_attempts);
        self.failed_attempts += 1;
        if self.failed_attempts >= ATTEMPTS {
            return Err(ReadError::Unavailable {
                name,
                tries: ATTEMPTS,
                source: ServiceError::from(&error),
            });
        }
        tracing::debug!(
            stream = name,
            failed_attempts = self.failed_attempts,
            ?wait,
            code = error.code(),
            "retrying"
        );
        tokio::time::sleep(wait).await;
        Ok(failure == ReadFailure::Expired)
    }
}
