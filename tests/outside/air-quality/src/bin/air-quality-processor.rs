use std::process::ExitCode;

fn main() -> ExitCode {
    windrow::processor::main(air_quality::sensor(), None)
}
