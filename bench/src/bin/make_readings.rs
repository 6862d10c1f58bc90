//! Makes a synthetic archive of a fleet's readings. The same flags give the same file.

use std::f64::consts::TAU;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Parser;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::value::RawValue;
use unicorn::distance::Distance;
use unicorn::reading::Reading;
use windrow_core::time::Timestamp;

/// Writes a fleet's readings as the producer sends them, one JSON object per line, round by round
///
/// Every unicorn sends at an even rate. No two readings of a unicorn have the same StatusTime.
#[derive(Debug, Parser)]
struct MakeReadingsArgs {
    /// Number of readings
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    readings: u64,

    /// Number of unicorns
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    unicorns: u64,

    /// Length of the flights in minutes
    #[arg(long, value_name = "N", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,

    /// Seed of the random flights
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Shuffle the order of the unicorns in each round; the readings stay the same
    #[arg(long)]
    shuffle: bool,

    /// Write all readings in random order, as from many streams
    #[arg(long)]
    random: bool,

    /// Add an id, a nested object and another number to each reading
    #[arg(long)]
    nested: bool,

    /// Reorder the fields and put spaces between them, unlike the producer
    #[arg(long, conflicts_with = "nested")]
    respell: bool,

    /// File to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// A reading as another JSON library might write it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Respelled<'a> {
    status_time: String,
    name: &'a str,
    health_points: i32,
    magic_points: i32,
    distance: &'a RawValue,
    longitude: Option<f64>,
    latitude: Option<f64>,
}

/// Puts spaces between the fields and after their names, as Python does.
struct Spaced;

impl Formatter for Spaced {
    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

fn respell(reading: &Reading<'_>, output: &mut dyn Write) -> anyhow::Result<()> {
    let respelled = Respelled {
        status_time: reading.status_time.to_string(),
        name: &reading.name,
        health_points: reading.health_points,
        magic_points: reading.magic_points,
        distance: &RawValue::from_string(reading.distance.to_string())?,
        longitude: reading.longitude,
        latitude: reading.latitude,
    };
    respelled.serialize(&mut Serializer::with_formatter(&mut *output, Spaced))?;
    output.write_all(b"\n")?;
    Ok(())
}

/// Adds fields that a reading does not have, between those that it has.
fn extend(reading: &Reading<'_>, number: u64, output: &mut dyn Write) -> anyhow::Result<()> {
    let line = reading.to_line();
    let at = line.windows(12).position(|part| part == b",\"Distance\":");
    let (before, after) = line.split_at(at.context("a reading has a distance")?);
    write!(
        output,
        "{{\"id\":\"{:016x}\",",
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    )?;
    output.write_all(before.strip_prefix(b"{").unwrap_or(before))?;
    write!(
        output,
        ",\"device\":{{\"model\":\"horn-{}\",\"firmware\":[1,{},0]}},\"battery\":{}.{}",
        number % 7,
        number % 10,
        number % 100,
        number % 9,
    )?;
    output.write_all(after)?;
    Ok(())
}

/// The lines of a file in random order.
fn shuffled(text: &[u8], random: &mut ChaCha8Rng) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut lines: Vec<Range<usize>> = memchr::memchr_iter(b'\n', text)
        .map(|newline| std::mem::replace(&mut start, newline + 1)..newline + 1)
        .collect();
    lines.shuffle(random);
    lines
}

/// 2026-11-20 09:00:00 UTC, in milliseconds since the epoch.
const START: i64 = 1_795_165_200_000;
const STABLE: [&str; 4] = ["Shadowfax", "Bucephalus", "Rocinante", "Franky"];
const METRES_PER_DEGREE: f64 = 110_540.0;

struct Flight {
    name: String,
    random: ChaCha8Rng,
    bearing: f64,
    latitude: f64,
    longitude: f64,
    magic: i32,
    health: i32,
}

impl Flight {
    /// Unicorn `number` of the fleet with this `seed`, named like the producer's fleet.
    fn new(seed: u64, number: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let stable = STABLE[(number % 4) as usize];
        let name = match number / 4 + 1 {
            1 => stable.to_owned(),
            round => format!("{stable}-{round}"),
        };
        Self {
            name,
            bearing: random.random_range(0.0..TAU),
            random,
            latitude: 40.749167,
            longitude: -73.985184,
            magic: 150,
            health: 150,
        }
    }

    /// The time of the reading in the round from `begin` to `end` (exclusive), in milliseconds:
    /// `offset` thousandths into the round, with a jitter of up to a second.
    fn time(&mut self, begin: i64, end: i64, offset: u64) -> i64 {
        let jitter = (end - begin).min(1_000);
        let steady = (end - begin - jitter) * offset as i64 / 1_000;
        begin + steady + self.random.random_range(0..jitter)
    }

    fn fly(&mut self, millis: i64, seconds: f64) -> Reading<'_> {
        let micrometres = (self.random.random_range(29.0..=31.0) * seconds * 1e6).round();
        let degrees = micrometres / 1e6 / METRES_PER_DEGREE;
        self.latitude = (self.latitude + degrees * self.bearing.cos()).clamp(-89.0, 89.0);
        self.longitude = (self.longitude + degrees * self.bearing.sin()).clamp(-179.0, 179.0);
        self.magic += [-1, 0, 0, 1][self.random.random_range(0..4_usize)];
        self.health += [-1, 0, 0, 1][self.random.random_range(0..4_usize)];
        Reading {
            name: self.name.as_str().into(),
            status_time: Timestamp::from_millis(millis),
            latitude: Some(self.latitude),
            longitude: Some(self.longitude),
            distance: Distance::from_micrometres(micrometres as i128),
            magic_points: self.magic,
            health_points: self.health,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = MakeReadingsArgs::parse();
    let unicorns = arguments.unicorns.min(arguments.readings);
    let rounds = arguments.readings.div_ceil(unicorns);
    let millis = arguments.minutes * 60_000;
    ensure!(
        rounds <= millis,
        "too many readings for so few unicorns: at most one per unicorn per millisecond"
    );
    let seconds = millis as f64 / rounds as f64 / 1000.0;

    let mut fleet: Vec<Flight> = (0..unicorns)
        .map(|number| Flight::new(arguments.seed, number))
        .collect();
    let mut order: Vec<u64> = (0..unicorns).collect();
    let mut shuffling = ChaCha8Rng::seed_from_u64(arguments.seed);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&arguments.output)?);
    let mut kept = Vec::new();
    let output: &mut dyn Write = if arguments.random {
        &mut kept
    } else {
        &mut file
    };
    for round in 0..rounds {
        let begin = START + (millis * round / rounds) as i64;
        let end = START + (millis * (round + 1) / rounds) as i64;
        // The last round may have only part of the fleet: the same part, shuffled or not.
        let present = unicorns.min(arguments.readings - round * unicorns);
        order.clear();
        order.extend(0..present);
        if arguments.shuffle {
            order.shuffle(&mut shuffling);
        }
        for number in &order {
            if let Some(flight) = fleet.get_mut(*number as usize) {
                let time = flight.time(begin, end, number * 1_000 / unicorns);
                let reading = flight.fly(time, seconds);
                if arguments.respell {
                    respell(&reading, &mut *output)?;
                } else if arguments.nested {
                    extend(&reading, round * unicorns + number, output)?;
                } else {
                    output.write_all(&reading.to_line())?;
                }
            }
        }
    }
    for line in shuffled(&kept, &mut shuffling) {
        file.write_all(&kept[line])?;
    }
    file.flush()?;
    Ok(())
}
