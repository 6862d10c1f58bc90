//! The command line, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use unicorn::reading::LONGEST_NAME;
use windrow_connect::cloud::TargetArgs;
use windrow_connect::duration;
use windrow_connect::stream::parse_name_or_arn;

use crate::replay::Recording;

const EXAMPLES: &str = "\
Examples:
  producer                                 one unicorn, Shadowfax; without AWS credentials,
                                           with a local cloud in this process
  producer --name Rocinante                another unicorn, in a second terminal
  producer --unicorns 1000 --duration 5m   a fleet, for five minutes
  producer --window 5s --count 20          rows every five seconds, twenty readings
  producer --format lines > rows.jsonl     the table's rows as JSON lines
  producer --replay readings.jsonl.gz      recorded readings, as fast as the stream accepts them
  producer --replay t.jsonl --partition-key Site,Room --stream thermometer
                                           readings of another sensor
  producer --unicorns 5000 --kpl           aggregated records, which shards accept more readings of
  producer --target aws --region us-east-1 to AWS only

Ctrl-C stops sending: calls in flight are finished, and an embedded run closes its open window
early and prints its rows. A second Ctrl-C exits at once.

Exits with 0 on success, 1 if readings failed or the stream is unavailable, 2 for bad usage.";

/// Sends a unicorn fleet's sensor readings to Kinesis.
///
/// Without AWS credentials and without a running local cloud, it starts a local cloud in its own
/// process (an embedded run), serves a live map of the fleet to the browser, and prints the rows at
/// the end of each window.
#[derive(Clone, Debug, Parser)]
#[command(name = "producer", version, about, after_help = EXAMPLES)]
pub struct ProducerArgs {
    /// Name of the first unicorn [default: Shadowfax]
    #[arg(long, value_parser = parse_name)]
    pub name: Option<String>,

    /// How many unicorns: Shadowfax, Bucephalus, Rocinante, Franky, then the same names with
    /// numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub unicorns: u32,

    /// Readings per second per unicorn, up to 1000; with --replay, readings per second in total.
    /// A unicorn flies about 30 m per second at any rate. If the stream accepts fewer readings, the
    /// producer catches up on at most one second's worth and skips the rest
    /// [default: 1; with --replay, as many as the stream accepts]
    #[arg(long, value_name = "R", value_parser = parse_rate, allow_negative_numbers = true)]
    pub rate: Option<f64>,

    /// Stop after this many readings per unicorn; with --replay, after this many in total
    /// [default: run until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Stop after this long, as in 500ms, 90s, 5m or 2h
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "count")]
    pub duration: Option<Duration>,

    /// Seed of the simulated flights: the same seed gives the same fleet [default: random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Send the readings of this file instead, one JSON object per line, plain or gzipped; `-`
    /// reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "unicorns", "seed"])]
    pub replay: Option<Recording>,

    /// With --replay: the fields of the partition key, for readings of any sensor; every line must
    /// be a JSON object that has them [default: the readings are those of unicorns]
    #[arg(
        long,
        value_name = "FIELD,...",
        value_delimiter = ',',
        requires = "replay"
    )]
    pub partition_key: Vec<String>,

    /// Pack this many readings of a unicorn into each record, one per line, so that a record is sent
    /// when its last reading is due; with --kpl, at most this many readings of any unicorns of a
    /// shard [default: 1; with --kpl, 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub readings_per_record: Option<u32>,

    /// Send aggregated records, in the format of the Kinesis Producer Library: of each shard, the
    /// readings of a tenth of a second
    #[arg(long)]
    pub kpl: bool,

    /// Stream to send to: its name, or its ARN, which may be of another account
    #[arg(long, default_value = "wildrydes", value_parser = parse_name_or_arn)]
    pub stream: String,

    /// Which cloud to send to.
    #[command(flatten)]
    pub target: TargetArgs,

    /// Flags for an embedded run.
    #[command(flatten)]
    pub embedded: EmbeddedArgs,
}

/// Flags that apply only to an embedded run.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Embedded run")]
pub struct EmbeddedArgs {
    /// Length of the tumbling window: whole seconds from 1s to 15m [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse_window)]
    pub window: Option<Duration>,

    /// Where the local cloud keeps its table and archive [default: .wildrydes]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// How many shards each stream has; a shard accepts 1000 readings per second
    /// [default: enough for the fleet]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub shards: Option<u32>,

    /// Port of the local cloud. A local cloud running there is used; otherwise one is started.
    /// 0 starts one on any free port [default: 4566]
    #[arg(long)]
    pub port: Option<u16>,

    /// Port of the fleet's map in the browser; 0 for any free port [default: 8080, or any free port
    /// if 8080 is in use]
    #[arg(long, value_name = "PORT")]
    pub dashboard_port: Option<u16>,

    /// How rows are printed to standard output at the end of each window
    #[arg(long, value_enum, default_value_t = ProducerFormat::Pretty)]
    pub format: ProducerFormat,
}

impl EmbeddedArgs {
    /// The first given flag that has no effect without an embedded local cloud, if any.
    ///
    /// `--port` is ignored if `port_counts` is false.
    pub(crate) fn first_given(&self, port_counts: bool) -> Option<&'static str> {
        let given = [
            ("--window", self.window.is_some()),
            ("--data-dir", self.data_dir.is_some()),
            ("--shards", self.shards.is_some()),
            ("--port", self.port.is_some() && port_counts),
            ("--dashboard-port", self.dashboard_port.is_some()),
        ];
        given
            .into_iter()
            .find(|(_, given)| *given)
            .map(|(flag, _)| flag)
    }
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProducerFormat {
    /// One table per window, of the unicorns' merged rows
    #[default]
    Pretty,
    /// The table's rows unmerged, one JSON object per line
    Lines,
}

fn parse_name(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        length if length > LONGEST_NAME => {
            Err(format!("has {length} characters, more than {LONGEST_NAME}"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// The lowest rate: a reading in 17 minutes.
const SLOWEST: f64 = 0.001;

fn parse_rate(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(thousands) => (thousands, 1e3),
        None => (text, 1.0),
    };
    let rate: Result<f64, _> = number.parse();
    let rate = rate.map_err(|_| "not a number per second, such as 0.5, 200, 10k or 1e6")? * unit;
    if rate.is_finite() && rate >= SLOWEST {
        return Ok(rate);
    }
    Err(format!("must be {SLOWEST} readings per second or more"))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if duration.is_zero() {
        return Err("must be longer than zero".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<ProducerArgs, clap::Error> {
        ProducerArgs::try_parse_from([&["producer"], arguments].concat())
    }

    #[test]
    fn command_line_is_valid() {
        ProducerArgs::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("500ms", 0.5), ("90s", 90.0), ("5m", 300.0), ("2h", 7200.0)] {
            let args = parse(&["--duration", text]).unwrap();
            assert_eq!(args.duration.unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "90", "s", "-5s", "0s", "5 parsecs"] {
            assert!(parse(&["--duration", text]).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_may_be_thousands() {
        for (text, rate) in [
            ("0.5", 0.5),
            ("200", 200.0),
            ("10k", 1e4),
            ("1.5K", 1500.0),
            ("1e6", 1e6),
        ] {
            assert_eq!(parse(&["--rate", text]).unwrap().rate, Some(rate), "{text}");
        }
        for (text, reason) in [
            ("-1", "must be 0.001 readings per second or more"),
            ("0", "must be 0.001 readings per second or more"),
            (
                "10,000",
                "not a number per second, such as 0.5, 200, 10k or 1e6",
            ),
            ("k", "not a number per second"),
            ("100/s", "not a number per second"),
        ] {
            let error = parse(&["--rate", text]).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_window_is_1_second_to_15_minutes() {
        for (text, seconds) in [("1s", 1), ("5s", 5), ("60s", 60), ("1m", 60), ("15m", 900)] {
            let args = parse(&["--window", text]).unwrap();
            assert_eq!(args.embedded.window.unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["0s", "500ms", "1500ms", "901s", "1h"] {
            assert!(parse(&["--window", text]).is_err(), "{text}");
        }
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        let long = "x".repeat(257);
        for arguments in [
            &["--name", ""][..],
            &["--name", &long],
            &["--unicorns", "0"],
            &["--rate", "0"],
            &["--rate", "-1"],
            &["--rate", "inf"],
            &["--rate", "NaN"],
            &["--count", "0"],
            &["--count", "1", "--duration", "1s"],
            &["--replay", "x", "--unicorns", "2"],
            &["--replay", "x", "--name", "Franky"],
            &["--partition-key", "site"],
            &["--readings-per-record", "0"],
            &["--readings-per-record", "10001"],
            &["--shards", "0"],
            &["Shadowfax"],
        ] {
            assert_eq!(
                parse(arguments).unwrap_err().exit_code(),
                2,
                "{arguments:?}"
            );
        }
    }
}
