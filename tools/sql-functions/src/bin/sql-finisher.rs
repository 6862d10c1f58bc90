//! The Lambda function that writes the finished rows of a Kinesis SQL application to streams.

use sql_functions::finished::SqlOutputs;

fn main() -> std::process::ExitCode {
    let sensor = sql_functions::sensor(|name| std::env::var(name).ok());
    let outputs = sensor.map(|sensor| SqlOutputs::new(sensor.application().clone()));
    windrow_lambda::finisher::main_of(outputs)
}
