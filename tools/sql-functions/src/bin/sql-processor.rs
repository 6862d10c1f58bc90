//! The Lambda function that writes the rows of a Kinesis SQL application to DynamoDB.

fn main() -> std::process::ExitCode {
    let sensor = sql_functions::sensor(|name| std::env::var(name).ok());
    windrow_lambda::processor::main(sensor, None)
}
