//! Feeds readings to the sender: simulated ones when due, recorded ones as they are read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use windrow_write::KinesisRecord;

use crate::flight::FlyingUnicorn;
use crate::pack::Packer;
use crate::progress::ProducerProgress;
use crate::replay::{Recording, ReplayPart};
use crate::schedule::Schedule;
use crate::send::{Halted, ReadingSender, partition_key};

/// The minimum time between two rounds, so that a fleet's readings are sent in large batches.
const ROUND: Duration = Duration::from_millis(100);

/// How many lines are read ahead.
const READ_AHEAD: usize = 1000;

/// How many broken parts are reported one by one.
const MOST_REPORTED: u64 = 20;

/// Sends a fleet's readings when they are due, until the schedule is over, `stop` is cancelled or
/// the sender halts. Returns how many readings were skipped because the stream took too few.
///
/// Each reading's `StatusTime` is the time at which it was due. `clock` returns milliseconds since
/// the epoch. If it is set back, readings continue as if it had not been: a reading with the name
/// and `StatusTime` of an earlier one would count as its duplicate.
pub(crate) async fn fly(
    mut fleet: Vec<FlyingUnicorn>,
    mut schedule: Schedule,
    packer: &mut Packer,
    sender: &ReadingSender,
    clock: impl Fn() -> i64,
    stop: &CancellationToken,
) -> u64 {
    let unicorns = fleet.len() as u64;
    let start = Instant::now();
    let mut wake = start;
    let mut start_time = i64::MIN;
    while stop.run_until_cancelled(sleep_until(wake)).await.is_some() {
        let now = clock();
        let elapsed = start.elapsed();
        let elapsed_millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        start_time = start_time.max(now.saturating_sub(elapsed_millis));
        let now = start_time.saturating_add(elapsed_millis);
        for number in schedule.take(elapsed) {
            let late = elapsed.saturating_sub(schedule.due(number));
            let late = i64::try_from(late.as_millis()).unwrap_or(i64::MAX);
            let index = number % unicorns;
            let reading = fleet[index as usize].fly(now.saturating_sub(late));
            let record = KinesisRecord {
                partition_key: partition_key(&reading.name),
                data: Bytes::from(reading.to_line()),
            };
            let sending = stop.run_until_cancelled(sender.send_all(packer.add(record)));
            if !matches!(sending.await, Some(Ok(()))) {
                return schedule.skipped();
            }
        }
        if sender.send_all(packer.flush_aggregates()).await.is_err() {
            return schedule.skipped();
        }
        if schedule.is_over(elapsed) {
            break;
        }
        wake = (start + schedule.next_due()).max(start + elapsed + ROUND);
    }
    schedule.skipped()
}

/// The outcome of a replay.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// How many parts are not readings.
    pub(crate) broken: u64,
    /// The error that ended the recording early, if any.
    pub(crate) error: Option<io::Error>,
    /// Whether the recording ended without a reading or anything else.
    pub(crate) is_empty: bool,
}

/// Sends a recording's readings, `rate` per second or as fast as the stream accepts them. Broken
/// parts are reported and skipped.
///
/// Ends with the recording, at the `limits` (readings and duration), when `stop` is cancelled, or
/// when the sender halts.
pub(crate) async fn replay(
    recording: Recording,
    limits: (Option<u64>, Option<Duration>),
    rate: Option<f64>,
    packer: &mut Packer,
    sender: &ReadingSender,
    progress: &Arc<ProducerProgress>,
    stop: &CancellationToken,
) -> Replayed {
    let (count, duration) = limits;
    let schedule = rate.map(|rate| Schedule::new(rate, None, None));
    let mut lines = read_ahead(recording);
    let start = Instant::now();
    let mut replayed = Replayed::default();
    let sending = async {
        let mut number = 0;
        while count.is_none_or(|count| number < count) {
            let Some(line) = lines.recv().await else {
                replayed.is_empty = number == 0 && replayed.broken == 0;
                return;
            };
            let record = match line {
                Ok(ReplayPart::Reading(record)) => record,
                Ok(ReplayPart::Broken { number, reason }) => {
                    replayed.broken += 1;
                    report_broken(progress, replayed.broken, number, &reason);
                    continue;
                }
                Ok(ReplayPart::Damaged(problem)) => {
                    replayed.error = Some(io::Error::other(problem));
                    return;
                }
                Err(error) => {
                    replayed.error = Some(error);
                    return;
                }
            };
            if let Some(schedule) = &schedule {
                let due = start + schedule.due(number);
                let is_far = due > Instant::now() + ROUND;
                if is_far && sender.send_all(packer.flush_aggregates()).await == Err(Halted) {
                    return;
                }
                sleep_until(due).await;
            }
            if sender.send_all(packer.add(record)).await == Err(Halted) {
                return;
            }
            number += 1;
        }
    };
    let limited = async {
        match duration {
            // Reaching the limit is not an error.
            Some(duration) => tokio::time::timeout(duration, sending).await.unwrap_or(()),
            None => sending.await,
        }
    };
    stop.run_until_cancelled(limited).await;
    replayed
}

fn report_broken(progress: &ProducerProgress, broken: u64, number: u64, reason: &str) {
    if broken <= MOST_REPORTED {
        progress.note(&format!("the part in line {number} was not sent: {reason}"));
    }
    if broken == MOST_REPORTED {
        progress.note("further broken parts are counted but not listed");
    }
}

/// Reads on a separate thread: a blocking read of standard input cannot be cancelled, and the
/// program can exit without waiting for the thread.
fn read_ahead(recording: Recording) -> mpsc::Receiver<io::Result<ReplayPart>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        let lines = match recording.open() {
            Ok(lines) => lines,
            Err(error) => {
                // Fails only if the replay has ended.
                let _ = sender.blocking_send(Err(error));
                return;
            }
        };
        for line in lines {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use unicorn::reading::Reading;
    use windrow_write::Collected;

    use super::*;
    use crate::pack::Packing;

    fn fleet(count: usize) -> Vec<FlyingUnicorn> {
        let names = crate::names::names(None, count);
        (0..)
            .zip(names)
            .map(|(number, name)| FlyingUnicorn::new(name, 7, number, 2.0))
            .collect()
    }

    /// The name and time of each reading sent.
    fn sent(stream: &Collected<KinesisRecord>) -> Vec<(String, i64)> {
        let records = stream.items();
        records
            .iter()
            .map(|record| {
                let reading = Reading::parse(&record.data).unwrap();
                assert_eq!(partition_key(&reading.name), record.partition_key);
                (reading.name.into_owned(), reading.status_time.millis())
            })
            .collect()
    }

    fn single() -> Packer {
        Packer::new(Packing::Lines(1), &[])
    }

    fn start(stream: &Arc<Collected<KinesisRecord>>) -> ReadingSender {
        ReadingSender::start(Arc::clone(stream), 1, Arc::new(ProducerProgress::hidden()))
    }

    #[tokio::test(start_paused = true)]
    async fn fleet_is_sent_when_due() {
        let stream = Arc::new(Collected::default());
        let sender = start(&stream);
        let schedule = Schedule::new(4.0, Some(6), None);
        let started = Instant::now();
        let clock = || 1000 + started.elapsed().as_millis() as i64;
        let stop = CancellationToken::new();
        assert_eq!(
            fly(fleet(2), schedule, &mut single(), &sender, clock, &stop).await,
            0
        );
        assert_eq!(sender.finish().await.sent, 6);
        let expected = [
            ("Shadowfax", 1000),
            ("Bucephalus", 1250),
            ("Shadowfax", 1500),
            ("Bucephalus", 1750),
            ("Shadowfax", 2000),
            ("Bucephalus", 2250),
        ];
        // A sleep ends up to a millisecond late; the timestamps correct for it.
        assert_eq!(
            sent(&stream),
            expected.map(|(name, time)| (name.to_owned(), time))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn readings_stay_distinct_when_the_clock_is_set_back() {
        let stream = Arc::new(Collected::default());
        let sender = start(&stream);
        let schedule = Schedule::new(10.0, Some(200), None);
        let started = Instant::now();
        // Set back by 5 s after 7 s, which the interval of the readings divides, and forward by a
        // minute after 15 s.
        let clock = || {
            let elapsed = started.elapsed().as_millis() as i64;
            if elapsed < 7_000 {
                100_000 + elapsed
            } else if elapsed < 15_000 {
                95_000 + elapsed
            } else {
                160_000 + elapsed
            }
        };
        let stop = CancellationToken::new();
        assert_eq!(
            fly(fleet(1), schedule, &mut single(), &sender, clock, &stop).await,
            0
        );
        assert_eq!(sender.finish().await.sent, 200);
        let times: Vec<i64> = sent(&stream).into_iter().map(|(_, time)| time).collect();
        assert_eq!(times[0], 100_000);
        assert_eq!(times[100], 110_000);
        assert_eq!(times[199], 179_900);
        assert!(times.is_sorted_by(|earlier, later| earlier < later));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_is_prompt() {
        let stream = Arc::new(Collected::default());
        let sender = start(&stream);
        let stop = CancellationToken::new();
        let started = Instant::now();
        let mut packer = single();
        let flying = fly(
            fleet(1),
            Schedule::new(0.001, None, None),
            &mut packer,
            &sender,
            || 0,
            &stop,
        );
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            stop.cancel();
        };
        tokio::join!(flying, stopping);
        assert_eq!(started.elapsed(), Duration::from_secs(5));
        assert_eq!(sender.finish().await.sent, 1);
    }

    async fn replayed(limits: (Option<u64>, Option<Duration>), rate: Option<f64>) -> (u64, u64) {
        replay_to(&Arc::new(Collected::default()), limits, rate).await
    }

    async fn replay_to(
        stream: &Arc<Collected<KinesisRecord>>,
        limits: (Option<u64>, Option<Duration>),
        rate: Option<f64>,
    ) -> (u64, u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readings.jsonl");
        let lines: Vec<u8> = (0..50)
            .flat_map(|time| fleet(1)[0].fly(time).to_line())
            .chain(*b"neigh\n")
            .collect();
        std::fs::write(&path, lines).unwrap();
        let sender = start(stream);
        let progress = Arc::new(ProducerProgress::hidden());
        let stop = CancellationToken::new();
        let recording = path.display().to_string().parse().unwrap();
        let replayed = replay(
            recording,
            limits,
            rate,
            &mut single(),
            &sender,
            &progress,
            &stop,
        )
        .await;
        assert!(replayed.error.is_none());
        let times: Vec<i64> = (0..sender.finish().await.sent as i64).collect();
        let sent: Vec<i64> = sent(stream).into_iter().map(|(_, time)| time).collect();
        assert_eq!(sent, times);
        (times.len() as u64, replayed.broken)
    }

    #[tokio::test]
    async fn recording_is_sent_in_order_up_to_the_limits() {
        assert_eq!(replayed((None, None), None).await, (50, 1));
        assert_eq!(replayed((Some(7), None), None).await, (7, 0));
        assert_eq!(replayed((None, None), Some(1000.0)).await, (50, 1));
    }

    #[tokio::test]
    async fn recording_stops_after_its_duration() {
        let limit = Duration::from_secs(900);
        let stream = Arc::new(Collected::default());
        let pause_clock = async {
            while stream.items().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // From here on the clock advances whenever all tasks are idle. The next reading is due
            // after a thousand seconds.
            tokio::time::pause();
        };
        let started = Instant::now();
        let replaying = replay_to(&stream, (None, Some(limit)), Some(0.001));
        let (replayed, ()) = tokio::join!(replaying, pause_clock);
        assert_eq!(replayed, (1, 0));
        assert!(started.elapsed() >= limit);
    }
}
