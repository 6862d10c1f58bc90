//! Sends the readings, some of them twice and in another spelling, and some broken lines.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use soak::log::{Identity, identities};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use windrow_core::time::Timestamp;
use windrow_local::faults::{FaultKind, Faults};
use windrow_write::{KinesisRecord, KinesisStream, Policy, deliver};

use crate::sensors::TrafficSensor;
use crate::spelling::TrafficReading;

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct TrafficPlan {
    pub(crate) seed: u64,
    /// How many readings to send at least.
    pub(crate) readings: u64,
    /// More are sent until each enabled fault was injected this often, but not for more than
    /// `MOST_EXTRA`.
    pub(crate) at_least: u64,
    pub(crate) faults: Arc<Faults>,
    /// The time of the first readings, in milliseconds since the epoch.
    pub(crate) first_millis: i64,
    pub(crate) keys: u32,
    /// Readings per second.
    pub(crate) rate: u64,
    /// Most keys send to the first stream, the rest to the second.
    pub(crate) streams: [String; 2],
}

/// What was sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// How many readings were sent, not counting duplicates.
    pub(crate) readings: u64,
    /// The identities of the acknowledged readings.
    pub(crate) acknowledged: BTreeSet<Identity>,
    /// How many readings were sent again on purpose.
    pub(crate) again: u64,
    /// How many of those were spelled differently.
    pub(crate) respelled: u64,
    /// The unique names in the acknowledged broken lines.
    pub(crate) broken: BTreeSet<String>,
}

/// How many tasks send concurrently.
const SENDERS: u64 = 6;
const TICK: Duration = Duration::from_millis(100);
/// The time limit for one batch.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How long to send more readings than planned.
const MOST_EXTRA: Duration = Duration::from_secs(120);

/// Sends all readings of the plan at its rate, or those before `stop`.
pub(crate) async fn send<S: TrafficSensor>(
    sensor: &S,
    client: &Client,
    plan: &TrafficPlan,
    stop: &CancellationToken,
) -> Sent {
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let sender = TrafficSender::new(sensor.telling_apart(), client, plan, number, stop.clone());
        senders.spawn(sender.run());
    }
    let mut all = Sent::default();
    for sent in senders.join_all().await {
        all.add(sent);
    }
    all
}

impl Sent {
    /// Adds what else was sent.
    pub(crate) fn add(&mut self, other: Self) {
        self.readings += other.readings;
        self.again += other.again;
        self.respelled += other.respelled;
        self.acknowledged.extend(other.acknowledged);
        self.broken.extend(other.broken);
    }
}

/// The enabled faults that were injected less than `at_least` times.
pub(crate) fn too_rare(faults: &Faults, at_least: u64) -> Vec<FaultKind> {
    let kinds = FaultKind::ALL.into_iter();
    let rare = |kind: &FaultKind| faults.can_inject(*kind) && faults.injected(*kind) < at_least;
    kinds.filter(rare).collect()
}

struct TrafficSender<S> {
    /// Tells the readings apart.
    sensor: S,
    number: u64,
    random: ChaCha8Rng,
    streams: [KinesisStream; 2],
    keys: Vec<TrafficKey>,
    left: u64,
    per_tick: u64,
    at_least: u64,
    faults: Arc<Faults>,
    stop: CancellationToken,
    sent: Sent,
    /// Batches to send again, each at its time or later.
    later: Vec<(Instant, ReadingBatch)>,
}

struct TrafficKey {
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
    Reading(TrafficReading, Vec<Identity>),
    Broken(String),
}

impl<S: TrafficSensor> TrafficSender<S> {
    fn new(
        sensor: S,
        client: &Client,
        plan: &TrafficPlan,
        number: u64,
        stop: CancellationToken,
    ) -> Self {
        let keys = (0..u64::from(plan.keys)).filter(|n| n % SENDERS == number);
        let keys = keys.map(|n| TrafficKey {
            // Some names are in other scripts, and some are long.
            name: match n % 7 {
                0 => format!("Единорог {n}"),
                1 => format!("{}-{n}", "Bucephalus".repeat(6)),
                _ => format!("Shadowfax {n}"),
            },
            stream: usize::from(n % 8 == 5),
            millis: plan.first_millis,
        });
        let keys: Vec<TrafficKey> = keys.collect();
        let share = |total: u64| total / SENDERS + u64::from(number < total % SENDERS);
        let left = match keys.len() {
            0 => 0,
            _ => share(plan.readings),
        };
        Self {
            sensor,
            number,
            random: ChaCha8Rng::seed_from_u64(plan.seed.wrapping_mul(SENDERS) + number),
            streams: [0, 1].map(|n| KinesisStream::new(client.clone(), plan.streams[n].clone())),
            keys,
            left,
            per_tick: (share(plan.rate) / 10).max(1),
            at_least: plan.at_least,
            faults: Arc::clone(&plan.faults),
            stop,
            sent: Sent::default(),
            later: Vec::new(),
        }
    }

    /// Sends until everything is sent. A batch that is being sent at the stop counts as not
    /// acknowledged.
    async fn run(mut self) -> Sent {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.send_all()).await;
        self.sent
    }

    async fn send_all(&mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sent_at = None;
        while !self.is_done(&mut sent_at) {
            ticks.tick().await;
            let mut batches = [0, 1].map(|stream| ReadingBatch {
                stream,
                ..ReadingBatch::default()
            });
            let mut created = 0;
            // Once all planned readings are sent, more may be needed.
            let left = if self.left > 0 { self.left } else { u64::MAX };
            while created < self.per_tick.min(left) {
                created += self.make_record(left - created, &mut batches);
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
    }

    /// Whether nothing is left to send. `sent_at` is when the planned readings were sent.
    fn is_done(&self, sent_at: &mut Option<Instant>) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        if self.left > 0 {
            return false;
        }
        let sent_at = sent_at.get_or_insert_with(Instant::now);
        too_rare(&self.faults, self.at_least).is_empty() || sent_at.elapsed() > MOST_EXTRA
    }

    /// Adds a record with one to four readings of a key, but at most `most`. Returns how many.
    fn make_record(&mut self, most: u64, batches: &mut [ReadingBatch; 2]) -> u64 {
        let random = &mut self.random;
        let index = random.random_range(0..self.keys.len());
        let key = &mut self.keys[index];
        let count = random.random_range(1..=most.min(4));
        let mut text = String::new();
        let mut contents = Vec::new();
        for _ in 0..count {
            key.millis += random.random_range(1..2_000);
            let reading = S::reading(&key.name, Timestamp::from_millis(key.millis), random);
            let line = reading.to_line();
            text.push_str(&line);
            let identities = identities(&self.sensor, line.as_bytes());
            contents.push(TrafficLine::Reading(reading, identities));
        }
        if random.random_bool(0.004) {
            let name = format!("broken {} {}", self.number, key.millis);
            text.push_str(&S::broken_line(&name));
            contents.push(TrafficLine::Broken(name));
        }
        let batch = &mut batches[key.stream];
        batch.records.push(KinesisRecord {
            partition_key: key.name.clone(),
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
                    TrafficLine::Reading(_, identities) => {
                        self.sent.acknowledged.extend(identities);
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
        let again = self.again(&batch, first..first + count);
        let wait = Duration::from_millis(self.random.random_range(0..4_000));
        self.later.push((Instant::now() + wait, again));
    }

    /// Some of the batch's records to send again. Half of them are spelled differently.
    fn again(&mut self, batch: &ReadingBatch, range: Range<usize>) -> ReadingBatch {
        let mut again = ReadingBatch {
            stream: batch.stream,
            records: batch.records[range.clone()].to_vec(),
            contents: batch.contents[range].to_vec(),
        };
        for (record, lines) in again.records.iter_mut().zip(&again.contents) {
            let is_respelled = self.random.random();
            let mut text = String::new();
            for line in lines {
                match line {
                    TrafficLine::Reading(reading, _) => {
                        text.push_str(&reading.respelled(&mut self.random));
                        self.sent.again += 1;
                        self.sent.respelled += u64::from(is_respelled);
                    }
                    TrafficLine::Broken(name) => text.push_str(&S::broken_line(name)),
                }
            }
            if is_respelled {
                record.data = Bytes::from(text);
            }
        }
        again
    }
}
