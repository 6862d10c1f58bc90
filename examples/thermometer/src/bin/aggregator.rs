fn main() -> std::process::ExitCode {
    windrow::aggregator::main(thermometer::sensor())
}
