//! Both functions in a local cloud.

fn main() -> std::process::ExitCode {
    windrow::local::main(
        thermometer::sensor(),
        "thermometer",
        env!("CARGO_PKG_VERSION"),
    )
}
