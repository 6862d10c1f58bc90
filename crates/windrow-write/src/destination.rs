//! What [`deliver`](crate::deliver()) needs to know of a service.

use std::future::Future;

/// A service that takes items many at a time and may fail some of them.
///
/// An implementation says how the service counts and makes one call. It neither waits nor sends
/// again: that is [`deliver`](crate::deliver())'s work, and doing it twice would multiply the
/// waits.
pub trait Destination: Send + Sync {
    /// One thing to write.
    type Item: Send + Sync;

    /// How much one call takes.
    fn limits(&self) -> BatchLimits;

    /// The size of `item` in bytes, as the service counts it against [`BatchLimits`].
    fn size(&self, item: &Self::Item) -> usize;

    /// What makes two items the same row, or `None` where every item stands for itself.
    ///
    /// Among items with equal keys only the last is sent. DynamoDB fails a whole batch in which a
    /// key comes twice, and writing both would leave the last one anyway.
    fn key(&self, _item: &Self::Item) -> Option<Key> {
        None
    }

    /// Whether the service could ever take `item`, its size apart.
    ///
    /// # Errors
    /// Why it never will. Such an item is handed back unsent, since its whole chunk would be
    /// failed with it.
    fn check(&self, _item: &Self::Item) -> Result<(), String> {
        Ok(())
    }

    /// Makes one call with `chunk`, which keeps to [`BatchLimits`] and holds no key twice.
    ///
    /// Returns what the service failed, in any order; everything else in the chunk was written.
    ///
    /// # Errors
    /// When the call as a whole came to nothing, or there is no telling what it wrote.
    fn send(
        &self,
        chunk: &[&Self::Item],
    ) -> impl Future<Output = Result<Vec<ItemFailure>, SendError>> + Send;
}

/// A destination that is only lent.
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

    fn check(&self, item: &Self::Item) -> Result<(), String> {
        (**self).check(item)
    }

    async fn send(&self, chunk: &[&Self::Item]) -> Result<Vec<ItemFailure>, SendError> {
        (**self).send(chunk).await
    }
}

/// How much one call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// The most items in a call.
    pub items: usize,
    /// The most bytes in a call, by [`Destination::size`].
    pub call_bytes: usize,
    /// The most bytes in an item, by [`Destination::size`].
    pub item_bytes: usize,
}

/// What makes two items the same row: a list of parts, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Vec<u8>);

/// The room for a key before it has to grow: a name, a time and a hash.
const KEY_ROOM: usize = 96;

impl Key {
    /// A key of `parts`, in this order.
    pub fn new<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Self {
        let mut bytes = Vec::with_capacity(KEY_ROOM);
        for part in parts {
            let part = part.as_ref();
            // The length goes first, so that it makes a difference where a part ends.
            bytes.extend_from_slice(&part.len().to_le_bytes());
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }
}

/// One item of a chunk that the service did not take: this time, or ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFailure {
    /// Its place in the chunk, from 0.
    pub index: usize,
    /// What the service said.
    pub reason: String,
    /// Whether it will never be taken. Otherwise it is sent again.
    pub permanent: bool,
}

/// Why a call came to nothing, by what can be done about it. Each holds what the service said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Too much at once: the same call may pass later.
    #[error("throttled: {0}")]
    Throttled(String),
    /// No answer, a broken one, or a fault of the service: the same call may pass later, and may
    /// have been carried out already.
    #[error("no usable answer: {0}")]
    Transient(String),
    /// Something in this chunk will never be taken; without it the rest may be.
    #[error("invalid: {0}")]
    Invalid(String),
    /// No call will pass: access denied, no such stream or table, expired credentials.
    #[error("{0}")]
    Fatal(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_in_where_their_parts_end() {
        assert_eq!(Key::new(["ab", "c"]), Key::new(["ab", "c"]));
        assert_ne!(Key::new(["ab", "c"]), Key::new(["a", "bc"]));
        assert_ne!(Key::new(["abc", ""]), Key::new(["abc"]));
    }
}
