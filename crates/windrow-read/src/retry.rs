//! How long passing failures are waited out.

use std::error::Error;
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::error::{ReadError, ReadFailure, failure};

/// How many tries one read is worth. With the waits below that is ten seconds on average.
const TRIES: u32 = 10;
/// The bound on the first wait, which doubles each time, and the most it grows to. A shard gives
/// five reads a second to all its readers together, so a throttled one soon has its turn.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Counts the failures of one read.
pub(crate) struct RetryBudget {
    stream: String,
    setbacks: u32,
}

impl RetryBudget {
    pub(crate) fn new(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            setbacks: 0,
        }
    }

    /// Waits before another try, with full jitter, and says whether the try needs a new iterator or
    /// token.
    ///
    /// # Errors
    /// When another try is pointless, or there have been enough.
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
                    source: error.into(),
                });
            }
            ReadFailure::Expired | ReadFailure::Passing => {}
        }
        let bound = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(self.setbacks))
            .min(LONGEST_WAIT);
        self.setbacks += 1;
        if self.setbacks >= TRIES {
            return Err(ReadError::Unavailable {
                name,
                tries: TRIES,
                source: error.into(),
            });
        }
        let wait = bound.mul_f64(rand::random());
        tracing::debug!(
            stream = name,
            setbacks = self.setbacks,
            ?wait,
            code = error.code(),
            "trying again"
        );
        tokio::time::sleep(wait).await;
        Ok(failure == ReadFailure::Expired)
    }
}
