//! The checked command line.

use std::time::Duration;

use windrow_connect::cloud::{LOCAL_PORT, TargetArgs};

use thiserror::Error;

use crate::args::{EmbeddedArgs, ProducerArgs};
use crate::names::names;
use crate::pack::Packing;
use crate::replay::{PartitionBy, Recording};

/// The maximum rate of one unicorn, in readings per second: two readings in the same millisecond
/// would count as one.
const FASTEST: f64 = 1000.0;

/// The maximum rate of a replay, in readings per second: one per nanosecond, the clock's
/// resolution.
const FASTEST_REPLAY: f64 = 1e9;

/// How many of a shard's 1,000 records per second are planned for, since names do not spread
/// evenly.
const READINGS_PER_SHARD: f64 = 700.0;

/// The maximum default number of shards.
const MOST_SHARDS: u32 = 100;

/// The default maximum of readings in an aggregated record: about 70 KB. The Kinesis Producer
/// Library's default is 50 KB.
const READINGS_PER_AGGREGATE: u32 = 500;

/// The default number of shards for a replay.
const REPLAY_SHARDS: u32 = 4;

/// A checked plan for a run.
#[derive(Clone, Debug)]
pub struct ProducerPlan {
    /// What to send.
    pub source: ReadingSource,
    /// The total number of readings to send; `None` for no limit.
    pub count: Option<u64>,
    /// How long to send; `None` for no limit.
    pub duration: Option<Duration>,
    /// How readings are packed into records.
    pub packing: Packing,
    /// The stream to send to.
    pub stream: String,
    /// The cloud that has the stream.
    pub target: TargetArgs,
    /// Options for an embedded run.
    pub embedded: EmbeddedArgs,
}

/// What to send.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadingSource {
    /// A simulated fleet.
    Fleet {
        /// The unicorns' names.
        names: Vec<String>,
        /// The seed of their flights.
        seed: u64,
        /// Readings per second per unicorn.
        rate: f64,
    },
    /// Recorded readings.
    Recording {
        /// The recording.
        recording: Recording,
        /// Readings per second; `None` for as many as the stream accepts.
        rate: Option<f64>,
    },
}

/// A `--rate` that is too high.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidRate {
    /// Of a fleet.
    #[error(
        "--rate: at most {FASTEST} per second, since two readings of one unicorn in the same \
         millisecond would count as one"
    )]
    Fleet,
    /// Of a replay.
    #[error("--rate: at most {FASTEST_REPLAY} per second")]
    Replay,
}

impl ProducerPlan {
    /// Whether the readings are not unicorns'.
    pub(crate) fn is_of_another_sensor(&self) -> bool {
        matches!(&self.source, ReadingSource::Recording { recording, .. } if recording.is_of_another_sensor())
    }

    /// Checks the command line. `seed` is used if there is no `--seed`.
    ///
    /// # Errors
    ///
    /// [`InvalidRate`] if `--rate` is too high.
    pub fn new(args: ProducerArgs, seed: u64) -> Result<Self, InvalidRate> {
        let (source, count) = match args.replay {
            Some(recording) => {
                let rate = args.rate;
                if rate.is_some_and(|rate| rate > FASTEST_REPLAY) {
                    return Err(InvalidRate::Replay);
                }
                let recording = if args.partition_key.is_empty() {
                    recording
                } else {
                    recording.partitioned_by(PartitionBy::Fields(args.partition_key))
                };
                (ReadingSource::Recording { recording, rate }, args.count)
            }
            None => {
                let rate = args.rate.unwrap_or(1.0);
                if rate > FASTEST {
                    return Err(InvalidRate::Fleet);
                }
                let unicorns = u64::from(args.unicorns);
                let count = args.count.map(|count| count.saturating_mul(unicorns));
                let names = names(args.name.as_deref(), args.unicorns as usize);
                let seed = args.seed.unwrap_or(seed);
                (ReadingSource::Fleet { names, seed, rate }, count)
            }
        };
        Ok(Self {
            source,
            count,
            duration: args.duration,
            packing: match (args.kpl, args.readings_per_record) {
                (true, most) => Packing::Kpl(most.unwrap_or(READINGS_PER_AGGREGATE)),
                (false, most) => Packing::Lines(most.unwrap_or(1)),
            },
            stream: args.stream,
            target: args.target,
            embedded: args.embedded,
        })
    }

    /// The port of the local cloud.
    pub fn port(&self) -> u16 {
        self.embedded.port.unwrap_or(LOCAL_PORT)
    }

    /// How many shards an embedded run has.
    pub fn shards(&self) -> u32 {
        if let Some(shards) = self.embedded.shards {
            return shards;
        }
        match &self.source {
            ReadingSource::Fleet { names, rate, .. } => {
                let shards = (names.len() as f64 * rate / READINGS_PER_SHARD).ceil();
                (shards as u32).clamp(1, MOST_SHARDS)
            }
            ReadingSource::Recording { .. } => REPLAY_SHARDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn plan(arguments: &[&str]) -> Result<ProducerPlan, InvalidRate> {
        let args = ProducerArgs::try_parse_from([&["producer"], arguments].concat());
        ProducerPlan::new(args.unwrap(), 7)
    }

    #[test]
    fn default_plan_is_shadowfax() {
        let plan = plan(&[]).unwrap();
        let expected = ReadingSource::Fleet {
            names: vec!["Shadowfax".to_owned()],
            seed: 7,
            rate: 1.0,
        };
        assert_eq!(plan.source, expected);
        assert_eq!((plan.count, plan.port(), plan.shards()), (None, 4566, 1));
    }

    #[test]
    fn count_is_per_unicorn_or_per_recording() {
        assert_eq!(
            plan(&["--unicorns", "5", "--count", "3"]).unwrap().count,
            Some(15)
        );
        assert_eq!(
            plan(&["--replay", "-", "--count", "3"]).unwrap().count,
            Some(3)
        );
    }

    #[test]
    fn readings_are_packed_on_request() {
        let packing = |arguments: &[&str]| plan(arguments).unwrap().packing;
        assert_eq!(packing(&[]), Packing::Lines(1));
        assert_eq!(packing(&["--readings-per-record", "9"]), Packing::Lines(9));
        assert_eq!(packing(&["--kpl"]), Packing::Kpl(500));
        let both = ["--kpl", "--readings-per-record", "9", "--replay", "-"];
        assert_eq!(packing(&both), Packing::Kpl(9));
    }

    #[test]
    fn shards_follow_the_fleets_rate() {
        let shards = |arguments: &[&str]| plan(arguments).unwrap().shards();
        assert_eq!(shards(&["--unicorns", "700"]), 1);
        assert_eq!(shards(&["--unicorns", "701"]), 2);
        assert_eq!(shards(&["--rate", "1000"]), 2);
        assert_eq!(shards(&["--unicorns", "1000000"]), 100);
        assert_eq!(shards(&["--unicorns", "5000", "--shards", "1"]), 1);
        assert_eq!(shards(&["--replay", "-"]), 4);
    }

    #[test]
    fn rate_is_at_most_one_reading_per_millisecond() {
        assert!(plan(&["--rate", "1000"]).is_ok());
        assert_eq!(plan(&["--rate", "1001"]).unwrap_err(), InvalidRate::Fleet);
        assert!(plan(&["--replay", "-", "--rate", "50000"]).is_ok());
    }
}
