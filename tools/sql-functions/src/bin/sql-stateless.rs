//! The Lambda function that writes the rows of a Kinesis SQL application that need no window.

fn main() -> std::process::ExitCode {
    let sensor = sql_functions::sensor(|name| std::env::var(name).ok());
    sql_functions::stateless::main(sensor)
}
