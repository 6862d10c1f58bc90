//! Finds the schema of the input in an exported application.
//!
//! The forms differ in the spelling of names and in what is around the columns, so names are
//! compared without case and underscores, and the columns are searched for.

use serde_json::{Map, Value};

use super::{InputError, InputSchema, JsonPath, RecordColumn};
use crate::application::INPUT_STREAM;
use crate::types::TypeError;

/// The schema in an export.
pub(super) fn parse(export: &Value) -> Result<InputSchema, InputError> {
    let mut found = Vec::new();
    find(export, Surroundings::default(), &mut found);
    let (schema, around) = match found.as_slice() {
        [] => return Err(InputError::NoColumns),
        [one] => one,
        several => return Err(InputError::SeveralInputs(several.len())),
    };
    if around.has_processor {
        return Err(InputError::Processor);
    }
    if let Some(format) = text_below(schema, "recordformattype")
        && !format.eq_ignore_ascii_case("JSON")
    {
        return Err(InputError::Format(format.to_owned()));
    }
    if let Some(path) = text_below(schema, "recordrowpath")
        && path != "$"
    {
        return Err(InputError::RowPath(path.to_owned()));
    }
    let columns = record_columns(schema).into_iter().flatten().enumerate();
    let columns = columns.map(|(index, column)| record_column(index, column));
    let stream = match around.prefix {
        Some(prefix) => format!("{prefix}_001"),
        None => INPUT_STREAM.to_owned(),
    };
    InputSchema::new(stream, columns.collect::<Result<_, _>>()?)
}

/// What is said of an input outside its schema.
#[derive(Clone, Copy, Default)]
struct Surroundings<'v> {
    prefix: Option<&'v str>,
    has_processor: bool,
}

/// Collects the objects with columns, except those of reference tables.
fn find<'v>(
    value: &'v Value,
    mut around: Surroundings<'v>,
    found: &mut Vec<(&'v Map<String, Value>, Surroundings<'v>)>,
) {
    let object = match value {
        Value::Array(values) => {
            for value in values {
                find(value, around, found);
            }
            return;
        }
        Value::Object(object) => object,
        _ => return,
    };
    if record_columns(object).is_some() {
        found.push((object, around));
        return;
    }
    for (name, value) in object {
        match plain(name).as_str() {
            "nameprefix" => around.prefix = value.as_str(),
            "processingconfiguration"
            | "inputprocessingconfiguration"
            | "inputprocessingconfigurationdescription"
            | "inputlambdaprocessor" => around.has_processor |= !is_empty(value),
            _ => {}
        }
    }
    for (name, value) in object {
        if !plain(name).starts_with("reference") {
            find(value, around, found);
        }
    }
}

/// The columns of an object, if it has any.
fn record_columns(object: &Map<String, Value>) -> Option<&Vec<Value>> {
    let mut fields = object.iter();
    let (_, columns) = fields
        .find(|(name, _)| matches!(plain(name).as_str(), "recordcolumns" | "recordcolumn"))?;
    columns.as_array()
}

/// A name without case and underscores.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| *letter != '_');
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The text of the first field of this name in an object or below it.
fn text_below<'v>(object: &'v Map<String, Value>, wanted: &str) -> Option<&'v str> {
    object.iter().find_map(|(name, value)| match value {
        Value::String(text) if plain(name) == wanted => Some(text.as_str()),
        Value::Object(inner) => text_below(inner, wanted),
        Value::Array(values) => values
            .iter()
            .find_map(|value| text_below(value.as_object()?, wanted)),
        _ => None,
    })
}

fn record_column(index: usize, column: &Value) -> Result<RecordColumn, InputError> {
    let text = |wanted: &str| {
        let fields = column.as_object().into_iter().flatten();
        let mut fields = fields.filter(|(name, _)| plain(name) == wanted);
        fields.find_map(|(_, value)| value.as_str())
    };
    let name = text("name").filter(|name| !name.is_empty());
    let name = name.ok_or(InputError::Unnamed(index + 1))?.to_owned();
    let sql_type = text("sqltype")
        .ok_or_else(|| TypeError::Unknown(String::new()))
        .and_then(str::parse)
        .map_err(|source| InputError::Type {
            column: name.clone(),
            source,
        })?;
    let path = match text("mapping").filter(|mapping| !mapping.is_empty()) {
        Some(mapping) => JsonPath::parse(mapping).map_err(|source| InputError::Path {
            column: name.clone(),
            source,
        })?,
        None => JsonPath::field(name.as_str()),
    };
    Ok(RecordColumn {
        name,
        sql_type,
        path,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMN: &str = r#"[{"Name":"PRICE","SqlType":"DECIMAL(5,2)","Mapping":"$.trade.price"}]"#;

    fn columns() -> Value {
        serde_json::from_str(COLUMN).unwrap()
    }

    #[test]
    fn every_exported_form_is_found() {
        let schema =
            json!({"RecordColumns": columns(), "RecordFormat": {"RecordFormatType": "JSON"}});
        let snake = json!({"record_columns": [
            {"name": "PRICE", "sql_type": "DECIMAL(5,2)", "mapping": "$.trade.price"}
        ], "record_format": [{"mapping_parameters": [{"json": [{"record_row_path": "$"}]}]}]});
        let mut second = snake.clone();
        second["record_column"] = second["record_columns"].take();
        second.as_object_mut().unwrap().remove("record_columns");
        for (export, stream) in [
            (schema.clone(), "SOURCE_SQL_STREAM_001"),
            (json!({"InputSchema": schema}), "SOURCE_SQL_STREAM_001"),
            (
                json!({"ApplicationDetail": {"InputDescriptions": [
                    {"InputId": "1.1", "NamePrefix": "TRADES", "InputSchema": schema}
                ], "ReferenceDataSourceDescriptions": [{"ReferenceSchema": schema}]}}),
                "TRADES_001",
            ),
            (
                json!({"Resources": {"A": {"Type": "AWS::KinesisAnalytics::Application",
                    "Properties": {"Inputs": [{"NamePrefix": "S", "InputSchema": schema}]}}}}),
                "S_001",
            ),
            (
                json!({"ApplicationDetail": {"ApplicationConfigurationDescription": {
                    "SqlApplicationConfigurationDescription": {"InputDescriptions": [
                        {"NamePrefix": "S", "InputSchema": schema}]}}}}),
                "S_001",
            ),
            (
                json!({"inputs": [{"name_prefix": "S", "processing_configuration": [], "schema": [snake]}]}),
                "S_001",
            ),
            (
                json!({"application_configuration": [{"sql_application_configuration": [
                    {"input": [{"name_prefix": "S", "input_schema": [second]}]}]}]}),
                "S_001",
            ),
        ] {
            let parsed = InputSchema::parse(&export.to_string()).unwrap();
            assert_eq!(parsed.stream, stream, "{export}");
            assert_eq!(parsed.columns.len(), 1);
            let column = &parsed.columns[0];
            assert_eq!(column.name, "PRICE");
            assert_eq!(column.sql_type.to_string(), "DECIMAL(5,2)");
            assert_eq!(column.path.to_string(), "$.trade.price");
            let own = InputSchema::parse(&parsed.to_json().to_string()).unwrap();
            assert_eq!(own.columns, parsed.columns);
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let column = |column: Value| json!({"RecordColumns": [column]});
        for (export, problem) in [
            (
                json!({}),
                "there are no `RecordColumns` in it: it is not the schema of an input",
            ),
            (
                json!({"RecordColumns": []}),
                "there are no `RecordColumns` in it: it is not the schema of an input",
            ),
            (
                json!([{"RecordColumns": columns()}, {"RecordColumns": columns()}]),
                "there are 2 inputs in it; keep the one that the application reads",
            ),
            (
                json!({"RecordColumns": columns(), "RecordFormat": {"RecordFormatType": "CSV"}}),
                "the records are CSV; only JSON is supported. Send the readings as JSON instead",
            ),
            (
                json!({"RecordColumns": columns(), "RecordFormat": {"MappingParameters":
                    {"JSONMappingParameters": {"RecordRowPath": "$.rows"}}}}),
                "the `RecordRowPath` is `$.rows`; only `$` is supported. Name the path in the mappings instead",
            ),
            (
                json!({"InputProcessingConfiguration": {"InputLambdaProcessor": {"ResourceARN": "a"}},
                    "InputSchema": {"RecordColumns": columns()}}),
                "an input Lambda processor changes the records; it is not supported. Call its code before the records are sent",
            ),
            (column(json!({"SqlType": "DATE"})), "column 1 has no name"),
            (
                column(json!({"Name": "A", "SqlType": "JSON"})),
                "the type of the column A is not supported",
            ),
            (
                column(json!({"Name": "A", "SqlType": "DATE", "Mapping": "A"})),
                "the mapping of the column A is not supported",
            ),
            (
                column(json!({"Name": "ROWTIME", "SqlType": "TIMESTAMP"})),
                "a column cannot be called ROWTIME, which is the time at which a reading arrived; give it another name",
            ),
            (
                json!({"RecordColumns": [
                    {"Name": "A", "SqlType": "DATE", "Mapping": "$.a[0:].b"},
                    {"Name": "B", "SqlType": "DATE", "Mapping": "$.b[0:].b"}]}),
                "the elements of both `$.a[0:].b` and `$.b[0:].b` become rows; only one array of a schema can be flattened",
            ),
        ] {
            let error = InputSchema::parse(&export.to_string()).unwrap_err();
            assert_eq!(error.to_string(), problem);
        }
        let error = InputSchema::parse("Resources:").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the schema is not JSON; export it with")
        );
    }
}
