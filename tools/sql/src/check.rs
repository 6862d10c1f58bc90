//! Says what an application computes.

use std::fmt::Write as _;

use windrow_connect::terminal::counted;
use windrow_core::schema::MeasureColumn;
use windrow_sql::application::SqlApplication;
use windrow_sql::output::{OutputStream, ROW_ID};
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
    }
    if !stateless.is_empty() {
        let streams = application.stateless_outputs();
        let streams: Vec<&str> = streams.map(|stream| stream.name.as_str()).collect();
        let _ = writeln!(
            text,
            "\nThe function sql-stateless writes the rows of {}, each with its {ROW_ID}.",
            streams.join(", ")
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
