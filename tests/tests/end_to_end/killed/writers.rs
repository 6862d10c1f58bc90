//! Writers that remember which lines were acknowledged, and keep sending while the local cloud is
//! killed and started again.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use end_to_end::reading;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many writers send at the same time.
const WRITERS: u32 = 4;

/// What is known of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineAttempts {
    /// How often it was sent.
    pub(crate) sent: u32,
    /// Whether it was acknowledged; it is not sent again then.
    pub(crate) is_acknowledged: bool,
}

/// What is known of every line that was sent.
pub(crate) type SentLines = BTreeMap<String, LineAttempts>;

/// What writers send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterPlan {
    pub(crate) seed: u64,
    /// Whether a line that was not acknowledged is sent again.
    pub(crate) retries: bool,
    /// Whether some lines are not readings.
    pub(crate) has_broken: bool,
}

/// Running writers.
pub(crate) struct Writers {
    client: watch::Sender<Option<Client>>,
    tasks: JoinSet<SentLines>,
    stop: CancellationToken,
}

impl Writers {
    /// Starts writers, which wait for an endpoint.
    pub(crate) fn start(plan: WriterPlan, runtime: &Runtime) -> Self {
        let (client, clients) = watch::channel(None);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for number in 0..WRITERS {
            let writer = LineWriter {
                plan,
                random: ChaCha8Rng::seed_from_u64(plan.seed + u64::from(number) + 1),
                next: number * 10_000_000,
                again: Vec::new(),
                lines: SentLines::new(),
            };
            let writing = writer.run(clients.clone(), stop.clone());
            tasks.spawn_on(writing, runtime.handle());
        }
        Self {
            client,
            tasks,
            stop,
        }
    }

    /// Lets the writers send to this endpoint.
    pub(crate) fn connect(&self, client: &Client) {
        self.client.send_replace(Some(client.clone()));
    }

    /// Ends the writers after their calls in flight.
    pub(crate) fn stop(self, runtime: &Runtime) -> SentLines {
        self.stop.cancel();
        let written = runtime.block_on(self.tasks.join_all());
        written.into_iter().flatten().collect()
    }
}

/// A record: its partition key, and its lines.
type LinesOfRecord = (String, Vec<String>);

struct LineWriter {
    plan: WriterPlan,
    random: ChaCha8Rng,
    /// The number of the next reading, which no other writer has.
    next: u32,
    /// Records that were not acknowledged.
    again: Vec<LinesOfRecord>,
    lines: SentLines,
}

impl LineWriter {
    async fn run(
        mut self,
        mut clients: watch::Receiver<Option<Client>>,
        stop: CancellationToken,
    ) -> SentLines {
        loop {
            let current = tokio::select! {
                () = stop.cancelled() => break,
                current = clients.wait_for(Option::is_some) => match current {
                    Ok(current) => current.clone(),
                    Err(_) => break,
                },
            };
            let Some(client) = current else { continue };
            let batch = self.batch();
            let failed = match put(&client, &batch).await {
                Some(failed) => failed,
                None => (0..batch.len()).collect(),
            };
            let pause = if failed.is_empty() { 10..50 } else { 20..60 };
            self.remember(batch, &failed);
            tokio::time::sleep(Duration::from_millis(self.random.random_range(pause))).await;
        }
        self.lines
    }

    /// The records of the next call: those that were not acknowledged, and new ones.
    fn batch(&mut self) -> Vec<LinesOfRecord> {
        let count = self.random.random_range(1..10);
        let mut batch: Vec<_> = self.again.drain(..self.again.len().min(count)).collect();
        while batch.len() < count {
            let record = self.record();
            batch.push(record);
        }
        let lines = batch.iter().flat_map(|(_, lines)| lines);
        for line in lines {
            self.lines.entry(line.clone()).or_default().sent += 1;
        }
        batch
    }

    /// A record of a few lines. Some readings have a name of their own.
    fn record(&mut self) -> LinesOfRecord {
        let count = self.random.random_range(1..4);
        let lines = (0..count).map(|_| {
            let number = self.next;
            self.next += 1;
            if self.plan.has_broken && number.is_multiple_of(9) {
                return format!("{{\"Name\":\"broken {number}\"}}\n");
            }
            let name = if number.is_multiple_of(4) {
                format!("only {number}")
            } else {
                format!("unicorn {}", number % 7)
            };
            let metres = format!("{}.25", number % 50);
            reading(&name, number, &metres, (number % 90) as i32).1
        });
        let lines = lines.collect();
        (format!("key {}", self.random.random_range(0..50)), lines)
    }

    /// Keeps what becomes of a batch whose records with these indices failed.
    fn remember(&mut self, batch: Vec<LinesOfRecord>, failed: &[usize]) {
        for (index, record) in batch.into_iter().enumerate() {
            if failed.contains(&index) {
                if self.plan.retries {
                    self.again.push(record);
                }
                continue;
            }
            for line in record.1 {
                self.lines.entry(line).or_default().is_acknowledged = true;
            }
        }
    }
}

/// Sends records with one call. Returns the indices of those that were not taken; `None` if there was
/// no answer, or an error for all of them.
async fn put(client: &Client, batch: &[LinesOfRecord]) -> Option<Vec<usize>> {
    let entries = batch.iter().map(|(key, lines)| {
        let entry = PutRecordsRequestEntry::builder().partition_key(key);
        let entry = entry.data(Blob::new(lines.concat())).build();
        entry.unwrap()
    });
    let put = client.put_records().stream_name("wildrydes");
    let put = put.set_records(Some(entries.collect()));
    let output = put.send().await.ok()?;
    let results = output.records().iter().enumerate();
    let failed = results.filter(|(_, result)| result.sequence_number().is_none());
    Some(failed.map(|(index, _)| index).collect())
}
