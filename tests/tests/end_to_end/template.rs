//! Checks template.yaml against what the programs expect of it. The local cloud takes its names and
//! settings from it, so nothing has to agree.

use std::collections::BTreeMap;
use std::path::Path;

use unicorn::row::schema;
use windrow_core::row::ShardWatermark;
use windrow_core::schema::EXPIRES_AT;
use windrow_core::time::Timestamp;
use windrow_lambda::aggregator::settings::{AggregatorSettings, WindowTime};
use windrow_lambda::finisher::settings::FinisherSettings;
use windrow_lambda::finisher::{FinisherStreams, MergedOutput, WINDOWS};
use windrow_lambda::processor::settings::ProcessorSettings;
use windrow_local::settings::PROGRESS_KEY;
use windrow_template::{FunctionResource, StackModel, StackOptions, StackTemplate, TableResource};
use yaml_serde::Value;

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// A template with these parameters, and else with the defaults.
fn stack(path: &str, parameters: &[(&str, &str)]) -> StackModel {
    let parameters = parameters.iter();
    let options = StackOptions {
        parameters: parameters
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..StackOptions::default()
    };
    let template = StackTemplate::parse(&file(path)).unwrap();
    template.resolve(&options).unwrap()
}

fn function<'s>(stack: &'s StackModel, logical_id: &str) -> &'s FunctionResource {
    stack.function(logical_id).unwrap()
}

fn table<'s>(stack: &'s StackModel, logical_id: &str) -> &'s TableResource {
    let mut tables = stack.tables.iter();
    tables.find(|table| table.logical_id == logical_id).unwrap()
}

/// The local cloud keeps the objects of a Firehose stream in a folder of its name.
#[test]
fn archive_folders_have_the_names_of_their_streams() {
    let stack = stack("template.yaml", &[]);
    assert_eq!(stack.delivery_streams.len(), 2);
    for delivery in stack.delivery_streams {
        // Firehose appends YYYY/MM/DD/HH/, as does the local one.
        let prefix = delivery.prefix.unwrap();
        assert_eq!(prefix, format!("{}/", delivery.name));
        if let Some(stream) = delivery.source_stream {
            assert_eq!(stream, delivery.name);
        }
    }
}

#[test]
fn tables_have_the_keys_of_their_items() {
    let forever = stack("template.yaml", &[("FinishedRows", "true")]);
    let rows = table(&forever, "Table");
    let keys: Vec<&str> = rows.key.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, schema().table_key());
    assert_eq!(rows.expiry, None);
    let progress = table(&forever, "ProgressTable");
    let keys: Vec<&str> = progress.key.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, [PROGRESS_KEY]);
    let expiring = stack("template.yaml", &[("RowsExpireAfterDays", "30")]);
    let rows = table(&expiring, "Table");
    assert_eq!(rows.expiry.as_deref(), Some(EXPIRES_AT));
}

/// The filter of the finisher's mapping lets watermarks pass, and no rows.
#[test]
fn watermarks_pass_the_filter() {
    for path in ["template.yaml", "examples/ticker/template.yaml"] {
        let stack = stack(path, &[("FinishedRows", "true")]);
        let mut mappings = stack.mappings.iter();
        let watermarks = mappings
            .find(|mapping| mapping.function == "Finisher")
            .unwrap();
        let [pattern] = &watermarks.filters[..] else {
            panic!("{:?}", watermarks.filters);
        };
        let pattern: serde_json::Value = serde_json::from_str(pattern).unwrap();
        let stream = serde_json::json!([{"exists": true}]);
        assert_eq!(
            pattern,
            serde_json::json!({"data": {"Watermark": {"Stream": stream}}})
        );
    }
    let watermark = ShardWatermark {
        stream: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes".to_owned(),
        shard: "shardId-000000000000".to_owned(),
        through: Timestamp::EPOCH,
    };
    let line: serde_json::Value = serde_json::from_slice(&watermark.to_line()).unwrap();
    assert!(line["Watermark"]["Stream"].is_string());
}

#[test]
fn functions_accept_their_variables() {
    let stack = stack("template.yaml", &[("FinishedRows", "true")]);
    let names = local::names().unwrap();
    let read = |logical_id: &str| {
        let function = function(&stack, logical_id);
        let mut variables = function.environment.clone();
        variables.insert("AWS_LAMBDA_FUNCTION_NAME".to_owned(), function.name.clone());
        move |name: &str| variables.get(name).cloned()
    };
    let aggregator = AggregatorSettings::read(read("Aggregator")).unwrap();
    assert_eq!(aggregator.function_name, "wildrydes-aggregator");
    assert_eq!(aggregator.summary_stream, names.summary_stream);
    assert_eq!(aggregator.rejects_stream, names.rejects);
    assert_eq!(aggregator.window_time, WindowTime::default());
    let processor = ProcessorSettings::read(read("Processor")).unwrap();
    assert_eq!(processor.table_name, names.table);
    assert_eq!(processor.rejects_stream, names.rejects);
    assert_eq!(processor.expire_after_days, None);
    let outputs = MergedOutput::new(schema(), WINDOWS);
    let finisher = FinisherSettings::read(read("Finisher")).unwrap();
    let finisher = finisher.check(&outputs).unwrap();
    let streams = FinisherStreams {
        summaries: names.summary_stream,
        readings: names.stream,
    };
    assert_eq!(finisher.streams, streams);
    assert_eq!(finisher.progress_table, names.progress_table);
    assert_eq!(finisher.output_streams[WINDOWS], "wildrydes-finished");
    assert_eq!(finisher.rejects_stream, names.rejects);
}

/// Checks the variables of the functions under `cargo lambda watch`.
#[test]
fn cargo_lambda_names_agree() {
    let text = file("tools/local/functions.env");
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let variables: BTreeMap<&str, &str> = lines.collect();
    let names = local::names().unwrap();
    assert_eq!(variables["SUMMARY_STREAM"], names.summary_stream);
    assert_eq!(variables["REJECTS_STREAM"], names.rejects);
    assert_eq!(variables["TABLE_NAME"], names.table);
}

#[test]
fn map_configuration_is_complete() {
    let template: Value = yaml_serde::from_str(&file("template.yaml")).unwrap();
    let outputs = &template["Outputs"]["DashboardConfig"]["Value"];
    let Value::Tagged(tagged) = outputs else {
        panic!("{outputs:?}")
    };
    let config: serde_json::Value = serde_json::from_str(tagged.value.as_str().unwrap()).unwrap();
    let fields = file("dashboard/src/config.ts");
    let (_, fields) = fields.split_once("export interface Config {").unwrap();
    let (fields, _) = fields.split_once("\n}").unwrap();
    let mut needed: Vec<&str> = fields
        .lines()
        .filter_map(|line| line.trim().strip_prefix("readonly ")?.split_once(": "))
        .map(|(name, _)| name)
        .filter(|name| !name.ends_with('?'))
        .collect();
    // On AWS the page needs it for credentials.
    needed.push("identityPoolId");
    // The table needs it.
    needed.push("schema");
    needed.sort_unstable();
    let config = config.as_object().unwrap();
    let mut given: Vec<&str> = config.keys().map(String::as_str).collect();
    given.sort_unstable();
    assert_eq!(given, needed);
    let schema = serde_json::to_value(&**unicorn::row::schema()).unwrap();
    assert_eq!(config["schema"], schema);
}
