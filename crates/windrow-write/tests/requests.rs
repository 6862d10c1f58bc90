//! The requests to DynamoDB: they equal the SDK's own, are signed as sent, and contain no SDK
//! retries.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Config, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_smithy_http_client::Builder;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use windrow_write::{Attributes, DynamoTable, NoKeyValue, Policy, TableItem, deliver};

type RequestItem = HashMap<String, AttributeValue>;

const TABLE: &str = "Unicorn\"Sensor\"Data";

/// The calls received, and how many of the next calls fail.
#[derive(Clone, Default)]
struct Server {
    calls: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    faults: Arc<Mutex<u32>>,
}

async fn respond(
    State(server): State<Server>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    server.calls.lock().unwrap().push((headers, body));
    let mut faults = server.faults.lock().unwrap();
    if *faults > 0 {
        *faults -= 1;
        let fault = json!({"__type": "InternalServerError", "message": "Try again."});
        return (StatusCode::INTERNAL_SERVER_ERROR, fault.to_string());
    }
    (StatusCode::OK, json!({"UnprocessedItems": {}}).to_string())
}

/// The bodies of requests, captured just before they are signed.
#[derive(Clone, Debug, Default)]
struct Signed(Arc<Mutex<Vec<Vec<u8>>>>);

impl Intercept for Signed {
    fn name(&self) -> &'static str {
        "Signed"
    }

    fn read_before_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request().body().bytes().unwrap();
        self.0.lock().unwrap().push(body.to_vec());
        Ok(())
    }
}

/// A server, and a client configuration for it with the SDK's default retries.
async fn server(signed: &Signed) -> (Server, Config) {
    let server = Server::default();
    let app = axum::Router::new()
        .fallback(respond)
        .with_state(server.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(Builder::new().build_http())
        .interceptor(signed.clone())
        .build();
    (server, config)
}

fn policy() -> Policy {
    Policy::within(Duration::from_secs(600))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// An item with values of every type, and text that JSON must escape.
fn item(name: &str) -> RequestItem {
    let number = |value: &str| AttributeValue::N(value.to_owned());
    let map = HashMap::from([
        (
            "deep \u{1F984}".to_owned(),
            AttributeValue::M(HashMap::new()),
        ),
        ("n".to_owned(), number("-1.5E-3")),
    ]);
    let blobs = vec![Blob::new([0, 255]), Blob::new([])];
    let list = vec![
        text("a"),
        AttributeValue::L(vec![]),
        AttributeValue::M(map.clone()),
    ];
    let texts = vec!["x,".to_owned(), "{y}".to_owned()];
    HashMap::from(
        [
            ("Name", text(name)),
            ("Te\"xt", text("\"\\/\u{0}\u{1f}\n\t\u{7f}\u{2028} é 🦄,")),
            ("Empty", text("")),
            ("Number", number("1789.25")),
            ("Binary", AttributeValue::B(Blob::new([1, 2, 3, 4]))),
            ("Yes", AttributeValue::Bool(true)),
            ("No", AttributeValue::Bool(false)),
            ("Null", AttributeValue::Null(true)),
            ("Texts", AttributeValue::Ss(texts)),
            ("Numbers", AttributeValue::Ns(vec!["1".to_owned()])),
            ("Blobs", AttributeValue::Bs(blobs)),
            ("Map", AttributeValue::M(map)),
            ("List", AttributeValue::L(list)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

#[tokio::test]
async fn request_equals_the_sdks_and_is_signed_as_sent() {
    let signed = Signed::default();
    let (server, config) = server(&signed).await;
    let items = vec![item("Shadowfax"), item("Rocinante")];

    let client = Client::from_conf(config.clone());
    let put = |item: &RequestItem| {
        let put = PutRequest::builder().set_item(Some(item.clone()));
        let put = put.build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let requests: Vec<WriteRequest> = items.iter().map(put).collect();
    let by_sdk = client.batch_write_item().request_items(TABLE, requests);
    by_sdk.send().await.unwrap();
    let table = DynamoTable::new(client, TABLE, ["Name"]);
    let report = deliver(&table, items, &policy()).await;
    assert_eq!((report.delivered, report.calls), (2, 1));

    let calls = server.calls.lock().unwrap();
    let [(sdk_headers, expected), (headers, found)] = calls.as_slice() else {
        panic!("{} calls", calls.len());
    };
    let parse = |body: &str| -> Value { serde_json::from_str(body).unwrap() };
    assert_eq!(parse(found), parse(expected));
    for header in ["content-type", "x-amz-target"] {
        assert_eq!(headers[header], sdk_headers[header]);
    }
    assert_eq!(headers["content-length"], found.len().to_string().as_str());
    assert_eq!(signed.0.lock().unwrap()[1], found.as_bytes());
}

#[tokio::test]
async fn sdk_does_not_retry() {
    let (server, config) = server(&Signed::default()).await;
    *server.faults.lock().unwrap() = 2;
    let table = DynamoTable::new(Client::from_conf(config), TABLE, ["Name"]);
    let report = deliver(&table, vec![item("Shadowfax")], &policy()).await;

    assert_eq!((report.delivered, report.calls), (1, 3));
    assert_eq!(server.calls.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn client_keeps_its_own_settings() {
    let signed = Signed::default();
    let (server, config) = server(&signed).await;
    let client = Client::from_conf(config);
    let table = DynamoTable::new(client.clone(), TABLE, ["Name"]);
    let report = deliver(&table, vec![item("Shadowfax")], &policy()).await;
    assert_eq!((report.delivered, report.calls), (1, 1));
    assert_eq!(
        signed.0.lock().unwrap().len(),
        1,
        "the client's interceptor"
    );

    *server.faults.lock().unwrap() = 1;
    let put = PutRequest::builder().set_item(Some(item("Rocinante")));
    let put = WriteRequest::builder().put_request(put.build().unwrap());
    let by_user = client.batch_write_item();
    let by_user = by_user.request_items(TABLE, vec![put.build()]);
    by_user.send().await.unwrap();
    assert_eq!(server.calls.lock().unwrap().len(), 3);
}

/// An item type that is not a map.
struct Herd<'a> {
    name: &'a str,
    heads: u64,
}

impl TableItem for Herd<'_> {
    fn show(&self, attributes: &mut impl Attributes) {
        attributes.text("Name", self.name);
        attributes.map("Counted", |counted| {
            counted.number("Heads", self.heads);
            counted.map("By", |_| ());
        });
        attributes.value("Wild", &AttributeValue::Bool(true));
    }

    fn key_value(&self, name: &str) -> Result<&[u8], NoKeyValue> {
        match name {
            "Name" => Ok(self.name.as_bytes()),
            _ => Err(NoKeyValue::Missing),
        }
    }
}

#[tokio::test]
async fn custom_item_type_is_written() {
    let (server, config) = server(&Signed::default()).await;
    let table = DynamoTable::new(Client::from_conf(config), TABLE, ["Name"]);
    let herd = |name, heads| Herd { name, heads };
    let herds = vec![herd("north", 1), herd("", 2), herd("north", 3)];
    let report = deliver(&table, herds, &policy()).await;

    assert_eq!((report.delivered, report.merged), (1, 1));
    assert_eq!(report.undelivered[0].index, 1);
    let calls = server.calls.lock().unwrap();
    let body: Value = serde_json::from_str(&calls[0].1).unwrap();
    let counted = json!({"M": {"Heads": {"N": "3"}, "By": {"M": {}}}});
    let item = json!({"Name": {"S": "north"}, "Counted": counted, "Wild": {"BOOL": true}});
    let expected = json!({"RequestItems": {TABLE: [{"PutRequest": {"Item": item}}]}});
    assert_eq!(body, expected);
}
