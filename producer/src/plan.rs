//! What to do, checked.

use std::time::Duration;

use windrow_connect::cloud::{LOCAL_PORT, TargetArgs};

use crate::args::{EmbeddedArgs, ProducerArgs};
use crate::names::names;
use crate::replay::Recording;

/// The most readings a second of one unicorn: two of one millisecond would count once.
const FASTEST: f64 = 1000.0;

/// The most readings a second in all. A clock ticks no faster than this is worth asking for.
const FASTEST_IN_ALL: f64 = 1e9;

/// How much of a shard's 1,000 records a second a fleet is given: names do not spread evenly.
const READINGS_A_SHARD: f64 = 700.0;

/// The most shards that are made unasked.
const MOST_SHARDS: u32 = 100;

/// How many shards a recording is played to unasked.
const REPLAY_SHARDS: u32 = 4;

/// What to do.
#[derive(Clone, Debug)]
pub struct ProducerPlan {
    /// What to send.
    pub source: ReadingSource,
    /// How many readings in all.
    pub count: Option<u64>,
    /// For how long.
    pub duration: Option<Duration>,
    /// The stream to send to.
    pub stream: String,
    /// Which cloud it is in.
    pub target: TargetArgs,
    /// The shape of an embedded run.
    pub embedded: EmbeddedArgs,
}

/// What to send.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadingSource {
    /// A simulated fleet.
    Fleet {
        /// The unicorns' names.
        names: Vec<String>,
        /// What their flights follow from.
        seed: u64,
        /// Readings a second and unicorn.
        rate: f64,
    },
    /// Recorded readings.
    Recording {
        /// Where they are.
        recording: Recording,
        /// Readings a second in all, or as many as the stream takes.
        rate: Option<f64>,
    },
}

impl ProducerPlan {
    /// Checks what was typed; `seed` is for a fleet without a `--seed`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(args: ProducerArgs, seed: u64) -> Result<Self, String> {
        let (source, count) = match args.replay {
            Some(recording) => {
                let rate = args.rate;
                if rate.is_some_and(|rate| rate > FASTEST_IN_ALL) {
                    return Err(format!("--rate: more than {FASTEST_IN_ALL} a second"));
                }
                (ReadingSource::Recording { recording, rate }, args.count)
            }
            None => {
                let rate = args.rate.unwrap_or(1.0);
                if rate > FASTEST {
                    return Err(format!(
                        "--rate: more than {FASTEST} a second, and two readings of one unicorn \
                         and millisecond would count once"
                    ));
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
                let shards = (names.len() as f64 * rate / READINGS_A_SHARD).ceil();
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

    fn plan(arguments: &[&str]) -> Result<ProducerPlan, String> {
        let args = ProducerArgs::try_parse_from([&["producer"], arguments].concat());
        ProducerPlan::new(args.unwrap(), 7)
    }

    #[test]
    fn the_simplest_plan_is_shadowfax() {
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
    fn a_count_is_of_every_unicorn_and_of_a_whole_recording() {
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
    fn a_fleet_gets_the_shards_it_needs() {
        let shards = |arguments: &[&str]| plan(arguments).unwrap().shards();
        assert_eq!(shards(&["--unicorns", "700"]), 1);
        assert_eq!(shards(&["--unicorns", "701"]), 2);
        assert_eq!(shards(&["--rate", "1000"]), 2);
        assert_eq!(shards(&["--unicorns", "1000000"]), 100);
        assert_eq!(shards(&["--unicorns", "5000", "--shards", "1"]), 1);
        assert_eq!(shards(&["--replay", "-"]), 4);
    }

    #[test]
    fn one_unicorn_has_a_reading_a_millisecond_at_most() {
        assert!(plan(&["--rate", "1000"]).is_ok());
        assert!(plan(&["--rate", "1001"]).is_err());
        assert!(plan(&["--replay", "-", "--rate", "50000"]).is_ok());
    }
}
