//! Sends the records of failed batches to the summary stream again.

use std::process::ExitCode;

use clap::Parser;
use redrive::{RedriveArgs, redrive};
use windrow_connect::cloud::Environment;
use windrow_connect::terminal::{self, counted, eprint_line};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = RedriveArgs::parse();
    terminal::log("warn");
    let environment = Environment::from_iter(std::env::vars_os());
    match redrive(&arguments, &environment, std::io::stderr()).await {
        Ok(redriven) => {
            let left = match redriven.left {
                0 => String::new(),
                left => format!("; not redriven: {left}"),
            };
            let records = counted(redriven.records as u64, "record");
            let files = counted(redriven.files as u64, "file");
            eprint_line(&format!("redrove {records} of {files}{left}"));
            match redriven.left {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            eprint_line(&format!("error: {:#}", anyhow::Error::from(error)));
            ExitCode::FAILURE
        }
    }
}
