//! The audit of the rows of `examples/thermometer`.
//!
//! Run it with `cargo run -p audit --example rooms` while that application's local cloud runs.

fn main() -> std::process::ExitCode {
    audit::main(thermometer::sensor(), "thermometer")
}
