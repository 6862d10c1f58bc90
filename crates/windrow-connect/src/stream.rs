//! Whether a command's stream is there, asked once before anything else so that its user is told
//! what to do.

use std::error::Error;
use std::fmt;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{Config, retry::RetryConfig};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use crate::cloud::{Cloud, CloudLocation};

/// How often a question is asked. A fault that passes is not worth an error.
const TRIES: u32 = 3;

/// The most streams named in a message.
const MOST_NAMES: i32 = 20;

/// Why a stream cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// There is no such stream.
    #[error("there is no stream {name:?} here; {existing}")]
    Unknown {
        /// The stream's name.
        name: String,
        /// Which streams there are, and how to come by the application's.
        existing: Existing,
    },
    /// Nobody is reached, or nobody answers in time.
    #[error("{place} gives no answer ({help})")]
    Unreachable {
        /// What was asked, in words.
        place: String,
        /// What to look at.
        help: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// An answer that says nothing of the stream: a fault of the server's, or too many who ask.
    #[error("{place} gives no usable answer")]
    NoUsableAnswer {
        /// What was asked, in words.
        place: String,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Kinesis will never answer: expired credentials, for one.
    #[error("could not describe stream {name:?}")]
    Rejected {
        /// The stream's name.
        name: String,
        /// What Kinesis said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A text that cannot be a stream's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream's name is 1 to 128 letters, digits, dots, dashes and underscores")]
pub struct InvalidName;

/// The longest name of a stream, by Kinesis' API reference.
const LONGEST_NAME: usize = 128;

/// Takes a stream's name from a command line.
///
/// # Errors
/// When Kinesis takes no such name.
pub fn parse_name(text: &str) -> Result<String, InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(InvalidName)
}

/// The streams there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Their names, or none if Kinesis would not list them.
    pub names: Option<Vec<String>>,
    /// Where they are.
    pub place: CloudLocation,
}

impl fmt::Display for Existing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.as_deref() {
            Some([]) => formatter.write_str("no streams exist")?,
            Some(names) => write!(formatter, "there are: {}", names.join(", "))?,
            None => formatter.write_str("could not list streams")?,
        }
        match self.place {
            CloudLocation::Aws => formatter.write_str(
                ". Choose one with --stream or another --region, or create the application's \
                 with `sam deploy`",
            ),
            CloudLocation::Endpoint | CloudLocation::Local => formatter.write_str(
                ". Choose one with --stream; `cargo run -p local` has the application's",
            ),
        }
    }
}

/// Asks for `stream`. That the caller may not look at it is no error.
///
/// # Errors
/// [`StreamError`], after three tries where the fault may pass.
pub async fn check(cloud: &Cloud, stream: &str) -> Result<(), StreamError> {
    let client = Client::new(cloud.config());
    let retrying =
        || Config::builder().retry_config(RetryConfig::standard().with_max_attempts(TRIES));
    let answer = client
        .describe_stream_summary()
        .stream_name(stream)
        .customize()
        .config_override(retrying())
        .send()
        .await;
    let Err(error) = answer else {
        return Ok(());
    };
    let SdkError::ServiceError(answer) = &error else {
        let place = place(cloud);
        return Err(match error {
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => StreamError::Unreachable {
                place,
                help: match cloud.place() {
                    CloudLocation::Aws => "is there a network, and a region of that name?",
                    CloudLocation::Endpoint | CloudLocation::Local => {
                        "is a cloud running there? `cargo run -p local` starts one"
                    }
                },
                source: error.into(),
            },
            _ => StreamError::NoUsableAnswer {
                place,
                source: error.into(),
            },
        });
    };
    if answer.err().is_resource_not_found_exception() {
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
                place: cloud.place(),
            },
        });
    }
    match answer.err().code() {
        // Who may send or read need not be allowed to look. The calls themselves will tell.
        Some("AccessDeniedException") => Ok(()),
        Some("LimitExceededException") => Err(StreamError::NoUsableAnswer {
            place: place(cloud),
            source: error.into(),
        }),
        _ if answer.raw().status().is_server_error() => Err(StreamError::NoUsableAnswer {
            place: place(cloud),
            source: error.into(),
        }),
        _ => Err(StreamError::Rejected {
            name: stream.to_owned(),
            source: error.into(),
        }),
    }
}

fn place(cloud: &Cloud) -> String {
    match (cloud.place(), cloud.config().endpoint_url()) {
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
    fn what_there_is_and_what_to_do_are_told() {
        let error = |names: &[&str], place| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            StreamError::Unknown {
                name: "wildride".to_owned(),
                existing: Existing {
                    names: Some(names),
                    place,
                },
            }
            .to_string()
        };
        assert_eq!(
            error(&["wildrydes", "wildrydes-summary"], CloudLocation::Local),
            "there is no stream \"wildride\" here; there are: wildrydes, wildrydes-summary. \
             Choose one with --stream; `cargo run -p local` has the application's"
        );
        assert_eq!(
            error(&[], CloudLocation::Aws),
            "there is no stream \"wildride\" here; no streams exist. Choose one with --stream \
             or another --region, or create the application's with `sam deploy`"
        );
    }

    #[tokio::test]
    async fn where_nothing_answers_is_told() {
        // Bound, so that nobody else gets the port, and without a listener, so that it takes no call.
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
                "the local cloud at {url} gives no answer (is a cloud running there? \
                 `cargo run -p local` starts one)"
            )
        );
    }

    #[test]
    fn a_name_is_checked_before_anybody_is_asked() {
        for name in ["wildrydes", "a", "A-1_b.c", &"x".repeat(128)] {
            assert_eq!(parse_name(name), Ok(name.to_owned()));
        }
        for name in ["", "bad name", "wildrydes/", "ä", &"x".repeat(129)] {
            assert_eq!(parse_name(name), Err(InvalidName), "{name}");
        }
    }
}
