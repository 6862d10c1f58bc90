//! The log of a Lambda function.

use std::env::{self, VarError};
use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Logs to standard output, following Lambda's logging controls.
///
/// The format is JSON if `AWS_LAMBDA_LOG_FORMAT` is `JSON`, and plain text otherwise. The level
/// comes from `AWS_LAMBDA_LOG_LEVEL`, else from `RUST_LOG`, else it is `INFO`.
///
/// The Lambda runtime's own subscriber does the same but colors its text, which is noise in
/// CloudWatch.
pub fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").or_else(|_| env::var("RUST_LOG"));
    let builder = tracing_subscriber::fmt()
        .with_target(false)
        .without_time()
        .with_env_filter(
            EnvFilter::builder()
                .with_default_directive(level_of(level).into())
                .from_env_lossy(),
        )
        .with_writer(io::stdout)
        .with_ansi(false);
    let format = env::var("AWS_LAMBDA_LOG_FORMAT").unwrap_or_default();
    // It fails only if the process already has a subscriber.
    let _ = if format.eq_ignore_ascii_case("json") {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}

fn level_of(variable: Result<String, VarError>) -> LevelFilter {
    let level = variable.ok().and_then(|level| level.parse().ok());
    level.unwrap_or(LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_level_is_info() {
        let level = |text: &str| level_of(Ok(text.to_owned()));
        assert_eq!(level("DEBUG"), LevelFilter::DEBUG);
        assert_eq!(level("warn"), LevelFilter::WARN);
        assert_eq!(level("aggregator=debug"), LevelFilter::INFO);
        assert_eq!(level_of(Err(VarError::NotPresent)), LevelFilter::INFO);
    }
}
