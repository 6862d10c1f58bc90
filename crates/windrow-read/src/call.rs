//! How calls are made, and where they go.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{Builder, Config, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;

/// The time limit of a call whose response is small, unless the client has a shorter one. Kinesis
/// responds within milliseconds. kinesalite never does if a shard has no record at or after the
/// requested time.
const SMALL_CALL_LIMIT: Duration = Duration::from_secs(5);

/// The configuration of a call whose response may be large.
pub(crate) fn large() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

/// The configuration of a call whose response is small.
pub(crate) fn small(client: &Client) -> Builder {
    let timeouts = client.config().timeout_config();
    let limit = timeouts
        .and_then(TimeoutConfig::operation_attempt_timeout)
        .map_or(SMALL_CALL_LIMIT, |limit| limit.min(SMALL_CALL_LIMIT));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(limit);
    large().timeout_config(timeouts.build())
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
