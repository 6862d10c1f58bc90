//! The settings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The settings of a [`Kinesis`](crate::Kinesis).
#[derive(Clone)]
#[non_exhaustive]
pub struct KinesisOptions {
    /// The folder of the streams. Only one process at a time can use it.
    pub folder: PathBuf,
    /// The region in every ARN.
    pub region: String,
    /// The twelve-digit account in every ARN.
    pub account: String,
    /// The clock of the arrival times, in milliseconds since the epoch. It may step back: the
    /// arrival times of a shard do not, and iterators do not expire by it.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// The most open shards of all streams together.
    pub shard_limit: u32,
    /// How long a shard iterator stays valid: five minutes on AWS.
    pub iterator_lifetime: Duration,
    /// How many GetRecords calls per second each shard allows, over all its readers: five on AWS.
    /// A request with the extension [`Unmetered`](crate::Unmetered) does not count. `None` for no
    /// limit.
    pub reads_per_second: Option<u32>,
    /// Whether each shard takes at most 1 MiB and 1,000 records per second, as on AWS.
    pub write_limits: bool,
    /// How long a stream is CREATING, UPDATING or DELETING. AWS takes seconds.
    pub change_delay: Duration,
}

impl KinesisOptions {
    /// The default settings, with this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            clock: Arc::new(system_millis),
            shard_limit: 1_000,
            iterator_lifetime: Duration::from_secs(300),
            reads_per_second: None,
            write_limits: true,
            change_delay: Duration::from_millis(10),
        }
    }
}

impl fmt::Debug for KinesisOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KinesisOptions")
            .field("folder", &self.folder)
            .field("region", &self.region)
            .field("account", &self.account)
            .field("shard_limit", &self.shard_limit)
            .field("iterator_lifetime", &self.iterator_lifetime)
            .field("reads_per_second", &self.reads_per_second)
            .field("write_limits", &self.write_limits)
            .field("change_delay", &self.change_delay)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the default clock is the edge where time comes from"
)]
fn system_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    i64::try_from(millis).unwrap_or(i64::MAX)
}
