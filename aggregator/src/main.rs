//! The aggregator as a Lambda function: sums each unicorn's readings per window.

use std::convert::Infallible;
use std::process::ExitCode;

use unicorn::sensor::Unicorn;

fn main() -> ExitCode {
    windrow_lambda::aggregator::main(Ok::<_, Infallible>(Unicorn))
}
