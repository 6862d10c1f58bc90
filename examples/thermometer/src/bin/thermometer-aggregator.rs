//! The Lambda function that computes temperatures per room and minute.

fn main() -> std::process::ExitCode {
    windrow::aggregator::main(thermometer::sensor())
}
