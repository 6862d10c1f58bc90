//! The outputs of a Kinesis SQL application.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_types::SdkConfig;
use sql_functions::finished::SqlOutputs;
use windrow_event::Event;
use windrow_lambda::finisher::{WindowOutputs as _, own_field};
use windrow_local::ResourceNames;
use windrow_local::functions::Embedded;
use windrow_pipeline::{LocalProgram, OutputFunction, embedded_finisher, log_metrics};
use windrow_sql::output::OutputStream;
use windrow_sql::sensor::SqlSensor;

/// The name of the function that writes rows without windows, and of its binary.
const STATELESS: &str = "sql-stateless";

/// The most characters of an output's name in that of its stream. Kinesis takes 128.
const MOST_CHARACTERS: usize = 100;

/// Adds the functions that write rows without windows and finished rows of windows, each if the
/// application has such rows, and the streams that they write. Without windows, there is no
/// aggregator.
pub fn with_outputs(mut program: LocalProgram<SqlSensor>) -> LocalProgram<SqlSensor> {
    let application = Arc::clone(program.application.sensor.application());
    let names = &mut program.names;
    // An output can have rows of both kinds.
    let outputs = application.stateless_outputs().chain(application.outputs());
    let outputs: BTreeSet<&str> = outputs.map(|output| output.name.as_str()).collect();
    let mut taken = vec![names.stream.clone(), names.summary_stream.clone()];
    let mut streams = BTreeMap::new();
    for output in outputs {
        let stream = stream_name(output, &taken);
        taken.push(stream.clone());
        streams.insert(output.to_owned(), stream);
    }
    let streams_of = |names: Vec<&str>| {
        let streams = names
            .into_iter()
            .filter_map(|name| streams.get_key_value(name));
        streams
            .map(|(output, stream)| (output.clone(), stream.clone()))
            .collect()
    };
    let stateless = application.stateless_outputs();
    names.outputs = streams_of(stateless.map(|output| output.name.as_str()).collect());
    let finished = SqlOutputs::new(Arc::clone(&application)).columns();
    let can_finish = finished
        .iter()
        .filter(|(_, columns)| own_field(columns).is_none())
        .map(|(output, _)| output.as_str());
    names.finished = streams_of(can_finish.collect());
    program.application.has_windows = !application.pumps().is_empty();
    if !names.outputs.is_empty() {
        program.application.stateless = Some(OutputFunction {
            binary: STATELESS.to_owned(),
            columns: |sensor| columns(sensor.application().stateless_outputs()),
            embedded: stateless_writer,
        });
    }
    if !names.finished.is_empty() {
        program.application.finisher = Some(OutputFunction {
            binary: "sql-finisher".to_owned(),
            columns: |sensor| columns(sensor.application().outputs()),
            embedded: |sensor, names, config| {
                let outputs = SqlOutputs::new(Arc::clone(sensor.application()));
                embedded_finisher(outputs, names, config)
            },
        });
    }
    program
}

/// The columns of each output.
fn columns<'a>(outputs: impl Iterator<Item = &'a OutputStream>) -> BTreeMap<String, Vec<String>> {
    let columns = outputs.map(|output| {
        let columns = output.columns.iter().map(|(column, _)| column.clone());
        (output.name.clone(), columns.collect())
    });
    columns.collect()
}

/// A name for the stream of an output that differs from those that are taken. Kinesis allows fewer
/// characters than SQL.
fn stream_name(output: &str, taken: &[String]) -> String {
    let is_allowed =
        |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let allowed = output.chars().take(MOST_CHARACTERS);
    let allowed = allowed.map(|character| {
        if is_allowed(character) {
            character
        } else {
            '-'
        }
    });
    let name = format!("sql-{}", allowed.collect::<String>());
    let mut unique = name.clone();
    let mut number = 2;
    while taken.contains(&unique) {
        unique = format!("{name}-{number}");
        number += 1;
    }
    unique
}

fn stateless_writer(sensor: &SqlSensor, names: &ResourceNames, config: &SdkConfig) -> Embedded {
    let function = Arc::new(sql_functions::stateless::writer(
        sensor.clone(),
        &names.outputs,
        &names.rejects,
        config,
        log_metrics(STATELESS),
    ));
    Embedded::new(STATELESS, move |event, deadline| {
        let function = Arc::clone(&function);
        async move {
            let event = Event::from_json(&event).map_err(|error| error.to_string())?;
            let response = function.handle(&event, deadline).await;
            let response = response.map_err(|error| error.to_string())?;
            serde_json::to_vec(&response).map_err(|error| error.to_string())
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tower::ServiceExt as _;
    use windrow_local::Application as _;
    use windrow_pipeline::SensorApplication;
    use windrow_sql::input::InputSchema;

    use super::*;

    const FILTER: &str = r#"
        CREATE STREAM "HOT" ("ROOM" VARCHAR(64), "AT" TIMESTAMP);
        CREATE PUMP "HOT_PUMP" AS INSERT INTO "HOT"
            SELECT STREAM "ROOM", ROWTIME FROM "SOURCE_SQL_STREAM_001" WHERE "CELSIUS" > 30;"#;
    const WINDOW: &str = r#"
        CREATE STREAM "TOTALS" ("ROOM" VARCHAR(64), "READINGS" INTEGER);
        CREATE PUMP "TOTALS_PUMP" AS INSERT INTO "TOTALS"
            SELECT STREAM "ROOM", COUNT(*) FROM "SOURCE_SQL_STREAM_001"
            GROUP BY "ROOM", FLOOR("SOURCE_SQL_STREAM_001".ROWTIME TO MINUTE);"#;
    const SCHEMA: &str = r#"{
        "RecordColumns": [
            {"Name": "ROOM", "SqlType": "VARCHAR(64)", "Mapping": "$.room"},
            {"Name": "CELSIUS", "SqlType": "DECIMAL(9,2)", "Mapping": "$.celsius"}
        ],
        "RecordFormat": {
            "RecordFormatType": "JSON",
            "MappingParameters": {"JSONMappingParameters": {"RecordRowPath": "$"}}
        }
    }"#;

    /// What the page of an application knows.
    async fn config(sql: &str) -> Value {
        let sensor = SqlSensor::new(sql, InputSchema::parse(SCHEMA).unwrap()).unwrap();
        let program = with_outputs(LocalProgram::new(SensorApplication::new(sensor), "sql"));
        let endpoint = "http://127.0.0.1:4566";
        let page = program
            .application
            .page(endpoint, "us-east-1", &program.names);
        let request = Request::builder().uri("/config.json");
        let request = request.body(Body::empty()).unwrap();
        let response = page.oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn the_page_knows_the_columns_of_every_output() {
        let hot = json!({
            "name": "HOT",
            "stream": "sql-HOT",
            "columns": ["ROOM", "AT"],
            "hasWindows": false,
        });
        let totals = json!({
            "name": "TOTALS",
            "stream": "sql-TOTALS",
            "columns": ["ROOM", "READINGS"],
            "hasWindows": true,
        });
        let both = config(&format!("{FILTER}{WINDOW}")).await;
        assert_eq!(both["outputs"], json!([hot, totals]));
        assert!(both["schema"].is_object());
        let without_windows = config(FILTER).await;
        assert_eq!(without_windows["outputs"], json!([hot]));
        assert_eq!(without_windows.get("schema"), None);
    }

    #[test]
    fn streams_have_names_that_kinesis_takes() {
        let taken = ["sql-summary", "sql-A-B"].map(str::to_owned);
        for (output, stream) in [
            ("ALARMS", "sql-ALARMS"),
            ("summary", "sql-summary-2"),
            ("A\"B", "sql-A-B-2"),
            ("Tromsø", "sql-Troms-"),
        ] {
            assert_eq!(stream_name(output, &taken), stream);
        }
        assert_eq!(stream_name(&"x".repeat(500), &taken).len(), 104);
    }
}
