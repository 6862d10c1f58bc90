//! Prints a stream's readings as they arrive.

use std::io::{self, BufWriter};
use std::process::ExitCode;

use clap::Parser;
use connect::target::Environment;
use consumer::Args;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    let environment = Environment::from_iter(std::env::vars_os());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();

    match run(&args, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(args: &Args, environment: &Environment) -> anyhow::Result<()> {
    // On a task of its own: a terminal or a pipe that takes no more output must not hold up the end.
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(0);
        }
    });
    consumer::run(
        args,
        environment,
        BufWriter::new(io::stdout()),
        io::stderr(),
    )
    .await?;
    Ok(())
}
