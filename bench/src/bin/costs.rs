//! Prints the monthly cost of a fleet on AWS as Markdown tables.

use bench::costs::{self, kinesis_sql};
use bench::workload::{StreamMode, Workload};
use clap::{Parser, ValueEnum};

/// Prints the monthly cost of a fleet on AWS: by service, compared with Apache Flink, and by
/// setting
///
/// Prices are those of us-east-1 in US dollars, without free tier and tax; bench/src/prices.rs
/// lists them with their sources. Every unicorn sends one reading per second, and a month has 730
/// hours. The program uses no network and needs no account.
///
/// The number of readings per record changes the bill most: Firehose bills at least 5 KB per
/// record, and Kinesis on demand at least 1 KB.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  cargo run -p bench --bin costs
  cargo run -p bench --bin costs -- --kinesis-sql
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

    /// Readings per record, as lines
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    readings_per_record: u64,

    /// Seconds for which Lambda collects readings before it invokes the aggregator
    /// (BatchingWindowSeconds)
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=60))]
    batching_window: u64,

    /// Mode of the streams (StreamMode): on demand they have capacity for twice the load;
    /// provisioned, each shard is planned to be 80% full
    #[arg(long, value_enum, default_value_t = Mode::OnDemand)]
    stream_mode: Mode,

    /// Bytes of a reading, with its newline
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    reading_bytes: u64,

    /// MB of memory of each function (AggregatorMemory, ProcessorMemory)
    #[arg(long, value_name = "MB", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u64).range(128..=10_240))]
    memory: u64,

    /// Milliseconds per invocation, regardless of the size of its batch; a guess until you measure
    /// yours
    #[arg(long, value_name = "MS", default_value_t = 5)]
    fixed_millis: u64,

    /// Microseconds of a whole core that the aggregator takes per reading in total; `cargo bench -p
    /// bench` measures yours. A Lambda function with 256 MB has a seventh of a core
    #[arg(long, value_name = "US", default_value_t = 2)]
    reading_micros: u64,

    /// Milliseconds per BatchWriteItem of 25 rows; a guess until you measure yours
    #[arg(long, value_name = "MS", default_value_t = 10)]
    write_millis: u64,

    /// Readings per second that one KPU of Apache Flink handles; a guess: 1 MB per second
    #[arg(long, value_name = "N", default_value_t = 5000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    readings_per_kpu: u64,

    /// Number of live maps that are open all month; on demand, each adds the cost of reading all
    /// readings
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1000))]
    viewers: u64,

    /// Give the functions dedicated reads (DedicatedReads), the default if the live map is public
    #[arg(long)]
    dedicated_reads: bool,

    /// Print the tables of Kinesis SQL applications instead, with their own fleets
    #[arg(long, exclusive = true)]
    kinesis_sql: bool,
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
            rows: unicorns,
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
    if arguments.kinesis_sql {
        print!("{}", kinesis_sql::page(&kinesis_sql::fleets()));
        return;
    }
    let unicorns = arguments.unicorns.iter();
    let fleets: Vec<Workload> = unicorns.map(|number| arguments.workload(*number)).collect();
    print!("{}", costs::page(&fleets));
}
