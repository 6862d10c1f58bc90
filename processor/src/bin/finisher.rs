//! The finisher as a Lambda function: writes the finished rows of windows to a stream.

use std::convert::Infallible;
use std::process::ExitCode;

use unicorn::sensor::Unicorn;

fn main() -> ExitCode {
    windrow_lambda::finisher::main(Ok::<_, Infallible>(Unicorn))
}
