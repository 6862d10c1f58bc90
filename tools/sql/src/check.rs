//! Says what an application computes.

use std::fmt::Write as _;

use windrow_connect::terminal::counted;
use windrow_core::schema::MeasureColumn;
use windrow_sql::sensor::SqlSensor;

/// What an application reads, computes and writes, as text for people.
pub fn describe(sensor: &SqlSensor) -> String {
    let (application, input) = (sensor.application(), sensor.input());
    let mut text = String::new();
    let pumps = application.pumps();
    let streams: Vec<_> = application.outputs().collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "Supported: {} with windows, {}.",
        counted(pumps.len() as u64, "pump"),
        counted(streams.len() as u64, "output stream")
    );
    let _ = writeln!(text, "\nReads {}:", input.stream);
    for column in &input.columns {
        let _ = writeln!(
            text,
            "  {} {} from {}",
            column.name, column.sql_type, column.path
        );
    }
    for pump in pumps {
        let _ = writeln!(
            text,
            "\nPump {} writes {}, in windows of {} s by arrival.",
            pump.name(),
            pump.stream(),
            pump.window_seconds()
        );
    }
    for (pump, stream) in application.feeds() {
        let _ = writeln!(
            text,
            "\nPump {pump} writes {stream}, which a pump above reads. Its rows are not an output."
        );
    }
    for stream in streams {
        let _ = writeln!(text, "\nThe rows of {} have:", stream.name);
        for (name, sql_type) in &stream.columns {
            let _ = writeln!(text, "  {name} {sql_type}");
        }
    }
    let schema = application.schema();
    let keys = schema.key().iter().map(|column| column.name.as_str());
    let measures = schema
        .measures()
        .iter()
        .map(|MeasureColumn { name, .. }| name.as_str());
    let _ = writeln!(
        text,
        "\nThe summary stream and the table carry their parts, per shard: the key {}; {}.",
        keys.collect::<Vec<_>>().join(", "),
        match measures.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "the number of readings".to_owned(),
            measures => format!("the measures {measures}, and the number of readings"),
        }
    );
    text
}
