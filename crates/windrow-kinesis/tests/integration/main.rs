//! The API as clients use it, and the files as a crash leaves them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cancelled;
mod crash;
mod disk;
mod formats;
mod limits;
mod operations;
mod records;
mod reshard;
mod resources;
mod server;
mod subscribe;
