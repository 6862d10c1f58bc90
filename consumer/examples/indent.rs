//! Prints the JSON lines of standard input as the consumer prints a stream's lines.
//!
//! `echo '{"Name":"Shadowfax","Distance":29.999999999999996}' | cargo run -p consumer --example indent`

use std::io::{self, Read};

use consumer::{ConsumerFormat, Printer};

fn main() -> io::Result<()> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let mut printer = Printer::new(io::stdout(), io::stderr(), ConsumerFormat::Pretty, None);
    printer.print("the standard input", "1", &input)?;
    Ok(())
}
