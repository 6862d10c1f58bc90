//! Merges rows, read from standard input as JSON lines.
//!
//! Run it with `cargo run -p unicorn --example merge_rows < rows.jsonl`.

use std::io::Read;

use unicorn::merge::merge;
use unicorn::row;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let mut rows = Vec::new();
    for (_, row) in row::rows(&input) {
        match row {
            Ok(row) => rows.push(row),
            Err(rejection) => eprintln!("invalid row: {rejection}"),
        }
    }
    for row in merge(rows) {
        println!(
            "{} {} moved {} m in {} readings",
            row.window_start, row.name, row.measures.distance, row.readings
        );
    }
    Ok(())
}
