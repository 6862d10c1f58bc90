//! A destination that follows a script.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use windrow_write::{BatchLimits, Destination, InvalidItem, ItemFailure, Key, SendError};

/// The scripted response to one call.
#[derive(Debug, Clone)]
pub(crate) enum FlakyResponse {
    /// Takes all items, after a delay.
    TakeIn(Duration),
    /// Takes all items except those at these indices of the chunk.
    Fail(Vec<usize>),
    /// Fails the first item of the chunk, permanently rejects the second, and takes the rest.
    RejectSecond,
    Throttled,
    Transient,
    /// Takes all items, but reports a transient error.
    TransientButWritten,
    /// Stops the delivery, after a delay.
    FatalIn(Duration),
    /// Never responds.
    Hang,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlakyItem {
    pub(crate) id: u32,
    pub(crate) size: usize,
    pub(crate) key: Option<u8>,
    /// An item without a name fails the check.
    pub(crate) name: Option<String>,
    /// A chunk that contains a poisoned item is invalid.
    pub(crate) poison: bool,
}

/// `count` valid items of one byte, with IDs from 0.
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

/// Takes at most 10 items and 1,000 bytes per call, and 500 bytes per item.
pub(crate) struct Flaky {
    script: Mutex<VecDeque<FlakyResponse>>,
    afterwards: FlakyResponse,
    calls: Mutex<Vec<Vec<u32>>>,
    last_call: Mutex<Option<Instant>>,
    written: Mutex<Vec<u32>>,
}

impl Flaky {
    /// Follows `script`, and then takes everything.
    pub(crate) fn new(script: impl IntoIterator<Item = FlakyResponse>) -> Self {
        let script = Mutex::new(script.into_iter().collect());
        Self {
            script,
            afterwards: FlakyResponse::TakeIn(Duration::ZERO),
            calls: Mutex::default(),
            last_call: Mutex::default(),
            written: Mutex::default(),
        }
    }

    pub(crate) fn always(response: FlakyResponse) -> Self {
        Self {
            afterwards: response,
            ..Self::new([])
        }
    }

    /// The item IDs of each call, in the order of the calls.
    pub(crate) fn calls(&self) -> Vec<Vec<u32>> {
        self.calls.lock().unwrap().clone()
    }

    /// When the last call was made.
    pub(crate) fn last_call(&self) -> Option<Instant> {
        *self.last_call.lock().unwrap()
    }

    /// The IDs of the items taken, in order.
    pub(crate) fn written(&self) -> Vec<u32> {
        self.written.lock().unwrap().clone()
    }

    fn write(&self, chunk: &[&FlakyItem], failed: &[usize]) {
        let mut written = self.written.lock().unwrap();
        for (index, item) in chunk.iter().enumerate() {
            if !failed.contains(&index) {
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

    fn check(&self, item: &FlakyItem) -> Result<(), InvalidItem> {
        if item.name.is_none() {
            return Err(InvalidItem::new("the name is missing"));
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
        let response = self
            .script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| self.afterwards.clone());
        match response {
            FlakyResponse::TakeIn(time) => {
                tokio::time::sleep(time).await;
                self.write(chunk, &[]);
                Ok(Vec::new())
            }
            FlakyResponse::Fail(indices) => {
                // An index beyond the chunk makes the response invalid, and nothing is taken.
                if indices.iter().any(|index| *index >= chunk.len()) {
                    let failures = indices.into_iter().map(|index| ItemFailure {
                        index,
                        reason: "busy".to_owned(),
                        permanent: false,
                    });
                    return Ok(failures.collect());
                }
                self.write(chunk, &indices);
                Ok(indices
                    .into_iter()
                    .map(|index| ItemFailure {
                        index,
                        reason: "busy".to_owned(),
                        permanent: false,
                    })
                    .collect())
            }
            FlakyResponse::RejectSecond => {
                self.write(chunk, &[0, 1]);
                let failure = |index, reason: &str| ItemFailure {
                    index,
                    reason: reason.to_owned(),
                    permanent: index == 1,
                };
                Ok(vec![failure(1, "not this one"), failure(0, "busy")])
            }
            FlakyResponse::Throttled => Err(SendError::Throttled("slow down".to_owned())),
            FlakyResponse::Transient => Err(SendError::Transient("connection reset".to_owned())),
            FlakyResponse::TransientButWritten => {
                self.write(chunk, &[]);
                Err(SendError::Transient("connection reset".to_owned()))
            }
            FlakyResponse::FatalIn(time) => {
                tokio::time::sleep(time).await;
                Err(SendError::Fatal("no such table".to_owned()))
            }
            FlakyResponse::Hang => std::future::pending().await,
        }
    }
}
