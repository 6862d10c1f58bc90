//! Sends the readings, some of them twice, and some broken lines.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use windrow_core::time::Timestamp;
use windrow_write::{KinesisRecord, KinesisStream, Policy, deliver};

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct TrafficPlan {
    pub(crate) seed: u64,
    pub(crate) readings: u64,
    pub(crate) unicorns: u32,
    /// Readings per second.
    pub(crate) rate: u64,
    /// Most unicorns send to the first stream, the rest to the second.
    pub(crate) streams: [String; 2],
}

/// What was sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// How many readings were sent, not counting duplicates.
    pub(crate) readings: u64,
    /// The names and StatusTimes of the acknowledged readings.
    pub(crate) acknowledged: BTreeSet<(String, String)>,
    /// How many readings were sent again on purpose.
    pub(crate) again: u64,
    /// The unique names in the acknowledged broken lines.
    pub(crate) broken: BTreeSet<String>,
}

/// How many tasks send concurrently.
const SENDERS: u64 = 6;
const TICK: Duration = Duration::from_millis(100);
/// The time limit for one batch.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Sends all readings of the plan at its rate.
pub(crate) async fn send(client: &Client, plan: &TrafficPlan) -> Sent {
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let sender = TrafficSender::new(client, plan, number);
        senders.spawn(sender.run());
    }
    let mut all = Sent::default();
    for sent in senders.join_all().await {
        all.readings += sent.readings;
        all.again += sent.again;
        all.acknowledged.extend(sent.acknowledged);
        all.broken.extend(sent.broken);
    }
    all
}

struct TrafficSender {
    number: u64,
    random: ChaCha8Rng,
    streams: [KinesisStream; 2],
    unicorns: Vec<TrafficUnicorn>,
    left: u64,
    per_tick: u64,
    sent: Sent,
    /// Batches to send again, each at its time or later.
    later: Vec<(Instant, ReadingBatch)>,
}

struct TrafficUnicorn {
    name: String,
    /// The index of its stream.
    stream: usize,
    millis: i64,
}

/// Records for one stream, each with the readings and broken lines in it.
#[derive(Clone, Default)]
struct ReadingBatch {
    stream: usize,
    records: Vec<KinesisRecord>,
    contents: Vec<Vec<TrafficLine>>,
}

#[derive(Clone)]
enum TrafficLine {
    Reading(String, String),
    Broken(String),
}

/// The first reading's time: 2026-09-21.
const FIRST_MILLIS: i64 = 1_790_000_000_000;

impl TrafficSender {
    fn new(client: &Client, plan: &TrafficPlan, number: u64) -> Self {
        let unicorns = (0..u64::from(plan.unicorns)).filter(|n| n % SENDERS == number);
        let unicorns = unicorns.map(|n| TrafficUnicorn {
            // Some names are in other scripts, and some are long.
            name: match n % 7 {
                0 => format!("Единорог {n}"),
                1 => format!("{}-{n}", "Bucephalus".repeat(6)),
                _ => format!("Shadowfax {n}"),
            },
            stream: usize::from(n % 8 == 5),
            millis: FIRST_MILLIS,
        });
        let unicorns: Vec<TrafficUnicorn> = unicorns.collect();
        let share = |total: u64| total / SENDERS + u64::from(number < total % SENDERS);
        let left = match unicorns.len() {
            0 => 0,
            _ => share(plan.readings),
        };
        Self {
            number,
            random: ChaCha8Rng::seed_from_u64(plan.seed.wrapping_mul(SENDERS) + number),
            streams: [0, 1].map(|n| KinesisStream::new(client.clone(), plan.streams[n].clone())),
            unicorns,
            left,
            per_tick: (share(plan.rate) / 10).max(1),
            sent: Sent::default(),
            later: Vec::new(),
        }
    }

    async fn run(mut self) -> Sent {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.left > 0 {
            ticks.tick().await;
            let mut batches = [0, 1].map(|stream| ReadingBatch {
                stream,
                ..ReadingBatch::default()
            });
            let mut created = 0;
            while created < self.per_tick.min(self.left) {
                created += self.make_record(self.left - created, &mut batches);
            }
            self.left = self.left.saturating_sub(created);
            self.sent.readings += created;
            for batch in batches {
                self.deliver(batch, true).await;
            }
            let (due, later) = std::mem::take(&mut self.later)
                .into_iter()
                .partition(|(from, _)| *from <= Instant::now());
            self.later = later;
            for (_, batch) in Vec::from_iter::<Vec<(Instant, ReadingBatch)>>(due) {
                self.deliver(batch, false).await;
            }
        }
        for (_, batch) in std::mem::take(&mut self.later) {
            self.deliver(batch, false).await;
        }
        self.sent
    }

    /// Adds a record with one to four readings of a unicorn, but at most `most`. Returns how many.
    fn make_record(&mut self, most: u64, batches: &mut [ReadingBatch; 2]) -> u64 {
        let random = &mut self.random;
        let index = random.random_range(0..self.unicorns.len());
        let unicorn = &mut self.unicorns[index];
        let count = random.random_range(1..=most.min(4));
        let mut text = String::new();
        let mut contents = Vec::new();
        for _ in 0..count {
            unicorn.millis += random.random_range(1..2_000);
            let time = Timestamp::from_millis(unicorn.millis).to_string();
            let micrometres: u32 = random.random_range(0..60_000_000);
            text.push_str(&format!(
                "{{\"Name\":\"{}\",\"StatusTime\":\"{time}\",\"Latitude\":40.7,\"Longitude\":-74.0,\"Distance\":{}.{:06},\"MagicPoints\":{},\"HealthPoints\":{}}}\n",
                unicorn.name,
                micrometres / 1_000_000,
                micrometres % 1_000_000,
                random.random_range(80..180),
                random.random_range(80..180),
            ));
            contents.push(TrafficLine::Reading(unicorn.name.clone(), time));
        }
        if random.random_bool(0.004) {
            let name = format!("broken {} {}", self.number, unicorn.millis);
            text.push_str(&format!("{{\"Name\":\"{name}\"}}\n"));
            contents.push(TrafficLine::Broken(name));
        }
        let batch = &mut batches[unicorn.stream];
        batch.records.push(KinesisRecord {
            partition_key: unicorn.name.clone(),
            data: Bytes::from(text),
        });
        batch.contents.push(contents);
        count
    }

    /// Sends a batch and records what was acknowledged. If `may_duplicate` is set, schedules some
    /// of its records to be sent again after 0 to 4 seconds, so that a window may end in between.
    async fn deliver(&mut self, batch: ReadingBatch, may_duplicate: bool) {
        if batch.records.is_empty() {
            return;
        }
        let stream = &self.streams[batch.stream];
        let report = deliver(stream, batch.records.clone(), &Policy::within(TIME_LIMIT)).await;
        let undelivered: BTreeSet<usize> =
            report.undelivered.iter().map(|entry| entry.index).collect();
        for (index, contents) in batch.contents.iter().enumerate() {
            if undelivered.contains(&index) {
                continue;
            }
            for line in contents {
                match line.clone() {
                    TrafficLine::Reading(name, time) => {
                        self.sent.acknowledged.insert((name, time));
                    }
                    TrafficLine::Broken(name) => {
                        self.sent.broken.insert(name);
                    }
                }
            }
        }
        if !may_duplicate || !self.random.random_bool(0.2) {
            return;
        }
        let first = self.random.random_range(0..batch.records.len());
        let count = self
            .random
            .random_range(1..=20)
            .min(batch.records.len() - first);
        let again = ReadingBatch {
            stream: batch.stream,
            records: batch.records[first..first + count].to_vec(),
            contents: batch.contents[first..first + count].to_vec(),
        };
        let lines = again.contents.iter().flatten();
        self.sent.again += lines
            .filter(|line| matches!(line, TrafficLine::Reading(..)))
            .count() as u64;
        let wait = Duration::from_millis(self.random.random_range(0..4_000));
        self.later.push((Instant::now() + wait, again));
    }
}
