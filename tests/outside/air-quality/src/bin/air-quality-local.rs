use std::process::ExitCode;

fn main() -> ExitCode {
    windrow::local::main(
        air_quality::sensor(),
        "air-quality",
        env!("CARGO_PKG_VERSION"),
    )
}
