//! A shard of a process that is killed, and its function.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use windrow_core::window::Tumbling;
use windrow_event::Event;
use windrow_read::ShardPage;

use super::super::*;
use super::{SHARD, WINDOW};
use crate::functions::InvokeError;
use crate::mapping::filter::FilterCriteria;
use crate::mapping::on_failure::OnFailure;

/// A shard, and what its function did.
#[derive(Default)]
pub(super) struct FakeShard {
    pub(super) log: Vec<ShardRecord>,
    /// After how many steps each process is killed.
    pub(super) kills: Mutex<VecDeque<usize>>,
    pub(super) killed: Notify,
    /// The sizes of the pages and of failures, in turn.
    pub(super) pages: Mutex<VecDeque<usize>>,
    pub(super) failures: Mutex<VecDeque<Misbehaviour>>,
    /// Batches with this record always fail.
    pub(super) poison: Option<usize>,
    pub(super) criteria: FilterCriteria,
    /// How many lanes each process has, in turn.
    pub(super) lanes: Mutex<VecDeque<usize>>,
    pub(super) is_windowed: bool,
    pub(super) has_faults: bool,
    pub(super) effects: Mutex<Effects>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Misbehaviour {
    None,
    /// After what the function did.
    Late,
    /// From some record on.
    Partial(usize),
    /// None, with a state that ends the window early. Not with injected faults: a redelivery across an
    /// early end makes rows that overlap.
    LargeState,
}

#[derive(Default)]
pub(super) struct Effects {
    /// The rows: the window's start, and the first and the last record.
    pub(super) rows: BTreeSet<(i64, usize, usize)>,
    /// By this process.
    pub(super) delivered: Vec<usize>,
    /// By all processes before.
    pub(super) all: Vec<usize>,
}

impl FakeShard {
    /// Whether the process is killed at this step.
    fn is_killed(&self) -> bool {
        let mut kills = self.kills.lock().unwrap();
        match kills.front_mut() {
            Some(0) => {
                kills.pop_front();
                self.killed.notify_one();
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    async fn step(&self) {
        if self.is_killed() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn index(&self, number: &str) -> usize {
        let found = self.log.iter().position(|it| it.sequence_number == number);
        found.unwrap()
    }

    /// Folds a batch into its window's state, as the aggregator does: a record that does not follow
    /// the range before starts another one.
    fn fold(&self, event: &Event, indexes: &[usize], padding: usize) -> Value {
        let state = event.state.as_ref().map_or("{}", |state| state.get());
        let state: Value = serde_json::from_str(state).unwrap();
        let ranges = state.get("ranges").cloned().unwrap_or_else(|| json!([]));
        let mut ranges: Vec<(usize, usize)> = serde_json::from_value(ranges).unwrap();
        for index in indexes {
            let is_folded = ranges.iter().any(|(from, to)| (from..=to).contains(&index));
            match ranges.last_mut() {
                _ if is_folded => {}
                Some((_, to)) if *to + 1 == *index => *to = *index,
                _ => ranges.push((*index, *index)),
            }
        }
        let window = event.window.unwrap();
        let mut effects = self.effects.lock().unwrap();
        if !event.is_final_invoke_for_window {
            return json!({"state": {"ranges": ranges, "padding": "x".repeat(padding)}});
        }
        let rows = ranges
            .into_iter()
            .map(|(from, to)| (window.start, from, to));
        effects.rows.extend(rows);
        json!({"state": {}})
    }

    async fn handle(&self, payload: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let failed = || {
            Err(InvokeError::Failed {
                error_type: "Test".to_owned(),
                message: "on purpose".to_owned(),
            })
        };
        self.step().await;
        let event = Event::from_json(&payload).unwrap();
        let indexes = event
            .records()
            .map(|record| self.index(record.sequence_number));
        let mut indexes: Vec<usize> = indexes.collect();
        if self.poison.is_some_and(|poison| indexes.contains(&poison)) {
            return failed();
        }
        let failure = self.failures.lock().unwrap().pop_front();
        let failure = failure.unwrap_or(Misbehaviour::None);
        let mut response = json!({});
        if self.is_windowed {
            let padding = match failure {
                Misbehaviour::LargeState if !self.has_faults => 1_000_001,
                _ => 0,
            };
            response = self.fold(&event, &indexes, padding);
        } else if let Misbehaviour::Partial(count) = failure
            && count < indexes.len()
        {
            let failed = &self.log[indexes[count]].sequence_number;
            response = json!({"batchItemFailures": [{"itemIdentifier": failed}]});
            indexes.truncate(count);
        }
        self.effects.lock().unwrap().delivered.extend(indexes);
        self.step().await;
        match failure {
            Misbehaviour::Late => failed(),
            _ => Ok(response.to_string().into_bytes()),
        }
    }
}

impl Function for FakeShard {
    fn name(&self) -> &str {
        "function"
    }

    fn invoke(&self, payload: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        Box::pin(self.handle(payload))
    }
}

/// Reads the shard's log from a record on. The shard is closed.
pub(super) struct FakeReader {
    world: Arc<FakeShard>,
    next: usize,
}

impl PageReader for FakeReader {
    fn next_page(&mut self) -> BoxFuture<'_, Result<ShardPage, ReadError>> {
        Box::pin(async {
            self.world.step().await;
            let size = self.world.pages.lock().unwrap().pop_front();
            let size = size.unwrap_or(7);
            let records: Vec<ShardRecord> = self
                .world
                .log
                .iter()
                .skip(self.next)
                .take(size)
                .cloned()
                .collect();
            self.next += records.len();
            let ended = self.next == self.world.log.len() && records.is_empty();
            Ok(ShardPage {
                behind: Duration::from_secs(u64::from(!ended)),
                records,
                ended,
            })
        })
    }
}

pub(super) fn checkpoints(folder: &Path) -> Checkpoints {
    let loaded = Checkpoints::load(folder, "function", "stream", "1", DiskTrouble::new());
    let loaded = loaded.unwrap();
    loaded.keep_of(7);
    loaded
}

/// Runs a poller until it is done or killed. Returns whether it is done, and its last watermark.
pub(super) async fn run(
    world: &Arc<FakeShard>,
    folder: &Path,
    faults: &Arc<Faults>,
) -> (bool, i64) {
    let (_flush, flush) = watch::channel(i64::MAX);
    let lanes = world.lanes.lock().unwrap().pop_front().unwrap_or(1);
    let options = MappingOptions {
        batch_size: 5,
        parallelization_factor: lanes,
        report_batch_item_failures: !world.is_windowed,
        bisect_on_error: !world.is_windowed,
        retry_attempts: (!world.is_windowed).then_some(1),
        on_failure: Some(OnFailure::S3(folder.join("on-failure"))),
        filter_criteria: world.criteria.clone(),
        ..MappingOptions::default()
    };
    let (_update, update) = watch::channel(MappingUpdate::from(&options));
    let source = StreamSource {
        client: aws_sdk_kinesis::Client::new(&windrow_connect::local_config("http://localhost:1")),
        stream: "stream".to_owned(),
        start: Start::TrimHorizon,
        clock: Clock::system(),
    };
    let opened = Arc::clone(world);
    let saved = Arc::new(checkpoints(folder));
    let polling = Polling {
        source,
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/stream".to_owned(),
        region: "us-east-1".to_owned(),
        function: Arc::clone(world) as Arc<dyn Function>,
        rules: BatchRules {
            batch_size: options.batch_size,
            batching_window: Duration::ZERO,
            tumbling: world.is_windowed.then(|| Tumbling::new(WINDOW).unwrap()),
        },
        options,
        flush,
        update,
        faults: Arc::clone(faults),
        checkpoints: Some(Arc::clone(&saved)),
        disk: DiskTrouble::new(),
        open: Box::new(move |_, start| {
            let next = match start {
                Start::AfterSequence(number) => opened.index(&number) + 1,
                _ => 0,
            };
            let world = Arc::clone(&opened);
            Box::new(FakeReader { world, next })
        }),
    };
    let (marks, mut received) = mpsc::channel(1_000_000);
    let running = Arc::new(polling).run(
        SHARD.to_owned(),
        Start::TrimHorizon,
        ProgressMark::new(SHARD, marks),
        CancellationToken::new(),
    );
    let is_done = tokio::select! {
        biased;
        () = world.killed.notified() => false,
        () = running => true,
    };
    // What another lane is saving is saved before the process ends, or never.
    saved.close();
    let mut watermark = i64::MIN;
    while let Ok((_, time)) = received.try_recv() {
        watermark = watermark.max(time);
    }
    (is_done, watermark)
}
