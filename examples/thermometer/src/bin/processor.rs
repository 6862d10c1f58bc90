fn main() -> std::process::ExitCode {
    windrow::processor::main(thermometer::sensor(), None)
}
