//! What a fleet costs on AWS a month, as Markdown tables.

use bench::costs;
use bench::workload::{StreamMode, Workload};
use clap::{Parser, ValueEnum};

/// What a fleet costs on AWS a month, service by service; beside Apache Flink; and by setting
///
/// Prices are those of us-east-1 in US dollars, without free tier and tax; each stands with its source
/// in bench/src/prices.rs. Every unicorn sends one reading a second, and a month has 730 hours. It
/// calls nothing and needs no account.
///
/// What moves the bill most is how many readings share a record: Firehose bills each record as 5 KB at
/// the least, Kinesis on demand as 1 KB.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  cargo run -p bench --bin costs
  cargo run -p bench --bin costs -- --unicorns 5000 --readings-per-record 25
  cargo run -p bench --bin costs -- --unicorns 20000 --stream-mode provisioned --batching-window 10")]
struct CostsArgs {
    /// Fleets to compare, as in 1,1000,100000
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_values_t = costs::FLEETS
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    unicorns: Vec<u64>,

    /// How many readings the producer puts into one record, as lines
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    readings_per_record: u64,

    /// Seconds that Lambda gathers readings before it invokes the aggregator (BatchingWindowSeconds)
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=60))]
    batching_window: u64,

    /// How the streams get their shards (StreamMode): on demand they have room for twice the load,
    /// provisioned each shard is planned to be 80% full
    #[arg(long, value_enum, default_value_t = Mode::OnDemand)]
    stream_mode: Mode,

    /// Bytes of a reading, with its newline
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    reading_bytes: u64,

    /// MB of memory of either function (AggregatorMemory, ProcessorMemory)
    #[arg(long, value_name = "MB", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u64).range(128..=10_240))]
    memory: u64,

    /// Milliseconds that an invocation takes however little it brings; a guess until you measure yours
    #[arg(long, value_name = "MS", default_value_t = 5)]
    fixed_millis: u64,

    /// Microseconds of a whole core that the aggregator takes a reading, all told; `cargo bench -p
    /// bench` measures yours. Lambda gives a function of 256 MB a seventh of a core
    #[arg(long, value_name = "US", default_value_t = 2)]
    reading_micros: u64,

    /// Milliseconds that one BatchWriteItem of 25 rows takes; a guess until you measure yours
    #[arg(long, value_name = "MS", default_value_t = 10)]
    write_millis: u64,

    /// How many readings a second one KPU of Apache Flink is taken to handle; a guess: 1 MB a second
    #[arg(long, value_name = "N", default_value_t = 5000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    readings_per_kpu: u64,

    /// How many live maps are open all month: on demand, each pays for reading all of the readings
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1000))]
    viewers: u64,

    /// Each function has reads of its own (DedicatedReads), as they do where the live map is public
    #[arg(long)]
    dedicated_reads: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    OnDemand,
    Provisioned,
}

impl CostsArgs {
    fn workload(&self, unicorns: u64) -> Workload {
        Workload {
            unicorns,
            reading_bytes: self.reading_bytes,
            readings_per_record: self.readings_per_record,
            batching_window: self.batching_window as f64,
            mode: match self.stream_mode {
                Mode::OnDemand => StreamMode::OnDemand,
                Mode::Provisioned => StreamMode::Provisioned,
            },
            memory: self.memory,
            fixed_millis: self.fixed_millis as f64,
            reading_micros: self.reading_micros as f64,
            write_millis: self.write_millis as f64,
            readings_per_kpu: self.readings_per_kpu,
            viewers: self.viewers,
            dedicated_reads: self.dedicated_reads,
        }
    }
}

fn main() {
    let arguments = CostsArgs::parse();
    let unicorns = arguments.unicorns.iter();
    let fleets: Vec<Workload> = unicorns.map(|number| arguments.workload(*number)).collect();
    print!("{}", costs::page(&fleets));
}
