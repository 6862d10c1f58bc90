//! Shard iterators and the tokens of pages: opaque to clients, and only valid where they were made.

use std::time::Duration;

use base64_simd::STANDARD;
use bytes::{Buf as _, BufMut as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::{ErrorCode, KinesisError};
use crate::log::read::LogCursor;
use crate::store::Store;

/// "Tokens expire after 300 seconds." Source: Kinesis API reference, `ListShards`.
const PAGE_LIFETIME: Duration = Duration::from_secs(300);

const VERSION: u8 = 1;
const ITERATOR_BYTES: usize = 1 + 4 + 4 * 8 + ISSUED_BYTES;
const ISSUED_BYTES: usize = 3 * 8;

/// A shard iterator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IteratorToken {
    /// The stream's number.
    pub(crate) stream: u64,
    /// The shard's number.
    pub(crate) shard: u32,
    pub(crate) cursor: LogCursor,
    pub(crate) issued: IssuedAt,
}

/// When a token was issued, by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IssuedAt {
    /// The process that issued it. Its monotonic clock means nothing to any other.
    process: u64,
    /// Milliseconds since that process opened the folder, by a clock that does not step.
    elapsed: u64,
    /// Milliseconds since the epoch.
    wall: i64,
}

impl Store {
    pub(crate) fn issued_now(&self) -> IssuedAt {
        let elapsed = Instant::now().saturating_duration_since(self.opened);
        IssuedAt {
            process: self.process,
            elapsed: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            wall: self.now(),
        }
    }

    /// Whether a token is older than its lifetime.
    ///
    /// The wall clock counts only if another process issued the token, and then not if it was set
    /// back in between.
    fn is_expired(&self, issued: &IssuedAt, lifetime: Duration) -> bool {
        let now = self.issued_now();
        let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let age = if issued.process == now.process {
            now.elapsed.saturating_sub(issued.elapsed)
        } else {
            u64::try_from(now.wall.saturating_sub(issued.wall)).unwrap_or(0)
        };
        age > lifetime
    }

    pub(crate) fn iterator(&self, stream: u64, shard: u32, cursor: LogCursor) -> String {
        let issued = self.issued_now();
        let mut bytes = Vec::with_capacity(ITERATOR_BYTES + 4);
        bytes.put_u8(VERSION);
        bytes.put_u32_le(shard);
        for number in [stream, cursor.place, cursor.segment, cursor.offset] {
            bytes.put_u64_le(number);
        }
        bytes.put_u64_le(issued.process);
        bytes.put_u64_le(issued.elapsed);
        bytes.put_i64_le(issued.wall);
        self.sign(&mut bytes);
        STANDARD.encode_to_string(bytes)
    }

    /// Parses a shard iterator.
    ///
    /// # Errors
    ///
    /// InvalidArgumentException if it is none of this folder's, and ExpiredIteratorException.
    pub(crate) fn parse_iterator(&self, text: &str) -> Result<IteratorToken, KinesisError> {
        let invalid = || KinesisError::invalid_argument("Invalid ShardIterator.");
        let bytes = STANDARD.decode_to_vec(text).map_err(|_| invalid())?;
        let mut fields = self.verify(&bytes).ok_or_else(invalid)?;
        if fields.len() != ITERATOR_BYTES || fields.get_u8() != VERSION {
            return Err(invalid());
        }
        let shard = fields.get_u32_le();
        let token = IteratorToken {
            shard,
            stream: fields.get_u64_le(),
            cursor: LogCursor {
                place: fields.get_u64_le(),
                segment: fields.get_u64_le(),
                offset: fields.get_u64_le(),
            },
            issued: IssuedAt {
                process: fields.get_u64_le(),
                elapsed: fields.get_u64_le(),
                wall: fields.get_i64_le(),
            },
        };
        if self.is_expired(&token.issued, self.options.iterator_lifetime) {
            return Err(KinesisError::new(
                ErrorCode::ExpiredIteratorException,
                format!(
                    "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of {} milliseconds.",
                    token.issued.wall,
                    self.now(),
                    self.options.iterator_lifetime.as_millis()
                ),
            ));
        }
        Ok(token)
    }

    /// The token of the next page of a list.
    pub(crate) fn page_token(&self, page: &impl Serialize) -> String {
        let mut bytes = serde_json::to_vec(&(self.issued_now(), page)).unwrap_or_default();
        self.sign(&mut bytes);
        STANDARD.encode_to_string(bytes)
    }

    /// Parses the token of a page.
    ///
    /// # Errors
    ///
    /// InvalidArgumentException if it is none of this folder's and this operation's, and
    /// ExpiredNextTokenException.
    pub(crate) fn parse_page<T: DeserializeOwned>(&self, text: &str) -> Result<T, KinesisError> {
        let invalid = || KinesisError::invalid_argument("NextToken is invalid.");
        let bytes = STANDARD.decode_to_vec(text).map_err(|_| invalid())?;
        let json = self.verify(&bytes).ok_or_else(invalid)?;
        let (issued, page): (IssuedAt, T) = serde_json::from_slice(json).map_err(|_| invalid())?;
        if self.is_expired(&issued, PAGE_LIFETIME) {
            return Err(KinesisError::new(
                ErrorCode::ExpiredNextTokenException,
                "NextToken has expired: it is older than 300 seconds.",
            ));
        }
        Ok(page)
    }

    fn sign(&self, bytes: &mut Vec<u8>) {
        let checksum = self.checksum(bytes);
        bytes.put_u32_le(checksum);
    }

    fn verify<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (content, mut checksum) = bytes.split_at(bytes.len().checked_sub(4)?);
        (checksum.get_u32_le() == self.checksum(content)).then_some(content)
    }

    /// Finds accidents and made-up tokens. It protects nothing: whoever can read a token's stream can
    /// read all of it anyway.
    fn checksum(&self, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.secret.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::options::KinesisOptions;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// An iterator comes back as it was, and no other text is one.
        #[test]
        fn iterators_come_back(
            stream in any::<u64>(),
            shard in any::<u32>(),
            place in any::<u64>(),
            segment in any::<u64>(),
            offset in any::<u64>(),
            changed in any::<prop::sample::Index>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = Store::open(KinesisOptions::new(folder.path())).unwrap();
            let cursor = LogCursor { place, segment, offset };
            let text = store.iterator(stream, shard, cursor);
            prop_assert!(text.len() <= 512);
            let token = store.parse_iterator(&text).unwrap();
            prop_assert_eq!((token.stream, token.shard, token.cursor), (stream, shard, cursor));

            let mut other = text.clone().into_bytes();
            let at = changed.index(other.len());
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            prop_assert!(store.parse_iterator(&other).is_err());
            prop_assert!(store.parse_iterator(&text[..at]).is_err());
            prop_assert!(store.parse_page::<String>(&text).is_err());

            let elsewhere = tempfile::tempdir().unwrap();
            let (elsewhere, _) = Store::open(KinesisOptions::new(elsewhere.path())).unwrap();
            prop_assert!(elsewhere.parse_iterator(&text).is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_of_another_process_expire_by_the_wall_clock() {
        let folder = tempfile::tempdir().unwrap();
        let open = |now: i64| {
            let mut options = KinesisOptions::new(folder.path());
            options.clock = std::sync::Arc::new(move || now);
            Store::open(options).unwrap().0
        };
        let store = open(1_000_000);
        let iterator = store.iterator(1, 0, LogCursor::at(1));
        let page = store.page_token(&"after");
        tokio::time::advance(Duration::from_secs(300)).await;
        store.parse_iterator(&iterator).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        let error = store.parse_iterator(&iterator).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ExpiredIteratorException);
        let error = store.parse_page::<String>(&page).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ExpiredNextTokenException);
        drop(store);

        // In the next process: five minutes later, more than that, and after the clock was set back.
        for (now, valid) in [(1_300_000, true), (1_300_001, false), (0, true)] {
            let store = open(now);
            assert_eq!(store.parse_iterator(&iterator).is_ok(), valid, "{now}");
            assert_eq!(store.parse_page::<String>(&page).is_ok(), valid, "{now}");
        }
    }
}
