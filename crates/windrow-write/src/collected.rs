//! A destination in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{BatchLimits, Destination, ItemFailure, SendError};

/// A destination that keeps everything, in the order it came, for tests of code that delivers.
#[derive(Debug)]
pub struct Collected<T>(Mutex<Vec<T>>);

impl<T> Default for Collected<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Collected<T> {
    /// What was delivered so far.
    #[must_use]
    pub fn items(&self) -> Vec<T> {
        self.lock().clone()
    }
}

impl<T> Collected<T> {
    /// Takes what was delivered so far and leaves nothing.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.lock())
    }

    /// A push cannot leave the vector half changed, so a panic elsewhere is no reason to lose what
    /// is in it.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + Sync> Destination for Collected<T> {
    type Item = T;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 500,
            call_bytes: usize::MAX,
            item_bytes: usize::MAX,
        }
    }

    fn size(&self, _item: &T) -> usize {
        0
    }

    async fn send(&self, chunk: &[&T]) -> Result<Vec<ItemFailure>, SendError> {
        self.lock().extend(chunk.iter().copied().cloned());
        Ok(Vec::new())
    }
}
