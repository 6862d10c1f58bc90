//! Prints the first ten seconds of a unicorn's flight, one reading per line.
//!
//! `cargo run -p producer --example flight`

use std::io::{self, Write};

use producer::flight::FlyingUnicorn;
use windrow_core::time::Timestamp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start: Timestamp = "2026-11-20 09:17:00.000".parse()?;
    let mut unicorn = FlyingUnicorn::new("Shadowfax".to_owned(), 7, 0, 1.0);
    for second in 0..10 {
        let reading = unicorn.fly(start.millis() + second * 1000);
        io::stdout().write_all(&reading.to_line())?;
    }
    Ok(())
}
