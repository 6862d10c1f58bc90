//! What [`deliver`](crate::deliver()) needs to know about a service.

use std::future::Future;

/// A service that accepts items in batches and may fail some of them.
///
/// An implementation measures items as the service does, and makes single calls. It must not wait
/// or retry: [`deliver`](crate::deliver()) does that, and two layers of retries would multiply the
/// waits.
pub trait Destination: Send + Sync {
    /// The type of the items to write.
    type Item: Send + Sync;

    /// The limits of one call.
    fn limits(&self) -> BatchLimits;

    /// The size of `item` in bytes, as the service counts it against [`BatchLimits`].
    fn size(&self, item: &Self::Item) -> usize;

    /// The item's key, or `None` if items have no keys. Items with equal keys are the same row.
    ///
    /// Of several items with equal keys, only the last is sent. DynamoDB fails a whole batch that
    /// contains a key twice, and if both were written, the last would win anyway.
    fn key(&self, _item: &Self::Item) -> Option<Key> {
        None
    }

    /// Checks whether the service can accept `item`, apart from its size.
    ///
    /// # Errors
    /// [`InvalidItem`] if the service would reject the item. Such an item is returned unsent, because
    /// it would fail its whole chunk.
    fn check(&self, _item: &Self::Item) -> Result<(), InvalidItem> {
        Ok(())
    }

    /// Makes one call with `chunk`, which is within [`BatchLimits`] and has no duplicate keys.
    ///
    /// Returns the items that the service failed, in any order. All others were written.
    ///
    /// # Errors
    /// [`SendError`] if the call failed as a whole, or it is unknown what it wrote.
    fn send(
        &self,
        chunk: &[&Self::Item],
    ) -> impl Future<Output = Result<Vec<ItemFailure>, SendError>> + Send;
}

/// Delivers to a borrowed destination.
impl<D: Destination + ?Sized> Destination for &D {
    type Item = D::Item;

    fn limits(&self) -> BatchLimits {
        (**self).limits()
    }

    fn size(&self, item: &Self::Item) -> usize {
        (**self).size(item)
    }

    fn key(&self, item: &Self::Item) -> Option<Key> {
        (**self).key(item)
    }

    fn check(&self, item: &Self::Item) -> Result<(), InvalidItem> {
        (**self).check(item)
    }

    async fn send(&self, chunk: &[&Self::Item]) -> Result<Vec<ItemFailure>, SendError> {
        (**self).send(chunk).await
    }
}

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// The maximum number of items in a call.
    pub items: usize,
    /// The maximum bytes in a call, as counted by [`Destination::size`].
    pub call_bytes: usize,
    /// The maximum bytes in an item, as counted by [`Destination::size`].
    pub item_bytes: usize,
}

/// Identifies a row: a list of components, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Vec<u8>);

/// The initial capacity of a key, enough for a name, a time and a hash.
const KEY_CAPACITY: usize = 96;

impl Key {
    /// A key of `components`, in this order.
    pub fn new<C: AsRef<[u8]>>(components: impl IntoIterator<Item = C>) -> Self {
        let mut bytes = Vec::with_capacity(KEY_CAPACITY);
        for component in components {
            let component = component.as_ref();
            // Prefix the length, so that keys with different component boundaries differ.
            bytes.extend_from_slice(&component.len().to_le_bytes());
            bytes.extend_from_slice(component);
        }
        Self(bytes)
    }
}

/// Why the service would reject an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidItem {
    reason: String,
}

impl InvalidItem {
    /// An item that is invalid for this reason, which the delivery reports as
    /// [`Reason::Rejected`](crate::Reason::Rejected).
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// One item of a chunk that the service did not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFailure {
    /// The item's index in the chunk, from 0.
    pub index: usize,
    /// The reason the service gave.
    pub reason: String,
    /// Whether the service will never accept it. If `false`, it is retried.
    pub permanent: bool,
}

/// Why a call failed as a whole, by how to react. Each variant holds the reason the service gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The service throttled the call. The same call may succeed later.
    #[error("throttled: {0}")]
    Throttled(String),
    /// The service failed, or its response was missing or invalid. The same call may succeed later,
    /// and may already have been carried out.
    #[error("no usable response: {0}")]
    Transient(String),
    /// The service will never accept some item of this chunk. It may accept the others without it.
    #[error("invalid: {0}")]
    Invalid(String),
    /// No call can succeed: access denied, no such stream or table, or expired credentials.
    #[error("{0}")]
    Fatal(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_different_component_boundaries_differ() {
        assert_eq!(Key::new(["ab", "c"]), Key::new(["ab", "c"]));
        assert_ne!(Key::new(["ab", "c"]), Key::new(["a", "bc"]));
        assert_ne!(Key::new(["abc", ""]), Key::new(["abc"]));
    }
}
