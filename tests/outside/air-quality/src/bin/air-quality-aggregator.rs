use std::process::ExitCode;

fn main() -> ExitCode {
    windrow::aggregator::main(air_quality::sensor())
}
