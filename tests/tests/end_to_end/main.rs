//! Tests of the whole application: programs, functions and the local cloud, with real AWS SDK
//! clients.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audit;
#[cfg(target_os = "linux")]
mod clock;
mod commands;
mod examples;
mod faults;
mod finished;
#[cfg(unix)]
mod from_template;
#[cfg(unix)]
mod killed;
mod names;
mod packed;
mod pipeline;
mod query;
mod recompute;
mod redrive;
mod runs;
#[cfg(unix)]
mod signals;
#[cfg(target_os = "linux")]
mod sockets;
mod sql;
mod sql_application;
mod stateless;
mod template;
