//! The response of a function.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The response to an [`Event`](crate::Event).
///
/// In JSON: `{"state":...,"batchItemFailures":[{"itemIdentifier":"4959..."}]}`. Lambda evaluates
/// `batchItemFailures` only if the mapping has `ReportBatchItemFailures`. For an event with a
/// window, a response without `state` is a failed invocation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The state that the window's next invocation receives, at most 1 MB. `None` for an event
    /// without a window; it is omitted from the JSON. `null` is parsed as `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<RawValue>>,
    /// The sequence numbers of the records that failed. Lambda retries from the lowest one on,
    /// including everything after it.
    ///
    /// An identifier that is absent or `null` is parsed as an empty one: for Lambda, each of these
    /// means that the whole batch failed.
    #[serde(default, with = "failures")]
    pub batch_item_failures: Vec<String>,
}

impl Response {
    /// The response to an event with a window, if all records were processed.
    #[must_use]
    pub fn with_state(state: Box<RawValue>) -> Response {
        Response {
            state: Some(state),
            ..Response::default()
        }
    }

    /// The response to an event without a window: Lambda retries from the lowest of these sequence
    /// numbers on. If there are none, all records were processed.
    pub fn with_failures<S: Into<String>>(
        sequence_numbers: impl IntoIterator<Item = S>,
    ) -> Response {
        let batch_item_failures = sequence_numbers.into_iter().map(Into::into).collect();
        Response {
            batch_item_failures,
            ..Response::default()
        }
    }
}

mod failures {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failure<'a> {
        item_identifier: Option<Cow<'a, str>>,
    }

    pub(super) fn serialize<S: Serializer>(
        identifiers: &[String],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(identifiers.iter().map(|id| Failure {
            item_identifier: Some(Cow::Borrowed(id)),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<String>, D::Error> {
        let failures = Option::<Vec<Failure<'_>>>::deserialize(deserializer)?.unwrap_or_default();
        let identifiers = failures.into_iter().map(|failure| failure.item_identifier);
        Ok(identifiers
            .map(|id| id.unwrap_or_default().into_owned())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(response: &Response, expect: &str) {
        assert_eq!(serde_json::to_string(response).unwrap(), expect);
        let read: Response = serde_json::from_str(expect).unwrap();
        assert_eq!(read.batch_item_failures, response.batch_item_failures);
        let state = |response: &Response| response.state.as_ref().map(|state| state.to_string());
        assert_eq!(state(&read), state(response));
    }

    #[test]
    fn json_is_as_in_the_lambda_guide() {
        let state = RawValue::from_string(r#"{"1":282,"2":715}"#.to_owned()).unwrap();
        check(
            &Response::with_state(state),
            r#"{"state":{"1":282,"2":715},"batchItemFailures":[]}"#,
        );
        check(
            &Response::with_failures(["4959", "4960"]),
            r#"{"batchItemFailures":[{"itemIdentifier":"4959"},{"itemIdentifier":"4960"}]}"#,
        );
        check(&Response::default(), r#"{"batchItemFailures":[]}"#);
    }

    #[test]
    fn parsing_is_lenient() {
        let failures = |json: &str| {
            let response: Response = serde_json::from_str(json).unwrap();
            response.batch_item_failures
        };
        assert!(failures("{}").is_empty());
        assert!(failures(r#"{"batchItemFailures":null,"state":null,"more":1}"#).is_empty());
        let json = r#"{"batchItemFailures":[{},{"itemIdentifier":null},{"itemIdentifier":"1"}]}"#;
        assert_eq!(failures(json), ["", "", "1"]);
    }
}
