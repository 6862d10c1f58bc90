//! Prints the limits that a growing fleet meets, in order, as Markdown tables.

use bench::scale;
use bench::workload::Workload;
use clap::Parser;

/// Prints the limits that a growing fleet meets, in order, and how to raise them
///
/// It compares fleets with the limits of Kinesis, Lambda, DynamoDB, Firehose and Cognito and with
/// the project's own; bench/src/limits.rs lists them with their sources. Every unicorn sends one
/// reading per second. Rows are written once per minute, all at the end of the window. The program
/// uses no network and needs no account.
///
/// Exceeding a limit loses nothing at first: producers retry failed records, the aggregator waits
/// for the summary stream and the processor for the table. Records are lost once the functions lag
/// by more than the streams' retention (RetentionHours); alarms fire long before.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  cargo run -p bench --bin scale
  cargo run -p bench --bin scale -- --unicorns 25000 --readings-per-record 5")]
struct ScaleArgs {
    /// Fleets to compare with the limits, as in 1,1000,100000
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = scale::FLEETS)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    unicorns: Vec<u64>,

    /// Readings per record, as lines
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    readings_per_record: u64,

    /// Bytes of a reading, with its newline
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    reading_bytes: u64,

    /// Seconds for which Lambda collects readings before it invokes the aggregator
    /// (BatchingWindowSeconds)
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=60))]
    batching_window: u64,
}

fn main() {
    let arguments = ScaleArgs::parse();
    let fleet = Workload {
        readings_per_record: arguments.readings_per_record,
        reading_bytes: arguments.reading_bytes,
        batching_window: arguments.batching_window as f64,
        ..Workload::of(1)
    };
    print!("{}", scale::page(&fleet, &arguments.unicorns));
}
