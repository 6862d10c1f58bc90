//! Which limit a growing fleet meets first, second, third, as Markdown tables.

use bench::scale;
use bench::workload::Workload;
use clap::Parser;

/// Which limit a growing fleet meets first, second, third, and what moves it
///
/// It holds fleets against the limits of Kinesis, Lambda, DynamoDB, Firehose and Cognito and against the
/// project's own, each with its source in bench/src/limits.rs. Every unicorn sends one reading a
/// second; rows are written once a minute, all at the window's end. It calls nothing and needs no
/// account.
///
/// A limit that is passed is no loss by itself: producers retry what failed, the aggregator
/// waits for the summary stream and the processor for the table. What is left behind for longer than
/// the streams keep it (RetentionHours) is lost, and alarms tell of it long before.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  cargo run -p bench --bin scale
  cargo run -p bench --bin scale -- --unicorns 25000 --readings-per-record 5")]
struct ScaleArgs {
    /// Fleets to hold against the limits, as in 1,1000,100000
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = scale::FLEETS)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    unicorns: Vec<u64>,

    /// How many readings the producer puts into one record, as lines
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    readings_per_record: u64,

    /// Bytes of a reading, with its newline
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    reading_bytes: u64,

    /// Seconds that Lambda gathers readings before it invokes the aggregator (BatchingWindowSeconds)
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
