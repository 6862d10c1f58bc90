use std::sync::{Arc, Mutex};

use aws_sdk_firehose::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use windrow_write::{FirehoseStream, deliver};

use crate::policy;

/// The requests that the Firehose server received: the records of each, in base64.
type Requests = Arc<Mutex<Vec<Vec<String>>>>;

/// A Firehose server that fails the first request and the last record of the second, and then takes
/// everything.
async fn firehose(State(requests): State<Requests>, body: String) -> (StatusCode, String) {
    let body: Value = serde_json::from_str(&body).unwrap();
    let records = body["Records"].as_array().unwrap();
    let data = |record: &Value| record["Data"].as_str().unwrap().to_owned();
    let mut requests = requests.lock().unwrap();
    requests.push(records.iter().map(data).collect());
    if requests.len() == 1 {
        let fault = json!({"__type": "ServiceUnavailableException", "message": "Slow down."});
        return (StatusCode::SERVICE_UNAVAILABLE, fault.to_string());
    }

    let mut responses = vec![json!({"RecordId": "written"}); records.len()];
    let fails = requests.len() == 2;
    if let Some(last) = responses.last_mut().filter(|_| fails) {
        *last = json!({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."});
    }
    let response = json!({"FailedPutCount": i32::from(fails), "RequestResponses": responses});
    (StatusCode::OK, response.to_string())
}

#[tokio::test]
async fn firehose_failures_are_retried_without_sdk_retries() {
    let requests = Requests::default();
    let app = axum::Router::new()
        .fallback(firehose)
        .with_state(requests.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = aws_sdk_firehose::Client::from_conf(config!(aws_sdk_firehose, port));
    let records = vec![Bytes::from_static(b"one\n"), Bytes::from_static(b"two\n")];
    let stream = FirehoseStream::new(client, "wildrydes-rejects");
    let report = deliver(&stream, records, &policy()).await;

    assert_eq!((report.delivered, report.calls, report.retries), (2, 3, 3));
    let [one, two] = ["b25lCg==", "dHdvCg=="];
    assert_eq!(
        *requests.lock().unwrap(),
        [vec![one, two], vec![one, two], vec![two]]
    );
}
