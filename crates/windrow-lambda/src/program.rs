//! What the programs of functions share.

use std::process::ExitCode;

use lambda_runtime::{Error, tracing};
use tokio::runtime::Builder;

/// Runs a function's program until it ends, after setting up its log. An error is logged and fails the
/// program, so that Lambda shows it.
pub fn run(
    name: &str,
    mut runtime: Builder,
    program: impl Future<Output = Result<(), Error>>,
) -> ExitCode {
    crate::log::init();
    let runtime = runtime.enable_all().build();
    let ended = runtime.map_err(Error::from);
    match ended.and_then(|runtime| runtime.block_on(program)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "{name} cannot run");
            ExitCode::FAILURE
        }
    }
}
