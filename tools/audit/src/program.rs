//! The audit of one sensor.

use std::time::Duration;

use clap::{Command, CommandFactory as _};
use windrow_core::sensor::Sensor;

use crate::args::AuditArgs;

/// The audit of a sensor, and the names of its stream and its table.
#[derive(Clone, Debug)]
pub struct AuditProgram<S> {
    /// The sensor.
    pub sensor: S,
    /// The stream of readings, unless the command line names others.
    pub stream: String,
    /// The table of rows, unless the command line names another one.
    pub table: String,
    /// The lengths of the sensor's own windows, if it has any.
    pub own_windows: Vec<Duration>,
}

impl<S: Sensor> AuditProgram<S> {
    /// The audit of a sensor whose stream and table have the same name, as those of a local cloud
    /// have.
    pub fn new(sensor: S, name: &str) -> Self {
        Self {
            sensor,
            stream: name.to_owned(),
            table: name.to_owned(),
            own_windows: Vec::new(),
        }
    }

    /// The command line, which says what the names are.
    pub fn command(&self) -> Command {
        let (stream, table) = (&self.stream, &self.table);
        AuditArgs::command()
            .mut_arg("streams", |argument| {
                let help = "Stream of readings. Repeat it if several streams fill the table";
                argument.help(format!("{help} [default: {stream}]"))
            })
            .mut_arg("table", |argument| {
                argument.help(format!("DynamoDB table of rows [default: {table}]"))
            })
    }
}
