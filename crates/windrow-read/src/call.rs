//! How calls are made, and where they go.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{Builder, Config, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::{BoxError, ProvideErrorMetadata};
use windrow_service::{ClockRetry, clock_retry_config};

/// The time limit of a call whose response is small, unless the client has a shorter one. Kinesis
/// responds within milliseconds. kinesalite never does if a shard has no record at or after the
/// requested time.
const SMALL_CALL_LIMIT: Duration = Duration::from_secs(5);

/// The configuration of a call whose response may be large. `E` is the call's error.
pub(crate) fn large<E>() -> Builder
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    Config::builder()
        .retry_config(clock_retry_config())
        .retry_classifier(ClockRetry::<E>::new())
}

/// The configuration of a call whose response is small. `E` is the call's error.
pub(crate) fn small<E>(client: &Client) -> Builder
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let timeouts = client.config().timeout_config();
    let limit = timeouts
        .and_then(TimeoutConfig::operation_attempt_timeout)
        .map_or(SMALL_CALL_LIMIT, |limit| limit.min(SMALL_CALL_LIMIT));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(limit);
    large::<E>().timeout_config(timeouts.build())
}

/// The stream as a call's `StreamName` or `StreamARN`. A name has no colon.
pub(crate) fn name_and_arn(stream: &str) -> (Option<String>, Option<String>) {
    let stream_is_arn = stream.starts_with("arn:");
    let stream = Some(stream.to_owned());
    if stream_is_arn {
        (None, stream)
    } else {
        (stream, None)
    }
}

/// The endpoint of a client, which is known once a request has been made.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallEndpoint(Arc<OnceLock<String>>);

impl CallEndpoint {
    /// The URL, without a path.
    pub(crate) fn url(&self) -> &str {
        self.0.get().map_or("an unknown endpoint", String::as_str)
    }
}

impl Intercept for CallEndpoint {
    fn name(&self) -> &'static str {
        "CallEndpoint"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.get_or_init(|| {
            let uri = context.request().uri();
            uri.trim_end_matches('/').to_owned()
        });
        Ok(())
    }
}
