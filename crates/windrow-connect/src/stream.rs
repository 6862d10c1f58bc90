//! Checks that a command's stream exists, before anything else, so that the user gets a helpful
//! error.

use std::error::Error;
use std::fmt;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{Config, retry::RetryConfig};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use windrow_service::ServiceError;

use crate::cloud::{Cloud, CloudLocation};

/// The maximum number of attempts per request, so that a transient error does not fail the command.
const ATTEMPTS: u32 = 3;

/// The maximum number of streams named in a message.
const MOST_NAMES: i32 = 20;

/// Why a stream cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream does not exist.
    #[error("there is no stream {name:?} here; {existing}")]
    Unknown {
        /// The stream's name.
        name: String,
        /// The streams that exist, and how to create the application's.
        existing: Existing,
    },
    /// There is no stream with this ARN, which may be in another account.
    #[error(
        "there is no stream {arn}, or its account does not allow this one to use it: check the ARN, and \
         the stream's resource policy"
    )]
    UnknownArn {
        /// The stream's ARN.
        arn: String,
    },
    /// The cloud cannot be reached or does not respond in time.
    #[error("{target} does not respond ({help})")]
    Unreachable {
        /// A description of the cloud.
        target: String,
        /// What to check.
        help: &'static str,
        /// The cause.
        #[source]
        source: ServiceError,
    },
    /// The response says nothing about the stream: a server error, or throttling.
    #[error("{target} returned no usable response")]
    NoUsableResponse {
        /// A description of the cloud.
        target: String,
        /// The cause.
        #[source]
        source: ServiceError,
    },
    /// Kinesis rejects the request, for example because credentials have expired.
    #[error("could not describe stream {name:?}")]
    Rejected {
        /// The stream's name.
        name: String,
        /// The error that Kinesis returned.
        #[source]
        source: ServiceError,
    },
}

/// A text that is not a valid stream name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream name must have 1 to 128 letters, digits, dots, dashes and underscores")]
pub struct InvalidName;

/// The maximum length of a stream name (Kinesis API reference).
const LONGEST_NAME: usize = 128;

/// Parses a stream name from a command line.
///
/// # Errors
/// If Kinesis does not allow the name.
pub fn parse_name(text: &str) -> Result<String, InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(InvalidName)
}

/// A text that is neither a valid stream name nor a stream's ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStream {
    /// It does not start as an ARN.
    #[error("{InvalidName}; or give the stream's ARN")]
    Name,
    /// It starts as an ARN.
    #[error("a stream's ARN has the form arn:aws:kinesis:REGION:ACCOUNT:stream/NAME")]
    Arn,
}

/// Parses the name or the ARN of a stream from a command line.
///
/// # Errors
/// If it is neither.
pub fn parse_name_or_arn(text: &str) -> Result<String, InvalidStream> {
    if text.starts_with("arn:") {
        let region = region_of(text).map(|_| text.to_owned());
        return region.ok_or(InvalidStream::Arn);
    }
    parse_name(text).map_err(|InvalidName| InvalidStream::Name)
}

/// The region in a stream's ARN, or `None` if the text is not one.
pub fn region_of(stream: &str) -> Option<&str> {
    let mut parts = stream.splitn(6, ':');
    let is_stream = parts.next() == Some("arn")
        && parts.next()?.starts_with("aws")
        && parts.next() == Some("kinesis");
    let (region, account) = (parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let name = parts.next()?.strip_prefix("stream/")?;
    let is_arn = is_stream && !region.is_empty() && is_account && parse_name(name).is_ok();
    is_arn.then_some(region)
}

/// The streams that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Their names, or `None` if they could not be listed.
    pub names: Option<Vec<String>>,
    /// The kind of cloud they are in.
    pub location: CloudLocation,
}

impl fmt::Display for Existing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.as_deref() {
            Some([]) => formatter.write_str("no streams exist")?,
            Some(names) => write!(formatter, "existing streams: {}", names.join(", "))?,
            None => formatter.write_str("could not list streams")?,
        }
        match self.location {
            CloudLocation::Aws => formatter.write_str(
                ". Choose one with --stream or another --region, or create the \
                 application's streams with `sam deploy`",
            ),
            CloudLocation::Endpoint | CloudLocation::Local => formatter.write_str(
                ". Choose one with --stream; `cargo run -p local` has the application's streams",
            ),
        }
    }
}

/// Checks that `stream`, a name or an ARN, exists. A caller without permission to describe it gets `Ok`.
///
/// # Errors
/// [`StreamError`], after three attempts if the error may be transient.
pub async fn check(cloud: &Cloud, stream: &str) -> Result<(), StreamError> {
    let client = Client::new(cloud.config());
    let retrying =
        || Config::builder().retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    let is_arn = region_of(stream).is_some();
    let call = client.describe_stream_summary();
    let call = if is_arn {
        call.stream_arn(stream)
    } else {
        call.stream_name(stream)
    };
    let result = call.customize().config_override(retrying()).send().await;
    let Err(error) = result else {
        return Ok(());
    };
    let SdkError::ServiceError(response) = &error else {
        return Err(no_response(cloud, &error));
    };
    if response.err().is_resource_not_found_exception() && is_arn {
        let arn = stream.to_owned();
        return Err(StreamError::UnknownArn { arn });
    }
    if response.err().is_resource_not_found_exception() {
        let listed = client
            .list_streams()
            .limit(MOST_NAMES)
            .customize()
            .config_override(retrying())
            .send()
            .await;
        return Err(StreamError::Unknown {
            name: stream.to_owned(),
            existing: Existing {
                names: listed.ok().map(|output| output.stream_names),
                location: cloud.location(),
            },
        });
    }
    match response.err().code() {
        // A caller may be allowed to read or write the stream, but not to describe it.
        Some("AccessDeniedException") => Ok(()),
        Some("LimitExceededException") => Err(StreamError::NoUsableResponse {
            target: describe(cloud),
            source: ServiceError::of_call(&error),
        }),
        _ if response.raw().status().is_server_error() => Err(StreamError::NoUsableResponse {
            target: describe(cloud),
            source: ServiceError::of_call(&error),
        }),
        _ => Err(StreamError::Rejected {
            name: stream.to_owned(),
            source: ServiceError::of_call(&error),
        }),
    }
}

/// The error of a call without a response, or whose response cannot be read.
fn no_response<E>(cloud: &Cloud, error: &SdkError<E, HttpResponse>) -> StreamError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let target = describe(cloud);
    let source = ServiceError::of_call(error);
    if !matches!(
        error,
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)
    ) {
        return StreamError::NoUsableResponse { target, source };
    }
    let help = match cloud.location() {
        _ if source.to_string().contains("invalid peer certificate") => {
            "its certificate is not trusted; AWS_CA_BUNDLE can name the authorities to trust"
        }
        CloudLocation::Aws => {
            "check the network, the region, and the proxy and its certificates (HTTPS_PROXY, \
             AWS_CA_BUNDLE)"
        }
        CloudLocation::Endpoint | CloudLocation::Local => {
            "is a cloud running there? `cargo run -p local` starts one"
        }
    };
    StreamError::Unreachable {
        target,
        help,
        source,
    }
}

fn describe(cloud: &Cloud) -> String {
    match (cloud.location(), cloud.config().endpoint_url()) {
        (CloudLocation::Aws, _) => "AWS".to_owned(),
        (CloudLocation::Local, Some(url)) => format!("the local cloud at {url}"),
        (_, Some(url)) => format!("the endpoint {url}"),
        (_, None) => "the endpoint".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_stream_lists_existing_ones_and_what_to_do() {
        let error = |names: &[&str], location| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            StreamError::Unknown {
                name: "wildride".to_owned(),
                existing: Existing {
                    names: Some(names),
                    location,
                },
            }
            .to_string()
        };
        assert_eq!(
            error(&["wildrydes", "wildrydes-summary"], CloudLocation::Local),
            "there is no stream \"wildride\" here; existing streams: wildrydes, wildrydes-summary. \
             Choose one with --stream; `cargo run -p local` has the application's streams"
        );
        assert_eq!(
            error(&[], CloudLocation::Aws),
            "there is no stream \"wildride\" here; no streams exist. Choose one with --stream \
             or another --region, or create the application's streams with `sam deploy`"
        );
    }

    #[tokio::test]
    async fn unreachable_cloud_is_reported() {
        // Bound so that no other process gets the port, but not listening, so connections fail.
        let bound = tokio::net::TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = bound.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let error = check(&Cloud::local(&url, None), "wildrydes")
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the local cloud at {url} does not respond (is a cloud running there? \
                 `cargo run -p local` starts one)"
            )
        );
    }

    #[test]
    fn stream_names_are_validated() {
        for name in ["wildrydes", "a", "A-1_b.c", &"x".repeat(128)] {
            assert_eq!(parse_name(name), Ok(name.to_owned()));
        }
        for name in ["", "bad name", "wildrydes/", "ä", &"x".repeat(129)] {
            assert_eq!(parse_name(name), Err(InvalidName), "{name}");
            assert_eq!(parse_name_or_arn(name), Err(InvalidStream::Name), "{name}");
        }
    }

    #[test]
    fn arn_names_a_region() {
        for (arn, region) in [
            (
                "arn:aws:kinesis:us-east-1:123456789012:stream/wildrydes",
                "us-east-1",
            ),
            (
                "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/A-1_b.c",
                "cn-north-1",
            ),
        ] {
            assert_eq!(region_of(arn), Some(region));
            assert_eq!(parse_name_or_arn(arn), Ok(arn.to_owned()));
        }
        for arn in [
            "arn:",
            "arn:aws:kinesis:us-east-1:123456789012:wildrydes",
            "arn:aws:kinesis::123456789012:stream/wildrydes",
            "arn:aws:kinesis:us-east-1:12345:stream/wildrydes",
            "arn:aws:kinesis:us-east-1:123456789012:stream/",
            "arn:aws:kinesis:us-east-1:123456789012:stream/wildrydes/consumer/map:1",
            "arn:aws:firehose:us-east-1:123456789012:stream/wildrydes",
        ] {
            assert_eq!(parse_name_or_arn(arn), Err(InvalidStream::Arn), "{arn}");
        }
    }
}
