//! The Lambda function that writes rows to the table.

fn main() -> std::process::ExitCode {
    windrow::processor::main(thermometer::sensor(), None)
}
