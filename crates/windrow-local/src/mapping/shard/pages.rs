//! What a poller reads.

use futures_util::future::BoxFuture;
use windrow_read::{ReadError, ShardPage, ShardReader, ShardRecord};

use crate::clock::Clock;

/// Reads a shard, a page at a time.
pub(in crate::mapping) trait PageReader: Send + Sync {
    /// The next page.
    fn next_page(&mut self) -> BoxFuture<'_, Result<ShardPage, ReadError>>;
}

impl PageReader for ShardReader {
    fn next_page(&mut self) -> BoxFuture<'_, Result<ShardPage, ReadError>> {
        Box::pin(self.next_page())
    }
}

/// A page, or the part of it that a lane gets.
#[derive(Debug, Default)]
pub(super) struct PageRead {
    pub(super) records: Vec<ShardRecord>,
    /// The sequence number of the page's last record, even if it is not among these.
    pub(super) last: Option<String>,
    /// When it was asked for, in milliseconds since the epoch.
    pub(super) asked_at: i64,
    /// Whether nothing more could be read then.
    pub(super) is_tip: bool,
    /// Whether the shard is closed and read to its end.
    pub(super) ended: bool,
}

impl PageRead {
    /// Appends the page after this one.
    pub(super) fn append(&mut self, next: Self) {
        self.records.extend(next.records);
        self.last = next.last.or(self.last.take());
        self.asked_at = next.asked_at;
        self.is_tip = next.is_tip;
        self.ended = next.ended;
    }

    /// The page without its records.
    pub(super) fn without_records(&self) -> Self {
        Self {
            records: Vec::new(),
            last: self.last.clone(),
            ..*self
        }
    }
}

/// Reads a page of at most `limit` records.
pub(super) async fn read_page(
    reader: &mut dyn PageReader,
    clock: &Clock,
    limit: usize,
) -> Result<PageRead, ReadError> {
    let asked_at = clock.now_millis();
    let page = reader.next_page().await?;
    let last = page.records.last();
    Ok(PageRead {
        last: last.map(|last| last.sequence_number.clone()),
        asked_at,
        is_tip: page.behind.is_zero() && page.records.len() < limit,
        ended: page.ended,
        records: page.records,
    })
}

/// Whether a sequence number is greater than another one.
pub(super) fn is_later(number: &str, than: &str) -> bool {
    (number.len(), number) > (than.len(), than)
}
