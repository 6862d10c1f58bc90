//! SQL over the readings and rows of `examples/thermometer`.
//!
//! Run it with `cargo run -p query --example temperatures -- "SELECT * FROM thermometer"`.

fn main() -> std::process::ExitCode {
    query::main(thermometer::sensor(), "thermometer")
}
