//! Folds the log of readings again and compares every window with the table's rows: the audit of the
//! Wild Rydes fleet.

use std::process::ExitCode;

use audit::AuditProgram;
use unicorn::sensor::Unicorn;

fn main() -> ExitCode {
    let program = AuditProgram {
        sensor: Unicorn,
        stream: "wildrydes".to_owned(),
        table: "UnicornSensorData".to_owned(),
    };
    program.main()
}
