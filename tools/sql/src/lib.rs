//! Kinesis SQL on the command line.
//!
//! * [`text`]: the files of an application, and the flags that name them, which other programs have
//!   too.
//! * [`check`]: says what an application computes.
//! * [`run`]: runs an application over a file of records.

pub mod check;
pub mod run;
pub mod text;
