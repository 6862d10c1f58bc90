//! The outputs of a Kinesis SQL application that need no window.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_types::SdkConfig;
use windrow_event::Event;
use windrow_local::ResourceNames;
use windrow_local::functions::Embedded;
use windrow_pipeline::{LocalProgram, StatelessFunction, log_metrics};
use windrow_sql::sensor::SqlSensor;

/// The name of the function, and of its binary.
const FUNCTION: &str = "sql-stateless";

/// The most characters of an output's name in that of its stream. Kinesis takes 128.
const MOST_CHARACTERS: usize = 100;

/// Adds the function that writes rows without windows, and the streams that it writes, if the
/// application has such rows. Without windows, there is no aggregator.
pub fn with_outputs(mut program: LocalProgram<SqlSensor>) -> LocalProgram<SqlSensor> {
    let application = Arc::clone(program.application.sensor.application());
    if application.stateless().is_empty() {
        return program;
    }
    let names = &mut program.names;
    let mut taken = vec![names.stream.clone(), names.summary_stream.clone()];
    let outputs = application.stateless_outputs().map(|output| {
        let stream = stream_name(&output.name, &taken);
        taken.push(stream.clone());
        (output.name.clone(), stream)
    });
    names.outputs = outputs.collect::<BTreeMap<_, _>>();
    program.application.has_windows = !application.pumps().is_empty();
    program.application.stateless = Some(StatelessFunction {
        binary: FUNCTION.to_owned(),
        embedded,
    });
    program
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

fn embedded(sensor: &SqlSensor, names: &ResourceNames, config: &SdkConfig) -> Embedded {
    let function = Arc::new(sql_functions::stateless::writer(
        sensor.clone(),
        &names.outputs,
        &names.rejects,
        config,
        log_metrics(FUNCTION),
    ));
    Embedded::new(FUNCTION, move |event, deadline| {
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
    use super::*;

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
