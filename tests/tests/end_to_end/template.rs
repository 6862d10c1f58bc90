//! Checks that template.yaml and the settings of the local cloud agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use unicorn::row::schema;
use windrow_core::row::ShardWatermark;
use windrow_core::schema::EXPIRES_AT;
use windrow_core::time::Timestamp;
use windrow_lambda::aggregator::settings::AggregatorSettings;
use windrow_lambda::aggregator::settings::WindowTime;
use windrow_lambda::finisher::settings::FinisherSettings;
use windrow_lambda::finisher::{FinisherStreams, MergedOutput, WINDOWS};
use windrow_lambda::processor::settings::ProcessorSettings;
use windrow_local::mapping::{MappingOptions, OnFailure};
use windrow_local::settings::{PROGRESS_KEY, ResourceNames, aggregator_mapping, processor_mapping};
use yaml_serde::Value;

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

struct Template(Value);

impl Template {
    fn read() -> Self {
        Self::read_from("template.yaml")
    }

    fn read_from(path: &str) -> Self {
        Self(yaml_serde::from_str(&file(path)).unwrap())
    }

    fn properties(&self, resource: &str) -> &Value {
        let properties = &self.0["Resources"][resource]["Properties"];
        assert!(properties.is_mapping(), "missing resource {resource}");
        properties
    }

    /// Resolves a value with the defaults of all parameters: `!Ref` and `!Sub` of parameters and of
    /// named resources.
    fn resolve(&self, value: &Value) -> Value {
        let Value::Tagged(tagged) = value else {
            return value.clone();
        };
        let tag = tagged.tag.to_string();
        match (tag.as_str(), &tagged.value) {
            ("!Ref", Value::String(name)) => self.reference(name),
            ("!Sub", Value::String(text)) => Value::String(self.substitute(text)),
            ("!If", Value::Sequence(branches)) => {
                let condition = branches[0].as_str().unwrap();
                let branch = if self.holds(condition) { 1 } else { 2 };
                self.resolve(&branches[branch])
            }
            _ => value.clone(),
        }
    }

    fn reference(&self, name: &str) -> Value {
        let parameter = &self.0["Parameters"][name]["Default"];
        if !parameter.is_null() {
            return parameter.clone();
        }
        let properties = self.properties(name);
        let names = ["Name", "TableName", "DeliveryStreamName"];
        let named = names.iter().map(|own| &properties[*own]);
        let named = named.into_iter().find(|own| !own.is_null()).unwrap();
        self.resolve(named)
    }

    fn substitute(&self, text: &str) -> String {
        let mut resolved = text.to_owned();
        while let Some(start) = resolved.find("${") {
            let end = start + resolved[start..].find('}').unwrap();
            let value = self.reference(&resolved[start + 2..end]);
            resolved.replace_range(start..=end, value.as_str().unwrap());
        }
        resolved
    }

    /// Every condition used here is false with the default parameters.
    fn holds(&self, condition: &str) -> bool {
        assert!(!self.0["Conditions"][condition].is_null(), "{condition}");
        false
    }

    fn text(&self, value: &Value) -> String {
        self.resolve(value).as_str().unwrap().to_owned()
    }

    fn number(&self, value: &Value) -> i64 {
        self.resolve(value).as_i64().unwrap()
    }

    /// The options of a mapping, with the timeout of its function, as the local cloud's type.
    fn mapping(&self, function: &str, event: &str) -> MappingOptions {
        let properties = self.properties(function);
        let mapping = &properties["Events"][event]["Properties"];
        let seconds = |value: &Value| Duration::from_secs(self.number(value).try_into().unwrap());
        let limit = |value: &Value| match self.number(value) {
            -1 => None,
            limit => Some(u64::try_from(limit).unwrap()),
        };
        let responses = &mapping["FunctionResponseTypes"];
        let on_failure = &mapping["DestinationConfig"]["OnFailure"]["Destination"];
        assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON");
        assert_eq!(self.number(&mapping["ParallelizationFactor"]), 1);
        MappingOptions {
            batch_size: self.number(&mapping["BatchSize"]).try_into().unwrap(),
            batching_window: seconds(&mapping["MaximumBatchingWindowInSeconds"]),
            tumbling_window: match &mapping["TumblingWindowInSeconds"] {
                Value::Null => None,
                window => Some(seconds(window)),
            },
            report_batch_item_failures: responses.as_sequence().is_some_and(|types| {
                types.contains(&Value::String("ReportBatchItemFailures".to_owned()))
            }),
            bisect_on_error: mapping["BisectBatchOnFunctionError"].as_bool().unwrap(),
            retry_attempts: limit(&mapping["MaximumRetryAttempts"])
                .map(|limit| limit.try_into().unwrap()),
            record_age: limit(&mapping["MaximumRecordAgeInSeconds"]).map(Duration::from_secs),
            on_failure: (!on_failure.is_null()).then(|| OnFailure::S3(PathBuf::from("on-failure"))),
            function_timeout: seconds(&properties["Timeout"]),
            ..MappingOptions::default()
        }
    }

    fn variables(&self, function: &str) -> BTreeMap<String, String> {
        let variables = &self.properties(function)["Environment"]["Variables"];
        let variables = variables.as_mapping().unwrap().iter();
        variables
            .map(|(name, value)| (name.as_str().unwrap().to_owned(), self.text(value)))
            .collect()
    }
}

#[test]
fn names_agree() {
    let template = Template::read();
    let name =
        |resource: &str, property: &str| template.text(&template.properties(resource)[property]);
    let deployed = ResourceNames {
        stream: name("ReadingStream", "Name"),
        summary_stream: name("SummaryStream", "Name"),
        table: name("Table", "TableName"),
        table_key: schema().table_key().map(str::to_owned),
        rejects: name("RejectsDelivery", "DeliveryStreamName"),
        outputs: BTreeMap::new(),
        // The local cloud has no finisher for unicorns, unless a program adds one.
        finished: BTreeMap::new(),
        progress_table: name("ProgressTable", "TableName"),
    };
    assert_eq!(deployed, local::names());
    // One name for the stream and the Firehose stream that archives it.
    assert_eq!(
        name("ReadingDelivery", "DeliveryStreamName"),
        deployed.stream
    );
}

#[test]
fn archive_folders_agree() {
    let template = Template::read();
    let names = local::names();
    for (delivery, folder) in [
        ("ReadingDelivery", names.stream),
        ("RejectsDelivery", names.rejects),
    ] {
        let destination = &template.properties(delivery)["ExtendedS3DestinationConfiguration"];
        // Firehose appends YYYY/MM/DD/HH/, as does the local one.
        assert_eq!(
            template.text(&destination["Prefix"]),
            format!("{folder}/"),
            "{delivery}"
        );
    }
}

#[test]
fn mappings_agree() {
    let template = Template::read();
    let settings = local::settings();
    assert_eq!(
        template.mapping("Aggregator", "Readings"),
        aggregator_mapping(settings.window)
    );
    assert_eq!(
        template.mapping("Processor", "Summaries"),
        processor_mapping(PathBuf::from("on-failure"))
    );
}

#[test]
fn tables_agree() {
    let template = Template::read();
    let table = template.properties("Table");
    let keys = table["KeySchema"].as_sequence().unwrap().iter();
    let keys: Vec<&str> = keys
        .map(|key| key["AttributeName"].as_str().unwrap())
        .collect();
    assert_eq!(keys, schema().table_key());
    let Value::Tagged(expiry) = &table["TimeToLiveSpecification"] else {
        panic!("rows must expire only if a parameter is set");
    };
    assert_eq!(expiry.value[1]["AttributeName"], EXPIRES_AT);
}

#[test]
fn progress_tables_agree() {
    let template = Template::read();
    let keys = &template.properties("ProgressTable")["KeySchema"];
    assert_eq!(keys.as_sequence().unwrap().len(), 1);
    assert_eq!(keys[0]["AttributeName"], PROGRESS_KEY);
    assert_eq!(keys[0]["KeyType"], "HASH");
}

/// The filter of the finisher's mapping lets watermarks pass, and no rows.
#[test]
fn watermarks_pass_the_filter() {
    for template in [
        Template::read(),
        Template::read_from("examples/ticker/template.yaml"),
    ] {
        let events = &template.properties("Finisher")["Events"];
        let filters = &events["Watermarks"]["Properties"]["FilterCriteria"]["Filters"];
        assert_eq!(filters.as_sequence().unwrap().len(), 1);
        let pattern: serde_json::Value =
            serde_json::from_str(filters[0]["Pattern"].as_str().unwrap()).unwrap();
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
    let template = Template::read();
    let names = local::names();
    let read = |function: &str| {
        let mut variables = template.variables(function);
        let name = template.text(&template.properties(function)["FunctionName"]);
        variables.insert("AWS_LAMBDA_FUNCTION_NAME".to_owned(), name);
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
    let names = local::names();
    assert_eq!(variables["SUMMARY_STREAM"], names.summary_stream);
    assert_eq!(variables["REJECTS_STREAM"], names.rejects);
    assert_eq!(variables["TABLE_NAME"], names.table);
}

#[test]
fn map_configuration_is_complete() {
    let outputs = &Template::read().0["Outputs"]["DashboardConfig"]["Value"];
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
