//! An in-memory destination.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{BatchLimits, Destination, ItemFailure, SendError};

/// A destination that keeps every item in memory, in order of arrival, for tests.
#[derive(Debug)]
pub struct Collected<T>(Mutex<Vec<T>>);

impl<T> Default for Collected<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Collected<T> {
    /// The items delivered so far.
    #[must_use]
    pub fn items(&self) -> Vec<T> {
        self.lock().clone()
    }
}

impl<T> Collected<T> {
    /// Removes and returns the items delivered so far.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.lock())
    }

    /// A push cannot leave the vector in an invalid state, so a poisoned lock is safe to use.
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
