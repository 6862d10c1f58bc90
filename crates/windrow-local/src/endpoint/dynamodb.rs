//! DynamoDB: `dynoxide-rs` over a file.
//!
//! The crate's HTTP server would need a port of its own, and would answer any web page on it. So its
//! operations are called directly, and what the server did beside that is done here:
//!
//! | the server's part | here |
//! |---|---|
//! | operation by `X-Amz-Target`, 400 for an unknown one | the same, but for `SearchVectors` |
//! | credentials must be there and whole | the same, by the crate's own check; not in the query string |
//! | JSON that cannot be read: SerializationException; a value that is missing or of a wrong kind: ValidationException | the same, in serde's words |
//! | an operation's own errors | the same, by the crate |
//! | `x-amzn-requestid` | the same |
//! | methods and content types | by the router, for all services |
//! | `x-amz-crc32` | left out; SDKs check it where it is there |
//! | requests nested more than 128 levels deep: a ValidationException | a SerializationException |
//! | the wording for a value of a wrong kind in lists and structs | serde's |
//! | DynamoDB Streams, browsers' preflights, health checks | left out |

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

/// How many calls are at work at once. The database does one at a time; the others read their
/// requests and write their responses meanwhile.
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
    /// Opens the file, and makes it where it is missing.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Table`] where the file is no database, or one of a newer form.
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

    /// Answers a call of an operation, which is named without the service's prefix.
    pub(super) async fn call(&self, operation: &str, head: &HeaderMap, body: Bytes) -> Response {
        if let Some(error) = check_credentials(head) {
            return json_response(StatusCode::BAD_REQUEST, error);
        }
        let operation = operation.to_owned();
        let database = self.database.clone();
        let done = self
            .blocking(move || answer(&database, &operation, &body))
            .await;
        match done {
            Some(Ok(response)) => json_response(StatusCode::OK, response),
            Some(Err(failure)) => failure.into_response(),
            // A status of 500 and no more: every SDK takes it for transient and tries again.
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// The names of the tables; none when the database cannot tell, since this is for display only.
    pub(super) async fn tables(&self) -> Vec<String> {
        let database = self.database.clone();
        let list = move || database.list_tables(ListTablesRequest::default());
        match self.blocking(list).await {
            Some(Ok(listed)) => listed.table_names,
            _ => Vec::new(),
        }
    }

    /// Lets calls under way finish. The file is closed with the last clone.
    pub(super) async fn stop(self, grace: Duration) {
        self.calls.close();
        if tokio::time::timeout(grace, self.calls.wait())
            .await
            .is_err()
        {
            tracing::warn!("the table was closed with calls under way");
        }
    }

    /// Runs `call` where it may block. Nothing comes of one that panics, which is logged.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // The semaphore is never closed.
        let _room = self.room.acquire().await.ok()?;
        let done = self.calls.spawn_blocking(call).await;
        done.inspect_err(|error| tracing::error!(%error, "a call of the table failed"))
            .ok()
    }
}

/// DynamoDB's error where credentials are missing or incomplete. Signatures are not checked.
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

fn answer(database: &Database, operation: &str, body: &[u8]) -> Result<String, CallFailure> {
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

fn run<Request, Answer>(
    body: &[u8],
    call: impl FnOnce(Request) -> Result<Answer, DynoxideError>,
) -> Result<String, CallFailure>
where
    Request: DeserializeOwned,
    Answer: Serialize,
{
    // Serde would read a struct from an array as well.
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if start != Some(&b'{') {
        let error = DynoxideError::SerializationException(String::new());
        return Err(CallFailure::Failed(error));
    }
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error));
    let answer = request.and_then(call).map_err(CallFailure::Failed)?;
    serde_json::to_string(&answer)
        .map_err(|error| CallFailure::Failed(DynoxideError::InternalServerError(error.to_string())))
}

/// What DynamoDB answers to a request that its operation cannot read.
///
/// The crate's types begin a message with the kind of error that it is, where that is not for serde
/// to tell.
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

    let told = error.to_string();
    // serde_json says where it was; DynamoDB does not.
    let message = told
        .rsplit_once(" at line ")
        .map_or(&*told, |(message, _)| message);
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

    /// Calls an operation of an empty database, and gives the status and the body.
    fn called(operation: &str, body: &str) -> (u16, String) {
        let database = Database::memory().unwrap();
        match answer(&database, operation, body.as_bytes()) {
            Ok(answer) => (200, answer),
            Err(CallFailure::UnknownOperation) => (400, "UnknownOperationException".to_owned()),
            Err(CallFailure::Failed(error)) => (error.status_code(), error.to_json()),
        }
    }

    #[test]
    fn a_request_that_cannot_be_read_is_answered_as_dynamodb_does() {
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
            let (status, answer) = called(operation, body);
            assert_eq!(status, 400, "{operation} {body}: {answer}");
            assert!(answer.contains(kind), "{operation} {body}: {answer}");
            for private in ["VALIDATION", "SERIALIZATION", " at line "] {
                assert!(!answer.contains(private), "{operation} {body}: {answer}");
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
