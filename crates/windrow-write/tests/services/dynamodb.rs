use std::collections::HashMap;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_smithy_http_client::Builder;
use dynoxide::Database;
use tokio::net::TcpListener;
use windrow_write::{DynamoTable, Reason, deliver};

use crate::policy;

type TestItem = HashMap<String, AttributeValue>;

/// A new DynamoDB emulator with the table `UnicornSensorData`.
async fn dynamodb() -> aws_sdk_dynamodb::Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(dynoxide::server::serve_on(
        listener,
        Database::memory().unwrap(),
    ));

    let client = aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, port));
    let mut create = client
        .create_table()
        .table_name("UnicornSensorData")
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("Name", KeyType::Hash), ("StatusTime", KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        create = create
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(
                KeySchemaElement::builder()
                    .attribute_name(name)
                    .key_type(kind)
                    .build()
                    .unwrap(),
            );
    }
    create.send().await.unwrap();
    client
}

fn table(client: &aws_sdk_dynamodb::Client) -> DynamoTable {
    DynamoTable::new(client.clone(), "UnicornSensorData", ["Name", "StatusTime"])
}

fn row(name: &str, minute: usize, note: &str) -> TestItem {
    let text = |value: String| AttributeValue::S(value);
    HashMap::from([
        ("Name".to_owned(), text(name.to_owned())),
        (
            "StatusTime".to_owned(),
            text(format!("2026-11-20 09:{minute:02}:00.000")),
        ),
        ("Note".to_owned(), text(note.to_owned())),
    ])
}

/// The note of every row, ordered by minute.
async fn notes(client: &aws_sdk_dynamodb::Client) -> Vec<String> {
    let rows = client
        .scan()
        .table_name("UnicornSensorData")
        .send()
        .await
        .unwrap();
    let mut rows: Vec<(String, String)> = rows
        .items()
        .iter()
        .map(|row| {
            (
                row["StatusTime"].as_s().unwrap().clone(),
                row["Note"].as_s().unwrap().clone(),
            )
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, note)| note).collect()
}

#[tokio::test]
async fn duplicate_key_is_written_once_with_its_last_value() {
    let client = dynamodb().await;
    let mut rows: Vec<TestItem> = (0..25)
        .map(|minute| row("Shadowfax", minute, "first"))
        .collect();
    rows.push(row("Shadowfax", 3, "last"));
    let report = deliver(&table(&client), rows, &policy()).await;

    assert_eq!((report.delivered, report.merged, report.calls), (25, 1, 1));
    let mut expected = vec!["first"; 25];
    expected[3] = "last";
    assert_eq!(notes(&client).await, expected);
}

#[tokio::test]
async fn only_the_item_over_400_kb_is_undelivered() {
    let client = dynamodb().await;
    let table = table(&client);
    let largest = 400 * 1024 - windrow_write::Destination::size(&table, &row("Shadowfax", 0, ""));
    let rows = vec![
        row("Shadowfax", 0, "small"),
        row("Shadowfax", 1, &"x".repeat(largest + 1)),
        row("Shadowfax", 2, &"x".repeat(largest)),
    ];
    let report = deliver(&table, rows, &policy()).await;

    assert_eq!((report.delivered, report.calls), (2, 1));
    assert_eq!(report.undelivered[0].index, 1);
    assert!(report.undelivered[0].reason.is_permanent());
    assert_eq!(notes(&client).await.len(), 2);
}

#[tokio::test]
async fn only_the_item_with_an_empty_key_is_undelivered() {
    let client = dynamodb().await;
    let mut rows: Vec<TestItem> = (0..25)
        .map(|minute| row("Shadowfax", minute, "good"))
        .collect();
    rows[12].insert("Name".to_owned(), AttributeValue::S(String::new()));
    let report = deliver(&table(&client), rows, &policy()).await;

    assert_eq!((report.delivered, report.calls), (24, 1));
    assert_eq!(report.undelivered[0].index, 12);
}

#[tokio::test]
async fn only_the_item_that_the_service_rejects_is_undelivered() {
    let client = dynamodb().await;
    let mut rows: Vec<TestItem> = (0..25)
        .map(|minute| row("Shadowfax", minute, "good"))
        .collect();
    rows[12].insert("Flags".to_owned(), AttributeValue::Ss(Vec::new()));
    let report = deliver(&table(&client), rows, &policy()).await;

    assert_eq!(report.delivered, 24);
    assert_eq!(report.undelivered.len(), 1);
    assert_eq!(report.undelivered[0].index, 12);
    let reason = &report.undelivered[0].reason;
    assert!(
        matches!(reason, Reason::Rejected(reason) if reason.starts_with("ValidationException")),
        "{reason}"
    );
    assert_eq!(notes(&client).await.len(), 24);
}
