//! Which stream a request is for.

use std::sync::Arc;

use tokio::time::Instant;

use crate::check::{FieldChecks, NAME_PATTERN, is_name};
use crate::error::KinesisError;
use crate::options::KinesisOptions;
use crate::store::Store;
use crate::stream::{LiveShard, LiveStream, StreamState, StreamStatus, shard_number};

/// The form of a stream's ARN. Source: Kinesis API reference, `StreamARN`.
const STREAM_ARN: &str = r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+";

/// The form of a consumer's ARN. Source: Kinesis API reference, `ConsumerARN`.
const CONSUMER_ARN: &str =
    r"arn:aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+";

/// The parts of the ARN of a stream or of something below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ArnParts<'a> {
    region: &'a str,
    account: &'a str,
    /// After `stream/`.
    resource: &'a str,
}

fn arn_parts(arn: &str) -> Option<ArnParts<'_>> {
    let mut parts = arn.splitn(6, ':');
    let is_aws = parts.next() == Some("arn") && parts.next()?.starts_with("aws");
    let is_kinesis = parts.next() == Some("kinesis");
    let (region, account) = (parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let resource = parts.next()?.strip_prefix("stream/")?;
    let is_resource = !resource.is_empty() && !resource.contains(char::is_whitespace);
    (is_aws && is_kinesis && is_account && is_resource).then_some(ArnParts {
        region,
        account,
        resource,
    })
}

fn is_stream_arn(arn: &str) -> bool {
    arn_parts(arn).is_some()
}

/// The parts after `stream/` of a consumer's ARN: stream, consumer and creation time in seconds.
fn consumer_parts(resource: &str) -> Option<(&str, &str, i64)> {
    let (stream, consumer) = resource.split_once("/consumer/")?;
    let (consumer, created) = consumer.split_once(':')?;
    let valid = is_name(stream) && is_name(consumer);
    valid.then(|| Some((stream, consumer, created.parse().ok()?)))?
}

fn is_consumer_arn(arn: &str) -> bool {
    arn_parts(arn).is_some_and(|arn| consumer_parts(arn.resource).is_some())
}

/// The fields of a request that name its stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamTarget<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) arn: Option<&'a str>,
}

/// What the ARN of a request names.
pub(crate) enum ResourceTarget {
    Stream(Arc<LiveStream>),
    Consumer {
        stream: Arc<LiveStream>,
        name: String,
        /// Seconds since the epoch.
        created: i64,
    },
}

impl<'a> StreamTarget<'a> {
    pub(crate) fn new(name: Option<&'a String>, arn: Option<&'a String>) -> Self {
        Self {
            name: name.map(String::as_str),
            arn: arn.map(String::as_str),
        }
    }

    /// Adds the checks of these fields.
    pub(crate) fn check(&self, checks: &mut FieldChecks) {
        checks.length("streamName", self.name, 1, 128);
        checks.pattern("streamName", self.name, NAME_PATTERN, is_name);
        checks.length("streamARN", self.arn, 1, 2048);
        checks.pattern("streamARN", self.arn, STREAM_ARN, is_stream_arn);
    }
}

/// Adds the checks of a consumer's ARN.
pub(crate) fn check_consumer_arn(checks: &mut FieldChecks, arn: Option<&str>) {
    checks.length("consumerARN", arn, 1, 2048);
    checks.pattern("consumerARN", arn, CONSUMER_ARN, is_consumer_arn);
}

impl Store {
    /// The stream of a request, whatever its status. The fields must have been checked.
    ///
    /// # Errors
    ///
    /// InvalidArgumentException if no stream is named, or two are; ResourceNotFoundException.
    pub(crate) fn find(&self, target: StreamTarget<'_>) -> Result<Arc<LiveStream>, KinesisError> {
        let by_arn = match target.arn {
            Some(arn) => Some(self.own_resource(arn)?),
            None => None,
        };
        let name = match (target.name, by_arn) {
            (Some(name), Some(other)) if name != other => {
                return Err(KinesisError::invalid_argument(format!(
                    "StreamName {name} and StreamARN name different streams."
                )));
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => {
                return Err(KinesisError::invalid_argument(
                    "Either StreamName or StreamARN must be specified.",
                ));
            }
        };
        self.stream(name).ok_or_else(|| self.no_stream(name))
    }

    /// The stream of a request that needs its shards, and its state.
    ///
    /// # Errors
    ///
    /// Those of [`Self::find`], and ResourceNotFoundException before the stream is created.
    pub(crate) fn find_ready(
        &self,
        target: StreamTarget<'_>,
    ) -> Result<(Arc<LiveStream>, Arc<StreamState>), KinesisError> {
        let stream = self.find(target)?;
        let state = stream.state();
        match state.status(Instant::now()) {
            Some(StreamStatus::Active | StreamStatus::Updating) => Ok((stream, state)),
            _ => Err(self.no_stream(&state.meta.name)),
        }
    }

    /// The shard of a stream.
    ///
    /// # Errors
    ///
    /// ResourceNotFoundException.
    pub(crate) fn find_shard(
        &self,
        state: &StreamState,
        id: &str,
    ) -> Result<Arc<LiveShard>, KinesisError> {
        let number = shard_number(id);
        let shard = number.and_then(|number| state.shard(number, self.now()));
        shard.cloned().ok_or_else(|| {
            let KinesisOptions { account, .. } = &self.options;
            let name = &state.meta.name;
            KinesisError::not_found(format!(
                "Shard {id} in stream {name} under account {account} does not exist"
            ))
        })
    }

    /// The stream or consumer that an ARN names. The ARN must have been checked.
    ///
    /// # Errors
    ///
    /// ResourceNotFoundException. Whether a consumer exists is not checked.
    pub(crate) fn find_resource(&self, arn: &str) -> Result<ResourceTarget, KinesisError> {
        let resource = self.own_resource(arn)?;
        let Some((stream, consumer, created)) = consumer_parts(resource) else {
            let stream = self
                .stream(resource)
                .ok_or_else(|| self.no_stream(resource))?;
            return Ok(ResourceTarget::Stream(stream));
        };
        Ok(ResourceTarget::Consumer {
            stream: self.stream(stream).ok_or_else(|| self.no_stream(stream))?,
            name: consumer.to_owned(),
            created,
        })
    }

    /// What an ARN names here. Streams of other accounts and regions do not exist here.
    fn own_resource<'a>(&self, arn: &'a str) -> Result<&'a str, KinesisError> {
        let KinesisOptions {
            region, account, ..
        } = &self.options;
        match arn_parts(arn) {
            Some(parts) if parts.region == region && parts.account == account => Ok(parts.resource),
            _ => Err(KinesisError::not_found(format!(
                "{arn} does not exist: this is region {region} of account {account}."
            ))),
        }
    }

    pub(crate) fn rate_exceeded(&self, stream: &str, shard: &str) -> KinesisError {
        let KinesisOptions { account, .. } = &self.options;
        // The message of Kinesis.
        KinesisError::throttled(format!(
            "Rate exceeded for shard {shard} in stream {stream} under account {account}."
        ))
    }

    pub(crate) fn no_stream(&self, name: &str) -> KinesisError {
        let KinesisOptions { account, .. } = &self.options;
        KinesisError::not_found(format!("Stream {name} under account {account} not found."))
    }
}

/// Whether a stream may be changed now.
///
/// # Errors
///
/// ResourceInUseException while it is being created, changed or deleted.
pub(crate) fn check_active(state: &StreamState) -> Result<(), KinesisError> {
    match state.status(Instant::now()) {
        Some(StreamStatus::Active) => Ok(()),
        status => Err(KinesisError::in_use(format!(
            "Stream {} is not ACTIVE, but {}.",
            state.meta.name,
            status.map_or("deleted", StreamStatus::name)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_have_the_documented_form() {
        for arn in [
            "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
            "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a.b-c_d",
        ] {
            assert!(is_stream_arn(arn), "{arn}");
        }
        for arn in [
            "",
            "wildrydes",
            "arn:aws:firehose:us-east-1:000000000000:stream/x",
            "arn:aws:kinesis:us-east-1:0:stream/x",
            "arn:aws:kinesis:us-east-1:000000000000:stream/",
            "arn:aws:kinesis:us-east-1:000000000000:stream/a b",
        ] {
            assert!(!is_stream_arn(arn), "{arn}");
        }
        let consumer = "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1700000000";
        assert!(is_consumer_arn(consumer));
        assert_eq!(consumer_parts("s/consumer/c:17"), Some(("s", "c", 17)));
        assert!(!is_consumer_arn(
            "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c"
        ));
    }
}
