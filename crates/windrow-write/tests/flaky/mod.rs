//! A destination that answers by a script.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use windrow_write::{BatchLimits, Destination, ItemFailure, Key, SendError};

/// What the destination does with one call.
#[derive(Debug, Clone)]
pub(crate) enum FlakyAnswer {
    /// Takes all, after a while.
    TakeIn(Duration),
    /// Takes all but these places of the chunk.
    Reject(Vec<usize>),
    /// Takes all but the first place of the chunk, which it fails, and the second, which it
    /// rejects for good.
    RejectSecond,
    Throttled,
    Transient,
    /// Takes all and says that it failed.
    TransientButWritten,
    /// Stops the delivery, after a while.
    FatalIn(Duration),
    /// Never answers.
    Hang,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlakyItem {
    pub(crate) id: u32,
    pub(crate) size: usize,
    pub(crate) key: Option<u8>,
    /// An item without a name fails the check.
    pub(crate) name: Option<String>,
    /// A chunk with a poisoned item is invalid.
    pub(crate) poison: bool,
}

/// `count` items of one byte that nothing is wrong with, with ids from 0.
pub(crate) fn items(count: u32) -> Vec<FlakyItem> {
    (0..count)
        .map(|id| FlakyItem {
            id,
            size: 1,
            key: None,
            name: Some(id.to_string()),
            poison: false,
        })
        .collect()
}

/// Takes 10 items or 1,000 bytes a call and 500 bytes an item.
pub(crate) struct Flaky {
    script: Mutex<VecDeque<FlakyAnswer>>,
    afterwards: FlakyAnswer,
    calls: Mutex<Vec<Vec<u32>>>,
    last_call: Mutex<Option<Instant>>,
    written: Mutex<Vec<u32>>,
}

impl Flaky {
    /// Answers by `script`, and takes everything once that has run out.
    pub(crate) fn new(script: impl IntoIterator<Item = FlakyAnswer>) -> Self {
        let script = Mutex::new(script.into_iter().collect());
        Self {
            script,
            afterwards: FlakyAnswer::TakeIn(Duration::ZERO),
            calls: Mutex::default(),
            last_call: Mutex::default(),
            written: Mutex::default(),
        }
    }

    pub(crate) fn always(answer: FlakyAnswer) -> Self {
        Self {
            afterwards: answer,
            ..Self::new([])
        }
    }

    /// The ids of each call, in the order they were made.
    pub(crate) fn calls(&self) -> Vec<Vec<u32>> {
        self.calls.lock().unwrap().clone()
    }

    /// When the last call was made.
    pub(crate) fn last_call(&self) -> Option<Instant> {
        *self.last_call.lock().unwrap()
    }

    /// The ids of what was taken, in that order.
    pub(crate) fn written(&self) -> Vec<u32> {
        self.written.lock().unwrap().clone()
    }

    fn write(&self, chunk: &[&FlakyItem], failed: &[usize]) {
        let mut written = self.written.lock().unwrap();
        for (place, item) in chunk.iter().enumerate() {
            if !failed.contains(&place) {
                written.push(item.id);
            }
        }
    }
}

impl Destination for Flaky {
    type Item = FlakyItem;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 10,
            call_bytes: 1000,
            item_bytes: 500,
        }
    }

    fn size(&self, item: &FlakyItem) -> usize {
        item.size
    }

    fn key(&self, item: &FlakyItem) -> Option<Key> {
        item.key.map(|key| Key::new([[key]]))
    }

    fn check(&self, item: &FlakyItem) -> Result<(), String> {
        if item.name.is_none() {
            return Err("the name is missing".to_owned());
        }
        Ok(())
    }

    async fn send(&self, chunk: &[&FlakyItem]) -> Result<Vec<ItemFailure>, SendError> {
        assert!(!chunk.is_empty() && chunk.len() <= 10);
        *self.last_call.lock().unwrap() = Some(Instant::now());
        assert!(chunk.iter().map(|item| item.size).sum::<usize>() <= 1000);
        self.calls
            .lock()
            .unwrap()
            .push(chunk.iter().map(|item| item.id).collect());

        if chunk.iter().any(|item| item.poison) {
            return Err(SendError::Invalid("poison".to_owned()));
        }
        let answer = self
            .script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| self.afterwards.clone());
        match answer {
            FlakyAnswer::TakeIn(time) => {
                tokio::time::sleep(time).await;
                self.write(chunk, &[]);
                Ok(Vec::new())
            }
            FlakyAnswer::Reject(places) => {
                // A place beyond the chunk makes the answer a lie, so then nothing was taken.
                if places.iter().any(|place| *place >= chunk.len()) {
                    let failures = places.into_iter().map(|index| ItemFailure {
                        index,
                        reason: "busy".to_owned(),
                        permanent: false,
                    });
                    return Ok(failures.collect());
                }
                self.write(chunk, &places);
                Ok(places
                    .into_iter()
                    .map(|index| ItemFailure {
                        index,
                        reason: "busy".to_owned(),
                        permanent: false,
                    })
                    .collect())
            }
            FlakyAnswer::RejectSecond => {
                self.write(chunk, &[0, 1]);
                let failure = |index, reason: &str| ItemFailure {
                    index,
                    reason: reason.to_owned(),
                    permanent: index == 1,
                };
                Ok(vec![failure(1, "not this one"), failure(0, "busy")])
            }
            FlakyAnswer::Throttled => Err(SendError::Throttled("slow down".to_owned())),
            FlakyAnswer::Transient => Err(SendError::Transient("connection reset".to_owned())),
            FlakyAnswer::TransientButWritten => {
                self.write(chunk, &[]);
                Err(SendError::Transient("connection reset".to_owned()))
            }
            FlakyAnswer::FatalIn(time) => {
                tokio::time::sleep(time).await;
                Err(SendError::Fatal("no such table".to_owned()))
            }
            FlakyAnswer::Hang => std::future::pending().await,
        }
    }
}
