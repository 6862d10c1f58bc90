//! Counts the lines of a file: a lower bound for the work of any program that reads lines.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use clap::Parser;

/// Counts a file's newlines, in reads of 1 MB
#[derive(Debug, Parser)]
struct NewlinesArgs {
    /// The file
    file: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let mut file = File::open(NewlinesArgs::parse().file)?;
    let mut buffer = vec![0; 1 << 20];
    let mut lines = 0;
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        let read = buffer.get(..length).unwrap_or_default();
        lines += memchr::memchr_iter(b'\n', read).count();
    }
    println!("{lines}");
    Ok(())
}
