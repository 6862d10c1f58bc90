//! Both functions in a local cloud.

fn main() -> std::process::ExitCode {
    windrow::local::from_template(
        thermometer::sensor(),
        include_str!("../../template.yaml"),
        env!("CARGO_PKG_VERSION"),
    )
}
