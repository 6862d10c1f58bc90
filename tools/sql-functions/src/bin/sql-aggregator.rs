//! The Lambda function that folds the readings of a Kinesis SQL application.

fn main() -> std::process::ExitCode {
    windrow_lambda::aggregator::main(sql_functions::sensor(|name| std::env::var(name).ok()))
}
