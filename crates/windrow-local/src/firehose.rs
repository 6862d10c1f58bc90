//! Firehose on this machine: delivery streams that write objects into `<data directory>/archive/`.
//!
//! Objects have the names and contents that Firehose would give them in a bucket, and the folder
//! `archive/<delivery stream>/` stands for the bucket. In it, the folder is `YYYY/MM/DD/HH/`, the UTC
//! hour in which the object's oldest record arrived, or what the delivery stream's [`ObjectPrefix`]
//! says. The name consists of delivery stream, version, time and a random part. The content is the
//! records, with nothing between them; for lines, send records that end in a newline. It is plain, or
//! one gzip file ([`Compression`]).
//!
//! A record is acknowledged once it is in an unfinished object under `<data directory>/incoming/`, and
//! a file under `<data directory>/firehose/` says so. Complete objects are moved from there into the
//! archive, so a reader never sees a partial one. After a killed process, unfinished objects are cut to
//! what was acknowledged, and delivered when their delivery stream is created again. An endpoint creates
//! those that it finds in its data directory.
//!
//! ```
//! use windrow_local::firehose::{BufferingHints, DeliverySource, Firehose};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let firehose = Firehose::new(folder.path(), "us-east-1", "000000000000");
//! firehose.create("readings", DeliverySource::DirectPut, BufferingHints::default()).await?;
//! firehose.put("readings", b"a line\n".to_vec(), 1_795_166_228_189).await?;
//! firehose.flush().await?;
//! assert!(folder.path().join("archive/readings/2026/11/20/09").is_dir());
//! # Ok(())
//! # }
//! ```

mod api;
mod committed;
mod definition;
mod error;
mod object;
mod prefix;
mod tags;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::disk_trouble::{DiskTrouble, DiskWriter};
pub(crate) use api::call;
pub use committed::ObjectsFound;
use committed::StateFolder;
use definition::check_name;
pub use definition::{
    BufferingHints, Compression, DeliverySettings, DeliverySource, DeliveryStream, DeliveryTags,
    ObjectDestination,
};
pub use error::FirehoseError;
use error::{not_found, unavailable};
use object::ObjectWriter;
pub use object::ShardPosition;
pub use prefix::{ObjectPrefix, PrefixError};
use tags::check_new_tags;

/// How often to check for objects that are due.
const DUE_CHECK: Duration = Duration::from_millis(250);

/// All delivery streams of a data directory. Clones share them.
#[derive(Clone, Debug)]
pub struct Firehose {
    shared: Arc<FirehoseState>,
}

#[derive(Debug)]
struct FirehoseState {
    incoming: PathBuf,
    archive: PathBuf,
    /// The folder of what is known of each delivery stream.
    states: PathBuf,
    region: String,
    account: String,
    streams: Mutex<BTreeMap<String, Arc<StreamEntry>>>,
    found: Mutex<ObjectsFound>,
    disk: DiskTrouble,
}

#[derive(Debug)]
struct StreamEntry {
    name: String,
    /// Its tags change. Locked after `writer`, if both are.
    definition: Mutex<DeliveryStream>,
    /// `None` once the delivery stream is deleted, so that a put that has already looked it up is
    /// not acknowledged.
    writer: Mutex<Option<ObjectWriter>>,
    puts: DiskWriter,
    deliveries: DiskWriter,
}

impl Firehose {
    /// Creates it without delivery streams. Nothing is written before the first one is created.
    #[must_use]
    pub fn new(data_dir: &Path, region: &str, account: &str) -> Self {
        Self::with_disk(data_dir, region, account, DiskTrouble::new())
    }

    /// Like [`new`](Self::new), with a disk that others write to as well.
    pub(crate) fn with_disk(
        data_dir: &Path,
        region: &str,
        account: &str,
        disk: DiskTrouble,
    ) -> Self {
        Self {
            shared: Arc::new(FirehoseState {
                incoming: data_dir.join("incoming"),
                archive: data_dir.join("archive"),
                states: data_dir.join("firehose"),
                region: region.to_owned(),
                account: account.to_owned(),
                streams: Mutex::default(),
                found: Mutex::default(),
                disk,
            }),
        }
    }

    /// Creates the delivery streams that an earlier process had, and delivers what it left.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::Unreadable`] if a file in the data directory cannot be used, and
    /// [`FirehoseError::Unavailable`] if the directory cannot be written to.
    pub async fn restore(&self) -> Result<(), FirehoseError> {
        let shared = Arc::clone(&self.shared);
        blocking("", move || {
            let entries = match std::fs::read_dir(&shared.states) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                entries => entries,
            };
            let unreadable = |source| FirehoseError::Unreadable {
                path: shared.states.clone(),
                source,
            };
            for entry in entries.map_err(unreadable)? {
                let name = entry.map_err(unreadable)?.file_name();
                let Some(name) = name.to_str().filter(|name| check_name(name).is_ok()) else {
                    continue;
                };
                let folder = StateFolder::new(&shared.states, name);
                if let Some(stream) = folder.read_definition()? {
                    shared.open(stream)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// What earlier processes had left of the delivery streams that were created since the start.
    #[must_use]
    pub fn found(&self) -> ObjectsFound {
        *lock(&self.shared.found)
    }

    /// Creates a delivery stream of plain objects; see [`create_with`](Self::create_with).
    ///
    /// # Errors
    ///
    /// As for [`create_with`](Self::create_with).
    pub async fn create(
        &self,
        name: &str,
        source: DeliverySource,
        buffering: BufferingHints,
    ) -> Result<(), FirehoseError> {
        let settings = DeliverySettings::plain(source, buffering);
        self.create_with(name, settings).await
    }

    /// Creates a delivery stream, active at once, and delivers the unfinished objects that an
    /// earlier process left under its name.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::Invalid`] if the name is not 1 to 64 of `a-zA-Z0-9_.-` or would lead out of
    /// the archive, or a tag is invalid, [`FirehoseError::LimitExceeded`] for too many tags,
    /// [`FirehoseError::AlreadyExists`], and [`FirehoseError::Unavailable`] if the
    /// directory cannot be written to.
    pub async fn create_with(
        &self,
        name: &str,
        settings: DeliverySettings,
    ) -> Result<(), FirehoseError> {
        check_name(name)?;
        check_new_tags(&settings.tags)?;
        let stream = DeliveryStream {
            name: name.to_owned(),
            arn: format!(
                "arn:aws:firehose:{}:{}:deliverystream/{name}",
                self.shared.region, self.shared.account
            ),
            settings,
            created: Timestamp::now(),
        };

        let shared = Arc::clone(&self.shared);
        blocking(name, move || {
            let folder = StateFolder::new(&shared.states, &stream.name);
            let defined = stream.clone();
            shared.open(stream)?;
            folder.write_definition(&defined).map_err(|source| {
                lock(&shared.streams).remove(&defined.name);
                unavailable(&defined.name, source)
            })
        })
        .await
    }

    /// Delivers what a delivery stream still buffers, then deletes it. Its objects are kept.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::NotFound`], and [`FirehoseError::Unavailable`] if the buffered object
    /// cannot be delivered; the delivery stream is then kept too.
    pub async fn delete(&self, name: &str) -> Result<(), FirehoseError> {
        let entry = self.entry(name)?;
        let shared = Arc::clone(&self.shared);
        blocking(name, move || {
            let mut writer = lock(&entry.writer);
            if let Some(writer) = writer.as_mut() {
                writer
                    .deliver()
                    .map_err(|source| unavailable(&entry.name, source))?;
            }
            let folder = StateFolder::new(&shared.states, &entry.name);
            folder
                .remove()
                .map_err(|source| unavailable(&entry.name, source))?;
            *writer = None;
            lock(&shared.streams).remove(&entry.name);
            Ok(())
        })
        .await
    }

    /// A delivery stream as it was created, with its tags of now.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::NotFound`].
    pub fn describe(&self, name: &str) -> Result<DeliveryStream, FirehoseError> {
        Ok(lock(&self.entry(name)?.definition).clone())
    }

    /// All delivery streams, by name.
    #[must_use]
    pub fn list(&self) -> Vec<DeliveryStream> {
        lock(&self.shared.streams)
            .values()
            .map(|entry| lock(&entry.definition).clone())
            .collect()
    }

    /// Appends data to a delivery stream's object: one record, or several that are joined already,
    /// since Firehose puts nothing between them. `arrival` is when the first of them arrived, in
    /// milliseconds since the epoch. The data of one put is never split over two objects.
    ///
    /// Unlike the API, this accepts any size and any source, for the reader of a Kinesis stream.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::NotFound`]; [`FirehoseError::Unavailable`] if the data could not be
    /// written, in which case none of it is; [`FirehoseError::Invalid`] for an arrival outside the
    /// years -9999 to 9999.
    pub async fn put(&self, name: &str, data: Vec<u8>, arrival: i64) -> Result<(), FirehoseError> {
        self.append(name, data, arrival, None).await
    }

    /// Like [`put`](Self::put), for records of a shard of the delivery stream's source, up to
    /// `position`: once they are acknowledged, [`positions`](Self::positions) has it, even if this
    /// process is killed.
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put).
    pub async fn put_from_shard(
        &self,
        name: &str,
        data: Vec<u8>,
        arrival: i64,
        position: ShardPosition,
    ) -> Result<(), FirehoseError> {
        self.append(name, data, arrival, Some(position)).await
    }

    /// The last record of each shard that is in the delivery stream: its sequence number, by the
    /// shard's ID. The source was created at `source_created`, in milliseconds since the epoch.
    /// Positions in another stream of the same name are dropped.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::NotFound`].
    pub fn positions(
        &self,
        name: &str,
        source_created: i64,
    ) -> Result<BTreeMap<String, String>, FirehoseError> {
        let entry = self.entry(name)?;
        let mut writer = lock(&entry.writer);
        let writer = writer.as_mut().ok_or_else(|| not_found(name))?;
        Ok(writer.positions(source_created))
    }

    async fn append(
        &self,
        name: &str,
        data: Vec<u8>,
        arrival: i64,
        position: Option<ShardPosition>,
    ) -> Result<(), FirehoseError> {
        let arrival =
            Timestamp::from_millisecond(arrival).map_err(|error| FirehoseError::Invalid {
                message: format!("the arrival time: {error}"),
            })?;
        let entry = self.entry(name)?;
        blocking(name, move || {
            let mut writer = lock(&entry.writer);
            let name = &entry.name;
            let writer = writer.as_mut().ok_or_else(|| not_found(name))?;
            let appended = writer.append(&data, arrival, Instant::now(), position);
            told(&entry.puts, writer.incoming(), name, appended)
        })
        .await
    }

    /// Delivers every buffered object now.
    ///
    /// # Errors
    ///
    /// The first [`FirehoseError::Unavailable`], after all delivery streams were tried. Objects
    /// that could not be delivered are kept and retried.
    pub async fn flush(&self) -> Result<(), FirehoseError> {
        self.deliver(|writer| writer.deliver()).await
    }

    /// Delivers objects as they become due, forever. Run it as a task.
    pub(crate) async fn deliver_when_due(self) {
        loop {
            tokio::time::sleep(DUE_CHECK).await;
            let now = Instant::now();
            // The failure is logged, and the next try is one interval later.
            let _ = self.deliver(move |writer| writer.deliver_if_due(now)).await;
        }
    }

    async fn deliver(
        &self,
        deliver: impl Fn(&mut ObjectWriter) -> io::Result<()> + Send + 'static,
    ) -> Result<(), FirehoseError> {
        let entries: Vec<_> = lock(&self.shared.streams).values().cloned().collect();
        blocking("", move || {
            let mut outcome = Ok(());
            for entry in entries {
                let mut writer = lock(&entry.writer);
                let Some(writer) = writer.as_mut() else {
                    continue;
                };
                let delivered = deliver(writer);
                let name = &entry.name;
                outcome = outcome.and(told(&entry.deliveries, writer.archived(), name, delivered));
            }
            outcome
        })
        .await
    }

    fn entry(&self, name: &str) -> Result<Arc<StreamEntry>, FirehoseError> {
        let entry = lock(&self.shared.streams).get(name).cloned();
        entry.ok_or_else(|| not_found(name))
    }
}

impl FirehoseState {
    /// Opens a delivery stream, and delivers what an earlier process left of it.
    fn open(&self, stream: DeliveryStream) -> Result<(), FirehoseError> {
        let mut streams = lock(&self.streams);
        if streams.contains_key(&stream.name) {
            return Err(FirehoseError::AlreadyExists { name: stream.name });
        }
        let folder = StateFolder::new(&self.states, &stream.name);
        let committed = folder.read_committed()?;
        let (writer, found) = ObjectWriter::open(
            &self.incoming,
            &self.archive,
            folder.committed(),
            &stream,
            committed,
        )
        .map_err(|source| unavailable(&stream.name, source))?;
        lock(&self.found).add(found);
        let entry = StreamEntry {
            writer: Mutex::new(Some(writer)),
            puts: self.disk.writer(),
            deliveries: self.disk.writer(),
            name: stream.name.clone(),
            definition: Mutex::new(stream),
        };
        streams.insert(entry.name.clone(), Arc::new(entry));
        Ok(())
    }
}

/// Reports how a write of a delivery stream ended.
fn told(
    disk: &DiskWriter,
    folder: &Path,
    name: &str,
    written: io::Result<()>,
) -> Result<(), FirehoseError> {
    match &written {
        Ok(()) => disk.succeeded(),
        Err(error) => disk.failed(folder, error),
    }
    written.map_err(|source| unavailable(name, source))
}

/// Runs file operations on a blocking thread.
async fn blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, FirehoseError> + Send + 'static,
) -> Result<T, FirehoseError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(unavailable(name, io::Error::other(error))),
    }
}

/// Locks a mutex, even a poisoned one: a panic cannot leave these values half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
