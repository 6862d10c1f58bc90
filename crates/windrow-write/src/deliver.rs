//! The delivery algorithm: chunk, send, retry what failed, stop at the deadline, return the rest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::{
    Backoff, DeliveryReport, Destination, ItemFailure, Policy, Reason, SendError, Undelivered,
};

/// Writes `items` to `destination` and reports the outcome of each.
///
/// Items are sent in chunks within the destination's limits. Items that fail are retried after a
/// wait, until the deadline of `policy`. Items that the service will never accept are returned
/// without affecting others: a chunk that is invalid is halved until the invalid item is alone.
///
/// This function never fails as a whole, and returns by the deadline. Items that were not written
/// are in the report's `undelivered`. Delivery is at least once: a call without a response is
/// retried, or canceled at the deadline, and may still have been carried out.
///
/// Dropping the future stops the delivery and cancels the calls in flight.
pub async fn deliver<D: Destination>(
    destination: &D,
    items: Vec<D::Item>,
    policy: &Policy,
) -> DeliveryReport<D::Item> {
    let mut ledger = Ledger::new(items.len());
    let mut waiting = plan(destination, &items, &mut ledger);
    let mut stopped = None;
    {
        let mut pausing = FuturesUnordered::new();
        let mut calling = FuturesUnordered::new();
        loop {
            while stopped.is_none() && pausing.len() + calling.len() < policy.concurrency.max(1) {
                let Some(chunk) = waiting.pop_front() else {
                    break;
                };
                if policy.deadline.saturating_duration_since(Instant::now()) <= chunk.pause {
                    ledger.settle_out_of_time(chunk);
                } else if chunk.pause.is_zero() {
                    calling.push(call(destination, &items, chunk, policy.deadline));
                } else {
                    pausing.push(pause(chunk));
                }
            }
            let (chunk, result) = tokio::select! {
                Some(called) = calling.next() => called,
                Some(chunk) = pausing.next(), if stopped.is_none() => {
                    waiting.push_front(chunk);
                    continue;
                }
                else => break,
            };
            match ledger.settle(chunk, result, &policy.backoff) {
                AfterSend::Continue => {}
                // Retries go first, so that they fall behind as little as possible.
                AfterSend::Retry(chunks) => {
                    chunks
                        .into_iter()
                        .rev()
                        .for_each(|chunk| waiting.push_front(chunk));
                }
                // Calls in flight may finish, so that what they write is not reported as
                // undelivered.
                AfterSend::Stop(reason) => {
                    stopped.get_or_insert(reason);
                }
            }
        }
    }
    ledger.report(items, stopped)
}

/// Items that are sent together.
struct Chunk {
    /// Their indices in the list of all items.
    members: Vec<usize>,
    /// How many of their calls failed or got no response.
    failed_calls: u32,
    /// Whether they were already in a call.
    retried: bool,
    /// The wait before the next call.
    pause: Duration,
    /// The last reason the service gave for a failure.
    last_reason: Option<String>,
}

impl Chunk {
    fn new(members: Vec<usize>) -> Self {
        Self {
            members,
            failed_calls: 0,
            retried: false,
            pause: Duration::ZERO,
            last_reason: None,
        }
    }
}

/// The result of sending a chunk, or `None` if the deadline passed first.
type SendResult = Option<Result<Vec<ItemFailure>, SendError>>;

/// What to do after a call.
enum AfterSend {
    Continue,
    Retry(Vec<Chunk>),
    Stop(String),
}

/// The delivery status of an item.
#[derive(Clone)]
enum ItemStatus {
    Pending,
    Delivered,
    Merged,
    Undelivered(Reason),
}

/// Checks and merges the items, and returns those that can be sent in chunks, in order.
fn plan<D: Destination>(
    destination: &D,
    items: &[D::Item],
    ledger: &mut Ledger,
) -> VecDeque<Chunk> {
    let limits = destination.limits();
    let item_bytes = limits.item_bytes.min(limits.call_bytes);
    let mut last_with_key = HashMap::new();
    let mut sizes = vec![0; items.len()];
    for (index, item) in items.iter().enumerate() {
        let size = destination.size(item);
        sizes[index] = size;
        if size > item_bytes {
            let reason = format!("the item has {size} bytes, and the limit is {item_bytes}");
            ledger.statuses[index] = ItemStatus::Undelivered(Reason::Rejected(reason));
            continue;
        }
        if let Err(invalid) = destination.check(item) {
            let reason = Reason::Rejected(invalid.to_string());
            ledger.statuses[index] = ItemStatus::Undelivered(reason);
            continue;
        }
        let earlier = destination
            .key(item)
            .and_then(|key| last_with_key.insert(key, index));
        if let Some(earlier) = earlier {
            ledger.statuses[earlier] = ItemStatus::Merged;
        }
    }

    let mut chunks = VecDeque::new();
    let mut members = Vec::new();
    let mut bytes: usize = 0;
    for (index, size) in sizes.into_iter().enumerate() {
        if !matches!(ledger.statuses[index], ItemStatus::Pending) {
            continue;
        }
        let full = members.len() >= limits.items || bytes.saturating_add(size) > limits.call_bytes;
        if full && !members.is_empty() {
            chunks.push_back(Chunk::new(std::mem::take(&mut members)));
            bytes = 0;
        }
        members.push(index);
        bytes = bytes.saturating_add(size);
    }
    if !members.is_empty() {
        chunks.push_back(Chunk::new(members));
    }
    chunks
}

/// Waits for the chunk's pause.
async fn pause(mut chunk: Chunk) -> Chunk {
    tokio::time::sleep(chunk.pause).await;
    chunk.pause = Duration::ZERO;
    chunk
}

/// Sends the chunk once and waits for the result until the deadline.
async fn call<D: Destination>(
    destination: &D,
    items: &[D::Item],
    chunk: Chunk,
    deadline: Instant,
) -> (Chunk, SendResult) {
    let members: Vec<&D::Item> = chunk.members.iter().map(|index| &items[*index]).collect();
    let result = tokio::time::timeout_at(deadline, destination.send(&members))
        .await
        .ok();
    (chunk, result)
}

/// The status of every item, and counts of calls and retries.
///
/// An item stays pending until a call settles it, so no item can be lost.
struct Ledger {
    statuses: Vec<ItemStatus>,
    calls: u64,
    retries: u64,
}

impl Ledger {
    fn new(items: usize) -> Self {
        Self {
            statuses: vec![ItemStatus::Pending; items],
            calls: 0,
            retries: 0,
        }
    }

    /// Records the result of a call with `chunk` and returns what to do next.
    fn settle(&mut self, chunk: Chunk, result: SendResult, backoff: &Backoff) -> AfterSend {
        self.calls += 1;
        if chunk.retried {
            self.retries += chunk.members.len() as u64;
        }
        match result {
            None => {
                self.settle_out_of_time(chunk);
                AfterSend::Continue
            }
            Some(Ok(failures)) => self.settle_failures(chunk, &failures, backoff),
            Some(Err(SendError::Throttled(reason) | SendError::Transient(reason))) => {
                AfterSend::Retry(vec![retry(chunk, reason, backoff)])
            }
            Some(Err(SendError::Invalid(reason))) => self.settle_invalid(chunk, reason),
            Some(Err(SendError::Fatal(reason))) => AfterSend::Stop(reason),
        }
    }

    fn settle_out_of_time(&mut self, chunk: Chunk) {
        let reason = Reason::OutOfTime {
            last: chunk.last_reason,
        };
        self.set_all(&chunk.members, &ItemStatus::Undelivered(reason));
    }

    /// Records a response that accepted the chunk except for `failures`.
    fn settle_failures(
        &mut self,
        mut chunk: Chunk,
        failures: &[ItemFailure],
        backoff: &Backoff,
    ) -> AfterSend {
        let sent = chunk.members.len();
        if let Some(failure) = failures.iter().find(|failure| failure.index >= sent) {
            // The response names an item that was not sent, so it cannot be trusted about the
            // others.
            return AfterSend::Retry(vec![retry(chunk, failure.reason.clone(), backoff)]);
        }
        let mut failed = vec![None; sent];
        for failure in failures {
            failed[failure.index] = Some(failure);
        }
        let mut left = Vec::with_capacity(failures.len());
        let mut last = None;
        for (index, failure) in chunk.members.iter().zip(failed) {
            match failure {
                None => self.statuses[*index] = ItemStatus::Delivered,
                Some(failure) if failure.permanent => {
                    let reason = Reason::Rejected(failure.reason.clone());
                    self.statuses[*index] = ItemStatus::Undelivered(reason);
                }
                Some(failure) => {
                    left.push(*index);
                    last.get_or_insert(&failure.reason);
                }
            }
        }
        let Some(reason) = last else {
            return AfterSend::Continue;
        };
        chunk.members = left;
        AfterSend::Retry(vec![retry(chunk, reason.clone(), backoff)])
    }

    /// Halves a chunk that contains an item the service will never accept. A chunk of one item is
    /// that item, and is rejected.
    fn settle_invalid(&mut self, mut chunk: Chunk, reason: String) -> AfterSend {
        if chunk.members.len() <= 1 {
            self.set_all(
                &chunk.members,
                &ItemStatus::Undelivered(Reason::Rejected(reason)),
            );
            return AfterSend::Continue;
        }
        let rear = chunk.members.split_off(chunk.members.len() / 2);
        let half = |members| Chunk {
            members,
            failed_calls: chunk.failed_calls,
            retried: true,
            pause: Duration::ZERO,
            last_reason: Some(reason.clone()),
        };
        AfterSend::Retry(vec![half(chunk.members), half(rear)])
    }

    fn set_all(&mut self, members: &[usize], status: &ItemStatus) {
        for index in members {
            self.statuses[*index] = status.clone();
        }
    }

    /// Makes the report. Items that are still pending were in progress when the delivery stopped.
    fn report<T>(self, items: Vec<T>, stopped: Option<String>) -> DeliveryReport<T> {
        let mut report = DeliveryReport {
            delivered: 0,
            merged: 0,
            undelivered: Vec::new(),
            calls: self.calls,
            retries: self.retries,
        };
        for (index, (item, status)) in items.into_iter().zip(self.statuses).enumerate() {
            let reason = match status {
                ItemStatus::Delivered => {
                    report.delivered += 1;
                    continue;
                }
                ItemStatus::Merged => {
                    report.merged += 1;
                    continue;
                }
                ItemStatus::Undelivered(reason) => reason,
                ItemStatus::Pending => match &stopped {
                    Some(reason) => Reason::Stopped(reason.clone()),
                    None => Reason::OutOfTime { last: None },
                },
            };
            report.undelivered.push(Undelivered {
                index,
                item,
                reason,
            });
        }
        report
    }
}

/// Prepares the chunk to be retried after a wait.
fn retry(chunk: Chunk, reason: String, backoff: &Backoff) -> Chunk {
    let pause = backoff.wait(chunk.failed_calls);
    let failed_calls = chunk.failed_calls.saturating_add(1);
    tracing::debug!(
        items = chunk.members.len(),
        failed_calls,
        ?pause,
        reason,
        "retrying"
    );
    Chunk {
        members: chunk.members,
        failed_calls,
        retried: true,
        pause,
        last_reason: Some(reason),
    }
}
