//! The processor as a Lambda function: writes summary rows to DynamoDB.

use std::convert::Infallible;
use std::process::ExitCode;

use unicorn::row::{LOW_VITALS_METRIC, has_low_vitals};
use unicorn::sensor::Unicorn;
use windrow_lambda::processor::RowMetric;

fn main() -> ExitCode {
    let low_vitals = RowMetric {
        name: LOW_VITALS_METRIC,
        counts: has_low_vitals,
    };
    windrow_lambda::processor::main(Ok::<_, Infallible>(Unicorn), Some(low_vitals))
}
