//! The one algorithm: chunk, send, retry what failed, stop before the deadline, hand back the
//! rest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::{
    Backoff, DeliveryReport, Destination, ItemFailure, Policy, Reason, SendError, Undelivered,
};

/// Writes `items` to `destination` and says what became of each.
///
/// The items go out in chunks that keep to the destination's limits. What the service fails is
/// sent again after a wait, until the deadline of `policy`; what it will never take comes back and
/// costs its neighbours nothing, for a chunk that is invalid is halved until the item at fault
/// stands alone.
///
/// It never fails as a whole and always returns at the deadline at the latest: partial failure is a
/// value, the report's `undelivered`. Delivery is at least once. A call without an answer is made
/// again, or cut at the deadline, and may have been carried out.
///
/// Dropping the future stops the delivery, with calls in flight cut in the same way.
pub async fn deliver<D: Destination>(
    destination: &D,
    items: Vec<D::Item>,
    policy: &Policy,
) -> DeliveryReport<D::Item> {
    let mut ledger = Ledger::new(items.len());
    let mut waiting = plan(destination, &items, &mut ledger);
    let mut stopped = None;
    {
        let mut resting = FuturesUnordered::new();
        let mut calling = FuturesUnordered::new();
        loop {
            while stopped.is_none() && resting.len() + calling.len() < policy.concurrency.max(1) {
                let Some(chunk) = waiting.pop_front() else {
                    break;
                };
                if policy.deadline.saturating_duration_since(Instant::now()) <= chunk.pause {
                    ledger.settle_out_of_time(chunk);
                } else if chunk.pause.is_zero() {
                    calling.push(call(destination, &items, chunk, policy.deadline));
                } else {
                    resting.push(rest(chunk));
                }
            }
            let (chunk, answer) = tokio::select! {
                Some(answered) = calling.next() => answered,
                Some(chunk) = resting.next(), if stopped.is_none() => {
                    waiting.push_front(chunk);
                    continue;
                }
                else => break,
            };
            match ledger.settle(chunk, answer, &policy.backoff) {
                AfterSend::Go => {}
                // What is sent again goes first, so that it falls behind as little as can be.
                AfterSend::Again(chunks) => {
                    chunks
                        .into_iter()
                        .rev()
                        .for_each(|chunk| waiting.push_front(chunk));
                }
                // Calls in flight are waited for: what they have written is not to be handed back.
                AfterSend::Stop(reason) => {
                    stopped.get_or_insert(reason);
                }
            }
        }
    }
    ledger.report(items, stopped)
}

/// Some items on their way together.
struct Chunk {
    /// Their places among all items.
    members: Vec<usize>,
    /// How often they failed or were not answered.
    setbacks: u32,
    /// Whether they were in a call before.
    retried: bool,
    /// The wait before the next call.
    pause: Duration,
    /// What the service last said of them.
    last: Option<String>,
}

impl Chunk {
    fn new(members: Vec<usize>) -> Self {
        Self {
            members,
            setbacks: 0,
            retried: false,
            pause: Duration::ZERO,
            last: None,
        }
    }
}

/// What the destination said of a chunk, or `None` if the deadline came before it did.
type SendAnswer = Option<Result<Vec<ItemFailure>, SendError>>;

/// What to do after an answer.
enum AfterSend {
    Go,
    Again(Vec<Chunk>),
    Stop(String),
}

/// Where an item stands.
#[derive(Clone)]
enum ItemStatus {
    Pending,
    Delivered,
    Merged,
    Undelivered(Reason),
}

/// Checks, merges and cuts the items: those that can be sent come back in chunks, in order.
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
        if let Err(reason) = destination.check(item) {
            ledger.statuses[index] = ItemStatus::Undelivered(Reason::Rejected(reason));
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

/// Waits out the chunk's pause.
async fn rest(mut chunk: Chunk) -> Chunk {
    tokio::time::sleep(chunk.pause).await;
    chunk.pause = Duration::ZERO;
    chunk
}

/// Sends the chunk once and waits for the answer until the deadline.
async fn call<D: Destination>(
    destination: &D,
    items: &[D::Item],
    chunk: Chunk,
    deadline: Instant,
) -> (Chunk, SendAnswer) {
    let members: Vec<&D::Item> = chunk.members.iter().map(|index| &items[*index]).collect();
    let answer = tokio::time::timeout_at(deadline, destination.send(&members))
        .await
        .ok();
    (chunk, answer)
}

/// Where every item stands, and what it took.
///
/// An item is pending until an answer settles it, so whatever happens in between, none can be lost.
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

    /// Enters what came of a call with `chunk` and says what to do next.
    fn settle(&mut self, chunk: Chunk, answer: SendAnswer, backoff: &Backoff) -> AfterSend {
        self.calls += 1;
        if chunk.retried {
            self.retries += chunk.members.len() as u64;
        }
        match answer {
            None => {
                self.settle_out_of_time(chunk);
                AfterSend::Go
            }
            Some(Ok(failures)) => self.settle_failures(chunk, &failures, backoff),
            Some(Err(SendError::Throttled(reason) | SendError::Transient(reason))) => {
                AfterSend::Again(vec![again(chunk, reason, backoff)])
            }
            Some(Err(SendError::Invalid(reason))) => self.settle_invalid(chunk, reason),
            Some(Err(SendError::Fatal(reason))) => AfterSend::Stop(reason),
        }
    }

    fn settle_out_of_time(&mut self, chunk: Chunk) {
        let reason = Reason::OutOfTime { last: chunk.last };
        self.set_all(&chunk.members, &ItemStatus::Undelivered(reason));
    }

    /// Enters an answer that took the chunk except for `failures`.
    fn settle_failures(
        &mut self,
        mut chunk: Chunk,
        failures: &[ItemFailure],
        backoff: &Backoff,
    ) -> AfterSend {
        let sent = chunk.members.len();
        if let Some(failure) = failures.iter().find(|failure| failure.index >= sent) {
            // A failure of something that was not sent: the answer says nothing of the rest either.
            return AfterSend::Again(vec![again(chunk, failure.reason.clone(), backoff)]);
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
            return AfterSend::Go;
        };
        chunk.members = left;
        AfterSend::Again(vec![again(chunk, reason.clone(), backoff)])
    }

    /// Halves a chunk that holds something the service will never take, or gives that one item up.
    fn settle_invalid(&mut self, mut chunk: Chunk, reason: String) -> AfterSend {
        if chunk.members.len() <= 1 {
            self.set_all(
                &chunk.members,
                &ItemStatus::Undelivered(Reason::Rejected(reason)),
            );
            return AfterSend::Go;
        }
        let rear = chunk.members.split_off(chunk.members.len() / 2);
        let half = |members| Chunk {
            members,
            setbacks: chunk.setbacks,
            retried: true,
            pause: Duration::ZERO,
            last: Some(reason.clone()),
        };
        AfterSend::Again(vec![half(chunk.members), half(rear)])
    }

    fn set_all(&mut self, members: &[usize], status: &ItemStatus) {
        for index in members {
            self.statuses[*index] = status.clone();
        }
    }

    /// Hands back what is not delivered. Whatever is still pending was under way when the delivery
    /// stopped.
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

/// The chunk as it is sent once more, after a wait.
fn again(chunk: Chunk, reason: String, backoff: &Backoff) -> Chunk {
    let pause = backoff.draw(chunk.setbacks);
    let setbacks = chunk.setbacks.saturating_add(1);
    tracing::debug!(
        items = chunk.members.len(),
        setbacks,
        ?pause,
        reason,
        "sending again"
    );
    Chunk {
        members: chunk.members,
        setbacks,
        retried: true,
        pause,
        last: Some(reason),
    }
}
