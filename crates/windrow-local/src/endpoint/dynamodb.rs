//! DynamoDB: `dynoxide-rs` over a file.
//!
//! The crate's HTTP server would need its own port, and would answer any web page there. So this
//! module calls the crate's operations directly, and does the rest of the server's work:
//!
//! | the crate's server | this module |
//! |---|---|
//! | operation by `X-Amz-Target`, 400 for an unknown one | the same, except `SearchVectors` |
//! | rejects missing or incomplete credentials | the same, by the crate's own check, without the query string |
//! | malformed JSON: SerializationException; a missing value or one of the wrong type: ValidationException | the same, with serde's messages |
//! | an operation's own errors | the same, by the crate |
//! | `x-amzn-requestid` | the same |
//! | checks methods and content types | the router does, for all services |
//! | `x-amz-crc32` | omitted; SDKs check it only if it is present |
//! | a request nested more than 128 levels deep: ValidationException | SerializationException |
//! | the message for a value of the wrong type in lists and structs | serde's message |
//! | DynamoDB Streams, CORS preflights, health checks | omitted |

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use dynoxide::actions::list_tables::ListTablesRequest;
use dynoxide::auth_material::{self, AuthMaterial};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::EndpointError;

/// How many calls run at once. The database executes one at a time; the others parse their
/// requests and serialize their responses meanwhile.
const CALLS: usize = 4;

/// The database. Clones share it.
#[derive(Clone)]
pub(super) struct DynamoDb {
    database: Database,
    calls: TaskTracker,
    room: Arc<Semaphore>,
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DynamoDb").finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// Opens the file, and creates it if it is missing.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Table`] if the file is not a database, or has a newer format.
    pub(super) fn open(file: &Path) -> Result<Self, EndpointError> {
        let opened = Database::new(&file.to_string_lossy());
        let database = opened.map_err(|source| EndpointError::Table {
            path: file.to_owned(),
            source,
        })?;
        Ok(Self {
            database,
            calls: TaskTracker::new(),
            room: Arc::new(Semaphore::new(CALLS)),
        })
    }

    /// Handles a call. `operation` is its name without the service's prefix.
    pub(super) async fn call(&self, operation: &str, head: &HeaderMap, body: Bytes) -> Response {
        if let Some(error) = check_credentials(head) {
            return json_response(StatusCode::BAD_REQUEST, error);
        }
        let operation = operation.to_owned();
        let database = self.database.clone();
        let done = self
            .blocking(move || execute(&database, &operation, &body))
            .await;
        match done {
            Some(Ok(response)) => json_response(StatusCode::OK, response),
            Some(Err(failure)) => failure.into_response(),
            // Every SDK treats a bare status of 500 as transient and retries.
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// The names of the tables. For display only, so the list is empty if the database fails.
    pub(super) async fn tables(&self) -> Vec<String> {
        let database = self.database.clone();
        let list = move || database.list_tables(ListTablesRequest::default());
        match self.blocking(list).await {
            Some(Ok(listed)) => listed.table_names,
            _ => Vec::new(),
        }
    }

    /// Waits for calls in flight, for at most `grace`. The file is closed with the last clone.
    pub(super) async fn stop(self, grace: Duration) {
        self.calls.close();
        if tokio::time::timeout(grace, self.calls.wait())
            .await
            .is_err()
        {
            tracing::warn!("the table was closed with calls in flight");
        }
    }

    /// Runs `call` on a blocking thread. If it panics, logs that and returns `None`.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // The semaphore is never closed.
        let _room = self.room.acquire().await.ok()?;
        let done = self.calls.spawn_blocking(call).await;
        done.inspect_err(|error| tracing::error!(%error, "a table operation failed"))
            .ok()
    }
}

/// DynamoDB's error for missing or incomplete credentials. Signatures are not checked.
fn check_credentials(head: &HeaderMap) -> Option<String> {
    let authorization = head.get(header::AUTHORIZATION);
    auth_material::validate(AuthMaterial {
        authorization: authorization.and_then(|value| value.to_str().ok()),
        query: "",
        has_date_header: head.contains_key("x-amz-date") || head.contains_key(header::DATE),
    })
}

/// Why a call has no result.
enum CallFailure {
    UnknownOperation,
    Failed(DynoxideError),
}

impl CallFailure {
    fn into_response(self) -> Response {
        match self {
            Self::UnknownOperation => {
                let error = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
                json_response(StatusCode::BAD_REQUEST, error.to_owned())
            }
            Self::Failed(error) => {
                let status = StatusCode::from_u16(error.status_code());
                json_response(status.unwrap_or(StatusCode::BAD_REQUEST), error.to_json())
            }
        }
    }
}

fn json_response(status: StatusCode, body: String) -> Response {
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
    headers.insert(header::CONTENT_TYPE, content_type);
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

fn execute(database: &Database, operation: &str, body: &[u8]) -> Result<String, CallFailure> {
    match operation {
        "BatchExecuteStatement" => run(body, |call| database.batch_execute_statement(call)),
        "BatchGetItem" => run(body, |call| database.batch_get_item(call)),
        "BatchWriteItem" => run(body, |call| database.batch_write_item(call)),
        "CreateTable" => run(body, |call| database.create_table(call)),
        "DeleteItem" => run(body, |call| database.delete_item(call)),
        "DeleteTable" => run(body, |call| database.delete_table(call)),
        "DescribeTable" => run(body, |call| database.describe_table(call)),
        "DescribeTimeToLive" => run(body, |call| database.describe_time_to_live(call)),
        "ExecuteStatement" => run(body, |call| database.execute_statement(call)),
        "ExecuteTransaction" => run(body, |call| database.execute_transaction(call)),
        "GetItem" => run(body, |call| database.get_item(call)),
        "ListTables" => run(body, |call| database.list_tables(call)),
        "ListTagsOfResource" => run(body, |call| database.list_tags_of_resource(call)),
        "PutItem" => run(body, |call| database.put_item(call)),
        "Query" => run(body, |call| database.query(call)),
        "Scan" => run(body, |call| database.scan(call)),
        "TagResource" => run(body, |call| database.tag_resource(call)),
        "TransactGetItems" => run(body, |call| database.transact_get_items(call)),
        "TransactWriteItems" => run(body, |call| database.transact_write_items(call)),
        "UntagResource" => run(body, |call| database.untag_resource(call)),
        "UpdateItem" => run(body, |call| database.update_item(call)),
        "UpdateTable" => run(body, |call| database.update_table(call)),
        "UpdateTimeToLive" => run(body, |call| database.update_time_to_live(call)),
        _ => Err(CallFailure::UnknownOperation),
    }
}

fn run<Request, Output>(
    body: &[u8],
    call: impl FnOnce(Request) -> Result<Output, DynoxideError>,
) -> Result<String, CallFailure>
where
    Request: DeserializeOwned,
    Output: Serialize,
{
    // Serde would also accept an array for a struct.
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if start != Some(&b'{') {
        let error = DynoxideError::SerializationException(String::new());
        return Err(CallFailure::Failed(error));
    }
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error));
    let output = request.and_then(call).map_err(CallFailure::Failed)?;
    serde_json::to_string(&output)
        .map_err(|error| CallFailure::Failed(DynoxideError::InternalServerError(error.to_string())))
}

/// DynamoDB's error for a request that cannot be parsed.
///
/// The crate's types prefix a message with its kind of error where serde cannot tell it.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    type ErrorKind = fn(String) -> DynoxideError;
    const KINDS: [(&str, ErrorKind); 5] = [
        ("VALIDATION_REQUEST:", DynoxideError::ValidationException),
        ("VALIDATION_AS_READ:", DynoxideError::ValidationException),
        ("VALIDATION:", DynoxideError::ValidationException),
        (
            "SERIALIZATION_AS_READ:",
            DynoxideError::SerializationException,
        ),
        ("SERIALIZATION:", DynoxideError::SerializationException),
    ];
    const INVALID: [&str; 4] = [
        "missing field",
        "unknown variant",
        "invalid type: null",
        "AttributeValue",
    ];

    let text = error.to_string();
    // serde_json appends the location; DynamoDB does not.
    let message = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(message, _)| message);
    for (prefix, kind) in KINDS {
        if let Some(message) = message.strip_prefix(prefix) {
            return kind(message.trim_start().to_owned());
        }
    }
    if error.is_data() && INVALID.iter().any(|start| message.contains(start)) {
        return DynoxideError::ValidationException(message.to_owned());
    }
    DynoxideError::SerializationException(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls an operation of an empty database, and returns the status and the body.
    fn called(operation: &str, body: &str) -> (u16, String) {
        let database = Database::memory().unwrap();
        match execute(&database, operation, body.as_bytes()) {
            Ok(output) => (200, output),
            Err(CallFailure::UnknownOperation) => (400, "UnknownOperationException".to_owned()),
            Err(CallFailure::Failed(error)) => (error.status_code(), error.to_json()),
        }
    }

    #[test]
    fn malformed_requests_get_dynamodbs_errors() {
        let put =
            |attribute: &str| format!(r#"{{"TableName":"Rides","Item":{{"Name":{attribute}}}}}"#);
        for (operation, body, kind) in [
            ("PutItem", "{", "SerializationException"),
            ("PutItem", "", "SerializationException"),
            ("PutItem", "[]", "SerializationException"),
            ("ListTables", "[]", "SerializationException"),
            (
                "PutItem",
                r#"{"TableName":7,"Item":{}}"#,
                "SerializationException",
            ),
            ("PutItem", &put(r#"{"S":7}"#), "SerializationException"),
            ("PutItem", &put("{}"), "ValidationException"),
            ("PutItem", &put(r#"{"S":"a"}"#), "ResourceNotFoundException"),
            ("Query", "{}", "ValidationException"),
            ("DropTable", "{}", "UnknownOperationException"),
        ] {
            let (status, response) = called(operation, body);
            assert_eq!(status, 400, "{operation} {body}: {response}");
            assert!(response.contains(kind), "{operation} {body}: {response}");
            for private in ["VALIDATION", "SERIALIZATION", " at line "] {
                assert!(
                    !response.contains(private),
                    "{operation} {body}: {response}"
                );
            }
        }
        assert_eq!(
            called("ListTables", "{}"),
            (200, r#"{"TableNames":[]}"#.to_owned())
        );
    }

    #[test]
    fn calls_without_credentials_are_rejected() {
        let mut head = HeaderMap::new();
        assert!(
            check_credentials(&head)
                .unwrap()
                .contains("MissingAuthenticationToken")
        );
        let signed = "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c";
        head.insert(header::AUTHORIZATION, HeaderValue::from_static(signed));
        assert!(
            check_credentials(&head)
                .unwrap()
                .contains("IncompleteSignature")
        );
        head.insert("x-amz-date", HeaderValue::from_static("20261120T091708Z"));
        assert_eq!(check_credentials(&head), None);
    }
}
