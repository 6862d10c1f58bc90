//! Says what an application computes.

use std::fmt::Write as _;

use windrow_connect::terminal::counted;
use windrow_core::schema::MeasureColumn;
use windrow_sql::application::SqlApplication;
use windrow_sql::output::{FINISHED_FIELDS, OutputStream, REVISION, ROW_ID};
use windrow_sql::sensor::SqlSensor;

/// What an application reads, computes and writes, as text for people.
pub fn describe(sensor: &SqlSensor) -> String {
    let (application, input) = (sensor.application(), sensor.input());
    let mut text = String::new();
    let (pumps, stateless) = (application.pumps(), application.stateless());
    let mut streams: Vec<&OutputStream> = application.outputs().collect();
    for stream in application.stateless_outputs() {
        if streams.iter().all(|known| known.name != stream.name) {
            streams.push(stream);
        }
    }
    let mut counts = Vec::new();
    if !pumps.is_empty() {
        counts.push(format!(
            "{} with windows",
            counted(pumps.len() as u64, "pump")
        ));
    }
    if !stateless.is_empty() {
        counts.push(format!(
            "{} without a window",
            counted(stateless.len() as u64, "pump")
        ));
    }
    counts.push(counted(streams.len() as u64, "output stream"));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Supported: {}.", counts.join(", "));
    let _ = writeln!(text, "\nReads {}:", input.stream);
    for column in &input.columns {
        let _ = writeln!(
            text,
            "  {} {} from {}",
            column.name, column.sql_type, column.path
        );
    }
    describe_pumps(&mut text, application);
    for stream in streams {
        let _ = writeln!(text, "\nThe rows of {} have:", stream.name);
        for (name, sql_type) in &stream.columns {
            let _ = writeln!(text, "  {name} {sql_type}");
        }
    }
    if !pumps.is_empty() {
        describe_parts(&mut text, application);
        describe_finished(&mut text, application);
    }
    if !stateless.is_empty() {
        let streams = application.stateless_outputs();
        let streams: Vec<&str> = streams.map(|stream| stream.name.as_str()).collect();
        let _ = writeln!(
            text,
            "\nThe function sql-stateless {} {ROW_ID}.",
            rows_to_streams(&streams)
        );
    }
    text
}

/// Which pump writes which stream.
fn describe_pumps(text: &mut String, application: &SqlApplication) {
    // Writing to a string cannot fail.
    for pump in application.pumps() {
        let _ = writeln!(
            text,
            "\nPump {} writes {}, in windows of {} s by arrival.",
            pump.name(),
            pump.stream(),
            pump.window_seconds()
        );
    }
    for pump in application.stateless() {
        let (name, stream) = (pump.name(), &pump.stream().name);
        let _ = writeln!(
            text,
            "\nPump {name} writes {stream}, without a window: each row when its record arrives."
        );
    }
    for (pump, stream) in application.feeds() {
        let _ = writeln!(
            text,
            "\nPump {pump} writes {stream}, which another pump reads. Its rows are not an output."
        );
    }
}

/// Which columns the summary stream and the table have.
fn describe_parts(text: &mut String, application: &SqlApplication) {
    let schema = application.schema();
    let keys = schema.key().iter().map(|column| column.name.as_str());
    let measures = schema
        .measures()
        .iter()
        .map(|MeasureColumn { name, .. }| name.as_str());
    let whose = if application.stateless().is_empty() {
        "their parts"
    } else {
        "the parts of windows"
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\nThe summary stream and the table carry {whose}, per shard: the key {}; {}.",
        keys.collect::<Vec<_>>().join(", "),
        match measures.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "the number of readings".to_owned(),
            measures => format!("the measures {measures}, and the number of readings"),
        }
    );
}

/// Where the finished rows of windows go.
fn describe_finished(text: &mut String, application: &SqlApplication) {
    let streams = application.outputs();
    let streams: Vec<&str> = streams.map(|stream| stream.name.as_str()).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\nOnce a window is complete, the function sql-finisher {} {ROW_ID} and {REVISION}.",
        rows_to_streams(&streams)
    );
    for stream in application.outputs() {
        for (column, _) in &stream.columns {
            let mut fields = FINISHED_FIELDS.into_iter();
            if let Some(field) = fields.find(|field| field.eq_ignore_ascii_case(column)) {
                let _ = writeln!(
                    text,
                    "\nsql-finisher cannot write {}, which has a column {column}: {field} is a field that \
                     it adds. Give the column another name.",
                    stream.name
                );
            }
        }
    }
}

/// What is said of the functions that write the rows of outputs to streams.
fn rows_to_streams(outputs: &[&str]) -> String {
    let (outputs, streams) = match outputs {
        [output] => ((*output).to_owned(), "stream"),
        outputs => (outputs.join(", "), "streams"),
    };
    format!(
        "writes the rows of {outputs} to the Kinesis {streams} that OUTPUT_STREAMS names, each with its"
    )
}

#[cfg(test)]
mod tests {
    use windrow_sql::input::InputSchema;

    use super::*;

    #[test]
    fn columns_with_names_of_fields_are_named() {
        let schema = r#"{"RecordColumns":[{"Name":"id","SqlType":"INTEGER"}]}"#;
        let described = |column: &str| {
            let text = format!(
                r#"CREATE STREAM "OUT" ("n" BIGINT, "{column}" BIGINT);
                CREATE PUMP "P" AS INSERT INTO "OUT" SELECT STREAM COUNT(*), MAX("id")
                FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO MINUTE);"#
            );
            describe(&SqlSensor::new(&text, InputSchema::parse(schema).unwrap()).unwrap())
        };
        assert!(!described("most").contains("another name"));
        let text = described("removed");
        let warning = "sql-finisher cannot write OUT, which has a column removed: Removed is a field \
                       that it adds. Give the column another name.\n";
        assert!(text.ends_with(warning), "{text}");
    }
}
