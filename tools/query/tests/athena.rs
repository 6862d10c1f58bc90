//! Tests queries in Athena against a stand-in that speaks its protocol: the requests, the handling
//! of responses, and that no query is left running.
//!
//! The stand-in follows the Athena API reference; the tests do not call AWS.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Parser;
use query::{
    QueryArgs, QueryError, QueryProgram, RowView, TableColumn, Terminal, run, text, wild_rydes,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use unicorn::row::schema;
use windrow_connect::cloud::Environment;
use windrow_core::row::Row;
use windrow_core::sensor::Sensor;
use windrow_core::value::ColumnType;
use windrow_lambda::processor::row::{Item, TableRow};

/// The responses by operation, each used once except the last, which repeats; and the calls
/// received.
#[derive(Clone, Default)]
struct StandIn {
    responses: Arc<Mutex<BTreeMap<String, VecDeque<AthenaResponse>>>>,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

#[derive(Clone)]
enum AthenaResponse {
    Ok(Value),
    Error(StatusCode, Value),
}

impl StandIn {
    fn on(self, operation: &str, responses: impl IntoIterator<Item = AthenaResponse>) -> Self {
        let responses = responses.into_iter().collect();
        self.responses
            .lock()
            .unwrap()
            .insert(operation.to_owned(), responses);
        self
    }

    fn at_first(&self, operation: &str, response: AthenaResponse) {
        let mut responses = self.responses.lock().unwrap();
        responses.get_mut(operation).unwrap().push_front(response);
    }

    /// A stand-in whose queries succeed with these pages of rows.
    fn with_rows(pages: Vec<Value>) -> Self {
        Self::default()
            .on(
                "AmazonAthena.StartQueryExecution",
                [AthenaResponse::Ok(json!({"QueryExecutionId": "id-1"}))],
            )
            .on(
                "AmazonAthena.GetQueryExecution",
                [
                    state("QUEUED", None),
                    state("RUNNING", None),
                    state("SUCCEEDED", None),
                ],
            )
            .on(
                "AmazonAthena.GetQueryResults",
                pages.into_iter().map(AthenaResponse::Ok),
            )
            .on(
                "AmazonAthena.StopQueryExecution",
                [AthenaResponse::Ok(json!({}))],
            )
    }

    /// Starts serving for the duration of the test. Returns the URL.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", post(respond))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }

    fn called(&self, operation: &str) -> Vec<Value> {
        let calls = self.calls().into_iter();
        calls
            .filter(|(name, _)| name == operation)
            .map(|(_, body)| body)
            .collect()
    }
}

async fn respond(State(stand_in): State<StandIn>, headers: HeaderMap, body: String) -> Response {
    let operation = headers["x-amz-target"].to_str().unwrap().to_owned();
    assert!(headers.contains_key("authorization"));
    let body = serde_json::from_str(&body).unwrap();
    stand_in
        .calls
        .lock()
        .unwrap()
        .push((operation.clone(), body));
    let mut responses = stand_in.responses.lock().unwrap();
    let response = responses
        .get_mut(&operation)
        .and_then(|responses| match responses.len() {
            1 => responses.front().cloned(),
            _ => responses.pop_front(),
        });
    let json = [("content-type", "application/x-amz-json-1.1")];
    match response {
        Some(AthenaResponse::Ok(value)) => (json, value.to_string()).into_response(),
        Some(AthenaResponse::Error(status, value)) => {
            (status, json, value.to_string()).into_response()
        }
        None => (
            StatusCode::BAD_REQUEST,
            json,
            json!({"__type": "UnknownOperationException"}).to_string(),
        )
            .into_response(),
    }
}

fn state(state: &str, reason: Option<&str>) -> AthenaResponse {
    AthenaResponse::Ok(json!({"QueryExecution": {
        "QueryExecutionId": "id-1",
        "StatementType": "DML",
        "Status": {"State": state, "StateChangeReason": reason},
        "Statistics": {"DataScannedInBytes": 1_500_000, "TotalExecutionTimeInMillis": 2_345},
    }}))
}

fn page(rows: &[&[Option<&str>]], next: Option<&str>) -> Value {
    let column = |name: &str, kind: &str| json!({"Name": name, "Label": name, "Type": kind});
    let row = |cells: &&[Option<&str>]| {
        let cells = cells.iter().map(|cell| match cell {
            Some(text) => json!({"VarCharValue": text}),
            None => json!({}),
        });
        json!({"Data": cells.collect::<Vec<_>>()})
    };
    json!({
        "NextToken": next,
        "ResultSet": {
            "Rows": rows.iter().map(row).collect::<Vec<_>>(),
            "ResultSetMetadata": {"ColumnInfo": [
                column("name", "varchar"),
                column("statustime", "timestamp"),
                column("farthest", "double"),
                column("total", "decimal"),
                column("low", "boolean"),
            ]},
        },
    })
}

const HEAD: &[Option<&str>] = &[
    Some("name"),
    Some("statustime"),
    Some("farthest"),
    Some("total"),
    Some("low"),
];
const FIRST: &[Option<&str>] = &[
    Some("Shadowfax"),
    Some("2026-11-20 09:17:08.189"),
    Some("30.25"),
    Some("1789.250000"),
    Some("false"),
];
const SECOND: &[Option<&str>] = &[Some("Franky"), None, Some("1.0E7"), None];

async fn ask(url: &str, arguments: &[&str]) -> (Result<(), QueryError>, String, String) {
    ask_until(url, arguments, &CancellationToken::new()).await
}

async fn ask_until(
    url: &str,
    arguments: &[&str],
    stop: &CancellationToken,
) -> (Result<(), QueryError>, String, String) {
    ask_program(&wild_rydes::program(), url, arguments, stop).await
}

async fn ask_program<S: Sensor>(
    program: &QueryProgram<S>,
    url: &str,
    arguments: &[&str],
    stop: &CancellationToken,
) -> (Result<(), QueryError>, String, String) {
    let typed = [&["query", "--endpoint-url", url], arguments].concat();
    let args = QueryArgs::try_parse_from(typed).unwrap();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let environment = Environment::from_iter([("HOME".into(), "/nonexistent".into())]);
    let terminal = Terminal::default();
    let text = text(&args).unwrap();
    let outcome = run(
        program,
        &args,
        &text,
        &environment,
        terminal,
        stop,
        &mut out,
        &mut notes,
    )
    .await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (outcome, text(out), text(notes))
}

const SQL: &str = "SELECT name, statustime, max(distance) AS Farthest, sum(distance) AS Total, \
                   min(healthpoints) < 100 AS low FROM wildrydes GROUP BY 1, 2";

#[tokio::test]
async fn query_runs_in_the_workgroup_and_all_pages_are_printed() {
    let stand_in = StandIn::with_rows(vec![
        page(&[HEAD, FIRST], Some("more")),
        page(&[SECOND], Some("most")),
        page(&[HEAD], None),
    ]);
    let url = stand_in.start().await;
    let (outcome, out, notes) = ask(&url, &["--format", "lines", &format!("{SQL};")]).await;
    outcome.unwrap();
    assert_eq!(
        out,
        "{\"Name\":\"Shadowfax\",\"StatusTime\":\"2026-11-20 09:17:08.189\",\"Farthest\":30.25,\"Total\":1789.25,\"low\":false}\n\
         {\"Name\":\"Franky\",\"StatusTime\":null,\"Farthest\":1.0E7,\"Total\":null,\"low\":null}\n\
         {\"Name\":\"name\",\"StatusTime\":\"statustime\",\"Farthest\":\"farthest\",\"Total\":\"total\",\"low\":\"low\"}\n"
    );
    assert!(
        notes.starts_with(&format!("target: the endpoint {url}, ")),
        "{notes}"
    );
    assert!(
        notes.ends_with("Athena scanned 1.43 MiB in 2.3 s\n"),
        "{notes}"
    );

    let [started] = &stand_in.called("AmazonAthena.StartQueryExecution")[..] else {
        panic!("{:?}", stand_in.calls());
    };
    assert_eq!(started["QueryString"], SQL);
    assert_eq!(started["WorkGroup"], "wildrydes");
    assert_eq!(started["QueryExecutionContext"]["Database"], "wildrydes");
    assert!(started["ClientRequestToken"].as_str().unwrap().len() >= 32);
    assert_eq!(stand_in.called("AmazonAthena.GetQueryExecution").len(), 3);
    let pages = stand_in.called("AmazonAthena.GetQueryResults");
    let tokens: Vec<_> = pages
        .iter()
        .map(|page| page["NextToken"].as_str())
        .collect();
    assert_eq!(tokens, [None, Some("more"), Some("most")]);
    assert!(
        stand_in
            .called("AmazonAthena.StopQueryExecution")
            .is_empty()
    );
}

#[tokio::test]
async fn limit_stops_fetching_pages() {
    let stand_in = StandIn::with_rows(vec![page(&[HEAD, FIRST, SECOND], Some("more"))]);
    let url = stand_in.start().await;
    let (outcome, out, notes) = ask(
        &url,
        &[
            "--format",
            "csv",
            "--limit",
            "1",
            "--workgroup",
            "w",
            "--database",
            "d",
            SQL,
        ],
    )
    .await;
    outcome.unwrap();
    assert_eq!(
        out,
        "Name,StatusTime,Farthest,Total,low\nShadowfax,2026-11-20 09:17:08.189,30.25,1789.25,false\n"
    );
    assert!(notes.contains("only the first 1 row is shown"), "{notes}");
    assert_eq!(stand_in.called("AmazonAthena.GetQueryResults").len(), 1);
    let started = &stand_in.called("AmazonAthena.StartQueryExecution")[0];
    assert_eq!(started["WorkGroup"], "w");
    assert_eq!(started["QueryExecutionContext"]["Database"], "d");
}

#[tokio::test]
async fn athenas_reason_for_a_failure_is_reported() {
    let reason = "COLUMN_NOT_FOUND: line 1:8: Column 'nam' cannot be resolved";
    let stand_in = StandIn::default()
        .on(
            "AmazonAthena.StartQueryExecution",
            [AthenaResponse::Ok(json!({"QueryExecutionId": "id-1"}))],
        )
        .on(
            "AmazonAthena.GetQueryExecution",
            [state("FAILED", Some(reason))],
        )
        .on(
            "AmazonAthena.StopQueryExecution",
            [AthenaResponse::Ok(json!({}))],
        );
    let url = stand_in.start().await;
    let (outcome, out, _) = ask(&url, &["SELECT nam FROM wildrydes"]).await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        format!("Athena: {reason}")
    );
    assert_eq!(out, "");

    let rejected =
        json!({"__type": "InvalidRequestException", "Message": "WorkGroup is not found."});
    let stand_in = StandIn::default().on(
        "AmazonAthena.StartQueryExecution",
        [AthenaResponse::Error(StatusCode::BAD_REQUEST, rejected)],
    );
    let url = stand_in.start().await;
    let (outcome, _, _) = ask(&url, &[SQL]).await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "Athena: WorkGroup is not found. (workgroup wildrydes, database wildrydes)"
    );
}

#[tokio::test]
async fn throttled_start_is_retried_and_starts_one_query() {
    let slow_down = json!({"__type": "TooManyRequestsException", "Message": "Rate exceeded"});
    let stand_in = StandIn::with_rows(vec![page(&[HEAD, FIRST], None)]);
    let slow_down = AthenaResponse::Error(StatusCode::BAD_REQUEST, slow_down);
    stand_in.at_first("AmazonAthena.StartQueryExecution", slow_down);
    let url = stand_in.start().await;
    let (outcome, out, _) = ask(&url, &["--format", "csv", SQL]).await;
    outcome.unwrap();
    assert_eq!(out.lines().count(), 2);
    let started = stand_in.called("AmazonAthena.StartQueryExecution");
    assert_eq!(started.len(), 2);
    assert_eq!(
        started[0]["ClientRequestToken"],
        started[1]["ClientRequestToken"]
    );
}

#[tokio::test]
async fn ctrl_c_stops_the_query_in_athena() {
    let stand_in = StandIn::default()
        .on(
            "AmazonAthena.StartQueryExecution",
            [AthenaResponse::Ok(json!({"QueryExecutionId": "id-1"}))],
        )
        .on("AmazonAthena.GetQueryExecution", [state("RUNNING", None)])
        .on(
            "AmazonAthena.StopQueryExecution",
            [AthenaResponse::Ok(json!({}))],
        );
    let url = stand_in.start().await;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let watched = stand_in.clone();
    tokio::spawn(async move {
        while watched.called("AmazonAthena.GetQueryExecution").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stopping.cancel();
    });
    let (outcome, _, _) = ask_until(&url, &[SQL], &stop).await;
    assert_eq!(outcome.unwrap_err().to_string(), "the query was stopped");
    let stopped = stand_in.called("AmazonAthena.StopQueryExecution");
    assert_eq!(stopped, [json!({"QueryExecutionId": "id-1"})]);
}

#[tokio::test]
async fn writing_and_mixed_queries_are_not_sent() {
    let stand_in = StandIn::default();
    let url = stand_in.start().await;
    let (outcome, _, _) = ask(&url, &["UNLOAD (SELECT 1) TO 's3://bucket/'"]).await;
    assert!(
        outcome
            .unwrap_err()
            .to_string()
            .starts_with("UNLOAD is not allowed")
    );
    let mixed = "SELECT * FROM summary s JOIN wildrydes w ON s.Name = w.Name";
    let (outcome, _, _) = ask(&url, &[mixed]).await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "summary is in DynamoDB and wildrydes in Athena, and a query cannot read both: run two queries"
    );
    assert_eq!(stand_in.calls(), []);
}

#[tokio::test]
async fn summary_is_read_from_dynamodb_in_pages() {
    // Two pages that split a window: rows of one unicorn from two shards, and an item that is not a
    // row.
    let row = |name: &str, shard: &str, metres: &str| {
        let line = format!(
            r#"{{"Name":"{name}","StatusTime":"2026-11-20 09:17:00.000","Distance":{metres},"MinMagicPoints":108,"MaxMagicPoints":112,"MinHealthPoints":148,"MaxHealthPoints":151,"Source":{{"Stream":"wildrydes","Shard":"{shard}","From":"1","To":"2","Readings":60,"WindowSeconds":60}}}}"#
        );
        let row = unicorn::row::parse(line.as_bytes()).unwrap();
        item_json(&TableRow::new(schema(), row, None).to_item())
    };
    let key = json!({"Name": {"S": "Shadowfax"}, "StatusTime": {"S": "x"}});
    let pages = [
        json!({"Items": [row("Shadowfax", "a", "1789.25"), row("Franky", "a", "30")], "LastEvaluatedKey": key}),
        json!({"Items": [row("Shadowfax", "b", "0.000001"), {"Name": {"S": "nobody"}}]}),
    ];
    let stand_in = StandIn::default().on("DynamoDB_20120810.Scan", pages.map(AthenaResponse::Ok));
    let url = stand_in.start().await;
    let sql = "SELECT Name, StatusTime, Distance, Readings, Gap FROM summary ORDER BY Name";
    let (outcome, out, notes) = ask(&url, &["--format", "csv", "--table", "Rows", sql]).await;
    outcome.unwrap();
    assert_eq!(
        out,
        "Name,StatusTime,Distance,Readings,Gap\n\
         Franky,2026-11-20 09:17:00.000,30,60,false\n\
         Shadowfax,2026-11-20 09:17:00.000,1789.250001,120,false\n"
    );
    assert!(
        notes.contains("summary: the table Rows\n1 item is not a row: left out\n"),
        "{notes}"
    );
    let scans = stand_in.called("DynamoDB_20120810.Scan");
    assert_eq!(scans.len(), 2);
    assert!(scans.iter().all(|scan| scan["TableName"] == "Rows"));
    assert_eq!(stand_in.calls().len(), 2, "Athena is not called");
}

/// The rows of another sensor are in DynamoDB, too, and so are the views of them. Its archive is in no
/// database of Athena, unless there is one that the command line names.
#[tokio::test]
async fn another_sensor_has_rows_on_aws_and_says_where_its_archive_is() {
    let sensor = thermometer::sensor().unwrap();
    let schema = sensor.schema().clone();
    let mut program = QueryProgram::new(sensor, "thermometer");
    let columns = vec![TableColumn::new("Room", ColumnType::Text, "")];
    let view = RowView::new("rooms", "A room", columns, |rows| {
        rows.iter().map(|row| vec![row.key[1].clone()]).collect()
    });
    program.views = vec![view];
    let line = r#"{"Site":"Rome","Room":"Attic","Time":"2026-11-20 09:17:00.000","MinCelsius":30,"MaxCelsius":31.25,"AvgCelsius":30.625,"CountCelsius":2,"Source":{"Stream":"s","Shard":"a","From":"1","To":"2","Readings":2,"WindowSeconds":60,"Parts":{"AvgCelsius":{"Sum":61.25,"Count":2}}}}"#;
    let row = Row::parse(&schema, line.as_bytes()).unwrap();
    let item = item_json(&TableRow::new(&schema, row, None).to_item());
    let stand_in = StandIn::with_rows(vec![page(&[HEAD, FIRST], None)]).on(
        "DynamoDB_20120810.Scan",
        [AthenaResponse::Ok(json!({"Items": [item]}))],
    );
    let url = stand_in.start().await;
    let stop = CancellationToken::new();
    let query = async |arguments: &[&str]| {
        let arguments = [&["--format", "csv"], arguments].concat();
        let (outcome, out, _) = ask_program(&program, &url, &arguments, &stop).await;
        outcome.map(|()| out).map_err(|error| error.to_string())
    };
    let both = "SELECT s.room, AvgCelsius FROM summary s JOIN rooms r ON s.Room = r.Room";
    assert_eq!(
        query(&[both]).await.unwrap(),
        "Room,AvgCelsius\nAttic,30.625\n"
    );
    assert_eq!(query(&["SELECT 1 AS n"]).await.unwrap(), "n\n1\n");
    assert_eq!(query(&["SHOW TABLES"]).await.unwrap().lines().count(), 5);
    let scans = stand_in.called("DynamoDB_20120810.Scan");
    assert_eq!(scans, [json!({"TableName": "thermometer"})]);

    let error = query(&["SELECT * FROM Thermometer"]).await.unwrap_err();
    assert_eq!(
        error,
        "thermometer is in the archive, of which this program knows no Athena database: copy the archive \
         with `aws s3 sync s3://BUCKET archive` and query the copy with --archive archive, or name a \
         database that you have made of it with --database"
    );
    let error = query(&["SELECT * FROM unicorns"]).await.unwrap_err();
    assert!(error.starts_with("there is no table unicorns"), "{error}");
    let error = query(&["SELECT * FROM summary, thermometer"])
        .await
        .unwrap_err();
    assert!(error.contains("run two queries"), "{error}");
    assert!(
        stand_in
            .called("AmazonAthena.StartQueryExecution")
            .is_empty()
    );

    let named = query(&["--database", "rooms", "SELECT * FROM thermometer"]).await;
    named.unwrap();
    let started = &stand_in.called("AmazonAthena.StartQueryExecution")[0];
    assert_eq!(started["WorkGroup"], "primary");
    assert_eq!(started["QueryExecutionContext"]["Database"], "rooms");
}

/// An item as DynamoDB's API sends it.
fn item_json(item: &Item) -> Value {
    let attributes = item.iter().map(|(name, value)| {
        let value = match value {
            AttributeValue::S(text) => json!({"S": text}),
            AttributeValue::N(number) => json!({"N": number}),
            AttributeValue::M(entries) => json!({"M": item_json(entries)}),
            other => panic!("{other:?}"),
        };
        (name.clone(), value)
    });
    Value::Object(attributes.collect())
}
